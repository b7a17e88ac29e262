# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# To be sourced.  memkv's adapters as few sources, for RocksDB's headers are most of
# the time that they take to compile.

# rocksdb_version DIR: the version of a RocksDB checkout, as 9.10.0.
rocksdb_version() {
  awk '/#define ROCKSDB_(MAJOR|MINOR|PATCH)/ {v = v sep $3; sep = "."}
       END {print v}' "$1/include/rocksdb/version.h"
}

# adapter_units DIR OUT: writes OUT/adapters.cc, OUT/format.cc and OUT/run.cc, what
# memkv-run preloads, for the RocksDB in DIR.  To be called in memkv's folder.
adapter_units() {
  local adapters=(compat/*.cc memtable/*.cc table/fst/*.cc plugin/*.cc)
  local run=(tools/memkv_run.cc)
  # Views are for 9.10 and later.
  if [[ $(printf '%s\n' 9.10 "$(rocksdb_version "$1")" | sort -V | head -n 1) == 9.10 ]]; then
    adapters+=(view/*.cc)
    run+=(tools/memkv_run_views.cc)
  fi
  printf '#include "%s"\n' "${run[@]}" >"$2/run.cc"
  # One has names that clash with what the others say `using` of.
  printf '#include "table/fst/format.cc"\n' >"$2/format.cc"
  printf '#include "%s"\n' "${adapters[@]}" |
    grep -v '"table/fst/format.cc"' >"$2/adapters.cc"
}
