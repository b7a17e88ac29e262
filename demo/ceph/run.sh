#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# run.sh [--scale=PERCENT] [--library=FILE] [--folder=DIR]
#
# Two Ceph clusters on this machine, one with stock RocksDB and one with memkv, do by
# turns what an S3 gateway and a file system ask of one: a million records in a bucket
# index, a million names with short values, and 100,000 small objects, or that per cent
# of it.  Every record is read back and compared.  Prints a table.  Needs Debian's
# packages (build_tools/fetch_debian_ceph.sh) and no root; 8 GiB of memory and 10 GB of
# disk at full scale.  cluster.sh has the settings.
#
#   --library   libmemkv.so for this Ceph; by default that of `make ceph_demo`
#   --folder    where clusters live and logs stay; by default build/ceph_demo

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/cluster.sh"
root=$(cd "$here/../.." && pwd)

scale=100 folder=$root/build/ceph_demo
memkv_library=$root/build/ceph/libmemkv-ceph.so
for argument in "$@"; do
  case $argument in
    --scale=*) scale=${argument#*=} ;;
    --library=*) memkv_library=${argument#*=} ;;
    --folder=*) folder=${argument#*=} ;;
    *) die "unknown argument '$argument'; the head of $0 says what there is" ;;
  esac
done
[[ $scale =~ ^[1-9][0-9]*$ ]] && ((scale <= 100)) || die "--scale is a per cent, 1 to 100, not '$scale'"
records=$((scale * 10000)) objects=$((scale * 1000))
prepare "$folder" "$records"

kinds=(stock memkv)
rm -f "$folder"/{stock,memkv}.{json,tables}

# enter stock|memkv: what follows is of this cluster.
enter() {
  set_kind "$1"
  cluster=$folder/$1
}

# both STEP...: steps of the client on both clusters.  Which is first changes from
# call to call, for a machine is not as fast now as it was a minute ago.
both() {
  local kind
  for kind in "${kinds[@]}"; do
    enter "$kind"
    client "--label=$kind" "--results=$folder/$kind.json" "--names=$names" \
      "--records=$records" "--objects=$objects" "$@"
  done
  kinds=("${kinds[1]}" "${kinds[0]}")
}

# in_thirds STEP...: the same, a third of the records at a time.
in_thirds() {
  local part
  for part in 1 2 3; do both "--part=$part/3" "$@"; done
}

for kind in stock memkv; do
  enter "$kind"
  say "$kind: starting one monitor and three OSDs"
  make_cluster 3
  start_osds
done
# An OSD begins to scrub one group a second: few groups where little is in each.
both "--groups=$((scale < 5 ? 4 : 16))" up pools
# What was flushed once and lies beside nothing else is not written again by a
# compaction: with thirds, all of it is.
for kind in directory index objects; do
  in_thirds "--of=$kind" "load-$kind" compact
  both "--of=$kind" sizes
done
both cpu
for kind in stock memkv; do
  enter "$kind"
  say "$kind: starting the OSDs anew"
  end_osds
  start_osds
  client "--results=$folder/$kind.json" up start-up whole
done
in_thirds check-directory check-index list read-index
in_thirds check-objects
both memory
in_thirds delete
in_thirds check-kept
both scrub cpu
for kind in stock memkv; do
  enter "$kind"
  end_osds
  for number in 0 1 2; do fsck "$number"; done
  count_tables 0 >"$folder/$kind.tables"
  say "$kind: BlueStore's fsck has found nothing; tables of osd.0: $(cat "$folder/$kind.tables")"
  end_all
  rm -rf "$cluster"
done
python3 "$here/table.py" "$folder/stock.json" "$folder/memkv.json"
