#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# ceph_test.sh ROOT LIBRARY: a small run of the Ceph demo, and of the fault that an
# operator must be told of, OSDs without their library.  Skipped (77) if the library
# was not built, or Debian's packages cannot be had now.

set -euo pipefail
root=$1 library=$2
folder=$PWD/clusters

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

[[ -r $library ]] || {
  echo "skipped: no $library: make ceph_library builds it"
  exit 77
}

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
((rows == 18)) || fail "the table has $rows rows"

# A client that finds something else says so: the clusters' records are not those of
# another list of names.
cd "$root/demo/ceph"
python3 -B - <<'END' || fail "a difference is not found"
import sys, types
sys.modules["rados"] = types.ModuleType("rados")
import bucket_index, records, work
good = [[] for _ in range(records.SHARDS)]
for name in ("a/b", "a/c", "d"):
    good[records.shard_of(name)].append((name, records.entry_of(name)))
assert bucket_index.compare_all(good, ["a/b", "a/c", "d"]) == 3
for names in (["a/b", "d"], ["a/b", "a/c", "d", "e"], ["a/b", "a/d", "d"]):
    try:
        bucket_index.compare_all(good, names)
    except work.Wrong:
        continue
    raise SystemExit(f"not found: {names}")
END
"$root/demo/ceph/faults.sh" --scale=1 "--library=$library" "--folder=$folder" without_library
