// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/key_coding_bench/codings.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "db_bench_ext/common/walk.h"
#include "table/key_trie/builder.h"
#include "table/key_trie/cursor.h"
#include "table/key_trie/reader.h"
#include "table/key_trie/separators.h"
#include "table/key_trie/token_choice.h"
#include "table/key_trie/token_encoder.h"
#include "util/cache_line_counter.h"
#include "util/common_prefix.h"
#include "util/trie_coding.h"

namespace memkv {

namespace {

const uint8_t* Bytes(std::string_view s) {
  return reinterpret_cast<const uint8_t*>(s.data());
}

// ---------------------------------------------------------------------------

class FrontCoding : public KeyCoding {
 public:
  bool Build(const std::vector<std::string_view>& keys,
             std::string* /*reason*/) override {
    num_keys_ = keys.size();
    for (size_t i = 0; i < keys.size(); ++i) {
      size_t shared = 0;
      if (i % kRestart == 0) {
        restarts_.push_back(static_cast<uint32_t>(bytes_.size()));
      } else {
        shared = CommonPrefix(keys[i], keys[i - 1]);
        PutVarint64(&bytes_, shared);
      }
      PutVarint64(&bytes_, keys[i].size() - shared);
      bytes_ += keys[i].substr(shared);
      longest_ = std::max(longest_, keys[i].size());
    }
    bytes_.shrink_to_fit();
    return bytes_.size() <= UINT32_MAX;
  }

  size_t Bytes() const override {
    return bytes_.size() + restarts_.size() * sizeof(restarts_[0]);
  }

  uint64_t Find(std::string_view key) const override {
    bool found = false;
    const uint64_t rank = LowerBound(key, &found);
    return found ? rank : kNotFound;
  }

  uint64_t Rank(std::string_view key) const override {
    bool found = false;
    return LowerBound(key, &found);
  }

  uint64_t Scan(bool forwards) const override {
    std::string key(longest_, '\0');
    uint64_t sum = 0;
    // Backwards, every restart interval is decoded once from its start.
    const size_t intervals = restarts_.size();
    for (size_t n = 0; n < intervals; ++n) {
      const size_t interval = forwards ? n : intervals - 1 - n;
      const uint8_t* p = Start(interval);
      const uint64_t first = interval * kRestart;
      const uint64_t end = std::min<uint64_t>(first + kRestart, num_keys_);
      for (uint64_t i = first; i < end; ++i) {
        uint32_t shared = 0;
        uint32_t length = 0;
        if (i != first) {
          p = Varint(p, &shared);
        }
        p = Varint(p, &length);
        memcpy(&key[shared], p, length);
        p += length;
        sum += KeySum(std::string_view(key).substr(0, shared + length));
      }
    }
    return sum;
  }

 private:
  static constexpr size_t kRestart = 16;

  // The number of keys less than key, and whether the next one is it.
  uint64_t LowerBound(std::string_view key, bool* found) const {
    if (num_keys_ == 0) {
      return 0;
    }
    // The last restart point that is not greater.
    size_t low = 0;
    for (size_t n = restarts_.size(); n > 1;) {
      const size_t half = n / 2;
      CountCacheLine(&restarts_[low + half]);
      uint32_t length = 0;
      const uint8_t* const p = Varint(Start(low + half), &length);
      CountCacheLine(p);
      if (std::string_view(reinterpret_cast<const char*>(p), length) <= key) {
        low += half;
        n -= half;
      } else {
        n = half;
      }
    }
    const uint8_t* p = Start(low);
    uint64_t matched = 0;
    const uint64_t first = low * kRestart;
    const uint64_t end = std::min<uint64_t>(first + kRestart, num_keys_);
    for (uint64_t i = first; i < end; ++i) {
      uint32_t shared = 0;
      uint32_t length = 0;
      if (i != first) {
        p = Varint(p, &shared);
      }
      p = Varint(p, &length);
      CountCacheLine(p);
      if (shared < matched) {
        return i;
      }
      if (shared == matched) {
        const size_t rest = key.size() - matched;
        const size_t shorter = std::min<size_t>(length, rest);
        const size_t common =
            CommonPrefix(p, memkv::Bytes(key) + matched, shorter);
        *found = common == length && common == rest;
        if (common == rest ||
            (common < length &&
             p[common] > static_cast<uint8_t>(key[matched + common]))) {
          return i;
        }
        matched += common;
      }
      p += length;
    }
    return end;
  }

  const uint8_t* Start(size_t restart) const {
    return memkv::Bytes(bytes_) + restarts_[restart];
  }
  const uint8_t* Varint(const uint8_t* p, uint32_t* value) const {
    return GetVarint32(p, memkv::Bytes(bytes_) + bytes_.size(), value);
  }

  size_t num_keys_ = 0;
  size_t longest_ = 0;
  std::string bytes_;
  std::vector<uint32_t> restarts_;
};

// ---------------------------------------------------------------------------

// Segments of keys under an index of them, with one dictionary: as a table's.
class KeyTrieCoding : public KeyCoding {
 public:
  explicit KeyTrieCoding(const KeyCodingOptions& options) : options_(options) {}

