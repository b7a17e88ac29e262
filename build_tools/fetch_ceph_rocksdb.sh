#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# fetch_ceph_rocksdb.sh CACHE: makes CACHE/src/ceph-18.2.7/rocksdb exist, and prints
# its path: the sources of the RocksDB that is inside Debian 13's Ceph, for their
# headers.  They come from Ceph's source package (148 MB), of which nothing else is
# kept.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

cache=$(realpath -m -- "${1:?usage: fetch_ceph_rocksdb.sh CACHE}")
version=18.2.7
sha256=71c0795fa0d6312ec7b57dee4031559b7e62e086a78e6ae1ad8549e0b351e28f
tree=$cache/src/ceph-$version

die() {
  printf 'fetch_ceph_rocksdb.sh: %s\n' "$*" >&2
  exit 1
}

# Downloads the tarball from one mirror into the current folder.
download_from() {
  # The index may be unsigned as far as this machine's keys go; the hash is known.
  debian_apt "$PWD/apt" "deb-src [trusted=yes] $1 trixie main" &&
    apt-get -qq source --download-only --tar-only ceph &&
    echo "$sha256  $(echo ceph_"$version"*.orig.tar.xz)" | sha256sum --check --status
}

fill_tree() {
  tar -xJf ceph_"$version"*.orig.tar.xz -C tree --strip-components=2 --wildcards '*/src/rocksdb'
  [[ -e tree/rocksdb/include/rocksdb/version.h ]] || die "no RocksDB in Ceph's sources"
}

command -v apt-get >/dev/null || [[ -d $tree ]] ||
  die "Ceph's sources are had by apt-get, which is not here"
debian_obtain "$tree" "Ceph $version, its source (148 MB)"
echo "$tree/rocksdb"
