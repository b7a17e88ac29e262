// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reads the fields of one part of a file, one behind the other.
//
// Thread safety: none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "table/key_trie/format.h"
#include "tests/corruption/fst_file_fields.h"
#include "util/packed_array.h"
#include "util/trie_coding.h"

namespace memkv {

using Computed = std::function<uint64_t(const PartInWriting&, size_t)>;

// What is not as FORMAT.md says.
class Unexpected : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void Expect(bool fact, const std::string& what) {
  if (!fact) throw Unexpected(what);
}

// Reads the fields of one part, one behind the other.
class FieldsReader {
 public:
  FieldsReader(const std::string& data, std::vector<FileField>* fields)
      : data_(data), fields_(fields) {}

  size_t at() const { return at_; }
  size_t left() const { return data_.size() - at_; }
  // The number of fields so far: that of the next one.
  size_t next() const { return fields_->size(); }
  FileField& field(size_t i) { return (*fields_)[i]; }
  uint64_t number(size_t i) const { return (*fields_)[i].number; }

  size_t Fixed(const std::string& name, size_t size, Computed computed = {}) {
    Expect(size <= left(), name + " is cut off");
    FileField field;
    field.name = name;
    field.kind = FileField::Kind::kFixed;
    field.size = size;
    for (size_t i = 0; i < size; ++i) {
      field.number |= uint64_t{static_cast<unsigned char>(data_[at_ + i])}
                      << (8 * i);
    }
    field.computed = std::move(computed);
    at_ += size;
    return Put(std::move(field));
  }

  size_t Varint(const std::string& name, Computed computed = {}) {
    const auto* const begin = reinterpret_cast<const uint8_t*>(data_.data());
    FileField field;
    field.name = name;
    field.kind = FileField::Kind::kVarint;
    const uint8_t* const p =
        GetVarint64(begin + at_, begin + data_.size(), &field.number);
    Expect(p != nullptr, name + " is no varint");
    at_ = static_cast<size_t>(p - begin);
    field.computed = std::move(computed);
    return Put(std::move(field));
  }

  size_t Bytes(const std::string& name, size_t n) {
    Expect(n <= left(), name + " is cut off");
    FileField field;
    field.name = name;
    field.kind = FileField::Kind::kBytes;
    field.bytes = data_.substr(at_, n);
    at_ += n;
    return Put(std::move(field));
  }

  // Of as many numbers as field `count` says, and `more`.
  size_t Array(const std::string& name, size_t count, size_t more = 0,
               Computed computed = {}) {
    const size_t i = ArrayOf(name, number(count) + more);
    field(i).counted_by = count;
    field(i).counted_more = more;
    field(i).computed = std::move(computed);
    return i;
  }

  size_t ArrayOf(const std::string& name, uint64_t n) {
    FileField field;
    field.name = name;
    field.kind = FileField::Kind::kArray;
    PackedArrayView view;
    size_t used = 0;
    Expect(PackedArrayView::Open(std::string_view(data_).substr(at_),
                                 static_cast<size_t>(n), &view, &used),
           name + " is no packed array");
    for (size_t i = 0; i < n; ++i) field.numbers.push_back(view[i]);
    at_ += used;
    return Put(std::move(field));
  }

  size_t Bits(const std::string& name, uint64_t width, uint64_t n) {
    const uint64_t size = key_trie::BitsSize(static_cast<unsigned>(width), n);
    Expect(size <= left(), name + " are cut off");
    FileField field;
    field.name = name;
    field.kind = FileField::Kind::kBits;
    field.size = static_cast<size_t>(width);
    const std::string padded = data_.substr(at_, size) + std::string(8, '\0');
    const auto* const p = reinterpret_cast<const uint8_t*>(padded.data());
    for (uint64_t i = 0; width != 0 && i < n; ++i) {
      field.numbers.push_back(
          key_trie::BitsAt(p, static_cast<unsigned>(width), i));
    }
    at_ += size;
    return Put(std::move(field));
  }

 private:
  size_t Put(FileField field) {
    fields_->push_back(std::move(field));
    return fields_->size() - 1;
  }

  const std::string& data_;
  std::vector<FileField>* const fields_;
  size_t at_ = 0;
};

inline Computed LengthOf(size_t begin, size_t end) {
  return [begin, end](const PartInWriting& part, size_t) {
    return part.Length(begin, end);
  };
}

}  // namespace memkv
