// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/golden/key_trie_dump.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace memkv {
namespace {

std::string Number(uint64_t n) { return std::to_string(n); }

std::string Quoted(const std::string& s) {
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

// Walks bytes front to back and explains them.
class Dumper {
 public:
  explicit Dumper(const std::string& bytes) : bytes_(bytes) {}

  const std::string& text() const { return text_; }

 protected:
  size_t at() const { return at_; }
  size_t size() const { return bytes_.size(); }
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
    EXPECT_LE(at_ + n, bytes_.size());
    std::string s = bytes_.substr(at_, n);
    at_ += n;
    return s;
  }

  // Number i of those of `width` bits that start at byte `begin`.
  uint64_t NumberAt(size_t begin, uint64_t width, uint64_t i) const {
    uint64_t v = 0;
    for (uint64_t bit = 0; bit < width; ++bit) {
      const uint64_t from = i * width + bit;
      v |= uint64_t{Byte(begin + from / 8) >> (from % 8) & 1u} << bit;
    }
    return v;
  }

  void Title(const std::string& title) { text_ += title + "\n"; }

  // What follows from bytes above.
  void Note(const std::string& what) {
    text_ += std::string(32, ' ') + what + "\n";
  }

  // Explains the bytes since the last line.
  void Line(const std::string& what) {
    for (size_t from = line_start_; from < at_; from += kBytesALine) {
      text_ += Offset(from);
      const std::string hex = Hex(from, std::min(from + kBytesALine, at_));
      text_ += from == line_start_ ? Padded(hex) + what : hex;
      text_ += "\n";
    }
    line_start_ = at_;
  }

  // Reads and explains a number.
  uint64_t Field(size_t n, const std::string& before,
                 const std::string& after) {
    const uint64_t v = Fixed(n);
    Line(before + Number(v) + after);
    return v;
  }

  // Explains as Line does, but a row that is longer than a line by its first
  // and its last byte.
  void RowLine(const std::string& what) {
    if (at_ - line_start_ <= kBytesALine) {
      Line(what);
      return;
    }
    text_ += Offset(line_start_);
    text_ +=
        Padded(Hex(line_start_, line_start_ + 1) + " .. " + Hex(at_ - 1, at_));
    text_ += what + "\n";
    line_start_ = at_;
  }

  // Reads and explains n numbers of `width` bits, to a whole byte; in each line
  // those that start there.
  std::vector<uint64_t> Numbers(const std::string& what, uint64_t width,
                                uint64_t n) {
    std::vector<uint64_t> all;
    const size_t begin = at_;
    const size_t end = begin + (n * width + 7) / 8;
    for (; at_ < end; line_start_ = at_) {
      at_ = std::min(at_ + kBytesALine, end);
      std::string here;
      while (all.size() < n && all.size() * width < 8 * (at_ - begin)) {
        all.push_back(NumberAt(begin, width, all.size()));
        here += (here.empty() ? "" : ", ") + Number(all.back());
      }
      text_ += Offset(line_start_) + Padded(Hex(line_start_, at_)) +
               (line_start_ == begin ? what + " " : "  ") + here + "\n";
    }
    for (uint64_t bit = n * width; bit < 8 * (end - begin); ++bit) {
      EXPECT_EQ(NumberAt(begin, 1, bit), 0u) << "bit behind " << what;
    }
    all.resize(n);  // Of no bits, they are 0.
    return all;
  }

 private:
  static constexpr size_t kBytesALine = 8;

  static std::string Offset(size_t at) {
    char buffer[32];
    snprintf(buffer, sizeof(buffer), "%5zu  ", at);
    return buffer;
  }

  static std::string Padded(std::string hex) {
    hex.resize(kBytesALine * 3 + 1, ' ');
    return hex;
  }

  std::string Hex(size_t from, size_t to) const {
    std::string hex;
    for (size_t i = from; i < to; ++i) {
      char buffer[8];
      snprintf(buffer, sizeof(buffer), i == from ? "%02x" : " %02x", Byte(i));
      hex += buffer;
    }
    return hex;
  }

  const std::string& bytes_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  std::string text_;
};

// A token table.
class TokensDumper : public Dumper {
 public:
  explicit TokensDumper(const std::string& bytes) : Dumper(bytes) {
    Title("tokens");
    Field(1, "version ", "");
    Field(1, "codes of ", " bits");
    Field(2, "reserved, ", "");
    const uint64_t num_tokens = Field(4, "", " tokens");
    first_end_ = Field(4, "token ", " is the first that ends a key");
    const uint64_t num_bytes = Field(4, "", " bytes of suffixes");
    Title("LCPs and sizes of suffixes");
    std::vector<uint64_t> halves;
    while (halves.size() < num_tokens) {
      const size_t first = halves.size();
      halves.push_back(Fixed(1));
      while (halves.size() < num_tokens && Byte(at()) == halves.back()) {
        halves.push_back(Fixed(1));
      }
      RowLine(Named(first, halves.size() - 1) + ": LCP " +
              Number(halves.back() % 16) + ", and " +
              Number(halves.back() / 16));
    }
    Title("long numbers");
    std::vector<std::pair<uint64_t, uint64_t>> numbers;  // LCP, size of suffix
    for (size_t i = 0; i < num_tokens; ++i) {
      const auto number = [&](uint64_t half, const char* what) {
        return half < 15 ? half : Field(1, Named(i, i) + what, "");
      };
      const uint64_t shared = number(halves[i] % 16, ": LCP ");
      numbers.emplace_back(shared, number(halves[i] / 16, ": suffix of "));
    }
    Title("suffixes");
    EXPECT_EQ(at() + num_bytes, size());
    while (tokens_.size() < num_tokens) {
      const size_t first = tokens_.size();
      AddToken(numbers[first]);
      // A row of single bytes, each the one before and 1.
      while (tokens_.size() < first_end_ && tokens_.back().size() == 1 &&
             numbers[tokens_.size()] ==
                 std::make_pair(uint64_t{0}, uint64_t{1}) &&
             Byte(at()) == static_cast<uint8_t>(tokens_.back()[0]) + 1) {
        AddToken(numbers[tokens_.size()]);
      }
      const size_t last = tokens_.size() - 1;
      const std::string what = Named(first, last) + ": ";
      if (last > first) {
        RowLine(what + Quoted(tokens_[first]) + " to " + Quoted(tokens_[last]));
      } else if (numbers[first].second == 0) {
        Note(what + Quoted(tokens_[first]));
      } else {
        Line(what + Quoted(tokens_[first]));
      }
    }
    EXPECT_EQ(at(), size());
  }

