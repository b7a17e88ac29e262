// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtInOrder: what the single writer of an ArtTree keeps while its keys come in
// order: where its last entry went. Every entry that goes beside the last earns
// credit, every other costs some; without credit entries wait again. Why what
// is kept stays true is in tree.h, "Entries that wait".
//
// Thread safety: none; it is the single writer's.

#pragma once

#include <cstdint>

#include "memtable/art/key.h"
#include "memtable/art/path.h"

namespace memkv {

struct ArtInOrder {
  static constexpr int kMostCredit = 8;
  static constexpr int kMissCosts = 3;
  int credit = 0;
  uint32_t at_once = 0;  // entries that went in at once, without credit
  ArtPath path;          // empty, or leads to an entry

  uint16_t leaf_items = 0;  // of the leaf that it went to last

  // Whether that entry is an edge, and what holds until another entry comes:
  bool has_edge = false;
  bool at_back = false;       // or in front
  int16_t beyond_symbol = 0;  // of the border beyond the edge,
  ArtDepth beyond = -1;       // if there is one
  ArtDepth beside = 0;        // the highest border beside the leaf
  ArtKey last = ArtKey(nullptr, 0, 0, ArtOrder::kBytewise);  // the entry's
};

}  // namespace memkv
