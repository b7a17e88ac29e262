// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Reader::Validate: the whole format, key by key, and the separators made once
// more from the keys.
//
// What it leaves out, because Open has checked it: the headers and the sizes of
// the sections.  The two together accept exactly what Builder may write,
// so every refusal below names something that only damage can cause.

#include <algorithm>
#include <string>
#include <string_view>

#include "table/key_trie/format.h"
#include "table/key_trie/reader.h"
#include "table/key_trie/separators.h"

namespace memkv {
namespace key_trie {

namespace {

std::string At(const char* what, uint64_t number) {
  return std::string("key trie: ") + what + " " + std::to_string(number);
}

// Whether the bits at p from `bits` on, up to `end`, are zero and less than a
// byte.
bool ZeroBetween(const uint8_t* p, uint64_t bits, const uint8_t* end) {
  const uint8_t* const last = p + bits / 8;
  return bits % 8 == 0 ? last == end
                       : last + 1 == end && (*last >> (bits % 8)) == 0;
}

}  // namespace

class Validator {
 public:
  explicit Validator(const Reader& trie) : trie_(trie) {}

  bool Run(std::string* reason) {
    if (!CheckSymbols(reason) || !CheckKeys(reason) ||
        !CheckSeparators(reason)) {
      return false;
    }
    const uint8_t* const padding = trie_.buckets_ + trie_.buckets_size_;
    if (std::any_of(padding, padding + trie_.padding_,
                    [](uint8_t byte) { return byte != 0; })) {
      *reason = "key trie: the bytes after the buckets are not zero";
      return false;
    }
    return true;
  }

 private:
  // Reads the keys one after the other.
  class Walk {
   public:
    explicit Walk(const Reader& trie) : trie_(trie) {}

    // Moves to the next key.  False at the end, and if it does not fit.
    bool Next() {
      if (suffixes_.index() == bytes_.num_keys) {
        if (next_bucket_ == trie_.num_buckets_ ||
            !trie_.OpenBucket(next_bucket_, &bytes_)) {
          return false;
        }
        heads_.Unpack(trie_.codes_, bytes_);
        suffixes_ = SuffixCursor(trie_.codes_, bytes_, heads_);
        ++next_bucket_;
      }
      lcp_ = heads_.LcpAt(suffixes_.index());
      const SuffixCursor here = suffixes_;
      size_t size = 0;
      suffix_.clear();
      if (lcp_ > key_.size() || !suffixes_.Read([this, &size](uint64_t n) {
            suffix_.resize(size + n + Tokens::kMaxLength);
            char* const out = &suffix_[size];
            size += n;
            return out;
          })) {
        return false;
      }
      suffix_.resize(size);
      if (!here.NamesOnly()) {
        return false;
      }
      ascends_ = !suffix_.empty() &&
                 (lcp_ == key_.size() || static_cast<uint8_t>(suffix_[0]) >
                                             static_cast<uint8_t>(key_[lcp_]));
      key_.resize(lcp_);
      key_ += suffix_;
      return true;
    }

    const std::string& key() const { return key_; }
    const std::string& suffix() const { return suffix_; }
    uint64_t lcp() const { return lcp_; }
    // Whether the key is greater than the one before, and lcp() exact.
    bool ascends() const { return ascends_; }
    uint32_t bucket() const { return next_bucket_ - 1; }
    const Bucket& bytes() const { return bytes_; }
    // Of the key, in its bucket.
    uint32_t index() const { return suffixes_.index() - 1; }
    // Where the codes of the next one start.
    uint64_t code() const { return suffixes_.code(); }

   private:
    const Reader& trie_;
    uint32_t next_bucket_ = 0;
    Bucket bytes_;
    UnpackedBucket heads_;
    SuffixCursor suffixes_;
    std::string key_;
    std::string suffix_;
    uint64_t lcp_ = 0;
    bool ascends_ = false;
  };

  // The symbols ascend, and codes are no wider than their number asks for.
  bool CheckSymbols(std::string* reason) {
    const SuffixCoding& codes = trie_.codes_;
    if (codes.coding != kSymbols || codes.symbols == nullptr) {
      return true;
    }
    bool ascend = codes.width == SymbolWidth(codes.num_symbols);
    for (uint32_t i = 1; i < codes.num_symbols; ++i) {
      ascend = ascend && codes.symbols[i - 1] < codes.symbols[i];
    }
    if (!ascend) {
      *reason = At("symbols that do not ascend, or of wrong number:",
                   codes.num_symbols);
    }
    return ascend;
  }

