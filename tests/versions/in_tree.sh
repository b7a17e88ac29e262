#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# in_tree.sh cmake|make SCRATCH DIR...: memkv as a plugin inside RocksDB's own build
# (ROCKSDB_PLUGINS=memkv), for each RocksDB.  DIR is a checkout; it is copied to
# SCRATCH and built there, by RocksDB's CMake (cmake) or its Makefile (make),
# without optimisation, to save time: 8 minutes of a core each by CMake, and more by
# make, which has no unity build.  A build that was interrupted is taken up again.
#
# RocksDB's db_bench and ldb, which know memkv by that alone, then write a database
# of art and fst, flush it, compact it, open it again and read it.

set -euo pipefail
(($# >= 3)) && [[ $1 =~ ^(cmake|make)$ ]] || {
  sed -n 's/^# //; s/in_tree.sh cmake/usage: &/p' "$0" | head -n 1 >&2
  exit 2
}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
way=$1
mkdir -p "$2"
scratch=$(cd "$2" && pwd)
shift 2
source "$root/tests/versions/units.sh"

fail() {
  echo "FAILED: $name: $*" >&2
  exit 1
}

# build_by_WAY TREE: builds; prints the folders of db_bench and ldb.
build_by_cmake() {
  cmake -S "$1" -B "$1/build" -DROCKSDB_PLUGINS=memkv \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O0 -DNDEBUG" \
    -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=10 -DFAIL_ON_WARNINGS=OFF \
    -DROCKSDB_BUILD_SHARED=OFF -DWITH_TESTS=OFF -DWITH_TOOLS=OFF \
    -DWITH_TRACE_TOOLS=OFF -DWITH_GFLAGS=ON -DWITH_LZ4=ON -DWITH_SNAPPY=ON >"$1.log" &&
    cmake --build "$1/build" -j 2 --target db_bench ldb >>"$1.log" &&
    echo "$1/build $1/build/tools"
}
build_by_make() {
  ROCKSDB_PLUGINS=memkv DEBUG_LEVEL=0 OPTIMIZE_LEVEL=-O0 DISABLE_WARNING_AS_ERROR=1 \
    make -C "$1" -j 2 db_bench ldb >"$1.log" && echo "$1 $1"
}

keys=20000
for source; do
  version=$(rocksdb_version "$source")
  name="RocksDB $version, by $way"
  tree=$scratch/rocksdb-$version-$way
  if [[ ! -d $tree ]]; then
    rm -rf "$tree.tmp"
    cp -rL "$source" "$tree.tmp"
    mkdir -p "$tree.tmp/plugin/memkv"
    mv "$tree.tmp" "$tree"
  fi
  # Links to files, for make puts objects beside sources.
  cp -asf "$root"/{CMakeLists.txt,memkv.mk,cmake,compat,memtable,plugin,table,util,view} \
    "$tree/plugin/memkv/"
  read -r db_bench ldb < <(build_by_"$way" "$tree" 2>"$tree.errors") || {
    tail -n 30 "$tree.errors" "$tree.log" >&2
    fail "the build failed"
  }

  work=$tree.run
  rm -rf "$work"
  mkdir "$work"
  bench() {
    "$db_bench/db_bench" --db="$work/$1" --num=$keys "${@:2}" >"$work/log" 2>&1 ||
      fail "db_bench ${*:2}: $(tail -n 5 "$work/log")"
  }
  # What db_bench knows by name.
  bench art --benchmarks=fillrandom --memtablerep=art
  grep -q '^ *memtable_factory=.*art' "$work"/art/OPTIONS-* ||
    fail "db_bench --memtablerep=art wrote no art to OPTIONS"
  # And from an OPTIONS file, with a filter: the log is read, and files are.
  printf '%s\n' '[DBOptions]' '[CFOptions "default"]' memtable_factory=art \
    'table_factory={id=fst;filter_policy=bloomfilter:10}' >"$work/options"
  bench db --options_file="$work/options" --benchmarks=fillseq,flush,overwrite
  bench db --options_file="$work/options" --use_existing_db \
    --benchmarks=readrandom,flush,compact,readrandom,readseq
  [[ $(grep -c "($keys of $keys found)" "$work/log") == 2 ]] ||
    fail "readrandom: $(grep found "$work/log")"
  grep -q 'memkv\.fst\.directory' "$work"/db/*.sst || fail "no FST file was written"
  # ldb opens by the OPTIONS file that the database has.
  "$ldb/ldb" --db="$work/db" --try_load_options put zebra striped >/dev/null ||
    fail "ldb put"
  [[ $("$ldb/ldb" --db="$work/db" --try_load_options get zebra) == striped ]] ||
    fail "ldb get"
  lines=$("$ldb/ldb" --db="$work/db" --try_load_options scan --no_value | wc -l)
  ((lines == keys + 1)) || fail "ldb scan finds $lines keys, expected $((keys + 1))"
  echo "in_tree: OK, $name"
done
