#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# tidy_test.sh ROOT BUILD_DIR [FILE...]: clang-tidy, with the checks of
# .clang-tidy, finds nothing in the sources of the library, cores and adapters,
# nor in the headers they include; or in the FILEs given, those of tests, tools
# and benchmarks.  BUILD_DIR says how each is compiled.  Skipped (77) without
# clang-tidy 14: other versions have other checks.

set -euo pipefail
cd "$1"
build=$2
shift 2

tidy=$(command -v clang-tidy-14 || command -v clang-tidy || true)
if [[ -z $tidy ]] || ! "$tidy" --version | grep -q 'version 14\.'; then
  echo "tidy: skipped, for there is no clang-tidy 14; make deps installs Debian's"
  exit 77
fi
# check FILE...: as many at a time as there are cores.
check() {
  printf '%s\n' "$@" |
    xargs -P "$(nproc)" -n 1 "$tidy" --quiet --config-file=.clang-tidy --extra-arg=-Wno-unknown-warning-option -p "$build" 2>&1 |
    sed '/^[0-9]* warnings\? generated\.$/d'
}

# It finds what there is to find.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf 'char* Nothing() { return 0; }\n' >"$scratch/fault.cc"
if check "$scratch/fault.cc" >"$scratch/log" || ! grep -q 'fault.cc:1:.*\[modernize-use-nullptr' "$scratch/log"; then
  echo "tidy: a fault was not found, but:" >&2
  cat "$scratch/log" >&2
  exit 1
fi

files=("$@")
if ((${#files[@]} == 0)); then
  read -ra files < <(sed -n 's/^memkv_SOURCES = //p' memkv.mk)
  files+=(plugin/memkv_autoload.cc)
fi
check "${files[@]}"
echo "tidy: OK, ${#files[@]} files"
