// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/url_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "util/string_util.h"

namespace memkv {

namespace {

constexpr size_t kVocabulary = 4096;
constexpr size_t kSortedWords = 64;
constexpr uint64_t kWordPairs = kSortedWords * kSortedWords;
constexpr uint64_t kWordTriples = kSortedWords * kWordPairs;
constexpr double kFlatRanks = 60;  // Mandelbrot's constant
constexpr uint64_t kDays = 20 * 12 * 28;
constexpr uint64_t kMonths = 20 * 12;

// By rank.
constexpr char kWords[] =
    "water report public health data energy policy river plan science "
    "county safety budget school research program office history climate "
    "travel market survey training review storm grant notice forest coast "
    "library museum transit housing veterans farm mineral space ocean "
    "census labor trade airport wildlife court rules forms contact archive "
    "benefits cancer disease vaccine nutrition earth quake volcano glacier "
    "satellite radar weather tribal border customs patent";

const char* const kOnsets[] = {"b", "c",  "d",  "f",  "g",  "l", "m",
                               "n", "p",  "qu", "r",  "s",  "t", "v",
                               "w", "ch", "st", "tr", "pr", "cl"};
const char* const kNuclei[] = {"a", "e", "i", "o", "u", "ea", "io", "ou"};
const char* const kCodas[] = {"", "", "n", "r", "s", "l", "nt", "ct"};

const char* const kTopLevel[] = {"com", "gov", "org", "net", "info"};

// How pages of a kind are named, how often hosts have them, and how many groups
// they come in: at most so many, of so many keys each, and at random more.
struct KindInfo {
  const char* folder;
  uint64_t taste;
  uint64_t most_groups;
  uint64_t least_keys;
  uint64_t more_keys;
};
constexpr KindInfo kKindInfos[] = {
    {"documents/", 8, UINT64_MAX, 1, 1},
    {"item/", 18, UINT64_MAX, 1, 1},
    {"news/", 20, kDays, 1, 4},
    {"sites/default/files/", 22, kMonths, 10, 50},
    {"topic/", 28, kWordTriples, 5, 200},
    {"view/", 24, kWordPairs, 10, 200}};

template <size_t n>
const char* Draw(const char* const (&items)[n], RandomSource* random) {
  return items[random->Uniform(n)];
}

// A number that depends on all of both.
uint64_t Mix(uint64_t a, uint64_t b) {
  return RandomSource(a ^ (b * 0x9e3779b97f4a7c15ULL)).Next();
}

// The slot of the index-th of count when they are dealt out to `slots` evenly
// and in order; and the first index of a slot.
uint64_t SlotOf(uint64_t index, uint64_t count, uint64_t slots) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(index) * slots /
                               count);
}
uint64_t SlotBegin(uint64_t slot, uint64_t count, uint64_t slots) {
  return static_cast<uint64_t>(
      (static_cast<unsigned __int128>(slot) * count + slots - 1) / slots);
}

}  // namespace

ZipfRanks::ZipfRanks(size_t n) {
  cumulative_.reserve(n);
  double sum = 0;
  for (size_t r = 0; r < n; r++) {
    sum += 1.0 / static_cast<double>(r + 1);
    cumulative_.push_back(sum);
  }
  const size_t cells = n * kCellsARank;
  for (size_t cell = 0; cell < cells; cell++) {
    const double at =
        static_cast<double>(cell) / static_cast<double>(cells) * sum;
    cells_.push_back(static_cast<uint32_t>(
        std::upper_bound(cumulative_.begin(), cumulative_.end(), at) -
        cumulative_.begin()));
  }
}

size_t ZipfRanks::Draw(RandomSource* random) const {
  const double fraction = random->Fraction();
  const double at = fraction * cumulative_.back();
  size_t rank =
      std::min<size_t>(cells_[static_cast<size_t>(
                           fraction * static_cast<double>(cells_.size()))],
                       cumulative_.size() - 1);
  // Rounding may have put the cell's begin behind `at`.
  while (rank > 0 && cumulative_[rank - 1] > at) {
    rank--;
  }
  while (rank + 1 < cumulative_.size() && cumulative_[rank] <= at) {
    rank++;
  }
  return rank;
}

UrlGenerator::UrlGenerator(uint64_t seed, uint64_t count)
    : seed_(seed), word_ranks_(kVocabulary) {
  MakeWords();
  MakeHosts(count);
  MakeKinds();
}

