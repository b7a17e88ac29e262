#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# debian_test.sh ROOT PREFIX COMPILER VERSION: memkv with Debian's own RocksDB
# VERSION, of which not a byte is changed or compiled.  Skipped (77) if the
# packages cannot be had now.
#
#   wrong   the libmemkv.so in PREFIX, which is for another RocksDB, says so,
#           registers nothing and does no harm
#   right   memkv is built for it by MEMKV_ROCKSDB=system, and Debian's db_bench,
#           ldb and sst_dump use it by LD_PRELOAD, as README.md says
#   memkv-run, with Debian's db_bench and sortmerna, which set options in code
#   packages, of that memkv

set -euo pipefail
root=$1 prefix=$2 compiler=$3 version=$4
cache=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# expect WHAT REGEX FILE: a line of the file is the expected one.
expect() {
  grep -qE "$2" "$3" || fail "$1: no line '$2' in: $(tail -n 30 "$3")"
}
# reject WHAT REGEX FILE: no line of the file is.
reject() {
  ! grep -E "$2" "$3" || fail "$1"
}

debian=$("$root/build_tools/fetch_debian_rocksdb.sh" "$cache" "$version") || {
  echo "skipped: Debian's RocksDB $version could not be had"
  exit 77
}
rm -rf work && mkdir work && cd work

# The programs by their names, as where Debian's packages are installed.
mkdir bin
for program in db_bench ldb sst_dump; do
  printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$debian/run_debian.sh" "$program" >bin/$program
  chmod +x bin/$program
done
PATH=$PWD/bin:$PATH

# ---- Wrong -------------------------------------------------------------------
bench=(db_bench --num=20000 --seed=1 --benchmarks=fillrandom,compact,readrandom)
LD_PRELOAD=$prefix/lib/libmemkv.so "${bench[@]}" --db=wrong_db >wrong.log 2>&1 ||
  fail "db_bench with a memkv that does not fit: $(tail -n 5 wrong.log)"
expect "a memkv that does not fit" \
  "^memkv is not registered: this memkv is built for RocksDB [0-9.]+ without assertions.*, but the process has RocksDB $version with assertions and with RTTI: install the libmemkv0 " wrong.log
[[ $(grep -c 'memkv is not registered' wrong.log) == 1 ]] || fail "the refusal is said more than once"
expect "db_bench with a memkv that does not fit" '^readrandom .*of 20000 found' wrong.log
if LD_PRELOAD=$prefix/lib/libmemkv.so db_bench --benchmarks=fillrandom --num=1 \
  --memtablerep=art --db=wrong_db >wrong_art.log 2>&1; then
  fail "db_bench takes the memtable of a memkv that does not fit"
