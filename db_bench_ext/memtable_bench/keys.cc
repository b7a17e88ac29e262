// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memtable_bench/keys.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "db_bench_ext/keys/random_source.h"

namespace memkv {

namespace {

std::string BigEndian(uint64_t number) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>((number >> shift) & 0xff));
  }
  return bytes;
}

}  // namespace

BenchKeys MakeBenchKeys(const RecordSet& set, LoadOrder order, size_t probes,
                        uint64_t seed) {
  assert(set.size() >= 2);
  BenchKeys keys;
  RandomSource random(seed);
  std::vector<uint32_t> ranks(set.size());
  std::iota(ranks.begin(), ranks.end(), 0);
  if (order == LoadOrder::kShuffled) {
    random.Shuffle(&ranks);
  }
  for (uint32_t rank : ranks) {
    keys.load.Add(set.key(rank));
    keys.key_bytes += set.key(rank).size();
  }
  for (size_t i = 0; i < probes; i++) {
    keys.first_half_hits.Add(set.key(ranks[random.Uniform(ranks.size() / 2)]));
    keys.misses.Add(NearMiss(set, &random));
  }
  random.Shuffle(&ranks);
  for (size_t i = 0; i < std::min(probes, ranks.size()); i++) {
    keys.hits.Add(set.key(ranks[i]));
  }
  return keys;
}

void AddRandomKeys(uint64_t count, uint64_t seed, RecordSet* set) {
  RandomSource random(seed);
  for (uint64_t i = 0; i < count; i++) {
    set->Add(BigEndian(random.Next()), "");
  }
  set->SortAndMerge(DuplicateRule::kLastWins);
}

void AddDbBenchKeys(uint64_t count, RecordSet* set) {
  for (uint64_t i = 0; i < count; i++) {
    set->Add(BigEndian(i) + "00000000", "");
  }
  set->SortAndMerge(DuplicateRule::kLastWins);
}

}  // namespace memkv
