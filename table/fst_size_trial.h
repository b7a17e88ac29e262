// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What segments that wait for their dictionary will take in the file: found by
// writing a few of them in a dictionary made for the purpose, and compressing
// them.  RocksDB cuts a compaction's outputs by such an estimate, for every
// key.
//
// A dictionary of a small sample does worse than the file's will.  How much
// better that will be is extrapolated: what codes take falls by about the same
// factor with every doubling of the sample (measured: URLs 0.94, random keys
// 1.0), and two small samples, of which one has four times the other's size,
// tell the factor.
//
// It knows no RocksDB type.  Thread safety: none; one thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "table/fst_segment.h"
#include "table/key_trie_token_encoder.h"

namespace memkv {

class SizeTrial {
 public:
  // What a block takes in the file.
  using StoredSize = std::function<size_t(std::string_view)>;

  // Looks at sealed segments.  encoder: of the dictionary that they will be
  // written in, if it is known; null to train one on a sample.  Costs the
  // writing of at most an eighth of them and of kTriedBytes (but of one at
  // least), a step for each key and, without an encoder, training on 20 KiB,
  // again only where the keys have become sixteen times as many.
  void Run(const std::vector<const SegmentBuilder*>& segments,
           const key_trie::TokenEncoder* encoder, const StoredSize& stored);

  // Stored bytes of segments by their SegmentBuilder::EstimatedSize().
  double ratio() const { return ratio_; }
  // Of the dictionary, if it is not known.
  uint64_t dictionary_bytes() const { return dictionary_bytes_; }

 private:
  static constexpr uint64_t kTriedBytes = uint64_t{512} << 10;

  void Train(const std::vector<const KeyTrieBuilder*>& keys,
             uint64_t suffix_bytes, const StoredSize& stored);

  // Until something was tried: what tokens leave of front-coded keys beside
  // tiny values, about.
  double ratio_ = 0.6;
  uint64_t dictionary_bytes_ = 0;
  uint64_t trained_at_ = 0;  // bytes of suffixes
  // Of the dictionary that was trained; null if tokens do not pay.
  std::unique_ptr<key_trie::TokenEncoder> encoder_;
  uint64_t stored_tokens_ = 0;
  double a_doubling_ = 1;  // of the sample leaves that of the codes
};

}  // namespace memkv
