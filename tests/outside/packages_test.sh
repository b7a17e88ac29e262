#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# packages_test.sh SOURCE_DIR BUILD_DIR: cpack makes Debian packages that bring
# their RocksDB along; what is in them, unpacked by itself, is enough to build
# and run programs.  Nothing is installed, and nobody is root.

set -euo pipefail
sources=$1
build=$2

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

command -v dpkg-deb >/dev/null || {
  echo "skipped: no dpkg-deb on this machine"
  exit 77
}
rm -rf work && mkdir work && cd work
(cd "$build" && cpack -B "$OLDPWD/packages") >cpack.log 2>&1 || fail "$(tail -n 20 cpack.log)"
for name in libmemkv0 libmemkv-dev memkv-tools; do
  package=$(echo packages/${name}_*.deb)
  depends=$(dpkg-deb -f "$package" Depends) || fail "cpack made no $name"
  [[ $depends != *rocksdb* && ($name != libmemkv-dev || $depends == *libzstd-dev*) ]] || fail "$name needs other packages: $depends"
  [[ $name == libmemkv0 || $depends == *'libmemkv0 (>= '*'libmemkv0 (<< '* ]] ||
    fail "$name does not need its libmemkv0: $depends"
  dpkg -x "$package" clean
done
prefix=$PWD/clean/opt/memkv
[[ $(ls clean) == opt && $(ls clean/opt) == memkv ]] || fail "a package is not in /opt/memkv"
for file in lib/libmemkv.so.0 lib/librocksdb.so include/memkv/c.h include/rocksdb/db.h \
  bin/memkv bin/memkv_ldb bin/memkv_bench bin/memkv-run; do
  [[ -e $prefix/$file ]] || fail "no package has $file"
done

cmake -S "$sources" -B outside "-DCMAKE_PREFIX_PATH=$prefix" >outside.log 2>&1 &&
  cmake --build outside >>outside.log 2>&1 || fail "$(tail -n 20 outside.log)"
for program in outside_static outside_shared unaware_linked; do
  [[ $(outside/$program) == 'art + FstTable: OK' ]] || fail "$program"
done
[[ $("$prefix/bin/memkv_ldb" --db=db --try_load_options get key) == 'of the file' ]] ||
  fail "memkv_ldb"
echo 'packages: OK'
