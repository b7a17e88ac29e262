#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The figures in our documents are made from reports of memkv_bench, which are
# kept in docs/numbers/NAME.json, and pictures NAME.svg of those that a document
# shows.  A document has, on lines of their own,
#
#   <!-- memkv_bench NAME -->
#   <!-- /memkv_bench -->
#
# and between them stands what this script has made of NAME.json.  Pictures are
# drawn by the script of the report's page, if there is node to run it.
#
#   numbers.sh measure BENCH NAME [FLAG...]   measures twice, writes NAME.json of
#                                             the second run, which says how it
#                                             agrees with the first, and then
#                                             does as refresh
#   numbers.sh once BENCH NAME [FLAG...]      the same, measuring once
#   numbers.sh refresh BENCH                  makes pictures and sections again
#   numbers.sh check BENCH                    fails if one is not what refresh
#                                             would make it

set -euo pipefail
usage() {
  sed -n '/^#   numbers.sh/,/^$/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
[[ $# -ge 2 ]] || usage
command=$1
bench=$(realpath "$2")
root=$(realpath "$(dirname "$0")/..")
numbers=$root/docs/numbers
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [[ $command == measure || $command == once ]]; then
  [[ $# -ge 3 && $3 =~ ^[a-z0-9-]+$ ]] || usage
  mkdir -p "$numbers"
  flags=()
  # A report names its keys' file, but no folder of the machine's.
  for flag in "${@:4}"; do
    if [[ $flag == --keys=*/* ]]; then
      cd "$(dirname -- "${flag#--keys=}")"
      flag=--keys=$(basename -- "${flag#--keys=}")
    fi
    flags+=("$flag")
  done
  agree=()
  if [[ $command == measure ]]; then
    "$bench" "${flags[@]}" --json="$scratch/first.json"
    agree=(--agree_with="$scratch/first.json")
  fi
  "$bench" "${flags[@]}" "${agree[@]}" --json="$scratch/report.json"
  # Nor does the command say where the report went.
  sed -E '/^ "command": /s/ --(json|agree_with)=[^ "]*//g' "$scratch/report.json" >"$numbers/$3.json"
  command=refresh
fi
[[ $command == refresh || $command == check ]] || usage

different=0
# settle NEW OLD: the old file becomes the new, or is complained of.
settle() {
  cmp -s "$1" "$2" && return
  if [[ $command == refresh ]]; then
    cp "$1" "$2"
    echo "made ${2#"$root"/}"
  else
    echo "${2#"$root"/} is not what docs/numbers says:" >&2
    diff "$2" "$1" >&2 || :
    different=$((different + 1))
  fi
}

command -v node >/dev/null || echo "pictures are left as they are: there is no node"
shopt -s nullglob
for report in "$numbers"/*.json; do
  name=$(basename "${report%.json}")
  "$bench" --report="$report" --html="$scratch/$name.html" --markdown=- >"$scratch/$name.md"
  if grep -rqF --include='*.md' "numbers/$name.svg" "$root/README.md" "$root/docs" && command -v node >/dev/null; then
    node "$root/build_tools/render_page.js" "$scratch/$name.html" picture >"$scratch/$name.svg"
    settle "$scratch/$name.svg" "${report%.json}.svg"
  fi
done

sections=0
for document in "$root"/README.md "$root"/docs/*.md "$root"/docs/decisions/*.md \
  "$root"/docs/decisions/measurements/*.md; do
  for name in $(sed -n 's/^<!-- memkv_bench \(.*\) -->$/\1/p' "$document"); do
    sections=$((sections + 1))
    [[ -f $scratch/$name.md ]] || {
      echo "${document#"$root"/}: there is no docs/numbers/$name.json" >&2
      exit 1
    }
  done
  awk -v scratch="$scratch" '
    /^<!-- memkv_bench .* -->$/ {
      if (inside) exit 1
      print; inside = 1; file = scratch "/" $3 ".md"
      while ((getline line < file) > 0) print line
      close(file)
      next
    }
    /^<!-- \/memkv_bench -->$/ { if (!inside) exit 1; inside = 0 }
    !inside { print }
    END { if (inside) exit 1 }' "$document" >"$scratch/document" || {
    echo "${document#"$root"/}: a section of figures has no end, or no beginning" >&2
    exit 1
  }
  settle "$scratch/document" "$document"
done
((different == 0)) || {
  echo "build_tools/numbers.sh refresh BENCH makes them agree" >&2
  exit 1
}
echo "numbers: OK, $sections sections of $(ls "$numbers"/*.json 2>/dev/null | wc -l) reports"
