// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What table/FORMAT.md says that a file is refused for, by its text: one field
// of a file is not as the text allows, all checksums are right, and the error
// names the file and says what FORMAT.md says.  Texts that a file cannot show,
// or shows only in part, are in the tests of the cores: packed_array_test.cc,
// fst_value_run_test.cc, key_trie_tokens_test.cc,
// key_trie_hostile_headers_test.cc and key_trie_damaged_parts_test.cc.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "table/internal_iterator.h"
#include "tests/corruption/fst_file_fields.h"
#include "tests/corruption/hostile_shapes.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Status;
using rocksdb::TableReaderCaller;

// The first field of this name, or part of this kind, of a shape's file; what
// is done to it; and what the file is refused for.
struct Refusal {
  const char* shape;
  FilePartKind part;
  const char* field;  // nullptr: the whole part
  FileEdit edit;
  const char* text;
};

FileEdit Edit(FileEdit::Kind kind, uint64_t number, uint64_t at = 0,
              const std::string& bytes = "") {
  FileEdit edit;
  edit.kind = kind;
  edit.number = number;
  edit.at = at;
  edit.bytes = bytes;
  return edit;
}
FileEdit Number(uint64_t n) { return Edit(FileEdit::Kind::kNumber, n); }
FileEdit Width(uint64_t n) { return Edit(FileEdit::Kind::kWidth, n); }
FileEdit AllEqual(uint64_t n) { return Edit(FileEdit::Kind::kEqual, n); }
FileEdit Flip(uint64_t at) { return Edit(FileEdit::Kind::kFlip, 0, at); }
FileEdit CutAt(uint64_t at) { return Edit(FileEdit::Kind::kCutStored, 0, at); }
FileEdit Grown(const std::string& bytes) {
  return Edit(FileEdit::Kind::kGrowStored, 0, 0, bytes);
}

std::vector<Refusal> RefusedFootersAndDirectories() {
  const auto kFooter = FilePartKind::kFooter;
  const auto kProperties = FilePartKind::kProperties;
  return {
      {"small", kFooter, "footer: format version", Number(4),
       "footer of format version 4, an FST file has 5"},
      {"small", kFooter, "footer: marker", Flip(0),
       "an FST file whose footer has lost its marker"},
      {"small", kProperties, "directory: version", Number(2),
       "FST format version 2; this memkv reads version 1, use a newer one"},
      {"small", kProperties, "directory: features", Number(128 | 2),
       "FST file needs features 128 unknown to this memkv, use a newer one"},
      // No whole keys in a filter that is not there.
      {"small", kProperties, "directory: features", Number(1 | 2),
       "FST directory is damaged"},
      {"small", kProperties, "directory: number of keys", Number(4),
       "index of 3 keys and 3 entries, properties say 4 and 3"},
      {"small", kProperties, "directory: features", Number(4 | 2),
       "index: continuations in the index or in the directory's features, but "
       "not in both"},
  };
}

std::vector<Refusal> RefusedBlocks() {
  return {
      {"filter", FilePartKind::kFilter, nullptr, CutAt(5),
       "filter: 5 bytes, expected more than 5"},
      // A Bloom filter of RocksDB's, and an older one.
      {"filter", FilePartKind::kFilter, nullptr,
       Grown(std::string("x\xff\0\x06\0\0", 6)),
       "bytes, not as its last ones say"},
      {"filter", FilePartKind::kFilter, nullptr,
       Grown(std::string("\x06\xff\xff\xff\x7f", 5)),
       "bytes, not as its last ones say"},
      {"segments", FilePartKind::kValueBlock, nullptr, Grown("xyz"),
       "value block: 3 bytes follow its values"},
      {"segments", FilePartKind::kValueBlock, nullptr, CutAt(0),
       "value run is empty"},
      {"segments", FilePartKind::kValueBlock, "value run: kind", Number(9),
       "value run: unknown kind 9"},
      {"inline", FilePartKind::kSegment, "value run: kind", Number(9),
       "value run: unknown kind 9"},
      {"zstd", FilePartKind::kSegment, nullptr,
       Edit(FileEdit::Kind::kClaim, UINT32_MAX),
       " compressed bytes cannot be 4294967295 uncompressed ones"},
      {"lz4", FilePartKind::kSegment, nullptr,
       Edit(FileEdit::Kind::kClaim, UINT32_MAX),
       " compressed bytes cannot be 4294967295 uncompressed ones"},
  };
}

