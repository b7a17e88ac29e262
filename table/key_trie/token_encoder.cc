// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/key_trie/token_encoder.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "util/common_prefix.h"
#include "util/simd.h"
#include "util/trie_coding.h"

namespace memkv {
namespace key_trie {

namespace {

using Token = Tokens::Token;

// A set of bytes.
struct ByteSet {
  uint64_t words[4];

  bool empty() const {
    return (words[0] | words[1] | words[2] | words[3]) == 0;
  }
  void Remove(uint32_t byte) {
    words[byte / 64] &= ~(uint64_t{1} << (byte % 64));
  }
  // REQUIRES: it is not empty
  uint32_t First() const {
    uint32_t i = 0;
    while (words[i] == 0) {
      ++i;
    }
    return 64 * i + static_cast<uint32_t>(__builtin_ctzll(words[i]));
  }
  // Keeps those bytes b for which b ^ byte is in the other set.
  void KeepIfXorIn(const ByteSet& other, uint8_t byte) {
#if defined(MEMKV_X86)
    if (HasAvx2()) {
      KeepIfXorInAvx2(other, byte);
      return;
    }
#endif
    static constexpr uint64_t kLow[6] = {
        0x5555555555555555u, 0x3333333333333333u, 0x0f0f0f0f0f0f0f0fu,
        0x00ff00ff00ff00ffu, 0x0000ffff0000ffffu, 0x00000000ffffffffu};
    for (uint32_t i = 0; i < 4; ++i) {
      uint64_t word = other.words[i ^ (byte / 64)];
      for (uint32_t k = 0; k < 6; ++k) {
        if ((byte >> k & 1) != 0) {
          word = (word >> (1u << k) & kLow[k]) | (word & kLow[k]) << (1u << k);
        }
      }
      words[i] &= word;
    }
  }

#if defined(MEMKV_X86)
  // Bits 5 to 7 of the byte exchange words of 32 bits, bits 3 and 4 bytes in
  // them, bit 2 the halves of a byte, and bits 0 and 1 bits of a half.
  MEMKV_AVX2 void KeepIfXorInAvx2(const ByteSet& other, uint8_t byte) {
    alignas(16) static constexpr uint8_t kHalves[4][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15},
        {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
        {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}};
    const __m256i from_words =
        _mm256_xor_si256(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                         _mm256_set1_epi32(byte >> 5));
    const __m256i from_bytes = _mm256_xor_si256(
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
                                                  10, 11, 12, 13, 14, 15)),
        _mm256_set1_epi8(static_cast<char>(byte >> 3 & 3)));
    const __m256i half_of = _mm256_broadcastsi128_si256(
        _mm_load_si128(reinterpret_cast<const __m128i*>(kHalves[byte & 3])));
    const __m256i half = _mm256_set1_epi8(0x0f);
    const __m256i bits = _mm256_shuffle_epi8(
        _mm256_permutevar8x32_epi32(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(other.words)),
            from_words),
        from_bytes);
    __m256i low = _mm256_shuffle_epi8(half_of, _mm256_and_si256(bits, half));
    __m256i high = _mm256_shuffle_epi8(
        half_of, _mm256_and_si256(_mm256_srli_epi16(bits, 4), half));
    if ((byte & 4) != 0) {
      std::swap(low, high);
    }
    auto* const own = reinterpret_cast<__m256i*>(words);
    _mm256_storeu_si256(
        own,
        _mm256_and_si256(_mm256_loadu_si256(own),
                         _mm256_or_si256(low, _mm256_slli_epi16(high, 4))));
  }
#endif
};

// The places of a double array, in blocks of 256.
class Places {
 public:
  static constexpr uint32_t kBlock = 256;
  // Blocks that are tried before a new one is added.
  static constexpr uint32_t kOpenBlocks = 8;

  size_t size() const { return blocks_.size() * kBlock; }