void UrlGenerator::MakeWords() {
  words_ = rocksdb::StringSplit(kWords, ' ');
  sorted_words_ = words_;
  std::sort(sorted_words_.begin(), sorted_words_.end());
  std::unordered_set<std::string> known(words_.begin(), words_.end());
  RandomSource random(Mix(seed_, 1));
  while (words_.size() < kVocabulary) {
    std::string word;
    for (uint64_t n = 2 + random.Uniform(3); n > 0; n--) {
      word += Draw(kOnsets, &random);
      word += Draw(kNuclei, &random);
    }
    word += Draw(kCodas, &random);
    if (known.insert(word).second) {
      words_.push_back(word);
    }
  }
}

void UrlGenerator::MakeHosts(uint64_t count) {
  // As many as the crawl had, and with more keys more, by the square root.
  const double wanted = 6000 * std::sqrt(static_cast<double>(count) / 3.75e6);
  const size_t n =
      std::max<size_t>(1, std::min<size_t>(static_cast<size_t>(wanted),
                                           static_cast<size_t>(count)));
  RandomSource random(Mix(seed_, 2));
  std::unordered_set<std::string> known;
  std::vector<std::pair<std::string, double>> drawn;
  double sum = 0;
  while (drawn.size() < n) {
    std::string host = random.OneIn(3) ? "" : "www.";
    host += words_[word_ranks_.Draw(&random)];
    if (!random.OneIn(3)) {
      host += random.OneIn(2) ? "-" : "";
      host += words_[word_ranks_.Draw(&random)];
    }
    if (random.OneIn(6)) {
      host += std::to_string(random.Uniform(1000));
    }
    host += std::string(".") + Draw(kTopLevel, &random) + "/";
    if (known.insert(host).second) {
      const double rank = static_cast<double>(drawn.size()) + 1;
      const double weight = 1 / ((rank + kFlatRanks) * (rank + kFlatRanks));
      sum += weight;
      drawn.emplace_back(std::move(host), weight);
    }
  }
  std::sort(drawn.begin(), drawn.end());
  double before = 0;
  for (auto& [host, weight] : drawn) {
    hosts_.push_back(std::move(host));
    host_begins_.push_back(std::min<uint64_t>(
        count,
        static_cast<uint64_t>(before / sum * static_cast<double>(count))));
    before += weight;
  }
  host_begins_.push_back(count);
}

void UrlGenerator::MakeKinds() {
  // A host has a taste of its own for each kind.
  for (size_t host = 0; host < hosts_.size(); host++) {
    RandomSource random(Mix(seed_ + 3, host));
    uint64_t tastes[kKinds];
    uint64_t sum = 0;
    for (int kind = 0; kind < kKinds; kind++) {
      tastes[kind] = 1 + kKindInfos[kind].taste * random.Uniform(1000) *
                             random.Uniform(1000) / 1000;
      sum += tastes[kind];
    }
    uint64_t taken = 0;
    kind_ends_.emplace_back();
    for (int kind = 0; kind < kKinds; kind++) {
      taken += tastes[kind];
      kind_ends_.back()[static_cast<size_t>(kind)] =
          SlotBegin(taken, host_begins_[host + 1] - host_begins_[host], sum);
    }
  }
}

UrlGenerator::Place UrlGenerator::Find(uint64_t i) const {
  Place place;
  const auto after =
      std::upper_bound(host_begins_.begin(), host_begins_.end(), i);
  place.host = static_cast<size_t>(after - host_begins_.begin()) - 1;
  const uint64_t host_begin = host_begins_[place.host];
  uint64_t begin = 0;
  for (size_t kind = 0; kind < kKinds; kind++) {
    const uint64_t end = kind_ends_[place.host][kind];
    if (i - host_begin < end) {
      place.kind = static_cast<Kind>(kind);
      place.begin = host_begin + begin;
      place.count = end - begin;
      place.index = i - place.begin;
      break;
    }
    begin = end;
  }
  place.seed = Mix(Mix(seed_ + 4, place.host), place.kind);
  return place;
}

uint64_t UrlGenerator::NumGroups(const Place& place) const {
  const KindInfo& kind = kKindInfos[place.kind];
  const uint64_t keys =
      kind.least_keys + RandomSource(place.seed).Uniform(kind.more_keys);
  return std::max<uint64_t>(1, std::min(kind.most_groups, place.count / keys));
}

