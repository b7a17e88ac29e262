// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Searches: what is looked for in a database by View::Search() and
// View::DistinctPrefixes(), and in the same by an iterator of RocksDB's that
// walks over all keys, or those below the prefix, with the same automaton.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db_bench_ext/keys/record_set.h"
#include "plugin/memkv_search.h"
#include "plugin/memkv_view.h"
#include "rocksdb/iterator.h"
#include "rocksdb/options.h"

namespace memkv {

// What a walk found.
struct Found {
  uint64_t records = 0;
  uint64_t bytes = 0;

  void Take(const rocksdb::Iterator& it) {
    ++records;
    bytes += it.key().size() + it.value().size();
  }
};

class Searches {
 public:
  using Make = std::function<rocksdb::Iterator*(const rocksdb::ReadOptions&)>;

  // `n` of each kind, of keys drawn at random; `most_edits` of `distance`;
  // `listed`, the prefix of `list`, or empty: the longest, up to a separator,
  // that a third of all keys have.
  Searches(const RecordSet& records, uint64_t seed, uint64_t n,
           uint64_t most_edits, const std::string& listed);

  static bool Has(const std::string& walk) {
    return walk == "regex" || walk == "below" || walk == "distance" ||
           walk == "list";
  }
  // How many times the walk looks for something.
  uint64_t Operations(const std::string& walk) const;

  Found ByView(const std::string& walk, const View& view) const;
  Found ByIterator(const std::string& walk, const Make& make) const;

  // What was drawn, for a report.
  std::string Description() const;

 private:
  void ChooseListed(const RecordSet& records);
  void Automata(const std::string& walk,
                std::vector<std::unique_ptr<Automaton>>* automata) const;

  // Prefixes of keys; a search is for the digit somewhere behind one.
  std::vector<std::string> prefixes_;
  std::vector<std::string> words_;
  const uint64_t most_edits_;
  std::string listed_;
  uint64_t listed_keys_ = 0;
};

}  // namespace memkv
