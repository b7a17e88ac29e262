#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# layers_test.sh ROOT [ROCKSDB_SOURCE]: each folder includes only what is below
# it; the cores include nothing of RocksDB; only compat/ asks for its version;
# and no header of ours has the path of one of RocksDB's, whose root is on the
# include path, too.

set -euo pipefail
cd "$1"
rocksdb=${2:-}
failures=0
complain() {
  echo "$*" >&2
  failures=$((failures + 1))
}

# Folders of ours that a folder may include.  The cores: no header of RocksDB.
cores='util memtable/art table/key_trie table/segment'
declare -A below=(
  [util]=''
  [memtable/art]='util'
  [table/key_trie]='util'
  [table/segment]='table/key_trie util'
  [compat]=''
  [memtable]='memtable/art compat util plugin/memkv.h'
  [table/fst]='table/segment table/key_trie compat util plugin/memkv.h'
  [view]='table/fst table/segment table/key_trie compat util plugin/memkv.h plugin/memkv_search.h plugin/memkv_view.h'
  [tools]='db_bench_ext/memkv_bench db_bench_ext/keys db_bench_ext/common table/fst table/segment table/key_trie compat util plugin/memkv.h plugin/memkv_search.h plugin/memkv_view.h plugin/rocksdb_fit.h'
  [plugin]='table/fst table/segment table/key_trie memtable memtable/art compat util'
)

# Of one folder: prints each include that it may not have.
forbidden() {
  local folder=$1 file include allowed ok
  for file in "$folder"/*.h "$folder"/*.cc; do
    [[ -e $file ]] || continue
    while read -r include; do
      local from=${include%/*}
      if [[ ! -e $include ]]; then
        # RocksDB's, or a library's.
        [[ " $cores " != *" $folder "* ]] || echo "$file: $include is not a core's"
        continue
      fi
      ok=$([[ $from == "$folder" ]] && echo yes || echo no)
      for allowed in ${below[$folder]}; do
        [[ $allowed != "$from" && $allowed != "$include" ]] || ok=yes
      done
      [[ $ok == yes ]] || echo "$file: $include is not below $folder/"
    done < <(sed -nE 's/^#include "([^"]*)".*/\1/p' "$file")
    # Nor in the other form, which the standard library's headers have.
    if [[ " $cores " == *" $folder "* ]]; then
      sed -nE 's/^#include <(rocksdb\/[^>]*)>.*/\1/p' "$file" |
        sed "s|^|$file: of RocksDB: |"
    fi
  done
}

checked=0
while read -r folder; do
  [[ -v below[$folder] ]] || complain "$folder/: no layer of this test's list"
done < <(sed -n 's/^memkv_SOURCES = //p' memkv.mk | tr ' ' '\n' |
  sed 's|/[^/]*$||' | LC_ALL=C sort -u)
for folder in "${!below[@]}"; do
  while read -r line; do complain "$line"; done < <(forbidden "$folder")
  checked=$((checked + 1))
done

# What RocksDB's version changes is compat/'s business alone.
while read -r line; do complain "$line: asks for RocksDB's version"; done < <(
  grep -rnE '#.*\b(ROCKSDB_(MAJOR|MINOR|PATCH)|MEMKV_ROCKSDB)\b' \
    --include='*.h' --include='*.cc' "${!below[@]}" tests tools db_bench_ext |
    grep -v '^compat/' | cut -d: -f1,2)

if [[ -n $rocksdb ]]; then
  [[ -e $rocksdb/include/rocksdb/db.h ]] || complain "$rocksdb: no RocksDB"
  for folder in "${!below[@]}"; do
    for file in "$folder"/*.h; do
      [[ ! -e $rocksdb/$file && ! -e $rocksdb/include/$file ]] ||
        complain "$file: RocksDB has a header of this path"
    done
  done
fi

((failures == 0)) || exit 1
echo "layers: OK, $checked folders"
