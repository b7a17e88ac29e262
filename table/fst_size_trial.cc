// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst_size_trial.h"

#include <algorithm>
#include <cmath>

#include "table/key_trie_token_trainer.h"
#include "table/key_trie_tokens.h"

namespace memkv {

namespace {

constexpr uint64_t kSampleBytes = uint64_t{16} << 10;
// Smaller ones than the file's, by this factor in either of the two steps that
// are compared.
constexpr double kSmaller = 4;
constexpr uint64_t kTrainAgain = 16;
// The most that a doubling of the sample is believed to gain.
constexpr double kMostADoubling = 0.85;
// A dictionary grows more slowly than its sample: measured, on URLs and paths.
constexpr double kDictionaryGrowth = 0.75;

}  // namespace

void SizeTrial::Train(const std::vector<const KeyTrieBuilder*>& keys,
                      uint64_t suffix_bytes, const StoredSize& stored) {
  trained_at_ = suffix_bytes;
  encoder_.reset();
  stored_tokens_ = 0;
  a_doubling_ = 1;
  double smaller_bits = 0;
  for (const double factor : {kSmaller, 1.0}) {
    std::string block;
    key_trie::TrainTokensOn(keys, static_cast<uint64_t>(kSampleBytes / factor),
                            &block);
    key_trie::Tokens tokens;
    std::string reason;
    if (block.empty() || !tokens.Open(block, &reason)) continue;
    auto encoder = std::make_unique<key_trie::TokenEncoder>(tokens);
    const double bits =
        key_trie::MeasureSuffixes(encoder.get(), keys).bits_a_byte();
    if (factor > 1) {
      smaller_bits = bits;
      continue;
    }
    encoder_ = std::move(encoder);
    stored_tokens_ = stored(block);
    if (smaller_bits > 0 && bits > 0) {
      a_doubling_ = std::min(
          1.0, std::max(kMostADoubling, std::pow(bits / smaller_bits,
                                                 1 / std::log2(kSmaller))));
    }
  }
}

void SizeTrial::Run(const std::vector<const SegmentBuilder*>& segments,
                    const key_trie::TokenEncoder* encoder,
                    const StoredSize& stored) {
  if (segments.empty()) return;
  uint64_t suffix_bytes = 0;
  uint64_t estimates = 0;
  std::vector<const KeyTrieBuilder*> keys;
  for (const SegmentBuilder* segment : segments) {
    keys.push_back(&segment->keys());
    suffix_bytes += segment->keys().suffix_bytes();
    estimates += segment->EstimatedSize();
  }
  // What the codes of a better dictionary will take of this one's.
  double better = 1;
  dictionary_bytes_ = 0;
  if (encoder == nullptr) {
    if (trained_at_ == 0 || suffix_bytes / kTrainAgain >= trained_at_) {
      Train(keys, suffix_bytes, stored);
    }
    encoder = encoder_.get();
    const double growth = static_cast<double>(key_trie::TokenSampleOf(
                              suffix_bytes, key_trie::kTokenSampleBytes)) /
                          static_cast<double>(kSampleBytes);
    better = std::pow(a_doubling_, std::log2(growth));
    dictionary_bytes_ =
        static_cast<uint64_t>(static_cast<double>(stored_tokens_) *
                              std::pow(growth, kDictionaryGrowth));
  }
  const double bits =
      better < 1 ? key_trie::MeasureSuffixes(encoder, keys).bits_a_byte() : 0;
  // Some segments, spread evenly, the last one among them.
  const uint64_t budget = std::min(kTriedBytes, estimates / 8);
  const auto tried = std::max<size_t>(
      1, static_cast<size_t>(budget * segments.size() / estimates));
  double tried_estimates = 0;
  double tried_stored = 0;
  std::string block;
  std::string reason;
  for (size_t i = 0; i < tried; ++i) {
    const SegmentBuilder& segment =
        *segments[(i + 1) * segments.size() / tried - 1];
    block.clear();
    if (!segment.Finish(encoder, &block, &reason)) continue;
    double share = 1;
    if (better < 1) {
      const double codes = bits / 8 *
                           static_cast<double>(segment.keys().suffix_bytes() +
                                               segment.num_keys());
      share -= (1 - better) *
               std::min(1.0, codes / static_cast<double>(block.size()));
    }
    tried_estimates += static_cast<double>(segment.EstimatedSize());
    tried_stored += share * static_cast<double>(stored(block));
  }
  if (tried_estimates > 0) ratio_ = tried_stored / tried_estimates;
}

}  // namespace memkv
