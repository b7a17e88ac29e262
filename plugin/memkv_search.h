// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Automata for memkv::View::Search(), which finds the keys that one of them
// matches and seeks past what it cannot match:
//
//   std::unique_ptr<memkv::Automaton> automaton;
//   rocksdb::Status s =
//       memkv::NewRegexAutomaton("pool/main/[a-f].*\\.deb", &automaton);
//   std::unique_ptr<rocksdb::Iterator> it(
//       view->Search(rocksdb::ReadOptions(), std::move(automaton)));
//   for (it->SeekToFirst(); it->Valid(); it->Next()) ...
//
// All of them match whole user keys, byte by byte: a letter of several bytes in
// UTF-8 is several bytes.  docs/view.md has the syntax of patterns and figures.
//
// Only public RocksDB headers are included here.

#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace memkv {

// A set of keys, as a machine that reads a key byte by byte.  A program may
// bring its own.
//
// Thread safety: none; a search owns its automaton, and a search belongs to one
// thread at a time.  Methods may change the object, but not the answers: states
// that were given out stay good, and lead where they led.
class Automaton {
 public:
  // Whatever the automaton likes; equal states accept the same rests of keys.
  using State = uint64_t;
  // The one state from which nothing matches, whatever follows.
  static constexpr State kDead = UINT64_MAX;

  virtual ~Automaton() = default;

  // Before the first byte.
  virtual State Start() = 0;
  // Behind one more byte.  The more states from which nothing can match are
  // kDead, the less is read.
  // REQUIRES: state != kDead
  virtual State Step(State state, uint8_t byte) = 0;
  // Whether a key that ends here matches.
  // REQUIRES: state != kDead
  virtual bool IsMatch(State state) = 0;

  // Whether every continuation matches, the empty one, too; Step() then stays
  // in the state.  True makes a search faster, and false is never wrong.
  // REQUIRES: IsMatch(state)
  virtual bool MatchesAll(State /*state*/) { return false; }
  // The bytes with which Step() does not lead to kDead.  By default it tries
  // all of them.
  // REQUIRES: state != kDead
  virtual std::bitset<256> NextBytes(State state);

  // Why the automaton gave up, if it did; the search ends with this status, and
  // what it has shown until then does match.
  virtual ROCKSDB_NAMESPACE::Status status() const {
    return ROCKSDB_NAMESPACE::Status::OK();
  }
};

inline std::bitset<256> Automaton::NextBytes(State state) {
  std::bitset<256> bytes;
  for (unsigned byte = 0; byte < 256; ++byte) {
    bytes[byte] = Step(state, static_cast<uint8_t>(byte)) != kDead;
  }
  return bytes;
}

// The makers below return InvalidArgument, which says what is wrong with a
// pattern and at which byte of it, and leave *automaton alone then.
//
// Automata of regular expressions, globs and edit distances build their states
// as a search needs them, in up to 32 MiB of heap.  A search that would need
// more ends with Status::MemoryLimit().

// The keys that a regular expression matches as a whole.
//
//   .  any byte             [a-z]  [^a-z]  [[:digit:]]     \d \D \w \W \s \S
//   x* x+ x? x{2} x{2,} x{2,5}     xy   x|y   (x)  (?:x)   \t \n \r \f \v \0
//   \xHH  the byte of this number  \.  the byte behind \, unless it is a letter
//                                      or a digit
//   (?i) at the beginning: letters of ASCII match in upper and lower case
//
// Classes are those of ASCII.  x*?, x+? and the like are the same as without ?.
// ^ at the beginning and $ at the end are taken, and change nothing.  What no
// automaton has (references back, looking ahead or behind) is InvalidArgument.
ROCKSDB_NAMESPACE::Status NewRegexAutomaton(
    const ROCKSDB_NAMESPACE::Slice& pattern,
    std::unique_ptr<Automaton>* automaton);

// The keys that a glob matches: those of fnmatch() with FNM_PATHNAME, and **.
//
//   *  any bytes but /      ?  one byte but /      **  any bytes
//   [a-z]  [!a-z]  [^a-z]  [[:digit:]]  one of these bytes, but not /
//   \x  the byte x
ROCKSDB_NAMESPACE::Status NewGlobAutomaton(
    const ROCKSDB_NAMESPACE::Slice& pattern,
    std::unique_ptr<Automaton>* automaton);

// The keys that become `word` by at most `most` edits, each of which inserts,
// removes or replaces a byte (Levenshtein distance).
ROCKSDB_NAMESPACE::Status NewEditDistanceAutomaton(
    const ROCKSDB_NAMESPACE::Slice& word, size_t most,
    std::unique_ptr<Automaton>* automaton);

// The keys that begin with one of these.  An empty prefix matches all keys, no
// prefix none.
ROCKSDB_NAMESPACE::Status NewPrefixesAutomaton(
    std::vector<std::string> prefixes, std::unique_ptr<Automaton>* automaton);

}  // namespace memkv
