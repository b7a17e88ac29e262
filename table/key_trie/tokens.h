// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A token table: byte strings of up to kMaxLength bytes that the keys
// of a file are made of, each named by a code of a fixed number of bits.  Some
// tokens *end* a key; their codes are the highest, so that the ends of keys are
// found in a row of codes by comparing alone.  Within either kind codes ascend
// with the bytes, so that a suffix's first byte is compared by its first code.
//
// The bytes: a header of 16, then each token as what it shares with the one
// before and the suffix behind that; see FORMAT.md.  In version 1 tokens are
// whole, which takes almost twice as much.
//
// One token table serves all key tries of a file.  TokenTrainer makes it,
// TokenEncoder cuts suffixes into tokens.
//
// Literature: a token table of merged pairs with codes of fixed width and
// random access to every string is OnPair's (Gargiulo and Venturini, 2025) and,
// before it, FSST's (Boncz, Neumann and Leis, VLDB 2020).  That a token can end
// a string, so that no lengths are stored, and that ends and first bytes are
// found by vector comparison, is ours.
//
// Thread safety: immutable after Open; const methods are thread-safe.
//
// Invariants:
// (I1) Whatever the bytes, every code of width() bits names at most kMaxLength
//      readable bytes, followed by kOverread readable ones.
// (I2) Codes are unique names, but not all strings of bytes have one name: how
//      a key is cut is the encoder's choice.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/key_trie/target.h"
#include "util/cache_line_counter.h"

namespace memkv {
namespace key_trie {

class Tokens {
 public:
  // What a token table is made of before it is written.
  struct Token {
    std::string bytes;
    bool ends = false;
  };

  static constexpr unsigned kMinWidth = 9;
  static constexpr unsigned kMaxWidth = 16;
  // So that no code is 2^16 - 1.
  static constexpr size_t kMaxTokens = (size_t{1} << kMaxWidth) - 1;
  static constexpr size_t kMaxLength = 63;
  static constexpr size_t kOverread = SoughtKey::kOverread;
  static constexpr size_t kHeaderSize = 16;

  // A token table of no tokens, which no key trie with tokens accepts.
  Tokens() = default;

  // Replaces this by the token table in data, which is copied.  False, with
  // *this untouched and *reason set to one sentence, if it is damaged.
  bool Open(std::string_view data, std::string* reason);

  // The order of codes.
  static bool Before(const Token& a, const Token& b) {
    return a.ends != b.ends ? a.ends < b.ends : a.bytes < b.bytes;
  }

  // Appends the encoding of tokens, of version 2.
  // REQUIRES: at most kMaxTokens distinct ones, no longer than kMaxLength; the
  // ending ones last, and at least one; both kinds by their bytes.
  static void Encode(const std::vector<Token>& tokens, std::string* out);

  // The bits of a code that can name num_tokens tokens.
  static unsigned WidthFor(size_t num_tokens);

  bool empty() const { return num_tokens_ == 0; }
  uint32_t num_tokens() const { return num_tokens_; }
  unsigned width() const { return width_; }
  // The lowest code of a token that ends a key.
  uint32_t first_end() const { return first_end_; }

  // The codes of tokens whose first byte is `byte`: those that do not end a key
  // from plain on, before plain_end; those that do from last on, before
  // last_end.  A token of no bytes is before all.
  struct CodeRange {
    uint16_t plain;
    uint16_t plain_end;
    uint16_t last;
    uint16_t last_end;
  };
  const CodeRange& CodesFor(uint8_t byte) const { return by_byte_[byte]; }

  // Of a code that names nothing, no bytes.
  // REQUIRES for all: code < 2^width().
  const uint8_t* BytesOf(uint32_t code) const {
    CountCacheLine(bytes_.data() + (entries_[code] >> kLengthBits));
    return reinterpret_cast<const uint8_t*>(bytes_.data()) +
           (entries_[code] >> kLengthBits);
  }
  uint32_t LengthOf(uint32_t code) const {
    CountCacheLine(&entries_[code]);
    return entries_[code] & kLengthMask;
  }
  // BytesOf() and LengthOf() for a loop that writes bytes, any of which might
  // be what those would have to read again.
  struct Names {
    const uint32_t* entries;
    const uint8_t* bytes;
    const uint8_t* BytesOf(uint32_t code) const {
      return bytes + (entries[code] >> kLengthBits);
    }
    uint32_t LengthOf(uint32_t code) const {
      return entries[code] & kLengthMask;
    }
  };
  Names names() const {
    return {entries_.data(), reinterpret_cast<const uint8_t*>(bytes_.data())};
  }
  std::string TokenOf(uint32_t code) const {
    return {reinterpret_cast<const char*>(BytesOf(code)), LengthOf(code)};
  }

  // All of them, as Encode() takes them.
  std::vector<Token> List() const;

  size_t MemoryUsage() const {
    return sizeof(*this) + bytes_.capacity() +
           entries_.capacity() * sizeof(entries_[0]);
  }

 private:
  static constexpr unsigned kLengthBits = 6;
  static constexpr uint32_t kLengthMask = (1u << kLengthBits) - 1;

  struct Header {
    uint8_t version;
    unsigned width;
    uint32_t num_tokens;
    uint32_t first_end;
    uint32_t bytes;  // of tokens; in version 2, of their suffixes
  };
  // What Open() consists of.  The header has a body of its size behind it.
  static bool ReadHeader(std::string_view data, Header* header,
                         std::string* reason);
  // Makes of a body of version 2 one of version 1, and of *header its header.
  static bool ReadSuffixes(std::string_view body, Header* header,
                           std::string* whole, std::string* reason);
  // `entries` get a word for every code, as entries_.
  // REQUIRES: a body of version 1
  static bool ReadEntries(std::string_view body, const Header& header,
                          std::vector<uint32_t>* entries, std::string* reason);
  // Fills bytes_, of which entries_ name places afterwards.  A token that the
  // one behind it begins with lies where that one does.
  // REQUIRES: entries_ name places in `whole`
  void KeepBytes(std::string_view whole);
  void IndexByFirstByte();

  uint32_t num_tokens_ = 0;
  unsigned width_ = 0;
  uint32_t first_end_ = 0;
  std::vector<uint32_t> entries_;  // where << kLengthBits | length
  std::string bytes_;
  CodeRange by_byte_[256] = {};
};

}  // namespace key_trie
}  // namespace memkv