fi
expect "db_bench --memtablerep=art" 'Could not load MemTableRepFactory: art' wrong_art.log
"$compiler" -std=c++17 -o unknown_factory "$root/tests/outside/unknown_factory.cc" \
  "-I$debian/usr/include" "$debian"/usr/lib/*/librocksdb.so -Wl,--allow-shlib-undefined
LD_PRELOAD=$prefix/lib/libmemkv.so "$debian/run_debian.sh" ./unknown_factory >unknown.txt 2>/dev/null
# As docs/versions.md says: by default a name that is not known is passed over.
expect "an unknown memtable" '^memtable_factory=art: OK, SkipListFactory, BlockBasedTable$' unknown.txt
expect "an unknown memtable" '^memtable_factory=art, strict: .*Could not load MemTableRepFactory: art' unknown.txt
expect "an unknown table" '^table_factory=fst, strict: .*Could not load TableFactory: fst' unknown.txt
case $version in
  7.*) expect "an unknown table" '^table_factory=fst: OK, .*, BlockBasedTable$' unknown.txt ;;
  *) expect "an unknown table" '^table_factory=fst: OK, .*, no table factory$' unknown.txt ;;
esac
cc -O1 -Wall -o host "$root/tests/outside/host.c" -ldl
if "$debian/run_debian.sh" ./host "librocksdb.so.${version%.*}" "$prefix/lib/libmemkv.so" \
  wrong_host 2>wrong_host.log; then
  fail "memkv_register() of a memkv that does not fit sets no error"
fi
expect "memkv_register()" "^register: this memkv is built for RocksDB .* with -DMEMKV_ROCKSDB=system\$" \
  wrong_host.log
echo "ok: a memkv that does not fit"

# ---- Configuration -----------------------------------------------------------
configure() {
  cmake -S "$root" --preset system "-DCMAKE_CXX_COMPILER=$compiler" "$@" >configure.log 2>&1
}
# refused SENTENCE ARGUMENTS...: the configuration fails with it.
refused() {
  if configure -B refused "${@:2}"; then fail "configured: ${*:2}"; fi
  # CMake breaks lines.
  tr -s ' \n' ' ' <configure.log >said.log
  expect "${*:2}" "$1" said.log
  rm -rf refused
}
headers=usr/include/rocksdb
mkdir -p old/$headers old/usr/lib newer/$headers newer/usr/lib
cp "$debian/usr/lib"/*/librocksdb.so.$version old/usr/lib/librocksdb.so
cp "$debian/usr/lib"/*/librocksdb.so.$version newer/usr/lib/librocksdb.so
printf '#define ROCKSDB_%s\n' 'MAJOR 7' 'MINOR 7' 'PATCH 3' >old/$headers/version.h
sed -E 's/(ROCKSDB_PATCH) [0-9]+/\1 99/' "$debian/$headers/version.h" >newer/$headers/version.h
refused 'needs RocksDB 7.8 or later, but that in .* is 7.7.3: leave MEMKV_ROCKSDB=system out' \
  "-DMEMKV_ROCKSDB_ROOT=$PWD/old"
refused 'sources in .* are of RocksDB .[0-9.]*., but [0-9.]*99 is installed: give those' \
  "-DMEMKV_ROCKSDB_ROOT=$PWD/newer" "-DMEMKV_ROCKSDB_SOURCE_DIR=$cache/src/rocksdb-$version"
refused 'No librocksdb.so with its headers in .*: install' "-DMEMKV_ROCKSDB_ROOT=$PWD/none"
refused 'is for the flavour release' -DMEMKV_FLAVOUR=sanitize "-DMEMKV_ROCKSDB_ROOT=$debian"
refused "MEMKV_ROCKSDB is 'own'; expected build, system or headers" -DMEMKV_ROCKSDB=own
rm -rf old newer
echo "ok: what does not fit is not configured"

# ---- Right -------------------------------------------------------------------
build=$PWD/build/system
libdir=lib/$(basename "$(dirname "$debian"/usr/lib/*/librocksdb.so)")
# One version is compiled as users compile it; the others take less time.
unity=OFF
if [[ $version != 9.10.0 ]]; then unity=ON; fi
configure -B "$build" "-DMEMKV_ROCKSDB_ROOT=$debian" -DMEMKV_UNITY=$unity ||
  fail "$(cat configure.log)"
cmake --build "$build" -j 2 >build.log 2>&1 || fail "$(tail -n 40 build.log)"
! find "$build" -name 'librocksdb*' | grep . || fail "a RocksDB was built"
missing=$(comm -23 \
  <(nm -D --undefined-only "$build/libmemkv.so" | awk '/7rocksdb/ && !/_ZTH/ { print $NF }' | LC_ALL=C sort) \
  <(nm -D --defined-only "$debian/usr/$libdir/librocksdb.so" | awk '{ print $NF }' | LC_ALL=C sort))
[[ -z $missing ]] || fail "librocksdb.so has not what libmemkv.so needs: $missing"

# README.md's commands, word for word.
awk '/^## With the RocksDB of your distribution/ { on = 1; next } /^## / { on = 0 }
     on && /^    / && !/cmake/ { sub(/^    /, ""); print }' "$root/README.md" >commands.sh
[[ $(grep -c LD_PRELOAD commands.sh) == 1 && $(grep -c ^db_bench commands.sh) == 2 ]] ||
  fail "README.md has other commands than this test knows: $(cat commands.sh)"
mkdir tmp
export TEST_TMPDIR=$PWD/tmp
db=$TEST_TMPDIR/dbbench
bash -eu commands.sh >readme.log 2>&1 || fail "README.md's commands: $(tail -n 5 readme.log)"
reject "memkv is refused" 'not registered' readme.log
[[ $(grep -cE '^readrandom .*[1-9][0-9]* of 1000000 found' readme.log) == 2 ]] ||
  fail "README.md's commands: $(tail -n 5 readme.log)"
options=$(ls -v "$db"/OPTIONS-* | tail -n 1)
expect "db_bench --options_file" '^  memtable_factory=\{id=art;' "$options"
expect "db_bench --options_file" '^  table_factory=FstTable$' "$options"
echo "ok: README.md's commands"

