// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "util/pinned_bytes.h"

#include <algorithm>
#include <cstring>

namespace memkv {

size_t PinnedBytes::NewPieceSize(size_t bytes) const {
  if (std::any_of(pieces_.begin(), pieces_.end(), HasRoom{bytes})) return 0;
  // At the end of a piece half a block is lost: few blocks are better alone.
  constexpr size_t kFew = 8;
  if (expected_ / kFew < bytes) return bytes;
  const auto most =
      static_cast<size_t>(std::min<uint64_t>(expected_, kMaxPieceSize));
  // Down to one of four sizes between two powers of two.
  size_t step = 1;
  while (most / step >= 8) step *= 2;
  return std::max(bytes, most / step * step);
}

std::string_view PinnedBytes::Add(std::string_view bytes, size_t piece_size) {
  auto piece =
      std::find_if(pieces_.begin(), pieces_.end(), HasRoom{bytes.size()});
  if (piece == pieces_.end()) {
    // Not make_unique, which would write zeros first.
    pieces_.push_back(
        {std::unique_ptr<char[]>(new char[piece_size]), 0, piece_size});
    piece = pieces_.end() - 1;
    allocated_ += piece_size;
  }
  char* const at = piece->bytes.get() + piece->used;
  if (!bytes.empty()) memcpy(at, bytes.data(), bytes.size());
  piece->used += bytes.size();
  expected_ -= std::min<uint64_t>(expected_, bytes.size());
  return {at, bytes.size()};
}

}  // namespace memkv
