// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether the keys of a file are worth a token table, and which: by samples of
// the suffixes that builders hold.
//
// Thread safety: pure functions of what the builders hold.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "table/key_trie/tokens.h"

namespace memkv {
namespace key_trie {

class Builder;
class TokenEncoder;

// The most of suffixes, in bytes, that a token table is trained on.
constexpr size_t kTokenSampleBytes = size_t{8} << 20;

// Trains a token table on a sample of the suffixes that the builders hold, at
// most sample_bytes and a twelfth of them or, if that is more, a few KiB; and
// appends its bytes to *out, nothing if tokens would not make the keys smaller.
// They are tried on an eighth as much of the others.
// Training on a byte takes as long as writing some ten in tokens: with a
// twelfth it is the smaller part.
void TrainTokens(const std::vector<const Builder*>& builders,
                 size_t sample_bytes, std::string* out);
// How many bytes of a sample that is, of so many bytes of suffixes.
uint64_t TokenSampleOf(uint64_t suffix_bytes, size_t sample_bytes);
// The same on `sampled` bytes of a sample, about, however many those are.
void TrainTokensOn(const std::vector<const Builder*>& builders,
                   uint64_t sampled, std::string* out);

// What the suffixes that builders hold take.
struct SuffixSizes {
  uint64_t bytes = 0;  // of suffixes, their ends counted as one each
  // By a sample of them: in symbols, with the lengths of keys; and in tokens.
  double symbol_bytes = 0;
  double token_bytes = 0;

  // The bits of codes that a byte takes in tokens.  0 if there are none.
  double bits_a_byte() const {
    return bytes == 0 ? 0 : 8 * token_bytes / static_cast<double>(bytes);
  }
};

// encoder: of the tokens, null to know nothing of them.  The cost is a step for
// every key and a look at a sample, which is cut if there is an encoder.
SuffixSizes MeasureSuffixes(const TokenEncoder* encoder,
                            const std::vector<const Builder*>& builders,
                            uint64_t sample_bytes = uint64_t{256} << 10);

// Whether these suffixes take less in tokens, with what the token table takes
// in the memory of its reader, which is more than in the file: by
// TokenTrainer::kLeastSaving of what they take in symbols.
bool TokensPay(const Tokens& tokens, const SuffixSizes& sizes);
// Whether it may: false if not even codes of one a suffix would save so much.
// REQUIRES: `sizes` of num_keys keys, without an encoder
bool TokensMayPay(const Tokens& tokens, const SuffixSizes& sizes,
                  uint64_t num_keys);

}  // namespace key_trie
}  // namespace memkv
