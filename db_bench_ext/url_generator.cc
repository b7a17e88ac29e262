// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/url_generator.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace memkv {

namespace {

constexpr size_t kHosts = 4096;

const char* const kWords[] = {
    "water",    "report",  "public",   "health",    "data",      "energy",
    "policy",   "river",   "plan",     "science",   "county",    "safety",
    "budget",   "school",  "research", "program",   "office",    "history",
    "climate",  "travel",  "market",   "survey",    "training",  "review",
    "storm",    "grant",   "notice",   "forest",    "coast",     "library",
    "museum",   "transit", "housing",  "veterans",  "farm",      "mineral",
    "space",    "ocean",   "census",   "labor",     "trade",     "airport",
    "wildlife", "court",   "rules",    "forms",     "contact",   "archive",
    "benefits", "cancer",  "disease",  "vaccine",   "nutrition", "earth",
    "quake",    "volcano", "glacier",  "satellite", "radar",     "weather",
    "tribal",   "border",  "customs",  "patent"};
constexpr size_t kWordCount = sizeof(kWords) / sizeof(kWords[0]);

const char* const kTopLevel[] = {"com", "org", "net", "example", "info"};
constexpr size_t kTopLevelCount = sizeof(kTopLevel) / sizeof(kTopLevel[0]);

template <typename... Args>
std::string Format(const char* format, Args... args) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), format, args...);
  return buffer;
}

}  // namespace

ZipfRanks::ZipfRanks(size_t n) {
  cumulative_.reserve(n);
  double sum = 0;
  for (size_t r = 0; r < n; r++) {
    sum += 1.0 / static_cast<double>(r + 1);
    cumulative_.push_back(sum);
  }
}

size_t ZipfRanks::Draw(RandomSource* random) const {
  const double at = random->Fraction() * cumulative_.back();
  auto it = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
  return std::min(static_cast<size_t>(it - cumulative_.begin()),
                  cumulative_.size() - 1);
}

UrlGenerator::UrlGenerator(uint64_t seed)
    : random_(seed), word_ranks_(kWordCount), host_ranks_(kHosts) {
  hosts_.reserve(kHosts);
  for (size_t i = 0; i < kHosts; i++) {
    hosts_.push_back(NewHost());
  }
}

std::string UrlGenerator::Word() { return kWords[word_ranks_.Draw(&random_)]; }

std::string UrlGenerator::Slug(size_t words) {
  std::string slug = Word();
  for (size_t i = 1; i < words; i++) {
    slug += "-" + Word();
  }
  return slug;
}

std::string UrlGenerator::NewHost() {
  std::string host = random_.OneIn(3) ? "" : "www.";
  host += kWords[random_.Uniform(kWordCount)];
  if (!random_.OneIn(4)) {
    host += random_.OneIn(2) ? "-" : "";
    host += kWords[random_.Uniform(kWordCount)];
  }
  if (random_.OneIn(3)) {
    host += Format("%" PRIu64, random_.Uniform(100));
  }
  return host + "." + kTopLevel[random_.Uniform(kTopLevelCount)];
}

std::string UrlGenerator::Next() {
  std::string url = "https://" + hosts_[host_ranks_.Draw(&random_)] + "/";
  switch (random_.Uniform(8)) {
    case 0:
    case 1:
    case 2: {
      const uint64_t year = 2004 + random_.Uniform(20);
      const uint64_t month = 1 + random_.Uniform(12);
      const uint64_t day = 1 + random_.Uniform(28);
      url += Format("news/%" PRIu64 "/%02" PRIu64 "/%02" PRIu64 "/", year,
                    month, day);
      url += Slug(2 + random_.Uniform(5));
      url += random_.OneIn(2) ? ".html" : "";
      break;
    }
    case 3:
    case 4:
      url += Format("item/%" PRIu64, random_.Uniform(10000000));
      break;
    case 5:
      url +=
          "documents/" + Word() + Format("/%012" PRIx64, random_.Next() >> 16);
      url += ".pdf";
      break;
    case 6:
      url += "topic/" + Slug(1 + random_.Uniform(2));
      url += Format("?page=%" PRIu64, 1 + random_.Uniform(400));
      break;
    default:
      url += Slug(1 + random_.Uniform(2)) + "/" + Slug(1 + random_.Uniform(3));
      url += "/";
      break;
  }
  return url;
}

}  // namespace memkv
