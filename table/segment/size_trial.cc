// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/segment/size_trial.h"

#include <algorithm>
#include <cmath>

#include "table/key_trie/token_choice.h"
#include "table/key_trie/tokens.h"

namespace memkv {

namespace {

// The sample is so much, or such a share of all suffixes, if that is more; it
// is compared with one of a quarter.
constexpr uint64_t kSampleBytes = uint64_t{16} << 10;
constexpr uint64_t kSampleShare = 512;
constexpr uint64_t kQuarter = 4;
// Of suffixes, to compare the two.
constexpr uint64_t kMeasured = uint64_t{64} << 10;
constexpr double kDoublingsBetween = 2;
// Later doublings gain less than the first ones, where keys are of few words:
// so much of the factor's logarithm.
constexpr double kLasting = 0.85;
constexpr uint64_t kTrainAgain = 16;
// The most that a doubling of the sample is believed to gain.  Of real keys it
// gains 1 to 4 %; small samples promise more.
constexpr double kMostADoubling = 0.95;
// A token table grows more slowly than its sample: measured, on URLs and paths.
constexpr double kDictionaryGrowth = 0.75;
// Pieces that a part of a segment's sections is taken in: keys, versions and
// values lie one after the other.
constexpr size_t kPieces = 16;

}  // namespace

void SizeTrial::Train() {
  std::vector<const KeyTrieBuilder*> keys;
  keys.reserve(segments_.size());
  for (const SegmentBuilder* segment : segments_) {
    keys.push_back(&segment->keys());
  }
  trained_.reset();
  stored_tokens_ = 0;
  a_doubling_ = 1;
  double smaller_bits = 0;
  sample_ = std::max(kSampleBytes, suffix_bytes_ / kSampleShare);
  for (const uint64_t sample : {sample_ / kQuarter, sample_}) {
    std::string block;
    key_trie::TrainTokensOn(keys, sample, &block);
    key_trie::Tokens tokens;
    std::string reason;
    if (block.empty() || !tokens.Open(block, &reason)) continue;
    auto encoder = std::make_unique<key_trie::TokenEncoder>(tokens);
    const double bits =
        key_trie::MeasureSuffixes(encoder.get(), keys, kMeasured).bits_a_byte();
    if (sample != sample_) {
      smaller_bits = bits;
      continue;
    }
    trained_ = std::move(encoder);
    stored_tokens_ = stored_(block);
    if (smaller_bits > 0 && bits > 0) {
      const double factor =
          std::pow(bits / smaller_bits, 1 / kDoublingsBetween);
      a_doubling_ = std::min(1.0, std::max(kMostADoubling, factor));
    }
  }
}

void SizeTrial::Measure(const SegmentBuilder& segment) {
  const KeyTrieBuilder& keys = segment.keys();
  // As many buckets as are a share of what this one stands for.
  const double share =
      std::min(1.0, static_cast<double>(pending_) / kShare /
                        static_cast<double>(segment.EstimatedSize()));
  const uint32_t all = keys.num_buckets();
  const auto n = std::min(
      all, std::max<uint32_t>(1, static_cast<uint32_t>(std::lround(
                                     share * static_cast<double>(all)))));
  const uint32_t begin = (all - n) / 2;
  std::string block;
  const KeyTrieBuilder::Part part =
      keys.EncodeBuckets(encoder_, begin, begin + n, &block);
  const double whole =
      static_cast<double>(segment.num_keys()) / static_cast<double>(part.keys);
  const std::string_view sections = segment.sections();
  const auto piece = static_cast<size_t>(static_cast<double>(sections.size()) /
                                         whole / kPieces);
  if (piece < 64) {
    const auto size = static_cast<size_t>(
        std::ceil(static_cast<double>(sections.size()) / whole));
    block.append(sections.substr((sections.size() - size) / 2, size));
  } else {
    for (size_t i = 0; i < kPieces; ++i) {
      block.append(sections.substr(i * (sections.size() / kPieces), piece));
    }
  }
  // The heads of segment and trie, and its padding.
  block.append(
      static_cast<size_t>(static_cast<double>(segment.head_bytes()) / whole),
      '\0');
  const size_t stored_block =
      compression_ == Compression::kDoesNotPay ? block.size() : stored_(block);
  const double stored =
      whole * static_cast<double>(stored_block + part.other_bytes);
  last_ratio_ = stored / static_cast<double>(segment.EstimatedSize());
  last_code_share_ =
      std::min(1.0, static_cast<double>(part.code_bytes) /
                        static_cast<double>(block.size() + part.other_bytes));
  const double pending = last_ratio_ * static_cast<double>(pending_);
  sum_ += pending;
  code_sum_ += last_code_share_ * pending;
  pending_ = 0;
}

void SizeTrial::TryCompression() {
  uint64_t raw = 0;
  uint64_t stored = 0;
  for (size_t i = 0; i < kTried; ++i) {
    std::string block;
    std::string reason;
    const size_t at = (2 * i + 1) * segments_.size() / (2 * kTried);
    if (!segments_[at]->Finish(encoder_, &block, &reason)) continue;
    raw += block.size();
    stored += stored_(block);
  }
  compression_ =
      stored < raw - raw / 8 ? Compression::kPays : Compression::kDoesNotPay;
}

bool SizeTrial::IsDue(const SegmentBuilder& segment) const {
  // No less than a bucket can be written.
  const uint64_t bucket = segment.EstimatedSize() /
                          std::max<uint64_t>(1, segment.keys().num_buckets());
  return pending_ >= std::max(kEvery, kShare * bucket);
}

void SizeTrial::Add(
    const SegmentBuilder* added,
    const std::function<const key_trie::TokenEncoder*()>& found) {
  segments_.push_back(added);
  estimates_ += added->EstimatedSize();
  suffix_bytes_ += added->keys().suffix_bytes();
  pending_ += added->EstimatedSize();
  if (estimates_ >= kFirst) MeasureAdded(*added, found);
  // RocksDB asks for them with every key.
  stored_bytes_ =
      static_cast<uint64_t>(sum_ - (1 - better_) * code_sum_ +
                            ratio() * static_cast<double>(pending_));
  token_table_bytes_ =
      uses_found_ ? 0
                  : static_cast<uint64_t>(static_cast<double>(stored_tokens_) *
                                          std::pow(growth_, kDictionaryGrowth));
}

void SizeTrial::MeasureAdded(
    const SegmentBuilder& added,
    const std::function<const key_trie::TokenEncoder*()>& found) {
  if (estimates_ >= next_training_) {
    next_training_ = kTrainAgain * estimates_;
    ++trainings_;
    encoder_ = found();
    uses_found_ = encoder_ != nullptr;
    if (!uses_found_) {
      Train();
      encoder_ = trained_.get();
    }
    if (tries_compression_) TryCompression();
    // All of them anew.
    sum_ = 0;
    code_sum_ = 0;
    pending_ = 0;
    for (const SegmentBuilder* segment : segments_) {
      pending_ += segment->EstimatedSize();
      if (IsDue(*segment) || segment == &added) Measure(*segment);
    }
  } else if (IsDue(added)) {
    Measure(added);
  }
  if (uses_found_) {
    better_ = 1;
  } else {
    growth_ = static_cast<double>(key_trie::TokenSampleOf(
                  suffix_bytes_, key_trie::kTokenSampleBytes)) /
              static_cast<double>(sample_);
    better_ = std::pow(a_doubling_, kLasting * std::log2(growth_));
  }
}

}  // namespace memkv
