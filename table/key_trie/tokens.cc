// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/tokens.h"

#include <cassert>
#include <utility>

#include "util/common_prefix.h"
#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

namespace {

constexpr uint8_t kWholeTokens = 1;
constexpr uint8_t kSuffixes = 2;

// Numbers from here on do not fit into half a byte.
constexpr size_t kLongNumber = 15;

}  // namespace

unsigned Tokens::WidthFor(size_t num_tokens) {
  unsigned width = kMinWidth;
  while ((size_t{1} << width) < num_tokens) {
    ++width;
  }
  return width;
}

std::vector<Tokens::Token> Tokens::List() const {
  std::vector<Token> list(num_tokens_);
  for (uint32_t code = 0; code < num_tokens_; ++code) {
    list[code].bytes = TokenOf(code);
    list[code].ends = code >= first_end_;
  }
  return list;
}

void Tokens::Encode(const std::vector<Token>& tokens, std::string* out) {
  assert(tokens.size() <= kMaxTokens);
  size_t first_end = tokens.size();
  std::string numbers;
  std::string long_numbers;
  std::string suffixes;
  const auto half = [&long_numbers](size_t number) {
    if (number < kLongNumber) return number;
    long_numbers.push_back(static_cast<char>(number));
    return kLongNumber;
  };
  std::string_view before;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i].bytes;
    assert(token.size() <= kMaxLength);
    assert(tokens[i].ends || first_end == tokens.size());
    if (tokens[i].ends && first_end == tokens.size()) {
      first_end = i;
      before = {};
    }
    const size_t shared = CommonPrefix(before, token);
    const size_t low = half(shared);
    numbers.push_back(
        static_cast<char>(half(token.size() - shared) << 4 | low));
    suffixes += token.substr(shared);
    before = token;
  }
  out->push_back(static_cast<char>(kSuffixes));
  out->push_back(static_cast<char>(WidthFor(tokens.size())));
  PutFixed(out, 0, 2);
  PutFixed(out, tokens.size(), 4);
  PutFixed(out, first_end, 4);
  PutFixed(out, suffixes.size(), 4);
  *out += numbers;
  *out += long_numbers;
  *out += suffixes;
}

bool Tokens::Open(std::string_view data, std::string* reason) {
  Header header;
  if (!ReadHeader(data, &header, reason)) return false;
  std::string_view body = data.substr(kHeaderSize);
  std::string whole;
  if (header.version == kSuffixes) {
    if (!ReadSuffixes(body, &header, &whole, reason)) return false;
    body = whole;
  }
  std::vector<uint32_t> entries;
  if (!ReadEntries(body, header, &entries, reason)) return false;
  num_tokens_ = header.num_tokens;
  width_ = header.width;
  first_end_ = header.first_end;
  entries_ = std::move(entries);
  KeepBytes(body.substr(num_tokens_));
  IndexByFirstByte();
  return true;
}

void Tokens::KeepBytes(std::string_view whole) {
  bytes_.clear();
  bytes_.reserve(whole.size() + kMaxLength + kOverread);
  std::string_view next;
  size_t next_at = 0;
  for (uint32_t code = num_tokens_; code > 0; --code) {
    uint32_t& entry = entries_[code - 1];
    const uint32_t length = entry & kLengthMask;
    const std::string_view token = whole.substr(entry >> kLengthBits, length);
    if (CommonPrefix(token, next) < length) {
      next_at = bytes_.size();
      bytes_.append(token);
    }
    next = token;
    entry = static_cast<uint32_t>(next_at << kLengthBits) | length;
  }
  bytes_.append(kMaxLength + kOverread, '\0');
  bytes_.shrink_to_fit();
}

bool Tokens::ReadHeader(std::string_view data, Header* header,
                        std::string* reason) {
  const auto* p = reinterpret_cast<const uint8_t*>(data.data());
  if (data.size() < kHeaderSize) {
    *reason = "tokens: " + std::to_string(data.size()) + " bytes, expected " +
              std::to_string(kHeaderSize) + " or more";
    return false;
  }
  header->version = p[0];
  if (header->version != kWholeTokens && header->version != kSuffixes) {
    *reason = "tokens: version " + std::to_string(header->version) +
              ", expected 1 or 2; a newer memkv may be able to read it";
    return false;
  }
  header->width = p[1];
  header->num_tokens = LoadFixed32(p + 4);
  header->first_end = LoadFixed32(p + 8);
  header->bytes = LoadFixed32(p + 12);
  if (LoadFixed16(p + 2) != 0) {
    *reason = "tokens: reserved bytes are not 0";
    return false;
  }
  const uint32_t n = header->num_tokens;
  if (n == 0 || n > kMaxTokens || header->width != WidthFor(n)) {
    *reason = "tokens: " + std::to_string(n) + " tokens with codes of " +
              std::to_string(header->width) + " bits";
    return false;
  }
  const size_t body = data.size() - kHeaderSize;
  const uint64_t least = uint64_t{n} + header->bytes;
  if (header->first_end >= n ||
      (header->version == kWholeTokens ? least != body : least > body)) {
    *reason = "tokens: the first that ends a key is " +
              std::to_string(header->first_end) + " of " + std::to_string(n) +
              ", with " + std::to_string(header->bytes) +
              " bytes in a body of " + std::to_string(body);
    return false;
  }
  return true;
}

