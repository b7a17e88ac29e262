#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# fetch_debian_rocksdb.sh CACHE VERSION: makes CACHE/debian/rocksdb-VERSION exist,
# and prints its path: Debian's own RocksDB, unpacked and not installed.  It has
# rocksdb-tools with everything they run on, the C library included, and the
# headers and librocksdb.so that one builds against.
#
# run_debian.sh in it runs one of its programs, or another one given by a path,
# with its libraries, on any Linux of its processor:
#
#   CACHE/debian/rocksdb-VERSION/run_debian.sh db_bench ...
#
# LD_PRELOAD and LD_LIBRARY_PATH are for that program.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

cache=$(realpath -m -- "${1:?usage: fetch_debian_rocksdb.sh CACHE VERSION}")
version=${2:?usage: fetch_debian_rocksdb.sh CACHE VERSION}
tree=$cache/debian/rocksdb-$version

die() {
  printf 'fetch_debian_rocksdb.sh: %s\n' "$*" >&2
  exit 1
}

# Downloads the packages from one mirror into ./apt/cache/archives and here.
download_from() {
  # No list of all files of Debian, which some machines ask for.
  debian_apt "$PWD/apt" "deb [target=Packages] $1 $suite main" &&
    [[ $(apt-cache show rocksdb-tools | sed -n 's/^Version: //p') == "$version"-* ]] ||
    { echo "$1 has no RocksDB $version in $suite" && return 1; }
  # Of these the headers and links alone: what they depend on would bring the
  # headers of another C library.
  apt-get -qq -y --download-only install rocksdb-tools &&
    apt-get -qq download librocksdb-dev libsnappy-dev liblz4-dev libzstd-dev \
      zlib1g-dev libbz2-dev
}

fill_tree() {
  local package
  for package in ./*.deb apt/cache/archives/*.deb; do
    dpkg -x "$package" tree
  done
  debian_runner tree "$(cd tree && dirname "$(find . -name 'librocksdb.so.*' -type l)")"
}

if [[ ! -d $tree ]]; then
  suite=$(debian_suite_of "$version")
  [[ $suite ]] || die "Debian's RocksDB is 7.8.3, 9.10.0 or 9.11.2, not '$version'"
  for tool in apt-get dpkg; do
    command -v $tool >/dev/null || die "Debian's packages need $tool, which is not here"
  done
fi
debian_obtain "$tree" "RocksDB $version, Debian's packages"
echo "$tree"
