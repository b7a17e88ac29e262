// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/token_trainer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "table/key_trie/format.h"
#include "table/key_trie/token_encoder.h"

namespace memkv {
namespace key_trie {

namespace {

using Token = Tokens::Token;

// What pieces number below this are: the bytes, and the end of a key.
constexpr uint32_t kEnd = 256;
constexpr uint32_t kFirstPair = 257;
// Between suffixes.
constexpr uint32_t kGap = UINT32_MAX;

// A token's bytes, its length in the file and its entry in memory.
constexpr size_t kTokenOverhead = 5;

// A batch is this share of the pieces there are.
constexpr double kBatch = 0.6;
constexpr size_t kMinBatch = 256;

// Of a sample of that many bytes, the first pieces are made of one suffix in
// kEarlyShare alone: so many occur often, and rounds over long texts are what
// training takes its time for.
constexpr size_t kLargeSample = size_t{1} << 20;
constexpr size_t kEarlyShare = 16;
constexpr size_t kEarlyPieces = 2048;
constexpr uint64_t kEarlyMinCount = 4;

// With that many pieces, codes that take more than this share of what keys take
// without tokens will not come below it; and those that take more than that
// share are tried by small trainings.
constexpr size_t kEnoughPieces = kEarlyPieces;
constexpr double kHopeless = 1.2;
constexpr double kDoubtful = 0.9;

// The larger one of two is on one suffix in so many of a sample that is not too
// small for that, and the smaller one on a quarter of these.
constexpr size_t kTrialShare = 8;
constexpr size_t kQuarter = 4;
constexpr size_t kLeastTried = size_t{256} << 10;
// What they must save: it is without the token table.
constexpr double kLeastTriedSaving = 1.0 / 16;

uint64_t Hash(uint64_t key) { return (key * 0x9e3779b97f4a7c15u) >> 24; }

// Pairs of pieces and how often they are neighbours.  Most occur once, and are
// kept in a filter of bits that fits the cache; some of those that occur once
// are counted twice for it.
class PairCounts {
 public:
  void Clear(size_t expected) {
    size_t size = size_t{1} << 12;
    while (size < 2 * expected) {
      size *= 2;
    }
    slots_.assign(size, 0);
    used_ = 0;
    // Of a small sample few words are not 0.
    if (touched_.size() < kMostTouched) {
      for (const uint32_t word : touched_) seen_[word] = 0;
    } else {
      seen_.assign(kSeenBits / 64, 0);
    }
    touched_.clear();
  }

  void Prefetch(uint32_t a, uint32_t b) const {
    const uint64_t hash = Hash(Key(a, b));
    __builtin_prefetch(&seen_[hash % kSeenBits / 64], 1);
    __builtin_prefetch(&slots_[hash & (slots_.size() - 1)], 1);
  }

  void Add(uint32_t a, uint32_t b) {
    const uint64_t hash = Hash(Key(a, b)) % kSeenBits;
    uint64_t& seen = seen_[hash / 64];
    const uint64_t bit = uint64_t{1} << (hash % 64);
    if ((seen & bit) == 0) {
      if (seen == 0 && touched_.size() < kMostTouched) {
        touched_.push_back(static_cast<uint32_t>(hash / 64));
      }
      seen |= bit;
      return;
    }
    if (AddKey(Key(a, b), 1) && 2 * ++used_ > slots_.size()) {
      std::vector<uint64_t> old(2 * slots_.size());
      old.swap(slots_);
      for (const uint64_t slot : old) {
        if (slot != 0) {
          AddKey(slot >> kCountBits, slot & kMaxCount);
        }
      }
    }
  }

  struct Pair {
    uint64_t count;
    uint32_t first;
    uint32_t second;
    // The most frequent first; a total order, for (I2).
    bool operator<(const Pair& other) const {
      return count != other.count   ? count > other.count
             : first != other.first ? first < other.first
                                    : second < other.second;
    }
  };

