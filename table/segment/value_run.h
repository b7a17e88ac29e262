// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A value run: consecutive values, addressed by their index, in one string of
// bytes.  A value block is one value run; a segment whose values are tiny
// holds one itself.  FORMAT.md, "Value run", describes the bytes.
//
// It is not compressed here: the block around it is.  But a run whose values
// repeat keeps each once, and one of numbers that are near each other keeps
// them in few bits, for that saves memory, where blocks are uncompressed.
//
// Thread safety: the builder needs external synchronisation, the view is
// immutable.
//
// Invariants
// (V1) Distinct value j occupies [end(j-1), end(j)) of the value bytes,
//      end(-1) = 0; value i is distinct value index(i), or i itself in a run
//      without an index.  A run of numbers has neither: a value lies nowhere,
//      it is made when it is asked for.
// (V2) Every access is bounded by the bytes given to Open(), whatever they
//      hold.
// (V3) The builder holds no more than twice the values it still has, their ends
//      and indexes, and kKeptCapacity: what was taken is let go of, in O(1)
//      amortised.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "util/packed_array.h"
#include "util/trie_coding.h"

namespace memkv {

// The least and the greatest of some values of one size, as numbers.
class NumberRange {
 public:
  void Add(uint64_t number) {
    if (number >= min_ && number <= max_) return;
    min_ = number < min_ ? number : min_;
    max_ = number > max_ ? number : max_;
    // Asked for after each value, and changed by few.
    width_ = BitWidth(max_ - min_);
    head_ = VarintLength(min_);
  }
  // What a packed array of n of them takes.
  size_t EncodedSize(size_t n) const {
    return 1 + head_ + (n * width_ + 7) / 8;
  }

 private:
  uint64_t min_ = std::numeric_limits<uint64_t>::max();
  uint64_t max_ = 0;
  size_t width_ = 0;
  size_t head_ = 1;
};

class ValueRunBuilder {
 public:
  ValueRunBuilder() : distinct_(0, Hash{this}, Equal{this}) {}
  ValueRunBuilder(const ValueRunBuilder&) = delete;
  ValueRunBuilder& operator=(const ValueRunBuilder&) = delete;

  void Add(std::string_view value);
  // What values are held in; nothing if each is kept once.
  struct Room {
    size_t values = 0;
    size_t bytes = 0;
  };
  Room room() const {
    return keeps_distinct_ ? Room() : Room{ends_.size(), bytes_.size()};
  }
  // Allocates as much, and a little more, within kKeptCapacity.
  void Reserve(const Room& room) {
    const auto more = [](size_t n, size_t size) {
      return std::min(n + n / 16, kKeptCapacity / size);
    };
    ends_.reserve(more(room.values, sizeof(uint64_t)));
    bytes_.reserve(more(room.bytes, 1));
  }

  bool empty() const { return num_values() == 0; }
  size_t num_values() const { return num_added() - taken_; }
  // Bytes of the values themselves.
  size_t value_bytes() const { return value_bytes_; }
  // The largest value added since the builder was last empty.
  size_t largest_value() const { return largest_; }
  // About the size of all values in one run.
  size_t EstimatedSize() const;

  // Whether a look at some of the values says that they repeat.
  bool SeemsRepetitive() const { return SeemsRepetitive(num_added()); }
  // Keeps every distinct value once from now on, until the builder is empty:
  // then EstimatedSize() knows what repeats.
  void KeepDistinct();
  bool keeps_distinct() const { return keeps_distinct_; }

  // Takes as many values from the front as fit into `target_bytes`, at least
  // one, and appends them to *out as one run.  REQUIRES: !empty().
  void TakeFront(size_t target_bytes, std::string* out);
  // Takes all values, which may be none.
  void TakeAll(std::string* out) { Take(num_added(), out); }

  // Whether a run that was taken is of numbers.
  static bool HoldsNumbers(std::string_view run);

  // What it has allocated, in bytes, the set of distinct values by estimate.
  size_t MemoryUsage() const;
  // Frees what an empty builder keeps for its next values.
  // REQUIRES: empty()
  void ReleaseMemory();
  // Checks (V3) and that what is kept is what the counts say.
  [[nodiscard]] bool Validate(std::string* reason) const;

  // The most capacity that an empty builder keeps for what is added next.
  static constexpr size_t kKeptCapacity = size_t{1} << 20;

 private:
  // Of kept values, by their numbers.
  struct Hash {
    const ValueRunBuilder* builder;
    size_t operator()(uint32_t j) const;
  };
  struct Equal {
    const ValueRunBuilder* builder;
    bool operator()(uint32_t a, uint32_t b) const;
  };

  // Of those that are still kept: the taken ones at the front, and the others.
  size_t num_added() const {
    return keeps_distinct_ ? index_.size() : ends_.size();
  }
  void Keep(std::string_view value);
  std::string_view Kept(size_t j) const;
  // REQUIRES: i >= taken_
  std::string_view Value(size_t i) const {
    return Kept(keeps_distinct_ ? index_[i] : i);
  }
  void Take(size_t end, std::string* out);
  // Forgets the values that were taken, if they are most of what is kept.
  void DropTaken();
  void EncodeDistinct(std::string* out) const;
  bool SeemsRepetitive(size_t end) const;
  // The values up to `end` are numbers if they have one size, up to 8, and
  // take less so than in `size` bytes: then appends them as such.
  bool EncodeNumbers(size_t end, size_t size, std::string* out) const;

