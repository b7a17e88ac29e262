// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A program that has never heard of memkv and sets its options in code: it
// opens a database in every way there is, and says of each column family which
// factories it has, and what is read.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "open_database.h"
#include "rocksdb/comparator.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/optimistic_transaction_db.h"
#include "rocksdb/utilities/transaction.h"
#include "rocksdb/utilities/transaction_db.h"

namespace {

using Families = std::vector<rocksdb::ColumnFamilyDescriptor>;
using Handles = std::vector<rocksdb::ColumnFamilyHandle*>;

void Check(const char* what, const rocksdb::Status& s) {
  if (s.ok()) return;
  std::printf("%s: %s\n", what, s.ToString().c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

// By length first: no trie serves it.
class ByLength : public rocksdb::Comparator {
 public:
  const char* Name() const override { return "ByLength"; }
  int Compare(const rocksdb::Slice& a, const rocksdb::Slice& b) const override {
    if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
    return a.compare(b);
  }
  void FindShortestSeparator(std::string* /*start*/,
                             const rocksdb::Slice& /*limit*/) const override {}
  void FindShortSuccessor(std::string* /*key*/) const override {}
};

rocksdb::Options MakeOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

Families MakeFamilies() {
  static const ByLength by_length;
  rocksdb::ColumnFamilyOptions options = MakeOptions();
  rocksdb::ColumnFamilyOptions reverse = options;
  reverse.comparator = rocksdb::ReverseBytewiseComparator();
  rocksdb::ColumnFamilyOptions other_order = options;
  other_order.comparator = &by_length;
  rocksdb::ColumnFamilyOptions vector_memtable = options;
  vector_memtable.memtable_factory.reset(new rocksdb::VectorRepFactory());
  rocksdb::ColumnFamilyOptions plain_table = options;
  rocksdb::PlainTableOptions plain;
  plain.hash_table_ratio = 0;  // in order, without a prefix extractor
  plain_table.table_factory.reset(rocksdb::NewPlainTableFactory(plain));
  return {{"default", options},
          {"reverse", reverse},
          {"other_order", other_order},
          {"vector_memtable", vector_memtable},
          {"plain_table", plain_table}};
}

template <typename Open>
std::unique_ptr<rocksdb::DB> Opened(const Open& open) {
  std::unique_ptr<rocksdb::DB> db;
  Check("open", OpenDatabase(open, &db));
  return db;
}

// What there is to say about one column family.
void Say(const char* how, rocksdb::DB* db,
         rocksdb::ColumnFamilyHandle* handle) {
  const rocksdb::Options options = db->GetOptions(handle);
  size_t records = 0;
  size_t hash = 0;
  const std::unique_ptr<rocksdb::Iterator> it(
      db->NewIterator(rocksdb::ReadOptions(), handle));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    records++;
    hash = hash * 31 + std::hash<std::string>()(it->key().ToString() +
                                                it->value().ToString());
  }
  Check("iterator", it->status());
  std::printf("%s %s: %s %s, read %zu records %zx\n", how,
              handle->GetName().c_str(), options.memtable_factory->Name(),
              options.table_factory->Name(), records, hash);
}

void Write(rocksdb::DB* db, const Handles& handles) {
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    // A vector takes no writes of several threads, and a plain table no key
    // twice: each is written once.
    for (int i = 0; i < 1000; i++) {
      Check("Put", db->Put(rocksdb::WriteOptions(), handle,
                           "usr/share/doc/" + std::to_string(i * 7919 % 1000),
                           "package-" + std::to_string(i)));
      if (i == 500) Check("Flush", db->Flush(rocksdb::FlushOptions(), handle));
    }
  }
}

void Drop(rocksdb::DB* db, const Handles& handles) {
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    Check("handle", db->DestroyColumnFamilyHandle(handle));
  }
}

// Opened by column families, each with options of its own.
void UseFamilies() {
  rocksdb::DBOptions options = MakeOptions();
  options.allow_concurrent_memtable_write = false;
  options.allow_mmap_reads = true;
  Handles handles;
  const auto db = Opened(
      [&](auto* out) -> decltype(rocksdb::DB::Open(
                         options, "families", MakeFamilies(), &handles, out)) {
        return rocksdb::DB::Open(options, "families", MakeFamilies(), &handles,
                                 out);
      });
  rocksdb::ColumnFamilyHandle* created = nullptr;
  Check("CreateColumnFamily",
        db->CreateColumnFamily(MakeOptions(), "created", &created));
  handles.push_back(created);
  Write(db.get(), handles);
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    Say("Open", db.get(), handle);
  }
  const rocksdb::Status s = db->SetOptions(
      {{"block_based_table_factory", "{block_size=8192}"}, {"ttl", "1000"}});
  std::printf("SetOptions: %s, %s\n", s.ToString().c_str(),
              db->GetOptions().table_factory->GetPrintableOptions().find(
                  "block_size: 8192") == std::string::npos
                  ? "block_size is what it was"
                  : "block_size=8192");
  Drop(db.get(), handles);
}

// One column family, opened in all ways.
void UseDefault() {
  const rocksdb::Options options = MakeOptions();
  {
    const auto db = Opened(
        [&](auto* out) -> decltype(rocksdb::DB::Open(options, "one", out)) {
          return rocksdb::DB::Open(options, "one", out);
        });
    Write(db.get(), {db->DefaultColumnFamily()});
  }
  {
    const auto db =
        Opened([&](auto* out) -> decltype(rocksdb::DB::OpenForReadOnly(
                                  options, "one", out)) {
          return rocksdb::DB::OpenForReadOnly(options, "one", out);
        });
    Say("OpenForReadOnly", db.get(), db->DefaultColumnFamily());
  }
  {
    const auto db =
        Opened([&](auto* out) -> decltype(rocksdb::DB::OpenAsSecondary(
                                  options, "one", "secondary", out)) {
          return rocksdb::DB::OpenAsSecondary(options, "one", "secondary", out);
        });
    Say("OpenAsSecondary", db.get(), db->DefaultColumnFamily());
  }
  {
    rocksdb::TransactionDB* db = nullptr;
    Check("TransactionDB::Open",
          rocksdb::TransactionDB::Open(options, rocksdb::TransactionDBOptions(),
                                       "one", &db));
    const std::unique_ptr<rocksdb::DB> owner(db);
    const std::unique_ptr<rocksdb::Transaction> transaction(
        db->BeginTransaction(rocksdb::WriteOptions()));
    Check("Put", transaction->Put("transaction", "1"));
    Check("Commit", transaction->Commit());
    Say("TransactionDB::Open", db, db->DefaultColumnFamily());
  }
  {
    rocksdb::OptimisticTransactionDB* db = nullptr;
    Check("OptimisticTransactionDB::Open",
          rocksdb::OptimisticTransactionDB::Open(options, "one", &db));
    const std::unique_ptr<rocksdb::DB> owner(db);
    Say("OptimisticTransactionDB::Open", db, db->DefaultColumnFamily());
  }
}

}  // namespace

int main() {
  UseFamilies();
  UseDefault();
  return 0;
}
