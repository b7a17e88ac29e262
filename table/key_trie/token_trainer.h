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

#include "table/key_trie/token_encoder.h"
#include "table/key_trie/tokens.h"

namespace memkv {
namespace key_trie {

class TokenTrainer {
 public:
  // What tokens must save, as a share of what suffixes take without: they take
  // longer to write and to read.
  static constexpr double kLeastSaving = 1.0 / 32;

  // Adds a suffix to the sample.
  void Add(std::string_view suffix) { sample_.Add(suffix); }
  // Adds one to those that tokens are tried on, which are others.  Without any
  // they are tried on the sample.
  void AddOther(std::string_view suffix) { others_.Add(suffix); }

  size_t sample_bytes() const { return sample_.text.size(); }

  // Appends a token table's bytes to *out and forgets the suffixes; nothing if
  // tokens would not make the keys smaller, or hardly.  The sample is one
  // suffix in `share` of the file's; plain_bytes is what the sample's suffixes
  // and their lengths would take without tokens.
  void Train(double share, uint64_t plain_bytes, std::string* out);

 private:
  struct Sample {
    std::string text;
    std::vector<size_t> ends;  // of the suffixes, in the text

    void Add(std::string_view suffix) {
      text.append(suffix.data(), suffix.size());
      ends.push_back(text.size());
    }
    void Clear() {
      text.clear();
      ends.clear();
    }
    std::string_view at(size_t i) const {
      const size_t begin = i == 0 ? 0 : ends[i - 1];
      return std::string_view(text).substr(begin, ends[i] - begin);
    }
    // Calls f with views of one suffix in `every`, some at a time, and their
    // number.
    template <class F>
    void ForEachBatch(size_t every, F f) const {
      constexpr size_t kBatch = 256;
      std::string_view batch[kBatch];
      size_t n = 0;
      for (size_t s = 0; s < ends.size(); s += every) {
        batch[n++] = at(s);
        if (n == kBatch) {
          f(batch, n);
          n = 0;
        }
      }
      f(batch, n);
    }
  };
  // Tokens in the making: a byte, the end of a key, or two tokens.
  struct Piece {
    uint32_t begin;  // of its bytes, in bytes_
    uint8_t size;
    bool ends;
  };

  // How many codes suffixes take; adds how often each occurs to *counts.
  static uint64_t CountCodes(const TokenMatcher& matcher,
                             const Sample& suffixes,
                             std::vector<uint64_t>* counts = nullptr);

  // What Train() writes.  False if tokens will not pay.
  bool MakeTokens(std::vector<Tokens::Token>* tokens);
  // Makes the pieces of the sample.  False if tokens will not pay.
  bool MakePieces(size_t max_pieces, uint64_t min_count);
  void MakeFirstPieces();
  void MakePiece(uint32_t first, uint32_t second);
  std::string_view BytesOf(const Piece& piece) const {
    return std::string_view(bytes_).substr(piece.begin, piece.size);
  }
  // Whether tokens of the whole sample are likely to pay, by what small parts
  // of it come to.
  bool SmallTrainingsPay() const;
  // What one suffix in `tried` takes in tokens of one suffix in `trained`,
  // which are others, as a share of what it takes without.
  // REQUIRES: trained is a multiple of tried, which is 2 or more
  double TryTokens(size_t trained, size_t tried) const;
  // Makes symbols_ one suffix in `every` of the sample, cut into the pieces
  // there are.
  void CutIntoPieces(size_t every);
  // The tokens that pieces are, in the order of codes, and of each a piece.
  std::vector<Tokens::Token> TokensOfPieces(
      std::vector<uint32_t>* pieces) const;
  // Merges pairs of symbols_, which are one suffix in `every` of the sample, in
  // rounds, until there are max_pieces or few occur min_count times.  False if
  // tokens will not pay.
  bool MergePairs(size_t max_pieces, uint64_t min_count, size_t every);
  // What the sample would take more, in codes, without a token.
  struct Loss {
    uint64_t loss;  // UINT64_MAX: it must not be left out
    uint32_t token;
  };
  struct Ranking {
    std::vector<Loss> losses;  // the highest first
    uint64_t codes = 0;        // that the sample takes in all tokens
  };
  // The tokens that pay.
  Ranking Rank(const std::vector<Tokens::Token>& tokens) const;
  // Leaves out tokens that do not pay, and of the others those whose absence
  // costs least: all that codes of fewer bits cannot name, as long as that
  // makes keys smaller.  Returns what the sample takes, with the share of the
  // token table.
  double Prune(std::vector<Tokens::Token>* tokens) const;

  // See Train().
  double share_ = 1;
  double plain_bytes_ = 0;
  Sample sample_;
  Sample others_;
  std::vector<Piece> pieces_;
  std::string bytes_;
  std::vector<uint32_t> symbols_;
  size_t suffixes_ = 0;  // in symbols_
  bool tried_ = false;   // small trainings, which pay
};

}  // namespace key_trie
}  // namespace memkv