# The memtable alone, which is left to its log and read from there.
memkv=(env "LD_PRELOAD=$build/libmemkv.so")
"${memkv[@]}" "${bench[@]}" --memtablerep=art --db=art_db >art.log 2>&1 ||
  fail "db_bench --memtablerep=art: $(tail -n 5 art.log)"
LD_PRELOAD='' "${bench[@]}" --db=stock_db >stock.log 2>&1 || fail "$(tail -n 5 stock.log)"
found() { sed -nE 's/^readrandom .*\(([0-9]+ of 20000 found)\)$/\1/p' "$1"; }
[[ -n $(found art.log) && $(found art.log) == "$(found stock.log)" ]] ||
  fail "readrandom finds '$(found art.log)' with memkv and '$(found stock.log)' without"
# As many keys from another process, and in the files the same ones.
ldb=(ldb --hex --try_load_options)
for name in art stock; do
  "${memkv[@]}" "${ldb[@]}" --db=${name}_db scan >${name}_scan.txt
done
cmp art_scan.txt stock_scan.txt || fail "ldb scan of the two databases differs"
[[ $(wc -l <art_scan.txt) -gt 10000 ]] || fail "ldb scan found $(wc -l <art_scan.txt) keys"

# Both, through ldb: written, flushed, compacted, reopened, and copied to stock.
db=$PWD/ldb_db
cp memkv.options fst.options
for i in {1000..1299}; do pairs+=("usr/share/doc/$i" "package-$i"); done
"${memkv[@]}" db_bench --options_file=fst.options --benchmarks=fillseq --num=100 --db="$db" \
  >fillseq.log 2>&1 || fail "$(tail -n 5 fillseq.log)"
