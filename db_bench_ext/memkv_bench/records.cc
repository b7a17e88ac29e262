// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "db_bench_ext/common/check.h"

namespace memkv {

void FillValue(size_t size, double ratio, RandomSource* random,
               std::string* value) {
  const auto random_bytes =
      static_cast<size_t>(static_cast<double>(size) * ratio + 0.999);
  value->clear();
  AppendRandomBytes(random_bytes, random, value);
  // What is left repeats what is there, as db_bench's values do.
  while (random_bytes > 0 && value->size() < size) {
    value->append(*value, 0, std::min(size - value->size(), random_bytes));
  }
  value->resize(size, '.');
}

Slice BenchRecords::Value(size_t i, uint32_t version,
                          std::string* buffer) const {
  if (version == 0 && value_size_ < 0 && i < size()) {
    return source_.value(i);
  }
  RandomSource random(seed_ ^ (i * 0x9e3779b97f4a7c15ULL) ^
                      (uint64_t{version} << 48));
  FillValue(ValueSize(i), ratio_, &random, buffer);
  return *buffer;
}

uint64_t BenchRecords::ValueBytes() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < size(); i++) {
    sum += ValueSize(i);
  }
  return sum;
}

ModelExpected::ModelExpected(const BenchRecords& records,
                             const BenchModel& model)
    : records_(records), model_(model), inserted_(model.inserted.size()) {
  std::iota(inserted_.begin(), inserted_.end(), 0);
  std::sort(inserted_.begin(), inserted_.end(), [&model](size_t a, size_t b) {
    return Slice(model.inserted[a]).compare(model.inserted[b]) < 0;
  });
  for (size_t k = 0; k < inserted_.size(); k++) {
    places_.push_back(records.keys().LowerBound(model.inserted[inserted_[k]]) +
                      k);
  }
}

bool ModelExpected::IsInserted(size_t i, size_t* which) const {
  const auto it = std::lower_bound(places_.begin(), places_.end(), i);
  const auto before = static_cast<size_t>(it - places_.begin());
  const bool inserted = it != places_.end() && *it == i;
  *which = inserted ? inserted_[before] : i - before;
  return inserted;
}

Slice ModelExpected::key(size_t i) const {
  size_t which = 0;
  return IsInserted(i, &which) ? Slice(model_.inserted[which])
                               : records_.key(which);
}

Slice ModelExpected::value(size_t i, std::string* buffer) const {
  size_t which = 0;
  return IsInserted(i, &which)
             ? records_.Value(records_.size() + which, 0, buffer)
             : records_.Value(which, model_.versions[which], buffer);
}

size_t ModelExpected::LowerBound(const Slice& target) const {
  const auto inserted =
      std::lower_bound(inserted_.begin(), inserted_.end(), target,
                       [this](size_t k, const Slice& key) {
                         return Slice(model_.inserted[k]).compare(key) < 0;
                       });
  return records_.keys().LowerBound(target) +
         static_cast<size_t>(inserted - inserted_.begin());
}

void ModelExpected::VerifyByGet(const BenchDatabase& database) const {
  rocksdb::DB* const db = database.db();
  rocksdb::PinnableSlice found;
  std::string buffer;
  for (size_t i = 0; i < size(); i++) {
    found.Reset();
    const Status s = db->Get(rocksdb::ReadOptions(), db->DefaultColumnFamily(),
                             key(i), &found);
    const Slice expected = value(i, &buffer);
    if (!s.ok() || found != expected) {
      database.Mismatch("Get at key " + Quoted(key(i)), Quoted(expected),
                        s.ok() ? Quoted(found) : s.ToString());
    }
  }
}

void ModelExpected::VerifyByScan(const BenchDatabase& database,
                                 bool forwards) const {
  const std::string at_key =
      fmt::format("scan {} at key ", forwards ? "forwards" : "backwards");
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db()->NewIterator(rocksdb::ReadOptions()));
  std::string buffer;
  forwards ? it->SeekToFirst() : it->SeekToLast();
  for (size_t n = 0; n < size(); n++) {
    const size_t i = forwards ? n : size() - 1 - n;
    const Slice expected = value(i, &buffer);
    if (!it->Valid() || it->key() != key(i) || it->value() != expected) {
      database.Mismatch(at_key + Quoted(key(i)),
                        "this key with " + Quoted(expected), Quoted(*it));
    }
    forwards ? it->Next() : it->Prev();
  }
  if (it->Valid()) {
    database.Mismatch(at_key + Quoted(it->key()), "the end",
                      "one key more than the input has");
  }
  Check(it->status());
}

// ---- Questions -------------------------------------------------------------

namespace {

void WhoShips(const BenchDatabase& database, const RecordSet& records,
              const std::string& path, std::vector<std::string>* lines) {
  std::string packages;
  const Status s = database.db()->Get(rocksdb::ReadOptions(), path, &packages);
  const size_t at = records.Find(path);
  const bool known = at != RecordSet::kNotFound;
  lines->push_back(fmt::format("Which package ships /{}?", path));
  lines->push_back("    " + (known ? packages : "none in these records"));
  if (known ? !s.ok() || records.value(at) != packages : !s.IsNotFound()) {
    database.Mismatch("asked for " + Quoted(path),
                      known ? "its packages" : "nothing", s.ToString());
  }
}

// `show_values`: text is shown as it is; a record number would only litter.
void EverythingUnder(const BenchDatabase& database, const RecordSet& records,
                     const std::string& prefix, bool show_values,
                     std::vector<std::string>* lines) {
  constexpr uint64_t kShown = 10;
  const std::string end = PrefixEnd(prefix);
  const Slice bound(end);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = end.empty() ? nullptr : &bound;
  const std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(read));
  lines->push_back(fmt::format("What begins with {}?", Quoted(prefix)));
  uint64_t count = 0;
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    if (count++ < kShown) {
      lines->push_back("    " + Quoted(it->key()) +
                       (show_values ? "  " + it->value().ToString() : ""));
    }
  }
  Check(it->status());
  lines->push_back(
      fmt::format("    {}{} in all", count > kShown ? "... " : "", count));
  const uint64_t expected =
      (end.empty() ? records.size() : records.LowerBound(end)) -
      records.LowerBound(prefix);
  if (count != expected) {
    database.Mismatch("asked for " + Quoted(prefix),
                      fmt::format("{} records", expected),
                      std::to_string(count));
  }
}

}  // namespace

std::vector<std::string> AnswerQuestions(const BenchDatabase& database,
                                         const RecordSet& records,
                                         const std::string& source) {
  std::vector<std::string> lines;
  if (source == "apt-contents") {
    for (const char* path : {"usr/bin/git", "bin/bash", "usr/bin/gcc-12"}) {
      WhoShips(database, records, path, &lines);
    }
    EverythingUnder(database, records, "usr/share/doc/bash/", true, &lines);
  } else {
    const Slice middle = records.key(records.size() / 2);
    EverythingUnder(database, records, ExamplePrefix(middle), false, &lines);
  }
  return lines;
}

}  // namespace memkv
