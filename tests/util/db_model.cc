// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/util/db_model.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "tests/util/random_bytes.h"
#include "util/crc32c.h"

namespace memkv {

using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

std::string NumberKey(int i) {
  char text[24];
  std::snprintf(text, sizeof(text), "key/%08d", i);
  return text;
}

namespace {

void ExpectScans(rocksdb::Iterator* iter, const Model& model) {
  auto expected = model.begin();
  for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++expected) {
    ASSERT_NE(expected, model.end())
        << "surplus key " << iter->key().ToString();
    ASSERT_EQ(iter->key(), expected->first);
    ASSERT_EQ(iter->value(), expected->second) << expected->first;
  }
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(expected, model.end()) << "lost key " << expected->first;

  auto backwards = model.rbegin();
  for (iter->SeekToLast(); iter->Valid(); iter->Prev(), ++backwards) {
    ASSERT_NE(backwards, model.rend())
        << "surplus key " << iter->key().ToString();
    ASSERT_EQ(iter->key(), backwards->first);
    ASSERT_EQ(iter->value(), backwards->second) << backwards->first;
  }
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(backwards, model.rend()) << "lost key " << backwards->first;
}

// `target` need not be in the model.
void ExpectSeeks(rocksdb::Iterator* iter, const Model& model,
                 const std::string& target) {
  const auto at_or_after = model.lower_bound(target);
  iter->Seek(target);
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(iter->Valid(), at_or_after != model.end()) << target;
  if (iter->Valid()) {
    ASSERT_EQ(iter->key(), at_or_after->first) << target;
  }

  auto after = model.upper_bound(target);
  iter->SeekForPrev(target);
  ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
  ASSERT_EQ(iter->Valid(), after != model.begin()) << target;
  if (iter->Valid()) {
    --after;
    ASSERT_EQ(iter->key(), after->first) << target;
  }
}

}  // namespace

void ExpectEquals(rocksdb::DB* db, const Model& model, const ReadOptions& ro,
                  rocksdb::ColumnFamilyHandle* cf) {
  if (cf == nullptr) cf = db->DefaultColumnFamily();
  std::unique_ptr<rocksdb::Iterator> iter(db->NewIterator(ro, cf));
  ASSERT_NO_FATAL_FAILURE(ExpectScans(iter.get(), model));

  const size_t stride = model.size() / 500 + 1;
  size_t i = 0;
  for (const auto& [key, value] : model) {
    std::string found;
    Status s = db->Get(ro, cf, key, &found);
    ASSERT_TRUE(s.ok()) << key << ": " << s.ToString();
    ASSERT_EQ(found, value) << key;
    if (i++ % stride != 0) continue;
    for (const std::string& neighbour :
         {key, key + '\0', key.substr(0, key.size() / 2), key + "\xff"}) {
      ASSERT_NO_FATAL_FAILURE(ExpectSeeks(iter.get(), model, neighbour));
      if (model.count(neighbour) != 0) continue;
      s = db->Get(ro, cf, neighbour, &found);
      ASSERT_TRUE(s.IsNotFound()) << neighbour << ": " << s.ToString();
    }
  }
}

uint32_t ScanChecksum(rocksdb::DB* db) {
  uint32_t crc = 0;
  std::unique_ptr<rocksdb::Iterator> iter(db->NewIterator(ReadOptions()));
  for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
    for (const Slice& part : {iter->key(), iter->value()}) {
      const uint64_t size = part.size();
      crc = rocksdb::crc32c::Extend(crc, reinterpret_cast<const char*>(&size),
                                    sizeof(size));
      crc = rocksdb::crc32c::Extend(crc, part.data(), part.size());
    }
  }
  EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
  return crc;
}

std::string MixedWriter::Key(uint64_t i) const {
  char text[32];
  std::snprintf(text, sizeof(text), "key/%06llu",
                static_cast<unsigned long long>(i));
  return text;
}

void MixedWriter::Write(rocksdb::DB* db, Model* model, size_t operations) {
  const rocksdb::WriteOptions wo;
  for (size_t n = 0; n < operations; ++n) {
    const std::string key = Key(rng_() % keys_);
    const uint64_t what = rng_() % 1000;
    Status s;
    if (what < 2) {
      const uint64_t first = rng_() % keys_;
      const std::string begin = Key(first);
      const std::string end = Key(first + 1 + rng_() % 20);
      s = db->DeleteRange(wo, db->DefaultColumnFamily(), begin, end);
      model->erase(model->lower_bound(begin), model->lower_bound(end));
    } else if (what < 100) {
      s = db->Delete(wo, key);
      model->erase(key);
    } else if (what < 250) {
      const std::string operand = RandomBytes(&rng_, rng_() % 12);
      s = db->Merge(wo, key, operand);
      const auto [at, fresh] = model->emplace(key, operand);
      if (!fresh) at->second += "," + operand;
    } else if (what < 300) {
      // Keys that are written once and deleted once, as SingleDelete asks.
      const std::string single = "single/" + std::to_string(singles_ / 2);
      if (singles_++ % 2 == 0) {
        s = db->Put(wo, single, "once");
        (*model)[single] = "once";
      } else {
        s = db->SingleDelete(wo, single);
        model->erase(single);
      }
    } else {
      const size_t size = rng_() % 50 == 0 ? rng_() % 6000 : rng_() % 60;
      (*model)[key] = RandomBytes(&rng_, size);
      s = db->Put(wo, key, (*model)[key]);
    }
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
}

}  // namespace memkv
