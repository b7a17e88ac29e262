// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "compat/trie_order.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace memkv {

using ROCKSDB_NAMESPACE::Comparator;
using ROCKSDB_NAMESPACE::Slice;

namespace {

// Distinct strings in bytewise order.
std::vector<std::string> MakeProbes() {
  std::vector<std::string> probes = {""};
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    probes.push_back(one);
    probes.push_back(one + std::string(1, '\0'));
    probes.push_back(one + std::string(2, '\0'));
    probes.push_back(one + one + "long");
    probes.push_back(one + "\xff");
  }
  // What differs only far behind, or is a prefix of the other.
  for (size_t size : {7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 257, 1000}) {
    const std::string same(size, 'k');
    for (const char* end :
         {"", "\x01", "0", "10", "2", "A", "a", "b", "\x80"}) {
      probes.push_back(same + end);
    }
    // The first difference decides, whatever follows it.
    probes.push_back(same + "a" + std::string(8, 'z'));
    probes.push_back(same + "b" + std::string(8, 'a'));
  }
  std::sort(probes.begin(), probes.end());
  probes.erase(std::unique(probes.begin(), probes.end()), probes.end());
  return probes;
}

// Whether the comparator orders the probes as `sign` times bytewise does:
// neighbours, and some that are far apart.
bool SortsProbes(const Comparator& comparator, int sign) {
  static const std::vector<std::string>* const probes =
      new std::vector<std::string>(MakeProbes());
  for (size_t i = 0; i < probes->size(); ++i) {
    const Slice a((*probes)[i]);
    if (comparator.Compare(a, a) != 0 || !comparator.Equal(a, a)) return false;
    for (size_t step : {1, 3, 5, 16, 101, 500}) {
      if (i + step >= probes->size()) break;
      const Slice b((*probes)[i + step]);
      if (sign * comparator.Compare(a, b) >= 0 ||
          sign * comparator.Compare(b, a) <= 0 || comparator.Equal(a, b)) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

TrieOrder TrieOrderOf(const Comparator* comparator) {
  if (comparator->timestamp_size() != 0) return TrieOrder::kUnsupported;
  const Comparator* const bytewise = ROCKSDB_NAMESPACE::BytewiseComparator();
  const Comparator* const reverse =
      ROCKSDB_NAMESPACE::ReverseBytewiseComparator();
  if (comparator == bytewise) return TrieOrder::kBytewise;
  if (comparator == reverse) return TrieOrder::kMirrored;
  const auto named_as = [comparator](const Comparator* known) {
    return strcmp(comparator->Name(), known->Name()) == 0;
  };
  if (named_as(bytewise) && SortsProbes(*comparator, 1)) {
    return TrieOrder::kBytewise;
  }
  if (named_as(reverse) && SortsProbes(*comparator, -1)) {
    return TrieOrder::kMirrored;
  }
  return TrieOrder::kUnsupported;
}

}  // namespace memkv
