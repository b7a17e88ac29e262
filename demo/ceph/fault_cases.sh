#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The cases of faults.sh, which reads this with `source`, and the two ways that
# docs/distributed.md gives to an operator: to_fst and to_stock.

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

# ---- Cases -------------------------------------------------------------------

kills() {
  local loader round
  new_cluster memkv
  (exec_client "${work[@]:1}" load-index load-objects) &
  loader=$!
  echo $loader >"$cluster/loader.pid"
  sleep 1
  end KILL osd.0 osd.1 osd.2
  start_osds
  client up
  for ((round = 0; ; ++round)); do
    sleep 1
    runs loader || break
    end KILL "osd.$((round % 3))"
    sleep 1
    start_osd $((round % 3))
    client up
  done
  ((round >= 2)) || die "the load ended too soon: --scale must be larger"
  wait "$loader" || die "the load failed"
  rm "$cluster/loader.pid"
  check "all killed once while they wrote, and one by one $round times"
}

without_library() {
  local number
  new_cluster memkv
  "${work[@]}" load-index load-objects
  client compact
  end_osds
  [[ $(count_tables 0) != 0\ FST,* ]] || die "osd.0 has no FST file"
  library=
  refused 'an OSD' ceph-osd -i 0 --osd-data "$cluster/osd.0" -f
  refused 'fsck' ceph-bluestore-tool fsck --path "$cluster/osd.0"
  refused 'repair' ceph-bluestore-tool repair --path "$cluster/osd.0"
  refused 'ceph-kvstore-tool' ceph-kvstore-tool bluestore-kv "$cluster/osd.0" list
  refused 'ceph-objectstore-tool' ceph-objectstore-tool --no-mon-config \
    --data-path "$cluster/osd.0" --op list
  # What OSDs are made with has no influence: an OSD keeps the options of its tables.
  annex= cfs=$stock_cfs use_conf
  refused 'an OSD with the configuration of stock' ceph-osd -i 0 --osd-data "$cluster/osd.0" -f
  # The monitor has no FST files: memtables are on no disk.
  end TERM mon.a
  start_monitor
  client up
  set_kind memkv
  use_conf
  end TERM mon.a
  start_monitor
  start_osds
  check 'started without the library'
}

there_and_back() {
  new_cluster stock
  "${work[@]}" load-index
  to_fst 0
  # Its newer tables are FST files, its older ones are not.
  "${work[@]}" load-objects
  client --osd=0 compact
  "${work[@]}" check-index check-objects scrub
  end TERM osd.0
  say "osd.0 has $(count_tables 0) tables"
  [[ $(count_tables 0) != 0\ FST,* ]] || die "osd.0 has no FST file"
  fsck 0
  start_and_wait 0
  to_stock 0
  check 'an OSD there and back'
}

back_to_stock() {
  local number
  new_cluster memkv
  "${work[@]}" load-index load-objects
  client compact
  for number in 0 1 2; do
    # The others still have the library.
    set_kind memkv
    use_conf
    to_stock "$number"
  done
  end TERM mon.a
  start_monitor
  check 'a cluster that went back'
}

# refused WHAT PROGRAM...: without the library it ends with an error, within a minute,
# and its log names the option that it does not know.
refused() {
  local what=$1 status=0
  shift
  timeout 60 "$ceph/run_debian.sh" "$@" -c "$cluster/ceph.conf" --debug-rocksdb=5/5 \
    --log-file="$cluster/refused.log" >"$cluster/refused.out" 2>&1 || status=$?
  ((status != 0)) || die "$what works without the library"
  ((status != 124)) || die "$what without the library does not end"
  grep -q 'Could not find option: : table_factory.memkv' "$cluster/refused.log" ||
    die "$what without the library does not say why: $(tail -n 5 "$cluster/refused.out")"
  say "$what, without the library: status $status, $(tail -n 1 "$cluster/refused.out" | sed -E 's/\x1b\[[0-9;]*m//g; s/^.* -1 //')"
  rm "$cluster/refused.log"
}
