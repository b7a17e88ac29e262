// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What a separator trie answers, against the list of its separators.
//
// Thread safety: may be called from any thread.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "table/key_trie/separators.h"
#include "table/key_trie/target.h"
#include "util/common_prefix.h"
#include "util/trie_coding.h"

namespace memkv {

// That the trie finds the greatest separator that is not greater than the key,
// and what the two have in common.
inline void ExpectFindsFloor(const key_trie::SeparatorTrie& trie,
                             const std::vector<std::string>& separators,
                             const std::string& key) {
  key_trie::SeparatorTrie::FloorResult place;
  ASSERT_TRUE(trie.Find(key_trie::SoughtKey(key), &place));
  const auto above =
      std::upper_bound(separators.begin(), separators.end(), key);
  const auto floor = static_cast<uint32_t>(above - separators.begin() - 1);
  ASSERT_EQ(place.ordinal, floor);
  ASSERT_EQ(place.matched, CommonPrefix(separators[floor], key));
}

}  // namespace memkv
