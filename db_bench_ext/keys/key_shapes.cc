// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/key_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "db_bench_ext/common/check.h"
#include "util/string_util.h"

namespace memkv {

namespace {

constexpr double kMostScale = 100;
// Numbers at a scale of 1.
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
constexpr size_t kOwnBytes = 16;  // of mebibyte_shared
constexpr double kLeastShared = 300;
constexpr double kMostShared = 100000;

// Proverbs.
constexpr char kPhrases[] =
    "A bird in the hand is worth two in the bush\n"
    "A chain is only as strong as its weakest link\n"
    "A journey of a thousand miles begins with a single step\n"
    "A picture is worth a thousand words\nA rolling stone gathers no moss\n"
    "A stitch in time saves nine\nAbsence makes the heart grow fonder\n"
    "Actions speak louder than words\nAll roads lead to Rome\n"
    "All that glitters is not gold\nAn apple a day keeps the doctor away\n"
    "An ounce of prevention is worth a pound of cure\n"
    "Birds of a feather flock together\n"
    "Do not count your chickens before they are hatched\n"
    "Do not put all your eggs in one basket\n"
    "Early to bed and early to rise makes a man healthy, wealthy and wise\n"
    "Every cloud has a silver lining\nFortune favours the bold\n"
    "God helps those who help themselves\n"
    "Good things come to those who wait\nIf it is not broken, do not mend it\n"
    "If you cannot beat them, join them\n"
    "It is no use crying over spilt milk\nLook before you leap\n"
    "Make hay while the sun shines\nMany hands make light work\n"
    "Necessity is the mother of invention\nNo man is an island\n"
    "People who live in glass houses should not throw stones\n"
    "Practice makes perfect\nRome was not built in a day\n"
    "The early bird catches the worm\n"
    "The grass is always greener on the other side of the fence\n"
    "The pen is mightier than the sword\nThere is no place like home\n"
    "There is no such thing as a free lunch\nToo many cooks spoil the broth\n"
    "Two wrongs do not make a right\nWhen in Rome, do as the Romans do\n"
    "Where there is smoke, there is fire\n"
    "You can lead a horse to water, but you cannot make him drink\n"
    "You cannot judge a book by its cover";

// Makes a shape: first its keys, in any order, which may repeat; then, of
// sorted and distinct keys that all arrive once in order, the order in which
// they do.
class ShapeMaker {
 public:
  ShapeMaker(uint64_t seed, double scale) : random_(seed), scale_(scale) {}

  // What comes next are entries, with another source of random numbers, so that
  // shapes of the same keys have the same.
  void TakeKeys(uint64_t seed) {
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    entries.resize(keys.size());
    std::iota(entries.begin(), entries.end(), 0);
    random_ = RandomSource(seed);
  }

  std::vector<std::string> keys;
  std::vector<uint32_t> entries;

  // ---- Keys ----------------------------------------------------------------

  void Chain() {
    Many(kChain, [](size_t i) { return std::string(i, 'x'); });
  }
  // A chain, and beside every step of it a key that branches off there, below
  // and above the chain by turns.
  void Comb() {
    Many(kChain / 2, [](size_t i) { return std::string(i, 'x'); });
    for (size_t i = 0, steps = keys.size(); i < steps; i++) {
      keys.push_back(keys[i] + (i % 2 == 0 ? 'a' : 'z'));
    }
  }
  void PhrasePrefixes() {
    const std::vector<std::string> phrases =
        rocksdb::StringSplit(kPhrases, '\n');
    while (keys.size() < Scaled(kKeys)) {
      std::string text;
      for (uint64_t n = 1 + random_.Uniform(6); n > 0; n--) {
        text += phrases[random_.Uniform(phrases.size())];
        text += n > 1 ? "; " : ".";
      }
      for (size_t size = 1; size <= text.size(); size++) {
        keys.push_back(text.substr(0, size));
      }
      std::sort(keys.begin(), keys.end());
      keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    }
  }
  // What the two of a pair share is random, and its size is spread evenly on a
  // scale of logarithms.
  void Pairs() {
    const double range = std::log(kMostShared / kLeastShared);
    for (size_t n = Scaled(kPairs, 1); n > 0; n--) {
      const std::string shared = Bytes(static_cast<size_t>(
          kLeastShared * std::exp(random_.Fraction() * range)));
      keys.push_back(shared + "a" + Bytes(8));
      keys.push_back(shared + "b" + Bytes(8));
    }
  }
  void SharedPrefix() {
    const std::string shared = Bytes(4096);
    Many(kPrefixedKeys, [&](size_t) { return shared + Bytes(8); });
  }
  void OneKey() { keys = {"the one hot key!"}; }
  void RandomBinary() {
    Many(kKeys, [&](size_t) { return Bytes(random_.Uniform(33)); });
  }
  void ExtremeBytes() {
    Many(kKeys, [&](size_t) {
      std::string key(random_.Uniform(25), '\0');
      for (char& c : key) {
        c = random_.OneIn(2) ? '\xff' : '\0';
      }
      return key;
    });
  }
  void Numbers() {
    Many(kKeys, [](size_t i) { return fmt::format("user{:012}", i + 1); });
  }
  void Streams() {
    for (size_t stream = 0; stream < kStreams; stream++) {
      Many(kKeys / kStreams, [stream](size_t i) {
        return fmt::format("stream{:012}/{:012}", stream, i);
      });
    }
  }
  void OneByte() {
    for (int i = 0; i < 256; i++) {
      keys.emplace_back(1, static_cast<char>(i));
    }
  }
  void Mebibytes() {
    Many(kMebibyteKeys, [&](size_t) { return Bytes(kMebibyte); });
  }
  void SharedMebibytes() {
    const std::string shared = Bytes(kMebibyte - kOwnBytes);
    Many(kMebibyteKeys, [&](size_t) { return shared + Bytes(kOwnBytes); });
  }

