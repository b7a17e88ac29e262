#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# run.sh BUILD_DIR: RocksDB's db_crashtest.py, unmodified, over its modes, with
# memkv below db_stress.  It starts db_stress, kills it, starts it again and
# compares what the database holds with what was acknowledged, round after round.
# Each round draws memkv's options anew (db_stress.sh).  The mode "kills" is
# kill_writer of our own: many kills, every write synced.
#
#   STRESS_SECONDS=600   in all; the modes share them
#   STRESS_MODES='...'   of those below; by default all that the flavour has
#   STRESS_SEED=N        of all draws.  Not of the order of threads, nor of the
#                        moment of a kill
#   STRESS_DIR=DIR       where databases live; by default BUILD_DIR/stress
#
# Ends with a summary.  What failed keeps STRESS_DIR/MODE: the database, the
# expected state, the log, and the command of the last round.

set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: run.sh BUILD_DIR}" && pwd)
seconds=${STRESS_SECONDS:-600}
seed=${STRESS_SEED:-$((RANDOM * 32768 + RANDOM))}
dir=${STRESS_DIR:-$build/stress}
location=$build/rocksdb_location.cmake
source_dir=$(sed -n 's/^set(MEMKV_ROCKSDB_ROOT "\(.*\)")$/\1/p' "$location")
flavour=$(sed -n 's/^MEMKV_FLAVOUR:STRING=//p' "$build/CMakeCache.txt")

# A mode's name, and what db_crashtest.py takes for it.
declare -A arguments=(
  [plain]="blackbox"
  [simple]="blackbox --simple"
  [txn_write_committed]="blackbox --txn --txn_write_policy=0"
  [txn_write_prepared]="blackbox --txn --txn_write_policy=1"
  [txn_write_unprepared]="blackbox --txn --txn_write_policy=2"
  [optimistic_txn]="blackbox --optimistic_txn"
  [cf_consistency]="blackbox --cf_consistency"
  [views]="blackbox"
  [views_plain]="blackbox --use_merge=0 --use_put_entity_one_in=0 --enable_blob_files=0 --allow_setting_blob_options_dynamically=0 --use_timed_put_one_in=0 --async_io=0 --use_sqfc_for_range_queries=0 --use_multi_cf_iterator=0"
  [views_cf_consistency]="blackbox --cf_consistency"
  [best_efforts_recovery]="blackbox --test_best_efforts_recovery"
  [tiered_storage]="blackbox --test_tiered_storage"
  [timestamps]="blackbox --enable_ts"
  [multiops_write_committed]="blackbox --test_multiops_txn --write_policy=write_committed"
  [multiops_write_prepared]="blackbox --test_multiops_txn --write_policy=write_prepared"
  [whitebox]="whitebox"
  [whitebox_simple]="whitebox --simple"
  [whitebox_txn]="whitebox --txn --txn_write_policy=0"
  [whitebox_cf_consistency]="whitebox --cf_consistency"
  [whitebox_tiered_storage]="whitebox --test_tiered_storage"
  [kills]=""
)
modes=(plain simple txn_write_committed txn_write_prepared txn_write_unprepared
  optimistic_txn cf_consistency views views_plain views_cf_consistency best_efforts_recovery tiered_storage timestamps
  multiops_write_committed multiops_write_prepared kills)
launcher=()
if [[ $flavour == release ]]; then
  export DEBUG_LEVEL=0
else
  # The points at which whitebox kills are compiled in with assertions alone.
  modes+=(whitebox whitebox_simple whitebox_txn whitebox_cf_consistency
    whitebox_tiered_storage)
  export ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=0
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  if setarch -R true 2>/dev/null; then launcher=(setarch -R); fi
fi
if [[ -n ${STRESS_MODES:-} ]]; then read -ra modes <<<"$STRESS_MODES"; fi