  bool Ends(uint64_t code) const { return code >= first_end_; }
  const std::string& TokenOf(uint64_t code) const { return tokens_.at(code); }

 private:
  static std::string Named(size_t first, size_t last) {
    return first == last ? "token " + Number(first)
                         : "tokens " + Number(first) + " to " + Number(last);
  }

  // The next one: its LCP with the one before, and the size of its suffix.
  void AddToken(const std::pair<uint64_t, uint64_t>& numbers) {
    const bool is_first = tokens_.empty() || tokens_.size() == first_end_;
    const std::string before = is_first ? "" : tokens_.back();
    EXPECT_LE(numbers.first, before.size());
    tokens_.push_back(before.substr(0, numbers.first) + Chars(numbers.second));
  }

  uint64_t first_end_ = 0;
  std::vector<std::string> tokens_;
};

// A key trie.
class TrieDumper : public Dumper {
 public:
  // tokens is nullptr if the file has none.
  TrieDumper(const std::string& bytes, const TokensDumper* tokens)
      : Dumper(bytes), tokens_(tokens) {
    DumpHeader();
    if (num_symbols_ > 0) {
      Title("symbols");
      symbols_ = Chars(num_symbols_);
      Line("codes from 0 on: " + Quoted(symbols_));
    }
    if (has_fixed_) {
      DumpFixedBytes();
    }
    const size_t separators_end = at() + separators_size_;
    separators_.resize(num_buckets_);
    if (separators_size_ > 0) {
      DumpSeparators();
    }
    EXPECT_EQ(at(), separators_end);
    Title("directory");
    DumpDirectory(at() + directory_size_);
    const size_t buckets_begin = at();
    for (uint64_t b = 0; b < num_buckets_; ++b) {
      Title("bucket " + Number(b));
      EXPECT_EQ(at(), buckets_begin + offsets_[b]);
      DumpBucket(b);
    }
    EXPECT_EQ(at(), buckets_begin + buckets_size_);
    EXPECT_EQ(offsets_[num_buckets_], buckets_size_);
    Title("padding");
    constexpr size_t kPadding = 128;
    EXPECT_EQ(Chars(kPadding), std::string(kPadding, '\0'));
    RowLine(Number(kPadding) + " zero bytes");
    EXPECT_EQ(at(), size());
  }

  const std::vector<std::string>& keys() const { return keys_; }

 private:
  // The separators [begin, end), from byte `prefix.size()` on.
  struct Node {
    uint64_t offset;
    uint64_t begin;
    uint64_t end;
    std::string prefix;
  };

