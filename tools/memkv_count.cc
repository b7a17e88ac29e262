// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv count: how many keys a range has, by memkv::CountKeys.

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "compat/trie_order.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/existing_database.h"
#include "db_bench_ext/keys/record_set.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "tools/command.h"

namespace memkv {

using rocksdb::ColumnFamilyHandle;
using rocksdb::DB;
using rocksdb::ReadOptions;

namespace {

bool Exists(DB* db, ColumnFamilyHandle* family, const Slice& key) {
  rocksdb::PinnableSlice value;
  const Status s = db->Get(ReadOptions(), family, key, &value);
  if (!s.IsNotFound()) {
    Check(s);
  }
  return s.ok();
}

// Keys of [from, to), in the order of the comparator; null: no bound.
KeyCount CountRange(DB* db, ColumnFamilyHandle* family, const Slice* from,
                    const Slice* to) {
  rocksdb::RangePtr range;
  range.start = from;
  range.limit = to;
  KeyCount count;
  Check(CountKeys(db, family, ReadOptions(), range, &count));
  return count;
}

// Keys that begin with `prefix`.
KeyCount CountPrefix(DB* db, ColumnFamilyHandle* family,
                     const std::string& prefix) {
  const Slice least(prefix);
  const std::string end = PrefixEnd(prefix);
  const Slice above(end);
  const Slice* const most = end.empty() ? nullptr : &above;
  switch (TrieOrderOf(family->GetComparator())) {
    case TrieOrder::kBytewise:
      return CountRange(db, family, &least, most);
    case TrieOrder::kMirrored: {
      // Half-open at the other end: one key too many, and one too few.
      KeyCount count = CountRange(db, family, most, &least);
      const uint64_t more = Exists(db, family, least) ? 1 : 0;
      const uint64_t less =
          most != nullptr && Exists(db, family, *most) ? 1 : 0;
      count.at_least += more;
      count.at_least -= std::min(count.at_least, less);
      count.at_most += more;
      count.at_most -= std::min(count.at_most, less);
      return count;
    }
    default:
      Refuse("--prefix: keys of a prefix do not lie together by comparator " +
             std::string(family->GetComparator()->Name()));
  }
}

int Count(const CommandLine& line) {
  CheckRange(line);
  const std::string from = line.GetKey("from");
  const std::string to = line.GetKey("to");
  const std::string prefix = line.GetKey("prefix");
  const ExistingDatabase database(
      line.operand(), ExistingDatabase::Damage::kRefuse, line.Get("secondary"));
  ColumnFamilyHandle* const family = database.Family(
      line.Get("column_family", rocksdb::kDefaultColumnFamilyName));
  const Slice start(from);
  const Slice limit(to);
  const KeyCount count = line.Has("prefix")
                             ? CountPrefix(database.db(), family, prefix)
                             : CountRange(database.db(), family,
                                          line.Has("from") ? &start : nullptr,
                                          line.Has("to") ? &limit : nullptr);
  if (count.exact()) {
    fmt::print("exactly {} key{}\n", count.at_most,
               count.at_most == 1 ? "" : "s");
  } else {
    fmt::print("between {} and {} keys\n", count.at_least, count.at_most);
  }
  return kDone;
}

}  // namespace

Command CountCommand() {
  return {"count",
          "DIR",
          "Counts the keys of a range without reading them.",
          "The count is exact after a full compaction to FST files; otherwise "
          "a lower and an\nupper limit are given. The database is opened "
          "read-only.\n",
          {{"from", "KEY", "the first key of the range"},
           {"to", "KEY", "the first key behind it"},
           {"prefix", "KEY", "instead: all keys that begin with this"},
           ColumnFamilyOption("of this column family; default: default"),
           {"hex", "", "keys are given in hexadecimal"},
           SecondaryOption()},
          Count};
}

}  // namespace memkv
