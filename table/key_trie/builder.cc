// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/builder.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "table/key_trie/fixed_bytes.h"
#include "table/key_trie/format.h"
#include "table/key_trie/separators.h"
#include "table/key_trie/token_encoder.h"
#include "util/packed_array.h"

namespace memkv {
namespace key_trie {

namespace {

// What a bucket costs beside its codes and its separator, at the widths that
// file paths have: for the estimate.
constexpr size_t kBucketEstimate = 20;

}  // namespace

struct Builder::Coding {
  Coding() = default;
  explicit Coding(const TokenEncoder* encoder)
      : tokens(encoder), width(encoder->width()) {}

  const TokenEncoder* tokens = nullptr;
  unsigned width = 8;
  // Without tokens: the symbols, none if codes are bytes, and the code of each
  // byte.
  std::string symbols;
  uint8_t code_of[256];
  FixedBytes fixed;  // of which fixed_bytes holds the bytes
  std::string fixed_bytes;
  uint64_t codes = 0;        // without tokens, all
  uint64_t saved_codes = 0;  // by fixed bytes
};

// Which positions have one byte in all suffixes that go on there.  Only those
// are looked at that the first key has, up to some.
class Builder::FixedBytesFinder {
 public:
  explicit FixedBytesFinder(std::string_view first_key)
      : size_(std::min(first_key.size(), kLookedAt)) {
    first_key.copy(bytes_, size_);
    Add(0, first_key);
  }

  void Add(uint64_t lcp, std::string_view suffix) {
    if (lcp + 1 >= size_ || suffix.size() < 2) {
      return;
    }
    const size_t begin = lcp + 1;
    const size_t end = std::min(size_, lcp + suffix.size());
    ++begins_[begin];
    ++ends_[end];
    const char* const s = suffix.data() - lcp;
    for (size_t i = begin; i < end; ++i) {
      differ_[i] =
          static_cast<uint8_t>(differ_[i] | (Byte(bytes_[i]) ^ Byte(s[i])));
    }
  }
  // Calls f(position) with those where many of the suffixes so far go on, and
  // do not differ.  What few save is not worth a look; that is also the prefix
  // of the first key alone.
  template <class F>
  void ForEach(uint32_t num_keys, F f) const {
    constexpr int64_t kShare = 16;
    int64_t suffixes = 0;
    for (size_t at = 1; at < size_; ++at) {
      suffixes += begins_[at];
      suffixes -= ends_[at];
      if (differ_[at] == 0 && suffixes * kShare > int64_t{num_keys}) {
        f(at, static_cast<uint64_t>(suffixes));
      }
    }
  }
  bool Hopeful(uint32_t num_keys) const {
    bool hopeful = false;
    ForEach(num_keys, [&hopeful](size_t, uint64_t) { hopeful = true; });
    return hopeful;
  }
  // Sets those of a coding: the first one, and what is in reach of it.
  void Choose(uint32_t num_keys, Coding* coding) const {
    FixedBytes& fixed = coding->fixed;
    ForEach(num_keys, [&](size_t at, uint64_t suffixes) {
      if (fixed.empty()) fixed.base = static_cast<uint32_t>(at);
      if (at - fixed.base >= FixedBytes::kPositions) return;
      fixed.mask |= uint64_t{1} << (at - fixed.base);
      coding->fixed_bytes.push_back(bytes_[at]);
      coding->saved_codes += suffixes;
    });
  }

 private:
  static constexpr size_t kLookedAt = 256;

  static unsigned Byte(char c) { return static_cast<uint8_t>(c); }

