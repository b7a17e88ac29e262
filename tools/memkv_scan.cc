// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv scan: prints the records of a range.

#include "tools/command.h"
#include "tools/key_walk.h"
#include "tools/view_walks.h"

namespace memkv {

Command ScanCommand() {
  return {"scan",
          "DIR",
          "Prints the records of a range.",
          "A line is a key, ' ==> ' and a value. The database is opened "
          "read-only, and may be\nopen in another process.\n",
          WithWalkOptions({}),
          [](const CommandLine& line) { return WalkAndPrint(line, NewScan); }};
}

}  // namespace memkv
