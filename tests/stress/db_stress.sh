#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# db_stress.sh ARGUMENT...: what db_crashtest.py runs in db_stress's place.  It
# draws memkv's options for this round, keeps the command that repeats the round
# in $STRESS_HOME/command, and becomes db_stress.  run.sh sets
#
#   STRESS_HOME     the mode's folder
#   STRESS_BINARY   db_stress with memkv inside
#   STRESS_SEED     the seed of the draw, together with the number of the round
#   STRESS_FORCE_MORE   added to what MEMKV_FORCE is drawn to be

set -euo pipefail

round=$(($(cat "$STRESS_HOME/rounds") + 1))
echo "$round" >"$STRESS_HOME/rounds"
# bash takes 15 bits of a seed and some more.
RANDOM=$(((STRESS_SEED * 1009 + round) % 1000003))

# Not printed, for a subshell would draw the same number every time.
draw() {
  shift $((RANDOM % $#))
  drawn=$1
}

draw table,memtable table,memtable table,memtable table
force=$drawn${STRESS_FORCE_MORE:-}
options=
draw_option() {
  local name=$1
  shift
  draw "$@"
  options+="$name=$drawn;"
}
draw_option write_format fst fst fst fst fst block_based
draw_option residency auto pin cache
draw_option pinned_keys_limit 0 50000 1000000
# Where one read in so many fails, a compaction of very many small blocks never
# ends, and the next round waits for it.
small_segments=(1024 4096)
small_blocks=(64 512)
if [[ "$*" =~ --read_fault_one_in=[1-9] ]]; then
  small_segments=()
  small_blocks=()
fi
draw_option segment_size 0 "${small_segments[@]}" 65536 1048576
draw_option value_block_size "${small_blocks[@]}" 4096 65536
draw_option inline_value_size 0 16 100 1024
draw_option key_buffer_size 0 4096 1048576 67108864

# Behind an open that fails, db_stress may cut the unsynced end of each file at
# random, and RocksDB's Random divides by zero where there is nothing unsynced
# (FSFileState::DropRandomUnsyncedData).  Whether it cuts follows from its seed,
# by the first numbers of that Random: the next seed that does not is taken.
seed=$((STRESS_SEED + round))
cuts_at_random() {
  local second third
  second=$((seed * 16807 % 2147483647 * 16807 % 2147483647))
  third=$((second * 16807 % 2147483647))
  ((second % 3 != 0 && third % 2 == 0))
}
while cuts_at_random; do seed=$((seed + 1)); done

# A build without assertions injects no faults, and refuses to be asked for them,
# as db_crashtest.py of 11.8 does now and then.
if [[ ${DEBUG_LEVEL:-1} == 0 ]]; then
  set -- "$@" --read_fault_one_in=0 --metadata_read_fault_one_in=0
fi

settings=(MEMKV_FORCE="$force" MEMKV_FORCE_OPTIONS="$options"
  MEMKV_FORCE_LIVE="$RANDOM" DEBUG_LEVEL="${DEBUG_LEVEL:-1}"
  ASAN_OPTIONS="${ASAN_OPTIONS:-}" UBSAN_OPTIONS="${UBSAN_OPTIONS:-}")
{
  printf 'env'
  printf ' %q' "${settings[@]}" "$STRESS_BINARY" --seed="$seed" "$@"
  echo
} >"$STRESS_HOME/command"

exec env "${settings[@]}" "$STRESS_BINARY" --seed="$seed" "$@"
