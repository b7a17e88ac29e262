// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/fst_open_dictionaries.h"

#include <algorithm>
#include <utility>

namespace memkv {

void OpenDictionaries::Add(const Dictionary& dictionary, std::string first,
                           std::string last) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.erase(
      std::remove_if(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return entry.tokens.expired(); }),
      entries_.end());
  entries_.push_back({dictionary.tokens, dictionary.bits_a_byte,
                      std::move(first), std::move(last)});
}

Dictionary OpenDictionaries::Find(const std::vector<std::string>& keys) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Dictionary best;
  size_t most = std::max<size_t>(1, (keys.size() + 1) / 2);
  for (const Entry& entry : entries_) {
    const auto begin = std::lower_bound(keys.begin(), keys.end(), entry.first);
    const auto end = std::upper_bound(begin, keys.end(), entry.last);
    const auto within = static_cast<size_t>(end - begin);
    if (within < most) continue;
    auto tokens = entry.tokens.lock();
    if (tokens == nullptr) continue;
    best = {std::move(tokens), entry.bits_a_byte};
    most = within;
  }
  return best;
}

}  // namespace memkv
