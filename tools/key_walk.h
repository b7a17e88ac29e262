// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What `memkv scan` and `memkv search` have in common: a walk over a range of a
// database's keys that prints records, as `ldb scan` prints them.
//
// Thread safety: none.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/iterator.h"
#include "rocksdb/options.h"
#include "tools/command.h"

namespace memkv {

// Options of a walk, behind those of a command's own.
std::vector<CommandOption> WithWalkOptions(std::vector<CommandOption> own);

// What makes the iterator that is walked over.
using MakeIterator = std::function<std::unique_ptr<rocksdb::Iterator>(
    rocksdb::DB*, rocksdb::ColumnFamilyHandle*, const rocksdb::ReadOptions&)>;

// Opens the database, walks and prints. Returns the exit status; what goes
// wrong is a Failure or a UsageError.
int WalkAndPrint(const CommandLine& line, const MakeIterator& make);

}  // namespace memkv
