#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# lint_test.sh ROOT: the rules of CONTRIBUTING.md that a machine can check.

set -euo pipefail
cd "$1"
failures=0
complain() {
  echo "$*" >&2
  failures=$((failures + 1))
}

mapfile -t files < <(find . \( -path ./build -o -path ./.git \) -prune -o -type f \
  \( -name '*.h' -o -name '*.c' -o -name '*.cc' -o -name '*.cmake' -o -name '*.in' -o -name '*.sh' -o -name '*.awk' \
  -o -name '*.mk' -o -name CMakeLists.txt -o -name Makefile -o -path ./.ci/run \) \
  -printf '%P\n' | LC_ALL=C sort)
((${#files[@]} > 20)) || complain "only ${#files[@]} sources found: wrong folder?"

# Spelled so that this file does not find itself.
undone='T[O]DO|F[I]XME|\<X[X]X\>'
for file in "${files[@]}"; do
  start=$(head -n 3 "$file")
  [[ $start == *'Copyright (c) the memkv authors.  All rights reserved.'* &&
    $start == *'Licensed under the Apache License, Version 2.0; see LICENSE.'* ]] ||
    complain "$file: no licence header"
  lines=$(wc -l <"$file")
  most=600
  [[ $file != tests/* ]] || most=800
  ((lines <= most)) || complain "$file: $lines lines, at most $most"
  ! grep -nE "$undone" "$file" || complain "$file: work left undone"
done

# A test on disk that no build knows is a test that never runs.
for file in tests/*/*_test.cc tests/*/*_test.sh; do
  kind=$(basename "$(dirname "$file")")
  name=$(basename "${file%_test.*}")
  grep -qE "^memkv_(script_)?test\($kind $name( |\$)|^ .* ${name}_test\.cc\>" tests/CMakeLists.txt ||
    complain "$file: not in tests/CMakeLists.txt"
done

for file in tests/fuzz/*_fuzz.cc; do
  grep -qE "^memkv_fuzz\($(basename "${file%_fuzz.cc}") " tests/CMakeLists.txt ||
    complain "$file: not in tests/CMakeLists.txt"
done

# Likewise a source.  plugin/memkv_autoload.cc belongs to the shared library.
sources=" $(sed -n 's/^memkv_SOURCES = //p' memkv.mk) "
for file in {plugin,memtable,memtable/*,table/*,compat,util}/*.cc; do
  [[ $sources == *" $file "* || $file == plugin/memkv_autoload.cc ]] ||
    complain "$file: not in memkv.mk"
done

# Other versions of it format otherwise.
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
  printf '%s\n' "${files[@]}" | grep -E '\.(h|cc)$' |
    xargs clang-format --dry-run --Werror || complain "make format was not run"
else
  echo "lint: no clang-format 14, so formatting was not checked"
fi

((failures == 0)) || exit 1
echo "lint: OK, ${#files[@]} files"
