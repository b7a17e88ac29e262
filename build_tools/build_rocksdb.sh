#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Builds RocksDB once per version, flavour, compiler and set of flags, into a
# cache outside any checkout.
#
#   build_rocksdb.sh describe FILE [OPTION...]
#       builds nothing, and takes seconds: FILE receives CMake set() commands
#       with the source tree, the version, the key of the build, where its
#       libraries are or will be, and the flags, from RocksDB's own configuration
#   build_rocksdb.sh build DIR [OPTION...]
#       builds what is not built yet, and makes links to its libraries in DIR,
#       whose name is the key that describe told
#
#   OPTION: --flavour release|sanitize|debug, --source DIR, --compiler CXX,
#           --portable ARCH
#
# Without --source the release tarball is obtained by fetch_rocksdb.sh.
#
# The cache is ${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}:
#
#   src/rocksdb-V/      the sources, unmodified (internal headers come from here)
#   build/KEY/          lib/ (but in release the shared library only),
#                       flags.make, build.log; debug: tests/, the tests of
#                       RocksDB's own that tests/rocksdb/binaries.txt lists;
#                       exists only when complete
#   build/KEY.tmp/      a build configured, under way, or interrupted: taken up
#                       again
#   build/KEY.lock      held (flock) while one process configures or builds KEY
#
# A finished KEY appears by rename and is never written to again.

set -euo pipefail

# What is not part of the key must not change the result; and the jobs of a make
# that may have called us are not ours to share.
unset CXXFLAGS CFLAGS CPPFLAGS LDFLAGS MAKEFLAGS MFLAGS

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(realpath -m -- "${MEMKV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/memkv}")
flavour=release
source_dir=
compiler=${CXX:-c++}
portable=1

die() {
  printf 'build_rocksdb.sh: %s\n' "$*" >&2
  exit 1
}

[[ $# -ge 2 && $1 =~ ^(describe|build)$ ]] ||
  die "expected describe FILE or build DIR; see the head of this file"
command=$1
out=$2
shift 2
while (($#)); do
  case $1 in
    --flavour) flavour=$2 ;;
    --source) source_dir=$2 ;;
    --compiler) compiler=$2 ;;
    --portable) portable=$2 ;;
    *) die "unknown argument '$1'; see the head of this file" ;;
  esac
  shift 2
done

# ---- The flags -------------------------------------------------------------
# RTTI stays on, so that classes derived from RocksDB's may be used with either
# -frtti or -fno-rtti; PIC, because one archive serves both kinds of library.
cmake_args=(
  -DWITH_SNAPPY=ON -DWITH_LZ4=ON -DWITH_ZSTD=ON
  -DWITH_GFLAGS=OFF -DWITH_LIBURING=OFF
  -DWITH_TESTS=OFF -DWITH_BENCHMARK_TOOLS=OFF -DWITH_TOOLS=OFF
  -DWITH_CORE_TOOLS=OFF -DFAIL_ON_WARNINGS=OFF -DROCKSDB_BUILD_SHARED=OFF
  -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DUSE_RTTI=ON "-DPORTABLE=$portable"
)
dependencies=(snappy lz4 zstd)
library=rocksdb
tests=()
# A unity build: most of the time goes into RocksDB's headers, which ten sources
# then share.  Not in debug, where RocksDB's own tests are built as RocksDB does.
unity=(-DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=10)
case $flavour in
  release)
    # Without jemalloc: which allocator a process has is its program's choice.
    cmake_args+=("${unity[@]}" -DCMAKE_BUILD_TYPE=Release -DWITH_JEMALLOC=OFF)
    link_flags=(-Wl,-z,defs)
    ;;
  sanitize)
    # "None" keeps the assertions: every other build type but Debug has NDEBUG.
    cmake_args+=("${unity[@]}" -DCMAKE_BUILD_TYPE=None "-DCMAKE_CXX_FLAGS=-O1 -g1"
      "-DCMAKE_C_FLAGS=-O1 -g1" -DWITH_ASAN=ON -DWITH_UBSAN=ON
      -DWITH_JEMALLOC=OFF)
    link_flags=(-fsanitize=address,undefined)
    ;;
  debug)
    # RocksDB's CMake builds its tests as Debug alone; gflags are prefix_test's.
    # What is set above is set otherwise here: the last counts.
    cmake_args+=(-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g0"
      "-DCMAKE_C_FLAGS_DEBUG=-O1 -g0" -DWITH_TESTS=ON -DWITH_GFLAGS=ON
      -DROCKSDB_BUILD_SHARED=ON -DWITH_JEMALLOC=OFF
      -DCMAKE_POSITION_INDEPENDENT_CODE=OFF)
    library=rocksdb-shared
    mapfile -t tests < <(
      sed -n 's/^\([a-z][a-z0-9_]*\).*/\1/p' "$here/../tests/rocksdb/binaries.txt")
    ;;
  *) die "unknown flavour '$flavour'; expected release, sanitize or debug" ;;
