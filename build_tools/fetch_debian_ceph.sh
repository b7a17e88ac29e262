#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# fetch_debian_ceph.sh CACHE: makes CACHE/debian/ceph-18.2.7 exist, and prints its
# path: Ceph of Debian 13, unpacked and not installed: monitor, OSD, their tools,
# and Python with librados, with everything they run on, the C library included.
#
# run_debian.sh in it runs one of its programs, as that of
# fetch_debian_rocksdb.sh does: with its libraries, on any Linux of its processor,
# without root.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

cache=$(realpath -m -- "${1:?usage: fetch_debian_ceph.sh CACHE}")
version=18.2.7
suite=trixie
tree=$cache/debian/ceph-$version

die() {
  printf 'fetch_debian_ceph.sh: %s\n' "$*" >&2
  exit 1
}

# Downloads the packages from one mirror into ./apt/cache/archives.
download_from() {
  debian_apt "$PWD/apt" "deb [target=Packages] $1 $suite main" &&
    [[ $(apt-cache show --no-all-versions ceph-osd | sed -n 's/^Version: //p') == "$version"[+-]* ]] ||
    { echo "$1 has no Ceph $version in $suite" && return 1; }
  apt-get -qq -y --download-only install ceph-mon ceph-osd python3-rados
}

fill_tree() {
  local package common
  for package in apt/cache/archives/*.deb; do
    dpkg -x "$package" tree
  done
  # The library that all of them share lies below the others.
  common=$(cd tree && find ./usr/lib -name 'libceph-common.so.*' | head -n 1)
  [[ $common ]] || die "the packages have no libceph-common"
  debian_runner tree "$(dirname "$(dirname "$common")")" "$(dirname "$common")"
}

if [[ ! -d $tree ]]; then
  for tool in apt-get dpkg; do
    command -v $tool >/dev/null || die "Debian's packages need $tool, which is not here"
  done
  [[ $(dpkg --print-architecture) == amd64 ]] || die "of Ceph $version, only amd64 was tried"
fi
debian_obtain "$tree" "Ceph $version (200 packages, 130 MB)"
echo "$tree"