  // The label of a free place: no one has the base that finds it by this byte,
  // as in a block those who have a base have at least a place each.
  char LabelOfFree(uint32_t place) const {
    return static_cast<char>(blocks_[place / kBlock].bases.First() ^ place);
  }

  // A base that no one has, whose places for these children are free.  They are
  // the caller's.
  uint32_t Take(const uint8_t* children, size_t n) {
    for (size_t i =
             blocks_.size() - std::min<size_t>(blocks_.size(), kOpenBlocks);
         ; ++i) {
      if (i == blocks_.size()) {
        blocks_.emplace_back();
      }
      Block& block = blocks_[i];
      if (block.num_free < n) {
        continue;
      }
      ByteSet bases = block.bases;
      for (size_t c = 0; c < n && !bases.empty(); ++c) {
        bases.KeepIfXorIn(block.free, children[c]);
      }
      if (!bases.empty()) {
        const uint32_t base = bases.First();
        block.bases.Remove(base);
        for (size_t c = 0; c < n; ++c) {
          block.free.Remove(base ^ children[c]);
        }
        block.num_free -= static_cast<uint32_t>(n);
        return static_cast<uint32_t>(i) * kBlock + base;
      }
    }
  }

 private:
  static constexpr ByteSet kAll = {
      {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
  struct Block {
    ByteSet free = kAll;
    ByteSet bases = kAll;  // that no one has
    uint32_t num_free = kBlock;
  };
  std::vector<Block> blocks_;
};

// No one's: the root has every place in its block.
constexpr uint32_t kNoChildren = 1;

// The tokens by their bytes alone.
std::vector<uint32_t> ByBytes(const std::vector<Token>& tokens) {
  const auto first_end = static_cast<uint32_t>(
      std::find_if(tokens.begin(), tokens.end(),
                   [](const Token& token) { return token.ends; }) -
      tokens.begin());
  std::vector<uint32_t> order;
  order.reserve(tokens.size());
  for (uint32_t plain = 0, last = first_end; order.size() < tokens.size();) {
    order.push_back(
        last == tokens.size() ||
                (plain < first_end && tokens[plain].bytes < tokens[last].bytes)
            ? plain++
            : last++);
  }
  return order;
}

}  // namespace

TokenMatcher::TokenMatcher(const std::vector<Token>& tokens) {
  assert(tokens.size() <= kMaxMatched);
  const std::vector<uint32_t> order = ByBytes(tokens);
  assert(tokens[order[0]].bytes.empty());
  empty_ = order[0];
  // A node: the tokens [begin, end) of the order share their first depth bytes,
  // and the longest plain one of them.
  struct Range {
    uint32_t place;
    uint32_t begin;
    uint32_t end;
    uint32_t depth;
    uint32_t plain;
    uint32_t behind;
  };
  std::vector<Range> pending = {
      {0, 1, static_cast<uint32_t>(order.size()), 0, 0, 0}};
  Places places;
  std::vector<uint32_t> starts;
  std::vector<uint8_t> children;
  for (size_t i = 0; i < pending.size(); ++i) {
    Range range = pending[i];
    const bool is_root = i == 0;
    bool has_last = false;
    for (; range.begin < range.end &&
           tokens[order[range.begin]].bytes.size() == range.depth;
         ++range.begin) {
      const uint32_t token = order[range.begin];
      if (tokens[token].ends) {
        has_last = true;
        last_[range.place] = token;
      } else {
        range.plain = token;
        range.behind = 0;
      }
    }
    starts.clear();
    children.clear();
    for (uint32_t k = range.begin; k < range.end; ++k) {
      const auto byte =
          static_cast<uint8_t>(tokens[order[k]].bytes[range.depth]);
      if (children.empty() || children.back() != byte) {
        children.push_back(byte);
        starts.push_back(k);
      }
    }
    starts.push_back(range.end);
    assert(!is_root || children.size() == 256);
    const uint32_t base = children.empty()
                              ? kNoChildren
                              : places.Take(children.data(), children.size());
    assert((base == 0) == is_root);
    nodes_.resize(places.size());
    last_.resize(places.size());
    for (size_t c = 0; c < children.size(); ++c) {
      // Tokens of a range share what its first and its last do, and the first
      // is the shortest of those that begin all.
      const std::string_view first = tokens[order[starts[c]]].bytes;
      const std::string_view last = tokens[order[starts[c + 1] - 1]].bytes;
      const size_t size =
          std::min(kMaxLabel, CommonPrefix(first, last) - range.depth);
      nodes_[base ^ children[c]].SetLabel(first.substr(range.depth, size));
      const auto bytes = static_cast<uint32_t>(size);
      pending.push_back({base ^ children[c], starts[c], starts[c + 1],
                         range.depth + bytes, range.plain,
                         range.behind + bytes});
    }
    if (!is_root) {
      Node& node = nodes_[range.place];
      node.label |= uint64_t{has_last} << Node::kLastShift |
                    uint64_t{range.plain >> 16} << Node::kPlainShift;
      node.base = base;
      node.plain = static_cast<uint16_t>(range.plain);
      node.behind = static_cast<uint8_t>(range.behind);
    }
  }
  for (uint32_t place = 0; place < nodes_.size(); ++place) {
    if (nodes_[place].label_size == 0) {
      const char byte = places.LabelOfFree(place);
      nodes_[place].SetLabel({&byte, 1});
    }
  }
}

size_t TokenMatcher::CountWithout(const Token& token) const {
  uint8_t bytes[Tokens::kMaxLength + sizeof(uint64_t)] = {};
  std::copy(token.bytes.begin(), token.bytes.end(), bytes);
  const size_t size = token.bytes.size();
  // Nothing but its first cut can be that token, as it has all bytes.
  size_t seen = token.ends ? size : size - 1;
  size_t begin = 0;
  for (size_t count = 1;; ++count) {
    const Node* node = &nodes_[bytes[begin]];
    size_t end = begin + 1;
    while (end < seen) {
      const Node* const child = &nodes_[node->base ^ bytes[end]];
      if (child->label_size > seen - end ||
          !child->HasLabel(LoadFixed64(bytes + end))) {
        break;
      }
      node = child;
      end += child->label_size;
    }
    if (count > 1 && token.ends && end == size && node->HasLast()) {
      return count;
    }
    begin = end - node->behind;
    if (begin == size) {
      return token.ends ? count + 1 : count;
    }
    seen = size;
  }
}

// Cuts texts side by side.
template <class Number>
class TokenMatcher::Cutter {
 public:
  // cuts: prepared
  Cutter(const TokenMatcher& matcher, const std::string_view* texts, size_t n,
         Cuts<Number>* cuts)
      : nodes_(matcher.nodes_.data()),
        last_(matcher.last_.data()),
        empty_(static_cast<Number>(matcher.empty_)),
        texts_(texts),
        n_(n),
        cuts_(cuts) {}

