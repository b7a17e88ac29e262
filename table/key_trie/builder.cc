// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/builder.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "table/key_trie/format.h"
#include "table/key_trie/separators.h"
#include "table/key_trie/symbol_encoder.h"
#include "table/key_trie/token_encoder.h"
#include "util/packed_array.h"

namespace memkv {
namespace key_trie {

namespace {

// What a bucket costs beside its codes and its separator, at the widths that
// file paths have: for the estimate.
constexpr size_t kBucketEstimate = 20;

}  // namespace

// How suffixes are written: one of the two.
struct Builder::Coding {
  const TokenEncoder* tokens = nullptr;
  const SymbolEncoder* symbols = nullptr;

  unsigned width() const {
    return tokens != nullptr ? tokens->width() : symbols->width();
  }
};

struct Builder::Scratch {
  std::vector<FrontCodedKey> keys;
  std::vector<std::string_view> suffixes;
  Cuts<uint16_t> codes;
  uint64_t code_bits = 0;  // of all buckets, in tokens
};

Builder::Builder(const Options& options)
    : bucket_keys_(
          std::min(std::max(options.bucket_keys, uint32_t{1}), kMaxBucketKeys)),
      max_size_(std::min<uint64_t>(options.max_size, kMaxSize)) {}

Builder::~Builder() = default;

void Builder::Add(std::string_view key) {
  assert(num_keys() == 0 || last_key() < key);
  symbols_.reset();
  // What is refused here cannot fit: a code is at least a bit, and a token has
  // at most kMaxLength bytes.  It bounds the memory; Finish knows the exact
  // size and has the last word.
  const size_t raw = suffix_bytes() + key.size();
  if (overflow_ || num_keys() == kMaxKeys || raw > kMaxSize ||
      raw / Tokens::kMaxLength > max_size_ || num_keys() / 8 > max_size_) {
    overflow_ = true;
    last_key_.Truncate(0);
    last_key_.Append(key);
    return;
  }
  const size_t lcp = CommonPrefix(key, last_key());
  const std::string_view suffix = key.substr(lcp);
  keys_.Add(static_cast<uint32_t>(lcp), suffix);
  open_.push_back(
      {static_cast<uint32_t>(lcp), suffix.empty() ? '\0' : suffix[0]});
  last_key_.Truncate(lcp);
  last_key_.Append(suffix);
  shortest_key_ = std::min(shortest_key_, key.size());
  longest_key_ = std::max(longest_key_, key.size());
  if (open_.size() > bucket_keys_) {
    CutBucket();
  }
}

void Builder::CutBucket() {
  const size_t last = open_.size() - 1;
  size_t head = last;
  for (size_t i = last; i > last - (bucket_keys_ + 3) / 4; --i) {
    if (open_[i].lcp < open_[head].lcp) {
      head = i;
    }
  }
  // The shortest string that is greater than the key before the head and not
  // greater than the head: a prefix of the head, and all but its last byte also
  // of the last key, since no LCP between them is smaller.
  std::string separator(last_key().substr(0, open_[head].lcp));
  separator.push_back(open_[head].first_byte);
  bucket_sizes_.push_back(static_cast<char>(head));
  open_.erase(open_.begin(), open_.begin() + static_cast<ptrdiff_t>(head));
  const size_t shared = CommonPrefix(separator, last_separator_);
  PutVarint32Varint32(&separators_, static_cast<uint32_t>(shared),
                      static_cast<uint32_t>(separator.size() - shared));
  separators_.append(separator, shared, std::string::npos);
  separator_bytes_ += separator.size() - shared;
  whole_separator_bytes_ += separator.size();
  last_separator_ = std::move(separator);
}

std::vector<std::string> Builder::Separators() const {
  std::vector<std::string> separators(num_buckets());
  const auto* p = reinterpret_cast<const uint8_t*>(separators_.data());
  const auto* const limit = p + separators_.size();
  for (size_t b = 1; b < separators.size(); ++b) {
    uint32_t shared = 0;
    uint32_t size = 0;
    p = GetVarint32(p, limit, &shared);
    p = GetVarint32(p, limit, &size);
    separators[b].reserve(shared + size);
    separators[b].assign(separators[b - 1], 0, shared);
    separators[b].append(reinterpret_cast<const char*>(p), size);
    p += size;
  }
  assert(p == limit);
  return separators;
}

void Builder::Seal() {
  last_key_.Release();
  std::string().swap(last_separator_);
  std::vector<OpenKey>().swap(open_);
  keys_.ShrinkToFit();
  bucket_sizes_.shrink_to_fit();
  separators_.shrink_to_fit();
}

size_t Builder::MemoryUsage() const {
  size_t bytes = open_.capacity() * sizeof(OpenKey) + keys_.MemoryUsage() +
                 last_key_.capacity();
  for (const std::string* held :
       {&bucket_sizes_, &separators_, &last_separator_}) {
    bytes += held->capacity();
  }
  return symbols_ == nullptr
             ? bytes
             : bytes + sizeof(SymbolEncoder) + symbols_->MemoryUsage();
}

void Builder::WriteBucket(const Coding& coding, Scratch* scratch,
                          std::string* out) const {
  const std::vector<FrontCodedKey>& keys = scratch->keys;
  const size_t n = keys.size();
  uint32_t min_lcp = UINT32_MAX;
  uint32_t max_lcp = 0;
  for (size_t i = 1; i < n; ++i) {
    min_lcp = std::min(min_lcp, keys[i].lcp);
    max_lcp = std::max(max_lcp, keys[i].lcp);
  }
  if (n == 1) {
    min_lcp = 0;
  }
  const unsigned lcp_width = BitWidth(max_lcp - min_lcp);
  out->push_back(static_cast<char>(lcp_width));
  PutVarint32(out, keys[0].lcp);
  PutVarint32(out, min_lcp);
  const auto length_of = [](const FrontCodedKey& key) {
    return static_cast<uint32_t>(key.lcp + key.suffix.size());
  };
  uint32_t min_length = UINT32_MAX;
  uint32_t max_length = 0;
  unsigned length_width = 0;
  if (coding.tokens == nullptr) {
    for (const FrontCodedKey& key : keys) {
      min_length = std::min(min_length, length_of(key));
      max_length = std::max(max_length, length_of(key));
    }
    length_width = BitWidth(max_length - min_length);
    out->push_back(static_cast<char>(length_width));
    PutVarint32(out, min_length);
  }
  BitsWriter bits(out);
  for (size_t i = 1; i < n; ++i) {
    bits.Put(keys[i].lcp - min_lcp, lcp_width);
  }
  bits.Finish();
  if (coding.tokens != nullptr) {
    WriteTokens(*coding.tokens, scratch, out);
    return;
  }
  for (const FrontCodedKey& key : keys) {
    bits.Put(length_of(key) - min_length, length_width);
  }
  bits.Finish();
  const std::string_view all = keys_.suffixes();
  coding.symbols->Encode(keys.data(), n, all.data() + all.size(), out);
}

void Builder::WriteTokens(const TokenEncoder& tokens, Scratch* scratch,
                          std::string* out) {
  BitsWriter bits(out);
  scratch->suffixes.clear();
  for (const FrontCodedKey& key : scratch->keys) {
    scratch->suffixes.push_back(key.suffix);
  }
  const size_t n = scratch->keys.size();
  Cuts<uint16_t>& codes = scratch->codes;
  tokens.Encode(scratch->suffixes.data(), n, &codes);
  for (size_t i = 0; i < n; ++i) {
    bits.Put(*codes.begin(i), tokens.width());
  }
  bits.Finish();
  for (size_t i = 0; i < n; ++i) {
    for (const uint16_t* c = codes.begin(i) + 1; c != codes.end(i); ++c) {
      bits.Put(*c, tokens.width());
    }
    scratch->code_bits +=
        static_cast<uint64_t>(codes.end(i) - codes.begin(i)) * tokens.width();
  }
  bits.Finish();
}

size_t Builder::EstimatedSize() const {
  // LCPs and lengths are a byte each or less but where keys are very long.
  return kHeaderSize + kPadding + suffix_bytes() + size_t{2} * num_keys() +
         num_buckets() * kBucketEstimate + separator_bytes_;
}

const SymbolEncoder& Builder::Symbols() const {
  if (symbols_ == nullptr) {
    symbols_ = std::make_unique<const SymbolEncoder>(SymbolEncoder::Of(keys_));
  }
  return *symbols_;
}

Builder::Coding Builder::CodingOf(const TokenEncoder* tokens) const {
  return {tokens, tokens == nullptr ? &Symbols() : nullptr};
}

Builder::SymbolBits Builder::MeasureSymbols() const {
  return {Symbols().code_bits(),
          SymbolEncoder::WithoutFixedBytes(keys_).code_bits()};
}

bool Builder::TooLarge(std::string* reason) const {
  *reason = "key trie: the keys take more than " + std::to_string(max_size_) +
            " bytes, are more than " + std::to_string(kMaxKeys) +
            ", or need more than " +
            std::to_string(SeparatorTrieBuilder::kMaxSeparators) +
            " buckets; build several key tries of fewer keys";
  return false;
}

bool Builder::Finish(const TokenEncoder* tokens, std::string* out,
                     std::string* reason) const {
  std::string separators;
  if (overflow_ ||
      (num_keys() != 0 &&
       !SeparatorTrieBuilder::Encode(Separators(), max_size_, &separators))) {
    return TooLarge(reason);
  }
  const Coding coding = CodingOf(tokens);
  const unsigned ordinal_bits = BitWidth(num_keys());
  std::string buckets;
  std::vector<uint64_t> places;
  places.reserve(num_buckets() + size_t{1});
  Scratch scratch;
  FrontCodedKeys::Walk walk = keys_.Begin();
  uint32_t head = 0;
  for (uint32_t b = 0; b < num_buckets(); ++b) {
    const uint32_t n = KeysOfBucket(b, head);
    scratch.keys.clear();
    for (uint32_t i = 0; i < n; ++i) {
      scratch.keys.push_back(walk.Next());
    }
    places.push_back(uint64_t{buckets.size()} << ordinal_bits | head);
    WriteBucket(coding, &scratch, &buckets);
    head += n;
  }
  places.push_back(uint64_t{buckets.size()} << ordinal_bits | num_keys());
  std::string directory;
  PackedArrayBuilder::Encode(places.data(), places.size(), &directory);
  std::string symbols;
  std::string fixed;
  if (coding.symbols != nullptr) {
    symbols = coding.symbols->symbols();
    if (!coding.symbols->fixed().empty()) {
      PutFixed(&fixed, coding.symbols->fixed().base, 4);
      PutFixed(&fixed, coding.symbols->fixed().mask, 8);
      fixed += coding.symbols->fixed_bytes();
    }
  }
  if (kHeaderSize + uint64_t{symbols.size()} + fixed.size() +
          separators.size() + directory.size() + buckets.size() + kPadding >
      max_size_) {
    return TooLarge(reason);
  }
  out->push_back(static_cast<char>(kEncoding));
  out->push_back(static_cast<char>(tokens != nullptr ? kTokenCodes
                                   : fixed.empty()   ? kSymbols
                                                     : kFixedSymbols));
  out->push_back(static_cast<char>(coding.width()));
  out->push_back(0);
  PutFixed(out, symbols.size(), 2);
  PutFixed(out, 0, 2);
  PutFixed(out, num_keys(), 4);
  PutFixed(out, num_buckets(), 4);
  PutFixed(out, separators.size(), 4);
  PutFixed(out, directory.size(), 4);
  PutFixed(out, buckets.size(), 4);
  *out += symbols;
  *out += fixed;
  *out += separators;
  *out += directory;
  *out += buckets;
  out->append(kPadding, '\0');
  return true;
}

Builder::Part Builder::EncodeBuckets(const TokenEncoder* tokens, uint32_t begin,
                                     uint32_t end, std::string* out) const {
  // Of a bucket in the separator trie and the directory, beside the bytes that
  // the separator does not share: about.
  constexpr uint64_t kBucketEntry = 12;
  const Coding coding = CodingOf(tokens);
  Part part;
  Scratch scratch;
  FrontCodedKeys::Walk walk = keys_.Begin();
  uint32_t head = 0;
  for (uint32_t b = 0; b < end; ++b) {
    const uint32_t n = KeysOfBucket(b, head);
    scratch.keys.clear();
    for (uint32_t i = 0; i < n; ++i) {
      const FrontCodedKey key = walk.Next();
      if (b >= begin) {
        scratch.keys.push_back(key);
      }
    }
    if (b >= begin) {
      WriteBucket(coding, &scratch, out);
      part.keys += n;
    }
    head += n;
  }
  part.code_bytes = scratch.code_bits / 8;
  if (end > begin) {
    part.other_bytes = (end - begin) * kBucketEntry +
                       separator_bytes_ * (end - begin) / num_buckets();
  }
  return part;
}

void Builder::Reset() {
  overflow_ = false;
  last_key_.Truncate(0);
  shortest_key_ = SIZE_MAX;
  longest_key_ = 0;
  keys_.Clear();
  bucket_sizes_.clear();
  open_.clear();
  separators_.clear();
  last_separator_.clear();
  separator_bytes_ = 0;
  whole_separator_bytes_ = 0;
  symbols_.reset();
}

}  // namespace key_trie
}  // namespace memkv
