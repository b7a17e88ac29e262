// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A whole FST file, every byte of memkv's own blocks explained.  The dump is
// made by a decoder written from table/FORMAT.md alone, without the reader's
// code, so that the text, the builder and the dump hold each other.  A change
// of the format shows as a readable diff of fst_file_golden.txt.
//
// RocksDB's blocks appear by name and size; a segment's key trie by its bytes,
// for key_trie_golden_test.cc explains one.
//
// To accept a change: MEMKV_UPDATE_GOLDEN=1, run, read the diff.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "compat/version.h"
#include "rocksdb/filter_policy.h"
#include "table/fst/format.h"
#include "table/internal_iterator.h"
#include "table/segment/value_run.h"
#include "table/table_reader.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

std::filesystem::path GoldenFile() {
  return MEMKV_TESTS_FOLDER "/golden/fst_file_golden.txt";
}

// Reads a file's bytes in order and writes a line for each piece.
class Dump {
 public:
  explicit Dump(const std::string& bytes) : bytes_(bytes) {}

  const std::string& text() const { return text_; }
  size_t at() const { return at_; }
  void MoveTo(size_t at) { at_ = at; }

  void Title(const std::string& title) { text_ += title + "\n"; }

  // The next `n` bytes, eight a line, with their meaning on the first line.
  void Bytes(size_t n, const std::string& meaning) {
    for (size_t i = 0; i < n || i == 0; i += 8) {
      char head[16];
      std::snprintf(head, sizeof(head), "%5zu  ", at_ + i);
      std::string hex;
      for (size_t k = i; k < i + 8 && k < n; ++k) {
        char byte[8];
        std::snprintf(byte, sizeof(byte), "%02x ",
                      static_cast<unsigned char>(bytes_.at(at_ + k)));
        hex += byte;
      }
      hex.resize(24, ' ');
      std::string line = head + hex + (i == 0 ? "  " + meaning : "");
      line.erase(line.find_last_not_of(' ') + 1);
      text_ += line + "\n";
    }
    at_ += n;
  }

  // The same, with the zero bytes at their end on one line.
  void Padded(size_t n, const std::string& meaning) {
    size_t used = n;
    while (used > 0 && bytes_.at(at_ + used - 1) == '\0') --used;
    if (used > 0) Bytes(used, meaning);
    if (used == n) return;
    char head[16];
    std::snprintf(head, sizeof(head), "%5zu  ", at_);
    text_ += head + std::string(26, ' ') + std::to_string(n - used) +
             " zero bytes\n";
    at_ += n - used;
  }

  uint64_t Fixed(size_t n, const std::string& meaning) {
    uint64_t value = 0;
    for (size_t i = 0; i < n; ++i) {
      value |= uint64_t{static_cast<unsigned char>(bytes_.at(at_ + i))}
               << (8 * i);
    }
    Bytes(n, meaning + " " + std::to_string(value));
    return value;
  }

  uint64_t Varint(const std::string& meaning) {
    size_t n = 0;
    const uint64_t value = PeekVarint(&n);
    Bytes(n, meaning + " " + std::to_string(value));
    return value;
  }

  std::vector<uint64_t> PackedArray(size_t m, const std::string& meaning) {
    const unsigned width = static_cast<unsigned char>(bytes_.at(at_));
    Bytes(1, meaning + ": width " + std::to_string(width));
    const uint64_t base = Varint("  base");
    std::vector<uint64_t> elements;
    std::string list;
    for (size_t i = 0; i < m; ++i) {
      uint64_t element = 0;
      for (unsigned b = 0; b < width; ++b) {
        const size_t bit = i * width + b;
        const auto byte = static_cast<unsigned char>(bytes_.at(at_ + bit / 8));
        element |= uint64_t{(byte >> bit % 8) & 1u} << b;
      }
      elements.push_back(base + element);
      list += (i == 0 ? "" : ", ") + std::to_string(elements.back());
    }
    if (width != 0) {
      Bytes((m * width + 7) / 8, "  " + list);
    }
    return elements;
  }

  void ValueRun(size_t n) {
    const uint64_t kind = Fixed(1, "value run of kind");
    size_t m = n;
    if (kind == 2) {
      m = Varint("distinct values");
      PackedArray(n, "which value");
      Plain(Fixed(1, "distinct values, of kind"), m);
    } else if (kind == 3) {
      Fixed(1, "size of a value, and 16 if its last byte is the lowest:");
      PackedArray(n, "numbers");
    } else {
      Plain(kind, m);
    }
  }