  // ---- Entries -------------------------------------------------------------

  void Ascending() {}
  void Descending() { std::reverse(entries.begin(), entries.end()); }
  void Shuffled() { random_.Shuffle(&entries); }
  // The shortest first.
  void BySize() {
    SortBy([&](uint32_t i) { return keys[i].size(); });
  }
  // Ascending, but one in a hundred comes at a random time.
  void NearlyAscending() {
    std::vector<uint64_t> times;
    for (size_t i = 0; i < keys.size(); i++) {
      times.push_back(random_.OneIn(100) ? random_.Uniform(keys.size()) : i);
    }
    SortBy([&](uint32_t i) { return times[i]; });
  }
  // Of kStreams ranges of the keys, each ascending, always the next of a random
  // one.
  void Interleaved() {
    const auto each = static_cast<uint32_t>(keys.size() / kStreams);
    entries.clear();
    std::vector<uint32_t> next;
    for (uint32_t stream = 0; stream < kStreams; stream++) {
      entries.insert(entries.end(), each, stream);
      next.push_back(stream * each);
    }
    random_.Shuffle(&entries);
    for (uint32_t& entry : entries) {
      entry = next[entry]++;
    }
  }
  void Versions() { entries.assign(Scaled(kVersions), 0); }
  // All keys, shuffled, and behind each a version of the one in the middle.
  void VersionsAmongOthers() {
    Shuffled();
    std::vector<uint32_t> others;
    others.swap(entries);
    for (const uint32_t key : others) {
      entries.push_back(key);
      entries.push_back(static_cast<uint32_t>(keys.size() / 2));
    }
  }
  // As many versions of every key, all shuffled.
  void VersionsOfAll() {
    const std::vector<uint32_t> once = std::move(entries);
    entries.clear();
    for (size_t n = Scaled(kVersionsOfByte); n > 0; n--) {
      std::vector<uint32_t> more = once;
      random_.Shuffle(&more);
      entries.insert(entries.end(), more.begin(), more.end());
    }
  }

 private:
  size_t Scaled(double number, size_t least = 2) const {
    return std::max(least, static_cast<size_t>(std::lround(number * scale_)));
  }
  // As many keys as a number at a scale of 1 comes to; `make` is told which.
  template <typename Make>
  void Many(double number, const Make& make) {
    for (size_t i = 0; i < Scaled(number); i++) {
      keys.push_back(make(i));
    }
  }
  template <typename By>
  void SortBy(const By& by) {
    std::stable_sort(entries.begin(), entries.end(),
                     [&](uint32_t a, uint32_t b) { return by(a) < by(b); });
  }
  std::string Bytes(size_t size) {
    std::string bytes;
    AppendRandomBytes(size, &random_, &bytes);
    return bytes;
  }

