#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# install_test.sh BUILD_DIR PREFIX: installs the release build and checks what
# was installed.  Other tests use PREFIX.  It is installed elsewhere first and
# then moved, so that everything run against it proves it relocatable.

set -euo pipefail
build=$1
prefix=$2

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

rm -rf staging "$prefix"
cmake --install "$build" --prefix "$PWD/staging"
mkdir -p "$(dirname "$prefix")"
mv staging "$prefix"
cd "$prefix"

for file in include/memkv/memkv.h include/memkv/c.h include/rocksdb/db.h lib/libmemkv.a \
  lib/libmemkv.so lib/librocksdb.a lib/librocksdb.so \
  lib/cmake/memkv/memkvConfig.cmake lib/pkgconfig/memkv.pc bin/memkv_bench bin/db_bench \
  bin/memkv bin/memkv_ldb bin/memkv_sst_dump bin/memkv-run lib/libmemkv_run.so \
  share/man/man1/memkv.1 share/man/man1/memkv-run.1 share/memkv/fetch_contents.sh \
  share/bash-completion/completions/memkv; do
  [[ -e $file ]] || fail "$file is not installed"
done

# Nothing may lead back to where it was built.
if grep -rn -e "$build" -e "${MEMKV_CACHE_DIR:-/.cache/memkv}" lib/cmake lib/pkgconfig; then
  fail "the CMake package or memkv.pc names a folder of the build"
fi
for binary in lib/libmemkv.so lib/librocksdb.so bin/*; do
  if readelf -d "$binary" | grep -E 'R(UN)?PATH' | grep -vE '\[\$ORIGIN(/\.\./lib)?\]'; then
    fail "$binary has a run path out of the prefix"
  fi
done

# The public headers stand on RocksDB's public headers alone.
if grep -h '#include "' include/memkv/*.h | grep -v '#include "rocksdb/'; then
  fail "a public header includes more than rocksdb/*.h"
fi

bin/db_bench --benchmarks=fillrandom,readrandom --num=10000 --db="$OLDPWD/bench" \
  --memtablerep=art >"$OLDPWD/db_bench.log" 2>&1 ||
  fail "db_bench --memtablerep=art: $(cat "$OLDPWD/db_bench.log")"
grep -q '^readrandom .*(.* of 10000 found)' "$OLDPWD/db_bench.log" ||
  fail "db_bench printed no result"

echo 'install: OK'