  // After every block.
  void Trailer() {
    Fixed(1, "compression");
    Bytes(4, "checksum");
  }

 private:
  uint64_t PeekVarint(size_t* n) const {
    uint64_t value = 0;
    *n = 0;
    unsigned char byte;
    do {
      byte = static_cast<unsigned char>(bytes_.at(at_ + *n));
      value |= uint64_t{byte & 0x7fu} << (7 * *n);
      ++*n;
    } while ((byte & 0x80) != 0);
    return value;
  }

  void Plain(uint64_t kind, size_t n) {
    std::vector<uint64_t> ends;
    if (kind == 0) {
      const uint64_t size = Varint("size of a value");
      for (size_t i = 0; i < n; ++i) ends.push_back((i + 1) * size);
    } else {
      ends = PackedArray(n, "where values end");
    }
    uint64_t begin = 0;
    for (const uint64_t end : ends) {
      if (end != begin) {
        Bytes(end - begin, "\"" + bytes_.substr(at_, end - begin) + "\"");
      }
      begin = end;
    }
  }

  const std::string& bytes_;
  size_t at_ = 0;
  std::string text_;
};

struct Place {
  uint64_t offset = 0;
  uint64_t size = 0;
};

// A segment at the dump's place; the value blocks' places and entries go into
// *value_blocks.
void DumpSegment(Dump* dump, std::map<uint64_t, Place>* value_blocks) {
  const uint64_t flags = dump->Fixed(1, "flags");
  dump->Bytes(3, "zero");
  const uint64_t keys = dump->Fixed(4, "keys");
  const uint64_t entries = dump->Fixed(4, "entries");
  const uint64_t trie = dump->Fixed(4, "size of the trie");
  dump->Padded(trie, "key trie");
  if ((flags & 1) != 0) dump->PackedArray(keys, "first entries");
  dump->PackedArray(entries, "sequence numbers");
  dump->PackedArray(entries, "value types");
  if ((flags & 2) != 0) {
    dump->ValueRun(entries);
    return;
  }
  const uint64_t blocks = dump->Varint("value blocks");
  const auto first = dump->PackedArray(blocks, "their first entries");
  const auto offsets = dump->PackedArray(blocks, "their offsets");
  dump->PackedArray(blocks, "their sizes");
  for (size_t b = 0; b < blocks; ++b) {
    // `size`: how many entries' values it holds.
    (*value_blocks)[offsets[b]] = {
        offsets[b], (b + 1 < blocks ? first[b + 1] : entries) - first[b]};
  }
}

struct IndexEntry {
  uint64_t offset;
  uint64_t size;
};

std::vector<IndexEntry> DumpIndex(Dump* dump) {
  const uint64_t flags = dump->Fixed(1, "flags");
  dump->Bytes(3, "zero");
  const uint64_t segments = dump->Fixed(4, "segments");
  const uint64_t separators = dump->Fixed(4, "size of the separators");
  dump->Bytes(separators, "separators");
  dump->Padded(128, "padding");
  const auto offsets = dump->PackedArray(segments, "offsets");
  const auto sizes = dump->PackedArray(segments, "sizes");
  dump->PackedArray(segments, "keys so far");
  dump->PackedArray(segments, "entries so far");
  dump->PackedArray(segments, "bytes so far");
  if ((flags & 4) != 0) {
    const uint64_t continuations = dump->Varint("continuations");
    dump->PackedArray(continuations, "their numbers");
    dump->PackedArray(continuations, "the tags they begin with");
  }
  std::vector<IndexEntry> entries;
  for (size_t i = 0; i < segments; ++i) {
    entries.push_back({offsets[i], sizes[i]});
  }
  return entries;
}

// What the directory leads to, and its own dump.
struct Directory {
  Place index;
  Place filter;
  std::string text;
};

Directory DumpDirectory(const std::string& bytes) {
  Directory directory;
  Dump dump(bytes);
  dump.Title("property memkv.fst.directory");
  dump.Fixed(4, "version");
  dump.Fixed(4, "features");
  directory.index.offset = dump.Varint("offset of the index");
  directory.index.size = dump.Varint("size of the index");
  EXPECT_EQ(dump.Varint("offset of the tokens"), 0u);
  EXPECT_EQ(dump.Varint("size of the tokens"), 0u);
  directory.filter.offset = dump.Varint("offset of the filter");
  directory.filter.size = dump.Varint("size of the filter");
  const uint64_t length = dump.Varint("length of its name");
  dump.Bytes(length, "\"" + bytes.substr(dump.at(), length) + "\"");
  dump.Varint("distinct user keys");
  EXPECT_EQ(dump.at(), bytes.size());
  directory.text = dump.text();
  return directory;
}

