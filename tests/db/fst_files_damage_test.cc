// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files that are damaged or whose manifest is lost: what RocksDB says of
// them, and what a repair brings back.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "compat/open.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/metadata.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "tests/db/fst_files_fixture.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Status;

TEST_F(FstFilesTest, TruncatedFileIsCorruptionThatNamesBothSizes) {
  const Options options = MemkvOptions();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(Put("key", std::string(1000, 'v')));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const std::string file = SstFiles().back();
  Close();
  const std::string bytes = ReadFile(file);
  for (const size_t lost : {size_t{1}, size_t{8}, size_t{100}}) {
    WriteFile(file, bytes.substr(0, bytes.size() - lost));
    const Status s = TryOpen(options);
    EXPECT_TRUE(s.IsCorruption()) << s.ToString();
    EXPECT_NE(
        s.ToString().find("Sst file size mismatch: " + file + ". Expected " +
                          std::to_string(bytes.size()) + ", actual size " +
                          std::to_string(bytes.size() - lost)),
        std::string::npos)
        << s.ToString();
  }
}

TEST_F(FstFilesTest, DamagedChecksumIsNoMatterToWhoDoesNotVerify) {
  Options options = MemkvOptions("residency=cache;value_block_size=64");
  options.compression = rocksdb::kNoCompression;
  const std::string file = folder() + "/checksums.sst";
  const std::string value(100, 'v');
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
  ASSERT_TRUE(writer.Open(file).ok());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(writer.Put(NumberKey(i), value + std::to_string(i)).ok());
  }
  ASSERT_TRUE(writer.Finish().ok());
  const std::string bytes = ReadFile(file);
  // The first value block ends after its value; the type of its compression
  // follows, and then its checksum.
  const size_t at = bytes.find(value + "0") + value.size() + 1 + 1;
  ASSERT_LT(at, bytes.size() / 2);
  const auto read = [&](bool verify_checksums, std::string* found) {
    rocksdb::SstFileReader reader(options);
    const Status s = reader.Open(file);
    if (!s.ok()) return s;
    ReadOptions ro;
    ro.verify_checksums = verify_checksums;
    ro.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> iter(reader.NewIterator(ro));
    iter->Seek(NumberKey(0));
    if (iter->Valid()) *found = iter->value().ToString();
    return iter->status();
  };
  for (const size_t damaged : {at, at + 3}) {
    std::string other = bytes;
    other[damaged] = static_cast<char>(other[damaged] ^ 1);
    WriteFile(file, other);
    std::string found;
    EXPECT_TRUE(read(/*verify_checksums=*/true, &found).IsCorruption());
    const Status s = read(/*verify_checksums=*/false, &found);
    EXPECT_TRUE(s.ok()) << s.ToString();
    EXPECT_EQ(found, value + "0");
    // Who asks for verification gets it.
    rocksdb::SstFileReader reader(options);
    ASSERT_TRUE(reader.Open(file).ok());
    ReadOptions ro;
    ro.verify_checksums = false;
    EXPECT_TRUE(reader.VerifyChecksum(ro).IsCorruption());
  }
}

