# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# bash completion of memkv.  tests/docs/manual_test.sh compares commands and
# options with memkv help.

_memkv() {
  local word=${COMP_WORDS[COMP_CWORD]}
  local before=${COMP_WORDS[COMP_CWORD - 1]}
  local options=
  local walk="--from= --to= --prefix= --limit= --reverse --keys_only --column_family= --hex --secondary="
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(
      compgen -W "inspect verify count scan search migrate advise help --version" -- "$word")
    return
  fi
  # Bash takes the = of an option for a word.
  [[ $word != '=' ]] || word=
  [[ $before != '=' ]] || before=${COMP_WORDS[COMP_CWORD - 2]}
  if [[ $before == --to && ${COMP_WORDS[1]} == migrate ]]; then
    mapfile -t COMPREPLY < <(compgen -W "fst block_based" -- "$word")
    return
  fi
  case ${COMP_WORDS[1]} in
    inspect) options="--json" ;;
    count) options="--from= --to= --prefix= --column_family= --hex --secondary=" ;;
    scan) options=$walk ;;
    search) options="--regex= --glob= --edit_distance= --prefixes= $walk" ;;
    migrate) options="--to= --column_family=" ;;
    advise) options="--sample= --column_family=" ;;
    help) options="inspect verify count scan search migrate advise" ;;
  esac
  if [[ $word == -* || ${COMP_WORDS[1]} == help ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}
complete -F _memkv memkv
