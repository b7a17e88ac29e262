#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# For the scripts that need a Ceph cluster; they read this with `source`.  One
# monitor and some OSDs on this machine's loopback, as this user, in one folder.
# BlueStore is on plain files.  What a cluster is and does is set by these:
#
#   ceph      the unpacked packages (build_tools/fetch_debian_ceph.sh)
#   cluster   the cluster's folder
#   library   what the daemons load: libmemkv.so for this Ceph, or nothing
#   cfs       bluestore_rocksdb_cfs of OSDs to be made
#   annex     bluestore_rocksdb_options_annex; a monitor has it, too

ceph= cluster= library= cfs= annex= memkv_library= disk_bytes=21474836480
clusters=()

# Ceph's own value, and the same with FST tables, docs/distributed.md says why so.
stock_cfs='m(3) p(3,0-12) O(3,0-13)=block_cache={type=binned_lru}'
fst_cfs='m(3)=FST p(3,0-12)=FST O(3,0-13)=FST'
fst_table='table_factory=fst;table_factory.memkv={residency=auto;value_block_size=16384;filter_policy=bloomfilter:20;block_cache=512M}'
fst_cfs=${fst_cfs//FST/$fst_table}
for columns in stock_cfs fst_cfs; do
  declare $columns+=' L=min_write_buffer_number_to_merge=32 P=min_write_buffer_number_to_merge=32'
done

say() { printf -- '-- %s\n' "$*" >&2; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# prepare FOLDER RECORDS: the packages, and a file of so many names; everything that
# is started from now on is stopped when the script ends, however it ends.
# Leaves with 77 if the packages or the names cannot be had.
prepare() {
  local root cache
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  cache=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}
  ceph=$("$root/build_tools/fetch_debian_ceph.sh" "$cache") || {
    echo "skipped: Debian's packages of Ceph could not be had"
    exit 77
  }
  mkdir -p "$1"
  names=$1/names.$2
  if [[ ! -e $names ]]; then
    say "choosing $2 names from Debian's lists of files"
    { "$root/db_bench_ext/keys/fetch_contents.sh" 2>"$1/contents.out" || echo >"$1/contents.failed"; } |
      nice -n 10 python3 "$root/demo/ceph/records.py" "$names.new" "$2" && [[ ! -e $1/contents.failed ]] || {
      rm -f "$1/contents.failed"
      echo "skipped: Debian's lists of files could not be had: $(tail -n 1 "$1/contents.out")"
      exit 77
    }
    mv "$names.new" "$names"
  fi
  trap 'for cluster in "${clusters[@]}"; do end_all; done' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# set_kind stock|memkv: how daemons are made and started from now on.
set_kind() {
  library= annex= cfs=$stock_cfs
  [[ $1 == memkv ]] || return 0
  [[ -r $memkv_library ]] || die "no library for this Ceph: $memkv_library"
  library=$(realpath "$memkv_library") annex=memtable_factory=art cfs=$fst_cfs
}

# exec_ceph PROGRAM...: becomes one of Ceph's programs, with the library.
exec_ceph() {
  cd "$cluster"
  [[ -z $library ]] || export LD_PRELOAD=$library
  exec nice -n 10 "$ceph/run_debian.sh" "$@" -c "$cluster/ceph.conf"
}
in_ceph() { (exec_ceph "$@"); }

# client OPTIONS STEP...: the client, by the packages' Python, without the library.
exec_client() {
  export PYTHONHOME=$ceph/usr PYTHONDONTWRITEBYTECODE=1
  export PYTHONPATH=$ceph/usr/lib/python3/dist-packages
  exec nice -n 10 "$ceph/run_debian.sh" python3.13 "$(dirname "${BASH_SOURCE[0]}")/client.py" \
    --conf="$cluster/ceph.conf" "$@"
}
client() { (exec_client "$@"); }

# Two ports of loopback that nobody has.
free_ports() {
  "$ceph/run_debian.sh" python3.13 -ISc '
import socket
both = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in both))'
}

