// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/pattern_reader.h"

#include <cstring>

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::Status;

namespace {

struct Class {
  const char* name;
  const char* ranges;  // pairs of bytes
};

// Those of POSIX in ASCII, whatever the locale.
constexpr Class kClasses[] = {
    {"alnum", "09AZaz"},   {"alpha", "AZaz"},
    {"blank", "\t\t  "},   {"cntrl", "\x01\x1f\x7f\x7f"},
    {"digit", "09"},       {"graph", "!~"},
    {"lower", "az"},       {"print", " ~"},
    {"punct", "!/:@[`{~"}, {"space", "\t\r  "},
    {"upper", "AZ"},       {"xdigit", "09AFaf"},
    {"word", "09AZ__az"},
};

ByteSet Ranges(const char* ranges) {
  ByteSet set;
  for (; *ranges != '\0'; ranges += 2) {
    for (unsigned byte = static_cast<uint8_t>(ranges[0]);
         byte <= static_cast<uint8_t>(ranges[1]); ++byte) {
      set.set(byte);
    }
  }
  return set;
}

bool FindClass(const std::string& name, ByteSet* set) {
  for (const Class& known : kClasses) {
    if (name != known.name) continue;
    *set |= Ranges(known.ranges);
    if (name == "cntrl") set->set(0);
    return true;
  }
  return false;
}

bool IsAsciiAlnum(uint8_t byte) { return Ranges("09AZaz")[byte]; }

uint8_t LastOf(const ByteSet& set) {
  unsigned byte = 255;
  while (!set[byte]) --byte;
  return static_cast<uint8_t>(byte);
}

}  // namespace

bool PatternReader::Take(const char* text) {
  const size_t size = std::strlen(text);
  if (pattern_.compare(at_, size, text) != 0) return false;
  at_ += size;
  return true;
}

bool PatternReader::FailAt(size_t at, const std::string& why) {
  if (status_.ok()) {
    status_ =
        Status::InvalidArgument(what_ + " '" + pattern_ + "'",
                                "byte " + std::to_string(at) + ": " + why);
  }
  return false;
}

bool PatternReader::HexDigit(unsigned* digit) {
  static const char kDigits[] = "0123456789abcdefABCDEF";
  const char* const found =
      done() || peek() == 0 ? nullptr : std::strchr(kDigits, peek());
  if (found == nullptr) return Fail("expected two hexadecimal digits");
  const auto at = static_cast<unsigned>(found - kDigits);
  *digit = at < 16 ? at : at - 6;
  Next();
  return true;
}

bool PatternReader::Escape(ByteSet* set) {
  if (done()) return Fail("nothing is behind the last \\");
  const size_t begin = at_;
  const uint8_t byte = Next();
  unsigned high = 0;
  unsigned low = 0;
  switch (byte) {
    case 'd':
    case 'D':
      FindClass("digit", set);
      break;
    case 'w':
    case 'W':
      FindClass("word", set);
      break;
    case 's':
    case 'S':
      FindClass("space", set);
      break;
    case 't':
      set->set('\t');
      break;
    case 'n':
      set->set('\n');
      break;
    case 'r':
      set->set('\r');
      break;
    case 'f':
      set->set('\f');
      break;
    case 'v':
      set->set('\v');
      break;
    case '0':
      set->set(0);
      break;
    case 'x':
      if (!HexDigit(&high) || !HexDigit(&low)) return false;
      set->set(high * 16 + low);
      break;
    default:
      if (IsAsciiAlnum(byte)) {
        return FailAt(begin, std::string("\\") + static_cast<char>(byte) +
                                 " means nothing here");
      }
      set->set(byte);
  }
  if (byte == 'D' || byte == 'W' || byte == 'S') set->flip();
  return true;
}

bool PatternReader::NamedClass(ByteSet* set) {
  const size_t begin = at_;
  const size_t end = pattern_.find(":]", at_);
  if (end == std::string::npos) return Fail("[: without :]");
  const std::string name = pattern_.substr(at_, end - at_);
  if (!FindClass(name, set)) {
    return FailAt(begin, "there is no class [:" + name + ":]");
  }
  at_ = end + 2;
  return true;
}

bool PatternReader::BracketItem(bool escapes, ByteSet* set) {
  if (Take("[:")) return NamedClass(set);
  if (peek() == '\\') {
    Next();
    if (escapes) return Escape(set);
    if (done()) return Fail("nothing is behind the last \\");
  }
  set->set(Next());
  return true;
}

bool PatternReader::Brackets(bool escapes, bool either_case, ByteSet* set) {
  const size_t begin = at_ - 1;
  set->reset();
  const bool negated = Take("^") || (!escapes && Take("!"));
  for (bool first = true;; first = false) {
    if (done()) return FailAt(begin, "[ without ]");
    // The first ] is a byte like others.
    if (!first && Take("]")) break;
    const size_t from = at_;
    ByteSet item;
    if (!BracketItem(escapes, &item)) return false;
    if (item.count() == 1 && !done() && peek() == '-' &&
        at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
      Next();
      ByteSet last;
      if (!BracketItem(escapes, &last)) return false;
      if (last.count() != 1 || LastOf(last) < LastOf(item)) {
        return FailAt(from, "a range that does not ascend");
      }
      for (unsigned byte = LastOf(item); byte < LastOf(last); ++byte) {
        item.set(byte);
      }
      item |= last;
    }
    *set |= item;
  }
  if (either_case) AddOtherCase(set);
  if (negated) set->flip();
  return true;
}

void PatternReader::AddOtherCase(ByteSet* set) {
  for (unsigned lower = 'a'; lower <= 'z'; ++lower) {
    const unsigned upper = lower - 'a' + 'A';
    if ((*set)[lower] || (*set)[upper]) {
      set->set(lower);
      set->set(upper);
    }
  }
}

}  // namespace view
}  // namespace memkv
