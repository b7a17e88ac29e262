#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# fetch_rocksdb.sh CACHE [VERSION]: makes CACHE/src/rocksdb-VERSION exist, 9.10.0
# by default, and prints its path.  The tarball comes from a Debian mirror
# (debian.sh).  Of the versions named below its hash is known.  Any other is
# looked for where this machine's release and newer ones have it, and is trusted
# as far as Debian's signature goes.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

cache=$(realpath -m -- "${1:?usage: fetch_rocksdb.sh CACHE [VERSION]}")
version=${2:-9.10.0}
case $version in
  7.8.3) sha256=b85408a374770897332bf15e51620a5f35720dd416a4749e3899057f9cfaf84d ;;
  9.10.0) sha256=fdccab16133c9d927a183c2648bcea8d956fb41eb1df2aacaa73eb0b95e43724 ;;
  9.11.2) sha256=4005068f5099c54c39968f3466da216e0a7b97fc78e1c51c722e643763058a5c ;;
  *) sha256= ;;
esac
if [[ $sha256 ]]; then
  # The source index may be unsigned as far as this machine's keys go.
  trust='[trusted=yes]'
  suites=("$(debian_suite_of "$version")")
else
  trust=
  suites=(stable testing sid)
  if [[ -r /etc/debian_version && -r /etc/os-release ]]; then
    suites=("$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")" "${suites[@]}")
  fi
fi
tarball=rocksdb_$version.orig.tar.gz

tree=$cache/src/rocksdb-$version
stored=$cache/src/$tarball

say() { printf -- '-- %s\n' "$*" >&2; }
die() {
  printf 'fetch_rocksdb.sh: %s\n' "$*" >&2
  exit 1
}
by_hand() {
  die "$1
  Either give any RocksDB $version checkout with -DMEMKV_ROCKSDB_SOURCE_DIR=DIR,
  or put the release tarball${sha256:+ with sha256
    $sha256
 } at $stored"
}

has_right_hash() {
  [[ -z $sha256 ]] || echo "$sha256  $1" | sha256sum --check --status
}

# Fetches the tarball from one mirror into the current folder.
fetch_from() {
  local mirror=$1 suite full
  for suite in "${suites[@]}"; do
    if debian_apt "$PWD/apt" "deb-src $trust $mirror $suite main" >log 2>&1; then
      full=$(apt-cache showsrc rocksdb 2>>log |
        awk -v v="$version-" '$1 == "Version:" && index($2, v) == 1 && !n++ { print $2 }')
      if [[ -z $full ]]; then
        echo "no source of RocksDB $version" >>log
      elif apt-get -qq source --download-only --tar-only "rocksdb=$full" >>log 2>&1; then
        return
      fi
    fi
    # Kept back: some other suite or mirror may well do.
    sed "s|^|   $mirror $suite: |" log >>failures
  done
  return 1
}

fetch() {
  command -v apt-get >/dev/null ||
    by_hand "RocksDB $version is obtained with apt-get, which is not here."
  local mirror found=
  for mirror in $(debian_mirrors); do
    found=yes
    say "RocksDB $version: downloading the source from $mirror"
    if fetch_from "$mirror"; then
      has_right_hash "$tarball" && return
      say "$mirror: the tarball's sha256 is not the expected one"
    fi
  done
  [[ $found ]] ||
    by_hand "No Debian mirror in this machine's apt configuration (/etc/apt)."
  [[ ! -f failures ]] || cat failures >&2
  by_hand "RocksDB $version could not be had from the Debian mirrors above."
}

if [[ ! -d $tree ]]; then
  mkdir -p "$cache/src"
  exec 8>"$cache/src/lock"
  flock 8
fi
if [[ ! -d $tree ]]; then
  work=$cache/src/fetch.tmp
  rm -rf "$work"
  mkdir -p "$work"
  cd "$work"
  if [[ -f $stored ]]; then
    has_right_hash "$stored" ||
      die "$stored has not the expected sha256 $sha256; remove it"
  else
    fetch
    mv "$tarball" "$stored"
  fi
  mkdir tree
  tar -xzf "$stored" -C tree --strip-components=1
  mv -T tree "$tree"
  cd "$cache"
  rm -rf "$work"
fi
echo "$tree"
