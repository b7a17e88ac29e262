// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Bytes that no builder wrote, or that were damaged since: whatever opens is
// safe to ask, and what Validate accepts is what a builder writes.  Buffers end
// where the readers may no longer read; the sanitizers judge the rest.

#include "table/key_trie/separators.h"
#include "tests/corruption/key_trie_damage.h"
#include "tests/fuzz/key_trie_fuzz.h"
#include "util/packed_array.h"

namespace memkv {

namespace {

using key_trie::kHeaderSize;
using key_trie::kPadding;
using key_trie::SeparatorTrie;
using key_trie::SeparatorTrieBuilder;
using key_trie::SoughtKey;
using key_trie::Tokens;

constexpr size_t kMaxEdits = 3;

// Makes the compiler keep the loads that value is the sum of.
void Use(uint64_t value) { asm volatile("" : : "r"(value)); }

KeyList FuzzTargets(FuzzInput* in, const KeyList& keys) {
  KeyList targets = {""};
  while (targets.size() < 12 && !in->empty()) {
    targets.push_back(FuzzTarget(in, keys));
  }
  return targets;
}

// Sets, flips, adds, removes or cuts off bytes.
void Edit(FuzzInput* in, std::string* bytes) {
  for (size_t n = 1 + in->Below(kMaxEdits); n > 0; --n) {
    const size_t at = in->Below(std::min(bytes->size(), size_t{65535}) + 1);
    const size_t what = in->Below(8);
    if (what == 0) {
      bytes->insert(at, in->Bytes(1 + in->Below(8)));
    } else if (what == 1) {
      bytes->erase(at, 1 + in->Below(8));
    } else if (what == 2) {
      bytes->resize(at);
    } else if (at < bytes->size()) {
      char* const c = &(*bytes)[at];
      const uint8_t byte = in->Byte();
      *c = static_cast<char>(what < 5   ? byte
                             : what < 7 ? *c ^ (1 << byte % 8)
                                        : *c + (byte % 2 == 0 ? 1 : -1));
    }
  }
}

// The same inside one section, so that Open still finds all of them.
void EditSection(FuzzInput* in, std::string* bytes) {
  constexpr size_t kFields[] = {kNumSymbolsAt, kSeparatorsSizeAt,
                                kDirectorySizeAt, kBucketsSizeAt};
  const size_t which = in->Below(4);
  size_t begin = kHeaderSize;
  for (size_t i = 0; i < which; ++i) {
    begin += LoadField(*bytes, kFields[i]);
  }
  const uint32_t size = LoadField(*bytes, kFields[which]);
  std::string section = bytes->substr(begin, size);
  Edit(in, &section);
  bytes->replace(begin, size, section);
  StoreField(bytes, kFields[which], static_cast<uint32_t>(section.size()));
}

// Inside one bucket, with the directory as it would be then; and perhaps one of
// its elements changed.
// REQUIRES: bytes are a builder's, with at least one bucket
void EditBucket(FuzzInput* in, std::string* bytes) {
  const uint32_t num_buckets = LoadField(*bytes, kNumBucketsAt);
  const uint32_t directory_size = LoadField(*bytes, kDirectorySizeAt);
  const size_t directory_at =
      SeparatorsAt(*bytes) + LoadField(*bytes, kSeparatorsSizeAt);
  const size_t buckets_at = directory_at + directory_size;
  PackedArrayView directory;
  size_t consumed = 0;
  ASSERT_TRUE(PackedArrayView::Open(
      std::string_view(*bytes).substr(directory_at, directory_size),
      num_buckets + 1, &directory, &consumed));
  const unsigned shift = BitWidth(LoadField(*bytes, kNumKeysAt));
  std::vector<uint64_t> places;
  for (size_t i = 0; i <= num_buckets; ++i) {
    places.push_back(directory[i]);
  }
  const size_t b = in->Below(num_buckets);
  const size_t begin = buckets_at + (places[b] >> shift);
  const size_t size = (places[b + 1] >> shift) - (places[b] >> shift);
  std::string bucket = bytes->substr(begin, size);
  const size_t what = in->Below(4);
  if (what == 0) {
    bucket.push_back('\0');
  } else if (what != 1) {
    Edit(in, &bucket);
  }
  bytes->replace(begin, size, bucket);
  const uint64_t more = uint64_t{bucket.size()} - size;  // modulo 2^64
  for (size_t i = b + 1; i <= num_buckets; ++i) {
    places[i] += more << shift;
  }
  StoreField(bytes, kBucketsSizeAt,
             static_cast<uint32_t>(LoadField(*bytes, kBucketsSizeAt) + more));
  if (what == 1 || in->Below(4) == 0) {
    uint64_t& place = places[in->Below(places.size())];
    const uint64_t by = in->Below(512);
    place += in->Flag() ? by << shift : uint64_t{0} - by;
  }
  std::string encoded;
  PackedArrayBuilder::Encode(places.data(), places.size(), &encoded);
  bytes->replace(directory_at, directory_size, encoded);
  StoreField(bytes, kDirectorySizeAt, static_cast<uint32_t>(encoded.size()));
}

void CheckTrie(std::string_view bytes, std::string_view tokens,
               const KeyList& targets) {
  Tally tally;
  ExpectDamageIsSafe(std::string(bytes), std::string(tokens), targets, &tally);
}

// A whole key trie from the input.
void CheckRawTrie(FuzzInput* in) {
  const std::string tokens = in->Flag() ? TokenTableOf({}) : "";
  const KeyList targets = {"", "a", in->Bytes(in->Below(16))};
  CheckTrie(in->Rest(), tokens, targets);
}

// Sections from the input, and a header that fits them.
void CheckRawSections(FuzzInput* in) {
  Parts parts;
  const bool in_tokens = in->Flag();
  const std::string tokens = in_tokens ? TokenTableOf({{"ab", true}}) : "";
  parts.coding = in_tokens ? key_trie::kTokenCodes : key_trie::kSymbols;
  parts.width = in_tokens ? 9 : static_cast<unsigned>(1 + in->Below(8));
  if (parts.width < 8) {
    parts.symbols = in->Bytes(in->Below((size_t{1} << parts.width) + 1));
  }
  for (size_t n = in->Below(6); n > 0; --n) {
    parts.heads.push_back(parts.num_keys);
    parts.num_keys += static_cast<uint32_t>(1 + in->Below(128));
    parts.buckets.push_back(in->Bytes(1 + in->Below(300)));
  }
  const KeyList targets = FuzzTargets(in, {});
  if (parts.buckets.size() > 1) {
    KeyList separators = {""};
    for (size_t i = 1; i < parts.buckets.size(); ++i) {
      // Ascending, of different lengths.
      separators.push_back(std::string(1, static_cast<char>('a' + i)) +
                           in->Bytes(in->Below(12)));
    }
    ASSERT_TRUE(SeparatorTrieBuilder::Encode(separators, UINT32_MAX,
                                             &parts.separators));
    Edit(in, &parts.separators);
  }
  CheckTrie(parts.Join(), tokens, targets);
}

// What a builder wrote, damaged.
void CheckDamagedTrie(FuzzInput* in) {
  const auto bucket_keys = static_cast<uint32_t>(1 + in->Below(128));
  const KeyList keys = FuzzKeys(in);
  std::string tokens = in->Flag() ? FuzzTokensOf(in, keys) : "";
  std::string bytes = BuildKeyTrie(keys, bucket_keys, tokens);
  if (!tokens.empty() && in->Below(4) == 0) {
    Edit(in, &tokens);
  }
  const size_t what = in->Below(8);
  if (what < 3 && !keys.empty()) {
    EditBucket(in, &bytes);
  } else if (what < 6) {
    EditSection(in, &bytes);
  } else if (what == 6) {
    Edit(in, &bytes);
  }
  CheckTrie(bytes, tokens, FuzzTargets(in, keys));
}

// What every key trie that opens must be.
void CheckTokens(std::string_view bytes) {
  const ExactBytes exact(bytes);
  Tokens tokens;
  std::string reason;
  if (!tokens.Open(exact.view(), &reason)) {
    ASSERT_FALSE(reason.empty());
    ASSERT_TRUE(tokens.empty());
    return;
  }
  ASSERT_LT(tokens.first_end(), tokens.num_tokens());
  std::vector<Tokens::Token> all;
  uint64_t sum = 0;
  for (uint32_t code = 0; code < uint32_t{1} << tokens.width(); ++code) {
    const uint32_t length = tokens.LengthOf(code);
    ASSERT_LE(length, Tokens::kMaxLength);
    for (uint32_t i = 0; i < length + Tokens::kOverread; ++i) {
      sum += tokens.BytesOf(code)[i];
    }
    if (code < tokens.num_tokens()) {
      all.push_back({tokens.TokenOf(code), code >= tokens.first_end()});
    }
  }
  Use(sum);
  for (uint32_t code = 0; code < tokens.num_tokens(); ++code) {
    if (tokens.LengthOf(code) > 0) {
      const Tokens::CodeRange& codes = tokens.CodesFor(*tokens.BytesOf(code));
      ASSERT_EQ(code < tokens.first_end(),
                codes.plain <= code && code < codes.plain_end);
      ASSERT_EQ(code >= tokens.first_end(),
                codes.last <= code && code < codes.last_end);
    }
  }
  std::string again;
  Tokens::Encode(all, &again);
  ASSERT_EQ(again, bytes);
}

void CheckSeparators(std::string_view bytes, std::string_view padding,
                     uint32_t num_separators, const KeyList& targets) {
  const ExactBytes exact(std::string(bytes) + std::string(padding));
  SeparatorTrie trie;
  std::string reason;
  if (!SeparatorTrie::Open(exact.view().substr(0, bytes.size()), num_separators,
                           &trie, &reason)) {
    ASSERT_FALSE(reason.empty());
    return;
  }
  for (const std::string& target : targets) {
    SeparatorTrie::FloorResult place;
    if (trie.Find(SoughtKey(target), &place)) {
      ASSERT_LT(place.ordinal, num_separators);
      ASSERT_LE(place.matched, target.size());
    }
    // Every step but the last uses a slice.
    ASSERT_LE(place.num_nodes, target.size() / 7 + 2);
  }
  std::string separator;
  for (uint32_t i = 0; i < std::min(num_separators, 300u); ++i) {
    for (const uint32_t ordinal : {i, num_separators - 1 - i}) {
      if (trie.Get(ordinal, &separator)) {
        ASSERT_LE(separator.size(), 2 * bytes.size() + 7);
      }
    }
  }
}

void CheckPackedArray(std::string_view bytes, size_t n) {
  const ExactBytes exact(bytes);
  PackedArrayView view;
  size_t consumed = 0;
  if (!PackedArrayView::Open(exact.view(), n, &view, &consumed)) {
    return;
  }
  ASSERT_LE(consumed, bytes.size());
  ASSERT_EQ(view.size(), n);
  if (n == 0) {
    return;
  }
  // Elements of no bits take no bytes, however many they are.
  uint64_t sum = view[n - 1];
  if (n > 4096) {
    Use(sum);
    return;
  }
  std::vector<uint64_t> elements;
  for (size_t i = 0; i < n; ++i) {
    elements.push_back(view[i]);
    sum += elements.back();
  }
  Use(sum);
  std::string reason;
  if (view.Validate(&reason)) {
    std::string again;
    PackedArrayBuilder::Encode(elements.data(), n, &again);
    ASSERT_EQ(again, bytes.substr(0, consumed));
  } else {
    ASSERT_FALSE(reason.empty());
  }
}

void CheckDamagedSeparators(FuzzInput* in) {
  KeyList separators = FuzzKeys(in);
  separators.push_back("");
  separators = SortedKeys(std::move(separators));
  std::string bytes;
  ASSERT_TRUE(SeparatorTrieBuilder::Encode(separators, UINT32_MAX, &bytes));
  Edit(in, &bytes);
  const std::string padding(kPadding, static_cast<char>(in->Byte()));
  const auto n = static_cast<uint32_t>(separators.size());
  CheckSeparators(bytes, padding, n, FuzzTargets(in, separators));
}

void CheckRawSeparators(FuzzInput* in) {
  const uint32_t n = 1 + (in->Flag() ? static_cast<uint32_t>(in->Below(300))
                                     : in->Fixed32() % UINT32_MAX);
  const std::string padding(kPadding, static_cast<char>(in->Byte()));
  KeyList targets = {"", std::string(300, '\xff')};
  targets.push_back(in->Bytes(in->Below(40)));
  std::string bytes(1, static_cast<char>((n <= 0xff     ? 1
                                          : n <= 0xffff ? 2
                                                        : 4) |
                                         2 << 4));
  bytes += in->Rest();
  CheckSeparators(bytes, padding, n, targets);
}

void CheckDamagedPackedArray(FuzzInput* in) {
  std::vector<uint64_t> elements;
  const size_t shift = in->Below(33);
  for (size_t n = in->Below(100); n > 0; --n) {
    elements.push_back(uint64_t{in->Fixed32()} << shift);
  }
  std::string bytes;
  PackedArrayBuilder::Encode(elements.data(), elements.size(), &bytes);
  Edit(in, &bytes);
  CheckPackedArray(bytes, elements.size());
}

}  // namespace

}  // namespace memkv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace memkv;
  ThrowOnFailure();
  FuzzInput in(data, size);
  switch (in.Below(16)) {
    case 0:
      CheckRawTrie(&in);
      break;
    case 1:
      CheckTokens(in.Rest());
      break;
    case 2: {
      std::string tokens = FuzzTokensOf(&in, FuzzKeys(&in));
      Edit(&in, &tokens);
      CheckTokens(tokens);
      break;
    }
    case 3:
      CheckRawSeparators(&in);
      break;
    case 4:
    case 5:
      CheckDamagedSeparators(&in);
      break;
    case 6: {
      const size_t n = in.Flag() ? in.Below(200) : in.Fixed32();
      CheckPackedArray(in.Rest(), n);
      break;
    }
    case 7:
      CheckDamagedPackedArray(&in);
      break;
    case 8:
    case 9:
    case 10:
      CheckRawSections(&in);
      break;
    default:
      CheckDamagedTrie(&in);
      break;
  }
  return 0;
}
