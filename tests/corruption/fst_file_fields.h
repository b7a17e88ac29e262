// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// An FST file taken apart into the fields of table/FORMAT.md, and written again
// with some of them changed: for tests that damage one field and leave the rest
// as a builder would have written it, its checksums too.
//
// The parts of a file are its blocks and its footer, in the file's order.  All
// that a part says of places (handles, offsets of segments) is of parts before
// it, so a file is written from its beginning to its end; lengths and positions
// within a part are computed anew, by writing it again until they stay.
//
// What this is not: a reader.  It takes files of a builder apart, and refuses
// all others.
//
// Thread safety: none; a const FileFields may be read from any thread.
//
// Invariant
// (F1) Write() without edits returns the bytes that Parse() was given.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rocksdb/compression_type.h"
#include "rocksdb/table.h"

namespace memkv {

enum class FilePartKind {
  kValueBlock,
  kSegment,
  kFilter,
  kTokens,
  kIndex,
  kRangeDeletions,
  kPoison,
  kStubIndex,
  kProperties,
  kMetaindex,
  kFooter,
};
const char* NameOf(FilePartKind kind);

class FileFields;

// A part that is being written, and where those before it are.
struct PartInWriting {
  const FileFields* file = nullptr;
  // Of its fields, when it was written last: where each begins, and its end.
  std::vector<uint64_t> positions;
  std::vector<uint64_t> offsets;  // of parts, in the file
  std::vector<uint64_t> sizes;    // of parts, as stored
  // Of an array of a part before this one, its last number as it was written.
  std::function<uint64_t(size_t part, size_t field)> last_number;

  uint64_t Length(size_t begin, size_t end) const {
    return positions[end] - positions[begin];
  }
};

struct FileField {
  enum class Kind {
    kFixed,   // `number` in `size` bytes
    kVarint,  // `number`
    kBytes,   // `bytes`
    kArray,   // `numbers`, as a packed array
    kBits,    // `numbers` of `size` bits each, up to a whole byte
  };
  static constexpr size_t kNone = SIZE_MAX;

  std::string name;  // as that of every such field
  Kind kind = Kind::kFixed;
  size_t size = 0;
  uint64_t number = 0;
  std::string bytes;
  std::vector<uint64_t> numbers;

  // What `number`, or number i of an array, is from other fields; if null, it
  // is as it was read.
  std::function<uint64_t(const PartInWriting&, size_t i)> computed;
  // It agrees with what is elsewhere only if the file's parts shall agree.
  bool agrees = false;
  // Which field of the part says how many numbers this has, and how many more.
  size_t counted_by = kNone;
  size_t counted_more = 0;
  // Zeros up to this place in the part.
  size_t padded_to = 0;
};

struct FilePart {
  FilePartKind kind = FilePartKind::kValueBlock;
  rocksdb::CompressionType compression = rocksdb::kNoCompression;
  std::vector<FileField> fields;
  std::string raw;     // uncompressed
  std::string stored;  // without its trailer
};

// One change of a file.
struct FileEdit {
  enum class Kind {
    // Of a number.
    kNumber,      // is `number`
    kLongVarint,  // is written in `number` bytes
    // Of an array or of bits.
    kElement,     // number `at` is `number`
    kExchange,    // numbers `at` and `number` change places
    kEqual,       // all numbers are `number`
    kDropNumber,  // number `at` is left out
    kWidth,       // the array's width is `number`, whatever its bits are
    kBase,        // the array's base is `number`
    // Of bytes.
    kFlip,    // bit `number` of byte `at`
    kCut,     // from byte `at` on
    kInsert,  // `bytes` before byte `at`
    kFill,    // all bytes are `number`
    // Of a whole part.
    kContents,     // the contents are those of part `number`
    kElsewhere,    // what leads to the part leads to part `number`
    kCutStored,    // the stored bytes end at `at`
    kGrowStored,   // `bytes` follow the stored ones
    kFlipStored,   // bit `number` of stored byte `at`
    kCompression,  // the type of compression is `number`
    kClaim,        // the uncompressed size that is written first is `number`
  };
  Kind kind = Kind::kNumber;
  size_t part = 0;
  size_t field = FileField::kNone;  // none: the whole part
  uint64_t number = 0;
  uint64_t at = 0;
  std::string bytes;
};

struct FileWriteOptions {
  // Blocks that edits name get right checksums; else those of before.
  bool repair = true;
  // What agrees with an edited field is changed with it: arrays have as many
  // numbers as is said elsewhere, sums are those of others.
  bool agree = false;
  // If not 0, zeros before the metaindex make the file this large.
  size_t file_size = 0;
};

class FileFields {
 public:
  // Takes a file apart; false, with a reason, if it is not as FORMAT.md says.
  static bool Parse(const std::string& bytes, FileFields* out,
                    std::string* reason);

  const std::vector<FilePart>& parts() const { return parts_; }
  size_t file_size() const { return file_size_; }
  rocksdb::ChecksumType checksum() const { return checksum_; }

  // The file again.  Empty if it does not fit into options.file_size.
  std::string Write(const std::vector<FileEdit>& edits,
                    const FileWriteOptions& options) const;

  // The edit in words.
  std::string Describe(const FileEdit& edit) const;

 private:
  friend class FileFieldsParser;

  std::vector<FilePart> parts_;
  size_t file_size_ = 0;
  size_t gap_ = 0;  // of zeros before the metaindex
  rocksdb::ChecksumType checksum_ = rocksdb::kNoChecksum;
};

}  // namespace memkv
