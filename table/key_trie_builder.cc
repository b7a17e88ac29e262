// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie_builder.h"

#include <algorithm>
#include <cassert>

#include "table/key_trie_format.h"
#include "table/key_trie_separators.h"
#include "table/key_trie_token_encoder.h"
#include "table/packed_array.h"

namespace memkv {
namespace key_trie {

namespace {

// What a bucket costs beside its codes and its separator, at the widths that
// file paths have: for the estimate.
constexpr size_t kBucketEstimate = 20;

}  // namespace

struct Builder::Coding {
  const TokenEncoder* tokens = nullptr;
  unsigned width = 8;
  // Without tokens: the symbols, none if codes are bytes, and the code of each
  // byte.
  std::string symbols;
  uint8_t code_of[256];
};

Builder::Builder(const Options& options)
    : bucket_keys_(
          std::min(std::max(options.bucket_keys, uint32_t{1}), kMaxBucketKeys)),
      max_size_(std::min<uint64_t>(options.max_size, kMaxSize)) {}

void Builder::Add(std::string_view key) {
  assert(keys_.empty() || last_key_ < key);
  // What is refused here cannot fit: a code is at least a bit, and a token has
  // at most kMaxLength bytes.  It bounds the memory; Finish knows the exact
  // size and has the last word.
  const size_t raw = suffixes_.size() + key.size();
  if (overflow_ || keys_.size() == kMaxKeys || raw > kMaxSize ||
      raw / Tokens::kMaxLength > max_size_ || keys_.size() / 8 > max_size_) {
    overflow_ = true;
    return;
  }
  const size_t lcp = CommonPrefix(key, last_key_);
  const std::string_view suffix = key.substr(lcp);
  suffixes_.append(suffix.data(), suffix.size());
  keys_.push_back(
      {static_cast<uint32_t>(lcp), static_cast<uint32_t>(suffixes_.size())});
  last_key_.replace(lcp, std::string::npos, suffix.data(), suffix.size());
  shortest_key_ = std::min(shortest_key_, key.size());
  longest_key_ = std::max(longest_key_, key.size());
  if (heads_.empty()) {
    heads_.push_back(0);
    separators_.emplace_back();
  } else if (keys_.size() - heads_.back() > bucket_keys_) {
    CutBucket();
  }
}

void Builder::CutBucket() {
  const size_t last = keys_.size() - 1;
  size_t head = last;
  for (size_t i = last; i > last - (bucket_keys_ + 3) / 4; --i) {
    if (keys_[i].lcp < keys_[head].lcp) {
      head = i;
    }
  }
  // The shortest string that is greater than the key before the head and not
  // greater than the head: a prefix of the head, and all but its last byte also
  // of the last key, since no LCP between them is smaller.
  std::string separator = last_key_.substr(0, keys_[head].lcp);
  separator.push_back(SuffixOf(head)[0]);
  heads_.push_back(static_cast<uint32_t>(head));
  separator_bytes_ +=
      separator.size() - CommonPrefix(separator, separators_.back());
  separators_.push_back(std::move(separator));
}

void Builder::WriteBucket(const Coding& coding, size_t begin, size_t end,
                          std::string* out) {
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
  if (coding.tokens != nullptr) {
    bucket_suffixes_.clear();
    for (size_t i = begin; i < end; ++i) {
      bucket_suffixes_.push_back(SuffixOf(i));
    }
    const size_t n = end - begin;
    coding.tokens->Encode(bucket_suffixes_.data(), n, &codes_);
    for (size_t i = 0; i < n; ++i) {
      bits.Put(*codes_.begin(i), coding.width);
    }
    bits.Finish();
    for (size_t i = 0; i < n; ++i) {
      for (const uint16_t* c = codes_.begin(i) + 1; c != codes_.end(i); ++c) {
        bits.Put(*c, coding.width);
      }
    }
  } else {
    const auto put = [&](char c) {
      bits.Put(coding.code_of[static_cast<uint8_t>(c)], coding.width);
    };
    for (size_t i = begin; i < end; ++i) {
      const std::string_view suffix = SuffixOf(i);
      if (suffix.empty()) {
        bits.Put(0, coding.width);  // The empty key's, which no one reads.
      } else {
        put(suffix[0]);
      }
    }
    bits.Finish();
    for (size_t i = begin; i < end; ++i) {
      for (const char c :
           SuffixOf(i).substr(std::min<size_t>(1, SuffixOf(i).size()))) {
        put(c);
      }
    }
  }
  bits.Finish();
}

size_t Builder::EstimatedSize() const {
  // LCPs and lengths are a byte each or less but where keys are very long.
  return kHeaderSize + kPadding + suffixes_.size() + 2 * keys_.size() +
         heads_.size() * kBucketEstimate + separator_bytes_;
}

Builder::Coding Builder::ChooseCoding(const TokenEncoder* tokens) const {
  Coding coding;
  if (tokens != nullptr) {
    coding.tokens = tokens;
    coding.width = tokens->width();
    return coding;
  }
  bool occurs[256] = {};
  for (const char c : suffixes_) {
    occurs[static_cast<uint8_t>(c)] = true;
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (occurs[byte]) {
      coding.code_of[byte] = static_cast<uint8_t>(coding.symbols.size());
      coding.symbols.push_back(static_cast<char>(byte));
    }
  }
  const size_t symbols = coding.symbols.size();
  coding.width = symbols < 2 ? 1 : BitWidth(symbols - 1);
  if (coding.width == 8) {
    coding.symbols.clear();
    for (int byte = 0; byte < 256; ++byte) {
      coding.code_of[byte] = static_cast<uint8_t>(byte);
    }
  }
  return coding;
}

bool Builder::TooLarge(std::string* reason) {
  *reason = "key trie: the keys take more than " + std::to_string(max_size_) +
            " bytes, are more than " + std::to_string(kMaxKeys) +
            ", or need more than " +
            std::to_string(SeparatorTrieBuilder::kMaxSeparators) +
            " buckets; build several dictionaries of fewer keys";
  overflow_ = true;
  return false;
}

bool Builder::Finish(const TokenEncoder* tokens, std::string* out,
                     std::string* reason) {
  std::string separators;
  if (overflow_ ||
      (!heads_.empty() &&
       !SeparatorTrieBuilder::Encode(separators_, max_size_, &separators))) {
    return TooLarge(reason);
  }
  const Coding coding = ChooseCoding(tokens);
  const unsigned ordinal_bits = BitWidth(keys_.size());
  std::string buckets;
  std::vector<uint64_t> places;
  places.reserve(heads_.size() + 1);
  for (size_t b = 0; b < heads_.size(); ++b) {
    const size_t end = b + 1 < heads_.size() ? heads_[b + 1] : keys_.size();
    places.push_back(uint64_t{buckets.size()} << ordinal_bits | heads_[b]);
    WriteBucket(coding, heads_[b], end, &buckets);
  }
  places.push_back(uint64_t{buckets.size()} << ordinal_bits | keys_.size());
  std::string directory;
  PackedArrayBuilder::Encode(places.data(), places.size(), &directory);
  if (kHeaderSize + uint64_t{coding.symbols.size()} + separators.size() +
          directory.size() + buckets.size() + kPadding >
      max_size_) {
    return TooLarge(reason);
  }
  out->push_back(static_cast<char>(kEncoding));
  out->push_back(static_cast<char>(tokens != nullptr ? kTokenCodes : kSymbols));
  out->push_back(static_cast<char>(coding.width));
  out->push_back(0);
  PutFixed(out, coding.symbols.size(), 2);
  PutFixed(out, 0, 2);
  PutFixed(out, keys_.size(), 4);
  PutFixed(out, heads_.size(), 4);
  PutFixed(out, separators.size(), 4);
  PutFixed(out, directory.size(), 4);
  PutFixed(out, buckets.size(), 4);
  *out += coding.symbols;
  *out += separators;
  *out += directory;
  *out += buckets;
  out->append(kPadding, '\0');
  return true;
}

void Builder::Reset() {
  overflow_ = false;
  last_key_.clear();
  shortest_key_ = SIZE_MAX;
  longest_key_ = 0;
  keys_.clear();
  suffixes_.clear();
  heads_.clear();
  separators_.clear();
  separator_bytes_ = 0;
}

}  // namespace key_trie
}  // namespace memkv
