#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# hypercore_test.sh ROOT COMPILER: memkv-run with a program that nobody here wrote and
# that has a RocksDB in an extension which it loads: hypercore over npm's rocksdb-native,
# with RocksDB 9.10.0 without assertions and RTTI.  Two peers replicate, verify all
# blocks, and are opened again.  Skipped (77) if node, npm's packages or RocksDB's
# sources cannot be had now.

set -euo pipefail
root=$1 compiler=$2
version=9.10.0 # of the RocksDB in rocksdb-native 3.3.1
cache=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
skip() {
  echo "skipped: $*"
  exit 77
}
command -v node >/dev/null && command -v npm >/dev/null || skip "no node, or no npm"
source=$("$root/build_tools/fetch_rocksdb.sh" "$cache" $version) ||
  skip "RocksDB's sources could not be had"
rm -rf work && mkdir work && cd work
cp "$root/tests/outside/hypercore/"* .
timeout 120 npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1 ||
  skip "npm's packages could not be had: $(tail -n 1 npm.log)"
addon=$PWD/node_modules/rocksdb-native/prebuilds/linux-x64/rocksdb-native.node
[[ -e $addon ]] || skip "rocksdb-native has no addon for this machine"

cmake -S "$root" --preset headers -B build/headers "-DCMAKE_CXX_COMPILER=$compiler" \
  "-DMEMKV_ROCKSDB_SOURCE_DIR=$source" -DMEMKV_ROCKSDB_RTTI=OFF -DMEMKV_LIBRARY_NAME=memkv-node \
  -DMEMKV_UNITY=ON >build.log 2>&1 &&
  cmake --build build/headers -j 2 --target memkv_shared memkv_run >>build.log 2>&1 ||
  fail "the libraries: $(tail -n 40 build.log)"
echo "ok: the libraries are built"

node peers.js stock write >stock.log 2>&1 || fail "the peers without memkv: $(tail -n 5 stock.log)"
# The extension is loaded before memkv, and seen by it.
with_memkv() {
  LD_PRELOAD=$addon build/headers/memkv-run node peers.js "$@" >"$2.log" 2>&1 ||
    fail "the peers, $2: $(tail -n 5 "$2.log")"
}
with_memkv memkv write
# Opened the first time, RocksDB writes what is in its log into files.
for _ in 1 2; do with_memkv memkv reopen; done
with_memkv memkv verify
grep -q 'peers: OK, verify, 3000 blocks' verify.log || fail "$(cat verify.log)"
for peer in writer reader; do
  db=memkv/$peer/db
  options=$(ls -v "$db"/OPTIONS-* | tail -n 1)
  grep -q 'memtable_factory={id=art;' "$options" || fail "$peer: not art in $options"
  grep -q 'table_factory=FstTable' "$options" || fail "$peer: not FST in $options"
  grep -l 'memkv\.fst\.directory' "$db"/*.sst >files.txt || fail "$peer has no FST file"
done
echo "ok: the peers have ART and FST"

# Without memkv the files say that they are not for that.
! node peers.js memkv verify >without.log 2>&1 || fail "the files are read without memkv"
grep -q 'bad block contents' without.log || fail "without memkv: $(tail -n 5 without.log)"
# What was written without is read with it.
with_memkv stock reopen
with_memkv stock verify
echo "hypercore: OK"
