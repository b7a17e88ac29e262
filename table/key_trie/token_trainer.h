// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Makes a token table for the keys of a file from a sample of their
// suffixes: what keys do not share with the ones before them.
//
// Pairs of neighbouring tokens that are frequent become tokens, in rounds, a
// batch of the most frequent ones a round; half as many again as there are
// codes for. The first rounds see a part of the sample. If they gain little,
// two small trainings, tried on other suffixes, tell what the whole one would
// come to, and whether it is worth its time. Then the sample is cut as the
// encoder cuts, and those whose absence would cost least are left out. How many
// stay follows from what the tokens save in the whole file, against the memory
// they take.
//
// Thread safety: none; one thread at a time.
//
// Invariants:
// (I1) Memory is a small multiple of the sample.
// (I2) The same sample and options give the same token table.
// (I3) The token table has a token of every byte alone, and the one of no bytes
//      that ends a key, so that every string can be cut.
//
// Literature: byte pair encoding (Gage, 1994), in batches as FSST trains its
// symbols (Boncz, Neumann and Leis, VLDB 2020); leaving out what is not used is
// the pruning of unigram language models (Kudo, ACL 2018).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "table/key_trie/tokens.h"

namespace memkv {
namespace key_trie {

class TokenTrainer {
 public:
  // What tokens must save, as a share of what suffixes take without: they take
  // longer to write and to read.
  static constexpr double kLeastSaving = 1.0 / 32;

  // Adds a suffix to the sample.
  void Add(std::string_view suffix);

  size_t sample_bytes() const { return text_.size(); }

  // Appends a token table's bytes to *out and forgets the sample; nothing if
  // tokens would not make the keys smaller, or hardly.  The sample is one
  // suffix in `share` of the file's; plain_bytes is what the sample's suffixes
  // and their lengths would take without tokens.
  void Train(double share, uint64_t plain_bytes, std::string* out);

 private:
  // Tokens in the making: a byte, the end of a key, or two tokens.
  struct Piece {
    uint32_t first;
    uint32_t second;
    uint32_t length;  // the end counts as one
  };

  // What Train() writes.  False if tokens will not pay.
  bool MakeTokens(std::vector<Tokens::Token>* tokens);
  // Makes the pieces of the sample.  False if tokens will not pay.
  bool MakePieces(size_t max_pieces, uint64_t min_count);
  // Whether tokens of the whole sample are likely to pay, by what small parts
  // of it come to.
  bool SmallTrainingsPay() const;
  // What one suffix in `tried` takes in tokens of one suffix in `trained`,
  // which are others, as a share of what it takes without.
  // REQUIRES: trained is a multiple of tried, which is 2 or more
  double TryTokens(size_t trained, size_t tried) const;
  // Makes symbols_ the sample, cut into the pieces there are.
  void CutIntoPieces();
  // The tokens that pieces are, in the order of codes, and of each a piece.
  std::vector<Tokens::Token> TokensOfPieces(
      std::vector<uint32_t>* pieces) const;
  // Merges pairs of symbols_, which are one suffix in `every` of the sample, in
  // rounds, until there are max_pieces or none occurs min_count times.  False
  // if tokens will not pay.
  bool MergePairs(size_t max_pieces, uint64_t min_count, size_t every);
  // Calls f with views of all suffixes, some at a time, and their number.
  template <class F>
  void ForEachBatch(F f) const {
    constexpr size_t kBatch = 256;
    std::string_view batch[kBatch];
    size_t n = 0;
    size_t begin = 0;
    for (const size_t end : ends_) {
      batch[n++] = std::string_view(text_).substr(begin, end - begin);
      begin = end;
      if (n == kBatch) {
        f(batch, n);
        n = 0;
      }
    }
    f(batch, n);
  }
  std::string BytesOf(uint32_t piece, bool* ends) const;
  // Leaves out tokens that do not pay, and those whose absence costs least if
  // there are more than max_tokens. Returns how many codes the sample takes in
  // those there were.
  uint64_t Prune(size_t max_tokens, std::vector<Tokens::Token>* tokens) const;

  // See Train().
  double share_ = 1;
  double plain_bytes_ = 0;
  std::string text_;
  std::vector<size_t> ends_;  // of the suffixes, in text_
  std::vector<Piece> pieces_;
  std::vector<uint32_t> symbols_;
  bool tried_ = false;  // small trainings, which pay
};

}  // namespace key_trie
}  // namespace memkv