// memkv's own blocks, each at its offset; *end is where the index ends.
std::map<uint64_t, std::string> DumpBlocks(const std::string& bytes,
                                           const Directory& directory,
                                           size_t* end) {
  std::map<uint64_t, std::string> blocks;
  Dump index(bytes);
  index.MoveTo(directory.index.offset);
  index.Title("index");
  const std::vector<IndexEntry> segments = DumpIndex(&index);
  EXPECT_EQ(index.at(), directory.index.offset + directory.index.size);
  index.Trailer();
  *end = index.at();
  blocks[directory.index.offset] = index.text();
  for (const IndexEntry& at : segments) {
    std::map<uint64_t, Place> value_blocks;
    Dump segment(bytes);
    segment.MoveTo(at.offset);
    segment.Title("segment");
    DumpSegment(&segment, &value_blocks);
    EXPECT_EQ(segment.at(), at.offset + at.size);
    segment.Trailer();
    for (const auto& [offset, block] : value_blocks) {
      Dump values(bytes);
      values.MoveTo(offset);
      values.Title("value block");
      values.ValueRun(block.size);
      values.Trailer();
      blocks[offset] = values.text();
    }
    blocks[at.offset] = segment.text();
  }
  Dump filter(bytes);
  filter.MoveTo(directory.filter.offset);
  filter.Title("filter");
  filter.Bytes(directory.filter.size, "RocksDB's");
  filter.Trailer();
  blocks[directory.filter.offset] = filter.text();
  return blocks;
}

// From memkv's last block to the footer: the poison, and RocksDB's blocks about
// it, which are not explained.
std::string DumpTail(const std::string& bytes, size_t begin, size_t footer_at) {
  Dump tail(bytes);
  const std::string poison = "memkv FST table";
  const size_t poison_at = bytes.find(poison);
  EXPECT_NE(poison_at, std::string::npos);
  tail.MoveTo(begin);
  tail.Title("RocksDB's range deletions, " + std::to_string(poison_at - begin) +
             " bytes");
  tail.MoveTo(poison_at);
  tail.Title("poison");
  const size_t poison_size =
      bytes.find("\xff\xff\xff\x7f", poison_at) - poison_at;
  tail.Bytes(poison_size, "text");
  tail.Bytes(4, "an impossible number of restart points");
  tail.Trailer();
  tail.Title("RocksDB's stub index, properties and metaindex, " +
             std::to_string(footer_at - tail.at()) + " bytes");
  return tail.text();
}

std::string DumpFooter(const std::string& bytes, size_t footer_at) {
  Dump footer(bytes);
  footer.MoveTo(footer_at);
  footer.Title("footer");
  footer.Fixed(1, "checksum type");
  footer.Varint("offset of the metaindex");
  footer.Varint("size of the metaindex");
  footer.Varint("offset of the stub index");
  footer.Varint("size of the stub index");
  footer.Bytes(footer_at + 33 - footer.at(), "padding");
  footer.Bytes(8, "\"" + bytes.substr(footer_at + 33, 8) + "\"");
  footer.Fixed(4, "format version");
  footer.Bytes(8, "magic number of block-based tables");
  EXPECT_EQ(footer.at(), bytes.size());
  return footer.text();
}

// Dumps the file in its order.  `directory_bytes` is the property of that name.
std::string DumpFile(const std::string& bytes,
                     const std::string& directory_bytes) {
  const Directory directory = DumpDirectory(directory_bytes);
  const size_t footer_at = bytes.size() - 53;
  size_t end = 0;
  std::string text;
  for (const auto& [offset, block] : DumpBlocks(bytes, directory, &end)) {
    text += block;
  }
  return text + DumpTail(bytes, end, footer_at) + directory.text +
         DumpFooter(bytes, footer_at);
}

// What RocksDB writes into a file is not the same in every version: its filter,
// its properties, and so where the footer finds them.  The golden dump is whole
// for this one; for others these parts are left out.
constexpr char kGoldenVersion[] = "9.10.0";

std::string WithoutRocksDBs(const std::string& dump) {
  std::istringstream lines(dump);
  std::string kept;
  bool ours = true;
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, 1, " ") != 0) {
      ours = line != "filter" && line != "footer" &&
             line.find("RocksDB's stub index") != 0;
    }
    if (ours) kept += line + '\n';
  }
  return kept;
}

