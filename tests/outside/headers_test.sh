#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# headers_test.sh ROOT COMPILER VERSION: memkv from headers of RocksDB alone, for a
# program that has that RocksDB already; here Debian's db_bench, whose VERSION has
# assertions, RTTI and ZSTD.  Skipped (77) if Debian's packages or sources cannot
# be had now.

set -euo pipefail
root=$1 compiler=$2 version=$3
cache=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
debian=$("$root/build_tools/fetch_debian_rocksdb.sh" "$cache" "$version") &&
  source=$("$root/build_tools/fetch_rocksdb.sh" "$cache" "$version") || {
  echo "skipped: Debian's RocksDB $version could not be had"
  exit 77
}
rm -rf work && mkdir work && cd work

configure() {
  cmake -S "$root" --preset headers "-DCMAKE_CXX_COMPILER=$compiler" "$@" >configure.log 2>&1
}
# refused SENTENCE ARGUMENTS...: the configuration fails with it.
refused() {
  if configure -B refused "${@:2}"; then fail "configured: ${*:2}"; fi
  # CMake breaks lines.
  tr -s ' \n' ' ' <configure.log >said.log
  grep -qE "$1" said.log || fail "${*:2}: $(tail -n 5 configure.log)"
  rm -rf refused
}
refused 'needs the sources of the program.s RocksDB: -DMEMKV_ROCKSDB_SOURCE_DIR='
for part in BUILD_TESTS INSTALL; do
  refused "there is no RocksDB for programs, nor to install: -DMEMKV_$part=OFF" \
    "-DMEMKV_ROCKSDB_SOURCE_DIR=$source" -DMEMKV_$part=ON
done
echo "ok: what cannot be built is not configured"

# Each build is refused by what it lacks, until the last has all.
bench=("$debian/run_debian.sh" db_bench --num=20000 --benchmarks=fillrandom,compact,readrandom)
# As deep a folder as that of debian_test.sh: it takes the cores from ccache, where
# paths are relative.  Ceph's library (ceph_test.sh) is compiled as users compile it.
build=$PWD/build/headers
# builds_and_says REGEX ARGUMENTS...: what db_bench says of the library.
builds_and_says() {
  configure -B "$build" "-DMEMKV_ROCKSDB_SOURCE_DIR=$source" -DMEMKV_LIBRARY_NAME=memkv-host \
    -DMEMKV_UNITY=ON "${@:2}" ||
    fail "$(cat configure.log)"
  cmake --build "$build" -j 2 --target memkv_shared >build.log 2>&1 || fail "$(tail -n 40 build.log)"
  LD_PRELOAD=$build/libmemkv-host.so "${bench[@]}" --db=db >bench.log 2>&1 ||
    fail "db_bench: $(tail -n 5 bench.log)"
  grep -qE "$1" bench.log || fail "no '$1' in $(cat bench.log)"
}
builds_and_says "not registered: .* for RocksDB $version with assertions and with RTTI without ZSTD, but the process's has it: build memkv with -DMEMKV_ROCKSDB_ZSTD=ON" \
  -DMEMKV_ROCKSDB_ASSERTIONS=ON
builds_and_says '^readrandom .*found' -DMEMKV_ROCKSDB_ASSERTIONS=ON -DMEMKV_ROCKSDB_ZSTD=ON
! grep 'not registered' bench.log || fail "memkv is refused"
echo "ok: the library fits when it is built as the program is"

printf '%s\n' '[DBOptions]' '[CFOptions "default"]' memtable_factory=art table_factory=fst >memkv.options
LD_PRELOAD=$build/libmemkv-host.so "${bench[@]}" --options_file=memkv.options --db=fst_db >fst.log 2>&1 ||
  fail "db_bench: $(tail -n 5 fst.log)"
grep -qE '^readrandom .*[1-9][0-9]* of 20000 found' fst.log || fail "$(tail -n 5 fst.log)"
grep -l 'memkv\.fst\.directory' fst_db/*.sst >files.txt || fail "db_bench has written no FST file"
echo "headers: OK"
