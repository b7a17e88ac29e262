#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# tools_test.sh PREFIX: memkv_ldb, memkv_sst_dump and memkv, as installed, on a
# database of FST files.

set -euo pipefail
ldb=$1/bin/memkv_ldb
sst_dump=$1/bin/memkv_sst_dump
memkv=$1/bin/memkv
db=$PWD/db

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# expect WHAT REGEX FILE: a line of the file is the expected one.
expect() {
  grep -qE "$2" "$3" || fail "$1: no line '$2' in: $(cat "$3")"
}

rm -rf db backup
pairs=()
for i in {1000..1199}; do
  pairs+=("usr/share/doc/$i" "package-$i")
done
"$ldb" --db="$db" --create_if_missing batchput "${pairs[@]}" >put.log
"$ldb" --db="$db" compact >compact.log
"$ldb" --db="$db" deleterange usr/share/doc/1100 usr/share/doc/1110 >delete.log
"$ldb" --db="$db" put usr/bin/git vcs/git >put.log
"$ldb" --db="$db" scan >scan.txt
[[ $(wc -l <scan.txt) == 191 ]] || fail "scan: $(wc -l <scan.txt) keys, expected 191"
expect scan '^usr/share/doc/1199 ==> package-1199$' scan.txt
[[ $("$ldb" --db="$db" get usr/bin/git) == vcs/git ]] || fail "get"
"$ldb" --db="$db" checkconsistency >check.txt
expect checkconsistency '^OK$' check.txt

# With the options of the database itself.
"$ldb" --db="$db" --try_load_options scan >loaded.txt
cmp scan.txt loaded.txt || fail "scan --try_load_options answers something else"
grep -q '^  table_factory=FstTable$' "$db"/OPTIONS-* || fail "the database has no FST table"

"$ldb" --db="$db" dump_live_files >live.txt 2>&1
! grep -i corruption live.txt || fail "dump_live_files does not read FST files"
expect dump_live_files 'usr/share/doc/1000' live.txt

file=$(ls "$db"/*.sst | head -n 1)
"$sst_dump" --file="$file" --command=scan >sst.txt
expect 'sst_dump' 'of memkv: an FST file' sst.txt
expect 'sst_dump scan' "^'usr/share/doc/1000' seq:[0-9]+, type:1 => package-1000$" sst.txt
"$sst_dump" --file="$file" --command=verify >verify.txt
expect 'sst_dump verify' '^The file is ok$' verify.txt
"$sst_dump" --file="$file" --command=raw >raw.log
expect 'sst_dump raw' '^FST table ' "${file%.sst}_dump.txt"
# In hexadecimal.
expect 'sst_dump raw' '=> 7061636B6167652D31303030$' "${file%.sst}_dump.txt"
rm "${file%.sst}_dump.txt"

# Options of BlockBasedTable by their own names, in an OPTIONS file.
latest() { ls -v "$db"/OPTIONS-* | tail -n 1; }
grep -q 'filter_policy=nullptr' "$(latest)" || fail "the database has a filter already"
sed -i -e 's/^\(\[TableOptions\/FstTable "default"\]\)$/\1\n  filter_policy=bloomfilter:10:false\n  block_size=8K/' "$(latest)"
"$ldb" --db="$db" --try_load_options put usr/bin/hg vcs/hg >put.log
"$ldb" --db="$db" --try_load_options compact >compact.log
grep -q 'filter_policy=bloomfilter:10:false' "$(latest)" || fail "the filter is not in $(latest)"
for option in filter_policy block_size; do
  # block_based={...} is one line.
  [[ $(grep -oE "[ {;]$option=" "$(latest)" | wc -l) == 1 ]] || fail "$option is not once in $(latest)"
done
grep -q '[{;]block_size=8192;' "$(latest)" || fail "the size of blocks is not in $(latest)"
file=$(ls -v "$db"/*.sst | tail -n 1)
"$sst_dump" --file="$file" --command=none --show_properties >properties.txt
expect 'filter_policy of an OPTIONS file' 'filter policy name: bloomfilter$' properties.txt
"$ldb" --db="$db" --try_load_options delete usr/bin/hg >put.log

"$memkv" verify "$db" >verify_all.txt || fail "memkv verify: $(cat verify_all.txt)"
expect 'memkv verify' ', 0 damaged$' verify_all.txt
"$memkv" inspect "$file" >inspect.txt
expect 'memkv inspect' '^kind  *fst$' inspect.txt
expect 'memkv inspect' '^filter  *[1-9]' inspect.txt

# A damaged file is found, and is not called good.
cp "$file" damaged.sst
printf '\xff' | dd of=damaged.sst bs=1 seek=40 conv=notrunc status=none
"$sst_dump" --file=damaged.sst --command=verify >damaged.txt 2>&1 || true
expect 'sst_dump verify of a damaged file' 'Corruption' damaged.txt
! grep -q '^The file is ok$' damaged.txt || fail "a damaged file is called good"
! "$memkv" verify damaged.sst >damaged.txt || fail "memkv verify finds no damage"
expect 'memkv verify of a damaged file' '^DAMAGED damaged.sst: Corruption: .* offset' damaged.txt

# Repair keeps FST files, and what is in them.
rm "$db"/MANIFEST-*
"$ldb" --db="$db" repair >repair.log 2>&1
expect repair '^OK$' repair.log
[[ ! -d $db/lost ]] || [[ -z $(find "$db/lost" -name '*.sst') ]] || fail "repair lost FST files"
"$ldb" --db="$db" scan >repaired.txt
cmp scan.txt repaired.txt || fail "the repaired database answers something else"

echo 'tools: OK'
