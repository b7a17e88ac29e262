// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Bytes in an allocation of exactly their size: what reads behind them is seen
// by AddressSanitizer.
//
// Thread safety: immutable.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace memkv {

class ExactBytes {
 public:
  explicit ExactBytes(std::string_view bytes)
      : memory_(std::make_unique<char[]>(bytes.size())), size_(bytes.size()) {
    // Not a copy by memcpy(): there may be nothing to copy, at no address.
    std::copy(bytes.begin(), bytes.end(), memory_.get());
  }

  size_t size() const { return size_; }
  const char* data() const { return memory_.get(); }
  const uint8_t* bytes() const {
    return reinterpret_cast<const uint8_t*>(memory_.get());
  }
  std::string_view view() const { return {memory_.get(), size_}; }

 private:
  const std::unique_ptr<char[]> memory_;
  const size_t size_;
};

}  // namespace memkv
