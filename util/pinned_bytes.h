// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Room for blocks that are held as long as their file is open.
//
// An allocator rounds what it gives up to one of four sizes between two powers
// of two, jemalloc for one, so that blocks of hundreds of KB, an allocation
// each, take an eighth more than they are.  So they are put into few pieces of
// such sizes, one behind the other, where there is room.
//
// Thread safety: needs external synchronisation.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace memkv {

class PinnedBytes {
 public:
  static constexpr size_t kMaxPieceSize = size_t{16} << 20;

  PinnedBytes() = default;
  PinnedBytes(const PinnedBytes&) = delete;
  PinnedBytes& operator=(const PinnedBytes&) = delete;

  // How many bytes will come, if that is known; it need not be right.
  void Expect(uint64_t bytes) { expected_ = bytes; }

  // A copy that lives as long as this does.  A new piece, if there has to be
  // one, shall be of that size: NewPieceSize(), or less.
  // REQUIRES: piece_size >= bytes.size(), or NewPieceSize() is 0
  std::string_view Add(std::string_view bytes, size_t piece_size);

  // Of the piece that would be allocated for so many bytes; 0 if there is room.
  size_t NewPieceSize(size_t bytes) const;

  // Of all pieces, as asked for.
  size_t allocated() const { return allocated_; }

 private:
  struct Piece {
    std::unique_ptr<char[]> bytes;
    size_t used;
    size_t size;
  };
  struct HasRoom {
    size_t bytes;
    bool operator()(const Piece& p) const { return p.size - p.used >= bytes; }
  };

  uint64_t expected_ = 0;
  std::vector<Piece> pieces_;
  size_t allocated_ = 0;
};

}  // namespace memkv
