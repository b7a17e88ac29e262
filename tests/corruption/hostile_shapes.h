// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Small files of every shape that table/FORMAT.md knows, for tests that damage
// them: each part, and each way in which a part can be written, is in some.
//
// Every shape is a function of its name: the same on every machine.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/corruption/fst_file_fields.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {

struct HostileShape {
  std::string name;
  // Reads with pinned segments from a file in memory, and through no cache from
  // one that is mapped.
  std::unique_ptr<MemoryTable> pinned;
  std::unique_ptr<MemoryTable> cached;
  std::vector<TableEntry> entries;  // range deletions last
  std::string bytes;
  FileFields fields;
  // User keys and sequence numbers to ask for: some that are there, and
  // neighbours that are not.
  std::vector<std::pair<std::string, uint64_t>> probes;
};

// Their names.
std::vector<std::string> HostileShapeNames();

// Null, with a reason, if there is none of that name, or if the file is not as
// FORMAT.md says.
std::unique_ptr<HostileShape> MakeHostileShape(const std::string& name,
                                               std::string* reason);

}  // namespace memkv
