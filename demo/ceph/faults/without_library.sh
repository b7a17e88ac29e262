#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A case of faults.sh: daemons and tools are started without the library.  Each must
# refuse, and nothing may be lost.

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
