// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tools/view_walks.h"

#include <utility>

#include "db_bench_ext/common/check.h"
#include "plugin/memkv_search.h"
#include "plugin/memkv_view.h"
#include "tools/command.h"

namespace memkv {

using rocksdb::Iterator;

namespace {

// The iterator outlives the view, as it may.
std::unique_ptr<View> OpenView(rocksdb::DB* db,
                               rocksdb::ColumnFamilyHandle* family) {
  std::unique_ptr<View> view;
  Check(View::Open(db, family, nullptr, &view));
  return view;
}

Status MakeAutomaton(const SearchPattern& pattern,
                     std::unique_ptr<Automaton>* automaton) {
  switch (pattern.kind) {
    case SearchPattern::Kind::kRegex:
      return NewRegexAutomaton(pattern.text, automaton);
    case SearchPattern::Kind::kGlob:
      return NewGlobAutomaton(pattern.text, automaton);
    case SearchPattern::Kind::kEditDistance:
      return NewEditDistanceAutomaton(pattern.text, pattern.edits, automaton);
    default:
      return NewPrefixesAutomaton(pattern.prefixes, automaton);
  }
}

}  // namespace

std::unique_ptr<Iterator> NewScan(rocksdb::DB* db,
                                  rocksdb::ColumnFamilyHandle* family,
                                  const rocksdb::ReadOptions& options) {
  return std::unique_ptr<Iterator>(OpenView(db, family)->NewIterator(options));
}

std::unique_ptr<Iterator> NewSearch(rocksdb::DB* db,
                                    rocksdb::ColumnFamilyHandle* family,
                                    const rocksdb::ReadOptions& options,
                                    const SearchPattern& pattern) {
  std::unique_ptr<Automaton> automaton;
  const Status s = MakeAutomaton(pattern, &automaton);
  if (!s.ok()) throw UsageError(s.ToString());
  return std::unique_ptr<Iterator>(
      OpenView(db, family)->Search(options, std::move(automaton)));
}

}  // namespace memkv
