#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# unless_passed_test.sh ROOT: what tests/unless_passed.sh does not run has passed
# with the same inputs, and all else is run.

set -euo pipefail
script=$1/tests/unless_passed.sh
rm -rf cache folder runs program
export MEMKV_CACHE_DIR=$PWD/cache MEMKV_SKIP_PASSED=1

mkdir -p folder/below
echo one >folder/below/file
# It notes that it runs, and ends with its argument.
printf '#!/bin/sh\necho "$2" >>runs\nexit "$1"\n' >program
chmod +x program
: >runs

# expect RUNS WHAT COMMAND...: it has been run so often then.
expect() {
  "${@:3}" >log 2>&1 || true
  [[ $(wc -l <runs) == "$1" ]] || {
    echo "FAILED: $2: $(wc -l <runs) runs, expected $1: $(cat log)" >&2
    exit 1
  }
}
test=("$script" ./program folder -- ./program 0)
expect 1 'a first run' "${test[@]}" a
expect 1 'a second one' "${test[@]}" a
grep -q '^passed before, ' log
expect 2 'other arguments' "${test[@]}" b
expect 3 'every test is wanted' env -u MEMKV_SKIP_PASSED "${test[@]}" a
expect 4 'a variable that tests read' env MEMKV_TEST_SEED=2 "${test[@]}" a
expect 5 'a variable of the sanitizers' env ASAN_OPTIONS=x=1 "${test[@]}" a
echo two >folder/below/file
expect 6 'a file of a folder has changed' "${test[@]}" a
echo two >folder/more
expect 7 'a folder has one more file' "${test[@]}" a
echo '# changed' >>program
expect 8 'the program has changed' "${test[@]}" a
expect 8 'nothing has changed' "${test[@]}" a
expect 9 'every test is wanted anew' env MEMKV_SKIP_PASSED=0 "${test[@]}" e
expect 9 'that one had passed' "${test[@]}" e
find cache/passed -type f -exec touch -d '31 days ago' {} +
expect 10 'it passed a month ago' "${test[@]}" e

fails=("$script" ./program -- ./program)
expect 11 'a failure' "${fails[@]}" 1 c
expect 12 'a failure, again' "${fails[@]}" 1 c
expect 13 'a test that skips itself' "${fails[@]}" 77 d
expect 14 'a test that skips itself, again' "${fails[@]}" 77 d
status=0
"${fails[@]}" 77 d || status=$?
((status == 77)) || { echo "FAILED: 77 became $status" >&2 && exit 1; }
expect 15 'an input that is not there' "$script" ./program nothing -- ./program 0 e
grep -q 'nothing: no such input' log

# What a program is linked with: here a copy of a library of this machine.
cp "$(type -P true)" true
library=$(ldd true | sed -nE 's|.*=> (/[^ ]+) .*|\1|p' | head -n 1)
cp -L "$library" "./$(basename "$library")"
linked=(env "LD_LIBRARY_PATH=$PWD" "$script" ./true -- sh -c 'echo linked >>runs')
expect 16 'a program with libraries' "${linked[@]}"
expect 16 'a program with the same libraries' "${linked[@]}"
touch -d '2001-02-03' "$(basename "$library")"
expect 17 'a program with another library' "${linked[@]}"
echo 'unless_passed: OK'
