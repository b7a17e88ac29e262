// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art/node.h"

#include <cstring>

namespace memkv {

namespace {

// A reader may see any mixture of before and after.
template <typename T>
MEMKV_ART_RACY void RacyMove(T* to, const T* from, size_t n) {
#if defined(MEMKV_ART_TSAN)
  // The sanitizer watches memmove whoever calls it.
  for (size_t k = 0; k < n; ++k) {
    const size_t i = to < from ? k : n - 1 - k;
    *static_cast<volatile T*>(to + i) = from[i];
  }
#else
  memmove(to, from, n * sizeof(T));
#endif
}

}  // namespace

void ArtNode::CopyRefs(Meta m, ArtRef* to) const {
  RacyMove(to, refs(m.node_class()), static_cast<size_t>(m.count()));
}

void ArtNode::FindItemRange(Meta m, int item, ArtDepth depth, int* first,
                            int* last) const {
  int i = item;
  while (i > 0 && DepthOf(CodeAt(i), m.base()) > depth) {
    --i;
  }
  *first = i;
  i = item;
  while (i + 1 < m.count() && DepthOf(CodeAt(i + 1), m.base()) > depth) {
    ++i;
  }
  *last = i;
}

ArtDepth ArtNode::BorderBeside(Meta m, int item) const {
  ArtDepth depth = 0;
  if (item > 0) {
    depth = DepthOf(CodeAt(item), m.base());
  }
  if (item + 1 < m.count()) {
    depth = std::max(depth, DepthOf(CodeAt(item + 1), m.base()));
  }
  return depth;
}

void ArtNode::MakeGap(Meta m, int item, int border) {
  uint8_t* c = codes();
  uint8_t* s = symbols(m.node_class());
  ArtRef* r = refs(m.node_class());
  const size_t borders_behind = static_cast<size_t>(m.count() - border);
  RacyMove(c + border + 1, c + border, borders_behind);
  RacyMove(s + border + 1, s + border, borders_behind);
  RacyMove(r + item + 1, r + item, static_cast<size_t>(m.count() - item));
}

void ArtNode::AppendFrom(const ArtNode& from, int first, int last) {
  const Meta f = from.meta();
  const Meta m = meta();
  const size_t n = static_cast<size_t>(last - first);
  uint8_t* c = codes() + m.count();
  RacyMove(c, from.codes() + first, n);
  RacyMove(symbols(m.node_class()) + m.count(),
           from.symbols(f.node_class()) + first, n);
  RacyMove(refs(m.node_class()) + m.count(), from.refs(f.node_class()) + first,
           n);
  if (m.base() != f.base()) {
    assert(m.base() > f.base());
    // All at once, so that the compiler makes vectors of it.
    const uint64_t less = static_cast<uint64_t>(m.base() - f.base());
    const uint8_t down = static_cast<uint8_t>(less > 255 ? 255 : less);
    for (size_t i = 0; i < n; ++i) {
      c[i] = static_cast<uint8_t>(c[i] >= kVersionCode ? c[i] : c[i] - down);
    }
  }
  uint8_t low = kNoCode;
  for (size_t i = m.count() == 0 ? 1 : 0; i < n; ++i) {
    low = std::min(low, c[i]);
  }
  SetMeta(m.With(m.count() + static_cast<int>(n),
                 std::min<int>(m.low_code(), low)));
}

}  // namespace memkv
