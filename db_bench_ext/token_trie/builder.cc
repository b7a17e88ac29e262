// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/token_trie/builder.h"

#include <algorithm>
#include <cassert>

#include "db_bench_ext/token_trie/format.h"
#include "db_bench_ext/token_trie/token_encoder.h"
#include "table/packed_array.h"

namespace memkv {
namespace token_trie {

namespace {

// What a bucket costs beside its codes, and a level, at the widths that file
// paths have: for the estimate.
constexpr size_t kBucketEstimate = 8;
constexpr size_t kLevelEstimate = kLevelHeaderSize + 4;

// Of the levels above the lowest: what a look-up brings in at once.
constexpr uint32_t kUpperBucketKeys = kMaxBucketKeys;

}  // namespace

// ---------------------------------------------------------------------------
// A level

bool LevelBuilder::Add(size_t lcp, std::string_view suffix,
                       size_t* separator_lcp, std::string* separator_rest) {
  suffixes_.append(suffix.data(), suffix.size());
  keys_.push_back(
      {static_cast<uint32_t>(lcp), static_cast<uint32_t>(suffixes_.size())});
  last_key_.replace(lcp, std::string::npos, suffix.data(), suffix.size());
  if (heads_.empty()) {
    heads_.push_back(0);
    return false;
  }
  if (keys_.size() - heads_.back() <= bucket_keys_) {
    return false;
  }
  CutBucket(separator_lcp, separator_rest);
  return true;
}

void LevelBuilder::CutBucket(size_t* separator_lcp,
                             std::string* separator_rest) {
  const size_t begin = heads_.back();
  const size_t last = keys_.size() - 1;
  size_t head = last;
  for (size_t i = last; i > last - (bucket_keys_ + 3) / 4; --i) {
    if (keys_[i].lcp < keys_[head].lcp) {
      head = i;
    }
  }
  size_t shared = separator_length_;
  for (size_t i = begin + 1; i <= head; ++i) {
    shared = std::min<size_t>(shared, keys_[i].lcp);
  }
  // The shortest string that is greater than the key before the head and not
  // greater than the head: a prefix of the head, and all but its last byte also
  // of the last key, since no LCP between them is smaller.
  const size_t lcp = keys_[head].lcp;
  *separator_lcp = shared;
  separator_rest->assign(last_key_, shared, lcp - shared);
  separator_rest->push_back(SuffixOf(head)[0]);
  separator_length_ = lcp + 1;
  heads_.push_back(static_cast<uint32_t>(head));
}

void LevelBuilder::WriteBucket(const Coding& coding, size_t begin, size_t end,
                               std::vector<uint16_t>* codes,
                               std::string* out) const {
  uint32_t min_lcp = UINT32_MAX;
  uint32_t max_lcp = 0;
  for (size_t i = begin + 1; i < end; ++i) {
    min_lcp = std::min(min_lcp, keys_[i].lcp);
    max_lcp = std::max(max_lcp, keys_[i].lcp);
  }
  if (end - begin == 1) {
    min_lcp = 0;
  }
  const unsigned lcp_width = BitWidth(max_lcp - min_lcp);
  out->push_back(static_cast<char>(lcp_width));
  PutVarint32(out, keys_[begin].lcp);
  PutVarint32(out, min_lcp);
  const auto length_of = [this](size_t i) {
    return static_cast<uint32_t>(keys_[i].lcp + SuffixOf(i).size());
  };
  uint32_t min_length = UINT32_MAX;
  uint32_t max_length = 0;
  unsigned length_width = 0;
  if (coding.tokens == nullptr) {
    for (size_t i = begin; i < end; ++i) {
      min_length = std::min(min_length, length_of(i));
      max_length = std::max(max_length, length_of(i));
    }
    length_width = BitWidth(max_length - min_length);
    out->push_back(static_cast<char>(length_width));
    PutVarint32(out, min_length);
  }
  BitsWriter bits(out);
  for (size_t i = begin + 1; i < end; ++i) {
    bits.Put(keys_[i].lcp - min_lcp, lcp_width);
  }
  bits.Finish();
  if (coding.tokens == nullptr) {
    for (size_t i = begin; i < end; ++i) {
      bits.Put(length_of(i) - min_length, length_width);
    }
    bits.Finish();
  }
  codes->clear();
  std::vector<uint16_t> suffix_codes;
  for (size_t i = begin; i < end; ++i) {
    suffix_codes.clear();
    if (coding.tokens != nullptr) {
      coding.tokens->Encode(SuffixOf(i), &suffix_codes);
    } else {
      for (const char c : SuffixOf(i)) {
        suffix_codes.push_back(coding.code_of[static_cast<uint8_t>(c)]);
      }
      if (suffix_codes.empty()) {
        suffix_codes.push_back(0);  // The empty key's, which no one reads.
      }
    }
    bits.Put(suffix_codes[0], coding.width);
    codes->insert(codes->end(), suffix_codes.begin() + 1, suffix_codes.end());
  }
  bits.Finish();
  for (const uint16_t code : *codes) {
    bits.Put(code, coding.width);
  }
  bits.Finish();
}

void LevelBuilder::Write(const Coding& coding, std::string* out) const {
  const unsigned ordinal_bits = BitWidth(keys_.size());
  std::string buckets;
  std::vector<uint64_t> places;
  std::vector<uint16_t> codes;
  for (size_t b = 0; b < heads_.size(); ++b) {
    const size_t end = b + 1 < heads_.size() ? heads_[b + 1] : keys_.size();
    places.push_back(uint64_t{buckets.size()} << ordinal_bits | heads_[b]);
    WriteBucket(coding, heads_[b], end, &codes, &buckets);
  }
  places.push_back(uint64_t{buckets.size()} << ordinal_bits | keys_.size());
  std::string directory;
  PackedArrayBuilder::Encode(places.data(), places.size(), &directory);
  PutFixed(out, keys_.size(), 4);
  PutFixed(out, heads_.size(), 4);
  PutFixed(out, directory.size(), 4);
  PutFixed(out, buckets.size(), 4);
  *out += directory;
  *out += buckets;
}

void LevelBuilder::Reset() {
  last_key_.clear();
  keys_.clear();
  suffixes_.clear();
  heads_.clear();
  separator_length_ = 0;
}

// ---------------------------------------------------------------------------
// The whole

Builder::Builder(const Options& options)
    : bucket_keys_(
          std::min(std::max(options.bucket_keys, uint32_t{1}), kMaxBucketKeys)),
      max_size_(std::min<uint64_t>(options.max_size, kMaxSize)) {
  levels_.push_back(std::make_unique<LevelBuilder>(bucket_keys_));
}

void Builder::Add(std::string_view key) {
  LevelBuilder* const lowest = levels_[0].get();
  const std::string_view last = lowest->last_key();
  assert(lowest->empty() || last < key);
  // What is refused here cannot fit: a code is at least a bit, and a token has
  // at most kMaxLength bytes.  It bounds the memory; Finish knows the exact
  // size and has the last word.
  const size_t raw = lowest->suffixes().size() + key.size();
  if (overflow_ || lowest->num_keys() == kMaxKeys || raw > kMaxSize ||
      raw / Tokens::kMaxLength > max_size_ ||
      lowest->num_keys() / 8 > max_size_) {
    overflow_ = true;
    return;
  }
  size_t lcp = CommonPrefix(reinterpret_cast<const uint8_t*>(key.data()),
                            reinterpret_cast<const uint8_t*>(last.data()),
                            std::min(key.size(), last.size()));
  std::string_view suffix = key.substr(lcp);
  for (size_t level = 0;
       levels_[level]->Add(lcp, suffix, &lcp, &separator_rest_); ++level) {
    if (level + 1 == levels_.size()) {
      levels_.push_back(std::make_unique<LevelBuilder>(kUpperBucketKeys));
    }
    if (levels_[level + 1]->empty()) {
      size_t unused = 0;
      levels_[level + 1]->Add(0, "", &unused, nullptr);
    }
    suffix = separator_rest_;
  }
}

size_t Builder::EstimatedSize() const {
  size_t size = kHeaderSize + kPadding;
  for (const auto& level : levels_) {
    // LCPs and lengths are a byte each or less but where keys are very long.
    size += kLevelEstimate + level->suffixes().size() + 2 * level->num_keys() +
            level->num_buckets() * kBucketEstimate;
  }
  return size;
}

bool Builder::Finish(const TokenEncoder* tokens, std::string* out,
                     std::string* reason) {
  std::string levels;
  std::string symbols;
  LevelBuilder::Coding bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.code_of[byte] = static_cast<uint8_t>(byte);
  }
  LevelBuilder::Coding lowest = bytes;
  uint32_t num_levels = 0;
  if (!overflow_) {
    if (tokens != nullptr) {
      lowest.tokens = tokens;
      lowest.width = tokens->width();
    } else {
      bool occurs[256] = {};
      for (const char c : levels_[0]->suffixes()) {
        occurs[static_cast<uint8_t>(c)] = true;
      }
      for (int byte = 0; byte < 256; ++byte) {
        if (occurs[byte]) {
          lowest.code_of[byte] = static_cast<uint8_t>(symbols.size());
          symbols.push_back(static_cast<char>(byte));
        }
      }
      lowest.width = symbols.size() < 2 ? 1 : BitWidth(symbols.size() - 1);
      if (lowest.width == 8) {
        lowest = bytes;
        symbols.clear();
      }
    }
    for (const auto& level : levels_) {
      if (!level->empty()) {
        level->Write(num_levels == 0 ? lowest : bytes, &levels);
        ++num_levels;
      }
    }
  }
  if (overflow_ ||
      kHeaderSize + uint64_t{symbols.size()} + levels.size() + kPadding >
          max_size_) {
    *reason = "key trie: the keys take more than " + std::to_string(max_size_) +
              " bytes or are more than " + std::to_string(kMaxKeys) +
              "; build several dictionaries of fewer keys";
    overflow_ = true;
    return false;
  }
  out->push_back(static_cast<char>(kEncoding));
  out->push_back(static_cast<char>(tokens != nullptr ? kTokenCodes : kSymbols));
  out->push_back(static_cast<char>(lowest.width));
  out->push_back(static_cast<char>(num_levels));
  PutFixed(out, symbols.size(), 2);
  PutFixed(out, 0, 2);
  *out += symbols;
  *out += levels;
  out->append(kPadding, '\0');
  return true;
}

void Builder::Reset() {
  overflow_ = false;
  levels_.resize(1);
  levels_[0]->Reset();
}

}  // namespace token_trie
}  // namespace memkv
