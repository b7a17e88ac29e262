// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// UrlGenerator: URL-like keys for when no real ones are at hand. It imitates
// what makes real URLs hard and easy to compress, and claims no more:
//   * 4096 host names made of words; a host is drawn by Zipf's law with
//     exponent 1 (the first host gets about 11 % of the keys), so clusters of
//     very different sizes arise;
//   * five kinds of page, drawn per URL: dated articles with a slug of words
//     (`/news/2019/03/14/river-plan-report`), numbered items
//     (`/item/4820113`), documents with hexadecimal ids, listings with a page
//     number (`/topic/water?page=12`) and section roots;
//   * words come from a fixed list by Zipf's law too, so slugs share much.
// The same seed gives the same sequence on every machine. Keys repeat now and
// then, as in a log; a caller that wants a set removes the duplicates.
//
// It is not a model of any real collection: figures measured on it are not
// comparable with figures measured on real keys.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "db_bench_ext/random_source.h"

namespace memkv {

// Draws ranks in [0, n): rank r has weight 1 / (r + 1).
class ZipfRanks {
 public:
  // REQUIRES: n > 0.
  explicit ZipfRanks(size_t n);
  size_t Draw(RandomSource* random) const;

 private:
  std::vector<double> cumulative_;
};

class UrlGenerator {
 public:
  explicit UrlGenerator(uint64_t seed);

  std::string Next();

 private:
  std::string Word();
  std::string Slug(size_t words);
  std::string NewHost();

  RandomSource random_;
  ZipfRanks word_ranks_;
  ZipfRanks host_ranks_;
  std::vector<std::string> hosts_;
};

}  // namespace memkv