write_conf() {
  local ports libraries
  read -ra ports <<<"$(free_ports)"
  libraries=$(cd "$ceph" && echo usr/lib/*/rados-classes)
  libraries=$ceph/${libraries%/rados-classes}
  mon_address="[v2:127.0.0.1:${ports[0]},v1:127.0.0.1:${ports[1]}]"
  cat >"$cluster/base.conf" <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon initial members = a
mon host = $mon_address
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# Commands to a daemon pass through it.  It lies in the folder that the daemon runs
# in: the whole path may be too long for a socket's name.
admin socket = \$name.asok
run dir = $cluster
log file = $cluster/\$name.log
mon cluster log file = $cluster/cluster.log
plugin dir = $libraries/ceph
erasure code dir = $libraries/ceph/erasure-code
osd class dir = $libraries/rados-classes
# All on one machine.
osd crush chooseleaf type = 0
osd pool default pg autoscale mode = off
mon data avail crit = 1
mon data avail warn = 2
mon allow pool delete = true
# A machine that is busy with other things is not a fault.
osd heartbeat grace = 600
osd op thread timeout = 600
osd op thread suicide timeout = 0
# Small files as disks, with the settings of flash.
bluestore block size = $disk_bytes
bluestore debug enforce settings = ssd
osd memory target = 2147483648
# The command "compact" answers when it is done.
bluestore async db compaction = false
# A deep scrub begins when it is asked for, and uses what there is.
osd op queue = wpq
osd scrub backoff ratio = 0
osd scrub sleep = 0
osd scrub load threshold = 1000
osd max scrubs = 4
osd deep scrub large omap object key threshold = 10000000
# Likewise recovery.
osd recovery sleep hdd = 0
osd recovery max active = 32
osd max backfills = 16
END
  use_conf
}

# Writes the configuration that is read by what is started from now on: annex, cfs.
# A semicolon begins a comment in ceph.conf.
use_conf() {
  local of_monitor=write_buffer_size=33554432,compression=kNoCompression,level_compaction_dynamic_level_bytes=true
  cat - "$cluster/base.conf" >"$cluster/ceph.conf" <<END
[osd]
bluestore rocksdb cfs = ${cfs//;/\\;}
${annex:+bluestore rocksdb options annex = $annex}
[mon]
${annex:+mon rocksdb options = $of_monitor,$annex}
[client]
admin socket =
END
}

# start DAEMON ARGUMENTS...: in the background; its process is in DAEMON.pid.
start() {
  local name=$1
  shift
  (exec_ceph "$@" -f) >>"$cluster/$name.out" 2>&1 </dev/null &
  echo $! >"$cluster/$name.pid"
  # Bash says nothing when it is killed.
  disown $!
}

pid_of() { cat "$cluster/$1.pid"; }
runs() { [[ -e $cluster/$1.pid ]] && kill -0 "$(pid_of "$1")" 2>/dev/null; }

# make_cluster OSDS: a new monitor, which is started, and new OSDs, which are not.
make_cluster() {
  local number
  rm -rf "$cluster"
  mkdir -p "$cluster"
  clusters+=("$cluster")
  write_conf
  in_ceph monmaptool --create --addv a "$mon_address" \
    --fsid "$(sed -n 's/^fsid = //p' "$cluster/ceph.conf")" "$cluster/monmap" >"$cluster/make.out" 2>&1 ||
    die "no monitor map: $(tail -n 3 "$cluster/make.out")"
  in_ceph ceph-mon --mkfs -i a --mon-data "$cluster/mon.a" --monmap "$cluster/monmap" \
    >>"$cluster/make.out" 2>&1 || die "no monitor: $(tail -n 3 "$cluster/make.out")"
  start_monitor
  for ((number = 0; number < $1; ++number)); do make_osd "$number"; done
}

start_monitor() { start mon.a ceph-mon -i a --mon-data "$cluster/mon.a"; }

make_osd() {
  local uuid
  uuid=$(cat /proc/sys/kernel/random/uuid)
  client --uuid="$uuid" new-osd || die "osd.$1 has no number"
  mkdir "$cluster/osd.$1"
  in_ceph ceph-osd -i "$1" --mkfs --osd-data "$cluster/osd.$1" --osd-uuid "$uuid" \
    >>"$cluster/make.out" 2>&1 || die "osd.$1 cannot be made: $(tail -n 3 "$cluster/make.out")"
}

start_osd() { start "osd.$1" ceph-osd -i "$1" --osd-data "$cluster/osd.$1"; }

# Those that make_cluster made.
start_osds() {
  local folder
  for folder in "$cluster"/osd.[0-9]*/; do start_osd "$(basename "${folder#*osd.}")"; done
}

# end SIGNAL DAEMON...: sends it and waits until they are gone; after a minute, and
# a machine that is busy may need that, they are killed.
end() {
  local signal=$1 name tries
  shift
  for name in "$@"; do ! runs "$name" || kill -s "$signal" "$(pid_of "$name")"; done
  for name in "$@"; do
    [[ -e $cluster/$name.pid ]] || continue
    for ((tries = 0; tries < 600; ++tries)); do
      runs "$name" || break
      sleep 0.1
    done
    while runs "$name"; do kill -s KILL "$(pid_of "$name")" 2>/dev/null && sleep 0.1; done
    rm -f "$cluster/$name.pid"
  done
}

# Every OSD.
end_osds() { end_some osd.; }

# Everything that was started.
end_all() { end_some ''; }

end_some() {
  local file names=()
  for file in "$cluster/$1"*.pid; do
    [[ ! -e $file ]] || names+=("$(basename "$file" .pid)")
  done
  ((${#names[@]} == 0)) || end TERM "${names[@]}"
}

# fsck OSD: BlueStore's own check of an OSD that is stopped, every key of it.
fsck() {
  in_ceph ceph-bluestore-tool fsck --path "$cluster/osd.$1" >"$cluster/fsck.out" 2>&1 &&
    grep -q 'fsck success' "$cluster/fsck.out" ||
    die "fsck of osd.$1: $(tail -n 5 "$cluster/fsck.out")"
}

# count_tables OSD: the RocksDB tables of an OSD that is stopped: how many are FST
# files, and how many block-based.
count_tables() {
  local fst=0 other=0 file
  rm -rf "$cluster/export"
  in_ceph ceph-bluestore-tool bluefs-export --path "$cluster/osd.$1" --out-dir "$cluster/export" \
    >"$cluster/export.out" 2>&1 || die "osd.$1 cannot be exported: $(tail -n 3 "$cluster/export.out")"
  for file in "$cluster"/export/db*/*.sst; do
    if grep -qa 'memkv.fst.directory' "$file"; then fst=$((fst + 1)); else other=$((other + 1)); fi
  done
  rm -rf "$cluster/export"
  echo "$fst FST, $other block-based"
}
