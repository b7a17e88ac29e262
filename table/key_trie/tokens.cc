// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/tokens.h"

#include <cassert>
#include <utility>

#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

namespace {

constexpr uint8_t kTokensVersion = 1;

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
  size_t bytes = 0;
  for (size_t i = tokens.size(); i > 0; --i) {
    assert(tokens[i - 1].bytes.size() <= kMaxLength);
    bytes += tokens[i - 1].bytes.size();
    if (tokens[i - 1].ends) {
      assert(i == first_end);
      first_end = i - 1;
    }
  }
  out->push_back(static_cast<char>(kTokensVersion));
  out->push_back(static_cast<char>(WidthFor(tokens.size())));
  PutFixed(out, 0, 2);
  PutFixed(out, tokens.size(), 4);
  PutFixed(out, first_end, 4);
  PutFixed(out, bytes, 4);
  for (const Token& token : tokens) {
    out->push_back(static_cast<char>(token.bytes.size()));
  }
  for (const Token& token : tokens) {
    *out += token.bytes;
  }
}

bool Tokens::Open(std::string_view data, std::string* reason) {
  Header header;
  if (!ReadHeader(data, &header, reason)) return false;
  std::vector<uint32_t> entries;
  if (!ReadEntries(data.substr(kHeaderSize), header, &entries, reason)) {
    return false;
  }
  num_tokens_ = header.num_tokens;
  width_ = header.width;
  first_end_ = header.first_end;
  entries_ = std::move(entries);
  bytes_.clear();
  bytes_.reserve(header.bytes + kMaxLength + kOverread);
  bytes_.append(data.data() + kHeaderSize + num_tokens_, header.bytes);
  bytes_.append(kMaxLength + kOverread, '\0');
  IndexByFirstByte();
  return true;
}

bool Tokens::ReadHeader(std::string_view data, Header* header,
                        std::string* reason) {
  const auto* p = reinterpret_cast<const uint8_t*>(data.data());
  if (data.size() < kHeaderSize) {
    *reason = "tokens: " + std::to_string(data.size()) + " bytes, expected " +
              std::to_string(kHeaderSize) + " or more";
    return false;
  }
  if (p[0] != kTokensVersion) {
    *reason = "tokens: version " + std::to_string(p[0]) + ", expected " +
              std::to_string(kTokensVersion) +
              "; a newer memkv may be able to read it";
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
  if (header->first_end >= n || uint64_t{n} + header->bytes != body) {
    *reason = "tokens: the first that ends a key is " +
              std::to_string(header->first_end) + " of " + std::to_string(n) +
              ", with " + std::to_string(header->bytes) +
              " bytes in a body of " + std::to_string(body);
    return false;
  }
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
