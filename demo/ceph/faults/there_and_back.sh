#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A case of faults.sh: an OSD of a stock cluster is changed to FST tables in place,
# beside two that are not, and back; it then runs without the library.

there_and_back() {
  new_cluster stock
  "${work[@]}" load-index
  to_fst 0
  # Its newer tables are FST files, its older ones are not.
  "${work[@]}" load-objects
  client --osd=0 compact
  "${work[@]}" check-index check-objects scrub
  end TERM osd.0
  say "osd.0 has $(count_tables 0) tables"
  [[ $(count_tables 0) != 0\ FST,* ]] || die "osd.0 has no FST file"
  fsck 0
  start_and_wait 0
  to_stock 0
  check 'an OSD there and back'
}
