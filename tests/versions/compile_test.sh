#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# compile_test.sh ROOT COMPILER SOURCE...: whether memkv's adapters compile, and
# what memkv-run preloads, without a warning, for each RocksDB.  SOURCE is a checkout, or a version that
# build_tools/fetch_rocksdb.sh knows: then the test is skipped (77) if it cannot
# be had now.  Nothing is built; it takes half a minute for each.

set -euo pipefail
cd "$1"
compiler=$2
shift 2
cache=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf '#include "table/fst/format.cc"\n' >"$scratch/format.cc"

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
  # As one source: RocksDB's headers are most of the time.  One has names that
  # clash with what the others say `using` of.  Views are for 9.10 and later.
  adapters=(compat/*.cc memtable/*.cc table/fst/*.cc plugin/*.cc)
  mapfile -t version < <(sed -nE 's/^#define ROCKSDB_M(AJ|IN)OR ([0-9]+).*/\2/p' \
    "$source/include/rocksdb/version.h")
  run=(tools/memkv_run.cc)
  ((version[0] * 100 + version[1] < 910)) || {
    adapters+=(view/*.cc)
    run+=(tools/memkv_run_views.cc)
  }
  printf '#include "%s"\n' "${run[@]}" >"$scratch/run.cc"
  printf '#include "%s"\n' "${adapters[@]}" |
    grep -v '"table/fst/format.cc"' >"$scratch/adapters.cc"
  for unit in adapters format run; do
    "$compiler" -std=$standard -fsyntax-only -O1 -Wall -Wextra -Wshadow \
      -Wnon-virtual-dtor -Woverloaded-virtual -Werror -DOS_LINUX -DNDEBUG \
      -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DSNAPPY -DLZ4 -DZSTD \
      -I. -isystem "$source" -isystem "$source/include" "$scratch/$unit.cc"
  done
  echo "the adapters compile for $source"
done