  template <class F>
  void ForEach(F f) const {
    for (const uint64_t slot : slots_) {
      if (slot != 0) {
        const uint64_t key = (slot >> kCountBits) - 1;
        f(Pair{(slot & kMaxCount) + 1, static_cast<uint32_t>(key >> kPieceBits),
               static_cast<uint32_t>(key & ((1u << kPieceBits) - 1))});
      }
    }
  }

 private:
  static constexpr unsigned kPieceBits = 17;
  static constexpr unsigned kCountBits = 64 - 2 * kPieceBits - 1;
  static constexpr uint64_t kMaxCount = (uint64_t{1} << kCountBits) - 1;
  static constexpr uint64_t kSeenBits = uint64_t{1} << 23;
  static constexpr size_t kMostTouched = kSeenBits / 64 / 8;

  static uint64_t Key(uint32_t a, uint32_t b) {
    return (uint64_t{a} << kPieceBits | b) + 1;
  }

  // Whether it was not there.
  bool AddKey(uint64_t key, uint64_t count) {
    for (uint64_t i = Hash(key);; ++i) {
      uint64_t& slot = slots_[i & (slots_.size() - 1)];
      if (slot == 0) {
        slot = key << kCountBits | count;
        return true;
      }
      if (slot >> kCountBits == key) {
        slot += (slot & kMaxCount) + count <= kMaxCount ? count : 0;
        return false;
      }
    }
  }

  // key << kCountBits | count, but for the first time
  std::vector<uint64_t> slots_;
  std::vector<uint64_t> seen_ = std::vector<uint64_t>(kSeenBits / 64);
  // The words of seen_ that are not 0, or kMostTouched of them.
  std::vector<uint32_t> touched_;
  size_t used_ = 0;
};

// The pairs of a batch, and the pieces they become.
class Merges {
 public:
  explicit Merges(size_t n) {
    size_t size = 64;
    while (size < 4 * n) {
      size *= 2;
    }
    slots_.assign(size, {0, kGap});
  }
  void Put(uint32_t a, uint32_t b, uint32_t piece) {
    uint64_t i = Hash(Key(a, b));
    while (slots_[i & (slots_.size() - 1)].key != 0) {
      ++i;
    }
    slots_[i & (slots_.size() - 1)] = {Key(a, b), piece};
  }
  // kGap if there is none.
  uint32_t Get(uint32_t a, uint32_t b) const {
    const uint64_t key = Key(a, b);
    for (uint64_t i = Hash(key);; ++i) {
      const Slot& slot = slots_[i & (slots_.size() - 1)];
      if (slot.key == key || slot.key == 0) {
        return slot.piece;
      }
    }
  }

  // Makes pairs of *symbols the pieces they become: from left to right, but a
  // more frequent pair, which has the lower number, goes before its left
  // neighbour.
  void Apply(std::vector<uint32_t>* symbols) const {
    uint32_t* const s = symbols->data();
    const size_t n = symbols->size();
    const auto merged_at = [this, s, n](size_t i) {
      return i + 1 < n && s[i] != kGap && s[i + 1] != kGap ? Get(s[i], s[i + 1])
                                                           : kGap;
    };
    size_t out = 0;
    uint32_t merged = merged_at(0);
    for (size_t i = 0; i < n;) {
      const uint32_t next = merged_at(i + 1);
      if (merged == kGap || next < merged) {
        s[out++] = s[i++];
        merged = next;
      } else {
        s[out++] = merged;
        i += 2;
        merged = merged_at(i);
      }
    }
    symbols->resize(out);
  }