  void Run() {
    constexpr size_t kLanes = 6;
    Lane lanes[kLanes];
    size_t busy = 0;
    while (busy < kLanes && Start(&lanes[busy])) {
      ++busy;
    }
    while (busy == kLanes) {
      for (Lane& lane : lanes) {
        if (lane.p >= lane.end && !AtEnd(&lane)) {
          lane = lanes[--busy];
          break;
        }
        Step(&lane);
      }
    }
    for (size_t i = 0; i < busy; ++i) {
      while (AtEnd(&lanes[i])) {
        Step(&lanes[i]);
      }
    }
  }

 private:
  // A text that is being cut: it was read up to p, and the bytes behind the
  // last number are those of the node at place.  If p is beyond the text's end,
  // they are those of its parent: the text ends in the node's label.
  struct Lane {
    const uint8_t* p;
    const uint8_t* end;
    size_t place;
    size_t parent;
    Number* out;
    size_t text;
  };

  // Takes the next text.  False if there is none left.
  bool Start(Lane* lane) {
    for (; next_text_ < n_; ++next_text_) {
      const size_t size = texts_[next_text_].size();
      Number* const out = &cuts_->numbers_[cuts_->begins_[next_text_]];
      if (size != 0) {
        lane->p = reinterpret_cast<const uint8_t*>(cuts_->text_.data()) +
                  cuts_->TextBegin(next_text_);
        lane->end = lane->p + size;
        lane->place = *lane->p++;
        lane->out = out;
        lane->text = next_text_++;
        return true;
      }
      out[0] = empty_;
      cuts_->sizes_[next_text_] = 1;
    }
    return false;
  }