void UrlGenerator::GroupOf(const Place& place, uint64_t* begin, uint64_t* end,
                           uint64_t* ordinal) const {
  const uint64_t groups = NumGroups(place);
  *ordinal = SlotOf(place.index, place.count, groups);
  *begin = SlotBegin(*ordinal, place.count, groups);
  *end = SlotBegin(*ordinal + 1, place.count, groups);
}

void UrlGenerator::AppendSlug(RandomSource* random, uint64_t least,
                              uint64_t grow, std::string* to) const {
  uint64_t words = least;
  while (words < 24 && random->Uniform(100) < grow) {
    words++;
  }
  for (uint64_t n = 0; n < words; n++) {
    if (n > 0) {
      to->push_back('-');
    }
    *to += words_[word_ranks_.Draw(random)];
  }
}

std::string UrlGenerator::Make(const Place& place, uint64_t ordinal) const {
  std::string url =
      "https://" + hosts_[place.host] + kKindInfos[place.kind].folder;
  if (place.seed % 3 != 0) {
    url += words_[place.seed / 3 % words_.size()] + "/";
  }
  RandomSource random(Mix(place.seed, place.index + 1));
  const uint64_t groups = NumGroups(place);
  const auto word = [&](uint64_t at) -> const std::string& {
    return sorted_words_[at % kSortedWords];
  };
  // Ascending, `step` apart on average.
  const auto number = [&](uint64_t step) {
    return place.index * step + random.Uniform(step);
  };
  switch (place.kind) {
    case kDocument:
      return url + fmt::format("{:011x}.pdf",
                               number((uint64_t{1} << 44) / place.count));
    case kItem: {
      const uint64_t step = 1 + place.seed % 3;
      uint64_t base = 1000000;
      while (base * 9 < place.count * step) {
        base *= 10;
      }
      return url + std::to_string(base + number(step));
    }
    case kArticle: {
      const uint64_t day = ordinal * kDays / groups;
      url += fmt::format("{:04}/{:02}/{:02}/", 2004 + day / 336,
                         1 + day / 28 % 12, 1 + day % 28);
      AppendSlug(&random, 3, 76, &url);
      return url + (random.OneIn(4) ? ".html" : "");
    }
    case kFile: {
      const uint64_t month = ordinal * kMonths / groups;
      url += fmt::format("{:04}-{:02}/", 2004 + month / 12, 1 + month % 12);
      AppendSlug(&random, 2, 70, &url);
      return url + fmt::format("_{}.pdf", random.Uniform(1000));
    }
    case kListing: {
      const uint64_t name = SlotBegin(ordinal, kWordTriples, groups);
      const uint64_t first = SlotBegin(ordinal, place.count, groups);
      return url + fmt::format("{}-{}-{}?page={}", word(name / kWordPairs),
                               word(name / kSortedWords), word(name),
                               place.index - first + 1);
    }
    default: {
      const uint64_t name = SlotBegin(ordinal, kWordPairs, groups);
      url += word(name / kSortedWords) + "/" + word(name) + "/";
      AppendSlug(&random, 2, 75, &url);
      return url + (random.OneIn(3) ? "/" : "");
    }
  }
}

std::string UrlGenerator::KeyAt(uint64_t i) const {
  const Place place = Find(i);
  return Make(place, SlotOf(place.index, place.count, NumGroups(place)));
}

bool UrlGenerator::SortedStream::Next(std::string* key) {
  for (;;) {
    while (!group_.empty()) {
      const bool repeated = *key == group_.back();
      if (!repeated) {
        *key = std::move(group_.back());
      }
      group_.pop_back();
      if (!repeated) {
        return true;
      }
    }
    if (next_group_ == urls_.count()) {
      return false;
    }
    Place place = urls_.Find(next_group_);
    uint64_t begin = 0;
    uint64_t end = 0;
    uint64_t ordinal = 0;
    urls_.GroupOf(place, &begin, &end, &ordinal);
    for (place.index = begin; place.index < end; place.index++) {
      group_.push_back(urls_.Make(place, ordinal));
    }
    next_group_ = place.begin + end;
    std::sort(group_.begin(), group_.end(), std::greater<>());
  }
}

}  // namespace memkv
