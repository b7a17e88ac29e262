// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// What a bucket is searched with: every fast path against its slow twin, or
// against the obvious.

#include "table/key_trie/bucket_search.h"
#include "table/key_trie/suffix_run.h"
#include "tests/util/key_trie_test_util.h"

namespace memkv {
namespace key_trie {

namespace {

constexpr uint32_t kKeyCounts[] = {1, 2, 7, 31, 32, 33, 63, 64, 65, 127, 128};

// Bytes with the padding that the format promises behind them, and no more.
class PaddedBytes {
 public:
  explicit PaddedBytes(const std::string& bytes)
      : data_(std::make_unique<uint8_t[]>(bytes.size() + kPadding)) {
    std::copy(bytes.begin(), bytes.end(), data_.get());
  }
  const uint8_t* data() const { return data_.get(); }

 private:
  std::unique_ptr<uint8_t[]> data_;
};

uint32_t RandomBits(unsigned width, std::mt19937_64* rng) {
  return static_cast<uint32_t>((*rng)() & ((uint64_t{1} << width) - 1));
}

// By the text of the format.
bool IsFixed(const FixedBytes& fixed, uint64_t position) {
  return position >= fixed.base && position - fixed.base < 64 &&
         (fixed.mask >> (position - fixed.base) & 1) != 0;
}

// A bucket of random numbers and codes, and where the codes of each key start.
class RandomBucket {
 public:
  RandomBucket(const SuffixCoding& codes, uint32_t num_keys, unsigned lcp_width,
               unsigned length_width, std::mt19937_64* rng) {
    std::vector<uint32_t> lcps(num_keys);
    for (uint32_t& lcp : lcps) {
      lcp = RandomBits(lcp_width, rng);
    }
    const uint32_t lcp_base = RandomBits(9, rng);
    // No key is shorter than what it shares.
    const uint32_t length_base = lcp_base + (1u << lcp_width);
    const uint32_t head_lcp = RandomBits(9, rng) % length_base;
    std::string bytes(1, static_cast<char>(lcp_width));
    PutVarint32(&bytes, head_lcp);
    PutVarint32(&bytes, lcp_base);
    if (codes.coding == kSymbols) {
      bytes.push_back(static_cast<char>(length_width));
      PutVarint32(&bytes, length_base);
    }
    BitsWriter bits(&bytes);
    for (uint32_t i = 1; i < num_keys; ++i) {
      bits.Put(lcps[i], lcp_width);
    }
    bits.Finish();
    std::vector<uint32_t> others;
    std::vector<uint32_t> first(num_keys);
    for (uint32_t i = 0; i < num_keys; ++i) {
      starts_.push_back(others.size());
      const auto other_code = [&] { return RandomBits(codes.width, rng); };
      first[i] = other_code();
      if (codes.coding == kSymbols) {
        const uint32_t length = RandomBits(length_width, rng);
        bits.Put(length, length_width);
        const uint32_t lcp = i == 0 ? head_lcp : lcp_base + lcps[i];
        for (uint32_t at = lcp + 1; at < length_base + length; ++at) {
          if (!IsFixed(codes.fixed, at)) {
            others.push_back(other_code());
          }
        }
        continue;
      }
      // Few tokens may end a key: one code in three does for sure.
      for (uint32_t code = first[i]; code < codes.tokens->first_end();) {
        code = (*rng)() % 3 == 0 ? codes.tokens->first_end() : other_code();
        others.push_back(code);
      }
    }
    bits.Finish();
    for (const uint32_t code : first) {
      bits.Put(code, codes.width);
    }
    bits.Finish();
    for (const uint32_t code : others) {
      bits.Put(code, codes.width);
    }
    bits.Finish();
    bytes_ = std::make_unique<PaddedBytes>(bytes);
    EXPECT_TRUE(bucket_.Decode(bytes_->data(), bytes_->data() + bytes.size(),
                               num_keys, codes.coding, codes.width));
  }