  // What is kept: all values that were added, or all distinct ones.
  std::string bytes_;
  std::vector<uint64_t> ends_;
  bool keeps_distinct_ = false;
  std::vector<uint64_t> index_;  // of every value added: which one it is
  std::unordered_set<uint32_t, Hash, Equal> distinct_;

  size_t taken_ = 0;  // values at the front that have left, but are kept
  // Some distinct values were taken, so those kept are no run of their own.
  bool divided_ = false;
  size_t value_bytes_ = 0;
  size_t largest_ = 0;
  // Of all values added since the builder was last empty, while they have one
  // size, up to 8: as numbers, the first byte the lowest, or the last one.
  bool are_numbers_ = true;
  NumberRange little_endian_;
  NumberRange big_endian_;
};

class ValueRunView {
 public:
  // Where a value is put that lies nowhere.
  using NumberBytes = std::array<char, sizeof(uint64_t)>;

  // Binds to a run of `num_values` values at the start of `data`, which must
  // outlive the view; *consumed is the run's size.  False, with a reason, if
  // the bytes are no such run.
  [[nodiscard]] static bool Open(std::string_view data, size_t num_values,
                                 ValueRunView* out, size_t* consumed,
                                 std::string* reason);

  size_t size() const { return num_values_; }
  // False if the bytes that locate value i are damaged (V2).  The value lies in
  // the run, or else, in a run of numbers, in *number.
  // REQUIRES: i < size().
  [[nodiscard]] bool Get(size_t i, NumberBytes* number,
                         std::string_view* value) const {
    if (number_size_ != 0) {
      PutNumber(i, number->data());
      *value = std::string_view(number->data(), number_size_);
      return true;
    }
    return GetDistinct(DistinctOf(i), value);
  }
  // The same for one who walks: neighbours often have the same value, and
  // *last is the last one that the caller got of this run.
  struct Last {
    static constexpr uint64_t kNone = UINT64_MAX;
    uint64_t distinct = kNone;
    std::string_view value;
    NumberBytes number = {};
  };
  [[nodiscard]] bool Get(size_t i, Last* last) const {
    if (number_size_ != 0) return Get(i, &last->number, &last->value);
    const uint64_t j = DistinctOf(i);
    // A damaged index may have kNone.
    if (j == last->distinct && j < num_distinct_) return true;
    if (!GetDistinct(j, &last->value)) return false;
    last->distinct = j;
    return true;
  }
  // Of numbers, what a value's bytes are; 0 if this is no run of numbers.
  size_t number_size() const { return number_size_; }
  // Puts all numbers, one after the other, into size() * number_size() bytes.
  void PutNumbers(char* out) const {
    for (size_t i = 0; i < num_values_; ++i) {
      NumberBytes number;
      PutNumber(i, number.data());
      memcpy(out + i * number_size_, number.data(), number_size_);
    }
  }
  // What says where values are; themselves if they have one size.
  PrefetchHint Places() const {
    if (number_size_ != 0) return {index_.AddressOf(0), index_.width()};
    if (indexed_) return {index_.AddressOf(0), index_.width()};
    if (!uniform_) return {ends_.AddressOf(0), ends_.width()};
    return {reinterpret_cast<const uint8_t*>(bytes_.data()), 8 * uniform_size_};
  }
  // If all values have one size and lie one after the other, where the first
  // one is, and *size; else null.
  const char* UniformValues(size_t* size) const {
    if (!uniform_ || indexed_ || number_size_ != 0) return nullptr;
    *size = uniform_size_;
    return bytes_.data();
  }
  // Checks that the values tile the value bytes (V1).
  [[nodiscard]] bool Validate(std::string* reason) const;

 private:
  uint64_t DistinctOf(size_t i) const { return indexed_ ? index_[i] : i; }
  bool GetDistinct(uint64_t j, std::string_view* value) const {
    if (j >= num_distinct_) return false;
    uint64_t begin;
    uint64_t end;
    if (uniform_) {
      begin = j * uniform_size_;
      end = begin + uniform_size_;
    } else {
      begin = j == 0 ? 0 : ends_[j - 1];
      end = ends_[j];
    }
    if (begin > end || end > bytes_.size()) return false;
    *value = bytes_.substr(begin, end - begin);
    return true;
  }
  // To 8 bytes, of which the first number_size_ are the value.
  void PutNumber(size_t i, char* bytes) const {
    uint64_t number = index_[i];
    if (big_endian_) number = __builtin_bswap64(number << number_shift_);
    StoreFixed64(reinterpret_cast<uint8_t*>(bytes), number);
  }
  bool OpenNumbers(std::string_view data, size_t num_values, size_t* consumed,
                   std::string* reason);
  bool ValidateNumbers(std::string* reason) const;
  // Binds to the distinct values alone.
  bool OpenPlain(std::string_view data, unsigned char kind, size_t num_values,
                 size_t* consumed, std::string* reason);

  size_t num_values_ = 0;
  size_t num_distinct_ = 0;
  bool indexed_ = false;
  bool uniform_ = true;
  // Of numbers, which are in index_.
  uint8_t number_size_ = 0;
  bool big_endian_ = false;
  uint8_t number_shift_ = 0;
  uint64_t uniform_size_ = 0;
  PackedArrayView ends_;
  std::string_view bytes_;
  PackedArrayView index_;
};

}  // namespace memkv
