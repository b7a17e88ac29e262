#!/bin/sh
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Writes Debian's Contents index (which package ships which file), all lists
# one after the other, to standard output; says what it does on standard error.
#
# 1. Lists that apt already keeps are used as they are; nothing is fetched.
# 2. Else they are fetched into a private apt state under the cache folder,
#    which changes nothing on the machine and needs no root:
#    the sources and keys are those that apt already uses.
#
# Leaves with a status other than 0 if no list can be had or read whole.

set -eu

cache="${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}/contents"
apt_helper=/usr/lib/apt/apt-helper

say() { echo "fetch_contents: $*" >&2; }

# The index files that apt knows and has, one a line.
lists() {
  apt-get indextargets --format '$(FILENAME)' 'Created-By: Contents-deb' \
    2>/dev/null | sort | while read -r file; do
    # Apt may keep the file under its name or with a compressor's suffix.
    for candidate in "$file" "$file".lz4 "$file".zst "$file".gz "$file".xz; do
      if [ -r "$candidate" ]; then
        echo "$candidate"
        break
      fi
    done
  done
}

private_state() {
  mkdir -p "$cache/state/lists/partial" "$cache/apt/archives/partial"
  cat >"$cache/apt.conf" <<EOF
Dir::State "$cache/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$cache/apt";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb {
  MetaKey "\$(COMPONENT)/Contents-\$(ARCHITECTURE)";
  ShortDescription "Contents-\$(ARCHITECTURE)";
  Description "\$(RELEASE)/\$(COMPONENT) \$(ARCHITECTURE) Contents (deb)";
  flatMetaKey "Contents-\$(ARCHITECTURE)";
  flatDescription "\$(RELEASE) Contents (deb)";
  KeepCompressed "true";
};
EOF
  # Apt drops root's rights for a user who cannot write under root's home.
  if [ "$(id -u)" = 0 ]; then
    echo 'APT::Sandbox::User "root";' >>"$cache/apt.conf"
  fi
  export APT_CONFIG="$cache/apt.conf"
}

if ! command -v apt-get >/dev/null || ! [ -x "$apt_helper" ]; then
  say "no apt on this machine"
  exit 1
fi

found="$(lists)"
if [ -z "$found" ]; then
  private_state
  found="$(lists)"
  if [ -z "$found" ]; then
    say "fetching the Contents lists into $cache (about 80 MB)"
    apt-get update >&2 || say "apt-get update failed"
    found="$(lists)"
  fi
fi
if [ -z "$found" ]; then
  say "no Contents lists could be had"
  exit 1
fi

echo "$found" | while read -r file; do
  say "reading ${file##*/}"
  "$apt_helper" cat-file "$file"
done
