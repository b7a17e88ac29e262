// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst/entry_block.h"

#include <cstdint>

#include "util/trie_coding.h"

namespace memkv {

bool CheckEntryBlock(std::string_view block, const EntryCheck& check,
                     std::string* reason) {
  constexpr size_t kWord = sizeof(uint32_t);
  const auto* const begin = reinterpret_cast<const uint8_t*>(block.data());
  const uint64_t words = block.size() / kWord;
  const uint32_t num_restarts =
      words == 0 ? 0 : LoadFixed32(begin + block.size() - kWord);
  if (num_restarts == 0 || num_restarts >= words) {
    *reason = std::to_string(num_restarts) + " restart points in a block of " +
              std::to_string(block.size()) + " bytes";
    return false;
  }
  const uint8_t* const end =
      begin + block.size() - kWord * (size_t{num_restarts} + 1);
  // The next restart point, which some key begins at.
  uint32_t restart = 0;
  const auto restart_offset = [&] {
    return LoadFixed32(end + kWord * size_t{restart});
  };
  std::string key;
  const uint8_t* p = begin;
  while (p != end) {
    const auto offset = static_cast<uint64_t>(p - begin);
    uint32_t shared = 0;
    uint32_t unshared = 0;
    uint32_t value_size = 0;
    p = GetVarint32(p, end, &shared);
    if (p != nullptr) p = GetVarint32(p, end, &unshared);
    if (p != nullptr) p = GetVarint32(p, end, &value_size);
    if (p == nullptr || shared > key.size() ||
        uint64_t{unshared} + value_size > static_cast<uint64_t>(end - p)) {
      *reason = "no whole entry " + std::to_string(offset) +
                " bytes from its beginning";
      return false;
    }
    if (restart < num_restarts && restart_offset() == offset && shared == 0) {
      ++restart;
    }
    key.resize(shared);
    key.append(reinterpret_cast<const char*>(p), unshared);
    p += unshared;
    if (!check(key,
               std::string_view(reinterpret_cast<const char*>(p), value_size),
               reason)) {
      return false;
    }
    p += value_size;
  }
  // A block without entries has a restart point, too.
  if (begin == end && restart_offset() == 0) ++restart;
  if (restart != num_restarts) {
    *reason = "no key begins at restart point " + std::to_string(restart);
    return false;
  }
  return true;
}

}  // namespace memkv
