#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# readme_test.sh ROOT PREFIX: every ```cpp block of README.md is a whole program
# that compiles against the installed package and runs with exit code 0.

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
