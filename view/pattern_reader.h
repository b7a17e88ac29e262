// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// PatternReader: a pattern's bytes one after the other, and what regular
// expressions and globs have in common: sets in brackets, and errors that name
// the byte.
//
// Thread safety: none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "view/automaton_program.h"

namespace memkv {
namespace view {

class PatternReader {
 public:
  // `what` begins the messages of errors.
  PatternReader(const char* what, const ROCKSDB_NAMESPACE::Slice& pattern)
      : what_(what), pattern_(pattern.ToString()) {}

  bool done() const { return at_ == pattern_.size(); }
  size_t at() const { return at_; }
  // REQUIRES: !done()
  uint8_t peek() const { return static_cast<uint8_t>(pattern_[at_]); }
  uint8_t Next() { return static_cast<uint8_t>(pattern_[at_++]); }
  // Takes the text if it is what comes next.
  bool Take(const char* text);

  // Remembers the first error.  Returns false.
  bool Fail(const std::string& why) { return FailAt(at_, why); }
  bool FailAt(size_t at, const std::string& why);
  bool ok() const { return status_.ok(); }
  const ROCKSDB_NAMESPACE::Status& status() const { return status_; }

  // The set in brackets that begins with the [ that was just taken.
  // `escapes`: \d, \x00 and the like are those of Escape(), and only ^ negates;
  // otherwise ! does, too, and \ makes any byte behind it itself.  either_case:
  // what the brackets name, they name in both cases.
  bool Brackets(bool escapes, bool either_case, ByteSet* set);
  // Behind a \ that was just taken: a set such as that of \d, or one byte.
  bool Escape(ByteSet* set);

  // Adds the other case of each letter.
  static void AddOtherCase(ByteSet* set);

 private:
  // One byte in brackets, or a set, which ends no range.
  bool BracketItem(bool escapes, ByteSet* set);
  bool NamedClass(ByteSet* set);
  bool HexDigit(unsigned* digit);

  const std::string what_;
  const std::string pattern_;
  size_t at_ = 0;
  ROCKSDB_NAMESPACE::Status status_;
};

}  // namespace view
}  // namespace memkv
