#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# hosts_test.sh SOURCE_DIR PREFIX: the installed libmemkv.so comes into processes
# that know nothing of it, have no RocksDB, no C++ library and an allocator of
# their own: by LD_PRELOAD, dlopen() and Java's System.load().  What a process
# without RocksDB does with it is nothing.

set -euo pipefail
sources=$1
library=$2/lib/libmemkv.so

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# preload COMMAND...: it does what it does without the library.
preload() {
  local expected actual
  expected=$("$@" 2>&1) || fail "$* does not run by itself"
  actual=$(env "LD_PRELOAD=$library" "$@" 2>&1) || fail "with the library: $*: $actual"
  [[ $actual == "$expected" ]] || fail "with the library: $*: $actual"
  echo "ok: preloaded into $1"
}
# if_there PROGRAM COMMAND...: runs the command if the machine has the program.
if_there() {
  if command -v "$1" >/dev/null; then
    "${@:2}"
  else
    echo "skipped: no $1 on this machine"
  fi
}

# A library does not choose the allocator of its process.
for file in "$library" "$2"/lib/librocksdb.so; do
  needed=$(readelf -d "$file" | grep NEEDED)
  ! grep -E 'jemalloc|tcmalloc|mimalloc' <<<"$needed" || fail "$file needs an allocator"
done
! grep -n jemalloc "$2"/lib/cmake/memkv/*.cmake || fail "the CMake package names an allocator"

# It brings no RocksDB along, exports its interface alone, and asks for nothing
# that RocksDB has not, except for what only RocksDB's assertions need.
! readelf -d "$library" | grep 'NEEDED.*librocksdb' || fail "libmemkv.so depends on librocksdb.so"
symbols() { nm -D "$@" | awk '{ print $NF }' | LC_ALL=C sort -u; }
others=$(symbols --defined-only "$library" | c++filt |
  grep -vE '^memkv_(reg|register|count_keys)$|^memkv::(CountKeys|New[A-Za-z]*(Automaton|Factory)|RegisterMemkv)\(|^memkv::View::' ||
  true)
[[ -z $others ]] || fail "libmemkv.so exports more than its interface: $others"
missing=$(comm -23 <(symbols --undefined-only "$library" | grep 7rocksdb | grep -v '^_ZTH') \
  <(symbols --defined-only "$2/lib/librocksdb.so"))
[[ $missing == _ZN7rocksdb9SyncPoint11GetInstanceEv ]] ||
  fail "librocksdb.so has not what libmemkv.so needs: $missing"
echo "ok: symbols"

preload /bin/true
LD_BIND_NOW=1 preload /bin/true
preload bash -c 'for i in {1..100}; do x=$(echo $i); done; echo "$x"'
if_there perl preload perl -e 'my @a = map { "x" x $_ } 1..1000; print scalar(@a), "\n"'
if_there python3 preload python3 -c 'print(sum(len(str(i)) for i in range(100000)))'
if_there git preload git --version

rm -rf work && mkdir work
cc -O1 -Wall -o work/host "$sources/host.c" -ldl
[[ $(work/host "$2/lib/librocksdb.so" "$library" work/db | tail -n 1) == 'host: OK' ]] ||
  fail "the C program"
echo "ok: dlopen() by a C program"

# The same program linked against our RocksDB.
cc -O1 -Wall -o work/linked "$sources/host.c" -L"$2/lib" -Wl,--no-as-needed -lrocksdb \
  "-Wl,-rpath,$2/lib" -ldl
[[ $(work/linked "$2/lib/librocksdb.so" "$library" work/db2 | tail -n 1) == 'host: OK' ]] ||
  fail "the C program linked against RocksDB"
echo "ok: a C program linked against RocksDB"

load_in_java() {
  cat >work/Load.java <<'END'
public class Load {
  public static void main(String[] arguments) {
    System.load(arguments[0]);
    System.out.println("ok: System.load()");
  }
}
END
  javac -d work work/Load.java
  java -cp work Load "$library" || fail "System.load()"
}
if_there javac load_in_java

echo 'hosts: OK'
