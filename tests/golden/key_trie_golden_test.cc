// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// The worked example of table/FORMAT.md: a dictionary of nine keys, every byte
// explained.  The dump is made by a decoder written from the format's text
// alone, without the reader's code, so the test holds the text, the builder and
// the dump together.  A change of the format shows here as a readable diff.
//
// To accept a change, copy the dump that the failing test prints, here and into
// table/FORMAT.md.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "table/key_trie_builder.h"
#include "table/key_trie_reader.h"

namespace memkv {

namespace {

const char* const kGolden = R"(header
    0  01                       encoding 1
    1  00                       reserved
    2  02 00                    2 keys a bucket
    4  09 00 00 00              9 keys, so 5 buckets
    8  07 00 00 00              7 bytes of bucket offsets
   12  19 00 00 00              25 bytes of top trie
   16  48 00 00 00              72 bytes of buckets
bucket offsets
   20  07                       width 7
   21  00                       base 0
   22  00 c4 a3 32 04           0, 8, 15, 21, 67
top trie
   27  58                       node, terminal, offsets of 1 and ranks of 1, label of 0
   28  01                         children 2
   29  64 6c                      by first byte "dl"
   31  09                         offsets after the first: 9
   32  03                         ranks after the first: 3
   33  5c                       node, terminal, offsets of 1 and ranks of 1, label of 4
   34  6f 63 2f 62                label "oc/b"
   38  00                         children 1
   39  2f                         by first byte "/"
   40  09                       node, terminal, leaf, label of 1
   41  32                         label "2"
   42  58                       node, terminal, offsets of 1 and ranks of 1, label of 0
   43  00                         children 1
   44  69                         by first byte "i"
   45  0e                       node, terminal, leaf, label of 6
   46  62 2f 6c 69 62 7a          label "b/libz"
bucket 0
   52  02                       headers of 2
   53  00                         z 0: LCP 0, suffix of 0
   54  28                         z 0: LCP 0, suffix of 5
   55  64 6f 63 2f 61             "doc/a"
bucket 1
   60  03                       headers of 3
   61  0f 01                      z 8: LCP 4, suffix of 1
   63  12                         z 2: LCP 5, suffix of 2
   64  62                         "doc/b"
   65  2f 31                      "doc/b/1"
bucket 2
   67  03                       headers of 3
   68  0f 05                      z 12: LCP 6, suffix of 1
   70  0b                         z 3: LCP 4, suffix of 1
   71  32                         "doc/b/2"
   72  63                         "doc/c"
bucket 3
   73  03                       headers of 3
   74  68                         z 0: LCP 0, suffix of 13
   75  ef 13                      z 26: LCP 13, suffix of 29
   77  6c 69 62 2f 6c 69 62 63    "lib/libcrypto"
   85  72 79 70 74 6f
   90  2e 73 6f 2e 33 2d 77 69    "lib/libcrypto.so.3-with-a-very-long-suffix"
   98  74 68 2d 61 2d 76 65 72
  106  79 2d 6c 6f 6e 67 2d 73
  114  75 66 66 69 78
bucket 4
  119  02                       headers of 2
  120  17 07                      z 14: LCP 7, suffix of 2
  122  7a ff                      "lib/libz\xff"
)";

// Walks a dictionary front to back and explains it.
class Dumper {
 public:
  explicit Dumper(const std::string& bytes) : bytes_(bytes) {}

