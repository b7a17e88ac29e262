// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Makes a token table for the keys of a file from a sample of their
// suffixes: what keys do not share with the ones before them.
//
// Pairs of neighbouring tokens that are frequent become tokens, in rounds, a
// batch of the most frequent ones a round; half as many again as there are
// codes for. The first rounds see a part of the sample. Then the sample is cut
// as the encoder cuts, and those whose absence would cost least are left out.
// How many stay follows from what the tokens save in the whole file, against
// the memory they take.
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
  // Adds a suffix to the sample.
  void Add(std::string_view suffix);

  size_t sample_bytes() const { return text_.size(); }

  // Appends a token table's bytes to *out and forgets the sample; nothing if
  // tokens would not make the keys smaller.  The sample is one suffix in
  // `share` of the file's; plain_bytes is what the sample's suffixes and their
  // lengths would take without tokens.
  void Train(double share, uint64_t plain_bytes, std::string* out);

 private:
  // Tokens in the making: a byte, the end of a key, or two tokens.
  struct Piece {
    uint32_t first;
    uint32_t second;
    uint32_t length;  // the end counts as one
  };

  // Makes the pieces of the sample.  False if tokens will not pay.
  bool MakePieces(size_t max_pieces, uint64_t min_count, uint64_t plain_bytes);
  // Makes symbols_ the sample, cut into the pieces there are.
  void CutIntoPieces();
  // The tokens that pieces are, in the order of codes, and of each a piece.
  std::vector<Tokens::Token> TokensOfPieces(
      std::vector<uint32_t>* pieces) const;
  // Merges pairs of symbols_, in rounds, until there are max_pieces or none
  // occurs min_count times.  False if tokens will not pay: plain_bytes is what
  // the suffixes in symbols_ take without.
  bool MergePairs(size_t max_pieces, uint64_t min_count, uint64_t plain_bytes);
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
  uint64_t Prune(size_t max_tokens, double share,
                 std::vector<Tokens::Token>* tokens) const;

  std::string text_;
  std::vector<size_t> ends_;  // of the suffixes, in text_
  std::vector<Piece> pieces_;
  std::vector<uint32_t> symbols_;
};

}  // namespace key_trie
}  // namespace memkv
