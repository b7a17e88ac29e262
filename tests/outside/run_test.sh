#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# run_test.sh ROOT PREFIX COMPILER: memkv-run, of the installed package, with a
# program that sets its options in code: it reads what it reads without, and has
# memkv's factories where they can serve.

set -euo pipefail
root=$1 prefix=$2 compiler=$3
run=$prefix/bin/memkv-run

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# same WHAT EXPECTED FOUND: they are the same text.
same() {
  [[ $2 == "$3" ]] || fail "$1: $(diff <(echo "$2") <(echo "$3"))"
}

rm -rf work && mkdir work && cd work
"$compiler" -std=c++20 -O1 -o program "$root/tests/outside/options_in_code.cc" \
  "-I$prefix/include" "-L$prefix/lib" -lrocksdb "-Wl,-rpath,$prefix/lib"
# program COMMAND...: on new databases.
program() {
  rm -rf families one secondary
  "$@" ./program
}
stock=$(program env) || fail "the program does not run by itself: $stock"
[[ $(grep -c 'read 100[01] records' <<<"$stock") == 10 ]] || fail "the program: $stock"
# What memkv makes of that, by column families.
memkv=$(sed -E '/other_order|plain_table|vector_memtable/! s/SkipListFactory BlockBasedTable/art FstTable/
  /plain_table/ s/SkipListFactory/art/; /vector_memtable/ s/BlockBasedTable/FstTable/' <<<"$stock")
[[ $memkv != "$stock" ]] || fail "the program has no factory to replace: $stock"

same "memkv-run" "$memkv" "$(program "$run")"
for said in 'default: memtable_factory=art for SkipListFactory, table_factory=fst for BlockBasedTable' \
  'other_order: all is left: the comparator is ByLength' \
  'plain_table: memtable_factory=art for SkipListFactory, table_factory=PlainTable is left'; do
  grep -qF "memkv-run: column family $said" families/LOG || fail "the info log does not say: $said"
done
grep -q 'memkv\.fst\.directory' one/*.sst || fail "no FST file was written"
# The options of the program's own table are in force, and others can be added.
grep -q 'bloomfilter:10' one/OPTIONS-* || fail "the program's filter is gone"
same "of the memtable alone" "$(sed 's/FstTable/BlockBasedTable/' <<<"$memkv")" \
  "$(program "$run" --options=memtable_factory=art)"
same "of the table alone" "$(sed 's/: art /: SkipListFactory /' <<<"$memkv")" \
  "$(program "$run" --options='table_factory={id=fst;residency=pin;filter_policy=ribbonfilter:8}')"
grep -q '  residency=pin' one/OPTIONS-* || fail "--options has no effect on FST files"
grep -q 'ribbonfilter:8' one/OPTIONS-* || fail "--options does not come first"
same "none" "$stock" "$(program "$run" --options=)"
echo "ok: factories"

same "views" "$memkv" "$(program "$run" --views)"
echo "ok: views"

# refused SENTENCE ARGUMENT...: said on stderr, and nothing was done.
refused() {
  rm -rf families one secondary
  local status=0
  "$run" "${@:2}" >said.log 2>&1 || status=$?
  [[ $status == 2 && ! -e families ]] || fail "memkv-run ${*:2}: exit status $status: $(cat said.log)"
  grep -qE "^memkv-run: $1" said.log || fail "memkv-run ${*:2} says: $(cat said.log)"
}
refused 'MEMKV_OPTIONS: .*table_factory=plain: expected fst' --options=table_factory=plain ./program
refused 'MEMKV_OPTIONS: .*memtable_factory=vector: expected art' --options=memtable_factory=vector ./program
refused 'MEMKV_OPTIONS: .*residenzy' --options='table_factory={id=fst;residenzy=pin}' ./program
refused 'MEMKV_OPTIONS: .*segment_size' --options='table_factory={id=fst;segment_size=1}' ./program
refused 'MEMKV_OPTIONS: .*write_buffer_size: expected memtable_factory' --options=write_buffer_size=1 ./program
refused 'MEMKV_OPTIONS: ' --options='table_factory={id=fst' ./program
refused "unknown option '--option'" --option ./program
refused 'usage:'
echo "ok: what is wrong is refused"

# What has no RocksDB is as it was.
[[ $("$run" sh -c 'echo shell' 2>&1) == shell ]] || fail "a shell"
# So is a RocksDB inside the program, which is said, and one inside a library that
# is loaded later, as extensions of interpreters are.
inside=("-I$prefix/include" -Wl,--whole-archive "$prefix/lib/librocksdb.a" -Wl,--no-whole-archive
  -lsnappy -llz4 -lzstd -lpthread -ldl)
"$compiler" -std=c++20 -O1 -rdynamic -o inside "$root/tests/outside/options_in_code.cc" "${inside[@]}"
rm -rf families one secondary
same "RocksDB inside the program" "$stock" "$("$run" ./inside 2>said.log)"
grep -q "^memkv-run: the program's RocksDB is not a shared library" said.log || fail "said: $(cat said.log)"
"$compiler" -std=c++20 -O1 -Dmain=run -fPIC -shared -o extension.so \
  "$root/tests/outside/options_in_code.cc" "${inside[@]}"
cat >loads.c <<'END'
#include <dlfcn.h>
#include <stdio.h>
int main(void) {
  void* const library = dlopen("./extension.so", RTLD_NOW | RTLD_LOCAL);
  int (*const run)(void) = library != NULL ? (int (*)(void))dlsym(library, "_Z3runv") : NULL;
  if (run != NULL) return run();
  fprintf(stderr, "%s\n", dlerror());
  return 1;
}
END
cc -o loads loads.c -ldl
rm -rf families one secondary
same "RocksDB in a library that is loaded later" "$stock" "$("$run" ./loads)"
echo "ok: a RocksDB out of reach"
echo "run: OK"