  std::string Run() {
    text_ = "header\n";
    const uint64_t encoding = Fixed(1);
    Line("encoding " + std::to_string(encoding));
    Fixed(1);
    Line("reserved");
    bucket_keys_ = Fixed(2);
    Line(std::to_string(bucket_keys_) + " keys a bucket");
    num_keys_ = Fixed(4);
    num_buckets_ = (num_keys_ + bucket_keys_ - 1) / bucket_keys_;
    Line(std::to_string(num_keys_) + " keys, so " +
         std::to_string(num_buckets_) + " buckets");
    const uint64_t offsets_size = Fixed(4);
    Line(std::to_string(offsets_size) + " bytes of bucket offsets");
    const uint64_t top_size = Fixed(4);
    Line(std::to_string(top_size) + " bytes of top trie");
    const uint64_t buckets_size = Fixed(4);
    Line(std::to_string(buckets_size) + " bytes of buckets");

    text_ += "bucket offsets\n";
    DumpOffsets(at_ + offsets_size);
    text_ += "top trie\n";
    const size_t top_end = at_ + top_size;
    while (at_ < top_end) {
      DumpNode();
    }
    std::string key;
    const size_t buckets_start = at_;
    for (uint64_t b = 0; b < num_buckets_; ++b) {
      text_ += "bucket " + std::to_string(b) + "\n";
      EXPECT_EQ(at_ - buckets_start, offsets_[b]);
      DumpBucket(b, &key);
    }
    EXPECT_EQ(at_, bytes_.size());
    return text_;
  }

  const std::vector<std::string>& keys() const { return keys_; }

 private:
  uint8_t Byte(size_t at) const { return static_cast<uint8_t>(bytes_.at(at)); }

  uint64_t Fixed(size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; ++i) {
      v |= uint64_t{Byte(at_ + i)} << (8 * i);
    }
    at_ += n;
    return v;
  }

  uint64_t Varint() {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
      const uint8_t byte = Byte(at_++);
      v |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        return v;
      }
    }
  }

  std::string Chars(size_t n) {
    std::string s = bytes_.substr(at_, n);
    at_ += n;
    return s;
  }

  static std::string Quoted(const std::string& s) {
    std::string out = "\"";
    for (const char c : s) {
      char buffer[8];
      const bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
      snprintf(buffer, sizeof(buffer), plain ? "%c" : "\\x%02x",
               static_cast<unsigned>(static_cast<uint8_t>(c)));
      out += buffer;
    }
    return out + "\"";
  }

  // Explains the bytes since the last line.
  void Line(const std::string& what) {
    constexpr size_t kBytesALine = 8;
    for (size_t from = line_start_; from < at_; from += kBytesALine) {
      char buffer[32];
      snprintf(buffer, sizeof(buffer), "%5zu  ", from);
      text_ += buffer;
      const size_t to = std::min(from + kBytesALine, at_);
      std::string hex;
      for (size_t i = from; i < to; ++i) {
        snprintf(buffer, sizeof(buffer), "%02x ", Byte(i));
        hex += buffer;
      }
      if (from == line_start_) {
        hex.resize(kBytesALine * 3, ' ');
        text_ += hex + " " + what + "\n";
      } else {
        hex.pop_back();
        text_ += hex + "\n";
      }
    }
    line_start_ = at_;
  }

  void DumpOffsets(size_t end) {
    const uint64_t width = Fixed(1);
    Line("width " + std::to_string(width));
    const uint64_t base = Varint();
    Line("base " + std::to_string(base));
    std::string list;
    for (uint64_t i = 0; i < num_buckets_; ++i) {
      uint64_t v = 0;
      for (uint64_t bit = 0; bit < width; ++bit) {
        const uint64_t from = i * width + bit;
        v |= uint64_t{Byte(at_ + from / 8) >> (from % 8) & 1u} << bit;
      }
      offsets_.push_back(base + v);
      list += (i == 0 ? "" : ", ") + std::to_string(base + v);
    }
    at_ = end;
    Line(list);
  }

  void DumpNode() {
    static const size_t kWidths[] = {0, 1, 2, 4};
    const uint64_t head = Fixed(1);
    const bool terminal = (head & 8) != 0;
    const size_t offset_width = kWidths[head >> 4 & 3];
    const size_t rank_width = kWidths[head >> 6];
    uint64_t label_length = head & 7;
    std::string what = terminal ? "node, terminal" : "node";
    what += offset_width == 0
                ? ", leaf"
                : ", offsets of " + std::to_string(offset_width) +
                      " and ranks of " + std::to_string(rank_width);
    Line(what + ", label of " +
         (label_length == 7 ? "7 + ..." : std::to_string(label_length)));
    if (label_length == 7) {
      label_length += Varint();
      Line("  ... = " + std::to_string(label_length));
    }
    if (label_length > 0) {
      const std::string label = Chars(label_length);
      Line("  label " + Quoted(label));
    }
    if (offset_width == 0) {
      return;
    }
    const uint64_t children = Fixed(1) + 1;
    Line("  children " + std::to_string(children));
    const std::string first_bytes = Chars(children);
    Line("  by first byte " + Quoted(first_bytes));
    DumpChildNumbers("  offsets after the first:", children, offset_width);
    DumpChildNumbers("  ranks after the first:", children, rank_width);
  }

  void DumpChildNumbers(const char* what, uint64_t children, size_t width) {
    std::string list;
    for (uint64_t i = 1; i < children; ++i) {
      list += " " + std::to_string(Fixed(width));
    }
    Line(what + list);
  }

  void DumpBucket(uint64_t b, std::string* key) {
    const uint64_t headers_size = Varint();
    Line("headers of " + std::to_string(headers_size));
    const uint64_t n = std::min(bucket_keys_, num_keys_ - b * bucket_keys_);
    const size_t headers_end = at_ + headers_size;
    uint64_t lcp = 0;
    std::vector<std::pair<uint64_t, uint64_t>> entries;
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t head = Fixed(1);
      uint64_t z = head & 7;
      uint64_t length = head >> 3;
      z += z == 7 ? Varint() : 0;
      length += length == 31 ? Varint() : 0;
      lcp += z % 2 == 0 ? z / 2 : -(z / 2 + 1);
      entries.emplace_back(lcp, length);
      Line("  z " + std::to_string(z) + ": LCP " + std::to_string(lcp) +
           ", suffix of " + std::to_string(length));
    }
    EXPECT_EQ(at_, headers_end);
    for (const auto& [entry_lcp, length] : entries) {
      key->resize(entry_lcp);
      *key += Chars(length);
      keys_.push_back(*key);
      Line("  " + Quoted(*key));
    }
  }

  const std::string& bytes_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  uint64_t bucket_keys_ = 0;
  uint64_t num_keys_ = 0;
  uint64_t num_buckets_ = 0;
  std::vector<uint64_t> offsets_;
  std::vector<std::string> keys_;
  std::string text_;
};

}  // namespace

