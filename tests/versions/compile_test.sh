#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# compile_test.sh ROOT COMPILER SOURCE...: whether memkv's adapters compile, with
# run-time type information and without, and what memkv-run preloads, without a
# warning, for each RocksDB.  SOURCE is a checkout, or a version that
# build_tools/fetch_rocksdb.sh knows: then the test is skipped (77) if it cannot
# be had now.  Nothing is built; it takes a minute for each.

set -euo pipefail
cd "$1"
compiler=$2
shift 2
cache=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
source tests/versions/units.sh

for source; do
  if [[ $source =~ ^[0-9.]+$ ]]; then
    source=$(build_tools/fetch_rocksdb.sh "$cache" "$source") || exit 77
  fi
  [[ -f $source/include/rocksdb/version.h ]] || {
    echo "compile_test.sh: '$source' has no include/rocksdb/version.h" >&2
    exit 1
  }
  # 10.7 is the first in C++20.  Further down the file has what a build with
  # coroutines wants.
  standard=c++$(sed -nE 's/^ *set\(CMAKE_CXX_STANDARD ([0-9]+)\).*/\1/p' \
    "$source/CMakeLists.txt" | head -n 1)
  adapter_units "$source" "$scratch"
  # RocksDB's release builds have no RTTI by default, distributions' have.
  for unit in adapters 'adapters -fno-rtti' format run; do
    read -ra unit <<<"$unit"
    "$compiler" -std=$standard "${unit[@]:1}" -fsyntax-only -O1 -Wall -Wextra -Wshadow \
      -Wnon-virtual-dtor -Woverloaded-virtual -Werror -DOS_LINUX -DNDEBUG \
      -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DSNAPPY -DLZ4 -DZSTD \
      -I. -isystem "$source" -isystem "$source/include" "$scratch/${unit[0]}.cc"
  done
  echo "the adapters compile for $source"
done
