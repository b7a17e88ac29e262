#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# unless_passed.sh INPUT... -- COMMAND ARGUMENT...: runs a test.  With
# MEMKV_SKIP_PASSED=1, as make check sets it, it runs none that has passed before
# with the same inputs, as `go test` does: it says so, and passes.  With 0 it runs
# all, and takes down what passes; without the variable it only runs them.
#
# What has passed is a file in the cache, named by the hash of all that the
# result depends on: the command, the INPUTs (of a folder all files below it; of a
# program the shared libraries too), the variables that tests read, the packages
# and the processor of the machine.  It is kept for 30 days.  A test that skips
# itself (77) has not passed.
#
# A test that two runs of one program may answer differently, since threads race
# or a process is killed in it, is not run by this: EVERY_RUN in CMakeLists.txt.

set -euo pipefail
self=$(realpath "$0")
inputs=()
while [[ $1 != -- ]]; do
  inputs+=("$1")
  shift
done
shift
[[ -n ${MEMKV_SKIP_PASSED:-} ]] || exec "$@"
passed=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}/passed

hash_of() { sha256sum | cut -c-64; }
# The content of file $1.  What a program is linked with is told by size and time,
# for a RocksDB with sanitizers has 200 MB.
file_input() {
  sha256sum -- "$1"
  if [[ -x $1 ]]; then
    { ldd "$1" 2>/dev/null || true; } | sed -nE 's|.*[ \t](/[^ ]+) \(0x.*|\1|p' |
      xargs -r stat -L -c '%n %s %Y'
  fi
}
key() {
  local input
  printf '%s\n' "$@"
  env | grep -E '^(MEMKV|GTEST|STRESS)_|SAN_OPTIONS=' | grep -v '^MEMKV_SKIP_PASSED=' | LC_ALL=C sort || true
  uname -srm
  grep -m 1 '^flags' /proc/cpuinfo || true
  cat /etc/os-release /var/lib/dpkg/status 2>/dev/null || true
  for input in "$self" "${inputs[@]}"; do
    [[ -e $input ]] || {
      echo "unless_passed.sh: $input: no such input" >&2
      return 1
    }
    if [[ -d $input ]]; then
      find "$input" -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum --
    else
      file_input "$input"
    fi
  done
}

# Before the test is run: what changes meanwhile was not what it has tested.
stamp=$passed/$(key "$@" | hash_of)
mkdir -p "$passed"
find "$passed" -type f -mtime +30 -delete 2>/dev/null || true
if [[ $MEMKV_SKIP_PASSED == 1 && -e $stamp ]]; then
  echo "passed before, $(date -r "$stamp" '+%F %T'), with the same program and inputs"
  exit 0
fi
"$@"
echo "$*" >"$stamp"
