#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# run.sh BUILD_DIR [BINARY...]: runs RocksDB's own tests, by default those of
# binaries.txt, on memkv, and compares what fails with expected_failures.txt.
# BUILD_DIR is a build tree of the flavour debug; build_rocksdb.sh has built the
# tests, and force_memkv.cc, preloaded, puts memkv below them.
#
#   MEMKV_FORCE=table,memtable   what is of memkv; none: RocksDB alone, which is
#                                expected to pass everything
#   JOBS=N                       processes at a time; by default one a core
#
# Tests run in chunks, a process each.  One that ends its process, does not end
# in time or fails runs once more, alone, while the others of its chunk go on;
# what passes then is reported as such.  BUILD_DIR/rocksdb_tests receives
# verdicts.txt (verdict, binary and test) and the logs of what did not pass.

set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: run.sh BUILD_DIR [BINARY...]}" && pwd)
shift
lib_dir=$(sed -n 's/^set(MEMKV_ROCKSDB_LIB_DIR "\(.*\)")$/\1/p' \
  "$build/rocksdb_location.cmake")
tests_dir=${lib_dir%/lib}/tests
library=$build/tests/libforce_memkv.so
out=$build/rocksdb_tests
force=${MEMKV_FORCE:-table,memtable}
jobs=${JOBS:-$(nproc)}
chunk_size=10
seconds=180 # that a process may take

rm -rf "$out"/{chunks,logs,verdicts.txt}
mkdir -p "$out"/{chunks,logs}
# Databases live in memory if they can, as RocksDB's own "make check" has them.
scratch=$(mktemp -d "$([[ -w /dev/shm ]] && echo /dev/shm || echo "$out")/XXXXXX")
trap 'rm -rf "$scratch"' EXIT
ulimit -c 0

# run_tests LOG BINARY TEST...: runs them in one process.
run_tests() {
  local log=$1 binary=$2 tmp code=0
  shift 2
  tmp=$(mktemp -d "$scratch/XXXXXX")
  # The braces keep what the shell says of a signal to itself.
  {
    timeout -k 10 "$seconds" env TEST_TMPDIR="$tmp" MEMKV_FORCE="$force" \
      LD_LIBRARY_PATH="$lib_dir" LD_PRELOAD="$library" \
      "$tests_dir/$binary" --gtest_filter="$(IFS=:; echo "$*")" \
      </dev/null >"$log" 2>&1 || code=$?
  } 2>/dev/null
  rm -rf "$tmp"
  return $code
}

# Prints "ok TEST", "failed TEST" or "unfinished TEST" for each in the log.
read_log() {
  awk '
    function name(line) {
      sub(/^.*\] /, "", line); sub(/,? .*/, "", line)
      return line
    }
    /\[ RUN      \] / { running = name($0) }
    /\[       OK \] .* ms\)$/ { print "ok", name($0); running = "" }
    /\[  SKIPPED \] .* ms\)$/ { print "skipped", name($0); running = "" }
    /\[  FAILED  \] .* ms\)$/ { print "failed", name($0); running = "" }
    END { if (running != "") print "unfinished", running }' "$1"
}

# verdict_alone BINARY TEST LOG: runs it once more, alone; LOG is of the first
# time.
verdict_alone() {
  local log verdict code=0
  log=$out/logs/$1.${2//\//-}.log
  run_tests "$log" "$1" "$2" || code=$?
  verdict=$(read_log "$log" | awk 'NR == 1 { print $1 }')
  case $verdict in
    ok | skipped)
      cp "$3" "$log"
      verdict=repeated
      ;;
    failed) ;;
    *)
      verdict=crashed
      ((code != 124 && code != 137)) || verdict=timeout
      ;;
  esac
  echo "$verdict $1 $2"
}

# run_chunk FILE: its first line is the binary, the others are tests of it.
run_chunk() {
  local file=$1 log=$1.log binary left verdicts code verdict test
  { read -r binary && mapfile -t left; } <"$file"
  while ((${#left[@]} > 0)); do
    code=0
    run_tests "$log" "$binary" "${left[@]}" || code=$?
    verdicts=$(read_log "$log")
    if [[ -z $verdicts ]]; then
      printf "crashed $binary %s\n" "${left[@]}"
      cp "$log" "$out/logs/$binary.${left[0]//\//-}.log"
      break
    fi
    while read -r verdict test; do
      case $verdict in
        ok | skipped) echo "$verdict $binary $test" ;;
        *) verdict_alone "$binary" "$test" "$log" ;;
      esac
    done <<<"$verdicts"
    if ((code != 0)) && ! grep -qE '^(failed|unfinished)' <<<"$verdicts"; then
      echo "crashed $binary after-its-last-test"
      cp "$log" "$out/logs/$binary.after-its-last-test.log"
    fi
    mapfile -t left < <(printf '%s\n' "${left[@]}" |
      grep -vxFf <(awk '{ print $2 }' <<<"$verdicts"))
  done >"$file.verdicts"
  rm -f "$log"
}

# list_tests BINARY: every test of it, one a line.
list_tests() {
  LD_LIBRARY_PATH=$lib_dir \
    "$tests_dir/$1" --gtest_list_tests </dev/null 2>/dev/null |
    awk '/^[^ ].*\.( |$)/ { suite = $1; next }
         /^  [^ ]/ && $1 !~ /^DISABLED_/ && suite !~ /^DISABLED_/ {
           print suite $1 }'
}

# ---- What is to be run -----------------------------------------------------
if (($# == 0)); then
  mapfile -t all < <(grep -v '^#' "$here/binaries.txt")
  set -- "${all[@]}"
fi
for binary in "$@"; do
  list_tests "$binary" |
    split -l "$chunk_size" -a 4 --filter="{ echo $binary; cat; } >\$FILE" \
      - "$out/chunks/$binary."
done
chunks=("$out"/chunks/*)
[[ -e ${chunks[0]} ]] || {
  echo "run.sh: nothing to run" >&2
  exit 2
}

export -f run_tests read_log verdict_alone run_chunk
export out scratch lib_dir tests_dir library force seconds
echo "-- ${#chunks[@]} chunks of RocksDB's tests, MEMKV_FORCE=$force"
printf '%s\0' "${chunks[@]}" |
  xargs -0 -P "$jobs" -I '{}' bash -euc 'run_chunk "$1"' - '{}'
cat "$out"/chunks/*.verdicts | sort -k2,3 >"$out/verdicts.txt"
rm -rf "$out/chunks"

# ---- What was expected -----------------------------------------------------
awk -v force="$force" -f "$here/compare.awk" "$here/expected_failures.txt" \
  "$out/verdicts.txt"