TEST(FstFileGoldenTest, DumpOfATinyFileIsTheGoldenOne) {
  MemoryTable::Settings settings;
  // Smaller than an option may be, so that a tiny file has several segments.
  settings.fst.segment_size = 300;
  settings.fst.value_block_size = 48;
  settings.fst.inline_value_size = 8;
  settings.block_based.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  MemoryTable table(settings);
  std::vector<TableEntry> entries = {
      {"", 0, rocksdb::kTypeValue, "empty"},
      {"bin/cat", 9, rocksdb::kTypeValue, "main"},
      {"bin/cat", 4, rocksdb::kTypeMerge, "libs"},
      {"bin/ls", 8, rocksdb::kTypeDeletion, ""},
      {"usr/share/dictionaries-common/words/awk", 3, rocksdb::kTypeValue,
       "a value that is too long to be inline"},
      {"usr/share/dictionaries-common/words/sed", 7,
       rocksdb::kTypeSingleDeletion, ""},
      {"usr/share/dictionaries-common/words/tar", 0, rocksdb::kTypeValue,
       "small"},
      {"usr/share/dictionaries-common/words/unxz", 0, rocksdb::kTypeValue,
       "another long value"},
      {"usr/share/dictionaries-common/words/vi", 0, rocksdb::kTypeValue,
       "the last of its segment"},
  };
  // Values that repeat.
  for (int i = 0; i < 36; ++i) {
    entries.push_back({"v" + std::to_string(10 + i), 0, rocksdb::kTypeValue,
                       i % 3 == 0 ? "x" : "yy"});
  }
  // A key of many versions.
  for (int i = 0; i < 150; ++i) {
    entries.push_back(
        {"w", static_cast<uint64_t>(299 - i), rocksdb::kTypeDeletion, ""});
  }
  entries.push_back({"x", 5, rocksdb::kTypeRangeDeletion, "z"});
  ASSERT_TRUE(table.Build(entries).ok());
  const std::string dump = DumpFile(
      table.bytes(), table.built_properties().user_collected_properties.at(
                         "memkv.fst.directory"));

  // Twice is the same.
  MemoryTable again(settings);
  ASSERT_TRUE(again.Build(entries).ok());
  ASSERT_TRUE(table.bytes() == again.bytes());

  if (std::getenv("MEMKV_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(GoldenFile()) << dump;
  }
  std::ifstream in(GoldenFile());
  const std::string golden{std::istreambuf_iterator<char>(in),
                           std::istreambuf_iterator<char>()};
  ASSERT_FALSE(golden.empty()) << GoldenFile();
  if (compat::RocksDBVersion() == kGoldenVersion) {
    EXPECT_EQ(dump, golden);
  } else {
    EXPECT_EQ(WithoutRocksDBs(dump), WithoutRocksDBs(golden));
  }
}

// Of 32 values of three bytes, the last one the lowest.
const char* const kNumbersGolden = R"(value run
    0  03                        value run of kind 3
    1  13                        size of a value, and 16 if its last byte is the lowest: 19
    2  06                        numbers: width 6
    3  f0 a2 04                    base 70000
    6  40 40 24 50 46 32 db a1     70000, 70001, 70004, 70009, 70016, 70025, 70036, 70012, 70027, 70007, 70026, 70010, 70033, 70021, 70011, 70003, 70034, 70030, 70028, 70028, 70030, 70034, 70003, 70011, 70021, 70033, 70010, 70026, 70007, 70027, 70012, 70036
   14  29 61 b5 0c a2 c7 71 9e
   22  38 2c 55 a8 68 c7 c6 90
)";

TEST(FstFileGoldenTest, DumpOfARunOfNumbersIsTheGoldenOne) {
  ValueRunBuilder builder;
  for (int i = 0; i < 32; ++i) {
    const int number = 70000 + i * i % 37;
    builder.Add(std::string{static_cast<char>(number >> 16),
                            static_cast<char>(number >> 8),
                            static_cast<char>(number)});
  }
  std::string run;
  builder.TakeAll(&run);
  Dump dump(run);
  dump.Title("value run");
  dump.ValueRun(32);
  EXPECT_EQ(dump.at(), run.size());
  EXPECT_EQ(dump.text(), kNumbersGolden);
}

}  // namespace
}  // namespace memkv
