#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A case of faults.sh: with Ceph's protection against full disks taken away, RocksDB
# finds no room in the middle of what it does, and the OSDs end.  Room is made by
# larger disks before they start again.  Everything that was acknowledged until then is
# there.

no_room() {
  local number ended tries
  disk_bytes=$full_disk_bytes new_cluster memkv
  "${work[@]}" load-index load-objects no-full-ratio
  "${work[@]}" --until=0.97 --timeout=30 fill-disk fill-omap
  for ((tries = 0; tries < 600; ++tries)); do
    ended=0
    for number in 0 1 2; do runs "osd.$number" || ended=$((ended + 1)); done
    ((ended < 3)) || break
    sleep 0.1
  done
  ((ended > 0)) || die 'no OSD has run out of room'
  # BlueFS aborts: of what it was asked for, or of an error code that it does not know.
  grep -qaE 'bluefs enospc|BlueRocksWritableFile::Allocate' "$cluster"/osd.*.out ||
    die 'the OSDs have ended, but RocksDB had room'
  say "$ended of 3 OSDs have ended for want of room"
  end_osds
  for number in 0 1 2; do
    truncate -s $((full_disk_bytes * 2)) "$cluster/osd.$number/block"
    in_ceph ceph-bluestore-tool bluefs-bdev-expand --path "$cluster/osd.$number" \
      >"$cluster/expand.out" 2>&1 || die "osd.$number does not grow: $(tail -n 3 "$cluster/expand.out")"
    fsck "$number"
  done
  start_osds
  "${work[@]}" up whole check-filled
  check 'OSDs that have run out of room, on larger disks'
}
