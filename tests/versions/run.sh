#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# run.sh SOURCE...: builds memkv with each RocksDB whose sources are at SOURCE,
# into build/versions/VERSION, and runs memkv's tests that do not ask for
# 9.10 itself: unit, golden, corruption, database and outside.  Prints a row of
# docs/versions.md for each.

set -euo pipefail
cd "$(dirname "$0")/../.."
(($#)) || {
  sed -n '/^# run.sh/,/^$/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

rows=
failed=0
for source in "$@"; do
  version=$(awk '/#define ROCKSDB_(MAJOR|MINOR|PATCH)/ {v = v sep $3; sep = "."}
                 END {print v}' "$source/include/rocksdb/version.h")
  build=build/versions/$version
  mkdir -p "$build"
  echo "-- RocksDB $version: $build"
  if cmake -S . -B "$build" -DMEMKV_FLAVOUR=release \
    -DMEMKV_ROCKSDB_SOURCE_DIR="$source" >"$build/configure.log" 2>&1 &&
    cmake --build "$build" -j "${JOBS:-$(nproc)}" >"$build/build.log" 2>&1; then
    built=yes
    ctest --test-dir "$build" --no-tests=error -L 'unit|golden|corruption|db|outside' \
      -j "${JOBS:-$(nproc)}" >"$build/ctest.log" 2>&1 || failed=1
    # "99% tests passed, 1 tests failed out of 90"
    tests=$(sed -nE 's/.*, ([0-9]+) tests failed out of ([0-9]+)$/\2 run, \1 failed/p' "$build/ctest.log")
  else
    built=no
    tests="not run: $(grep -hm1 -E 'error|Error' "$build"/*.log || true)"
    failed=1
  fi
  rows+="| $version | $built | $tests |"$'\n'
done
printf '| RocksDB | builds | tests |\n|---|---|---|\n%s' "$rows"
exit $failed
