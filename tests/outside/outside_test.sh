#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# outside_test.sh SOURCE_DIR PREFIX: builds the outside project against the
# installed package and runs every way of getting memkv into a program.

set -euo pipefail
project=$1
prefix=$2
expected='art + FstTable: OK'

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# expect_ok COMMAND...: it succeeds, and its last line is the expected one.
expect_ok() {
  local last
  last=$("$@" | tail -n 1) || fail "$*"
  [[ $last == "$expected" ]] || fail "$*: last line is '$last', expected '$expected'"
  echo "ok: $*"
}

rm -rf build
cmake -S "$project" -B build "-DCMAKE_PREFIX_PATH=$prefix"
cmake --build build

expect_ok build/outside_static
expect_ok build/outside_shared
expect_ok build/unaware_linked

# Without memkv the same program must refuse: were it to succeed, the two runs
# after it would prove nothing.
if build/unaware >refused.log 2>&1; then
  fail "the program without memkv accepted its options"
fi
grep -q 'art' refused.log || fail "the refusal does not name the option: $(cat refused.log)"
expect_ok env "LD_PRELOAD=$prefix/lib/libmemkv.so" build/unaware
expect_ok build/unaware "$prefix/lib/libmemkv.so"

# A RocksDB inside the program serves as well, if the library sees all of it.
expect_ok env "LD_PRELOAD=$prefix/lib/libmemkv.so" build/exports_all
if LD_PRELOAD=$prefix/lib/libmemkv.so build/exports_some >refused.log 2>&1; then
  fail "a program that exports some of RocksDB accepted its options"
fi
grep -q '^memkv is not registered: the process shows only parts of its RocksDB, and not _Z' refused.log ||
  fail "parts of RocksDB: $(cat refused.log)"
grep -q 'Could not load' refused.log || fail "parts of RocksDB: $(cat refused.log)"

# A program that keeps its RocksDB to itself, as static ones do, has none for
# the library; nor does the library bring a second one.
expect_ok env "LD_PRELOAD=$prefix/lib/libmemkv.so" build/outside_static

echo 'outside: OK'
