// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The writes of a history.

#include <map>
#include <thread>
#include <utility>

#include "rocksdb/wide_columns.h"
#include "tests/db/history_runner.h"

namespace memkv {
namespace {

using rocksdb::Status;
using rocksdb::WriteBatch;
using rocksdb::WriteOptions;

constexpr size_t kWritesPerWriter = 30;

}  // namespace

void HistoryRunner::Put() {
  const std::string& key = keys_.Any();
  const std::string value = keys_.Value();
  current_ += " " + ShowKey(key);
  Both([&](rocksdb::DB* db, size_t) {
    return db->Put(WriteOptions(), key, value);
  });
}

void HistoryRunner::PutEntity() {
  const std::string& key = keys_.Any();
  current_ += " " + ShowKey(key);
  // Names in ascending order; the anonymous column, which Get reads, is "".
  const std::string first = keys_.Value();
  const std::string second = keys_.Value();
  rocksdb::WideColumns columns;
  if (random_.OneIn(2)) {
    columns.emplace_back(rocksdb::kDefaultWideColumnName, first);
  }
  columns.emplace_back("a", second);
  columns.emplace_back("b", "constant");
  Both([&](rocksdb::DB* db, size_t) {
    return db->PutEntity(WriteOptions(), db->DefaultColumnFamily(), key,
                         columns);
  });
}

void HistoryRunner::Delete() {
  const std::string& key = keys_.Any();
  current_ += " " + ShowKey(key);
  Both(
      [&](rocksdb::DB* db, size_t) { return db->Delete(WriteOptions(), key); });
}

void HistoryRunner::SinglePutOrDelete() {
  const std::string& key = keys_.Single();
  const std::string value = keys_.Value();
  const bool present = single_present_.count(key) != 0;
  current_ += (present ? " delete " : " put ") + ShowKey(key);
  if (present) {
    single_present_.erase(key);
  } else {
    single_present_.insert(key);
  }
  Both([&](rocksdb::DB* db, size_t) {
    return present ? db->SingleDelete(WriteOptions(), key)
                   : db->Put(WriteOptions(), key, value);
  });
}

void HistoryRunner::DeleteRange() {
  std::string begin;
  std::string end;
  keys_.Range(&begin, &end);
  if (comparator_->Compare(begin, end) > 0) {
    std::swap(begin, end);
  }
  current_ += " " + ShowKey(begin) + " to " + ShowKey(end);
  Both([&](rocksdb::DB* db, size_t) {
    return db->DeleteRange(WriteOptions(), db->DefaultColumnFamily(), begin,
                           end);
  });
}

void HistoryRunner::Merge() {
  const std::string& key = keys_.Any();
  const std::string operand = keys_.Value().substr(0, 64);
  current_ += " " + ShowKey(key);
  Both([&](rocksdb::DB* db, size_t) {
    return db->Merge(WriteOptions(), key, operand);
  });
}

void HistoryRunner::AddUpdate(WriteBatch* batch) {
  const std::string& key = keys_.Any();
  switch (random_.Uniform(4)) {
    case 0:
      batch->Delete(key).PermitUncheckedError();
      break;
    case 1:
      batch->Merge(key, "m").PermitUncheckedError();
      break;
    default:
      batch->Put(key, keys_.Value()).PermitUncheckedError();
      break;
  }
}

void HistoryRunner::Batch() {
  WriteBatch batch;
  const size_t updates = 1 + random_.Uniform(16);
  for (size_t i = 0; i < updates; i++) {
    AddUpdate(&batch);
  }
  Both([&](rocksdb::DB* db, size_t) {
    WriteBatch copy(batch);
    return db->Write(WriteOptions(), &copy);
  });
}

void HistoryRunner::ParallelWrites() {
  // Each key belongs to one writer, so that the order between the writers,
  // which the two databases need not share, decides nothing.
  struct Write {
    uint64_t kind;
    std::string value;
  };
  std::vector<std::map<std::string, Write>> writes(plan_.writers);
  for (size_t i = 0; i < plan_.writers * kWritesPerWriter; i++) {
    const std::string& key = keys_.Any();
    const size_t owner = std::hash<std::string>()(key) % plan_.writers;
    writes[owner][key] = {random_.Uniform(8), keys_.Value()};
  }
  const auto write_all = [](rocksdb::DB* db,
                            const std::map<std::string, Write>& of_one) {
    Status s;
    for (const auto& [key, write] : of_one) {
      if (s.ok()) {
        s = write.kind == 0   ? db->Delete(WriteOptions(), key)
            : write.kind == 1 ? db->Merge(WriteOptions(), key, "p")
                              : db->Put(WriteOptions(), key, write.value);
      }
    }
    return s;
  };
  Both([&](rocksdb::DB* db, size_t) {
    std::vector<Status> results(writes.size());
    std::vector<std::thread> threads;
    for (size_t t = 0; t < writes.size(); t++) {
      threads.emplace_back([&, t] { results[t] = write_all(db, writes[t]); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const Status& result : results) {
      if (!result.ok()) {
        return result;
      }
    }
    return Status::OK();
  });
}

}  // namespace memkv
