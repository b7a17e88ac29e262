#!/bin/sh
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Makes sure that what the build and the demo need is there.
#
#   install_deps.sh            silent if it is; otherwise says what is missing,
#                              and fails: a build installs nothing by itself
#   install_deps.sh --install  says what it installs, and does it: as root, or
#                              by sudo

set -eu

install=
case ${1-} in
  '') ;;
  --install) install=1 ;;
  *)
    echo "install_deps.sh: unknown argument '$1'; see the head of this file" >&2
    exit 1
    ;;
esac

packages='libsnappy-dev liblz4-dev libzstd-dev libjemalloc-dev libgflags-dev
  libfmt-dev libgtest-dev libbenchmark-dev nlohmann-json3-dev libvalijson-dev'

if ! command -v dpkg-query >/dev/null 2>&1; then
  for tool in cmake make c++; do
    if ! command -v "$tool" >/dev/null 2>&1; then
      echo "memkv needs cmake (3.20 or later), make, a C++17 compiler, and the" >&2
      echo "headers of snappy, lz4, zstd, jemalloc, gflags, fmt, googletest," >&2
      echo "benchmark, nlohmann-json and valijson." >&2
      exit 1
    fi
  done
  exit 0
fi

# Tools count as present wherever they come from.
command -v cmake >/dev/null 2>&1 || packages="$packages cmake"
command -v make >/dev/null 2>&1 || packages="$packages make"
command -v c++ >/dev/null 2>&1 || packages="$packages g++"
# Without these a build does: it compiles more, and tests/docs/lint_test.sh and
# tidy_test.sh check less.
for tool in ccache clang-format clang-tidy; do
  [ -z "$install" ] || command -v $tool >/dev/null 2>&1 || packages="$packages $tool"
done

missing=
for package in $packages; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || :
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ -z "$install" ]; then
  echo "memkv needs packages that are not installed:$missing" >&2
  echo "Install them by 'make deps' (as root, or by sudo), or yourself." >&2
  exit 1
fi

as_root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "memkv needs packages that only root can install; please run, as root," >&2
    echo "  apt-get update && apt-get install -y$missing" >&2
    exit 1
  fi
  as_root=sudo
fi

echo "-- installing:$missing"
install_missing() {
  # shellcheck disable=SC2086 # a list of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
    --no-install-recommends $missing >/dev/null
}
# The machine's package lists may be absent or out of date.
install_missing 2>/dev/null || {
  $as_root apt-get -qq update
  install_missing
}