std::vector<Refusal> RefusedSegments() {
  const auto kSegment = FilePartKind::kSegment;
  return {
      {"segments", kSegment, nullptr, CutAt(15),
       "segment: 15 bytes, a header has 16"},
      {"segments", kSegment, "segment: flags", Number(8),
       "segment: unknown flags"},
      {"small", kSegment, "segment: flags", Number(6),
       "segment: a trie without padding, and "},
      {"unpadded", kSegment, "segment: flags", Number(2),
       "segment: key trie: sections of "},
      {"segments", kSegment, "segment: zero", Number(1),
       "segment: unknown flags"},
      {"small", kSegment, "segment: number of keys", Number(0),
       "segment: 0 keys with 3 entries"},
      {"small", kSegment, "segment: number of entries", Number(2),
       "segment: 3 keys with 2 entries"},
      {"small", kSegment, "segment: size of the trie", Number(UINT32_MAX),
       "segment: trie of 4294967295 bytes in "},
      {"small", kSegment, "trie: encoding", Number(1),
       "segment: key trie: encoding 1, expected 2; a newer memkv may be able "
       "to read it"},
      {"kinds", kSegment, "segment: first entries", Width(65),
       "segment: array of first entries is damaged"},
      {"segments", kSegment, "segment: sequence numbers", Width(65),
       "segment: array of sequence numbers is damaged"},
      // RocksDB asserts that it meets no entry of its largest number.
      {"segments", kSegment, "segment: sequence numbers",
       AllEqual((uint64_t{1} << 56) - 1),
       "segment: sequence number 72057594037927935 of entry 0 is out of range"},
      {"segments", kSegment, "segment: sequence numbers", AllEqual(UINT64_MAX),
       "segment: sequence number 18446744073709551615 of entry 0 is out of "
       "range"},
      {"segments", kSegment, "segment: value types", Width(65),
       "segment: array of value types is damaged"},
      {"segments", kSegment, "segment: number of value blocks", Number(0),
       "segment: bad number of value blocks"},
      {"segments", kSegment, "segment: first entries of value blocks",
       Width(65), "segment: array of value blocks' first entries is damaged"},
      {"segments", kSegment, "segment: offsets of value blocks", Width(65),
       "segment: array of value blocks' offsets is damaged"},
      {"segments", kSegment, "segment: sizes of value blocks", Width(65),
       "segment: array of value blocks' sizes is damaged"},
      {"numbers", kSegment, "value run: size and order of numbers", Number(9),
       "value run: numbers of 9 bytes and order 0"},
      {"numbers", kSegment, "value run: size and order of numbers",
       Number(0x28), "value run: numbers of 8 bytes and order 2"},
      {"numbers", kSegment, "value run: numbers", Width(65),
       "value run: array of numbers is damaged"},
      {"numbers", kSegment, "value run: size and order of numbers", Number(1),
       "does not fit in 1 bytes"},
      {"segments", kSegment, nullptr, Grown("x"),
       "segment: 1 bytes follow its last section"},
  };
}

std::vector<Refusal> RefusedIndexes() {
  const auto kIndex = FilePartKind::kIndex;
  return {
      {"segments", kIndex, nullptr, CutAt(11),
       "index: 11 bytes, a header has 12"},
      {"segments", kIndex, "index: flags", Number(8), "index: unknown flags"},
      // The empty key as a bound is for mirrored files.
      {"segments", kIndex, "index: flags", Number(2), "index: unknown flags"},
      {"segments", kIndex, "index: zero", Number(1), "index: unknown flags"},
      {"segments", kIndex, "index: number of segments", Number(UINT32_MAX),
       "index: 4294967295 segments"},
      {"segments", kIndex, "index: size of separators", Number(UINT32_MAX),
       "index: separators of 4294967295 bytes in "},
      {"segments", kIndex, "separators: widths of ordinals and offsets",
       Number(0x11), "bytes that begin with 17"},
      {"segments", kIndex, "index: zeros", Flip(127),
       "index: the bytes after the separators are not zero"},
      {"segments", kIndex, "index: offsets", Width(65),
       "index: an array is damaged"},
      {"segments", kIndex, "index: offsets", AllEqual(0),
       "index: (X3) segment 1 of "},
      {"versions", kIndex, "index: number of continuations", Number(0),
       "index: bad number of continuations"},
      {"segments", kIndex, nullptr, Grown("x"),
       "index: 1 bytes follow its last section"},
  };
}