share=$((seconds / ${#modes[@]}))
interval=$((share / 3))
if ((interval > 30)); then interval=30; fi
if ((interval < 2)); then interval=2; fi

# Draws of db_crashtest.py's own follow the seed, too.
seeded='import random, runpy, sys
random.seed(int(sys.argv[1]))
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")'

export STRESS_BINARY=$build/tests/db_stress
[[ -x $STRESS_BINARY && -x $build/tests/kill_writer ]] || {
  echo "run.sh: $build has no db_stress and kill_writer: make stress" >&2
  exit 1
}

# Both leave their output in $STRESS_HOME/log.
run_crashtest() {
  local words more
  read -ra words <<<"${arguments[$mode]}"
  # With an off-peak time of the whole day RocksDB compacts the same file again
  # and again, and the last verification does not end.
  more=(--duration="$share" --daily_offpeak_time_utc= --verify_timeout=600)
  if [[ $mode == whitebox* ]]; then
    # It kills by chance, once in so many points that it passes, and ends by
    # itself after so many operations.
    more+=(--random_kill_odd=$((share * 100)) --threads=8
      --ops_per_thread=$((share * 5)))
  else
    more+=(--interval="$interval")
  fi
  # Behind an injected error of a write, RocksDB brings back what unprepared
  # batches deleted: docs/stress.md.
  [[ $mode != txn_write_unprepared ]] || more+=(--write_fault_one_in=0)
  # 32 threads on 10 column families: not so many keys that few are met twice.
  [[ $mode == multiops* ]] || more+=(--max_key=$((25000 << seed % 5)))
  # Every second iterator is of a memkv::View (force_views.cc), and most
  # operations are of iterators.
  export STRESS_FORCE_MORE=
  if [[ $mode == views* ]]; then
    STRESS_FORCE_MORE=,view
    more+=(--readpercent=25 --prefixpercent=5 --iterpercent=30
      --verify_iterator_with_expected_state_one_in=2)
  fi
  TEST_TMPDIR=$STRESS_HOME/db TEST_TMPDIR_EXPECTED=$STRESS_HOME/expected \
    "${launcher[@]}" python3 -c "$seeded" "$seed" \
    "$source_dir/tools/db_crashtest.py" "${words[@]}" \
    --stress_cmd="$here/db_stress.sh" "${more[@]}" >"$STRESS_HOME/log" 2>&1 ||
    return
  # db_crashtest.py takes a last verification that does not end for one that
  # passed.
  ! sed '1,/^Running final time/d' "$STRESS_HOME/log" | grep '^KILLED '
}

run_kills() {
  local command=("${launcher[@]}" "$build/tests/kill_writer" "$STRESS_HOME/db"
    0 "$share" "$seed")
  echo "${command[*]}" >"$STRESS_HOME/command"
  "${command[@]}" >"$STRESS_HOME/log" 2>&1 || return
  sed -n 's/^kill_writer: \([0-9]*\) kills.*/\1/p' "$STRESS_HOME/log" \
    >"$STRESS_HOME/rounds"
}

echo "stress: ${#modes[@]} modes, $share s each, a kill every $interval s, seed $seed"
failed=()
for mode in "${modes[@]}"; do
  [[ -n ${arguments[$mode]+is} ]] || {
    echo "run.sh: no mode '$mode'; there are: ${!arguments[*]}" >&2
    exit 1
  }
  export STRESS_HOME=$dir/$mode STRESS_SEED=$seed
  rm -rf "$STRESS_HOME"
  mkdir -p "$STRESS_HOME/db" "$STRESS_HOME/expected"
  echo 0 >"$STRESS_HOME/rounds"
  code=0
  SECONDS=0
  if [[ $mode == kills ]]; then
    run_kills || code=$?
  else
    run_crashtest || code=$?
  fi
  rounds=$(<"$STRESS_HOME/rounds")
  if ((code == 0 && rounds > 1)); then
    printf '%-26s ok      %5d rounds  %5d s\n' "$mode" "$rounds" "$SECONDS"
    rm -rf "$STRESS_HOME"
    continue
  fi
  failed+=("$mode")
  printf '%-26s FAILED  %5d rounds  %5d s\n' "$mode" "$rounds" "$SECONDS"
  sed -n '/^stderr:/,$p; /^kill_writer:/p' "$STRESS_HOME/log" | head -n 20
  echo "  log, database, expected state: $STRESS_HOME"
  echo "  the last round again: sh $STRESS_HOME/command"
done
if ((${#failed[@]} > 0)); then
  echo "stress: ${#failed[@]} of ${#modes[@]} modes failed: ${failed[*]}"
  exit 1
fi
echo "stress: all ${#modes[@]} modes passed"
