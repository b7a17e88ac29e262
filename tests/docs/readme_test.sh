#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# readme_test.sh ROOT PREFIX: every ```cpp block of README.md is a whole program
# that compiles against the installed package and runs with exit code 0; with
# RocksDB 11 or later as its comments "RocksDB 11: LINE" say of the line below.

set -euo pipefail
readme=$1/README.md
prefix=$2

rm -rf blocks build run
mkdir -p blocks run
awk '/^```cpp/ { n++; on = 1; next }
     /^```/ { on = 0 }
     on { print > ("blocks/block" n ".cc") }' "$readme"
blocks=(blocks/block*.cc)
[[ -e ${blocks[0]} ]] || {
  echo "FAILED: README.md has no \`\`\`cpp block" >&2
  exit 1
}

major=$(sed -nE 's/^#define ROCKSDB_MAJOR ([0-9]+).*/\1/p' "$prefix/include/rocksdb/version.h")
if ((major >= 11)); then
  sed -i '/^ *\/\/ RocksDB 11: /{ s/\/\/ RocksDB 11: //; n; d; }' "${blocks[@]}"
fi

{
  echo 'cmake_minimum_required(VERSION 3.20)'
  echo 'project(readme LANGUAGES CXX)'
  echo 'find_package(memkv REQUIRED)'
  for block in "${blocks[@]}"; do
    name=$(basename "$block" .cc)
    echo "add_executable($name $(basename "$block"))"
    echo "target_link_libraries($name memkv::memkv)"
  done
} >blocks/CMakeLists.txt
cmake -S blocks -B build "-DCMAKE_PREFIX_PATH=$prefix"
cmake --build build
for block in "${blocks[@]}"; do
  (cd run && "../build/$(basename "$block" .cc)")
done
echo 'readme: OK'
