#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A case of faults.sh: the disks of all OSDs are full, and Ceph says so: at its full
# ratio it refuses writes, and reads on.  It is started full.  Room is made by deleting.

full_disk() {
  local number
  disk_bytes=$full_disk_bytes new_cluster memkv
  "${work[@]}" load-index load-objects
  "${work[@]}" --timeout=10 fill-disk refused
  "${work[@]}" check-index check-objects
  end_osds
  for number in 0 1 2; do fsck "$number"; done
  say 'full: writes are refused, every record is there, fsck has found nothing'
  start_osds
  "${work[@]}" up whole check-index check-objects empty-disk
  # All of it once more: it takes writes again.
  "${work[@]}" load-index load-objects
  check 'OSDs that were full, started full, and emptied'
}
