// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/db/history_keys.h"

#include <algorithm>

#include "db_bench_ext/keys/key_shapes.h"
#include "rocksdb/slice.h"

namespace memkv {

namespace {

constexpr size_t kClusters = 40;
constexpr size_t kKeysPerCluster = 60;
constexpr size_t kPrefixChains = 12;
constexpr size_t kChainLength = 40;
constexpr size_t kRandomKeys = 700;
constexpr size_t kCounters = 600;
constexpr size_t kSingleKeys = 500;
constexpr size_t kHotKeys = 60;
constexpr size_t kRangeReach = 40;  // pool keys that a range covers at most
constexpr size_t kLongKeyBytes = 3000;
constexpr double kShapeScale = 0.015;

std::string RandomBytes(RandomSource* random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random->Uniform(256));
  }
  return bytes;
}

}  // namespace

// Sorts between the clusters ("https...") and nothing else of the pool, and is
// kept apart by Range.
const char* const HistoryKeys::kSingleHome = "single/";

HistoryKeys::HistoryKeys(RandomSource* random, const std::string& shape)
    : random_(random) {
  general_.emplace_back();
  if (shape.empty()) {
    AddClusters();
    AddPrefixChains();
    AddRandomBytes();
    AddCounters();
  } else {
    AddShape(shape);
  }
  const std::string home = kSingleHome;
  general_.erase(std::remove_if(general_.begin(), general_.end(),
                                [&](const std::string& key) {
                                  return key.compare(0, home.size(), home) == 0;
                                }),
                 general_.end());
  std::sort(general_.begin(), general_.end());
  general_.erase(std::unique(general_.begin(), general_.end()), general_.end());
  for (size_t i = 0; i < kSingleKeys; i++) {
    single_.push_back(home + std::to_string(i * 7919));
  }
  for (size_t i = 0; i < kHotKeys; i++) {
    hot_.push_back(random_->Uniform(general_.size()));
  }
}

void HistoryKeys::AddShape(const std::string& shape) {
  ShapeOptions options;
  options.seed = random_->Next();
  options.scale = kShapeScale;
  const std::vector<std::string> keys = MakeShape(shape, options).keys;
  general_.insert(general_.end(), keys.begin(), keys.end());
}

void HistoryKeys::AddClusters() {
  for (size_t c = 0; c < kClusters; c++) {
    const std::string host =
        "https://www.host" + std::to_string(random_->Uniform(1000)) +
        ".example/" + (random_->OneIn(2) ? "news/2024/" : "item?id=");
    for (size_t i = 0; i < kKeysPerCluster; i++) {
      std::string key = host + std::to_string(random_->Uniform(100000));
      if (random_->OneIn(3)) {
        key += "/index.html";
      }
      general_.push_back(key);
    }
  }
}

void HistoryKeys::AddPrefixChains() {
  for (size_t c = 0; c < kPrefixChains; c++) {
    std::string key;
    for (size_t i = 0; i < kChainLength; i++) {
      const char edge[] = {'\0', '\xff', 'a', 'b'};
      key.push_back(edge[random_->Uniform(sizeof(edge))]);
      general_.push_back(key);
    }
  }
  // Long keys that differ only at their ends.
  const std::string trunk = RandomBytes(random_, kLongKeyBytes);
  for (int i = 0; i < 8; i++) {
    general_.push_back(trunk + std::to_string(i));
  }
}

void HistoryKeys::AddRandomBytes() {
  for (size_t i = 0; i < kRandomKeys; i++) {
    general_.push_back(RandomBytes(random_, 1 + random_->Uniform(24)));
  }
}

void HistoryKeys::AddCounters() {
  for (size_t i = 0; i < kCounters; i++) {
    std::string key;
    for (int shift = 56; shift >= 0; shift -= 8) {
      key.push_back(static_cast<char>((i * 3 >> shift) & 0xff));
    }
    general_.push_back(key);
  }
}

const std::string& HistoryKeys::Any() {
  return random_->OneIn(3) ? general_[hot_[random_->Uniform(hot_.size())]]
                           : general_[random_->Uniform(general_.size())];
}

const std::string& HistoryKeys::Single() {
  return single_[random_->Uniform(single_.size())];
}

std::string HistoryKeys::Target() {
  std::string key = random_->OneIn(8) ? Single() : Any();
  switch (random_->Uniform(6)) {
    case 0:
      key.push_back(static_cast<char>(random_->Uniform(256)));
      break;
    case 1:
      key.resize(random_->Uniform(key.size() + 1));
      break;
    case 2:
      if (!key.empty()) {
        key[random_->Uniform(key.size())] =
            static_cast<char>(random_->Uniform(256));
      }
      break;
    default:
      break;
  }
  return key;
}

void HistoryKeys::Range(std::string* begin, std::string* end) {
  const std::string home = kSingleHome;
  const size_t from = random_->Uniform(general_.size() - 1);
  const size_t reach = 1 + random_->Uniform(kRangeReach);
  *begin = general_[from];
  *end = general_[std::min(from + reach, general_.size() - 1)];
  if (*begin<home&& * end> home) {
    *end = home;
  }
}

std::string HistoryKeys::Value() {
  const uint64_t kind = random_->Uniform(2000);
  if (kind == 0) {
    return std::string(100000, static_cast<char>('a' + random_->Uniform(26)));
  }
  if (kind < 40) {
    return RandomBytes(random_, random_->Uniform(4096));
  }
  if (kind < 240) {
    return "";
  }
  if (kind < 640) {
    return RandomBytes(random_, 8);
  }
  return "value" + std::to_string(random_->Next()) +
         std::string(random_->Uniform(60), 'v');
}

std::string ShowKey(const std::string& key) {
  constexpr size_t kShown = 40;
  return "0x" + rocksdb::Slice(key.substr(0, kShown)).ToString(true) +
         (key.size() > kShown ? "...(" + std::to_string(key.size()) + " bytes)"
                              : "");
}

}  // namespace memkv
