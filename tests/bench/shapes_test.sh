#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# shapes_test.sh ROOT MEMTABLE_BENCH KEY_CODING_BENCH: every shape of keys, with
# few keys, in memtables and in tables; each has its row in the report and is in
# docs/benchmarks.md, every answer is right, and what must be refused is.

set -euo pipefail
document=$1/docs/benchmarks.md
memtables=$2
codings=$3
rm -rf run
mkdir run
cd run
export TMPDIR=$PWD

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# Runs a program quietly; what it said is shown if it fails.
quietly() {
  "$@" >out.txt 2>err.txt || {
    cat out.txt err.txt >&2
    fail "$*"
  }
}
# The program must fail, and say $1.
refuses() {
  local what=$1
  shift
  ! "$@" >out.txt 2>err.txt || fail "$* did not fail"
  grep -qF -- "$what" err.txt || {
    cat err.txt >&2
    fail "$*: no word of '$what'"
  }
}
# The report in out.txt has a row for each shape in $1, and ends with the count
# of the cells that are marked in it and listed below it.
check_report() {
  local marked listed last
  for shape in $1; do
    grep -qE "^$shape " out.txt || fail "no row of $shape"
  done
  last=$(tail -n 1 out.txt)
  marked=$(sed -n '/^[a-z_]*: how many/,/^$/p' out.txt | grep -oE '[0-9]!' | wc -l)
  listed=$(sed -n '/^Slower:/,/^$/p' out.txt | grep -cE '^ +[0-9.]+  ' || true)
  [[ $last =~ ^shapes:\ ([0-9]+)\ of\ ([0-9]+)\ cells ]] || fail "the last line is '$last'"
  [[ ${BASH_REMATCH[1]} -eq $marked && $marked -eq $listed ]] ||
    fail "'$last', but $marked cells are marked and $listed listed"
  ((BASH_REMATCH[2] > 100)) || fail "only ${BASH_REMATCH[2]} cells"
}

quietly "$memtables" --shapes=list
shapes=$(awk '{ print $1 }' out.txt)
[[ $(wc -w <<<"$shapes") -ge 20 ]] || fail "few shapes: $shapes"
for shape in $shapes; do
  grep -qE "^\| .*\`$shape\`.* \|" "$document" || fail "docs/benchmarks.md has no $shape"
done
quietly "$codings" --shapes=list
[[ $(awk '{ print $1 }' out.txt) == "$shapes" ]] || fail 'the programs have other shapes'

quietly "$memtables" --sets=shapes --memtables=skip_list,vector,art --shape_scale=0.01 --shape_repeat=2
check_report "$shapes"
for row in 'hot_key, 1 thread ' 'hot_key, 8 threads '; do
  grep -qF "$row" out.txt || fail "no row of $row"
done

quietly "$codings" --sets=shapes --shape_scale=0.01 --shape_repeat=2
check_report 'random_binary chain_up comb_up phrases pairs shared_4k sorted streams one_byte extreme_bytes mebibyte mebibyte_shared'
grep -q '^fst: how many times as much as block_based' out.txt || fail 'no table of fst'
[[ -z $(find . -name 'key_coding_bench*' -print -quit) ]] || fail 'a folder was left behind'

# Those that are asked for, and no others; the same keys in another order, too.
quietly "$codings" --sets=shapes --shapes=chain_down --shape_scale=0.01 --shape_repeat=1
grep -q '^chain_down ' out.txt || fail 'chain_down is not there'
! grep -q '^pairs ' out.txt || fail 'pairs was not asked for'

for program in "$memtables" "$codings"; do
  refuses 'no shape called ball' "$program" --sets=shapes --shapes=ball
  refuses 'the scale of shapes' "$program" --sets=shapes --shape_scale=0
  refuses '--shape_repeat' "$program" --sets=shapes --shape_repeat=0
  refuses 'there is no set ball' "$program" --sets=ball
done
refuses 'fewer than two --memtables' "$memtables" --sets=shapes --memtables=skip_list,vector

echo "shapes: OK, $(wc -w <<<"$shapes") shapes"
