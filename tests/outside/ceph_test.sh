#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# ceph_test.sh ROOT COMPILER: builds the library for Debian's Ceph, and with it does a
# small run of the demo, and of the fault that an operator must be told of, OSDs
# without their library.  Skipped (77) if Debian's packages, sources or lists cannot be
# had now.

set -euo pipefail
root=$1 compiler=$2
cache=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}
folder=$PWD/clusters library=$PWD/library/libmemkv-ceph.so

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

"$root/build_tools/fetch_debian_ceph.sh" "$cache" >/dev/null &&
  "$root/build_tools/fetch_ceph_rocksdb.sh" "$cache" >/dev/null || {
  echo "skipped: Debian's Ceph could not be had"
  exit 77
}
"$root/build_tools/ceph_library.sh" library 2 "-DCMAKE_CXX_COMPILER=$compiler" >build.log 2>&1 ||
  fail "the library: $(tail -n 40 build.log)"
echo "ok: the library is built"

status=0
"$root/demo/ceph/run.sh" --scale=1 "--library=$library" "--folder=$folder" >run.log || status=$?
((status != 77)) || { cat run.log && exit 77; }
((status == 0)) || fail "run.sh ended with $status"
cat run.log
[[ $(tail -n 1 run.log) =~ ^'memkv ceph demo: OK, '[1-9][0-9,]+' records verified on both clusters'$ ]] ||
  fail "run.sh does not end with what it has verified"
[[ $(cat "$folder/stock.tables") =~ ^'0 FST, '[1-9][0-9]*' block-based'$ ]] ||
  fail "stock's tables: $(cat "$folder/stock.tables")"
[[ $(cat "$folder/memkv.tables") =~ ^[1-9][0-9]*' FST, ' ]] ||
  fail "memkv's tables: $(cat "$folder/memkv.tables")"
rows=$(grep -c '^| [^|]' run.log)
((rows == 24)) || fail "the table has $rows rows"

# A client that finds something else says so: the clusters' records are not those of
# another list of names.
cd "$root/demo/ceph"
python3 -B - <<'END' || fail "a difference is not found"
import sys, types
sys.modules["rados"] = types.ModuleType("rados")
import omap, records, work
for of in records.BUCKET, records.DIRECTORY:
    good = [[] for _ in range(records.SHARDS)]
    for name in ("a/b", "a/c", "d"):
        good[of.shard_of(name)].append((name, of.value_of(name)))
    assert omap.compare_all(of, good, ["a/b", "a/c", "d"]) == 3
    for names in (["a/b", "d"], ["a/b", "a/c", "d", "e"], ["a/b", "a/d", "d"]):
        try:
            omap.compare_all(of, good, names)
        except work.Wrong:
            continue
        raise SystemExit(f"not found: {names}")
END
"$root/demo/ceph/faults.sh" --scale=1 "--library=$library" "--folder=$folder" without_library