  void DumpHeader() {
    Title("header");
    Field(1, "encoding ", "");
    has_fixed_ = Byte(at()) == 2;
    const uint64_t coding = Field(1, "suffix coding ",
                                  has_fixed_           ? ", fixed bytes"
                                  : tokens_ == nullptr ? ", symbols"
                                                       : ", tokens");
    EXPECT_EQ(coding, has_fixed_ ? 2u : tokens_ == nullptr ? 0u : 1u);
    width_ = Field(1, "codes of ", " bits");
    Field(1, "reserved, ", "");
    num_symbols_ = Field(2, "", " symbols");
    Field(2, "reserved, ", "");
    num_keys_ = Field(4, "", " keys");
    num_buckets_ = Field(4, "", " buckets");
    separators_size_ = Field(4, "", " bytes of separators");
    directory_size_ = Field(4, "", " bytes of directory");
    buckets_size_ = Field(4, "", " bytes of buckets");
  }

  void DumpFixedBytes() {
    Title("fixed bytes");
    const uint64_t base = Field(4, "from position ", " on");
    const uint64_t mask = Fixed(8);
    std::string list;
    std::vector<uint64_t> positions;
    for (uint64_t i = 0; i < 64; ++i) {
      if ((mask >> i & 1) != 0) {
        positions.push_back(base + i);
        list += (list.empty() ? "" : ", ") + Number(base + i);
      }
    }
    Line("at positions " + list);
    const std::string bytes = Chars(positions.size());
    Line("the bytes " + Quoted(bytes));
    for (size_t i = 0; i < positions.size(); ++i) {
      fixed_[positions[i]] = bytes[i];
    }
  }

  void DumpSeparators() {
    Title("separators");
    const size_t start = at();
    const uint64_t widths = Fixed(1);
    ordinal_width_ = widths % 16;
    offset_width_ = widths / 16;
    Line("ordinals of " + Number(ordinal_width_) + ", offsets of " +
         Number(offset_width_));
    std::deque<Node> nodes = {{1, 1, num_buckets_, ""}};
    for (; !nodes.empty(); nodes.pop_front()) {
      EXPECT_EQ(at() - start, nodes.front().offset);
      DumpNode(nodes.front(), &nodes);
    }
  }

  void DumpNode(Node node, std::deque<Node>* nodes) {
    const uint64_t head = Fixed(4);
    uint64_t label_size = head % 256;
    const uint64_t num_groups = head / 256 % (1 << 23);
    const bool goes_on = head >> 31 != 0;
    Line("node at " + Number(node.offset) + ": label of " + Number(label_size) +
         ", " + Number(num_groups) + " groups" +
         (goes_on ? ", of which some go on" : ""));
    if (label_size == 255) {
      label_size = Field(4, "  label of ", "");
    }
    const std::string label = Chars(label_size);
    node.prefix += label;
    Line("  label " + Quoted(label) +
         (num_groups == 0 ? ": separator " + Number(node.begin) : ""));
    if (num_groups == 0) {
      EXPECT_EQ(node.begin + 1, node.end);
      separators_.at(node.begin) = node.prefix;
      return;
    }
    std::vector<std::string> slices;
    std::vector<bool> ends;
    for (uint64_t g = 0; g < num_groups; ++g) {
      const uint64_t slice = Fixed(8);
      const uint64_t length = slice % 256;
      slices.emplace_back();
      for (uint64_t i = 0; i < std::min<uint64_t>(length, 7); ++i) {
        slices[g].push_back(static_cast<char>(slice >> (56 - 8 * i)));
      }
      ends.push_back(length != 8);
      Line("  slice " + Quoted(slices[g]) + (ends[g] ? "" : ", goes on"));
    }
    auto ordinals = Numbers("  first ordinals", 8 * ordinal_width_, num_groups);
    const auto offsets =
        goes_on ? Numbers("  offsets", 8 * offset_width_, num_groups)
                : std::vector<uint64_t>(num_groups);
    EXPECT_EQ(ordinals[0], node.begin);
    ordinals.push_back(node.end);
    for (uint64_t g = 0; g < num_groups; ++g) {
      EXPECT_EQ(offsets[g] == 0, ends[g]);
      if (ends[g]) {
        EXPECT_EQ(ordinals[g] + 1, ordinals[g + 1]);
        separators_.at(ordinals[g]) = node.prefix + slices[g];
      } else {
        nodes->push_back({offsets[g], ordinals[g], ordinals[g + 1],
                          node.prefix + slices[g]});
      }
    }
  }

