// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie_builder.h"

#include <algorithm>
#include <cassert>

#include "table/key_trie_format.h"
#include "table/packed_array.h"

namespace memkv {

KeyTrieBuilder::KeyTrieBuilder(const Options& options)
    : bucket_keys_(std::min(std::max(options.bucket_keys, uint32_t{1}),
                            kMaxKeyTrieBucketKeys)),
      max_size_(std::min<uint64_t>(options.max_size, kMaxKeyTrieSize)) {}

void KeyTrieBuilder::Add(std::string_view key) {
  assert(num_keys_ == 0 || last_key_ < key);
  if (overflow_ || num_keys_ == kMaxKeyTrieKeys || key.size() > max_size_ ||
      EstimatedSize() / 2 > max_size_) {
    // What is refused here cannot fit: every byte of a key is stored at least
    // once, and the estimate is not wrong by a factor.  It bounds the memory;
    // Finish knows the exact size and has the last word.
    overflow_ = true;
    return;
  }
  const uint64_t lcp = CommonPrefix(key, last_key_);
  if (num_keys_ > 0) {
    min_lcp_ = std::min(min_lcp_, lcp);
  }
  if (keys_in_bucket_ == bucket_keys_) {
    FlushBucket();
    // The shortest string that is greater than the last key and not greater
    // than this one is a prefix of this one.
    const uint64_t length = lcp + 1;
    const uint64_t shared = std::min(min_lcp_, separator_length_);
    top_.Add(shared, key.substr(static_cast<size_t>(shared),
                                static_cast<size_t>(length - shared)));
    separator_length_ = length;
    min_lcp_ = UINT64_MAX;
  }
  PutEntryHeader(&headers_, last_lcp_, lcp, key.size() - lcp);
  suffixes_.append(key.data() + lcp, key.size() - static_cast<size_t>(lcp));
  last_lcp_ = lcp;
  last_key_.assign(key.data(), key.size());
  ++keys_in_bucket_;
  ++num_keys_;
}

void KeyTrieBuilder::FlushBucket() {
  bucket_offsets_.push_back(buckets_.size());
  PutVarint64(&buckets_, headers_.size());
  buckets_ += headers_;
  buckets_ += suffixes_;
  headers_.clear();
  suffixes_.clear();
  keys_in_bucket_ = 0;
  last_lcp_ = 0;
}

size_t KeyTrieBuilder::EstimatedSize() const {
  size_t size = kKeyTrieHeaderSize + buckets_.size() + headers_.size() +
                suffixes_.size() + VarintLength(headers_.size());
  size_t offset_bits = 0;
  for (size_t max = buckets_.size(); max != 0; max >>= 1) {
    ++offset_bits;
  }
  size += 2 + ((bucket_offsets_.size() + 1) * offset_bits + 7) / 8;
  if (!bucket_offsets_.empty()) {
    size += top_.EstimatedSize();
  }
  return size;
}

bool KeyTrieBuilder::Finish(std::string* out, std::string* reason) {
  std::string offsets;
  std::string top;
  if (!overflow_) {
    if (keys_in_bucket_ > 0) {
      FlushBucket();
    }
    PackedArrayBuilder::Encode(bucket_offsets_.data(), bucket_offsets_.size(),
                               &offsets);
    if (bucket_offsets_.size() > 1) {
      top_.Finish(&top);
    }
  }
  if (overflow_ || kKeyTrieHeaderSize + uint64_t{offsets.size()} + top.size() +
                           buckets_.size() >
                       max_size_) {
    *reason = "key trie: the keys take more than " + std::to_string(max_size_) +
              " bytes or are more than " + std::to_string(kMaxKeyTrieKeys) +
              "; build several dictionaries of fewer keys";
    overflow_ = true;
    return false;
  }
  out->push_back(static_cast<char>(kKeyTrieEncoding));
  out->push_back(0);
  PutFixed(out, bucket_keys_, 2);
  PutFixed(out, num_keys_, 4);
  PutFixed(out, offsets.size(), 4);
  PutFixed(out, top.size(), 4);
  PutFixed(out, buckets_.size(), 4);
  *out += offsets;
  *out += top;
  *out += buckets_;
  return true;
}

void KeyTrieBuilder::Reset() {
  num_keys_ = 0;
  overflow_ = false;
  last_key_.clear();
  headers_.clear();
  suffixes_.clear();
  keys_in_bucket_ = 0;
  last_lcp_ = 0;
  buckets_.clear();
  bucket_offsets_.clear();
  top_.Reset();
  separator_length_ = 0;
  min_lcp_ = UINT64_MAX;
}

}  // namespace memkv
