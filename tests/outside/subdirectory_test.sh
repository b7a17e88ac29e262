#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A project that takes memkv in by add_subdirectory() gets its libraries: no
# test, no program, no install rule, and none of the packages that those need.
# To configure builds nothing of RocksDB; to build the host does.
#
#   subdirectory_test.sh ROOT SCRATCH COMPILER PORTABLE ROCKSDB_SOURCE_DIR

set -euo pipefail
root=$1 scratch=$2
rm -rf "$scratch"
mkdir -p "$scratch"
cat >"$scratch/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.20)
project(host LANGUAGES CXX)
add_subdirectory("${MEMKV_ROOT}" memkv)
add_executable(host host.cc)
target_link_libraries(host PRIVATE memkv::memkv)
EOF
cat >"$scratch/host.cc" <<'EOF'
#include "plugin/memkv.h"
int main() { memkv::RegisterMemkv(); }
EOF
export MEMKV_CACHE_DIR=$scratch/cache
cmake -S "$scratch" -B "$scratch/build" -G "Unix Makefiles" \
  -DMEMKV_ROOT="$root" -DCMAKE_CXX_COMPILER="$3" -DMEMKV_PORTABLE="$4" \
  -DMEMKV_ROCKSDB_SOURCE_DIR="$5" >"$scratch/configure.log" 2>&1 ||
  { cat "$scratch/configure.log" >&2; exit 1; }

targets=$(make --no-print-directory -C "$scratch/build" help |
  sed -n 's/^\.\.\. \([a-z_]*\)$/\1/p' |
  grep -Ev '^(all|clean|depend|edit_cache|rebuild_cache|install|list_install_components|install_[a-z]*)$' |
  sort | tr '\n' ' ')
expected='host memkv memkv_adapter_objects memkv_autoload_objects memkv_core '
expected+='memkv_core_objects memkv_rocksdb_build memkv_shared '
if [[ $targets != "$expected" ]]; then
  echo "builds '$targets', expected '$expected'" >&2
  exit 1
fi
for package in GTest benchmark fmt; do
  if grep -q "^${package}_DIR" "$scratch/build/CMakeCache.txt"; then
    echo "$package was looked for" >&2
    exit 1
  fi
done
if grep -q 'file(INSTALL' "$scratch/build/memkv/cmake_install.cmake"; then
  echo "memkv would be installed with its host" >&2
  exit 1
fi

built=$(find "$scratch/cache" -name '*.o' -o -name '*.a' -o -name '*.so')
if [[ -n $built ]]; then
  echo "built while configuring: $built" >&2
  exit 1
fi
commands=$(make --no-print-directory -C "$scratch/build" -n memkv_adapter_objects)
first=$(grep -oE -m 1 'build_rocksdb.sh build|-c .*\.cc$' <<<"$commands")
if [[ $first != 'build_rocksdb.sh build' ]]; then
  echo "built before RocksDB: $first" >&2
  exit 1
fi
echo "subdirectory: OK, $targets"
