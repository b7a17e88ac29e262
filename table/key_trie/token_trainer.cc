// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/token_trainer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "table/key_trie/format.h"
#include "table/key_trie/token_encoder.h"
#include "table/key_trie/token_pairs.h"

namespace memkv {
namespace key_trie {

namespace {

using Token = Tokens::Token;

// What pieces number below this are bytes; it is the end of a key.
constexpr uint32_t kEnd = 256;

// A token's bytes, its length in the file and its entry in memory.
constexpr size_t kTokenOverhead = 5;

// A batch is this share of the pieces there are.
constexpr double kBatch = 0.6;
constexpr size_t kMinBatch = 256;
// A round that makes the text shorter by less than this part is the last.
constexpr size_t kLeastGain = 128;

// The first pieces occur so often that a part of the sample shows them, and
// rounds over long texts are what training takes its time for.  So the first
// rounds see one suffix in a power of kStageShare, as long as these have
// kStageBytes, and kPieceBytes for each piece.
constexpr size_t kStageShare = 4;
constexpr size_t kStageBytes = size_t{128} << 10;
constexpr size_t kPieceBytes = 256;
constexpr uint64_t kStageMinCount = 4;

// Codes of fewer bits may be worse and those of fewer still better, as where
// tokens are of three digits, or two.  But not by so much.
constexpr double kMuchWorse = 1.05;
// In narrow codes a compressor such as LZ4 finds less that repeats (measured on
// paths and time series): they must save so much, and be of so many bits.  In
// codes of whole bytes it finds far more (paths take 12 % more in 15 bits).
constexpr double kNarrowSaves = 1.0 / 40;
constexpr double kNarrowSavesOfBytes = 1.0 / 8;
constexpr unsigned kLeastWidth = 11;

// With that many pieces, codes that take more than this share of what keys take
// without tokens will not come below it; and those that take more than that
// share are tried by small trainings.
constexpr size_t kEnoughPieces = 2048;
constexpr double kHopeless = 1.2;
// The same with a few: digits take 1.43 and more then, many words 1.26.
constexpr size_t kFewPieces = 700;
constexpr double kHopelessEarly = 1.4;
constexpr double kDoubtful = 0.9;

// The larger one of two is on one suffix in so many of a sample that is not too
// small for that, and the smaller one on a quarter of these.
constexpr size_t kTrialShare = 8;
constexpr size_t kQuarter = 4;
constexpr size_t kLeastTried = size_t{256} << 10;
// What they must save: it is without the token table.
constexpr double kLeastTriedSaving = 1.0 / 16;

}  // namespace

uint64_t TokenTrainer::CountCodes(const TokenMatcher& matcher,
                                  const Sample& suffixes,
                                  std::vector<uint64_t>* counts) {
  uint64_t codes = 0;
  Cuts<uint32_t> cuts;
  suffixes.ForEachBatch(1, [&](const std::string_view* texts, size_t n) {
    matcher.Cut(texts, n, &cuts);
    for (size_t i = 0; i < n; ++i) {
      codes += static_cast<uint64_t>(cuts.end(i) - cuts.begin(i));
      if (counts == nullptr) {
        continue;
      }
      for (const uint32_t* c = cuts.begin(i); c != cuts.end(i); ++c) {
        ++(*counts)[*c];
      }
    }
  });
  return codes;
}

void TokenTrainer::MakePiece(uint32_t first, uint32_t second) {
  const auto begin = static_cast<uint32_t>(bytes_.size());
  // What is appended may move what it is a copy of.
  bytes_.reserve(bytes_.size() + 2 * Tokens::kMaxLength);
  bytes_.append(BytesOf(pieces_[first])).append(BytesOf(pieces_[second]));
  pieces_.push_back({begin, static_cast<uint8_t>(bytes_.size() - begin),
                     pieces_[second].ends});
}

void TokenTrainer::MakeFirstPieces() {
  pieces_.clear();
  bytes_.clear();
  for (uint32_t byte = 0; byte < kEnd; ++byte) {
    bytes_.push_back(static_cast<char>(byte));
    pieces_.push_back({byte, 1, false});
  }
  pieces_.push_back({kEnd, 0, true});
}

bool TokenTrainer::MakePieces(size_t max_pieces, uint64_t min_count) {
  MakeFirstPieces();
  tried_ = false;
  size_t every = 1;
  while (sample_.text.size() / (every * kStageShare) >= kStageBytes) {
    every *= kStageShare;
  }
  for (; every > 1; every /= kStageShare) {
    CutIntoPieces(every);
    if (!MergePairs(
            std::min(max_pieces, sample_.text.size() / every / kPieceBytes),
            kStageMinCount, every)) {
      return false;
    }
  }
  CutIntoPieces(1);
  return MergePairs(max_pieces, min_count, 1);
}

double TokenTrainer::TryTokens(size_t trained, size_t tried) const {
  TokenTrainer trainer;
  Sample others;
  for (size_t s = 0; s < sample_.ends.size(); ++s) {
    if (s % trained == 0) {
      trainer.Add(sample_.at(s));
    } else if (s % tried == tried / 2) {
      others.Add(sample_.at(s));
    }
  }
  trainer.share_ = share_ / static_cast<double>(trained);
  trainer.plain_bytes_ = HUGE_VAL;  // tokens in any case
  std::vector<Token> tokens;
  trainer.MakeTokens(&tokens);
  // Codes of whole bits would hide in steps what changes with the sample.
  return static_cast<double>(CountCodes(TokenMatcher(tokens), others)) *
         std::log2(static_cast<double>(tokens.size())) / 8 /
         (plain_bytes_ * static_cast<double>(others.text.size()) /
          static_cast<double>(sample_.text.size()));
}

bool TokenTrainer::SmallTrainingsPay() const {
  if (sample_.text.size() < kLeastTried) {
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

void TokenTrainer::CutIntoPieces(size_t every) {
  std::vector<uint32_t> pieces;
  const TokenMatcher matcher(TokensOfPieces(&pieces));
  symbols_.clear();
  suffixes_ = 0;
  Cuts<uint32_t> cuts;
  sample_.ForEachBatch(every, [&](const std::string_view* texts, size_t n) {
    matcher.Cut(texts, n, &cuts);
    for (size_t i = 0; i < n; ++i) {
      for (const uint32_t* c = cuts.begin(i); c != cuts.end(i); ++c) {
        symbols_.push_back(pieces[*c]);
      }
      symbols_.push_back(token_pairs::kGap);
    }
    suffixes_ += n;
  });
}

std::vector<Token> TokenTrainer::TokensOfPieces(
    std::vector<uint32_t>* pieces) const {
  // The order of codes, in one comparison for most.
  struct Place {
    bool ends;
    uint64_t begin;  // its first bytes, as a number
    uint32_t piece;
  };
  std::vector<Place> places;
  places.reserve(pieces_.size());
  for (uint32_t i = 0; i < pieces_.size(); ++i) {
    const std::string_view bytes = BytesOf(pieces_[i]);
    uint8_t first[sizeof(uint64_t)] = {};
    std::copy_n(bytes.begin(), std::min(bytes.size(), sizeof(first)), first);
    places.push_back(
        {pieces_[i].ends, __builtin_bswap64(LoadFixed64(first)), i});
  }
  std::sort(places.begin(), places.end(),
            [this](const Place& a, const Place& b) {
              if (a.ends != b.ends) return a.ends < b.ends;
              if (a.begin != b.begin) return a.begin < b.begin;
              const int order =
                  BytesOf(pieces_[a.piece]).compare(BytesOf(pieces_[b.piece]));
              return order != 0 ? order < 0 : a.piece < b.piece;
            });
  std::vector<Token> tokens;
  tokens.reserve(places.size());
  pieces->clear();
  for (const Place& place : places) {
    const std::string_view bytes = BytesOf(pieces_[place.piece]);
    // Different pairs can be the same string.
    if (tokens.empty() || tokens.back().ends != place.ends ||
        tokens.back().bytes != bytes) {
      tokens.push_back({std::string(bytes), place.ends});
      pieces->push_back(place.piece);
    }
  }
  return tokens;
}

bool TokenTrainer::MergePairs(size_t max_pieces, uint64_t min_count,
                              size_t every) {
  token_pairs::PairCounts counts;
  std::vector<token_pairs::Pair> pairs;
  while (pieces_.size() < max_pieces) {
    counts.Count(symbols_, pieces_.size());
    pairs.clear();
    counts.ForEach([&](const token_pairs::Pair& pair) {
      // The end needs no room in a token.
      if (pair.count >= min_count &&
          size_t{pieces_[pair.first].size} + pieces_[pair.second].size <=
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
    token_pairs::Merges merges(batch);
    for (const token_pairs::Pair& pair : pairs) {
      merges.Put(pair.first, pair.second,
                 static_cast<uint32_t>(pieces_.size()));
      MakePiece(pair.first, pair.second);
    }
    const size_t before = symbols_.size();
    merges.Apply(&symbols_);
    const bool is_last = before - symbols_.size() < before / kLeastGain;
    const auto codes = static_cast<double>(symbols_.size() - suffixes_);
    const double part = codes * Tokens::WidthFor(pieces_.size()) / 8 *
                        static_cast<double>(every) / plain_bytes_;
    if (pieces_.size() >= kFewPieces && part > kHopelessEarly) {
      return false;
    }
    // Random keys are known by then: more tokens gain them a few percent.  But
    // keys of many thousands of words look the same.
    if (pieces_.size() >= kEnoughPieces && part > kDoubtful) {
      if (part > kHopeless || (!tried_ && !SmallTrainingsPay())) {
        return false;
      }
      tried_ = true;
    }
    if (is_last) {
      return true;
    }
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
  bytes_.clear();
  return Prune(tokens) < (1 - kLeastSaving) * plain_bytes_;
}

void TokenTrainer::Train(double share, uint64_t plain_bytes, std::string* out) {
  share_ = share;
  plain_bytes_ = static_cast<double>(plain_bytes);
  std::vector<Token> tokens;
  if (MakeTokens(&tokens)) {
    Tokens::Encode(tokens, out);
  }
  sample_.Clear();
  others_.Clear();
}

TokenTrainer::Ranking TokenTrainer::Rank(
    const std::vector<Token>& tokens) const {
  const TokenMatcher matcher(tokens);
  std::vector<uint64_t> counts(tokens.size());
  Ranking ranking;
  ranking.codes = CountCodes(matcher, sample_, &counts);
  const double code_bytes =
      Tokens::WidthFor(std::min(tokens.size(), Tokens::kMaxTokens)) / 8.0;
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (token.bytes.size() == (token.ends ? 0 : 1)) {
      ranking.losses.push_back({UINT64_MAX, i});
      continue;
    }
    if (counts[i] == 0) {
      continue;
    }
    const uint64_t loss = counts[i] * (matcher.CountWithout(token) - 1);
    if (static_cast<double>(loss) * code_bytes >
        static_cast<double>(token.bytes.size() + kTokenOverhead) * share_) {
      ranking.losses.push_back({loss, i});
    }
  }
  std::sort(ranking.losses.begin(), ranking.losses.end(),
            [](const Loss& a, const Loss& b) {
              return a.loss != b.loss ? a.loss > b.loss : a.token < b.token;
            });
  return ranking;
}

double TokenTrainer::Prune(std::vector<Token>* tokens) const {
  Ranking ranking = Rank(*tokens);
  // The sample is a part of the file, too, and tokens do better there.
  const double others = others_.text.empty()
                            ? 0
                            : (1 - share_) *
                                  static_cast<double>(sample_.text.size()) /
                                  static_cast<double>(others_.text.size());
  const double own = others == 0 ? 1 : share_;
  std::vector<Token> best;
  double best_bytes = HUGE_VAL;
  double saves = 0;  // what others must save, of best_bytes
  for (size_t n = std::min(ranking.losses.size(), Tokens::kMaxTokens);;) {
    while (ranking.losses.size() > n) {
      ranking.codes += ranking.losses.back().loss;
      ranking.losses.pop_back();
    }
    std::vector<bool> keep(tokens->size());
    for (const Loss& loss : ranking.losses) {
      keep[loss.token] = true;
    }
    std::vector<Token> fewer;
    fewer.reserve(n);
    double table = 0;
    for (size_t i = 0; i < tokens->size(); ++i) {
      if (keep[i]) {
        fewer.push_back((*tokens)[i]);
        table += static_cast<double>(fewer.back().bytes.size());
      }
    }
    double codes = own * static_cast<double>(ranking.codes);
    if (others != 0) {
      codes += others *
               static_cast<double>(CountCodes(TokenMatcher(fewer), others_));
    }
    const unsigned width = Tokens::WidthFor(n);
    const double bytes = codes * width / 8 + table * share_;
    if (bytes < (1 - saves) * best_bytes) {
      best_bytes = bytes;
      saves = width % 8 == 0 ? kNarrowSavesOfBytes : kNarrowSaves;
      best.swap(fewer);
    }
    if (width <= kLeastWidth || bytes > kMuchWorse * best_bytes) {
      break;
    }
    n = size_t{1} << (width - 1);
  }
  tokens->swap(best);
  return best_bytes;
}

}  // namespace key_trie
}  // namespace memkv