TEST_F(FstFilesTest, RepairBringsEveryRecordBackWithoutAManifest) {
  ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
  Model model;
  MixedWriter writer(TestSeed(), 500);
  for (int f = 0; f < 4; ++f) {
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 400));
    ASSERT_NO_FATAL_FAILURE(Flush());
  }
  // In the log, which repair makes a table of.
  ASSERT_NO_FATAL_FAILURE(Put("last", "in the log"));
  model["last"] = "in the log";
  Close();
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    const std::string name = entry.path().filename();
    if (name.rfind("MANIFEST", 0) == 0 || name == "CURRENT") {
      std::filesystem::remove(entry.path());
    }
  }
  const Status s = rocksdb::RepairDB(path(), FilesOptions());
  ASSERT_TRUE(s.ok()) << s.ToString();
  // There go the log and old manifests, but no table.
  for (const auto& entry :
       std::filesystem::directory_iterator(path() + "/lost")) {
    EXPECT_NE(entry.path().extension(), ".sst") << entry.path();
  }
  ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
  EXPECT_EQ(Kinds().fst, 5u);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_F(FstFilesTest, RepairKeepsColumnFamiliesOfEveryComparator) {
  // Repair opens each file with the default column family's comparator first.
  const rocksdb::Comparator* const orders[] = {
      rocksdb::BytewiseComparator(), rocksdb::ReverseBytewiseComparator()};
  for (const rocksdb::Comparator* order : orders) {
    Destroy();
    Options options = FilesOptions();
    Options other = FilesOptions();
    options.comparator = order;
    other.comparator = orders[order == orders[0] ? 1 : 0];
    ASSERT_NO_FATAL_FAILURE(Open(options));
    rocksdb::ColumnFamilyHandle* cf = nullptr;
    ASSERT_TRUE(db()->CreateColumnFamily(other, "other", &cf).ok());
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(db()->Put({}, NumberKey(i), "default").ok());
      ASSERT_TRUE(db()->Put({}, cf, NumberKey(i), "other").ok());
    }
    const bool ascending = other.comparator == orders[0];
    ASSERT_TRUE(db()->DeleteRange({}, cf, NumberKey(ascending ? 10 : 20),
                                  NumberKey(ascending ? 20 : 10))
                    .ok());
    ASSERT_TRUE(db()->Flush({}, {db()->DefaultColumnFamily(), cf}).ok());
    ASSERT_TRUE(db()->DestroyColumnFamilyHandle(cf).ok());
    const std::vector<std::string> files = SstFiles();
    ASSERT_EQ(Kinds().fst, 2u);
    Close();
    std::filesystem::remove(path() + "/CURRENT");
    const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
        {"default", options}, {"other", other}};
    Status s = rocksdb::RepairDB(path(), options, families);
    ASSERT_TRUE(s.ok()) << s.ToString();
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    s = rocksdb::DB::Open(options, path(), families, &handles,
                          compat::Into(&raw));
    ASSERT_TRUE(s.ok()) << s.ToString();
    const std::unique_ptr<rocksdb::DB> opened(raw);
    for (int i = 0; i < 100; ++i) {
      std::string value;
      EXPECT_TRUE(opened->Get({}, handles[0], NumberKey(i), &value).ok());
      EXPECT_EQ(value, "default");
      s = opened->Get({}, handles[1], NumberKey(i), &value);
      const bool deleted = ascending ? i >= 10 && i < 20 : i > 10 && i <= 20;
      EXPECT_EQ(s.IsNotFound(), deleted) << i << ": " << s.ToString();
      EXPECT_EQ(s.ok(), !deleted) << i << ": " << s.ToString();
    }
    for (auto* handle : handles) {
      EXPECT_TRUE(opened->DestroyColumnFamilyHandle(handle).ok());
    }

    // Nobody else reads keys by a comparator that is not the file's.
    int refused = 0;
    for (const std::string& file : files) {
      rocksdb::SstFileReader reader(options);
      s = reader.Open(file);
      ASSERT_TRUE(s.ok()) << s.ToString();
      EXPECT_GT(reader.GetTableProperties()->num_entries, 0u);
      const std::unique_ptr<rocksdb::Iterator> iter(reader.NewIterator({}));
      iter->SeekToFirst();
      EXPECT_EQ(iter->Valid(), iter->status().ok());
      if (!iter->Valid()) {
        EXPECT_TRUE(iter->status().IsInvalidArgument());
        EXPECT_NE(iter->status().ToString().find(other.comparator->Name()),
                  std::string::npos);
        ++refused;
      }
    }
    EXPECT_EQ(refused, 1);
  }
}

TEST_F(FstFilesTest, WholeFileChecksumsAreKeptAndVerified) {
  Options options = FilesOptions();
  options.file_checksum_gen_factory =
      rocksdb::GetFileChecksumGenCrc32cFactory();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillFiles(&model, 3));
  std::vector<rocksdb::LiveFileMetaData> live;
  db()->GetLiveFilesMetaData(&live);
  ASSERT_EQ(live.size(), 3u);
  for (const auto& file : live) {
    EXPECT_EQ(file.file_checksum_func_name, "FileChecksumCrc32c");
    const std::string bytes = ReadFile(file.db_path + file.name);
    rocksdb::FileChecksumGenContext context;
    const auto generator =
        options.file_checksum_gen_factory->CreateFileChecksumGenerator(context);
    generator->Update(bytes.data(), bytes.size());
    generator->Finalize();
    EXPECT_EQ(file.file_checksum, generator->GetChecksum());
  }
  EXPECT_TRUE(db()->VerifyFileChecksums(ReadOptions()).ok());
  const std::string file = SstFiles().front();
  std::string bytes = ReadFile(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  WriteFile(file, bytes);
  const Status s = db()->VerifyFileChecksums(ReadOptions());
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
}

}  // namespace
}  // namespace memkv