std::vector<Refusal> RefusedTokens() {
  const auto kTokens = FilePartKind::kTokens;
  return {
      {"dictionary", kTokens, nullptr, CutAt(15),
       "tokens: 15 bytes, expected 16 or more"},
      {"dictionary", kTokens, "tokens: version", Number(3),
       "tokens: version 3, expected 1 or 2; a newer memkv may be able to read "
       "it"},
      {"dictionary", kTokens, "tokens: reserved", Number(1),
       "tokens: reserved bytes are not 0"},
      {"dictionary", kTokens, "tokens: width", Number(17),
       " tokens with codes of 17 bits"},
      {"dictionary", kTokens, "tokens: first that ends", Number(UINT32_MAX),
       "tokens: the first that ends a key is 4294967295 of "},
      {"dictionary", kTokens, "tokens: LCPs and sizes", Flip(0),
       "tokens: token 0 shares 1 bytes of 0 and adds 1"},
      {"dictionary", kTokens, "tokens: suffixes", Flip(0),
       "tokens: token 1 shares 0 bytes of 1 and adds 1"},
  };
}

class FstRefusalsTest : public ::testing::Test {
 protected:
  // The damage that the refusal names, in *bytes.
  static void Damage(const HostileShape& shape, const Refusal& refusal,
                     std::string* bytes) {
    FileEdit edit = refusal.edit;
    const std::vector<FilePart>& parts = shape.fields.parts();
    bool found = false;
    for (size_t p = 0; p < parts.size() && !found; ++p) {
      if (parts[p].kind != refusal.part) continue;
      if (edit.kind == FileEdit::Kind::kClaim &&
          parts[p].compression == rocksdb::kNoCompression) {
        continue;
      }
      edit.part = p;
      found = refusal.field == nullptr;
      for (size_t f = 0; f < parts[p].fields.size() && !found; ++f) {
        if (parts[p].fields[f].name != refusal.field) continue;
        edit.field = f;
        found = true;
      }
    }
    ASSERT_TRUE(found) << "there is no such field";
    *bytes = shape.fields.Write({edit}, FileWriteOptions());
    ASSERT_NE(*bytes, shape.bytes);
  }

  // What a reader says of it, at opening or when all is verified.
  static Status Verdict(const MemoryTable& table, const std::string& bytes) {
    std::unique_ptr<rocksdb::TableReader> reader;
    const Status s = table.Open(bytes, ReadOptions(), &reader);
    if (!s.ok()) return s;
    return reader->VerifyChecksum(ReadOptions(),
                                  TableReaderCaller::kUserVerifyChecksum);
  }

  static void ExpectRefused(const std::vector<Refusal>& refusals) {
    for (const Refusal& refusal : refusals) {
      SCOPED_TRACE(std::string(refusal.shape) + ": " + refusal.text);
      std::string reason;
      const auto shape = MakeHostileShape(refusal.shape, &reason);
      ASSERT_NE(shape, nullptr) << reason;
      std::string bytes;
      ASSERT_NO_FATAL_FAILURE(Damage(*shape, refusal, &bytes));
      for (const MemoryTable* table :
           {shape->pinned.get(), shape->cached.get()}) {
        ASSERT_TRUE(Verdict(*table, shape->bytes).ok());
        const Status s = Verdict(*table, bytes);
        EXPECT_TRUE(s.IsCorruption() || s.IsNotSupported()) << s.ToString();
        for (const char* part : {refusal.text, MemoryTable::kFileName}) {
          EXPECT_NE(s.ToString().find(part), std::string::npos) << s.ToString();
        }
      }
    }
  }
};

TEST_F(FstRefusalsTest, FootersAndDirectoriesAreRefusedByWord) {
  ExpectRefused(RefusedFootersAndDirectories());
}

TEST_F(FstRefusalsTest, BlocksAreRefusedByWord) {
  ExpectRefused(RefusedBlocks());
}

TEST_F(FstRefusalsTest, SegmentsAreRefusedByWord) {
  ExpectRefused(RefusedSegments());
}

TEST_F(FstRefusalsTest, IndexesAreRefusedByWord) {
  ExpectRefused(RefusedIndexes());
}

TEST_F(FstRefusalsTest, TokensAreRefusedByWord) {
  ExpectRefused(RefusedTokens());
}

TEST(FstBuilderRefusalsTest, NoEntryHasRocksDBsLargestSequenceNumber) {
  for (const auto type : {rocksdb::kTypeValue, rocksdb::kTypeRangeDeletion}) {
    MemoryTable table{MemoryTable::Settings()};
    const Status s =
        table.Build({{"a", rocksdb::kMaxSequenceNumber, type, "b"}});
    EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
    EXPECT_NE(s.ToString().find("sequence number 72057594037927935"),
              std::string::npos)
        << s.ToString();
    EXPECT_TRUE(
        table.Build({{"a", rocksdb::kMaxSequenceNumber - 1, type, "b"}}).ok());
    std::unique_ptr<rocksdb::TableReader> reader;
    EXPECT_TRUE(table.Open(table.bytes(), ReadOptions(), &reader).ok());
  }
}

}  // namespace
}  // namespace memkv
