#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# manual_test.sh ROOT MEMKV: the manual page and the completion have every
# command and option that `memkv help` has, each where it belongs, and no others;
# the page is free of errors of groff's, and the completion completes.

set -euo pipefail
cd "$1"
memkv=$2
failures=0
complain() {
  echo "$*" >&2
  failures=$((failures + 1))
}
# same WHAT EXPECTED FOUND
same() {
  [[ $2 == "$3" ]] || complain "$1: expected '$2', found '$3'"
}

# Options of some text, sorted, on a line.
options_in() {
  { grep -oE -- '--[a-z_]+' || true; } | sort -u | tr '\n' ' '
}

page=$(sed 's/\\-/-/g' docs/memkv.1)
commands=$("$memkv" help | sed -nE 's/^  ([a-z]+) .*/\1/p' | tr '\n' ' ')
[[ $(wc -w <<<"$commands") -ge 5 ]] || complain "memkv help lists '$commands'"
same 'sections of docs/memkv.1' "$commands" \
  "$(sed -n 's/^\.SS //p' <<<"$page" | tr '\n' ' ')"

# shellcheck source=/dev/null
source tools/memkv.bash
# Works below a shell's completion alone.
compopt() { :; }
# completions LINE...: what is offered for the last word.
completions() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  _memkv
  printf '%s\n' "${COMPREPLY[@]}"
}
same 'completion of commands' \
  "$(tr ' ' '\n' <<<"$commands --version help" | sed '/^$/d' | sort | tr '\n' ' ')" \
  "$(completions memkv '' | sort | tr '\n' ' ')"
same 'completion of help' "$(tr ' ' '\n' <<<"$commands" | sed '/^$/d' | sort | tr '\n' ' ')" \
  "$(completions memkv help '' | sort | tr '\n' ' ')"
same 'completion of --to' 'fst ' "$(completions memkv migrate --to = f | tr '\n' ' ')"

checked=0
for command in $commands; do
  options=$("$memkv" help "$command" | options_in)
  section=$(awk -v want=".SS $command" '/^\.S[SH] /{on = $0 == want} on' <<<"$page")
  same "options of $command in docs/memkv.1" "$options" \
    "$(grep -E '^\.B --' <<<"$section" | options_in)"
  synopsis=$(awk -v want=".B memkv $command" \
    '/^\.(br|SH)/{on = 0} $0 == want{on = 1} on' <<<"$page")
  same "options of $command in the synopsis" "$options" "$(options_in <<<"$synopsis")"
  same "options of $command in the completion" "$options" \
    "$(completions memkv "$command" -- | options_in)"
  checked=$((checked + $(wc -w <<<"$options")))
done
((checked >= 8)) || complain "only $checked options were found"

# memkv-run is a script: its page has its options.
same 'options of docs/memkv-run.1' "$(sed -nE 's/^    (--[a-z]+)[=*)].*/\1/p' tools/memkv-run.in | grep -v -e --help | sort | tr '\n' ' ')" \
  "$(sed 's/\\-/-/g' docs/memkv-run.1 | sed -nE 's/^\.B (--[a-z]+).*/\1/p' | sort | tr '\n' ' ')"

if command -v groff >/dev/null; then
  for page in docs/memkv.1 docs/memkv-run.1; do
    errors=$(groff -man -Tutf8 -ww $page 2>&1 >/dev/null)
    [[ -z $errors ]] || complain "$page: $errors"
  done
fi

((failures == 0)) || exit 1
echo "manual: OK, $checked options"