  bool CheckKeys(std::string* reason) {
    if (!trie_.bucket_offsets_.Validate(reason)) {
      return false;
    }
    if (trie_.bucket_offsets_[0] != 0 ||
        trie_.bucket_offsets_[trie_.num_buckets_] !=
            (uint64_t{trie_.buckets_size_} << trie_.ordinal_bits_ |
             trie_.num_keys_)) {
      *reason = "key trie: keys before the first bucket or after the last";
      return false;
    }
    Walk keys(trie_);
    Widths widths;
    bool occurs[256] = {};
    for (uint32_t i = 0; i < trie_.num_keys_; ++i) {
      if (!keys.Next()) {
        *reason = At("no whole key", i);
        return false;
      }
      if (i > 0 && !keys.ascends()) {
        *reason = At("key", i) +
                  " is not greater than the key before it, or its LCP with "
                  "that key is not exact";
        return false;
      }
      // What has a code.
      for (size_t k = 0; k < keys.suffix().size(); ++k) {
        if (k == 0 || trie_.codes_.fixed.UpToNext(keys.lcp() + k) != 0) {
          occurs[static_cast<uint8_t>(keys.suffix()[k])] = true;
        }
      }
      if (keys.index() == 0) {
        widths = Widths();
        if (i != 0) {
          separators_.Add(
              std::string_view(keys.key()).substr(0, keys.lcp() + 1));
        }
      } else {
        widths.max_lcp = std::max(widths.max_lcp, keys.lcp());
        widths.min_lcp = std::min(widths.min_lcp, keys.lcp());
      }
      const uint64_t length = keys.key().size();
      widths.max_length = std::max(widths.max_length, length);
      widths.min_length = std::min(widths.min_length, length);
      if (keys.index() + 1 == keys.bytes().num_keys &&
          !CheckBucket(keys, widths, reason)) {
        return false;
      }
    }
    // The symbols are those that occur; bytes are codes only if these are too
    // many for anything narrower.
    const SuffixCoding& codes = trie_.codes_;
    const auto n =
        static_cast<uint32_t>(std::count(occurs, occurs + 256, true));
    if (codes.coding == kSymbols &&
        (codes.symbols == nullptr ? n <= 128 : n != codes.num_symbols)) {
      *reason = At("symbols that do not occur, or too wide codes:",
                   codes.num_symbols);
      return false;
    }
    return true;
  }

  bool CheckSeparators(std::string* reason) {
    std::string expected;
    const std::string_view found = trie_.separators_.data();
    if (trie_.num_buckets_ > 0 &&
        (!SeparatorTrieBuilder::Encode(separators_, found.size(), &expected) ||
         expected != found)) {
      *reason = "key trie: the separators are not those of the buckets";
      return false;
    }
    return true;
  }

  // What the numbers of a bucket must hold.
  struct Widths {
    uint64_t max_lcp = 0;
    uint64_t min_lcp = UINT64_MAX;
    uint64_t max_length = 0;
    uint64_t min_length = UINT64_MAX;
  };

  // The bucket whose last key has been read.
  bool CheckBucket(const Walk& keys, Widths widths, std::string* reason) {
    const SuffixCoding& codes = trie_.codes_;
    const Bucket& bucket = keys.bytes();
    if (bucket.num_keys == 1) {
      widths.min_lcp = 0;
    }
    const bool symbols = codes.coding == kSymbols;
    if (bucket.lcp_base != widths.min_lcp ||
        bucket.lcp_width != BitWidth(widths.max_lcp - widths.min_lcp) ||
        (symbols && (bucket.length_base != widths.min_length ||
                     bucket.length_width !=
                         BitWidth(widths.max_length - widths.min_length)))) {
      *reason = At("numbers wider than needed in bucket", keys.bucket());
      return false;
    }
    const uint64_t n = bucket.num_keys;
    const uint64_t length_bits = symbols ? n * bucket.length_width : 0;
    const uint8_t* const end =
        trie_.buckets_ +
        (trie_.bucket_offsets_[keys.bucket() + 1] >> trie_.ordinal_bits_);
    if (!ZeroBetween(bucket.lcps, (n - 1) * bucket.lcp_width, bucket.lengths) ||
        !ZeroBetween(bucket.lengths, length_bits, bucket.first_codes) ||
        !ZeroBetween(bucket.first_codes, n * codes.width, bucket.codes) ||
        !ZeroBetween(bucket.codes, keys.code() * codes.width, end)) {
      *reason = At("unused bytes in bucket", keys.bucket());
      return false;
    }
    return true;
  }

  const Reader& trie_;
  // Of the buckets but the first, by their keys.
  SeparatorList separators_;
};

bool Reader::Validate(std::string* reason) const {
  return Validator(*this).Run(reason);
}

}  // namespace key_trie
}  // namespace memkv
