#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# run.sh [--scale=PERCENT] [--library=FILE] [--only=stock|memkv] [--folder=DIR]
#
# A Ceph cluster on this machine, with stock RocksDB and then with memkv, does what
# an S3 gateway asks of one: a million records in a bucket index and 100,000 small
# objects, or that per cent of it.  Every record is read back and compared.  Prints
# a table.  Needs Debian's packages (build_tools/fetch_debian_ceph.sh) and no root;
# 8 GiB of memory and 5 GB of disk at full scale.  cluster.sh has the settings.
#
#   --library   libmemkv.so for this Ceph; by default that of `make ceph_demo`
#   --only      one of the two, without a table
#   --folder    where clusters live and logs stay; by default build/ceph_demo

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/cluster.sh"
root=$(cd "$here/../.." && pwd)

scale=100 folder=$root/build/ceph_demo kinds='stock memkv'
memkv_library=$root/build/ceph/libmemkv-ceph.so
for argument in "$@"; do
  case $argument in
    --scale=*) scale=${argument#*=} ;;
    --library=*) memkv_library=${argument#*=} ;;
    --only=*) kinds=${argument#*=} ;;
    --folder=*) folder=${argument#*=} ;;
    *) die "unknown argument '$argument'; the head of $0 says what there is" ;;
  esac
done
[[ $scale =~ ^[1-9][0-9]*$ ]] && ((scale <= 100)) || die "--scale is a per cent, 1 to 100, not '$scale'"
[[ $kinds =~ ^(stock|memkv|stock memkv)$ ]] || die "--only is stock or memkv, not '$kinds'"
records=$((scale * 10000)) objects=$((scale * 1000))
prepare "$folder" "$records"

# The work, with the daemons as they are set.
run() {
  local kind=$1 number
  local work=(client "--results=$folder/$kind.json" "--names=$names" "--records=$records"
    "--objects=$objects")
  rm -f "$folder/$kind.json"
  say "$kind: starting one monitor and three OSDs"
  make_cluster 3
  start_osds
  "${work[@]}" up pools load-index load-objects compact sizes cpu
  say "$kind: starting the OSDs anew"
  end_osds
  start_osds
  "${work[@]}" up start-up whole check-index list read-index check-objects memory \
    delete check-kept scrub cpu
  end_osds
  for number in 0 1 2; do fsck "$number"; done
  count_tables 0 >"$folder/$kind.tables"
  say "$kind: BlueStore's fsck has found nothing; tables of osd.0: $(cat "$folder/$kind.tables")"
  end_all
}

for kind in $kinds; do
  set_kind "$kind"
  cluster=$folder/$kind
  run "$kind"
  rm -rf "$cluster"
done
[[ $kinds == 'stock memkv' ]] || exit 0
python3 "$here/table.py" "$folder/stock.json" "$folder/memkv.json"
