// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/key_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <sstream>
#include <utility>

namespace memkv {

namespace {

using Keys = std::vector<std::string>;
using Entries = std::vector<uint32_t>;

// Numbers at a scale of 1.
constexpr double kMostScale = 100;
constexpr double kKeys = 100000;
constexpr double kVersions = 200000;
constexpr double kChain = 11300;
constexpr double kPairs = 1000;
constexpr double kPrefixedKeys = 5000;
constexpr double kMebibyteKeys = 48;
constexpr double kVersionsOfByte = 400;

constexpr size_t kStreams = 16;
constexpr size_t kBatch = 512;
constexpr size_t kMebibyte = size_t{1} << 20;
constexpr size_t kLeastShared = 300;
constexpr size_t kMostShared = 100000;

size_t Scaled(double number, double scale, size_t least = 2) {
  return std::max(least, static_cast<size_t>(std::lround(number * scale)));
}

std::string RandomBytes(size_t size, RandomSource* random) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; i += 8) {
    uint64_t number = random->Next();
    for (size_t j = i; j < std::min(size, i + 8); j++) {
      bytes[j] = static_cast<char>(number & 0xff);
      number >>= 8;
    }
  }
  return bytes;
}

// As many keys as a number at a scale of 1 comes to; `make` is told which.
template <typename Make>
Keys Many(double number, double scale, const Make& make) {
  Keys keys;
  const size_t count = Scaled(number, scale);
  for (size_t i = 0; i < count; i++) {
    keys.push_back(make(i));
  }
  return keys;
}

// ---- Keys ------------------------------------------------------------------

Keys Chain(double scale, RandomSource* /*random*/) {
  return Many(kChain, scale, [](size_t i) { return std::string(i, 'x'); });
}

// A chain, and beside every step of it a key that branches off there, below and
// above the chain by turns.
Keys Comb(double scale, RandomSource* /*random*/) {
  Keys keys;
  for (size_t i = 0; i < Scaled(kChain / 2, scale); i++) {
    keys.emplace_back(i, 'x');
    keys.push_back(keys.back() + (i % 2 == 0 ? 'a' : 'z'));
  }
  return keys;
}

// Proverbs.
constexpr const char* kPhrases[] = {
    "A bird in the hand is worth two in the bush",
    "A chain is only as strong as its weakest link",
    "A journey of a thousand miles begins with a single step",
    "A picture is worth a thousand words",
    "A rolling stone gathers no moss",
    "A stitch in time saves nine",
    "Absence makes the heart grow fonder",
    "Actions speak louder than words",
    "All roads lead to Rome",
    "All that glitters is not gold",
    "An apple a day keeps the doctor away",
    "An ounce of prevention is worth a pound of cure",
    "Birds of a feather flock together",
    "Do not count your chickens before they are hatched",
    "Do not put all your eggs in one basket",
    "Early to bed and early to rise makes a man healthy, wealthy and wise",
    "Every cloud has a silver lining",
    "Fortune favours the bold",
    "God helps those who help themselves",
    "Good things come to those who wait",
    "If it is not broken, do not mend it",
    "If you cannot beat them, join them",
    "It is no use crying over spilt milk",
    "Look before you leap",
    "Make hay while the sun shines",
    "Many hands make light work",
    "Necessity is the mother of invention",
    "No man is an island",
    "People who live in glass houses should not throw stones",
    "Practice makes perfect",
    "Rome was not built in a day",
    "The early bird catches the worm",
    "The grass is always greener on the other side of the fence",
    "The pen is mightier than the sword",
    "There is no place like home",
    "There is no such thing as a free lunch",
    "Too many cooks spoil the broth",
    "Two wrongs do not make a right",
    "When in Rome, do as the Romans do",
    "Where there is smoke, there is fire",
    "You can lead a horse to water, but you cannot make him drink",
    "You cannot judge a book by its cover",
};

