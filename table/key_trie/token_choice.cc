// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/token_choice.h"

#include <algorithm>
#include <random>
#include <string_view>

#include "table/key_trie/builder.h"
#include "table/key_trie/format.h"
#include "table/key_trie/token_encoder.h"
#include "table/key_trie/token_trainer.h"

namespace memkv {
namespace key_trie {

namespace {

// Fewer bytes of suffixes are not worth a token table.
constexpr uint64_t kMinSuffixBytes = 1024;
constexpr uint64_t kSampleShare = 12;
// Of a sample, so many more are what its tokens are tried on.
constexpr uint64_t kTriedShare = 8;
// Up to here all suffixes are the sample: it takes some milliseconds.
constexpr uint64_t kMinSampleBytes = 32768;

// Bits of the length of a key, where keys have several.
constexpr uint64_t kLengthBits = 6;

// A sample takes or leaves so much of a suffix at a time: of a few suffixes of
// megabytes it would be all, or nothing.
constexpr size_t kPieceBytes = size_t{4} << 10;

// What fixed bytes leave of the codes of symbols, by some of the builders.
double LeftByFixedBytes(const std::vector<const Builder*>& builders) {
  constexpr uint64_t kMeasuredBytes = uint64_t{256} << 10;
  constexpr size_t kMostMeasured = 16;
  if (builders.empty()) {
    return 1;
  }
  // As many as have about so many bytes, spread over all.
  const uint64_t bytes = builders[builders.size() / 2]->suffix_bytes() + 1;
  const size_t n = std::min({builders.size(), kMostMeasured,
                             static_cast<size_t>(1 + kMeasuredBytes / bytes)});
  const size_t every = (builders.size() + n - 1) / n;
  Builder::SymbolBits sum;
  for (size_t i = every / 2; i < builders.size(); i += every) {
    const Builder::SymbolBits bits = builders[i]->MeasureSymbols();
    sum.with_fixed += bits.with_fixed;
    sum.without += bits.without;
  }
  return sum.without == 0 ? 1
                          : static_cast<double>(sum.with_fixed) /
                                static_cast<double>(sum.without);
}

template <class F>
void ForEachPiece(const Builder& builder, F f) {
  builder.ForEachSuffix([&f](std::string_view suffix) {
    while (suffix.size() > kPieceBytes) {
      f(suffix.substr(0, kPieceBytes));
      suffix.remove_prefix(kPieceBytes);
    }
    f(suffix);
  });
}

}  // namespace

uint64_t TokenSampleOf(uint64_t suffix_bytes, size_t sample_bytes) {
  return std::max(std::min<uint64_t>(sample_bytes, suffix_bytes / kSampleShare),
                  kMinSampleBytes);
}

void TrainTokens(const std::vector<const Builder*>& builders,
                 size_t sample_bytes, std::string* out) {
  uint64_t suffix_bytes = 0;
  for (const Builder* builder : builders) {
    suffix_bytes += builder->suffix_bytes();
  }
  TrainTokensOn(builders, TokenSampleOf(suffix_bytes, sample_bytes), out);
}

void TrainTokensOn(const std::vector<const Builder*>& builders,
                   uint64_t sampled, std::string* out) {
  uint64_t suffix_bytes = 0;
  size_t shortest = SIZE_MAX;
  size_t longest = 0;
  for (const Builder* builder : builders) {
    suffix_bytes += builder->suffix_bytes();
    shortest = std::min(shortest, builder->shortest_key());
    longest = std::max(longest, builder->longest_key());
  }
  if (suffix_bytes < kMinSuffixBytes) {
    return;
  }
  const double share = std::min(
      1.0, static_cast<double>(sampled) / static_cast<double>(suffix_bytes));
  TokenTrainer trainer;
  std::minstd_rand random(1);
  const auto last = static_cast<uint64_t>(
      share * static_cast<double>(std::minstd_rand::max()));
  const uint64_t last_tried = last + last / kTriedShare;
  bool occurs[256] = {};
  uint64_t suffixes = 0;
  for (const Builder* builder : builders) {
    ForEachPiece(*builder, [&](std::string_view piece) {
      const uint64_t drawn = random();
      if (drawn > last && drawn <= last_tried) {
        trainer.AddOther(piece);
      }
      if (drawn <= last) {
        trainer.Add(piece);
        ++suffixes;
        for (const char c : piece) {
          occurs[static_cast<uint8_t>(c)] = true;
        }
      }
    });
  }
  const auto symbols =
      static_cast<size_t>(std::count(occurs, occurs + 256, true));
  const double code_bits =
      LeftByFixedBytes(builders) *
      static_cast<double>(trainer.sample_bytes() * SymbolWidth(symbols));
  const uint64_t plain_bits =
      static_cast<uint64_t>(code_bits) +
      (shortest == longest ? 0 : suffixes * kLengthBits);
  trainer.Train(share, plain_bits / 8, out);
}

SuffixSizes MeasureSuffixes(const TokenEncoder* encoder,
                            const std::vector<const Builder*>& builders,
                            uint64_t sample_bytes) {
  SuffixSizes sizes;
  for (const Builder* builder : builders) {
    sizes.bytes += builder->suffix_bytes() + builder->num_keys();
  }
  const uint64_t every = std::max<uint64_t>(1, sizes.bytes / sample_bytes);
  uint64_t bytes = 0;
  uint64_t codes = 0;
  double symbol_bits = 0;
  const double left = LeftByFixedBytes(builders);
  uint64_t skip = 0;  // until the next that is measured
  std::vector<std::string_view> suffixes;
  Cuts<uint16_t> cuts;
  for (const Builder* builder : builders) {
    suffixes.clear();
    uint64_t here = 0;
    bool occurs[256] = {};
    const auto measure = [&](std::string_view piece) {
      suffixes.push_back(piece);
      here += piece.size();
      for (const char c : piece) {
        occurs[static_cast<uint8_t>(c)] = true;
      }
    };
    if (builder->longest_key() <= kPieceBytes) {
      builder->ForEveryNthSuffix(every, &skip, measure);
    } else {
      ForEachPiece(*builder, [&](std::string_view piece) {
        if (skip-- == 0) {
          skip = every - 1;
          measure(piece);
        }
      });
    }
    const auto symbols =
        static_cast<size_t>(std::count(occurs, occurs + 256, true));
    symbol_bits +=
        left * static_cast<double>(here * SymbolWidth(symbols)) +
        static_cast<double>(builder->shortest_key() == builder->longest_key()
                                ? 0
                                : suffixes.size() * kLengthBits);
    bytes += here + suffixes.size();
    if (encoder == nullptr) {
      continue;
    }
    encoder->Encode(suffixes.data(), suffixes.size(), &cuts);
    for (size_t k = 0; k < suffixes.size(); ++k) {
      codes += static_cast<uint64_t>(cuts.end(k) - cuts.begin(k));
    }
  }
  if (bytes != 0) {
    const double all =
        static_cast<double>(sizes.bytes) / static_cast<double>(8 * bytes);
    sizes.symbol_bytes = all * symbol_bits;
    if (encoder != nullptr) {
      sizes.token_bytes = all * static_cast<double>(codes * encoder->width());
    }
  }
  return sizes;
}

bool TokensPay(const Tokens& tokens, const SuffixSizes& sizes) {
  return sizes.symbol_bytes * (1 - TokenTrainer::kLeastSaving) >
         sizes.token_bytes + static_cast<double>(tokens.MemoryUsage());
}

bool TokensMayPay(const Tokens& tokens, const SuffixSizes& sizes,
                  uint64_t num_keys) {
  SuffixSizes least = sizes;
  least.token_bytes = static_cast<double>(num_keys) * tokens.width() / 8;
  return TokensPay(tokens, least);
}

}  // namespace key_trie
}  // namespace memkv
