// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/keys.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "db_bench_ext/keys/random.h"
#include "util/coding.h"
#include "util/math.h"

namespace memkv {

KeyShape SetOf(const std::string& name, std::vector<std::string> keys,
               bool shuffled, uint64_t seed) {
  KeyShape shape;
  shape.name = name;
  shape.keys = std::move(keys);
  std::sort(shape.keys.begin(), shape.keys.end());
  shape.keys.erase(std::unique(shape.keys.begin(), shape.keys.end()),
                   shape.keys.end());
  shape.entries.resize(shape.keys.size());
  std::iota(shape.entries.begin(), shape.entries.end(), 0);
  if (shuffled) {
    RandomSource(seed).Shuffle(&shape.entries);
  }
  return shape;
}

std::vector<std::string> DbBenchKeys(uint64_t count) {
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < count; i++) {
    std::string key;
    rocksdb::PutFixed64(&key, rocksdb::EndianSwapValue(i));
    keys.push_back(key + "00000000");
  }
  return keys;
}

std::vector<std::string> KeysOf(const RecordSet& records) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < records.size(); i++) {
    keys.push_back(records.key(i).ToString());
  }
  return keys;
}

KeyShape HotKey(uint64_t versions) {
  KeyShape shape;
  shape.name = "hot_key";
  shape.keys = {"the one hot key!"};
  shape.entries.assign(versions, 0);
  return shape;
}

}  // namespace memkv