Keys PhrasePrefixes(double scale, RandomSource* random) {
  Keys keys;
  const size_t count = Scaled(kKeys, scale);
  while (keys.size() < count) {
    std::string text;
    for (uint64_t n = 1 + random->Uniform(6); n > 0; n--) {
      text += kPhrases[random->Uniform(std::size(kPhrases))];
      text += n > 1 ? "; " : ".";
    }
    for (size_t size = 1; size <= text.size(); size++) {
      keys.push_back(text.substr(0, size));
    }
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  }
  return keys;
}

// Pairs of keys: what the two share is random, and its size is spread evenly on
// a scale of logarithms.
Keys Pairs(double scale, RandomSource* random) {
  Keys keys;
  const double range = std::log(static_cast<double>(kMostShared) /
                                static_cast<double>(kLeastShared));
  for (size_t n = Scaled(kPairs, scale, 1); n > 0; n--) {
    const double size = static_cast<double>(kLeastShared) *
                        std::exp(random->Fraction() * range);
    const std::string shared = RandomBytes(static_cast<size_t>(size), random);
    keys.push_back(shared + "a" + RandomBytes(8, random));
    keys.push_back(shared + "b" + RandomBytes(8, random));
  }
  return keys;
}

Keys SharedPrefix(double scale, RandomSource* random) {
  const std::string shared = RandomBytes(4096, random);
  return Many(kPrefixedKeys, scale,
              [&](size_t) { return shared + RandomBytes(8, random); });
}

Keys OneKey(double /*scale*/, RandomSource* /*random*/) {
  return {"the one hot key!"};
}

Keys RandomBinary(double scale, RandomSource* random) {
  return Many(kKeys, scale, [random](size_t) {
    return RandomBytes(random->Uniform(33), random);
  });
}

Keys ExtremeBytes(double scale, RandomSource* random) {
  return Many(kKeys, scale, [random](size_t) {
    std::string key(random->Uniform(25), '\0');
    for (char& c : key) {
      c = random->OneIn(2) ? '\xff' : '\0';
    }
    return key;
  });
}

Keys Numbers(double scale, RandomSource* /*random*/) {
  return Many(kKeys, scale,
              [](size_t i) { return fmt::format("user{:012}", i + 1); });
}

Keys Streams(double scale, RandomSource* /*random*/) {
  Keys keys;
  for (size_t stream = 0; stream < kStreams; stream++) {
    const Keys own = Many(kKeys / kStreams, scale, [stream](size_t i) {
      return fmt::format("stream{:012}/{:012}", stream, i);
    });
    keys.insert(keys.end(), own.begin(), own.end());
  }
  return keys;
}

Keys OneByte(double /*scale*/, RandomSource* /*random*/) {
  return Many(256, 1,
              [](size_t i) { return std::string(1, static_cast<char>(i)); });
}

Keys Mebibytes(double scale, RandomSource* random) {
  return Many(kMebibyteKeys, scale,
              [random](size_t) { return RandomBytes(kMebibyte, random); });
}

Keys SharedMebibytes(double scale, RandomSource* random) {
  constexpr size_t kOwn = 16;
  const std::string shared = RandomBytes(kMebibyte - kOwn, random);
  return Many(kMebibyteKeys, scale,
              [&](size_t) { return shared + RandomBytes(kOwn, random); });
}

// ---- Entries ---------------------------------------------------------------
// Of keys that are sorted already.

Entries Ascending(const Keys& keys, double /*scale*/,
                  RandomSource* /*random*/) {
  Entries entries(keys.size());
  std::iota(entries.begin(), entries.end(), 0);
  return entries;
}

Entries Descending(const Keys& keys, double scale, RandomSource* random) {
  Entries entries = Ascending(keys, scale, random);
  std::reverse(entries.begin(), entries.end());
  return entries;
}

Entries Shuffled(const Keys& keys, double scale, RandomSource* random) {
  Entries entries = Ascending(keys, scale, random);
  random->Shuffle(&entries);
  return entries;
}

// The shortest first.
Entries BySize(const Keys& keys, double scale, RandomSource* random) {
  Entries entries = Ascending(keys, scale, random);
  std::stable_sort(entries.begin(), entries.end(), [&](uint32_t a, uint32_t b) {
    return keys[a].size() < keys[b].size();
  });
  return entries;
}