  void DumpDirectory(size_t end) {
    const uint64_t width = Field(1, "width ", "");
    const uint64_t base = Varint();
    Line("base " + Number(base));
    uint64_t ordinal_bits = 0;
    while (num_keys_ >> ordinal_bits != 0) {
      ++ordinal_bits;
    }
    std::string list;
    for (uint64_t b = 0; b <= num_buckets_; ++b) {
      const uint64_t place = base + NumberAt(at(), width, b);
      offsets_.push_back(place >> ordinal_bits);
      ordinals_.push_back(place % (uint64_t{1} << ordinal_bits));
      list += (b == 0 ? "(" : ", (") + Number(offsets_[b]) + ", " +
              Number(ordinals_[b]) + ")";
    }
    Chars(end - at());
    Line("offset and first ordinal: " + list);
    EXPECT_EQ(ordinals_[0], 0u);
    EXPECT_EQ(ordinals_[num_buckets_], num_keys_);
  }

  void DumpBucket(uint64_t b) {
    const uint64_t n = ordinals_[b + 1] - ordinals_[b];
    const uint64_t lcp_width = Field(1, "LCPs of ", " bits");
    const uint64_t head_lcp = Varint();
    Line("LCP of the head: " + Number(head_lcp));
    const uint64_t min_lcp = Varint();
    Line("smallest LCP of the others: " + Number(min_lcp));
    uint64_t length_width = 0;
    uint64_t min_length = 0;
    if (tokens_ == nullptr) {
      length_width = Field(1, "lengths of ", " bits");
      min_length = Varint();
      Line("smallest length: " + Number(min_length));
    }
    const auto lcps = Numbers("LCPs less that:", lcp_width, n - 1);
    const auto lengths = Numbers("lengths less that:", length_width, n);
    const auto first_codes = Numbers("first codes", width_, n);
    const size_t codes_begin = at();
    uint64_t num_codes = 0;
    const auto next_code = [&] {
      return NumberAt(codes_begin, width_, num_codes++);
    };
    std::vector<std::string> notes;
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t lcp = i == 0 ? head_lcp : min_lcp + lcps[i - 1];
      EXPECT_LE(lcp, key_.size());
      std::string key = key_.substr(0, lcp);
      std::string note = "key " + Number(keys_.size()) + ": ";
      note += Quoted(key) + " +";
      uint64_t code = first_codes[i];
      if (tokens_ == nullptr) {
        const uint64_t length = min_length + lengths[i];
        EXPECT_GE(length, lcp);
        while (key.size() < length) {
          const auto fixed = fixed_.find(key.size());
          if (key.size() > lcp && fixed != fixed_.end()) {
            key.push_back(fixed->second);
            continue;
          }
          code = key.size() == lcp ? code : next_code();
          key.push_back(width_ == 8 ? static_cast<char>(code)
                                    : symbols_.at(code));
        }
        note += " " + Quoted(key.substr(lcp));
      } else {
        for (;; code = next_code()) {
          key += tokens_->TokenOf(code);
          note += " " + Quoted(tokens_->TokenOf(code));
          if (tokens_->Ends(code)) {
            break;
          }
        }
      }
      EXPECT_TRUE(keys_.empty() || key_ < key);
      if (i == 0) {
        EXPECT_EQ(separators_[b], key.substr(0, b == 0 ? 0 : lcp + 1));
      }
      notes.push_back(note);
      keys_.push_back(key);
      key_ = key;
    }
    Numbers("other codes", width_, num_codes);
    for (const std::string& note : notes) {
      Note(note);
    }
  }

  const TokensDumper* const tokens_;
  uint64_t width_ = 0;
  uint64_t num_symbols_ = 0;
  uint64_t num_keys_ = 0;
  uint64_t num_buckets_ = 0;
  uint64_t separators_size_ = 0;
  uint64_t directory_size_ = 0;
  uint64_t buckets_size_ = 0;
  size_t ordinal_width_ = 0;
  size_t offset_width_ = 0;
  bool has_fixed_ = false;
  std::string symbols_;
  std::map<uint64_t, char> fixed_;  // by position
  std::vector<std::string> separators_;
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t> ordinals_;
  std::string key_;
  std::vector<std::string> keys_;
};

}  // namespace

KeyTrieDump DumpKeyTrie(const std::string& bytes,
                        const std::string& token_bytes) {
  if (token_bytes.empty()) {
    const TrieDumper dumper(bytes, nullptr);
    return {dumper.text(), dumper.keys()};
  }
  const TokensDumper tokens(token_bytes);
  const TrieDumper dumper(bytes, &tokens);
  return {dumper.text(), dumper.keys()};
}

std::string DumpTokens(const std::string& bytes) {
  return TokensDumper(bytes).text();
}

}  // namespace memkv
