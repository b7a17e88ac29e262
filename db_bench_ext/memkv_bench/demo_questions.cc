// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/demo_questions.h"

#include <memory>
#include <string>

#include "db_bench_ext/keys/key_prefix.h"
#include "db_bench_ext/memkv_bench/verify.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr uint64_t kRecordsShown = 10;

Status WhoShips(const BenchDatabase& database, const KeySet& input,
                const std::string& path, FILE* out) {
  std::string packages;
  Status s = database.db()->Get(rocksdb::ReadOptions(), path, &packages);
  if (!s.ok() && !s.IsNotFound()) {
    return s;
  }
  const bool expected = input.records.Find(path) != RecordSet::kNotFound;
  if (s.ok() != expected) {
    return Status::Corruption("MISMATCH in " + database.name(),
                              Quoted(path) + ": " + s.ToString());
  }
  std::fprintf(out, "Which package ships /%s?\n    %s\n", path.c_str(),
               s.ok() ? packages.c_str() : "none in these records");
  return Status::OK();
}

Status EverythingUnder(const BenchDatabase& database, const KeySet& input,
                       const std::string& prefix, FILE* out) {
  const std::string end = PrefixEnd(prefix);
  const Slice bound(end);
  rocksdb::ReadOptions read;
  if (!end.empty()) {
    read.iterate_upper_bound = &bound;
  }
  std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(read));
  // Text is shown as it is; a value that is a record number would only litter.
  const bool show_value = input.kind == SourceKind::kContents;
  std::fprintf(out, "What begins with %s?\n", Quoted(prefix).c_str());
  uint64_t count = 0;
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    if (count++ < kRecordsShown) {
      std::fprintf(out, "    %s%s%s\n", Quoted(it->key()).c_str(),
                   show_value ? "  " : "",
                   show_value ? it->value().ToString().c_str() : "");
    }
  }
  if (!it->status().ok()) {
    return it->status();
  }
  const uint64_t after =
      end.empty() ? input.records.size() : input.records.LowerBound(end);
  const uint64_t expected = after - input.records.LowerBound(prefix);
  if (count != expected) {
    return Status::Corruption(
        "MISMATCH in " + database.name() + ", prefix " + Quoted(prefix),
        "expected " + std::to_string(expected) + " records, found " +
            std::to_string(count));
  }
  if (count > kRecordsShown) {
    std::fprintf(out, "    ...\n");
  }
  std::fprintf(out, "    %llu in all\n",
               static_cast<unsigned long long>(count));
  return Status::OK();
}

}  // namespace

Status AnswerQuestions(const BenchDatabase& database, const KeySet& input,
                       FILE* out) {
  if (input.kind != SourceKind::kContents) {
    const Slice middle = input.records.key(input.records.size() / 2);
    return EverythingUnder(database, input, ExamplePrefix(middle), out);
  }
  Status s;
  for (const char* path : {"usr/bin/git", "bin/bash", "usr/bin/gcc-12"}) {
    if (s.ok()) {
      s = WhoShips(database, input, path, out);
    }
  }
  return s.ok() ? EverythingUnder(database, input, "usr/share/doc/bash/", out)
                : s;
}

}  // namespace memkv