 private:
  struct Slot {
    uint64_t key;
    uint32_t piece;
  };
  static uint64_t Key(uint32_t a, uint32_t b) {
    return (uint64_t{a} << 32 | b) + 1;
  }
  std::vector<Slot> slots_;
};

// Counts the pairs of neighbours in a text.
void CountPairs(const std::vector<uint32_t>& text, PairCounts* counts) {
  constexpr size_t kAhead = 12;
  const uint32_t* const symbols = text.data();
  const size_t n = text.size();
  uint32_t before = kGap;
  for (size_t i = 0; i + 1 < n; ++i) {
    if (i + kAhead + 1 < n) {
      counts->Prefetch(symbols[i + kAhead], symbols[i + kAhead + 1]);
    }
    const uint32_t a = symbols[i];
    const uint32_t b = symbols[i + 1];
    if (a == kGap || b == kGap) {
      before = kGap;
      continue;
    }
    if (a == b && before == a) {
      before = kGap;  // Of three equal ones only two can merge.
      continue;
    }
    before = a;
    counts->Add(a, b);
  }
}

}  // namespace

void TokenTrainer::Add(std::string_view suffix) {
  text_.append(suffix.data(), suffix.size());
  ends_.push_back(text_.size());
}

std::string TokenTrainer::BytesOf(uint32_t piece, bool* ends) const {
  std::string bytes;
  std::vector<uint32_t> pending = {piece};
  *ends = false;
  while (!pending.empty()) {
    const uint32_t p = pending.back();
    pending.pop_back();
    if (p == kEnd) {
      *ends = true;
    } else if (p < kEnd) {
      bytes.push_back(static_cast<char>(p));
    } else {
      pending.push_back(pieces_[p].second);
      pending.push_back(pieces_[p].first);
    }
  }
  return bytes;
}

bool TokenTrainer::MakePieces(size_t max_pieces, uint64_t min_count) {
  pieces_.clear();
  tried_ = false;
  for (uint32_t i = 0; i < kFirstPair; ++i) {
    pieces_.push_back({i, i, 1});
  }
  const bool large = text_.size() >= kLargeSample;
  const size_t share = large ? kEarlyShare : 1;
  symbols_.clear();
  symbols_.reserve(text_.size() / share + 2 * ends_.size() / share);
  size_t begin = 0;
  for (size_t s = 0; s < ends_.size(); ++s) {
    if (s % share == 0) {
      for (size_t i = begin; i < ends_[s]; ++i) {
        symbols_.push_back(static_cast<uint8_t>(text_[i]));
      }
      symbols_.push_back(kEnd);
      symbols_.push_back(kGap);
    }
    begin = ends_[s];
  }
  if (large) {
    if (!MergePairs(kEarlyPieces, kEarlyMinCount, share)) {
      return false;
    }
    CutIntoPieces();
  }
  return MergePairs(max_pieces, min_count, 1);
}

double TokenTrainer::TryTokens(size_t trained, size_t tried) const {
  TokenTrainer trainer;
  std::vector<std::string_view> others;
  size_t other_bytes = 0;
  size_t begin = 0;
  for (size_t s = 0; s < ends_.size(); ++s) {
    const std::string_view suffix =
        std::string_view(text_).substr(begin, ends_[s] - begin);
    if (s % trained == 0) {
      trainer.Add(suffix);
    } else if (s % tried == tried / 2) {
      others.push_back(suffix);
      other_bytes += suffix.size();
    }
    begin = ends_[s];
  }
  trainer.share_ = share_ / static_cast<double>(trained);
  trainer.plain_bytes_ = HUGE_VAL;  // tokens in any case
  std::vector<Token> tokens;
  trainer.MakeTokens(&tokens);
  Cuts<uint32_t> cuts;
  TokenMatcher(tokens).Cut(others.data(), others.size(), &cuts);
  size_t codes = 0;
  for (size_t i = 0; i < others.size(); ++i) {
    codes += static_cast<size_t>(cuts.end(i) - cuts.begin(i));
  }
  // Codes of whole bits would hide in steps what changes with the sample.
  return static_cast<double>(codes) *
         std::log2(static_cast<double>(tokens.size())) / 8 /
         (plain_bytes_ * static_cast<double>(other_bytes) /
          static_cast<double>(text_.size()));
}

bool TokenTrainer::SmallTrainingsPay() const {
  if (text_.size() < kLeastTried) {
    return true;
  }
  const double larger = TryTokens(kTrialShare, kTrialShare);
  const double smaller = TryTokens(kTrialShare * kQuarter, kTrialShare);
  // Every sample of four times the size takes off as much as this one did.
  const double quadruplings =
      std::log2(double{kTrialShare}) / std::log2(double{kQuarter});
  return larger * std::pow(std::min(1.0, larger / smaller), quadruplings) <
         1 - kLeastTriedSaving;
}

void TokenTrainer::CutIntoPieces() {
  std::vector<uint32_t> pieces;
  const TokenMatcher matcher(TokensOfPieces(&pieces));
  symbols_.clear();
  Cuts<uint32_t> cuts;
  ForEachBatch([&](const std::string_view* texts, size_t n) {
    matcher.Cut(texts, n, &cuts);
    for (size_t i = 0; i < n; ++i) {
      for (const uint32_t* c = cuts.begin(i); c != cuts.end(i); ++c) {
        symbols_.push_back(pieces[*c]);
      }
      symbols_.push_back(kGap);
    }
  });
}

std::vector<Token> TokenTrainer::TokensOfPieces(
    std::vector<uint32_t>* pieces) const {
  std::vector<Token> all(pieces_.size());
  for (uint32_t i = 0; i < pieces_.size(); ++i) {
    all[i].bytes = BytesOf(i, &all[i].ends);
  }
  pieces->resize(pieces_.size());
  std::iota(pieces->begin(), pieces->end(), 0);
  std::sort(pieces->begin(), pieces->end(), [&all](uint32_t a, uint32_t b) {
    return Tokens::Before(all[a], all[b]);
  });
  // Different pairs can be the same string.
  pieces->erase(std::unique(pieces->begin(), pieces->end(),
                            [&all](uint32_t a, uint32_t b) {
                              return all[a].ends == all[b].ends &&
                                     all[a].bytes == all[b].bytes;
                            }),
                pieces->end());
  std::vector<Token> tokens;
  tokens.reserve(pieces->size());
  for (const uint32_t piece : *pieces) {
    tokens.push_back(std::move(all[piece]));
  }
  return tokens;
}

bool TokenTrainer::MergePairs(size_t max_pieces, uint64_t min_count,
                              size_t every) {
  const auto suffixes =
      static_cast<size_t>(std::count(symbols_.begin(), symbols_.end(), kGap));
  PairCounts counts;
  std::vector<PairCounts::Pair> pairs;
  while (pieces_.size() < max_pieces) {
    counts.Clear(pieces_.size() * 4);
    CountPairs(symbols_, &counts);
    pairs.clear();
    counts.ForEach([&](const PairCounts::Pair& pair) {
      // The end needs no room in a token.
      if (pair.count >= min_count &&
          pieces_[pair.first].length + pieces_[pair.second].length <=
              Tokens::kMaxLength) {
        pairs.push_back(pair);
      }
    });
    if (pairs.empty()) {
      return true;
    }
    const size_t batch =
        std::min({pairs.size(), max_pieces - pieces_.size(),
                  std::max(kMinBatch,
                           static_cast<size_t>(
                               static_cast<double>(pieces_.size()) * kBatch))});
    std::nth_element(pairs.begin(),
                     pairs.begin() + static_cast<std::ptrdiff_t>(batch) - 1,
                     pairs.end());
    pairs.resize(batch);
    std::sort(pairs.begin(), pairs.end());
    Merges merges(batch);
    for (const PairCounts::Pair& pair : pairs) {
      merges.Put(pair.first, pair.second,
                 static_cast<uint32_t>(pieces_.size()));
      pieces_.push_back(
          {pair.first, pair.second,
           pieces_[pair.first].length + pieces_[pair.second].length});
    }
    merges.Apply(&symbols_);
    const auto codes = static_cast<double>(symbols_.size() - suffixes);
    const double part = codes * Tokens::WidthFor(pieces_.size()) / 8 *
                        static_cast<double>(every) / plain_bytes_;
    if (pieces_.size() < kEnoughPieces || part <= kDoubtful) {
      continue;
    }
    // Random keys are known by then: more tokens gain them a few percent.  But
    // keys of many thousands of words look the same.
    if (part > kHopeless || (!tried_ && !SmallTrainingsPay())) {
      return false;
    }
    tried_ = true;
  }
  return true;
}

bool TokenTrainer::MakeTokens(std::vector<Token>* tokens) {
  // A pair that occurs less often in the whole file than its token costs bytes
  // is of no use.
  const auto min_count =
      std::max<uint64_t>(2, static_cast<uint64_t>(4 * share_));
  const bool hopeful =
      MakePieces((size_t{1} << Tokens::kMaxWidth) * 3 / 2, min_count);
  symbols_.clear();
  symbols_.shrink_to_fit();
  if (!hopeful) {
    return false;
  }
  std::vector<uint32_t> pieces;
  *tokens = TokensOfPieces(&pieces);
  pieces_.clear();
  const uint64_t codes = Prune(Tokens::kMaxTokens, tokens);
  uint64_t memory = 0;
  for (const Token& token : *tokens) {
    memory += token.bytes.size() + kTokenOverhead;
  }
  const double bytes =
      static_cast<double>(codes) * Tokens::WidthFor(tokens->size()) / 8;
  return bytes + static_cast<double>(memory) * share_ <
         (1 - kLeastSaving) * plain_bytes_;
}

void TokenTrainer::Train(double share, uint64_t plain_bytes, std::string* out) {
  share_ = share;
  plain_bytes_ = static_cast<double>(plain_bytes);
  std::vector<Token> tokens;
  if (MakeTokens(&tokens)) {
    Tokens::Encode(tokens, out);
  }
  text_.clear();
  ends_.clear();
}

uint64_t TokenTrainer::Prune(size_t max_tokens,
                             std::vector<Token>* tokens) const {
  const TokenMatcher matcher(*tokens);
  std::vector<uint64_t> counts(tokens->size());
  uint64_t total = 0;
  Cuts<uint32_t> cuts;
  ForEachBatch([&](const std::string_view* texts, size_t n) {
    matcher.Cut(texts, n, &cuts);
    for (size_t i = 0; i < n; ++i) {
      total += cuts.end(i) - cuts.begin(i);
      for (const uint32_t* c = cuts.begin(i); c != cuts.end(i); ++c) {
        ++counts[*c];
      }
    }
  });
  // What it would cost to be without each, in codes.
  struct Loss {
    uint64_t loss;
    uint32_t token;
  };
  std::vector<Loss> losses;
  std::vector<bool> keep(tokens->size());
  size_t required = 0;
  const double code_bytes =
      Tokens::WidthFor(std::min(tokens->size(), max_tokens)) / 8.0;
  for (uint32_t i = 0; i < tokens->size(); ++i) {
    const Token& token = (*tokens)[i];
    if (token.bytes.size() == (token.ends ? 0 : 1)) {
      keep[i] = true;
      ++required;
      continue;
    }
    if (counts[i] == 0) {
      continue;
    }
    const uint64_t loss = counts[i] * (matcher.CountWithout(token) - 1);
    if (static_cast<double>(loss) * code_bytes >
        static_cast<double>(token.bytes.size() + kTokenOverhead) * share_) {
      losses.push_back({loss, i});
    }
  }
  const size_t kept = std::min(losses.size(), max_tokens - required);
  std::nth_element(
      losses.begin(), losses.begin() + static_cast<std::ptrdiff_t>(kept),
      losses.end(), [](const Loss& a, const Loss& b) {
        return a.loss != b.loss ? a.loss > b.loss : a.token < b.token;
      });
  for (size_t i = 0; i < kept; ++i) {
    keep[losses[i].token] = true;
  }
  size_t out = 0;
  for (uint32_t i = 0; i < tokens->size(); ++i) {
    if (keep[i]) {
      std::swap((*tokens)[out++], (*tokens)[i]);
    }
  }
  tokens->resize(out);
  return total;
}

}  // namespace key_trie
}  // namespace memkv
