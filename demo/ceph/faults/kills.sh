#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A case of faults.sh: OSDs are killed with SIGKILL while a client writes, --kills
# times: one after the other, and every tenth time all at once.  The client writes
# the records in as many parts, each once, so that none is hidden by a later write.

kills() {
  local round victims victim writer hits=0 began pause
  ((kills <= objects)) || die "--kills=$kills: there are but $objects objects, one a kill at least"
  new_cluster memkv
  # Between two objects, so that a part takes two seconds.
  pause=$(awk "BEGIN { print 2 * $kills / $objects }")
  for ((round = 1; round <= kills; ++round)); do
    # It saves what it has found when it is about to write.
    rm -f "$cluster/part.json"
    (exec_client "${work[@]:1}" "--results=$cluster/part.json" "--part=$round/$kills" \
      --pause="$pause" up load-index load-objects) \
      2>"$cluster/part.out" &
    writer=$!
    for ((began = 0; began < 1200; ++began)); do
      [[ ! -e $cluster/part.json ]] || break
      sleep 0.05
    done
    sleep "1.$((RANDOM % 10))"
    victims=("osd.$((round % 3))")
    ((round % 10 != 0)) || victims=(osd.0 osd.1 osd.2)
    ! kill -0 "$writer" 2>/dev/null || hits=$((hits + 1))
    end KILL "${victims[@]}"
    for victim in "${victims[@]}"; do start_osd "${victim#osd.}"; done
    client up
    wait "$writer" || die "part $round cannot be written: $(tail -n 3 "$cluster/part.out")"
    ((round % 10 != 0)) || say "kill $round of $kills, $hits while the client was writing"
  done
  # On a machine that is busy, one may come after it.
  ((hits * 2 >= kills)) || die "of $kills kills only $hits came while the client was writing"
  check "OSDs killed $kills times, $hits of these while the client was writing"
}
