// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What leads to a block leads to another one, and all checksums are right: to
// one of another kind, or with another number of values.  A block cache, which
// has a place for each, then changes no answer: what was cached as one thing is
// not taken for the other.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/cache.h"
#include "table/internal_iterator.h"
#include "tests/corruption/fst_file_fields.h"
#include "tests/corruption/hostile_shapes.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Status;

class FstBlockPlacesTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string reason;
    shape_ = MakeHostileShape(GetParam(), &reason);
    ASSERT_NE(shape_, nullptr) << reason;
  }

  MemoryTable::Settings Settings(bool cached) const {
    MemoryTable::Settings settings = shape_->cached->settings();
    settings.mapped = false;
    settings.block_based.no_block_cache = !cached;
    if (cached)
      settings.block_based.block_cache = rocksdb::NewLRUCache(8 << 20);
    return settings;
  }

  // All that a reader says: rows of walks both ways, and of gets.
  std::vector<std::string> Ask(rocksdb::TableReader* reader) const {
    std::vector<std::string> rows;
    const ReadOptions options;
    const std::unique_ptr<rocksdb::InternalIterator> it(reader->NewIterator(
        options, /*prefix_extractor=*/nullptr, /*arena=*/nullptr,
        /*skip_filters=*/false, rocksdb::TableReaderCaller::kUserIterator));
    for (const bool forward : {true, false}) {
      forward ? it->SeekToFirst() : it->SeekToLast();
      for (size_t i = 0; it->Valid() && i <= 2 * shape_->entries.size(); ++i) {
        rows.push_back(it->key().ToString() + "=" + it->value().ToString());
        forward ? it->Next() : it->Prev();
      }
      rows.push_back(it->status().ToString());
    }
    for (const auto& probe : shape_->probes) {
      const rocksdb::InternalKey target(probe.first, probe.second,
                                        rocksdb::kValueTypeForSeek);
      const MemoryTable::LookUpResult found = shape_->cached->LookUp(
          probe.first, [&](rocksdb::GetContext* context) {
            return reader->Get(options, target.Encode(), context, nullptr);
          });
      rows.push_back(found.status.ToString() + std::to_string(found.state) +
                     found.value);
    }
    return rows;
  }

  std::unique_ptr<HostileShape> shape_;
};

TEST_P(FstBlockPlacesTest, ABlockCacheChangesNoAnswer) {
  const std::vector<FilePart>& parts = shape_->fields.parts();
  size_t opened = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    if (parts[p].kind != FilePartKind::kValueBlock &&
        parts[p].kind != FilePartKind::kSegment) {
      continue;
    }
    for (size_t q = 0; q < p; ++q) {
      SCOPED_TRACE(std::string(NameOf(parts[p].kind)) + " " +
                   std::to_string(p) + " is elsewhere, at " +
                   NameOf(parts[q].kind) + " " + std::to_string(q));
      FileEdit edit;
      edit.kind = FileEdit::Kind::kElsewhere;
      edit.part = p;
      edit.number = q;
      const std::string bytes = shape_->fields.Write({edit}, {});
      const MemoryTable uncached_table(Settings(/*cached=*/false));
      const MemoryTable cached_table(Settings(/*cached=*/true));
      std::unique_ptr<rocksdb::TableReader> uncached;
      std::unique_ptr<rocksdb::TableReader> cached;
      const Status s = uncached_table.Open(bytes, ReadOptions(), &uncached);
      ASSERT_EQ(s, cached_table.Open(bytes, ReadOptions(), &cached));
      if (!s.ok()) continue;
      ++opened;
      const std::vector<std::string> truth = Ask(uncached.get());
      ASSERT_EQ(truth, Ask(cached.get()));
      ASSERT_EQ(truth, Ask(cached.get())) << "from the cache";
    }
  }
  EXPECT_GT(opened, 5u);
}

INSTANTIATE_TEST_SUITE_P(Shapes, FstBlockPlacesTest,
                         ::testing::Values("segments", "runs", "lz4",
                                           "dictionary and value blocks"),
                         [](const auto& shape) {
                           std::string name;
                           for (const char c : std::string(shape.param)) {
                             if (c != ' ') name += c;
                           }
                           return name;
                         });

}  // namespace
}  // namespace memkv
