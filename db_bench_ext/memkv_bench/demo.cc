// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/demo.h"

#include <fmt/format.h>

#include <memory>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/keys/key_prefix.h"
#include "db_bench_ext/memkv_bench/verify.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr uint64_t kRecordsShown = 10;

[[noreturn]] void Contradict(const BenchDatabase& database, const Slice& asked,
                             const std::string& expected,
                             const std::string& found) {
  throw Failure(Status::Corruption(
      "MISMATCH in " + database.name() + ", asked for " + Quoted(asked),
      "expected " + expected + ", found " + found));
}

void WhoShips(const BenchDatabase& database, const RecordSet& records,
              const std::string& path, std::vector<std::string>* lines) {
  std::string packages;
  const Status s = database.db()->Get(rocksdb::ReadOptions(), path, &packages);
  const size_t at = records.Find(path);
  const bool known = at != RecordSet::kNotFound;
  if (known ? !s.ok() || records.value(at) != packages : !s.IsNotFound()) {
    Contradict(database, path, known ? "its packages" : "nothing",
               s.ToString());
  }
  lines->push_back(fmt::format("Which package ships /{}?", path));
  lines->push_back("    " + (known ? packages : "none in these records"));
}

// `show_values`: text is shown as it is; a record number would only litter.
void EverythingUnder(const BenchDatabase& database, const RecordSet& records,
                     const std::string& prefix, bool show_values,
                     std::vector<std::string>* lines) {
  const std::string end = PrefixEnd(prefix);
  const Slice bound(end);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = end.empty() ? nullptr : &bound;
  std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(read));
  lines->push_back(fmt::format("What begins with {}?", Quoted(prefix)));
  uint64_t count = 0;
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    if (count++ < kRecordsShown) {
      lines->push_back(
          "    " + Quoted(it->key()) +
          (show_values ? "  " + it->value().ToString() : std::string()));
    }
  }
  Check(it->status());
  const uint64_t expected =
      (end.empty() ? records.size() : records.LowerBound(end)) -
      records.LowerBound(prefix);
  if (count != expected) {
    Contradict(database, prefix, fmt::format("{} records", expected),
               std::to_string(count));
  }
  lines->push_back(fmt::format("    {}{} in all",
                               count > kRecordsShown ? "... " : "", count));
}

}  // namespace

std::vector<std::string> AnswerQuestions(const BenchDatabase& database,
                                         const RecordSet& records,
                                         const std::string& source) {
  std::vector<std::string> lines;
  if (source != "apt-contents") {
    const Slice middle = records.key(records.size() / 2);
    EverythingUnder(database, records, ExamplePrefix(middle), false, &lines);
    return lines;
  }
  for (const char* path : {"usr/bin/git", "bin/bash", "usr/bin/gcc-12"}) {
    WhoShips(database, records, path, &lines);
  }
  EverythingUnder(database, records, "usr/share/doc/bash/", true, &lines);
  return lines;
}

}  // namespace memkv