// Ascending, but one in a hundred comes at a random time.
Entries NearlyAscending(const Keys& keys, double /*scale*/,
                        RandomSource* random) {
  std::vector<std::pair<uint64_t, uint32_t>> times;
  for (uint32_t i = 0; i < keys.size(); i++) {
    const bool displaced = random->OneIn(100);
    times.emplace_back(displaced ? random->Uniform(keys.size()) : i, i);
  }
  std::stable_sort(
      times.begin(), times.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  Entries entries;
  for (const auto& [time, key] : times) {
    entries.push_back(key);
  }
  return entries;
}

// Of kStreams ranges of the keys, each ascending, always the next of a random
// one.
Entries Interleaved(const Keys& keys, double /*scale*/, RandomSource* random) {
  const size_t each = keys.size() / kStreams;
  std::vector<uint32_t> turns;
  std::vector<size_t> next(kStreams);
  for (uint32_t stream = 0; stream < kStreams; stream++) {
    turns.insert(turns.end(), each, stream);
    next[stream] = stream * each;
  }
  random->Shuffle(&turns);
  Entries entries;
  for (uint32_t stream : turns) {
    entries.push_back(static_cast<uint32_t>(next[stream]++));
  }
  return entries;
}

Entries Versions(const Keys& /*keys*/, double scale, RandomSource* /*random*/) {
  return Entries(Scaled(kVersions, scale), 0);
}

// All keys, shuffled, and behind each a version of the one in the middle.
Entries VersionsAmongOthers(const Keys& keys, double scale,
                            RandomSource* random) {
  const auto hot = static_cast<uint32_t>(keys.size() / 2);
  Entries entries;
  for (uint32_t key : Shuffled(keys, scale, random)) {
    entries.push_back(key);
    entries.push_back(hot);
  }
  return entries;
}

// As many versions of every key, all shuffled.
Entries VersionsOfAll(const Keys& keys, double scale, RandomSource* random) {
  Entries entries;
  for (size_t n = Scaled(kVersionsOfByte, scale); n > 0; n--) {
    const Entries all = Shuffled(keys, scale, random);
    entries.insert(entries.end(), all.begin(), all.end());
  }
  return entries;
}

// ----------------------------------------------------------------------------

struct Shape {
  const char* name;
  const char* what;
  Keys (*keys)(double scale, RandomSource* random);
  Entries (*entries)(const Keys& keys, double scale, RandomSource* random);
  size_t batch = 1;
  bool threads = false;
};

constexpr Shape kShapes[] = {
    {"random_binary", "0 to 32 random bytes, shuffled", RandomBinary, Shuffled,
     1, true},
    {"equal_sequences", "the same, 512 at a time with one sequence number",
     RandomBinary, Shuffled, kBatch},
    {"chain_up", "x repeated 0 to 11,299 times, the shortest first", Chain,
     Ascending},
    {"chain_down", "the same, the longest first", Chain, Descending},
    {"chain_shuffled", "the same, shuffled", Chain, Shuffled},
    {"comb_up", "a chain with a branch at each step, the shortest first", Comb,
     BySize},
    {"comb_shuffled", "the same, shuffled", Comb, Shuffled},
    {"phrases", "every prefix of rows of proverbs, shuffled", PhrasePrefixes,
     Shuffled},
    {"pairs", "pairs that share 300 B to 100 KB, shuffled", Pairs, Shuffled},
    {"shared_4k", "4 KiB that all share and 8 random bytes, shuffled",
     SharedPrefix, Shuffled},
    {"hot_key", "200,000 versions of one key", OneKey, Versions, 1, true},
    {"hot_among_others", "every second entry is a version of one of many keys",
     RandomBinary, VersionsAmongOthers, 1, true},
    {"sorted", "ascending numbers in digits", Numbers, Ascending},
    {"reverse_sorted", "the same, descending", Numbers, Descending},
    {"nearly_sorted", "the same, 1 % of them displaced", Numbers,
     NearlyAscending},
    {"streams", "16 ascending streams, interleaved", Streams, Interleaved},
    {"one_byte", "the 256 keys of one byte, shuffled", OneByte, Shuffled},
    {"one_byte_versions", "the same, 400 versions of each", OneByte,
     VersionsOfAll},
    {"extreme_bytes", "0 to 24 bytes, each 0x00 or 0xff, shuffled",
     ExtremeBytes, Shuffled},
    {"mebibyte", "1 MiB of random bytes, shuffled", Mebibytes, Shuffled},
    {"mebibyte_shared", "1 MiB that all share but for 16 bytes, shuffled",
     SharedMebibytes, Shuffled},
};

}  // namespace

