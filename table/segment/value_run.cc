// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "table/segment/value_run.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <functional>
#include <utility>

#include "util/trie_coding.h"

namespace memkv {

namespace {

// Kinds of run, the first byte.
constexpr unsigned char kUniform = 0;
constexpr unsigned char kEnds = 1;
constexpr unsigned char kIndexed = 2;
constexpr unsigned char kNumbers = 3;

// Of numbers, the second byte: the size of a value, and this bit if its first
// byte is the highest one.
constexpr unsigned char kBigEndian = 1 << 4;

constexpr size_t kMaxNumberSize = sizeof(uint64_t);
// Fewer values are not worth another kind.
constexpr size_t kFewestNumbers = 32;

// REQUIRES: 1 to kMaxNumberSize bytes
uint64_t LittleEndianNumber(std::string_view value) {
  const auto* const p = reinterpret_cast<const uint8_t*>(value.data());
  const size_t n = value.size();
  // By loads of known size, some bytes twice.
  if (n == 8) return LoadFixed64(p);
  if (n >= 4) {
    return LoadFixed32(p) | uint64_t{LoadFixed32(p + n - 4)} << (8 * (n - 4));
  }
  return p[0] | uint64_t{p[n / 2]} << (8 * (n / 2)) |
         uint64_t{p[n - 1]} << (8 * (n - 1));
}
// The other way round.
uint64_t BigEndianNumber(uint64_t little_endian, size_t size) {
  return __builtin_bswap64(little_endian) >> (64 - 8 * size);
}

// What a run of n numbers takes.
size_t NumbersSize(const NumberRange& range, size_t n) {
  return 2 + range.EncodedSize(n);
}

// Whether that is worth it beside a run of `size` bytes, whose values need not
// be made.
bool NumbersPay(size_t numbers_size, size_t size) {
  return numbers_size <= size - size / 8;
}

// Appends a run of kind kUniform or kEnds, of values that end at `ends` (the
// first begins at 0) in `bytes`.
void EncodePlain(const std::vector<uint64_t>& ends, std::string_view bytes,
                 std::string* out) {
  const size_t n = ends.size();
  const uint64_t size = n == 0 ? 0 : ends[0];
  bool uniform = true;
  for (size_t i = 0; i < n; ++i) {
    uniform = uniform && ends[i] == (i + 1) * size;
  }
  if (uniform) {
    out->push_back(kUniform);
    PutVarint64(out, size);
  } else {
    out->push_back(kEnds);
    PackedArrayBuilder::Encode(ends.data(), n, out);
  }
  out->append(bytes.data(), bytes.size());
}

}  // namespace

size_t ValueRunBuilder::Hash::operator()(uint32_t j) const {
  return std::hash<std::string_view>()(builder->Kept(j));
}

bool ValueRunBuilder::Equal::operator()(uint32_t a, uint32_t b) const {
  return builder->Kept(a) == builder->Kept(b);
}

std::string_view ValueRunBuilder::Kept(size_t j) const {
  const uint64_t begin = j == 0 ? 0 : ends_[j - 1];
  return std::string_view(bytes_).substr(begin, ends_[j] - begin);
}

void ValueRunBuilder::Keep(std::string_view value) {
  if (keeps_distinct_ && !index_.empty() && Kept(index_.back()) == value) {
    index_.push_back(index_.back());
    return;
  }
  const size_t begin = bytes_.size();
  bytes_.append(value.data(), value.size());
  ends_.push_back(bytes_.size());
  if (!keeps_distinct_) return;
  const auto [at, is_new] =
      distinct_.insert(static_cast<uint32_t>(ends_.size() - 1));
  index_.push_back(*at);
  if (!is_new) {
    bytes_.resize(begin);
    ends_.pop_back();
  }
}

void ValueRunBuilder::Add(std::string_view value) {
  are_numbers_ = are_numbers_ && !value.empty() &&
                 value.size() <= kMaxNumberSize &&
                 (largest_ == 0 || value.size() == largest_);
  if (are_numbers_) {
    const uint64_t number = LittleEndianNumber(value);
    little_endian_.Add(number);
    big_endian_.Add(BigEndianNumber(number, value.size()));
  }
  largest_ = std::max(largest_, value.size());
  value_bytes_ += value.size();
  Keep(value);
}

void ValueRunBuilder::KeepDistinct() {
  if (keeps_distinct_) return;
  const std::string bytes = std::move(bytes_);
  const std::vector<uint64_t> ends = std::move(ends_);
  bytes_.clear();
  ends_.clear();
  keeps_distinct_ = true;
  uint64_t begin = taken_ == 0 ? 0 : ends[taken_ - 1];
  for (size_t i = taken_; i < ends.size(); ++i) {
    Keep(std::string_view(bytes).substr(begin, ends[i] - begin));
    begin = ends[i];
  }
  taken_ = 0;
  divided_ = false;
}

size_t ValueRunBuilder::EstimatedSize() const {
  if (keeps_distinct_) {
    return bytes_.size() + 2 * ends_.size() +
           num_values() * BitWidth(ends_.size()) / 8;
  }
  const size_t n = num_values();
  if (are_numbers_ && n >= kFewestNumbers) {
    const size_t numbers =
        std::min(NumbersSize(little_endian_, n), NumbersSize(big_endian_, n));
    if (NumbersPay(numbers, value_bytes_)) return numbers;
  }
  // Ends of a few bits each; 2 bytes serve a run of 64 KiB.
  return value_bytes_ + 2 * n;
}

void ValueRunBuilder::TakeFront(size_t target_bytes, std::string* out) {
  assert(!empty());
  size_t end = taken_;
  size_t bytes = 0;
  do {
    bytes += Value(end++).size();
  } while (end < num_added() && bytes + Value(end).size() <= target_bytes);
  Take(end, out);
}

bool ValueRunBuilder::SeemsRepetitive(size_t end) const {
  constexpr size_t kSample = 32;
  const size_t n = end - taken_;
  if (n < kSample) return false;
  std::array<std::string_view, kSample> sample;
  for (size_t i = 0; i < kSample; ++i) {
    sample[i] = Value(taken_ + i * n / kSample);
  }
  std::sort(sample.begin(), sample.end());
  const auto distinct = std::unique(sample.begin(), sample.end());
  return distinct - sample.begin() <= static_cast<ptrdiff_t>(kSample / 2);
}

void ValueRunBuilder::EncodeDistinct(std::string* out) const {
  out->push_back(kIndexed);
  PutVarint64(out, ends_.size());
  PackedArrayBuilder::Encode(index_.data(), index_.size(), out);
  EncodePlain(ends_, bytes_, out);
}

bool ValueRunBuilder::HoldsNumbers(std::string_view run) {
  return static_cast<unsigned char>(run[0]) == kNumbers;
}

bool ValueRunBuilder::EncodeNumbers(size_t end, size_t size,
                                    std::string* out) const {
  const size_t n = end - taken_;
  if (!are_numbers_ || n < kFewestNumbers) return false;
  // Not all that were added, perhaps.
  NumberRange little_endian;
  NumberRange big_endian;
  std::vector<uint64_t> numbers;
  numbers.reserve(n);
  for (size_t i = taken_; i < end; ++i) {
    numbers.push_back(LittleEndianNumber(Value(i)));
    little_endian.Add(numbers.back());
    big_endian.Add(BigEndianNumber(numbers.back(), largest_));
  }
  const size_t little_endian_size = NumbersSize(little_endian, n);
  const size_t big_endian_size = NumbersSize(big_endian, n);
  if (!NumbersPay(std::min(little_endian_size, big_endian_size), size)) {
    return false;
  }
  const bool is_big = big_endian_size < little_endian_size;
  if (is_big) {
    for (uint64_t& number : numbers) number = BigEndianNumber(number, largest_);
  }
  out->push_back(kNumbers);
  out->push_back(static_cast<char>(largest_ | (is_big ? kBigEndian : 0)));
  PackedArrayBuilder::Encode(numbers.data(), n, out);
  return true;
}

void ValueRunBuilder::Take(size_t end, std::string* out) {
  const size_t start = out->size();
  size_t taken_bytes = 0;
  if (keeps_distinct_ && !divided_ && end == num_added()) {
    EncodeDistinct(out);
    taken_bytes = value_bytes_;
  } else if (SeemsRepetitive(end)) {
    ValueRunBuilder distinct;
    distinct.KeepDistinct();
    for (size_t i = taken_; i < end; ++i) distinct.Add(Value(i));
    distinct.EncodeDistinct(out);
    taken_bytes = distinct.value_bytes();
  } else {
    std::vector<uint64_t> ends;
    for (size_t i = taken_; i < end; ++i) {
      taken_bytes += Value(i).size();
      ends.push_back(taken_bytes);
    }
    if (keeps_distinct_) {
      std::string bytes;
      for (size_t i = taken_; i < end; ++i) bytes.append(Value(i));
      EncodePlain(ends, bytes, out);
    } else {
      const uint64_t begin = taken_ == 0 ? 0 : ends_[taken_ - 1];
      EncodePlain(ends, std::string_view(bytes_).substr(begin, taken_bytes),
                  out);
    }
  }
  std::string numbers;
  if (EncodeNumbers(end, out->size() - start, &numbers)) {
    out->replace(start, std::string::npos, numbers);
  }
  value_bytes_ -= taken_bytes;
  taken_ = end;
  divided_ = true;
  DropTaken();
}

void ValueRunBuilder::DropTaken() {
  if (empty()) {
    distinct_.clear();
    index_.clear();
    keeps_distinct_ = false;
    bytes_.clear();
    ends_.clear();
    taken_ = 0;
    divided_ = false;
    largest_ = 0;
    are_numbers_ = true;
    little_endian_ = NumberRange();
    big_endian_ = NumberRange();
    if (MemoryUsage() > kKeptCapacity) ReleaseMemory();
    return;
  }
  // Moves what is left, once what was taken is more: so a value's bytes, and
  // the words beside them, are moved less than once each.
  constexpr size_t kWord = sizeof(uint64_t);
  if (bytes_.size() + num_added() * kWord <=
      2 * (value_bytes_ + num_values() * kWord)) {
    return;
  }
  if (!keeps_distinct_) {
    const uint64_t begin = taken_ == 0 ? 0 : ends_[taken_ - 1];
    bytes_.erase(0, begin);
    ends_.erase(ends_.begin(), ends_.begin() + static_cast<ptrdiff_t>(taken_));
    for (uint64_t& end : ends_) end -= begin;
  } else {
    // Those distinct values that are left, in the order of their first ones.
    std::string bytes;
    std::vector<uint64_t> ends;
    std::vector<uint64_t> number(ends_.size(), UINT64_MAX);
    size_t out = 0;
    for (size_t i = taken_; i < index_.size(); ++i) {
      uint64_t& to = number[index_[i]];
      if (to == UINT64_MAX) {
        to = ends.size();
        bytes.append(Kept(index_[i]));
        ends.push_back(bytes.size());
      }
      index_[out++] = to;
    }
    index_.resize(out);
    distinct_.clear();
    bytes_ = std::move(bytes);
    ends_ = std::move(ends);
    for (uint32_t j = 0; j < ends_.size(); ++j) distinct_.insert(j);
  }
  taken_ = 0;
  // Capacity follows in the same way.
  if (bytes_.capacity() / 4 > bytes_.size() + kKeptCapacity / 4) {
    bytes_.shrink_to_fit();
  }
  const auto fit = [](std::vector<uint64_t>* v) {
    if (v->capacity() / 4 > v->size() + kKeptCapacity / 4 / kWord) {
      v->shrink_to_fit();
    }
  };
  fit(&ends_);
  fit(&index_);
}

size_t ValueRunBuilder::MemoryUsage() const {
  // A node of the set: a link, the hash and the number.
  constexpr size_t kNode = 4 * sizeof(void*);
  const size_t inside = std::string().capacity();
  return (bytes_.capacity() > inside ? bytes_.capacity() : 0) +
         (ends_.capacity() + index_.capacity()) * sizeof(uint64_t) +
         distinct_.size() * kNode + distinct_.bucket_count() * sizeof(void*);
}

void ValueRunBuilder::ReleaseMemory() {
  assert(empty());
  std::string().swap(bytes_);
  std::vector<uint64_t>().swap(ends_);
  std::vector<uint64_t>().swap(index_);
  decltype(distinct_)(0, Hash{this}, Equal{this}).swap(distinct_);
}

bool ValueRunBuilder::Validate(std::string* reason) const {
  uint64_t before = 0;
  for (const uint64_t end : ends_) {
    if (end < before || end > bytes_.size()) {
      *reason = "value run builder: a value ends at " + std::to_string(end) +
                " of " + std::to_string(bytes_.size());
      return false;
    }
    before = end;
  }
  if (before != bytes_.size() || taken_ > num_added() ||
      (keeps_distinct_ && distinct_.size() != ends_.size())) {
    *reason = "value run builder: " + std::to_string(bytes_.size()) +
              " bytes, " + std::to_string(taken_) + " of " +
              std::to_string(num_added()) + " values taken";
    return false;
  }
  uint64_t bytes = 0;
  for (size_t i = taken_; i < num_added(); ++i) {
    if (keeps_distinct_ && index_[i] >= ends_.size()) {
      *reason = "value run builder: value " + std::to_string(i) + " is none";
      return false;
    }
    bytes += Value(i).size();
  }
  if (bytes != value_bytes_) {
    *reason = "value run builder: values of " + std::to_string(bytes) +
              " bytes, " + std::to_string(value_bytes_) + " expected";
    return false;
  }
  constexpr size_t kWord = sizeof(uint64_t);
  const size_t kept = bytes_.size() + num_added() * kWord;
  if (kept > 2 * (value_bytes_ + num_values() * kWord) && taken_ != 0) {
    *reason = "(V3) value run builder: " + std::to_string(kept) +
              " bytes for values of " + std::to_string(value_bytes_);
    return false;
  }
  return true;
}

bool ValueRunView::Open(std::string_view data, size_t num_values,
                        ValueRunView* out, size_t* consumed,
                        std::string* reason) {
  if (data.empty()) {
    *reason = "value run is empty";
    return false;
  }
  const auto kind = static_cast<unsigned char>(data[0]);
  out->num_values_ = num_values;
  out->number_size_ = 0;
  out->indexed_ = kind == kIndexed;
  if (kind == kNumbers) {
    return out->OpenNumbers(data, num_values, consumed, reason);
  }
  if (!out->indexed_) {
    return out->OpenPlain(data, kind, num_values, consumed, reason);
  }
  const uint8_t* const begin = reinterpret_cast<const uint8_t*>(data.data());
  uint64_t num_distinct = 0;
  const uint8_t* const p =
      GetVarint64(begin + 1, begin + data.size(), &num_distinct);
  if (p == nullptr || num_distinct > num_values) {
    *reason = "value run: bad number of distinct values";
    return false;
  }
  std::string_view rest = data.substr(static_cast<size_t>(p - begin));
  if (!PackedArrayView::Take(&rest, num_values, &out->index_)) {
    *reason = "value run: array of value indexes is damaged";
    return false;
  }
  if (rest.empty() || static_cast<unsigned char>(rest[0]) == kIndexed) {
    *reason = "value run: no distinct values follow their index";
    return false;
  }
  size_t used = 0;
  if (!out->OpenPlain(rest, static_cast<unsigned char>(rest[0]), num_distinct,
                      &used, reason)) {
    return false;
  }
  *consumed = data.size() - rest.size() + used;
  return true;
}

bool ValueRunView::OpenNumbers(std::string_view data, size_t num_values,
                               size_t* consumed, std::string* reason) {
  const unsigned char form =
      data.size() < 2 ? 0 : static_cast<unsigned char>(data[1]);
  const unsigned size = form & (kBigEndian - 1);
  if (size == 0 || size > kMaxNumberSize || form >= 2 * kBigEndian) {
    *reason = "value run: numbers of " + std::to_string(size) +
              " bytes and order " + std::to_string(form / kBigEndian);
    return false;
  }
  std::string_view rest = data.substr(2);
  if (!PackedArrayView::Take(&rest, num_values, &index_)) {
    *reason = "value run: array of numbers is damaged";
    return false;
  }
  number_size_ = static_cast<uint8_t>(size);
  number_shift_ = static_cast<uint8_t>(64 - 8 * size);
  big_endian_ = (form & kBigEndian) != 0;
  *consumed = data.size() - rest.size();
  return true;
}

bool ValueRunView::ValidateNumbers(std::string* reason) const {
  for (size_t i = 0; i < num_values_; ++i) {
    if (index_[i] << number_shift_ >> number_shift_ != index_[i]) {
      *reason = "value run: number " + std::to_string(i) + " does not fit in " +
                std::to_string(number_size_) + " bytes";
      return false;
    }
  }
  return index_.Validate(reason);
}

bool ValueRunView::OpenPlain(std::string_view data, unsigned char kind,
                             size_t num_values, size_t* consumed,
                             std::string* reason) {
  std::string_view rest = data.substr(1);
  num_distinct_ = num_values;
  uniform_ = kind == kUniform;
  uint64_t total = 0;
  if (kind == kUniform) {
    const uint8_t* const begin = reinterpret_cast<const uint8_t*>(rest.data());
    const uint8_t* const p =
        GetVarint64(begin, begin + rest.size(), &uniform_size_);
    if (p == nullptr) {
      *reason = "value run: size of a value is cut off";
      return false;
    }
    rest.remove_prefix(static_cast<size_t>(p - begin));
    if (num_values != 0 && uniform_size_ > rest.size() / num_values) {
      *reason = "value run: " + std::to_string(num_values) + " values of " +
                std::to_string(uniform_size_) + " bytes in " +
                std::to_string(rest.size()) + " bytes";
      return false;
    }
    total = uniform_size_ * num_values;
  } else if (kind == kEnds) {
    if (!PackedArrayView::Take(&rest, num_values, &ends_)) {
      *reason = "value run: array of value ends is damaged";
      return false;
    }
    total = num_values == 0 ? 0 : ends_[num_values - 1];
    if (total > rest.size()) {
      *reason = "value run: values end at " + std::to_string(total) + " of " +
                std::to_string(rest.size()) + " bytes";
      return false;
    }
  } else {
    *reason = "value run: unknown kind " + std::to_string(kind);
    return false;
  }
  bytes_ = rest.substr(0, total);
  *consumed = data.size() - rest.size() + total;
  return true;
}

bool ValueRunView::Validate(std::string* reason) const {
  if (number_size_ != 0) return ValidateNumbers(reason);
  std::string_view value;
  for (size_t i = 0; i < num_values_; ++i) {
    if (!GetDistinct(DistinctOf(i), &value)) {
      *reason = "(V1) value " + std::to_string(i) + " of " +
                std::to_string(num_values_) + " lies outside the run";
      return false;
    }
  }
  return true;
}

}  // namespace memkv
