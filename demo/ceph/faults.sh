#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# faults.sh [--scale=PERCENT] [--kills=COUNT] [--library=FILE] [--folder=DIR] [CASE...]
#
# What can go wrong with Ceph on memkv, and the ways there and back, each on a
# cluster of its own.  After each case every record that Ceph has said to have
# written is read back and compared, a deep scrub compares the copies, and
# BlueStore's fsck goes over every OSD.  CASES are the files in faults/; all by default:
#
#   kills            OSDs are killed with SIGKILL while they write, --kills=20 times
#   full_disk        their disks are full, and Ceph refuses writes
#   no_room          their disks are full, and RocksDB finds no room for its files
#   without_library  daemons and tools are started without the library: each must
#                    refuse, and nothing may be lost
#   there_and_back   an OSD of a stock cluster is changed to FST tables in place, and
#                    back; it then runs without the library
#   back_to_stock    a whole cluster made with memkv goes back, OSD by OSD
#
# run.sh has the other arguments; the scale is 10 by default.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/cluster.sh"
for file in "$here"/faults/*.sh; do source "$file"; done
root=$(cd "$here/../.." && pwd)

scale=10 kills=20 disk_bytes=4294967296 full_disk_bytes=1073741824
folder=$root/build/ceph_faults cases=()
memkv_library=$root/build/ceph/libmemkv-ceph.so
for argument in "$@"; do
  case $argument in
    --scale=*) scale=${argument#*=} ;;
    --kills=*) kills=${argument#*=} ;;
    --library=*) memkv_library=${argument#*=} ;;
    --folder=*) folder=${argument#*=} ;;
    kills | full_disk | no_room | without_library | there_and_back | back_to_stock) cases+=("$argument") ;;
    *) die "unknown argument '$argument'; the head of $0 says what there is" ;;
  esac
done
[[ $scale =~ ^[1-9][0-9]*$ ]] && ((scale <= 100)) || die "--scale is a per cent, 1 to 100, not '$scale'"
[[ $kills =~ ^[1-9][0-9]*$ ]] || die "--kills is a number of kills, not '$kills'"
((${#cases[@]} > 0)) || cases=(kills full_disk no_room without_library there_and_back back_to_stock)
records=$((scale * 10000)) objects=$((scale * 1000))
prepare "$folder" "$records"
cluster=$folder/cluster
work=(client "--results=$folder/results.json" "--names=$names" "--records=$records"
  "--objects=$objects")

for case in "${cases[@]}"; do
  say "$case"
  rm -f "$folder/results.json"
  "$case"
  end_all
  rm -rf "$cluster"
  say "$case: OK"
done
echo "memkv ceph faults: OK, ${cases[*]}"