  const Bucket& bucket() const { return bucket_; }
  const std::vector<uint64_t>& starts() const { return starts_; }

 private:
  std::vector<uint64_t> starts_;
  std::unique_ptr<PaddedBytes> bytes_;
  Bucket bucket_;
};

// Whether suffixes from key `first` on are the same read together as one by
// one.
void ExpectRunsAgree(const SuffixCoding& codes, const RandomBucket& random,
                     const UnpackedBucket& heads, uint32_t first) {
  SuffixCursor suffixes(codes, random.bucket(), heads);
  suffixes.Set(first, random.starts()[first]);
  const uint32_t rest = random.bucket().num_keys - first;
  auto run = std::make_unique<SuffixRun>();
  auto slow = std::make_unique<SuffixRun>();
  for (const uint32_t keys : {1u, 5u, SuffixRun::kMaxKeys}) {
    const uint32_t n = run->Read(suffixes, std::min(keys, rest));
    ASSERT_LE(n, slow->ReadSlow(suffixes, std::min(keys, rest)));
    if (n == 0) {
      // A suffix of more codes than are looked at.
      ASSERT_GT(slow->NextCodeOf(0) - suffixes.code(), 8u) << "from " << first;
    }
    for (uint32_t i = 0; i < n; ++i) {
      const auto bytes_of = [i](const SuffixRun& of) {
        return std::string(reinterpret_cast<const char*>(of.BytesOf(i)),
                           of.LengthOf(i));
      };
      ASSERT_EQ(bytes_of(*run), bytes_of(*slow)) << i << " from " << first;
      ASSERT_EQ(run->NextCodeOf(i), slow->NextCodeOf(i));
    }
  }
}

// Whether each suffix that is read is what its codes and the fixed bytes spell,
// one after the other.
void ExpectSymbolsSpellSuffixes(const SuffixCoding& codes,
                                const RandomBucket& random,
                                const UnpackedBucket& heads) {
  const Bucket& bucket = random.bucket();
  SuffixCursor suffixes(codes, bucket, heads);
  suffixes.Set(0, 0);
  for (uint32_t i = 0; i < bucket.num_keys; ++i) {
    const uint64_t lcp = heads.LcpAt(i);
    std::string spelled;
    uint64_t code = random.starts()[i];
    for (uint64_t at = lcp; at < bucket.LengthAt(i); ++at) {
      const auto symbol = [&] {
        return codes.SymbolOf(at == lcp
                                  ? heads.FirstCodeAt(i)
                                  : BitsAt(bucket.codes, codes.width, code++));
      };
      spelled.push_back(static_cast<char>(at > lcp && IsFixed(codes.fixed, at)
                                              ? codes.fixed.At(at)
                                              : symbol()));
    }
    std::string read;  // room is asked for once
    size_t size = 0;
    ASSERT_TRUE(suffixes.Read([&](size_t n) {
      size = n;
      read.assign(n + key_trie::Tokens::kMaxLength, '?');
      return read.data();
    }));
    ASSERT_EQ(read.substr(0, size), spelled) << i;
    ASSERT_EQ(suffixes.index(), i + 1);
  }
}

void ExpectTwinsAgree(const SuffixCoding& codes, std::mt19937_64* rng) {
  for (const uint32_t num_keys : kKeyCounts) {
    for (const unsigned lcp_width : {0, 1, 3, 7, 8, 9, 11}) {
      SCOPED_TRACE(std::to_string(num_keys) + " keys, LCPs of " +
                   std::to_string(lcp_width) + " bits");
      const unsigned length_width = static_cast<unsigned>((*rng)() % 10);
      const RandomBucket random(codes, num_keys, lcp_width, length_width, rng);
      const Bucket& bucket = random.bucket();
      const std::vector<uint64_t>& starts = random.starts();
      UnpackedBucket heads;
      heads.Unpack(codes, bucket);
      ASSERT_EQ(heads.LcpAt(0), bucket.head_lcp);
      for (uint32_t i = 0; i < num_keys; ++i) {
        if (i > 0) {
          ASSERT_EQ(heads.LcpAt(i), bucket.LcpAt(i));
        }
        ASSERT_EQ(heads.FirstCodeAt(i),
                  BitsAt(bucket.first_codes, codes.width, i));
      }
      if (codes.coding == kSymbols) {
        ASSERT_NO_FATAL_FAILURE(
            ExpectSymbolsSpellSuffixes(codes, random, heads));
      }
      for (int round = 0; round < 40; ++round) {
        const auto after = static_cast<uint32_t>((*rng)() % num_keys);
        // Around what there is, below all of them, and far above.
        const uint64_t near = heads.LcpAt((*rng)() % num_keys);
        const uint64_t lcp = (*rng)() % 8 == 0   ? (*rng)() % 1000
                             : (*rng)() % 4 == 0 ? near + 1
                                                 : near;
        const int byte = static_cast<int>((*rng)() % 257) - 1;
        ASSERT_EQ(heads.Next(codes, after, lcp, byte),
                  heads.NextSlow(codes, after, lcp, byte))
            << "after " << after << ", LCP " << lcp << ", byte " << byte;
      }
      for (int round = 0; round < 20; ++round) {
        const auto end = static_cast<uint32_t>((*rng)() % num_keys);
        const auto begin = static_cast<uint32_t>((*rng)() % (end + 1));
        if (codes.coding == kSymbols) {
          ASSERT_EQ(
              static_cast<uint64_t>(heads.SymbolsIn(codes, bucket, begin, end)),
              starts[end] - starts[begin]);
        } else {
          uint32_t not_ended = 0;
          for (uint32_t i = begin; i < end; ++i) {
            not_ended += heads.FirstCodeAt(i) < codes.tokens->first_end();
          }
          ASSERT_EQ(heads.NotEndedIn(begin, end), not_ended);
        }
        SuffixCursor suffixes(codes, bucket, heads);
        suffixes.Set(begin, starts[begin]);
        ASSERT_TRUE(suffixes.GoTo(end));
        ASSERT_EQ(suffixes.index(), end);
        ASSERT_EQ(suffixes.code(), starts[end]);
        ASSERT_NO_FATAL_FAILURE(ExpectRunsAgree(codes, random, heads, begin));
      }
    }
  }
}

}  // namespace

TEST(KeyTrieBucketSearchTest, SymbolsAgreeWithTheirSlowTwins) {
  std::mt19937_64 rng(TestSeed());
  for (unsigned width = 1; width <= 8; ++width) {
    SCOPED_TRACE(std::to_string(width) + " bits");
    SuffixCoding codes;
    codes.width = width;
    std::string symbols;
    for (int byte = 0; byte < 256; byte += 1 << (8 - width)) {
      symbols.push_back(static_cast<char>(byte + 1));
    }
    symbols.pop_back();  // A code that names nothing.
    const PaddedBytes padded(symbols);
    if (width < 8) {
      codes.symbols = padded.data();
      codes.num_symbols = static_cast<uint32_t>(symbols.size());
    }
    ASSERT_NO_FATAL_FAILURE(ExpectTwinsAgree(codes, &rng));
    if (width == 8) {
      continue;
    }
    // Fixed bytes before, among and behind what keys share.
    const PaddedBytes fixed_bytes(RandomBytes(&rng, FixedBytes::kPositions));
    for (const uint32_t base : {0u, 3u, 200u, 520u, 1000u, 2600u}) {
      codes.fixed.base = base;
      codes.fixed.mask = rng() | 1;
      codes.fixed.bytes = fixed_bytes.data();
      ASSERT_NO_FATAL_FAILURE(ExpectTwinsAgree(codes, &rng)) << base;
    }
  }
}

TEST(KeyTrieBucketSearchTest, FixedBytesAreThoseOfTheirMask) {
  std::mt19937_64 rng(TestSeed());
  const std::string bytes = RandomBytes(&rng, FixedBytes::kPositions);
  for (int round = 0; round < 300; ++round) {
    FixedBytes fixed;
    fixed.base = static_cast<uint32_t>(rng() % 3 == 0 ? 0 : rng() % 100);
    fixed.mask = rng() % 10 == 0 ? 0 : (rng() & rng()) | 1;
    fixed.bytes = reinterpret_cast<const uint8_t*>(bytes.data());
    uint32_t before = 0;
    for (uint64_t at = 0; at < 200; ++at) {
      ASSERT_EQ(fixed.Before(at), before);
      uint64_t next = at;
      while (next < 200 && !IsFixed(fixed, next)) {
        ++next;
      }
      ASSERT_EQ(fixed.UpToNext(at), next == 200 ? UINT64_MAX : next - at);
      for (uint64_t k = 0; k < 64; ++k) {
        ASSERT_EQ(fixed.MaskFrom(at) >> k & 1,
                  IsFixed(fixed, at + k) ? 1u : 0u);
      }
      ASSERT_EQ(fixed.From(at), fixed.bytes + before);
      if (IsFixed(fixed, at)) {
        ASSERT_EQ(fixed.At(at), static_cast<uint8_t>(bytes[before]));
        ++before;
      }
      uint64_t codes = 0;
      for (uint64_t length = at; length < 200; ++length) {
        ASSERT_EQ(fixed.CodesBehindFirst(at, length), codes);
        codes += length > at && !IsFixed(fixed, length);
      }
    }
    ASSERT_EQ(fixed.count(), before);
  }
}

TEST(KeyTrieBucketSearchTest, TokensAgreeWithTheirSlowTwins) {
  std::mt19937_64 rng(TestSeed());
  const KeyList keys = MakeKeys(KeyShapes()[0], 100, &rng);
  for (unsigned width = Tokens::kMinWidth; width <= Tokens::kMaxWidth;
       ++width) {
    SCOPED_TRACE(std::to_string(width) + " bits");
    Tokens tokens;
    std::string reason;
    ASSERT_TRUE(tokens.Open(TokenTableOfWidth(width, keys, &rng), &reason))
        << reason;
    SuffixCoding codes;
    codes.coding = kTokenCodes;
    codes.width = width;
    codes.tokens = &tokens;
    ASSERT_NO_FATAL_FAILURE(ExpectTwinsAgree(codes, &rng));
  }
}

TEST(KeyTrieBucketSearchTest, EightSymbolsAreThoseTakenOneByOne) {
  std::mt19937_64 rng(TestSeed());
  const std::string bytes = RandomBytes(&rng, 300);
  const PaddedBytes padded(bytes);
  for (unsigned width = 1; width <= 7; ++width) {
    // Few enough for one vector, or not; and codes that name nothing.
    for (const uint32_t num_symbols :
         {0u, 1u, 2u, 15u, 16u, 17u, 64u, 127u, 128u}) {
      if (num_symbols > (1u << width)) {
        continue;
      }
      SCOPED_TRACE(std::to_string(num_symbols) + " symbols of " +
                   std::to_string(width) + " bits");
      const PaddedBytes symbols(RandomBytes(&rng, num_symbols));
      SuffixCoding codes;
      codes.width = width;
      codes.symbols = symbols.data();
      codes.num_symbols = num_symbols;
      for (uint64_t i = 0; i < bytes.size() * 8 / width; ++i) {
        ASSERT_EQ(codes.EightSymbols(padded.data(), i),
                  codes.EightSymbolsSlow(padded.data(), i))
            << i;
      }
    }
  }
}

TEST(KeyTrieBucketSearchTest, CodesOfAByteAreThoseOfWhatBeginsWithIt) {
  std::mt19937_64 rng(TestSeed());
  const std::string symbols("\x01\x02\x41\xff", 4);
  const PaddedBytes padded(symbols);
  SuffixCoding codes;
  codes.width = 2;
  codes.symbols = padded.data();
  codes.num_symbols = 4;
  for (int byte = 0; byte < 256; ++byte) {
    const Tokens::CodeRange of_byte =
        codes.CodesFor(static_cast<uint8_t>(byte));
    const auto below = static_cast<uint16_t>(std::count_if(
        symbols.begin(), symbols.end(),
        [byte](char c) { return static_cast<uint8_t>(c) < byte; }));
    const bool occurs =
        symbols.find(static_cast<char>(byte)) != std::string::npos;
    EXPECT_EQ(of_byte.plain, below);
    EXPECT_EQ(of_byte.plain_end, below + occurs);
    EXPECT_EQ(of_byte.last, of_byte.last_end);
  }
}

TEST(KeyTrieBucketSearchTest, TargetsAreComparedAsTheirBytesAre) {
  std::mt19937_64 rng(TestSeed());
  // Up to 256 bytes are copied and compared in vectors; others are not.
  for (const size_t size :
       {0, 1, 6, 7, 8, 31, 32, 33, 64, 255, 256, 257, 600}) {
    SCOPED_TRACE(size);
    // Few letters, so that much is common, and zeros, which pad slices.
    std::string key(size, '\0');
    for (char& c : key) {
      c = static_cast<char>(rng() % 5 == 0 ? rng() % 3 : 0);
    }
    const SoughtKey target(key);
    ASSERT_EQ(target.size(), size);
    for (size_t at = 0; at <= size; ++at) {
      if (at < size) {
        ASSERT_EQ(target[at], static_cast<uint8_t>(key[at]));
      }
      ASSERT_EQ(target.SliceAt(at), SliceOf(key, at));
      // Other bytes that differ from the key's at one place, or nowhere.
      std::string other = key.substr(at) + std::string(rng() % 9, 'x');
      if (!other.empty() && rng() % 4 != 0) {
        const size_t place =
            std::min<size_t>(rng() % other.size(), rng() % (2 * kSliceBytes));
        other[place] = static_cast<char>(other[place] ^ 1 << rng() % 8);
      }
      const size_t common =
          CommonPrefix(other, std::string_view(key).substr(at));
      std::string readable = other;
      readable.append(SoughtKey::kOverread, '\0');
      const auto owned = std::make_unique<uint8_t[]>(readable.size());
      std::copy(readable.begin(), readable.end(), owned.get());
      for (const size_t n : {size_t{0}, other.size() / 2, other.size()}) {
        ASSERT_EQ(target.CommonPrefixAt(at, owned.get(), n),
                  std::min(n, common));
      }
    }
  }
}

TEST(KeyTrieBucketSearchTest, SlicesCompareAsTheirStringsDo) {
  std::mt19937_64 rng(TestSeed());
  const auto random_string = [&rng] {
    std::string s(rng() % 10, '\0');
    for (char& c : s) {
      c = static_cast<char>(rng() % 3 == 0 ? 0xff * (rng() % 2) : 'a');
    }
    return s;
  };
  for (int round = 0; round < 20000; ++round) {
    const std::string a = random_string();
    const std::string b = random_string();
    const uint64_t slice_a = SliceOf(a, 0);
    const uint64_t slice_b = SliceOf(b, 0);
    const std::string_view front_a =
        std::string_view(a).substr(0, kSliceGoesOn);
    const std::string_view front_b =
        std::string_view(b).substr(0, kSliceGoesOn);
    if (CommonPrefix(a, b) < kSliceGoesOn - 1) {
      ASSERT_EQ(slice_a < slice_b, front_a < front_b);
    }
    ASSERT_EQ(CommonSlice(slice_a, slice_b),
              std::min<size_t>(kSliceBytes, CommonPrefix(a, b)));
  }
}

}  // namespace key_trie
}  // namespace memkv
