#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A case of faults.sh: OSDs are killed with SIGKILL while a client writes, --kills
# times: one after the other, and every tenth time all at once.  The client writes
# the records in as many parts, each once, so that none is hidden by a later write.

# The loader: writes part after part, the next one when a kill is over.  The file
# `writing` is there while it writes.
load_parts() {
  local part
  for ((part = 1; part <= kills; ++part)); do
    while (($(cat "$cluster/kills") < part - 1)); do sleep 0.1; done
    touch "$cluster/writing"
    client "${work[@]:1}" "--part=$part/$kills" --pause=0.01 load-index load-objects || return
    rm "$cluster/writing"
  done
}

kills() {
  local round victims hits=0 loader
  ((kills <= objects)) || die "--kills=$kills: there are but $objects objects, one a kill at least"
  new_cluster memkv
  echo 0 >"$cluster/kills"
  load_parts 2>"$cluster/load.out" &
  loader=$!
  for ((round = 1; round <= kills; ++round)); do
    # Some time after the part's beginning; a client takes a second to connect.
    sleep "$((1 + RANDOM % 2)).$((RANDOM % 10))"
    kill -0 "$loader" 2>/dev/null || break
    victims=("osd.$((round % 3))")
    ((round % 10 != 0)) || victims=(osd.0 osd.1 osd.2)
    [[ ! -e $cluster/writing ]] || hits=$((hits + 1))
    end KILL "${victims[@]}"
    for victim in "${victims[@]}"; do start_osd "${victim#osd.}"; done
    client up
    echo "$round" >"$cluster/kills"
    ((round % 10 != 0)) || say "kill $round of $kills, $hits while the client was writing"
  done
  wait "$loader" || die "the load failed: $(tail -n 3 "$cluster/load.out")"
  # On a machine that is busy, some come before the client or after it.
  ((hits * 2 >= kills)) || die "of $kills kills only $hits came while the client was writing"
  check "OSDs killed $kills times, $hits of these while the client was writing"
}