  const size_t size_;
  char bytes_[kLookedAt] = {};      // of the first key
  uint8_t differ_[kLookedAt] = {};  // not 0 where another suffix differs
  int64_t begins_[kLookedAt + 1] = {};
  int64_t ends_[kLookedAt + 1] = {};
};

struct Builder::Scratch {
  std::vector<Key> keys;
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
  assert(num_keys_ == 0 || last_key_ < key);
  symbol_coding_.reset();
  // What is refused here cannot fit: a code is at least a bit, and a token has
  // at most kMaxLength bytes.  It bounds the memory; Finish knows the exact
  // size and has the last word.
  const size_t raw = suffixes_.size() + key.size();
  if (overflow_ || num_keys_ == kMaxKeys || raw > kMaxSize ||
      raw / Tokens::kMaxLength > max_size_ || num_keys_ / 8 > max_size_) {
    overflow_ = true;
    return;
  }
  const size_t lcp = CommonPrefix(key, last_key_);
  const std::string_view suffix = key.substr(lcp);
  suffixes_.append(suffix.data(), suffix.size());
  PutVarint32Varint32(&sizes_, static_cast<uint32_t>(lcp),
                      static_cast<uint32_t>(suffix.size()));
  ++num_keys_;
  open_.push_back(
      {static_cast<uint32_t>(lcp), suffix.empty() ? '\0' : suffix[0]});
  last_key_.replace(lcp, std::string::npos, suffix.data(), suffix.size());
  shortest_key_ = std::min(shortest_key_, key.size());
  longest_key_ = std::max(longest_key_, key.size());
  if (open_.size() > bucket_keys_) {
    CutBucket();
  }
}

void Builder::SkipKeys(Walk* walk, uint64_t n) {
  constexpr uint64_t kContinued = 0x8080808080808080u;
  // Eight varints at once, where each is a byte: the suffixes' sizes are the
  // odd ones, and four of them are less than 2^16 together.
  while (n >= 4) {
    const uint64_t sizes = LoadFixed64(walk->sizes);
    if ((sizes & kContinued) == 0) {
      walk->suffix +=
          (sizes >> 8 & 0x00ff00ff00ff00ffu) * 0x0001000100010001u >> 48;
      walk->sizes += 8;
      n -= 4;
    } else {
      NextKey(walk);
      --n;
    }
  }
  for (; n > 0; --n) {
    NextKey(walk);
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
  std::string separator = last_key_.substr(0, open_[head].lcp);
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
  std::string().swap(last_key_);
  std::string().swap(last_separator_);
  std::vector<OpenKey>().swap(open_);
  for (std::string* held :
       {&sizes_, &suffixes_, &bucket_sizes_, &separators_}) {
    held->shrink_to_fit();
  }
}

size_t Builder::MemoryUsage() const {
  size_t bytes = open_.capacity() * sizeof(OpenKey);
  for (const std::string* held : {&sizes_, &suffixes_, &bucket_sizes_,
                                  &separators_, &last_key_, &last_separator_}) {
    bytes += held->capacity();
  }
  return symbol_coding_ == nullptr
             ? bytes
             : bytes + sizeof(Coding) + symbol_coding_->symbols.capacity() +
                   symbol_coding_->fixed_bytes.capacity();
}

void Builder::WriteBucket(const Coding& coding, Scratch* scratch,
                          std::string* out) const {
  const std::vector<Key>& keys = scratch->keys;
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
  const auto length_of = [](const Key& key) {
    return static_cast<uint32_t>(key.lcp + key.suffix.size());
  };
  uint32_t min_length = UINT32_MAX;
  uint32_t max_length = 0;
  unsigned length_width = 0;
  if (coding.tokens == nullptr) {
    for (const Key& key : keys) {
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
    WriteTokens(coding, scratch, out);
    return;
  }
  for (const Key& key : keys) {
    bits.Put(length_of(key) - min_length, length_width);
  }
  bits.Finish();
  WriteBytes(coding, keys, out);
}

void Builder::WriteTokens(const Coding& coding, Scratch* scratch,
                          std::string* out) {
  BitsWriter bits(out);
  scratch->suffixes.clear();
  for (const Key& key : scratch->keys) {
    scratch->suffixes.push_back(key.suffix);
  }
  const size_t n = scratch->keys.size();
  Cuts<uint16_t>& codes = scratch->codes;
  coding.tokens->Encode(scratch->suffixes.data(), n, &codes);
  for (size_t i = 0; i < n; ++i) {
    bits.Put(*codes.begin(i), coding.width);
  }
  bits.Finish();
  for (size_t i = 0; i < n; ++i) {
    for (const uint16_t* c = codes.begin(i) + 1; c != codes.end(i); ++c) {
      bits.Put(*c, coding.width);
    }
    scratch->code_bits +=
        static_cast<uint64_t>(codes.end(i) - codes.begin(i)) * coding.width;
  }
  bits.Finish();
}

void Builder::WriteBytes(const Coding& coding, const std::vector<Key>& keys,
                         std::string* out) {
  BitsWriter bits(out);
  for (const Key& key : keys) {
    // The empty key's is one that no one reads.
    bits.Put(key.suffix.empty()
                 ? 0
                 : coding.code_of[static_cast<uint8_t>(key.suffix[0])],
             coding.width);
  }
  bits.Finish();
  // As many at once as are whole in a word of the writer.
  const unsigned at_once = BitsWriter::kMaxPut / coding.width;
  for (const Key& key : keys) {
    for (size_t i = 1; i < key.suffix.size();) {
      const uint64_t coded = coding.fixed.UpToNext(uint64_t{key.lcp} + i);
      if (coded == 0) {
        ++i;
        continue;
      }
      const size_t end =
          i + std::min<uint64_t>({coded, key.suffix.size() - i, at_once});
      uint64_t word = 0;
      unsigned size = 0;
      for (; i < end; ++i, size += coding.width) {
        word |= uint64_t{coding.code_of[static_cast<uint8_t>(key.suffix[i])]}
                << size;
      }
      bits.Put(word, size);
    }
  }
  bits.Finish();
}

size_t Builder::EstimatedSize() const {
  // LCPs and lengths are a byte each or less but where keys are very long.
  return kHeaderSize + kPadding + suffixes_.size() + size_t{2} * num_keys_ +
         num_buckets() * kBucketEstimate + separator_bytes_;
}

const Builder::Coding& Builder::SymbolCoding() const {
  if (symbol_coding_ == nullptr) {
    symbol_coding_ = std::make_unique<const Coding>(ChooseSymbols());
  }
  return *symbol_coding_;
}

Builder::Coding Builder::ChooseSymbols() const {
  Coding coding;
  if (FindFixedBytes(&coding)) {
    SetSymbols(&coding);
    const uint64_t size = FixedBytes::kHeaderSize + coding.fixed_bytes.size();
    if (coding.width < 8 && coding.saved_codes * coding.width / 8 > size) {
      return coding;
    }
    coding = Coding();
  }
  SetSymbols(&coding);
  return coding;
}

bool Builder::FindFixedBytes(Coding* coding) const {
  // Where there are none, some keys tell.
  uint32_t look_at = 64;
  if (num_keys_ < 2) {
    return false;
  }
  Walk walk = Begin();
  const Key first = NextKey(&walk);
  FixedBytesFinder finder(first.suffix);
  finder.Add(0, first.suffix);
  for (uint32_t i = 1; i < num_keys_; ++i) {
    const Key key = NextKey(&walk);
    finder.Add(key.lcp, key.suffix);
    if (i == look_at) {
      if (!finder.Hopeful(i)) {
        return false;
      }
      look_at *= 2;
    }
  }
  finder.Choose(num_keys_, coding);
  return !coding->fixed.empty();
}

void Builder::SetSymbols(Coding* coding) const {
  bool occurs[256] = {};
  if (coding->fixed.empty()) {
    for (const char c : suffixes_) {
      occurs[static_cast<uint8_t>(c)] = true;
    }
  } else {
    ForEachKey([&](uint32_t lcp, std::string_view suffix) {
      if (suffix.empty()) {
        return;
      }
      occurs[static_cast<uint8_t>(suffix[0])] = true;
      for (size_t i = 1; i < suffix.size(); ++i) {  // past a fixed byte
        const uint64_t coded = coding->fixed.UpToNext(uint64_t{lcp} + i);
        const size_t end = i + std::min<uint64_t>(coded, suffix.size() - i);
        for (; i < end; ++i) {
          occurs[static_cast<uint8_t>(suffix[i])] = true;
        }
      }
    });
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (occurs[byte]) {
      coding->code_of[byte] = static_cast<uint8_t>(coding->symbols.size());
      coding->symbols.push_back(static_cast<char>(byte));
    }
  }
  coding->codes = suffixes_.size() - coding->saved_codes;
  coding->width = SymbolWidth(coding->symbols.size());
  if (coding->width == 8) {
    coding->symbols.clear();
    for (int byte = 0; byte < 256; ++byte) {
      coding->code_of[byte] = static_cast<uint8_t>(byte);
    }
  }
}

Builder::SymbolBits Builder::MeasureSymbols() const {
  Coding plain;
  SetSymbols(&plain);
  const Coding& best = SymbolCoding();
  return {best.codes * best.width, plain.codes * plain.width};
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
      (num_keys_ != 0 &&
       !SeparatorTrieBuilder::Encode(Separators(), max_size_, &separators))) {
    return TooLarge(reason);
  }
  const Coding coding = tokens != nullptr ? Coding(tokens) : SymbolCoding();
  const unsigned ordinal_bits = BitWidth(num_keys_);
  std::string buckets;
  std::vector<uint64_t> places;
  places.reserve(num_buckets() + size_t{1});
  Scratch scratch;
  Walk walk = Begin();
  uint32_t head = 0;
  for (uint32_t b = 0; b < num_buckets(); ++b) {
    const uint32_t n = KeysOfBucket(b, head);
    scratch.keys.clear();
    for (uint32_t i = 0; i < n; ++i) {
      scratch.keys.push_back(NextKey(&walk));
    }
    places.push_back(uint64_t{buckets.size()} << ordinal_bits | head);
    WriteBucket(coding, &scratch, &buckets);
    head += n;
  }
  places.push_back(uint64_t{buckets.size()} << ordinal_bits | num_keys_);
  std::string directory;
  PackedArrayBuilder::Encode(places.data(), places.size(), &directory);
  std::string fixed;
  if (!coding.fixed.empty()) {
    PutFixed(&fixed, coding.fixed.base, 4);
    PutFixed(&fixed, coding.fixed.mask, 8);
    fixed += coding.fixed_bytes;
  }
  if (kHeaderSize + uint64_t{coding.symbols.size()} + fixed.size() +
          separators.size() + directory.size() + buckets.size() + kPadding >
      max_size_) {
    return TooLarge(reason);
  }
  out->push_back(static_cast<char>(kEncoding));
  out->push_back(static_cast<char>(tokens != nullptr ? kTokenCodes
                                   : fixed.empty()   ? kSymbols
                                                     : kFixedSymbols));
  out->push_back(static_cast<char>(coding.width));
  out->push_back(0);
  PutFixed(out, coding.symbols.size(), 2);
  PutFixed(out, 0, 2);
  PutFixed(out, num_keys_, 4);
  PutFixed(out, num_buckets(), 4);
  PutFixed(out, separators.size(), 4);
  PutFixed(out, directory.size(), 4);
  PutFixed(out, buckets.size(), 4);
  *out += coding.symbols;
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
  const Coding coding = tokens != nullptr ? Coding(tokens) : SymbolCoding();
  Part part;
  Scratch scratch;
  Walk walk = Begin();
  uint32_t head = 0;
  for (uint32_t b = 0; b < end; ++b) {
    const uint32_t n = KeysOfBucket(b, head);
    scratch.keys.clear();
    for (uint32_t i = 0; i < n; ++i) {
      const Key key = NextKey(&walk);
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
  last_key_.clear();
  shortest_key_ = SIZE_MAX;
  longest_key_ = 0;
  num_keys_ = 0;
  sizes_.clear();
  suffixes_.clear();
  bucket_sizes_.clear();
  open_.clear();
  separators_.clear();
  last_separator_.clear();
  separator_bytes_ = 0;
  whole_separator_bytes_ = 0;
  symbol_coding_.reset();
}

}  // namespace key_trie
}  // namespace memkv