  bool Build(const std::vector<std::string_view>& keys,
             std::string* reason) override {
    KeyTrieBuilder::Options options;
    options.bucket_keys = options_.bucket_keys;
    std::vector<std::unique_ptr<KeyTrieBuilder>> builders;
    std::vector<std::string> separators;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (i == 0 || builders.back()->num_keys() == options_.segment_keys ||
          (options_.segment_bytes > 0 &&
           builders.back()->EstimatedSize() >= options_.segment_bytes)) {
        first_.push_back(i);
        const size_t lcp = i == 0 ? 0 : CommonPrefix(keys[i], keys[i - 1]) + 1;
        separators.emplace_back(keys[i].substr(0, lcp));
        builders.push_back(std::make_unique<KeyTrieBuilder>(options));
      }
      builders.back()->Add(keys[i]);
    }
    std::vector<const KeyTrieBuilder*> trained;
    for (const auto& builder : builders) {
      trained.push_back(builder.get());
    }
    std::string token_table;
    key_trie::TrainTokens(trained, options_.sample_bytes, &token_table);
    std::unique_ptr<key_trie::TokenEncoder> encoder;
    if (!token_table.empty()) {
      if (!tokens_.Open(token_table, reason)) {
        return false;
      }
      encoder = std::make_unique<key_trie::TokenEncoder>(tokens_);
    }
    segment_bytes_.resize(builders.size());
    segments_.resize(builders.size());
    for (size_t i = 0; i < builders.size(); ++i) {
      if (!builders[i]->Finish(encoder.get(), &segment_bytes_[i], reason)) {
        return false;
      }
      builders[i].reset();
      segment_bytes_[i].shrink_to_fit();
      if (!KeyTrieReader::Open(segment_bytes_[i], &tokens_, &segments_[i],
                               reason)) {
        return false;
      }
    }
    if (separators.empty()) {
      return true;
    }
    if (!key_trie::SeparatorTrieBuilder::Encode(separators, UINT32_MAX,
                                                &index_bytes_)) {
      *reason = "too many segments";
      return false;
    }
    const size_t size = index_bytes_.size();
    index_bytes_.append(key_trie::kPadding, '\0');
    return key_trie::SeparatorTrie::Open(
        std::string_view(index_bytes_).substr(0, size),
        static_cast<uint32_t>(separators.size()), &index_, reason);
  }

  bool Validate(std::string* reason) const override {
    for (const KeyTrieReader& segment : segments_) {
      if (!segment.Validate(reason)) {
        return false;
      }
    }
    return true;
  }

  size_t Bytes() const override {
    size_t bytes = index_bytes_.size() + tokens_.MemoryUsage();
    for (const std::string& segment : segment_bytes_) {
      bytes += segment.size();
    }
    return bytes;
  }

  uint64_t Find(std::string_view key) const override {
    const key_trie::SoughtKey target(key);
    key_trie::SeparatorTrie::FloorResult place;
    if (segments_.empty() || !index_.Find(target, &place)) {
      return kNotFound;
    }
    CountCacheLine(&segments_[place.ordinal]);
    return RankOf(place.ordinal, segments_[place.ordinal].Find(target));
  }

  uint64_t Rank(std::string_view key) const override {
    const key_trie::SoughtKey target(key);
    key_trie::SeparatorTrie::FloorResult place;
    if (segments_.empty() || !index_.Find(target, &place)) {
      return 0;
    }
    return RankOf(place.ordinal, segments_[place.ordinal].Rank(key));
  }

  void FindAll(const std::string_view* keys, size_t n,
               uint64_t* ranks) const override {
    std::array<std::optional<key_trie::SoughtKey>, kMaxBatch> targets;
    std::array<const key_trie::SoughtKey*, kMaxBatch> sought = {};
    std::array<const key_trie::SeparatorTrie*, kMaxBatch> indexes = {};
    std::array<key_trie::SeparatorTrie::FloorResult, kMaxBatch> places;
    std::array<bool, kMaxBatch> whole;
    std::array<const KeyTrieReader*, kMaxBatch> segments = {};
    std::array<uint32_t, kMaxBatch> ordinals;
    for (size_t i = 0; i < n; ++i) {
      sought[i] = &targets[i].emplace(keys[i]);
      indexes[i] = &index_;
    }
    key_trie::SeparatorTrie::FindAll(indexes.data(), sought.data(), n,
                                     places.data(), whole.data());
    for (size_t i = 0; i < n; ++i) {
      segments[i] = &segments_[places[i].ordinal];
      PrefetchObject(segments[i]);
    }
    KeyTrieReader::FindAll(segments.data(), sought.data(), n, ordinals.data());
    for (size_t i = 0; i < n; ++i) {
      ranks[i] = RankOf(places[i].ordinal, ordinals[i]);
    }
  }

  uint64_t Scan(bool forwards) const override {
    uint64_t sum = 0;
    KeyTrieCursor cursor;
    for (size_t n = 0; n < segments_.size(); ++n) {
      cursor.Reset(&segments_[forwards ? n : segments_.size() - 1 - n]);
      WalkAll(&cursor, forwards, [&] { sum += KeySum(cursor.key()); });
    }
    return sum;
  }

 private:
  uint64_t RankOf(uint32_t segment, uint32_t ordinal) const {
    return ordinal >= KeyTrieReader::kCorrupt ? kNotFound
                                              : first_[segment] + ordinal;
  }

  const KeyCodingOptions options_;
  // Of each segment, the rank of its first key.
  std::vector<uint64_t> first_;
  std::vector<std::string> segment_bytes_;
  std::vector<KeyTrieReader> segments_;
  std::string index_bytes_;
  key_trie::Tokens tokens_;
  key_trie::SeparatorTrie index_;  // of the segments
};

}  // namespace

std::unique_ptr<KeyCoding> NewKeyCoding(const std::string& name,
                                        const KeyCodingOptions& options) {
  if (name == "front_coding") {
    return std::make_unique<FrontCoding>();
  }
  if (name == "key_trie") {
    return std::make_unique<KeyTrieCoding>(options);
  }
  return nullptr;
}

}  // namespace memkv
