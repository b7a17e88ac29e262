// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// UrlGenerator: a set of URL-like keys for when no real ones are at hand, or
// not enough: any number of them, in sorted or in any other order, without
// ever holding them. A key is a function of the seed, the number of keys and
// its index, so that memory is that of the hosts alone: some 150 bytes a host,
// 6000 hosts for 3.7 million keys, 60000 for 340 million.
//
// It imitates what makes real URLs hard and easy to compress. Its constants
// were fitted to a crawl (docs/benchmarks.md has both side by side): hosts by
// the law of Zipf and Mandelbrot, weight 1 / (rank + 60)^2; six kinds of page,
// mixed differently by each host; slugs of words of a vocabulary of 4096, drawn
// by Zipf's law, of a length that has a long tail. The same seed and number
// give the same keys on every machine.
//
// Invariants:
//   (I1) indices fall into groups, [begin, end), and every key of a group is
//        less than every key of the next.
//   (I2) within a group keys are in no order, and may repeat now and then.
//
// Thread safety: const methods may run together; a stream is one thread's.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/keys/random.h"

namespace memkv {

// Draws ranks in [0, n): rank r has weight 1 / (r + 1).
class ZipfRanks {
 public:
  // REQUIRES: n > 0.
  explicit ZipfRanks(size_t n);
  size_t Draw(RandomSource* random) const;

 private:
  static constexpr size_t kCellsARank = 4;

  std::vector<double> cumulative_;
  // Of equal parts of what is drawn from, about where each begins.
  std::vector<uint32_t> cells_;
};

class UrlGenerator {
 public:
  // REQUIRES: 0 < count.
  UrlGenerator(uint64_t seed, uint64_t count);

  // How many indices there are; distinct keys are a little fewer (I2).
  uint64_t count() const { return host_begins_.back(); }
  size_t num_hosts() const { return hosts_.size(); }

  // The key of index i.
  // REQUIRES: i < count().
  std::string KeyAt(uint64_t i) const;

  // All keys in strictly ascending bytewise order.
  class SortedStream {
   public:
    explicit SortedStream(const UrlGenerator& urls) : urls_(urls) {}
    // False at the end.
    bool Next(std::string* key);

   private:
    const UrlGenerator& urls_;
    uint64_t next_group_ = 0;  // the index at which the next group begins
    std::vector<std::string> group_;  // descending: the last is the next
  };

 private:
  enum Kind { kDocument, kItem, kArticle, kFile, kListing, kPage, kKinds };

  // Where an index is: everything its key depends on.
  struct Place {
    size_t host = 0;
    Kind kind = kDocument;
    uint64_t seed = 0;   // of the host's pages of this kind
    uint64_t index = 0;  // among those
    uint64_t count = 0;  // of those
    uint64_t begin = 0;  // the first of those, as an index of the whole
  };

  Place Find(uint64_t i) const;
  // The group of a place, and its ordinal: as offsets from place.begin.
  void GroupOf(const Place& place, uint64_t* begin, uint64_t* end,
               uint64_t* ordinal) const;
  uint64_t NumGroups(const Place& place) const;
  std::string Make(const Place& place, uint64_t ordinal) const;
  void AppendSlug(RandomSource* random, uint64_t least, uint64_t grow,
                  std::string* to) const;
  void MakeWords();
  void MakeHosts(uint64_t count);
  void MakeKinds();

  const uint64_t seed_;
  const ZipfRanks word_ranks_;
  std::vector<std::string> words_;         // by rank
  std::vector<std::string> sorted_words_;  // some of them, ascending
  std::vector<std::string> hosts_;         // ascending, with the slash
  std::vector<uint64_t> host_begins_;      // one more than hosts
  // Of each host, where its kinds end, counted from its first index.
  std::vector<std::array<uint64_t, kKinds>> kind_ends_;
};

}  // namespace memkv