  RandomSource random_;
  const double scale_;
};

struct Shape {
  const char* name;
  const char* what;
  void (ShapeMaker::*keys)();
  void (ShapeMaker::*entries)();
  size_t batch = 1;
  bool threads = false;
};

using M = ShapeMaker;

const Shape kShapes[] = {
    {"random_binary", "0 to 32 random bytes, shuffled", &M::RandomBinary,
     &M::Shuffled, 1, true},
    {"equal_sequences", "the same, 512 at a time with one sequence number",
     &M::RandomBinary, &M::Shuffled, kBatch},
    {"chain_up", "x repeated 0 to 11,299 times, the shortest first", &M::Chain,
     &M::Ascending},
    {"chain_down", "the same, the longest first", &M::Chain, &M::Descending},
    {"chain_shuffled", "the same, shuffled", &M::Chain, &M::Shuffled},
    {"comb_up", "a chain with a branch at each step, the shortest first",
     &M::Comb, &M::BySize},
    {"comb_shuffled", "the same, shuffled", &M::Comb, &M::Shuffled},
    {"phrases", "every prefix of rows of proverbs, shuffled",
     &M::PhrasePrefixes, &M::Shuffled},
    {"pairs", "pairs that share 300 B to 100 KB, shuffled", &M::Pairs,
     &M::Shuffled},
    {"shared_4k", "4 KiB that all share and 8 random bytes, shuffled",
     &M::SharedPrefix, &M::Shuffled},
    {"hot_key", "200,000 versions of one key", &M::OneKey, &M::Versions, 1,
     true},
    {"hot_among_others", "every second entry is a version of one of many keys",
     &M::RandomBinary, &M::VersionsAmongOthers, 1, true},
    {"sorted", "ascending numbers in digits", &M::Numbers, &M::Ascending},
    {"reverse_sorted", "the same, descending", &M::Numbers, &M::Descending},
    {"nearly_sorted", "the same, 1 % of them displaced", &M::Numbers,
     &M::NearlyAscending},
    {"streams", "16 ascending streams, interleaved", &M::Streams,
     &M::Interleaved},
    {"one_byte", "the 256 keys of one byte, shuffled", &M::OneByte,
     &M::Shuffled},
    {"one_byte_versions", "the same, 400 versions of each", &M::OneByte,
     &M::VersionsOfAll},
    {"extreme_bytes", "0 to 24 bytes, each 0x00 or 0xff, shuffled",
     &M::ExtremeBytes, &M::Shuffled},
    {"mebibyte", "1 MiB of random bytes, shuffled", &M::Mebibytes,
     &M::Shuffled},
    {"mebibyte_shared", "1 MiB that all share but for 16 bytes, shuffled",
     &M::SharedMebibytes, &M::Shuffled},
};

[[noreturn]] void RefuseShape(const std::string& name) {
  Refuse("there is no shape called " + name + "; --shapes=list names them");
}

}  // namespace

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
    const bool same_keys = std::any_of(
        kShapes, &shape,
        [&](const Shape& earlier) { return earlier.keys == shape.keys; });
    const bool versions = shape.entries == &M::Versions ||
                          shape.entries == &M::VersionsAmongOthers ||
                          shape.entries == &M::VersionsOfAll;
    infos.push_back({shape.name, shape.what, same_keys, versions});
  }
  return infos;
}

KeyShape MakeShape(const std::string& name, const ShapeOptions& options) {
  for (const Shape& known : kShapes) {
    if (name == known.name) {
      ShapeMaker maker(options.seed, options.scale);
      (maker.*known.keys)();
      maker.TakeKeys(options.seed + 1);
      (maker.*known.entries)();
      return {name, std::move(maker.keys), std::move(maker.entries),
              known.batch, known.threads};
    }
  }
  RefuseShape(name);
}

KeyShape ShapeOfKeys(const std::string& name, std::vector<std::string> keys,
                     bool shuffled, uint64_t seed) {
  ShapeMaker maker(0, 1);
  maker.keys = std::move(keys);
  maker.TakeKeys(seed);
  if (shuffled) {
    maker.Shuffled();
  }
  return {name, std::move(maker.keys), std::move(maker.entries)};
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

std::vector<std::string> ParseShapes(const std::string& list,
                                     const ShapeOptions& options) {
  // Written so that it is false for what is not a number, too.
  if (!(options.scale > 0 && options.scale <= kMostScale)) {
    Refuse("the scale of shapes must be above 0 and at most 100");
  }
  std::vector<std::string> all;
  for (const Shape& shape : kShapes) {
    all.emplace_back(shape.name);
  }
  const std::vector<std::string> names =
      list == "all" ? all : rocksdb::StringSplit(list, ',');
  for (const std::string& name : names) {
    if (std::find(all.begin(), all.end(), name) == all.end()) {
      RefuseShape(name);
    }
  }
  if (names.empty()) {
    Refuse("a list of no shapes");
  }
  return names;
}

}  // namespace memkv
