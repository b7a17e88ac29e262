// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/waiting_segments.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "table/fst/build_memory.h"
#include "table/key_trie/token_choice.h"
#include "table/key_trie/tokens.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;

namespace {

// A token table of other keys may take this much more for these than for those.
constexpr double kAsGood = 1.02;

// The file whose token table is taken over has at least this share of the keys.
// One that was trained on fewer leaves some percent of the file's bytes.
constexpr double kLeastShare = 2.0 / 3;

// A token table takes more than this in the memory of its reader.
constexpr double kLeastTable = 4096;

}  // namespace

WaitingSegments::WaitingSegments(
    const BlockBasedTableOptions& block_based,
    std::shared_ptr<const TokenTableRegistry> token_tables, uint64_t limit,
    bool mirrored, SizeTrial::StoredSize stored, bool tries_compression)
    : reservation_(NewBuildReservation(block_based)),
      token_tables_(std::move(token_tables)),
      limit_(limit),
      mirrored_(mirrored),
      stored_(std::move(stored)),
      trial_(stored_, tries_compression) {}

bool WaitingSegments::Add(std::unique_ptr<SegmentBuilder> segment) {
  bytes_ += segment->MemoryUsage();
  segments_.push_back(std::move(segment));
  if (bytes_ >= limit_ || !ChargeBuild(reservation_.get(), bytes_)) {
    return false;
  }
  trial_.Add(segments_.back().get(), [this]() -> const key_trie::TokenEncoder* {
    // The encoder of another may be in use.
    const bool may_make = found_.tokens == nullptr;
    return FindTokens(Keys(), may_make);
  });
  return true;
}

uint64_t WaitingSegments::EstimatedTokenBytes() const {
  // One that is found is no larger than in memory.
  return trial_.uses_found() ? found_.tokens->MemoryUsage()
                             : trial_.token_table_bytes();
}

const key_trie::TokenEncoder* WaitingSegments::FindTokens(
    const std::vector<const KeyTrieBuilder*>& keys, bool may_make_encoder) {
  std::vector<std::string_view> last_keys;
  uint64_t num_keys = 0;
  for (const auto& segment : segments_) {
    last_keys.emplace_back(segment->last_key());
    num_keys += segment->num_keys();
  }
  if (mirrored_) std::reverse(last_keys.begin(), last_keys.end());
  TokenTable found = token_tables_->Find(last_keys);
  if (found.tokens == nullptr ||
      static_cast<double>(found.num_keys) <
          kLeastShare * static_cast<double>(num_keys) ||
      !key_trie::TokensMayPay(
          *found.tokens, key_trie::MeasureSuffixes(nullptr, keys), num_keys)) {
    return nullptr;
  }
  if (found.tokens != found_.tokens) {
    if (!may_make_encoder) return nullptr;
    found_encoder_.reset();
    found_ = std::move(found);
    found_encoder_ = std::make_unique<key_trie::TokenEncoder>(*found_.tokens);
  }
  const key_trie::SuffixSizes sizes =
      key_trie::MeasureSuffixes(found_encoder_.get(), keys);
  return sizes.bits_a_byte() <= kAsGood * found_.bits_a_byte &&
                 key_trie::TokensPay(*found_.tokens, sizes)
             ? found_encoder_.get()
             : nullptr;
}

std::vector<const KeyTrieBuilder*> WaitingSegments::Keys() const {
  std::vector<const KeyTrieBuilder*> keys;
  for (const auto& segment : segments_) keys.push_back(&segment->keys());
  return keys;
}

bool WaitingSegments::ChooseTokens(Choice* choice, std::string* reason) {
  const std::vector<const KeyTrieBuilder*> keys = Keys();
  const bool take_over = FindTokens(keys, /*may_make_encoder=*/true) != nullptr;
  const TokenTable found = std::move(found_);
  std::unique_ptr<key_trie::TokenEncoder> encoder = std::move(found_encoder_);
  if (take_over) {
    choice->encoder = std::move(encoder);
    choice->bits_a_byte = found.bits_a_byte;
    key_trie::Tokens::Encode(found.tokens->List(), &choice->block);
    choice->stored_bytes = stored_(choice->block);
    return true;
  }
  encoder.reset();
  if (key_trie::MeasureSuffixes(nullptr, keys).symbol_bytes <= kLeastTable) {
    return true;
  }
  std::string block;
  key_trie::TrainTokens(keys, key_trie::kTokenSampleBytes, &block);
  if (block.empty()) return true;
  key_trie::Tokens tokens;
  if (!tokens.Open(block, reason)) return false;
  encoder = std::make_unique<key_trie::TokenEncoder>(tokens);
  const key_trie::SuffixSizes sizes =
      key_trie::MeasureSuffixes(encoder.get(), keys);
  if (!key_trie::TokensPay(tokens, sizes)) return true;
  choice->encoder = std::move(encoder);
  choice->bits_a_byte = sizes.bits_a_byte();
  choice->stored_bytes = stored_(block);
  choice->block = std::move(block);
  return true;
}

}  // namespace memkv
