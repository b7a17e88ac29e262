#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# files.sh BUILD BUILD...: files that memkv writes with one version of RocksDB are
# read with every other one.  BUILD is a build folder with memkv_ldb and
# memkv_sst_dump, each for another RocksDB; `tests` in it adds the golden files.
# A build for an unpacked Debian runs on that Debian's C library.
#
# Of each pair, the first makes a database, the second reads it, adds to it and
# compacts it, and the first reads that.  Memtables come by the log, range
# deletions in files and in the log.

set -euo pipefail
(($# >= 2)) || {
  sed -n 's/^# //; s/files.sh BUILD/usage: &/p' "$0" | head -n 1 >&2
  exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
cached() { sed -n "s/^$2:[A-Z]*=//p" "$1/CMakeCache.txt"; }

# tool BUILD NAME ARGUMENT...: runs a tool.  OPTIONS files are not read: an old
# RocksDB does not know a newer one's options.
tool() {
  local build=$1 name=$2 debian
  debian=$(cached "$build" MEMKV_ROCKSDB_ROOT)
  shift 2
  if [[ -x $debian/run_debian.sh ]]; then
    env "LD_LIBRARY_PATH=$build" "$debian/run_debian.sh" "$build/memkv_$name" "$@"
  else
    "$build/memkv_$name" "$@"
  fi
}
ldb() { tool "$1" ldb --try_load_options=false --db="$work/db" "${@:2}" >/dev/null; }
version_of() {
  tool "$1" ldb --version 2>&1 | sed -nE 's/.*RocksDB ([0-9.]+).*/\1/p' | head -n 1
}
# reads BUILD LINES: what it reads is what the last one did, and so much.
last=
reads() {
  local found file fst=0
  # Old ones print " : ".
  found=$(tool "$1" ldb --try_load_options=false --hex --db="$work/db" scan | sed 's/ ==> / : /')
  [[ -z $last || $found == "$last" ]] || fail "$pair: $1 reads other entries"
  [[ $(wc -l <<<"$found") == "$2" ]] || fail "$pair: $1 reads $(wc -l <<<"$found") entries, expected $2"
  last=$found
  for file in "$work"/db/*.sst; do
    tool "$1" sst_dump --file="$file" --command=verify >"$work/verify" 2>&1 ||
      fail "$pair: $1: $file: $(tail -n 3 "$work/verify")"
    ! grep -q 'memkv\.fst\.directory' "$file" || fst=$((fst + 1))
  done
  ((fst > 0)) || fail "$pair: no FST file was written"
}

for i in {1000..1299}; do pairs+=("usr/share/doc/$i" "package-$i"); done
count=0
for writer; do
  for reader; do
    [[ $writer != "$reader" ]] || continue
    pair="written by $writer, read by $reader"
    rm -rf "$work/db"
    ldb "$writer" --create_if_missing batchput "${pairs[@]}"
    ldb "$writer" compact
    ldb "$writer" deleterange usr/share/doc/1100 usr/share/doc/1110
    ldb "$writer" put usr/share/doc/1200 newer
    last=
    reads "$writer" 290
    reads "$reader" 290
    ldb "$reader" put usr/share/doc/1300 added
    ldb "$reader" deleterange usr/share/doc/1120 usr/share/doc/1130
    ldb "$reader" compact
    last=
    reads "$reader" 281
    reads "$writer" 281
    count=$((count + 1))
  done
  golden=$writer/tests/golden_fst_file_golden_test
  if [[ -x $golden ]]; then
    "$golden" >"$work/golden" 2>&1 || fail "$writer: golden files: $(grep FAILED "$work/golden")"
    echo "ok: golden files, $(version_of "$writer")"
  fi
done
for build; do versions+=" $(version_of "$build")"; done
echo "files: OK, $count pairs of:$versions"
