// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/verify.h"

#include <fmt/format.h>

#include <memory>

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr size_t kQuotedBytes = 200;

Status Mismatch(const BenchDatabase& database, const std::string& operation,
                const std::string& key, const std::string& expected,
                const std::string& found) {
  return Status::Corruption(
      "MISMATCH in " + database.name() + ", " + operation + " at key " + key,
      "expected " + expected + ", found " + found);
}

}  // namespace

std::string Quoted(const Slice& bytes) {
  std::string text = "\"";
  for (size_t i = 0; i < bytes.size() && i < kQuotedBytes; i++) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      text.push_back(bytes[i]);
    } else {
      text += fmt::format("\\x{:02x}", c);
    }
  }
  text += "\"";
  if (bytes.size() > kQuotedBytes) {
    text += "... (" + std::to_string(bytes.size()) + " bytes)";
  }
  return text;
}

Status VerifyByGet(const BenchDatabase& database,
                   const ModelExpected& records) {
  rocksdb::DB* db = database.db();
  rocksdb::ReadOptions read;
  rocksdb::PinnableSlice value;
  std::string buffer;
  for (size_t i = 0; i < records.size(); i++) {
    value.Reset();
    Status s = db->Get(read, db->DefaultColumnFamily(), records.key(i), &value);
    if (!s.ok()) {
      return Mismatch(database, "Get", Quoted(records.key(i)),
                      Quoted(records.value(i, &buffer)), s.ToString());
    }
    const Slice expected = records.value(i, &buffer);
    if (value != expected) {
      return Mismatch(database, "Get", Quoted(records.key(i)), Quoted(expected),
                      Quoted(value));
    }
  }
  return Status::OK();
}

Status VerifyByScan(const BenchDatabase& database, const ModelExpected& records,
                    bool forwards) {
  const std::string operation = forwards ? "scan forwards" : "scan backwards";
  std::unique_ptr<rocksdb::Iterator> it(
      database.db()->NewIterator(rocksdb::ReadOptions()));
  std::string buffer;
  if (forwards) {
    it->SeekToFirst();
  } else {
    it->SeekToLast();
  }
  for (size_t n = 0; n < records.size(); n++) {
    const size_t i = forwards ? n : records.size() - 1 - n;
    if (!it->Valid()) {
      return Mismatch(database, operation, Quoted(records.key(i)), "a record",
                      "the end, " + it->status().ToString());
    }
    if (it->key() != records.key(i)) {
      return Mismatch(database, operation, Quoted(records.key(i)), "this key",
                      "key " + Quoted(it->key()));
    }
    const Slice expected = records.value(i, &buffer);
    if (it->value() != expected) {
      return Mismatch(database, operation, Quoted(records.key(i)),
                      Quoted(expected), Quoted(it->value()));
    }
    if (forwards) {
      it->Next();
    } else {
      it->Prev();
    }
  }
  if (it->Valid()) {
    return Mismatch(database, operation, Quoted(it->key()), "the end",
                    "one key more than the input has");
  }
  return it->status();
}

}  // namespace memkv
