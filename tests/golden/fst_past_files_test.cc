// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Files of the past, byte for byte as they were written, are still read.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "table/fst/format.h"
#include "table/internal_iterator.h"
#include "table/table_reader.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

// Files of the past, as they were written: before their directory had feature
// bit 1, when the bounds of the index were last keys.
std::filesystem::path PastFile(bool reverse) {
  return reverse ? MEMKV_TESTS_FOLDER "/golden/fst_file_last_keys_reverse.hex"
                 : MEMKV_TESTS_FOLDER "/golden/fst_file_last_keys.hex";
}

// What is in the files of the past, in the order of either comparator.
std::vector<TableEntry> PastEntries(bool reverse) {
  std::vector<TableEntry> entries = {
      {"", 9, rocksdb::kTypeValue, "of the empty key"}};
  for (int i = 10; i < 70; ++i) {
    const std::string key =
        "usr/share/doc/package-" + std::to_string(i) + "/copyright";
    entries.push_back(
        {key, 100, rocksdb::kTypeValue,
         std::string(i % 3 == 0 ? 30 : 3, static_cast<char>('a' + i % 26))});
    if (i % 7 == 0) {
      entries.push_back({key, 60, rocksdb::kTypeMerge, "operand"});
      entries.push_back({key, 20, rocksdb::kTypeDeletion, ""});
    }
  }
  if (reverse) {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const TableEntry& a, const TableEntry& b) {
                       return a.user_key > b.user_key;
                     });
  }
  return entries;
}

MemoryTable::Settings PastSettings(bool reverse) {
  MemoryTable::Settings settings;
  settings.fst.segment_size = 700;
  settings.fst.value_block_size = 64;
  settings.fst.inline_value_size = 8;
  settings.reverse = reverse;
  return settings;
}

std::string BytesOfHex(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string bytes;
  for (std::string line; std::getline(in, line);) {
    for (size_t i = 0; i + 1 < line.size(); i += 2) {
      bytes += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
    }
  }
  EXPECT_FALSE(bytes.empty()) << path;
  return bytes;
}

// The file has these feature bits, and holds these entries.
void ExpectHolds(const std::string& bytes, uint32_t features,
                 const std::vector<TableEntry>& entries,
                 const MemoryTable::Settings& settings) {
  MemoryTable table(settings);
  std::unique_ptr<rocksdb::TableReader> reader;
  const rocksdb::ReadOptions ro;
  rocksdb::Status s = table.Open(bytes, ro, &reader);
  ASSERT_TRUE(s.ok()) << s.ToString();
  FileDirectory directory;
  ASSERT_TRUE(
      directory
          .DecodeFrom(
              reader->GetTableProperties()->user_collected_properties.at(
                  kDirectoryProperty))
          .ok());
  EXPECT_EQ(directory.features, features);
  s = reader->VerifyChecksum(ro,
                             rocksdb::TableReaderCaller::kUserVerifyChecksum);
  EXPECT_TRUE(s.ok()) << s.ToString();

  const std::unique_ptr<rocksdb::InternalIterator> iter(reader->NewIterator(
      ro, nullptr, nullptr, false, rocksdb::TableReaderCaller::kUserIterator));
  size_t n = 0;
  for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
    ASSERT_LT(n, entries.size());
    EXPECT_EQ(iter->key().ToString(), entries[n].InternalKey());
    EXPECT_EQ(iter->value().ToString(), entries[n].value);
  }
  EXPECT_EQ(n, entries.size());
  for (const TableEntry& entry : entries) {
    iter->Seek(entry.InternalKey());
    ASSERT_TRUE(iter->Valid());
    EXPECT_EQ(iter->key().ToString(), entry.InternalKey());
    // Between this key and the next one, which may begin a segment.
    const std::string behind =
        rocksdb::InternalKey(entry.user_key + (settings.reverse ? "" : "x"), 0,
                             rocksdb::kTypeDeletion)
            .Encode()
            .ToString();
    const auto expected =
        std::find_if(entries.begin(), entries.end(), [&](const TableEntry& e) {
          return table.comparator().Compare(e.InternalKey(), behind) >= 0;
        });
    iter->Seek(behind);
    ASSERT_EQ(iter->Valid(), expected != entries.end());
    if (iter->Valid()) {
      EXPECT_EQ(iter->key().ToString(), expected->InternalKey());
    }
  }
}

TEST(FstPastFilesTest, FilesWhoseIndexHasLastKeysAreStillRead) {
  for (const bool reverse : {false, true}) {
    ExpectHolds(BytesOfHex(PastFile(reverse)), 0, PastEntries(reverse),
                PastSettings(reverse));
  }
}

// What is in a file from before its directory had feature bit 4, when a token
// table had whole tokens: keys that are worth tokens, but few bytes in them.
std::vector<TableEntry> WordEntries() {
  const std::string words[] = {"documentation", "changelog", "localization",
                               "configuration"};
  std::vector<TableEntry> entries;
  for (uint64_t i = 0; i < 4096; ++i) {
    std::string key;
    for (uint64_t digits = i, k = 0; k < 6; ++k, digits /= 4) {
      key.insert(0, "/" + words[digits % 4]);
    }
    // Not at one place, so that they are not fixed bytes.
    key.insert(key.find('/', 20 + i % 7), "/manual");
    entries.push_back({key, 0, rocksdb::kTypeValue, ""});
  }
  std::sort(entries.begin(), entries.end(),
            [](const TableEntry& a, const TableEntry& b) {
              return a.user_key < b.user_key;
            });
  return entries;
}

std::filesystem::path WholeTokensFile() {
  return MEMKV_TESTS_FOLDER "/golden/fst_file_whole_tokens.hex";
}

TEST(FstPastFilesTest, FilesWithWholeTokensAreStillRead) {
  ExpectHolds(BytesOfHex(WholeTokensFile()), FileDirectory::kBounds,
              WordEntries(), {});
  // The same file of today.
  MemoryTable::Settings settings;
  settings.reason = rocksdb::TableFileCreationReason::kCompaction;
  MemoryTable table(settings);
  ASSERT_TRUE(table.Build(WordEntries()).ok());
  ExpectHolds(table.bytes(),
              FileDirectory::kBounds | FileDirectory::kTokenSuffixes,
              WordEntries(), {});
}

}  // namespace
}  // namespace memkv
