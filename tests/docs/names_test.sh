#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# names_test.sh ROOT BUILD_DIR: what the documents name exists: make targets,
# CMake presets, files and folders, links, the test cases of docs/checklist.md,
# docs/migrating.md and docs/robustness.md, and the functions of
# docs/architecture.md, each in the file beside it; every decision is linked, and
# every row of those lists has a test or a reason.
# BUILD_DIR stands for the build/release of the documents.

set -euo pipefail
cd "$1"
build=$2
failures=0
complain() {
  echo "$*" >&2
  failures=$((failures + 1))
}

# The text of a document that is code: fenced or indented blocks, and `spans`.
code_of() {
  awk '/^```/ { fenced = !fenced; next }
       fenced || /^    / { sub(/ # .*/, ""); print; next }
       { n = split($0, part, "`"); for (i = 2; i <= n; i += 2) print part[i] }' "$1"
}

# make -q answers by its exit code, which is not the question here.
targets=$( (make -pRrq : 2>/dev/null || true) | sed -n 's/^\([a-z][a-z_]*\):.*/\1/p')
presets=$(cmake --list-presets | sed -n 's/^ *"\([^"]*\)".*/\1/p')
top=$(ls -A | tr '\n' ' ')
checked=0

shopt -s nullglob
documents=(README.md CONTRIBUTING.md HISTORY.md table/FORMAT.md docs/*.md docs/*/*.md docs/*/*/*.md)
for document in "${documents[@]}"; do
  [[ -f $document ]] || {
    complain "$document does not exist"
    continue
  }
  code=$(code_of "$document")

  for target in $(grep -oE '(^|[ ;&$])make [a-z][a-z_]*' <<<"$code" | awk '{print $NF}'); do
    checked=$((checked + 1))
    grep -qx "$target" <<<"$targets" ||
      complain "$document: 'make $target': the Makefile has no such target"
  done
  for preset in $(grep -oE -e '--preset[ =][a-z]+' <<<"$code" | sed 's/.*[ =]//'); do
    checked=$((checked + 1))
    grep -qx "$preset" <<<"$presets" ||
      complain "$document: '--preset $preset': CMakePresets.json has no such preset"
  done

  # Words that begin with a folder or file of ours; plugin/memkv is where a
  # RocksDB checkout has us.
  for word in $(grep -oE '[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+/?' <<<"$code"); do
    first=${word%%/*}
    [[ " build $top " == *" $first "* && $word != plugin/memkv* ]] || continue
    path=$word
    if [[ $first == build ]]; then
      [[ $word == build/release/?* ]] || continue
      path=$build/${word#build/release/}
    fi
    checked=$((checked + 1))
    [[ -e $path ]] || complain "$document: '$word' does not exist"
  done
  for link in $(grep -oE '\]\([^)#]+' "$document" | sed 's/^](//' | grep -v '://'); do
    checked=$((checked + 1))
    [[ -e $(dirname "$document")/$link ]] ||
      complain "$document: the link to '$link' leads nowhere"
  done
done

for decision in docs/decisions/*.md; do
  name=$(basename "$decision")
  grep -rqF --include='*.md' --exclude="$name" "$name" README.md CONTRIBUTING.md docs table ||
    complain "$decision: no document links to it"
done

# A line of a picture that names a source names first what is in it:
#   Class::Function   folder/file.cc   what it does
functions=0
while read -r name file _; do
  [[ $file =~ ^(memtable|table|port|plugin)/[a-z_]+\.(cc|h)$ ]] || continue
  functions=$((functions + 1))
  for part in ${name//::/ }; do
    checked=$((checked + 1))
    grep -qw -- "$part" "$file" ||
      complain "docs/architecture.md: $file has no '$part', of $name"
  done
done < <(grep '^    ' docs/architecture.md)
((functions > 0)) || complain "docs/architecture.md names no function"

# A case may stand on the line after its macro.
cases=" $(cat tests/*/*_test.cc | tr '\n' ' ' |
  grep -oE 'TEST(_[FP])?\( *[A-Za-z0-9]+, *[A-Za-z0-9]+\)' |
  sed -E 's/.*\( *//; s/, */./; s/\)//' | tr '\n' ' ')"
# The first column says what, the second names test cases, the third what is
# otherwise.
for document in docs/checklist.md docs/migrating.md docs/robustness.md; do
  rows=0
  while IFS='|' read -r _ what tests reason _; do
    [[ $what == *[a-zA-Z]* && $what != ' what ' && $what != ' kind and rule ' ]] || continue
    rows=$((rows + 1))
    named=$(grep -oE '`[^`]+`' <<<"$tests" | tr -d '`' || true)
    [[ -n $named || $reason == *[a-zA-Z]* ]] ||
      complain "$document: '$what' has neither a test nor a reason"
    for name in $named; do
      checked=$((checked + 1))
      [[ $cases == *" $name "* ]] ||
        complain "$document: there is no test case '$name'"
    done
  done < <(grep '^|' "$document")
  ((rows > 0)) || complain "$document has no rows"
done

((checked > 0)) || complain "no name was found in any document"
((failures == 0)) || exit 1
echo "names: OK, $checked checked"
