#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# fetch_debian_program.sh CACHE VERSION PACKAGE: makes CACHE/debian/PACKAGE-VERSION
# exist, and prints its path: a package of the Debian that has RocksDB VERSION,
# unpacked and not installed, without what it depends on.
# CACHE/debian/rocksdb-VERSION/run_debian.sh (fetch_debian_rocksdb.sh) runs a
# program of it that needs RocksDB and no more.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

cache=$(realpath -m -- "${1:?usage: fetch_debian_program.sh CACHE VERSION PACKAGE}")
version=${2:?usage: fetch_debian_program.sh CACHE VERSION PACKAGE}
package=${3:?usage: fetch_debian_program.sh CACHE VERSION PACKAGE}
tree=$cache/debian/$package-$version

die() {
  printf 'fetch_debian_program.sh: %s\n' "$*" >&2
  exit 1
}
download_from() {
  debian_apt "$PWD/apt" "deb [target=Packages] $1 $suite main" &&
    [[ $(apt-cache show "$package" | sed -n 's/^Depends: //p') == *"librocksdb${version%.*}"* ]] ||
    { echo "$1 has no $package for RocksDB $version in $suite" && return 1; }
  apt-get -qq download "$package"
}
fill_tree() { dpkg -x ./"$package"_*.deb tree; }

suite=$(debian_suite_of "$version")
[[ $suite ]] || die "Debian's RocksDB is 7.8.3, 9.10.0 or 9.11.2, not '$version'"
for tool in apt-get dpkg; do
  command -v $tool >/dev/null || die "Debian's packages need $tool, which is not here"
done
debian_obtain "$tree" "$package for RocksDB $version"
echo "$tree"
