// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtSequenceKeys: which user keys the single writer's newest sequence has come
// with, as a Bloom filter: the entries of a write batch may share a sequence,
// and one may wait (tree.h) only if no equal entry has come before it. A
// sequence with one entry, as most have, costs a few stores.
//
// Thread safety: none; it is the single writer's.
//
// Memory: kBytes, the caller's, from the first time on that two entries share a
// sequence. With two bits a key, a key that is new is taken for an old one by
// 1 in 70 of a batch of 512 and 1 in 6 of 2048 when the batch ends.

#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

#include "memtable/art/key.h"

namespace memkv {

class ArtSequenceKeys {
 public:
  static constexpr size_t kBytes = 1024;

  // The first entry of a sequence that no entry had before. REQUIRES: the key's
  // bytes stay.
  void Begin(const ArtKey& key) {
    sequence_ = key.sequence();
    first_ = key.user_key();
    first_size_ = static_cast<uint32_t>(key.user_size());
    state_ = State::kOne;
  }
  // Not all entries of the sequence come here.
  void Forget() { state_ = State::kForgotten; }

  // Whether all entries of the sequence have come here.
  bool KnowsAll(uint64_t sequence) const {
    return state_ != State::kForgotten && sequence == sequence_;
  }

  bool has_memory() const { return bits_ != nullptr; }
  // kBytes that stay, of any content.
  void SetMemory(char* memory) { bits_ = memory; }

  // False if an equal entry may have come before. Notes the key. REQUIRES:
  // KnowsAll(key.sequence()), has_memory().
  bool Add(const ArtKey& key) {
    assert(KnowsAll(key.sequence()) && has_memory());
    if (state_ == State::kOne) {
      memset(bits_, 0, kBytes);
      SetBits({first_, first_size_});
      state_ = State::kSeveral;
    }
    return SetBits({key.user_key(), key.user_size()});
  }

 private:
  enum class State : uint8_t { kForgotten, kOne, kSeveral };

  // Whether one of them was not set.
  bool SetBits(std::string_view user_key) {
    const size_t hash = std::hash<std::string_view>()(user_key);
    bool changed = false;
    for (const size_t bit : {hash, hash >> 16}) {
      char& byte = bits_[bit / 8 % kBytes];
      const char with = static_cast<char>(byte | 1 << bit % 8);
      changed |= byte != with;
      byte = with;
    }
    return changed;
  }

  uint64_t sequence_ = 0;
  const char* first_ = nullptr;
  char* bits_ = nullptr;
  uint32_t first_size_ = 0;
  State state_ = State::kForgotten;
};

}  // namespace memkv
