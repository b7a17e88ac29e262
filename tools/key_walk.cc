// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tools/key_walk.h"

#include <cstdio>
#include <utility>

#include "compat/trie_order.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/existing_database.h"
#include "db_bench_ext/keys/record_set.h"

namespace memkv {

using rocksdb::Iterator;
using rocksdb::ReadOptions;

namespace {

class KeyWalk {
 public:
  explicit KeyWalk(const CommandLine& line)
      : limit_(line.GetNumber("limit", UINT64_MAX)),
        hex_(line.Has("hex")),
        keys_only_(line.Has("keys_only")),
        forward_(!line.Has("reverse")),
        has_prefix_(line.Has("prefix")),
        from_(line.GetKey("from")),
        to_(line.GetKey("to")),
        prefix_(line.GetKey("prefix")),
        from_slice_(from_),
        to_slice_(to_) {
    CheckRange(line);
    if (line.Has("from")) options_.iterate_lower_bound = &from_slice_;
    if (line.Has("to")) options_.iterate_upper_bound = &to_slice_;
    options_.total_order_seek = true;
  }

  const ReadOptions& options() const { return options_; }

  void Run(Iterator* it, TrieOrder order) {
    if (has_prefix_) {
      SeekToPrefix(it, order);
    } else {
      forward_ ? it->SeekToFirst() : it->SeekToLast();
    }
    for (uint64_t printed = 0; it->Valid() && printed < limit_; ++printed) {
      if (has_prefix_ && !it->key().starts_with(prefix_)) break;
      Print(*it);
      forward_ ? it->Next() : it->Prev();
    }
    Check(it->status());
  }

 private:
  void SeekToPrefix(Iterator* it, TrieOrder order) {
    if (order == TrieOrder::kUnsupported) {
      Refuse(
          "--prefix: keys of a prefix do not lie together by this comparator");
    }
    const bool mirrored = order == TrieOrder::kMirrored;
    // Its keys ascend bytewise from it, and end before what is above them.
    if (forward_ != mirrored) {
      mirrored ? it->SeekForPrev(prefix_) : it->Seek(prefix_);
      return;
    }
    const std::string end = PrefixEnd(prefix_);
    if (end.empty()) {
      mirrored ? it->SeekToFirst() : it->SeekToLast();
      return;
    }
    mirrored ? it->Seek(end) : it->SeekForPrev(end);
    if (it->Valid() && it->key() == end) forward_ ? it->Next() : it->Prev();
  }

  void Print(const Iterator& it) {
    line_.clear();
    Append(it.key());
    if (!keys_only_) {
      line_ += " ==> ";
      Append(it.value());
    }
    line_ += '\n';
    if (std::fwrite(line_.data(), 1, line_.size(), stdout) != line_.size()) {
      Check(Status::IOError("standard output cannot be written"));
    }
  }
  void Append(const Slice& bytes) {
    if (hex_) {
      line_ += "0x" + bytes.ToString(/*hex=*/true);
    } else {
      line_.append(bytes.data(), bytes.size());
    }
  }

  const uint64_t limit_;
  const bool hex_;
  const bool keys_only_;
  const bool forward_;
  const bool has_prefix_;
  const std::string from_;
  const std::string to_;
  const std::string prefix_;
  const Slice from_slice_;
  const Slice to_slice_;
  ReadOptions options_;
  std::string line_;
};

}  // namespace

std::vector<CommandOption> WithWalkOptions(std::vector<CommandOption> own) {
  const std::vector<CommandOption> walk = {
      {"from", "KEY", "the first key of the range"},
      {"to", "KEY", "the first key behind it"},
      {"prefix", "KEY", "instead: all keys that begin with this"},
      {"limit", "N", "print so many records at most"},
      {"reverse", "", "from the last key to the first"},
      {"keys_only", "", "print no values"},
      ColumnFamilyOption("of this column family; default: default"),
      {"hex", "", "keys are given, and all is printed, in hexadecimal"},
      SecondaryOption()};
  own.insert(own.end(), walk.begin(), walk.end());
  return own;
}

int WalkAndPrint(const CommandLine& line, const MakeIterator& make) {
  KeyWalk walk(line);
  const ExistingDatabase database(
      line.operand(), ExistingDatabase::Damage::kRefuse, line.Get("secondary"));
  rocksdb::ColumnFamilyHandle* const family = database.Family(
      line.Get("column_family", rocksdb::kDefaultColumnFamilyName));
  const std::unique_ptr<Iterator> it =
      make(database.db(), family, walk.options());
  walk.Run(it.get(), TrieOrderOf(family->GetComparator()));
  return kDone;
}

}  // namespace memkv
