#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# For the scripts that fetch something from Debian; they read this with `source`.
# Everything comes from the mirrors this machine already uses, through apt-get
# with a private state folder: no root, and nothing of the machine's own apt
# state is touched.

# The suite that has a version of RocksDB; nothing for one that is not known.
debian_suite_of() {
  case $1 in
    7.8.3) echo bookworm ;;
    9.10.0) echo trixie ;;
    9.11.2) echo sid ;;
  esac
}

# Prints the URIs of the Debian archives in the machine's apt configuration:
# main component, a Debian release by name, not the security archive.
debian_mirrors() {
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

# debian_apt STATE ENTRY...: makes the folder STATE anew, for an apt-get that
# knows the given lines of a sources.list and no installed package, and reads
# what they lead to.  The caller's apt-get uses it from then on.
debian_apt() {
  local state=$1
  shift
  rm -rf "$state"
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/empty"
  printf '%s\n' "$@" >"$state/sources.list"
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
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
END
  } >"$state/apt.conf"
  : >"$state/status"
  export APT_CONFIG=$state/apt.conf
  apt-get -qq update
}

# debian_runner TREE FOLDER...: writes TREE/run_debian.sh, for a folder of unpacked
# packages, the C library among them.  It runs one of their programs, or another
# one given by a path, with the libraries of these folders of TREE.
debian_runner() {
  local tree=$1 loader folder folders=
  shift
  loader=$(cd "$tree" && find . -path '*/lib*/ld-linux*.so*' | LC_ALL=C sort | tail -n 1)
  for folder in "$@"; do folders+=${folders:+:}\$root/$folder; done
  cat >"$tree/run_debian.sh" <<END
#!/bin/sh
root=\$(dirname "\$0")
case \$1 in
  */*) program=\$1 ;;
  *) program=\$root/usr/bin/\$1 ;;
esac
shift
exec "\$root/$loader" \\
  --library-path "$folders\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" \\
  "\$program" "\$@"
END
  chmod +x "$tree/run_debian.sh"
}

# debian_obtain TREE WHAT: makes the folder TREE exist, once for all processes.  If
# it is not there, the caller's functions are called in an empty folder beside it:
# `download_from MIRROR`, for one mirror after the other until it returns 0, and
# `fill_tree`, which makes ./tree of that.  Ends with the caller's `die` if no mirror
# has WHAT.
debian_obtain() {
  local tree=$1 what=$2 folder work mirror found=
  [[ ! -d $tree ]] || return 0
  folder=$(dirname "$tree")
  mkdir -p "$folder"
  exec 8>"$folder/lock"
  flock 8
  [[ ! -d $tree ]] || return 0
  work=$folder/fetch.tmp
  rm -rf "$work"
  mkdir -p "$work/tree"
  cd "$work"
  for mirror in $(debian_mirrors); do
    echo "-- $what: downloading from $mirror" >&2
    if download_from "$mirror" >log 2>&1; then
      found=yes
      break
    fi
    sed "s|^|   $mirror: |" log >&2
  done
  [[ $found ]] || die "$what could not be had from Debian"
  fill_tree
  mv -T tree "$tree"
  cd "$folder"
  rm -rf "$work"
}
