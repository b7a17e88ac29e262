# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# compare.awk EXPECTED VERDICTS: says where a run of RocksDB's tests (run.sh)
# and expected_failures.txt disagree, and fails if they do.  RocksDB alone
# (force=none) is expected to pass everything.

function regex_of(glob) {
  gsub(/[.+(){}|^$\\]/, "\\\\&", glob)
  gsub(/\*/, ".*", glob)
  return "^" glob "$"
}
function surprise(what) {
  print "SURPRISE: " what
  surprises++
}

FILENAME == ARGV[1] {
  if (/^(#|==|$)/ || force == "none") next
  n++
  binary[n] = $1
  glob[n] = $2
  regex[n] = regex_of($2)
  sometimes[n] = / sometimes( |$)/
  next
}

{
  ran[$2] = 1
  tests++
  good = $1 == "ok" || $1 == "skipped" || $1 == "repeated"
  if ($1 == "repeated") print "passed when repeated: " $2 " " $3
  listed = 0
  for (i = 1; i <= n; i++) {
    if (binary[i] != $2 || $3 !~ regex[i]) continue
    used[i] = listed = 1
    if (good && !sometimes[i]) surprise("passes, though listed: " $2 " " $3)
  }
  if (good) {
    passed++
  } else if (listed) {
    explained++
  } else {
    surprise($1 ": " $2 " " $3)
  }
}

END {
  for (i = 1; i <= n; i++) {
    if (ran[binary[i]] && !used[i]) surprise("no such test: " binary[i] " " glob[i])
  }
  printf "%d tests: %d passed, %d failed as listed, %d surprises\n", tests, passed, explained, surprises
  exit surprises > 0
}