TEST(KeyTrieGoldenTest, BytesAreThoseOfTheWorkedExample) {
  const std::vector<std::string> keys = {
      "",
      "doc/a",
      "doc/b",
      "doc/b/1",
      "doc/b/2",
      "doc/c",
      "lib/libcrypto",
      "lib/libcrypto.so.3-with-a-very-long-suffix",
      "lib/libz\xff"};
  KeyTrieBuilder::Options options;
  options.bucket_keys = 2;
  KeyTrieBuilder builder(options);
  for (const std::string& key : keys) {
    builder.Add(key);
  }
  std::string bytes;
  std::string reason;
  ASSERT_TRUE(builder.Finish(&bytes, &reason)) << reason;
  Dumper dumper(bytes);
  const std::string dump = dumper.Run();
  EXPECT_EQ(dump, kGolden) << "the dump now is\n" << dump;
  EXPECT_EQ(dumper.keys(), keys);

  KeyTrieReader reader;
  ASSERT_TRUE(KeyTrieReader::Open(bytes, &reader, &reason)) << reason;
  EXPECT_TRUE(reader.Validate(&reason)) << reason;
}

TEST(KeyTrieGoldenTest, NoKeysAreTwentyTwoBytes) {
  KeyTrieBuilder builder;
  std::string bytes;
  std::string reason;
  ASSERT_TRUE(builder.Finish(&bytes, &reason)) << reason;
  EXPECT_EQ(bytes, std::string("\x01\x00\x20\x00"  // encoding 1, 32 a bucket
                               "\x00\x00\x00\x00"  // no keys
                               "\x02\x00\x00\x00"  // 2 bytes of offsets
                               "\x00\x00\x00\x00"  // no top trie
                               "\x00\x00\x00\x00"  // no buckets
                               "\x00\x00",         // width 0, base 0
                               22));
}

}  // namespace memkv
