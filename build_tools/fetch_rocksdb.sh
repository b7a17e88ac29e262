#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# fetch_rocksdb.sh CACHE [VERSION]: makes CACHE/src/rocksdb-VERSION exist, 9.10.0
# by default, and prints its path.  The tarball comes from the Debian mirror this
# machine already uses, through apt-get with a private state folder: no root, and
# nothing of the machine's own apt state is touched.

set -euo pipefail

cache=${1:?usage: fetch_rocksdb.sh CACHE [VERSION]}
version=${2:-9.10.0}
case $version in
  9.10.0)
    suite=trixie
    sha256=fdccab16133c9d927a183c2648bcea8d956fb41eb1df2aacaa73eb0b95e43724
    ;;
  9.11.2)
    suite=sid
    sha256=4005068f5099c54c39968f3466da216e0a7b97fc78e1c51c722e643763058a5c
    ;;
  *)
    echo "fetch_rocksdb.sh: Debian's RocksDB is 9.10.0 or 9.11.2, not '$version'" >&2
    exit 1
    ;;
esac
package=rocksdb=$version-1
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
  or put the release tarball with sha256
    $sha256
  at $stored"
}

has_right_hash() {
  echo "$sha256  $1" | sha256sum --check --status
}

# Prints the URIs of the Debian archives in the machine's apt configuration:
# main component, a Debian release by name, not the security archive.
mirrors() {
  local dir=/etc/apt parts codename=
  if [[ -r /etc/os-release ]]; then
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  fi
  parts=$dir/sources.list.d
  {
    # One-line entries: deb [options] URI SUITE COMPONENT...
    { cat "$dir/sources.list" "$parts"/*.list 2>/dev/null || true; } |
      sed -e 's/#.*//' -e 's/\[[^]]*\]//' |
      awk '$1 == "deb" || $1 == "deb-src" {
             uri = $2; suite = $3; $1 = $2 = $3 = ""; print uri, suite, $0 }'
    # deb822 stanzas, brought to the same form, one line for each URI and suite.
    local file
    for file in "$parts"/*.sources; do
      [[ -r $file ]] || continue
      sed -e '/^#/d' "$file"
      echo
    done | awk '
      function flush(   i, j, n, m, u, s) {
        if (tolower(f["enabled"]) !~ /^ *(no|false|off|0) *$/) {
          n = split(f["uris"], u); m = split(f["suites"], s)
          for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
            print u[i], s[j], f["components"]
        }
        split("", f); name = ""
      }
      /^[ \t]*$/ { flush(); next }
      /^[ \t]/ { f[name] = f[name] " " $0; next }
      { name = tolower(substr($0, 1, index($0, ":") - 1))
        f[name] = substr($0, index($0, ":") + 1) }
      END { flush() }'
  } | awk -v codename="$codename" '
      BEGIN {
        n = split("oldoldstable oldstable stable testing unstable sid " \
                  "bullseye bookworm trixie forky duke " codename, names)
        for (i = 1; i <= n; i++) debian[names[i]] = 1
      }
      debian[$2] && / main/ && !seen[$1]++ { print $1 }'
}

# Fetches the tarball from one mirror into the current folder.
fetch_from() {
  local mirror=$1 state=$PWD/apt
  rm -rf "$state"
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/empty"
  # The source index may be unsigned as far as this machine's keys go: what is
  # trusted is the sha256 of the one file we take.
  echo "deb-src [trusted=yes] $mirror $suite main" >"$state/sources.list"
  {
    # How the machine reaches the network (proxies, timeouts) is kept; its
    # hooks, which act on the machine's own state, are not.
    apt-config dump | grep '^Acquire::' || true
    cat <<END
Dir::State "$state";
Dir::State::lists "$state/lists";
Dir::State::status "$state/status";
Dir::Cache "$state/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$state/empty";
Dir::Etc::sourcelist "$state/sources.list";
Dir::Etc::sourceparts "$state/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$state/empty";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
APT::Sandbox::User "$(id -un)";
END
  } >"$state/apt.conf"
  : >"$state/status"
  export APT_CONFIG=$state/apt.conf
  apt-get -qq update >"$state/log" 2>&1 &&
    apt-get -qq source --download-only --tar-only "$package" \
      >>"$state/log" 2>&1 && [[ -f $tarball ]]
}

fetch() {
  command -v apt-get >/dev/null ||
    by_hand "RocksDB $version is obtained with apt-get, which is not here."
  local mirror found=
  for mirror in $(mirrors); do
    found=yes
    say "RocksDB $version: downloading the source from $mirror"
    if fetch_from "$mirror"; then
      has_right_hash "$tarball" && return
      say "$mirror: the tarball's sha256 is not the expected one"
    else
      # Kept back: some other mirror may well do.
      sed "s|^|   $mirror: |" apt/log >>failures
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
