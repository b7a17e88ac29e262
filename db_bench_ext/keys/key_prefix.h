// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Prefixes of keys, as those ask who look for everything below one.
//
// Thread safety: functions without shared state.

#pragma once

#include <string>

#include "rocksdb/slice.h"

namespace memkv {

// The least key above all keys with this prefix; empty if there is none.
inline std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) {
    prefix.pop_back();
  }
  if (!prefix.empty()) {
    prefix.back()++;
  }
  return prefix;
}

// A key up to its last separator that is not its last byte, or its first half.
inline std::string ExamplePrefix(const rocksdb::Slice& key) {
  const std::string text = key.ToString();
  const size_t cut = text.size() < 2
                         ? std::string::npos
                         : text.find_last_of("/.:-_ ", text.size() - 2);
  return cut == std::string::npos ? text.substr(0, (text.size() + 1) / 2)
                                  : text.substr(0, cut + 1);
}

}  // namespace memkv
