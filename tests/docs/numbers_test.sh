#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# numbers_test.sh ROOT BENCH CHECK: the figures in the documents are those of
# the reports they name, the reports are whole and valid, and a figure that is
# another would be seen; a measurement goes where it should.

set -euo pipefail
root=$1
bench=$2
check=$3
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

for report in "$root"/docs/numbers/*.json; do
  "$check" "$root/db_bench_ext/memkv_bench/report_schema.json" "$report"
  grep -q '"complete": true' "$report" || fail "$report is of a run that was stopped"
done
"$root/build_tools/numbers.sh" check "$bench"

# The same on a copy, with a figure changed in a document, and in a report.
rm -rf copy
mkdir -p copy/build_tools
cp -r "$root/docs" "$root/README.md" copy
cp "$root"/build_tools/{numbers.sh,render_page.js} copy/build_tools
copied=$(grep -l '^<!-- memkv_bench ' copy/README.md copy/docs/*.md | head -n 1)
sed -i '/^<!-- memkv_bench/,/^<!-- \/memkv_bench/s/^\(| table files[^|]*| *[0-9]*\)/\19/' "$copied"
! copy/build_tools/numbers.sh check "$bench" 2>/dev/null || fail 'a changed document is not seen'
copy/build_tools/numbers.sh refresh "$bench"
copy/build_tools/numbers.sh check "$bench"

# A measurement names no file of the machine's, and says how it agrees with the
# one before it.
seq 2000 >keys.txt
copy/build_tools/numbers.sh measure "$bench" tiny --keys="$PWD/keys.txt" --ops=100 --repeat=1 \
  --workloads=get >/dev/null 2>measured.txt || fail "$(cat measured.txt)"
"$check" "$root/db_bench_ext/memkv_bench/report_schema.json" copy/docs/numbers/tiny.json
grep -qF '"command": "memkv_bench --keys=keys.txt --ops=100 --repeat=1 --workloads=get",' \
  copy/docs/numbers/tiny.json || fail 'tiny.json has another command'
grep -qF '"agreement": {' copy/docs/numbers/tiny.json || fail 'tiny.json was measured once'
copy/build_tools/numbers.sh once "$bench" tiny --keys="$PWD/keys.txt" --ops=100 --repeat=1 \
  --workloads=get >/dev/null 2>measured.txt || fail "$(cat measured.txt)"
! grep -qF '"agreement": {' copy/docs/numbers/tiny.json || fail 'tiny.json was measured twice'

for report in copy/docs/numbers/*.json; do
  sed -i 's/"bytes_a_key": [0-9]*/&9/' "$report"
done
! copy/build_tools/numbers.sh check "$bench" 2>/dev/null || fail 'a changed report is not seen'
