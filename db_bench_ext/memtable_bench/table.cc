// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/table.h"

#include "db/lookup_key.h"
#include "rocksdb/comparator.h"

namespace memkv {

using rocksdb::BytewiseComparator;
using rocksdb::InternalKeyComparator;

namespace {

// What column family options come to by default: an eighth of the write
// buffer, and no more than this.
constexpr size_t kArenaBlockBytes = size_t{1} << 20;

// The bytewise comparator by name and order.
class CountingComparator : public rocksdb::Comparator {
 public:
  explicit CountingComparator(uint64_t* comparisons)
      : comparisons_(comparisons) {}

  const char* Name() const override { return BytewiseComparator()->Name(); }
  int Compare(const rocksdb::Slice& a, const rocksdb::Slice& b) const override {
    ++*comparisons_;
    return BytewiseComparator()->Compare(a, b);
  }
  void FindShortestSeparator(std::string* /*start*/,
                             const rocksdb::Slice& /*limit*/) const override {}
  void FindShortSuccessor(std::string* /*key*/) const override {}

 private:
  uint64_t* const comparisons_;
};

bool SaveFound(void* arg, const char* entry) {
  Found* found = static_cast<Found*>(arg);
  rocksdb::Slice internal_key;
  rocksdb::Slice value;
  ReadEntry(entry, &internal_key, &value);
  if (rocksdb::ExtractUserKey(internal_key) == found->user_key) {
    found->count++;
    found->bytes += value.size();
    found->last_sequence = rocksdb::ExtractInternalKeyFooter(internal_key) >> 8;
  }
  return false;
}

}  // namespace

void GetAt(rocksdb::MemTableRep* rep, const rocksdb::Slice& key,
           uint64_t sequence, Found* found) {
  const rocksdb::LookupKey lookup(key, sequence);
  found->user_key = key;
  rep->Get(lookup, found, SaveFound);
}

BenchTable::BenchTable(rocksdb::MemTableRepFactory* factory,
                       uint64_t* comparisons)
    : arena_(kArenaBlockBytes),
      counting_(comparisons == nullptr
                    ? nullptr
                    : std::make_unique<CountingComparator>(comparisons)),
      comparator_(InternalKeyComparator(
          counting_ == nullptr ? BytewiseComparator() : counting_.get())),
      rep_(factory->CreateMemTableRep(comparator_, &arena_, nullptr, nullptr)) {
}

size_t BenchTable::UsedBytes() const {
  return arena_.ApproximateMemoryUsage() + rep_->ApproximateMemoryUsage();
}

}  // namespace memkv