uint64_t KeyShape::KeyBytes() const {
  uint64_t bytes = 0;
  for (const std::string& key : keys) {
    bytes += key.size();
  }
  return bytes;
}

double KeyShape::MeanEntryKeySize() const {
  double bytes = 0;
  for (const uint32_t key : entries) {
    bytes += static_cast<double>(keys[key].size());
  }
  return bytes / static_cast<double>(entries.size());
}

std::vector<ShapeInfo> ListShapes() {
  std::vector<ShapeInfo> infos;
  for (const Shape& shape : kShapes) {
    bool same_keys = false;
    for (const Shape* earlier = kShapes; earlier != &shape; earlier++) {
      same_keys = same_keys || earlier->keys == shape.keys;
    }
    const bool versions = shape.entries == Versions ||
                          shape.entries == VersionsAmongOthers ||
                          shape.entries == VersionsOfAll;
    infos.push_back({shape.name, shape.what, same_keys, versions});
  }
  return infos;
}

bool MakeShape(const std::string& name, const ShapeOptions& options,
               KeyShape* shape) {
  for (const Shape& known : kShapes) {
    if (name != known.name) {
      continue;
    }
    // One source for the keys and one for the entries, so that shapes of the
    // same keys have the same.
    RandomSource random(options.seed);
    RandomSource random_entries(options.seed + 1);
    shape->name = name;
    shape->keys = known.keys(options.scale, &random);
    std::sort(shape->keys.begin(), shape->keys.end());
    shape->keys.erase(std::unique(shape->keys.begin(), shape->keys.end()),
                      shape->keys.end());
    shape->entries = known.entries(shape->keys, options.scale, &random_entries);
    shape->batch = known.batch;
    shape->threads = known.threads;
    return true;
  }
  return false;
}

std::string NearMissOf(const KeyShape& shape, RandomSource* random) {
  for (;;) {
    std::string key = shape.keys[random->Uniform(shape.keys.size())];
    ChangeAByte(random, &key);
    if (!std::binary_search(shape.keys.begin(), shape.keys.end(), key)) {
      return key;
    }
  }
}

bool ParseShapes(const std::string& list, const ShapeOptions& options,
                 std::vector<std::string>* names, std::string* reason) {
  names->clear();
  // Written so that it is false for what is not a number, too.
  if (!(options.scale > 0 && options.scale <= kMostScale)) {
    *reason = "the scale of shapes must be above 0 and at most 100";
    return false;
  }
  for (const Shape& shape : kShapes) {
    names->push_back(shape.name);
  }
  if (list == "all") {
    return true;
  }
  const std::vector<std::string> all = std::move(*names);
  names->clear();
  std::istringstream stream(list);
  for (std::string name; std::getline(stream, name, ',');) {
    if (std::find(all.begin(), all.end(), name) == all.end()) {
      *reason =
          "there is no shape called " + name + "; --shapes=list names them";
      return false;
    }
    names->push_back(name);
  }
  if (names->empty()) {
    *reason = "a list of no shapes";
  }
  return !names->empty();
}

std::string DescribeShapes() {
  std::string text;
  for (const Shape& shape : kShapes) {
    text += fmt::format("{:<19} {}\n", shape.name, shape.what);
  }
  return text;
}

}  // namespace memkv
