#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# ceph_library.sh FOLDER JOBS [CMAKE_ARGUMENT...]: builds FOLDER/libmemkv-ceph.so, for
# the RocksDB inside Debian's Ceph.

set -euo pipefail
folder=${1:?usage: ceph_library.sh FOLDER JOBS [CMAKE_ARGUMENT...]} jobs=$2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sources=$("$root/build_tools/fetch_ceph_rocksdb.sh" "${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}")
cmake -S "$root" --preset headers -B "$folder" -DMEMKV_LIBRARY_NAME=memkv-ceph \
  -DMEMKV_ROCKSDB_SOURCE_DIR="$sources" "${@:3}"
cmake --build "$folder" -j "$jobs" --target memkv_shared