esac

# ---- The source and the key ------------------------------------------------
mkdir -p "$cache/src" "$cache/build"
if [[ -n $source_dir ]]; then
  [[ -f $source_dir/include/rocksdb/version.h ]] ||
    die "'$source_dir' is not a RocksDB checkout: it has no include/rocksdb/version.h"
  source_dir=$(cd "$source_dir" && pwd)
else
  source_dir=$("$here/fetch_rocksdb.sh" "$cache")
fi
# The content is what identifies a source tree, so that an edited checkout is
# built anew and two copies of a release share one build.
source_id=$(cd "$source_dir" && find . \
  \( -name .git -o -path './build*' -o -path ./plugin -o -path ./java \) -prune \
  -o -type f \( -name CMakeLists.txt -o -name '*.cmake' -o -name '*.cc' \
  -o -name '*.h' -o -name '*.c' -o -name '*.S' -o -name '*.in' \) -print0 |
  LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
version=$(awk '/#define ROCKSDB_(MAJOR|MINOR|PATCH)/ {v = v sep $3; sep = "."}
               END {print v}' "$source_dir/include/rocksdb/version.h")

command -v "$compiler" >/dev/null || die "no compiler '$compiler'"
# The first word of the banner is the name it was called by.
compiler_banner=$("$compiler" --version | head -n 1 | cut -d' ' -f2-)
if [[ $("$compiler" -dM -E -x c++ /dev/null) == *__clang__* ]]; then
  compiler_name=clang$("$compiler" -dumpversion)
else
  compiler_name=gcc$("$compiler" -dumpfullversion)
fi
hash=$(printf '%s\n' "$source_id" "$compiler_banner" "${cmake_args[@]}" \
  "${tests[@]}" | sha256sum | cut -c1-8)
key=rocksdb-$version-$flavour-$compiler_name-$portable-$hash
final=$cache/build/$key
work=$final.tmp

lock() {
  exec 9>"$final.lock"
  flock -n 9 && return
  echo "-- RocksDB $version ($flavour) is being built by another process; waiting"
  flock 9
}
log=$work/build.log
fail() {
  echo >&2
  echo "---- the last lines of $log" >&2
  tail -n 40 "$log" >&2
  die "RocksDB $version ($flavour): $1"
}

configure() {
  # Another copy of the same sources may have been configured first.
  [[ ! -f $work/CMakeCache.txt ]] ||
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$source_dir" "$work/CMakeCache.txt" ||
    rm -rf "$work"
  mkdir -p "$work"
  cmake -S "$source_dir" -B "$work" -G "Unix Makefiles" \
    "-DCMAKE_CXX_COMPILER=$compiler" "${cmake_args[@]}" >"$log" 2>&1 ||
    fail "configuration failed"
}

# ---- The description -------------------------------------------------------
work_flags=$work/CMakeFiles/$library.dir/flags.make
# Without the lock, which a build may hold for minutes; a build that ends
# meanwhile moves the file from the second place to the first.
read_flags() {
  cat "$final/flags.make" 2>/dev/null || cat "$work_flags" 2>/dev/null ||
    cat "$final/flags.make" 2>/dev/null
}
if [[ $command == describe ]]; then
  if ! flags=$(read_flags); then
    lock
    [[ -d $final || -f $work_flags ]] || configure
    flags=$(read_flags)
  fi
  flags_of() { sed -n "s/^$1 = *//p" <<<"$flags"; }
  cat >"$out" <<END
set(MEMKV_ROCKSDB_ROOT "$source_dir")
set(MEMKV_ROCKSDB_VERSION "$version")
set(MEMKV_ROCKSDB_CACHE "$cache")
set(MEMKV_ROCKSDB_KEY "$key")
set(MEMKV_ROCKSDB_LIB_DIR "$final/lib")
set(MEMKV_ROCKSDB_DEPENDENCIES ${dependencies[*]})
set(MEMKV_ROCKSDB_DEFINES [==[$(flags_of CXX_DEFINES)]==])
set(MEMKV_ROCKSDB_FLAGS [==[$(flags_of CXX_FLAGS)]==])
END
  exit 0
fi

# ---- The build -------------------------------------------------------------
[[ $(basename "$out") == "$key" ]] ||
  die "the sources or the compiler have changed since cmake configured: run cmake again"
make_links() {
  mkdir -p "$out"
  ln -sf "$final"/lib/librocksdb.* "$out/"
}
if [[ ! -d $final ]]; then lock; fi
if [[ -d $final ]]; then
  make_links
  exit 0
fi
jobs=$(nproc 2>/dev/null || echo 2)

make_pid=
interrupted() {
  trap '' INT TERM
  [[ -z $make_pid ]] || kill "$make_pid" 2>/dev/null || true
  echo
  die "interrupted; the next run goes on from here"
}
trap interrupted INT TERM

if [[ -n $(find "$work" -name '*.o' -print -quit 2>/dev/null) ]]; then
  echo "-- RocksDB $version ($flavour): taking up an interrupted build"
  # What was being written when the build ended may be half an object: the
  # newest ones and the empty ones are compiled again.  (awk reads all that
  # sort writes: head would not, and sort's failure would end this script.)
  find "$work" -name '*.o' -size 0 -delete
  find "$work" -name '*.o' -printf '%T@ %p\n' | sort -rn |
    awk -v n=$((2 * jobs)) 'NR <= n' | cut -d' ' -f2- | xargs -r -d '\n' rm -f
fi
echo "-- RocksDB $version ($flavour): building once into $final"
configure

# make's own percentages become one line that is rewritten on a terminal, and a
# line every five per cent elsewhere.
progress() {
  local percent shown=-5 line elapsed
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    [[ $line =~ ^\[\ *([0-9]+)%\] ]] || continue
    percent=${BASH_REMATCH[1]}
    elapsed=$(printf '%dm%02ds' $((SECONDS / 60)) $((SECONDS % 60)))
    if [[ -t 1 ]]; then
      printf '\r   RocksDB %s (%s) %3d%%  %s ' "$version" "$flavour" \
        "$percent" "$elapsed"
    elif ((percent >= shown + 5)); then
      printf '   RocksDB %s (%s) %3d%%  %s\n' "$version" "$flavour" \
        "$percent" "$elapsed"
      shown=$percent
    fi
  done
  if [[ -t 1 ]]; then echo; fi
}
SECONDS=0
# Not a pipeline, during which a trap would have to wait for make to end.  make
# inherits the lock: should this script be killed outright and make live on,
# nobody else builds in the same folder until it has ended.
exec 8< <(exec make --no-print-directory -C "$work" -j "$jobs" \
  "$library" "${tests[@]}" 2>&1)
make_pid=$!
progress <&8
wait "$make_pid" || fail "the build failed"
make_pid=

# ---- The result ------------------------------------------------------------
# The shared library is the same objects linked again, not compiled again.
link_shared_library() {
  local soname=librocksdb.so.${version%%.*} real=librocksdb.so.$version
  mv "$work/librocksdb.a" "$result/lib/"
  "$compiler" -shared -pthread "${link_flags[@]}" "-Wl,-soname,$soname" \
    -o "$result/lib/$real" -Wl,--whole-archive "$result/lib/librocksdb.a" \
    -Wl,--no-whole-archive "${dependencies[@]/#/-l}" -ldl \
    >>"$log" 2>&1 || fail "linking the shared library failed"
  ln -s "$real" "$result/lib/$soname"
  ln -s "$soname" "$result/lib/librocksdb.so"
  if [[ $flavour == sanitize ]]; then
    # A gigabyte that would come again in every test linked against it.
    rm "$result/lib/librocksdb.a"
  fi
}

result=$work/result
rm -rf "$result"
mkdir -p "$result/lib"
cp "$work/CMakeFiles/$library.dir/flags.make" "$result/"
if [[ $flavour == debug ]]; then
  mkdir "$result/tests"
  mv "$work"/librocksdb.so* "$result/lib/"
  mv "${tests[@]/#/$work/}" "$result/tests/"
else
  link_shared_library
fi
cp "$log" "$result/build.log"

sync -f "$result" 2>/dev/null || true
mv -T "$result" "$final"
rm -rf "$work"
make_links
