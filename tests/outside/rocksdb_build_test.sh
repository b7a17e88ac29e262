#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# rocksdb_build_test.sh ROOT COMPILER: build_tools/build_rocksdb.sh, with a
# library of one function in RocksDB's place: it is described without being
# built; two who build it at a time build it once, and both get links to it; a
# clean build tree gets them again, and the cache is left as it is; sources that
# have changed since are refused.

set -euo pipefail
script=$1/build_tools/build_rocksdb.sh
compiler=$2

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
run() { "$script" "$@" --source "$PWD/source" --compiler "$compiler"; }

rm -rf cache source links description.cmake
export MEMKV_CACHE_DIR=$PWD/cache
mkdir -p source/include/rocksdb
cat >source/include/rocksdb/version.h <<'END'
#define ROCKSDB_MAJOR 9
#define ROCKSDB_MINOR 10
#define ROCKSDB_PATCH 77
END
cat >source/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.20)
project(rocksdb LANGUAGES CXX)
add_library(rocksdb STATIC one.cc)
target_compile_definitions(rocksdb PRIVATE SNAPPY)
END
echo 'int One() { return 1; }' >source/one.cc

run describe description.cmake
for line in 'set(MEMKV_ROCKSDB_VERSION "9.10.77")' 'set(MEMKV_ROCKSDB_DEFINES [==[-DSNAPPY]==])'; do
  grep -qxF "$line" description.cmake || fail "no '$line' in: $(cat description.cmake)"
done
[[ -z $(find cache -name '*.o' -o -name '*.a') ]] || fail "describe has built something"
key=$(sed -n 's/^set(MEMKV_ROCKSDB_KEY "\(.*\)")$/\1/p' description.cmake)

run build "links/first/$key" >first.log &
run build "links/second/$key" >second.log
wait $! || fail "the first build: $(cat first.log)"
[[ $(cat first.log second.log | grep -c 'building once') == 1 ]] || fail "not built once"
for links in links/first links/second; do
  for library in librocksdb.a librocksdb.so librocksdb.so.9; do
    nm "$links/$key/$library" | grep -q 'T _Z3Onev$' || fail "$links: $library"
  done
done

before=$(find cache/build -printf '%p %T@\n' | sort)
rm -rf links/first
run build "links/first/$key" >again.log
[[ ! -s again.log && -e links/first/$key/librocksdb.so ]] || fail "again: $(cat again.log)"
[[ $(find cache/build -printf '%p %T@\n' | sort) == "$before" ]] || fail "the cache has changed"

echo 'int Two() { return 2; }' >>source/one.cc
! run build "links/first/$key" 2>refused.log || fail "changed sources were taken"
grep -q 'have changed since cmake configured' refused.log || fail "$(cat refused.log)"
echo 'rocksdb_build: OK'
