#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# What the cases of faults.sh share, which reads this with `source`; among it the two
# ways that docs/distributed.md gives to an operator: to_fst and to_stock.

# FST files are read, block-based files are written, and what is older than half a
# minute is written anew.  A compaction alone would leave files that nothing overlaps.
leaving_cfs=${fst_cfs//residency=auto;/write_format=block_based;residency=auto;}
leaving_cfs=${leaving_cfs//"M}"/"M};periodic_compaction_seconds=30"}

reshard() {
  in_ceph ceph-bluestore-tool reshard --path "$cluster/osd.$1" --sharding "$2" \
    >"$cluster/reshard.out" 2>&1 && grep -q 'reshard success' "$cluster/reshard.out" ||
    die "osd.$1 cannot be changed to '$2': $(tail -n 5 "$cluster/reshard.out")"
}

# start_and_wait OSD...: until these are up and every copy is whole.
start_and_wait() {
  local number
  for number in "$@"; do start_osd "$number"; done
  client up whole
}

# check WHAT: everything is there and equal in all copies, and fsck finds nothing.
# The OSDs are stopped afterwards.
check() {
  local number
  "${work[@]}" up whole check-index check-objects scrub
  end_osds
  for number in 0 1 2; do fsck "$number"; done
  say "$1: every record is there, deep scrub and fsck have found nothing"
}

# to_fst OSD: changes an OSD that runs.  Its tables become FST files as compactions
# rewrite them.
to_fst() {
  end TERM "osd.$1"
  annex=memtable_factory=art cfs=$fst_cfs use_conf
  library=$(realpath "$memkv_library")
  reshard "$1" "$fst_cfs"
  start_and_wait "$1"
}

# to_stock OSD: changes an OSD that runs, and proves that it has no FST file left
# before it is opened without the library.
to_stock() {
  local tables tries
  end TERM "osd.$1"
  reshard "$1" "$leaving_cfs"
  for ((tries = 0; tries < 10; ++tries)); do
    start_and_wait "$1"
    sleep 35
    client --osd="$1" compact
    sleep 10
    end TERM "osd.$1"
    tables=$(count_tables "$1")
    say "osd.$1 has $tables tables"
    [[ $tables != 0\ FST,* ]] || break
  done
  [[ $tables == 0\ FST,* ]] || die "osd.$1 still has FST files: $tables"
  reshard "$1" "$stock_cfs"
  library= annex= cfs=$stock_cfs
  use_conf
  start_and_wait "$1"
}

# new_cluster stock|memkv: one that runs, with pools and nothing in them.
new_cluster() {
  set_kind "$1"
  make_cluster 3
  start_osds
  client up pools
}