"${memkv[@]}" ldb --db="$db" --try_load_options batchput "${pairs[@]}" >put.log
"${memkv[@]}" ldb --db="$db" --try_load_options compact >compact.log
"${memkv[@]}" ldb --db="$db" --try_load_options scan --from=usr --to=usr/z >scan.txt
[[ $(wc -l <scan.txt) == 300 ]] || fail "ldb scan: $(wc -l <scan.txt) keys, expected 300"
# Old ones print " : ".
expect "ldb scan" '^usr/share/doc/1299 (==>|:) package-1299$' scan.txt
file=$(ls -v "$db"/*.sst | tail -n 1)
"${memkv[@]}" sst_dump --file="$file" --command=none --show_properties >properties.txt
expect "sst_dump --show_properties" 'memkv\.fst\.directory' properties.txt
# Without memkv its files are Corruption.  (With the database's own options ldb
# goes on without a table factory, and crashes.)
LD_PRELOAD='' ldb --db="$db" --try_load_options=false get usr/share/doc/1299 >refused.txt 2>&1 || true
expect "ldb without memkv" 'Corruption: bad block contents' refused.txt
# Debian's sst_dump chooses the table by the file's magic number; memkv's own
# knows better.
tool() { env "LD_LIBRARY_PATH=$build" "$debian/run_debian.sh" "$build/memkv_$1" "${@:2}"; }
tool sst_dump --file="$file" --command=scan >sst.txt
expect "memkv_sst_dump" 'of memkv: an FST file' sst.txt
expect "memkv_sst_dump" "^'usr/share/doc/1299' seq:[0-9]+, type:1 => package-1299\$" sst.txt
tool ldb --db="$db" scan --from=usr --to=usr/z >tool_scan.txt
cmp scan.txt tool_scan.txt || fail "memkv_ldb answers something else than ldb"
echo "ok: ldb and sst_dump"

# ---- memkv-run ---------------------------------------------------------------
# The last OPTIONS file of database $1 has memkv's factories.
expect_memkv() {
  local options
  options=$(ls -v "$1"/OPTIONS-* | tail -n 1)
  expect "$1: memkv-run" '^  memtable_factory=\{id=art;' "$options"
  expect "$1: memkv-run" '^  table_factory=FstTable$' "$options"
}
# Compiled by Debian, and not a word of memkv in their options.
flags=(--num=20000 --seed=1 --benchmarks=fillrandom,flush,compact,readrandom,readseq --bloom_bits=10)
db_bench "${flags[@]}" --db=plain_db >plain.log 2>&1 || fail "$(tail -n 5 plain.log)"
runs=(--)
if [[ $version != 7.* ]]; then runs+=(--views); fi
for views in "${runs[@]}"; do
  "$build/memkv-run" "$views" db_bench "${flags[@]}" --db=run_db >run.log 2>&1 ||
    fail "memkv-run db_bench: $(tail -n 5 run.log)"
  reject "memkv-run" 'not registered|memkv-run:' run.log
  [[ -n $(found run.log) && $(found run.log) == "$(found plain.log)" ]] ||
    fail "readrandom finds '$(found run.log)' with memkv-run and '$(found plain.log)' without"
  expect_memkv run_db
  "${memkv[@]}" "${ldb[@]}" --db=run_db scan >run_scan.txt
  ldb --hex --db=plain_db scan >plain_scan.txt
  cmp run_scan.txt plain_scan.txt || fail "memkv-run db_bench has written something else"
done
if [[ $version == 7.* ]]; then
  if "$build/memkv-run" --views true 2>run.log; then fail "memkv-run --views"; fi
  expect "memkv-run --views" 'needs RocksDB 9.10 or later' run.log
fi
echo "ok: memkv-run db_bench"

# sortmerna finds reads of DNA in references, and keeps what it finds in RocksDB:
# three tasks, each of which opens the database anew.
# In some releases it needs a library that RocksDB's tools do not bring.
if sortmerna=$("$root/build_tools/fetch_debian_program.sh" "$cache" "$version" sortmerna) &&
  ! { "$debian/run_debian.sh" "$sortmerna/usr/bin/sortmerna" --version 2>&1 || true; } |
    grep 'error while loading shared libraries'; then
  mkdir sortmerna
  awk 'function text(n, s) { while (n-- > 0) s = s substr("ACGT", int(rand() * 4) + 1, 1); return s }
    BEGIN {
      srand(7)
      for (i = 0; i < 20; i++) { ref[i] = text(1500); print ">ref" i "\n" ref[i] >"sortmerna/ref.fasta" }
      for (i = 0; i < 3000; i++) {
        read = i % 3 ? substr(ref[int(rand() * 20)], int(rand() * 1400) + 1, 100) : text(100)
        if (i % 3 == 2) read = substr(read, 1, 50) text(1) substr(read, 52)
        print ">read" i "\n" read >"sortmerna/reads.fasta"
      }
    }'
  sort_reads() {
    local task
    for task in 0 1 2; do
      "${@:2}" "$debian/run_debian.sh" "$sortmerna/usr/bin/sortmerna" --ref sortmerna/ref.fasta \
        --reads sortmerna/reads.fasta --workdir "$PWD/sortmerna/$1" --fastx --other \
        --blast '1 cigar' --threads 1 --task $task >>sortmerna/$1.log 2>&1 ||
        fail "$1 sortmerna, task $task: $(tail -n 5 sortmerna/$1.log)"
    done
  }
  sort_reads stock env
  sort_reads memkv "$build/memkv-run"
  expect_memkv sortmerna/memkv/kvdb
  [[ $(wc -l <sortmerna/stock/out/aligned.blast) -gt 1900 ]] || fail "sortmerna found too little"
  for file in aligned.blast aligned.fa other.fa; do
    cmp sortmerna/{stock,memkv}/out/$file || fail "sortmerna has another $file on memkv"
  done
  grep -l 'memkv\.fst\.directory' sortmerna/memkv/kvdb/*.sst >/dev/null ||
    fail "sortmerna has written no FST file"
  echo "ok: memkv-run sortmerna"
else
  echo "skipped: sortmerna could not be had, or not run"
fi

# ---- Files of another RocksDB ------------------------------------------------
# A database goes from the RocksDB of PREFIX to this one and back; each adds to
# it, compacts, and reads what the other has left.
# OPTIONS files are not read: an old RocksDB does not know a newer one's options.
here() { tool ldb --try_load_options=false "$@"; }
other() { "$prefix/bin/memkv_ldb" --try_load_options=false "$@"; }
# same_here_and_there DATABASE LINES: both read the same, and so much.
same_here_and_there() {
  here --hex --db="$1" scan | sed 's/ ==> / : /' >here.txt
  other --hex --db="$1" scan | sed 's/ ==> / : /' >there.txt
  cmp here.txt there.txt || fail "$1: the two versions read different entries"
  [[ $(wc -l <here.txt) == "$2" ]] || fail "$1: $(wc -l <here.txt) entries, expected $2"
  for file in "$1"/*.sst; do
    tool sst_dump --file="$file" --command=verify >verify.txt 2>&1 ||
      fail "$file: $(tail -n 5 verify.txt)"
    "$prefix/bin/memkv_sst_dump" --file="$file" --command=verify >verify.txt 2>&1 ||
      fail "$file: $(tail -n 5 verify.txt)"
  done
}
# The number of database $1's files that are FST files.
fst_files() { grep -l 'memkv\.fst\.directory' "$1"/*.sst | wc -l; }

other --db=moving_db --create_if_missing batchput "${pairs[@]}" >/dev/null
other --db=moving_db compact >/dev/null
other --db=moving_db deleterange usr/share/doc/1100 usr/share/doc/1110 >/dev/null
other --db=moving_db put usr/share/doc/1200 newer >/dev/null
same_here_and_there moving_db 290
here --db=moving_db put usr/share/doc/1300 added >/dev/null
here --db=moving_db compact >/dev/null
same_here_and_there moving_db 291
here --db=moving_db deleterange usr/share/doc/1120 usr/share/doc/1130 >/dev/null
other --db=moving_db put usr/share/doc/1301 added >/dev/null
same_here_and_there moving_db 282
other --db=moving_db compact >/dev/null
same_here_and_there moving_db 282
[[ $(fst_files moving_db) -gt 0 ]] || fail "moving_db has no FST file"
# What Debian's own ldb has written here.
same_here_and_there "$db" 400
echo "ok: files of another RocksDB"

# C, by dlopen().
[[ $("$debian/run_debian.sh" ./host "librocksdb.so.${version%.*}" "$build/libmemkv.so" host_db) == \
  'host: OK' ]] || fail "the C program"
echo "ok: a C program"

# ---- Packages ----------------------------------------------------------------
command -v dpkg-deb >/dev/null || {
  echo "skipped: the packages, for there is no dpkg-deb"
  exit 0
}
(cd "$build" && cpack -B "$OLDPWD/packages") >cpack.log 2>&1 || fail "$(tail -n 20 cpack.log)"
for name in libmemkv0 libmemkv-dev memkv-tools; do
  package=$(echo packages/${name}_*.deb)
  dpkg-deb -f "$package" Depends >depends.txt || fail "cpack made no $name"
  dpkg -x "$package" clean
  case $name in
    *-dev) expect "$name" "librocksdb-dev \(>= $version\), librocksdb-dev \(<< " depends.txt ;;
    *) expect "$name" "librocksdb${version%.*} \(>= $version\), librocksdb${version%.*} \(<< " \
      depends.txt ;;
  esac
done
if find clean -name '*rocksdb*' | grep .; then fail "a package brings a RocksDB"; fi
cmake -S "$root/tests/outside" -B outside "-DCMAKE_PREFIX_PATH=$PWD/clean/usr;$debian/usr" \
  -DCMAKE_EXE_LINKER_FLAGS=-Wl,--allow-shlib-undefined >outside.log 2>&1 &&
  cmake --build outside >>outside.log 2>&1 || fail "$(tail -n 20 outside.log)"
packaged() { env "LD_LIBRARY_PATH=$PWD/clean/usr/$libdir" "$debian/run_debian.sh" "$@"; }
for program in outside_static outside_shared unaware_linked; do
  [[ $(packaged ./outside/$program) == 'art + FstTable: OK' ]] || fail "$program"
done
if command -v pkg-config >/dev/null; then
  # As pkg-config says, but for where the packages are.
  flags=$(PKG_CONFIG_SYSROOT_DIR=$debian \
    PKG_CONFIG_PATH=$debian/usr/$libdir/pkgconfig:clean/usr/$libdir/pkgconfig \
    pkg-config --cflags --libs memkv) || fail "pkg-config"
  read -ra flags <<<"$flags"
  cc -o c_program "$root/tests/outside/c_program.c" -Iclean/usr/include -Lclean/usr/$libdir \
    "-I$debian/usr/include" "-L$debian/usr/$libdir" "${flags[@]}" -Wl,--allow-shlib-undefined
  [[ $(packaged ./c_program c_db) == 'c_program: OK' ]] || fail "the C program of the package"
fi
for arguments in "verify db" "inspect $(find db -name "*.sst" | head -n 1)"; do
  packaged ./clean/usr/bin/memkv $arguments >memkv.txt 2>&1 || fail "memkv $arguments: $(cat memkv.txt)"
done
[[ -x clean/usr/bin/memkv-run ]] || fail "no package has memkv-run"
packaged ./clean/usr/bin/memkv_ldb --db=db --try_load_options get key >get.txt
expect "memkv_ldb of the package" '^of the file$' get.txt
echo "ok: packages"

echo "debian $version: OK"