bool Tokens::ReadSuffixes(std::string_view body, Header* header,
                          std::string* whole, std::string* reason) {
  const uint32_t n = header->num_tokens;
  const std::string_view long_numbers =
      body.substr(n, body.size() - n - header->bytes);
  std::string_view suffixes = body.substr(body.size() - header->bytes);
  size_t num_long = 0;
  const auto number = [&](unsigned half, size_t* to) {
    *to = half;
    if (half != kLongNumber) return true;
    if (num_long == long_numbers.size()) {
      *reason = "tokens: " + std::to_string(num_long) +
                " long numbers are not enough";
      return false;
    }
    *to = static_cast<uint8_t>(long_numbers[num_long]);
    if (*to < kLongNumber || *to > kMaxLength) {
      *reason = "tokens: long number " + std::to_string(num_long) + " is " +
                std::to_string(*to);
      return false;
    }
    ++num_long;
    return true;
  };
  whole->assign(n, '\0');
  size_t before_at = n;
  for (uint32_t i = 0; i < n; ++i) {
    const auto halves = static_cast<uint8_t>(body[i]);
    size_t shared = 0;
    size_t length = 0;
    if (!number(halves & 0xf, &shared) || !number(halves >> 4, &length)) {
      return false;
    }
    if (i == header->first_end) before_at = whole->size();
    const size_t before = whole->size() - before_at;
    if (shared > before || length > suffixes.size() ||
        shared + length > kMaxLength ||
        (shared < before && length > 0 &&
         (*whole)[before_at + shared] == suffixes[0])) {
      *reason = "tokens: token " + std::to_string(i) + " shares " +
                std::to_string(shared) + " bytes of " + std::to_string(before) +
                " and adds " + std::to_string(length);
      return false;
    }
    const size_t at = whole->size();
    whole->append(*whole, before_at, shared);
    whole->append(suffixes.substr(0, length));
    suffixes.remove_prefix(length);
    (*whole)[i] = static_cast<char>(shared + length);
    before_at = at;
  }
  const size_t unused = long_numbers.size() - num_long + suffixes.size();
  if (unused != 0) {
    *reason = "tokens: " + std::to_string(unused) + " unused bytes";
    return false;
  }
  header->bytes = static_cast<uint32_t>(whole->size() - n);
  return true;
}

bool Tokens::ReadEntries(std::string_view body, const Header& header,
                         std::vector<uint32_t>* entries, std::string* reason) {
  const auto* lengths = reinterpret_cast<const uint8_t*>(body.data());
  // Codes no token has are ends without bytes.
  entries->assign(size_t{1} << header.width, 0);
  uint64_t offset = 0;
  std::string_view before;
  for (uint32_t i = 0; i < header.num_tokens; ++i) {
    if (lengths[i] > kMaxLength || offset + lengths[i] > header.bytes ||
        (lengths[i] == 0 && i < header.first_end)) {
      *reason = "tokens: token " + std::to_string(i) + " of " +
                std::to_string(lengths[i]) + " bytes at " +
                std::to_string(offset) + " of " + std::to_string(header.bytes);
      return false;
    }
    const std::string_view token =
        body.substr(header.num_tokens + offset, lengths[i]);
    if (i != 0 && i != header.first_end && token <= before) {
      *reason = "tokens: token " + std::to_string(i) + " does not ascend";
      return false;
    }
    before = token;
    (*entries)[i] = static_cast<uint32_t>(offset << kLengthBits) | lengths[i];
    offset += lengths[i];
  }
  if (offset != header.bytes) {
    *reason =
        "tokens: " + std::to_string(header.bytes - offset) + " unused bytes";
    return false;
  }
  return true;
}

void Tokens::IndexByFirstByte() {
  uint32_t plain = 0;
  uint32_t last = first_end_;
  for (int byte = -1; byte < 256; ++byte) {
    const auto after = [&](uint32_t code, uint32_t end) {
      while (code < end &&
             (LengthOf(code) == 0 ? -1 : int{*BytesOf(code)}) <= byte) {
        ++code;
      }
      return code;
    };
    const uint32_t plain_end = after(plain, first_end_);
    const uint32_t last_end = after(last, num_tokens_);
    if (byte >= 0) {
      by_byte_[byte] = {
          static_cast<uint16_t>(plain), static_cast<uint16_t>(plain_end),
          static_cast<uint16_t>(last), static_cast<uint16_t>(last_end)};
    }
    plain = plain_end;
    last = last_end;
  }
}

}  // namespace key_trie
}  // namespace memkv