  // If the text was read to its end: ends a token before it, or the text, and
  // takes the next.  False if there is none left.
  bool AtEnd(Lane* lane) {
    while (lane->p >= lane->end) {
      const bool too_far = lane->p > lane->end;
      if (too_far) {
        lane->p -= nodes_[lane->place].label_size;
        lane->place = lane->parent;
      }
      const Node& node = nodes_[lane->place];
      if (too_far || !node.HasLast()) {
        *lane->out++ = static_cast<Number>(node.Plain());
        lane->p -= node.behind;
        if (lane->p != lane->end) {
          lane->place = *lane->p++;
          continue;
        }
      }
      *lane->out++ =
          node.HasLast() ? static_cast<Number>(last_[lane->place]) : empty_;
      cuts_->sizes_[lane->text] = static_cast<size_t>(
          lane->out - &cuts_->numbers_[cuts_->begins_[lane->text]]);
      if (!Start(lane)) {
        return false;
      }
    }
    return true;
  }

  // May read a label that begins in the text and ends behind it.
  void Step(Lane* lane) const {
    const uint8_t* const p = lane->p;
    const Node& node = nodes_[lane->place];
    const uint64_t text = LoadFixed64(p);
    const size_t child = node.base ^ static_cast<uint8_t>(text);
    const Node& found = nodes_[child];
    // What follows if there is no such child, reckoned in any case.
    const uint8_t* const back = p - node.behind;
    // Chosen by an index: of a condition a compiler makes a branch.
    const bool is_child = found.HasLabel(text);
    const size_t places[2] = {*back, child};
    const uint8_t* const behind[2] = {back + 1, p + found.label_size};
    *lane->out = static_cast<Number>(node.Plain());
    lane->out += is_child ? 0 : 1;
    lane->parent = lane->place;
    lane->place = places[is_child];
    lane->p = behind[is_child];
  }

  const Node* const nodes_;
  const uint32_t* const last_;
  const Number empty_;
  const std::string_view* const texts_;
  const size_t n_;
  Cuts<Number>* const cuts_;
  size_t next_text_ = 0;
};

template <class Number>
void TokenMatcher::Cut(const std::string_view* texts, size_t n,
                       Cuts<Number>* cuts) const {
  cuts->Prepare(texts, n);
  Cutter<Number>(*this, texts, n, cuts).Run();
}

template void TokenMatcher::Cut(const std::string_view* texts, size_t n,
                                Cuts<uint16_t>* cuts) const;
template void TokenMatcher::Cut(const std::string_view* texts, size_t n,
                                Cuts<uint32_t>* cuts) const;

bool TokenEncoder::CanCut(const Tokens& tokens) {
  if (tokens.first_end() >= tokens.num_tokens() ||
      tokens.LengthOf(tokens.first_end()) != 0) {
    return false;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const Tokens::CodeRange& codes =
        tokens.CodesFor(static_cast<uint8_t>(byte));
    if (codes.plain >= codes.plain_end || tokens.LengthOf(codes.plain) != 1) {
      return false;
    }
  }
  return true;
}

TokenEncoder::TokenEncoder(const Tokens& tokens)
    : width_(tokens.width()), matcher_(tokens.List()) {}

}  // namespace key_trie
}  // namespace memkv
