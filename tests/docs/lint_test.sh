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
  ((lines <= 600)) || complain "$file: $lines lines, at most 600"
  ! grep -nE "$undone" "$file" || complain "$file: work left undone"
done

# Functions of files and of classes, which clang-format ends with a brace below
# their first letter.
long_functions() {
  awk -v most=80 '
    FNR == 1 { head = 1; begin[0] = begin[2] = 0 }
    FNR == head { first = $0; text = "" }
    { text = text $0 }
    /^( {2})?}/ {
      depth = /^}/ ? 0 : 2
      lines = FNR - begin[depth] + 1
      if (begin[depth] && lines > most)
        print FILENAME ":" begin[depth] ": a function of " lines " lines, at most " most
      begin[depth] = 0
    }
    /{$/ && !/= {$/ && text ~ /\(/ &&
      first !~ /^ *(namespace|class|struct|enum|union|if|for|while|switch|do|else|return)([ (]|$)/ {
      match(first, /^ */)
      if (RLENGTH == 0 || RLENGTH == 2) begin[RLENGTH] = head
    }
    /^$|[;{}:]$|^ *(#|\/\/)/ { head = FNR + 1 }
  ' "$@"
}
mapfile -t tested < <(printf '%s\n' "${files[@]}" | grep -E '^tests/.*\.(h|cc)$')
while read -r line; do complain "$line"; done < <(long_functions "${tested[@]}")

# A test on disk that no build knows is a test that never runs.
for file in tests/*/*_test.cc tests/*/*_test.sh; do
  kind=$(basename "$(dirname "$file")")
  name=$(basename "${file%_test.*}")
  grep -qE "^ *memkv_(script_)?test\($kind $name( |\$)|^ .* ${name}_test\.cc\>" tests/CMakeLists.txt ||
    complain "$file: not in tests/CMakeLists.txt"
done

for file in tests/fuzz/*_fuzz.cc; do
  grep -qE "^memkv_fuzz\($(basename "${file%_fuzz.cc}") " tests/CMakeLists.txt ||
    complain "$file: not in tests/CMakeLists.txt"
done

# One whose threads race is run every time.
once=$(awk -v RS=')' '/memkv_(test|fuzz)\(/ && !/EVERY_RUN/ { gsub("\n", " "); print $0 " " }' tests/CMakeLists.txt)
while read -r file; do
  name=$(basename "${file%.cc}")
  ! grep -qE " (${name%_test}|$name\.cc) " <<<"$once" ||
    complain "$file: its threads race, and tests/CMakeLists.txt does not say EVERY_RUN"
done < <(grep -rlE 'std::(thread|async)|pthread_create' tests/{unit,model,corruption,golden,db,fuzz})

# A source that no build knows.  plugin/memkv_autoload.cc belongs to the shared
# library.
sources=" $(sed -n 's/^memkv_SOURCES = //p' memkv.mk) "
for file in {plugin,memtable,memtable/*,table/*,view,compat,util}/*.cc; do
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
