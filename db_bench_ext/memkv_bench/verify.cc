// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/verify.h"

#include <fmt/format.h>

#include <memory>

#include "db_bench_ext/keys/record_set.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr uint64_t kRecordsShown = 10;

Status WhoShips(const BenchDatabase& database, const RecordSet& records,
                const std::string& path, std::vector<std::string>* lines) {
  std::string packages;
  const Status s = database.db()->Get(rocksdb::ReadOptions(), path, &packages);
  const size_t at = records.Find(path);
  const bool known = at != RecordSet::kNotFound;
  lines->push_back(fmt::format("Which package ships /{}?", path));
  lines->push_back("    " + (known ? packages : "none in these records"));
  const bool right =
      known ? s.ok() && records.value(at) == packages : s.IsNotFound();
  return right ? Status::OK()
               : database.Mismatch("asked for " + Quoted(path),
                                   known ? "its packages" : "nothing",
                                   s.ToString());
}

// `show_values`: text is shown as it is; a record number would only litter.
Status EverythingUnder(const BenchDatabase& database, const RecordSet& records,
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
  lines->push_back(fmt::format("    {}{} in all",
                               count > kRecordsShown ? "... " : "", count));
  const uint64_t expected =
      (end.empty() ? records.size() : records.LowerBound(end)) -
      records.LowerBound(prefix);
  return !it->status().ok() || count == expected
             ? it->status()
             : database.Mismatch("asked for " + Quoted(prefix),
                                 fmt::format("{} records", expected),
                                 std::to_string(count));
}

}  // namespace

Status VerifyByGet(const BenchDatabase& database,
                   const ModelExpected& records) {
  rocksdb::DB* db = database.db();
  rocksdb::PinnableSlice value;
  std::string buffer;
  for (size_t i = 0; i < records.size(); i++) {
    value.Reset();
    const Status s = db->Get(rocksdb::ReadOptions(), db->DefaultColumnFamily(),
                             records.key(i), &value);
    const Slice expected = records.value(i, &buffer);
    if (!s.ok() || value != expected) {
      return database.Mismatch("Get at key " + Quoted(records.key(i)),
                               Quoted(expected),
                               s.ok() ? Quoted(value) : s.ToString());
    }
  }
  return Status::OK();
}

Status VerifyByScan(const BenchDatabase& database, const ModelExpected& records,
                    bool forwards) {
  const std::string at_key =
      std::string("scan ") + (forwards ? "forwards" : "backwards") + " at key ";
  std::unique_ptr<rocksdb::Iterator> it(
      database.db()->NewIterator(rocksdb::ReadOptions()));
  std::string buffer;
  forwards ? it->SeekToFirst() : it->SeekToLast();
  for (size_t n = 0; n < records.size(); n++) {
    const size_t i = forwards ? n : records.size() - 1 - n;
    const Slice expected = records.value(i, &buffer);
    if (!it->Valid() || it->key() != records.key(i) ||
        it->value() != expected) {
      return database.Mismatch(
          at_key + Quoted(records.key(i)), "this key with " + Quoted(expected),
          it->Valid() ? Quoted(it->key()) + " with " + Quoted(it->value())
                      : "the end, " + it->status().ToString());
    }
    forwards ? it->Next() : it->Prev();
  }
  return it->Valid() ? database.Mismatch(at_key + Quoted(it->key()), "the end",
                                         "one key more than the input has")
                     : it->status();
}

Status AnswerQuestions(const BenchDatabase& database, const RecordSet& records,
                       const std::string& source,
                       std::vector<std::string>* lines) {
  if (source != "apt-contents") {
    const Slice middle = records.key(records.size() / 2);
    return EverythingUnder(database, records, ExamplePrefix(middle), false,
                           lines);
  }
  Status s;
  for (const char* path : {"usr/bin/git", "bin/bash", "usr/bin/gcc-12"}) {
    s = s.ok() ? WhoShips(database, records, path, lines) : s;
  }
  return s.ok() ? EverythingUnder(database, records, "usr/share/doc/bash/",
                                  true, lines)
                : s;
}

}  // namespace memkv
