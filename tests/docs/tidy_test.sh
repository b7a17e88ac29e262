#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# tidy_test.sh ROOT BUILD_DIR [FILE...]: clang-tidy, with the checks of
# .clang-tidy, finds nothing in the sources of the library, cores and adapters,
# nor in the headers they include; or in the FILEs given, those of tests, tools
# and benchmarks.  BUILD_DIR says how each is compiled.  Skipped (77) without
# clang-tidy 14: other versions have other checks.
#
# What was found clean is not checked again: a file of the cache is named by the
# hash of all that the result depends on, the source, what it includes, how it is
# compiled, and the checks.

set -euo pipefail
self=$(realpath "$0")
cd "$1"
build=$(realpath "$2")
shift 2

tidy=$(command -v clang-tidy-14 || command -v clang-tidy || true)
if [[ -z $tidy ]] || ! "$tidy" --version | grep -q 'version 14\.'; then
  echo "tidy: skipped, for there is no clang-tidy 14; make deps installs Debian's"
  exit 77
fi
cache=${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}/tidy
mkdir -p "$cache"
find "$cache" -type f -mtime +30 -delete

# key FILE: the hash, or nothing if BUILD_DIR has not compiled FILE as it is now.
key() {
  local depfile headers
  depfile=$(find "$build"/CMakeFiles/memkv_*.dir/"$1.o.d" 2>/dev/null | head -n 1)
  [[ -n $depfile ]] || return 0
  read -ra headers < <(sed -e 's/^[^ ]*: *//' -e 's/\\$//' "$depfile" | tr '\n' ' ')
  [[ -z $(cd "$build" && find "${headers[@]}" -newer "$depfile") ]] || return 0
  {
    "$tidy" --version
    cat .clang-tidy "$self"
    grep -F -- "-c $PWD/$1\"" "$build/compile_commands.json" | sed "s|$PWD|.|g"
    (cd "$build" && sha256sum -- "${headers[@]}") | cut -c-64
  } | sha256sum | cut -c-64
}
# check FILE...: as many at a time as there are cores.
check() {
  printf '%s\n' "$@" |
    xargs -P "$(nproc)" -n 1 bash -c 'check_one "$1"' check_one 2>&1 |
    sed '/^[0-9]* warnings\? generated\.$/d'
}
check_one() {
  local key
  key=$(key "$1") || key=
  [[ -z $key || ! -e $cache/$key ]] || return 0
  "$tidy" --quiet --config-file=.clang-tidy --extra-arg=-Wno-unknown-warning-option -p "$build" "$1" || return
  [[ -z $key ]] || : >"$cache/$key"
}
export tidy build cache self
export -f key check_one

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
