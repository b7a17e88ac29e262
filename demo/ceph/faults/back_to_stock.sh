#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A case of faults.sh: a whole cluster made with memkv goes back, OSD by OSD.

back_to_stock() {
  local number
  new_cluster memkv
  "${work[@]}" load-index load-objects
  client compact
  for number in 0 1 2; do
    # The others still have the library.
    set_kind memkv
    use_conf
    to_stock "$number"
  done
  end TERM mon.a
  start_monitor
  check 'a cluster that went back'
}
