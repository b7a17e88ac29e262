// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files on their way into and out of databases: ingestion, import, repair,
// checksums, properties, dumps; what docs/checklist.md names of them.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/metadata.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/unique_id.h"
#include "rocksdb/utilities/checkpoint.h"
#include "tests/corruption/fst_memory_table.h"
#include "tests/db/fst_db_test_util.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

class FstFilesTest : public FstDbTest {
 protected:
  Options FilesOptions() const {
    Options options = MemkvOptions("segment_size=1K;value_block_size=64");
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    return options;
  }

  // Files of 100 keys each in the last level.
  void FillFiles(Model* model, int files) {
    for (int f = 0; f < files; ++f) {
      for (int i = f * 100; i < (f + 1) * 100; ++i) {
        (*model)[NumberKey(i)] = std::to_string(i);
        ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::to_string(i)));
      }
      ASSERT_NO_FATAL_FAILURE(Flush());
      const Status s = db()->CompactFiles(rocksdb::CompactionOptions(),
                                          {SstFiles().back()}, 6);
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
  }

  // A file of `count` keys from `begin` on, made with `options`.
  std::string ExternalFile(const Options& options, const std::string& name,
                           int begin, int count, Model* model) const {
    const std::string file = folder() + "/" + name;
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    EXPECT_TRUE(writer.Open(file).ok());
    for (int i = begin; i < begin + count; ++i) {
      (*model)[NumberKey(i)] = name + std::to_string(i);
      EXPECT_TRUE(writer.Put(NumberKey(i), (*model)[NumberKey(i)]).ok());
    }
    EXPECT_TRUE(writer
                    .DeleteRange(NumberKey(begin + count),
                                 NumberKey(begin + count + 50))
                    .ok());
    model->erase(model->lower_bound(NumberKey(begin + count)),
                 model->lower_bound(NumberKey(begin + count + 50)));
    EXPECT_TRUE(writer.Finish().ok());
    return file;
  }
};

TEST_F(FstFilesTest, StockFilesAreIngestedIntoAnFstDatabase) {
  for (const bool write_global_seqno : {false, true}) {
    SCOPED_TRACE(write_global_seqno);
    Destroy();
    ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
    Model model;
    ASSERT_NO_FATAL_FAILURE(FillFiles(&model, 3));
    const std::string file = ExternalFile(
        StockOptions(), "stock" + std::to_string(write_global_seqno), 50, 150,
        &model);
    ASSERT_FALSE(IsFstFile(file));
    rocksdb::IngestExternalFileOptions ingest;
    ingest.write_global_seqno = write_global_seqno;
    ingest.verify_checksums_before_ingest = true;
    const Status s = db()->IngestExternalFile({file}, ingest);
    ASSERT_TRUE(s.ok()) << s.ToString();
    EXPECT_EQ(Kinds().block_based, 1u);
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    EXPECT_EQ(Kinds().block_based, 0u);
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
}

// The way back: files for a stock database are written with the format
// block_based, and an FST file is refused rather than read wrongly.
TEST_F(FstFilesTest, StockDatabaseIngestsBlockBasedFilesAndRefusesFstFiles) {
  ASSERT_NO_FATAL_FAILURE(Open(StockOptions()));
  Model model;
  const std::string stock = ExternalFile(
      MemkvOptions("write_format=block_based"), "written", 0, 200, &model);
  ASSERT_FALSE(IsFstFile(stock));
  ASSERT_TRUE(db()->IngestExternalFile({stock}, {}).ok());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));

  Model unused;
  const std::string fst = ExternalFile(MemkvOptions(), "fst", 500, 10, &unused);
  ASSERT_TRUE(IsFstFile(fst));
  const Status s = db()->IngestExternalFile({fst}, {});
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_F(FstFilesTest, FilesIngestedBehindAreOlderThanAllElse) {
  Options options = FilesOptions();
  options.allow_ingest_behind = true;
  options.num_levels = 4;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  Model behind;
  const std::string file = ExternalFile(options, "behind", 0, 200, &behind);
  for (int i = 0; i < 100; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "newer"));
    behind[NumberKey(i)] = "newer";
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  rocksdb::IngestExternalFileOptions ingest;
  ingest.ingest_behind = true;
  const Status s = db()->IngestExternalFile({file}, ingest);
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), behind));
  std::string files;
  ASSERT_TRUE(db()->GetProperty("rocksdb.num-files-at-level3", &files));
  EXPECT_EQ(files, "1");
}

TEST_F(FstFilesTest, DamagedFileIsNotIngestedIfItsChecksumsAreVerified) {
  ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
  Model unused;
  const std::string file =
      ExternalFile(FilesOptions(), "damaged", 0, 2000, &unused);
  std::string bytes = ReadFile(file);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 1);
  WriteFile(file, bytes);
  rocksdb::IngestExternalFileOptions ingest;
  ingest.verify_checksums_before_ingest = true;
  const Status s = db()->IngestExternalFile({file}, ingest);
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_NE(s.ToString().find("damaged"), std::string::npos) << s.ToString();
  EXPECT_TRUE(SstFiles().empty());
  EXPECT_TRUE(rocksdb::VerifySstFileChecksum(FilesOptions(),
                                             rocksdb::EnvOptions(), file)
                  .IsCorruption());
}

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

TEST_F(FstFilesTest, ColumnFamilyIsExportedAndImported) {
  ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillFiles(&model, 4));
  for (int i = 0; i < 400; i += 3) {
    ASSERT_NO_FATAL_FAILURE(Delete(NumberKey(i)));
    model.erase(NumberKey(i));
  }
  rocksdb::Checkpoint* raw = nullptr;
  ASSERT_TRUE(rocksdb::Checkpoint::Create(db(), &raw).ok());
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  rocksdb::ExportImportFilesMetaData* exported = nullptr;
  Status s = checkpoint->ExportColumnFamily(db()->DefaultColumnFamily(),
                                            folder() + "/export", &exported);
  ASSERT_TRUE(s.ok()) << s.ToString();
  const std::unique_ptr<rocksdb::ExportImportFilesMetaData> owned(exported);
  EXPECT_EQ(exported->files.size(), 5u);

  path_ = folder() + "/importer";
  ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
  rocksdb::ColumnFamilyHandle* imported = nullptr;
  s = db()->CreateColumnFamilyWithImport(FilesOptions(), "imported",
                                         rocksdb::ImportColumnFamilyOptions(),
                                         *exported, &imported);
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model, ReadOptions(), imported));
  ASSERT_TRUE(db()->CompactRange({}, imported, nullptr, nullptr).ok());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model, ReadOptions(), imported));
  ASSERT_TRUE(db()->DestroyColumnFamilyHandle(imported).ok());
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
    s = rocksdb::DB::Open(options, path(), families, &handles, &raw);
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

TEST_F(FstFilesTest, FilesInARangeAreDeletedWhole) {
  ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillFiles(&model, 5));
  const std::string begin = NumberKey(90);
  const std::string end = NumberKey(310);
  const Slice first(begin);
  const Slice last(end);
  const rocksdb::RangePtr range(&first, &last);
  ASSERT_TRUE(
      rocksdb::DeleteFilesInRanges(db(), db()->DefaultColumnFamily(), &range, 1)
          .ok());
  // Of the files with keys of the range, those that lie in it.
  model.erase(model.lower_bound(NumberKey(100)),
              model.lower_bound(NumberKey(300)));
  EXPECT_EQ(SstFiles().size(), 3u);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_F(FstFilesTest, PropertiesComeByRangeLevelAndInSum) {
  ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillFiles(&model, 5));
  for (int i = 0; i < 10; ++i) ASSERT_NO_FATAL_FAILURE(Delete(NumberKey(i)));
  ASSERT_NO_FATAL_FAILURE(Flush());

  const std::string begin = NumberKey(150);
  const std::string end = NumberKey(350);
  const rocksdb::Range range(begin, end);
  rocksdb::TablePropertiesCollection in_range;
  ASSERT_TRUE(db()->GetPropertiesOfTablesInRange(db()->DefaultColumnFamily(),
                                                 &range, 1, &in_range)
                  .ok());
  ASSERT_EQ(in_range.size(), 3u);
  for (const auto& [name, properties] : in_range) {
    EXPECT_EQ(properties->num_entries, 100u) << name;
  }
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
  ASSERT_EQ(all.size(), 6u);
  uint64_t data_size = 0;
  uint64_t index_size = 0;
  for (const auto& [name, properties] : all) {
    data_size += properties->data_size;
    index_size += properties->index_size;
    EXPECT_GT(properties->num_data_blocks, 0u) << name;
  }
  std::map<std::string, std::string> sum;
  ASSERT_TRUE(
      db()->GetMapProperty("rocksdb.aggregated-table-properties", &sum));
  EXPECT_EQ(sum["num_entries"], "510");
  EXPECT_EQ(sum["num_deletions"], "10");
  EXPECT_EQ(sum["data_size"], std::to_string(data_size));
  EXPECT_EQ(sum["index_size"], std::to_string(index_size));
  ASSERT_TRUE(db()->GetMapProperty(
      "rocksdb.aggregated-table-properties-at-level6", &sum));
  EXPECT_EQ(sum["num_entries"], "500");
  uint64_t keys = 0;
  ASSERT_TRUE(db()->GetIntProperty("rocksdb.estimate-num-keys", &keys));
  EXPECT_EQ(keys, 490u);
  uint64_t pinned = 0;
  ASSERT_TRUE(
      db()->GetIntProperty("rocksdb.estimate-table-readers-mem", &pinned));
  EXPECT_GT(pinned, 500u * 5);
}

// Counts puts and blocks, and asks for a compaction above a number of puts.
class Collector : public rocksdb::TablePropertiesCollector {
 public:
  const char* Name() const override { return "test.Collector"; }
  Status AddUserKey(const Slice& key, const Slice& value,
                    rocksdb::EntryType type, rocksdb::SequenceNumber /*seq*/,
                    uint64_t file_size) override {
    puts_ += type == rocksdb::kEntryPut;
    bytes_ += key.size() + value.size();
    EXPECT_GE(file_size, file_size_);
    file_size_ = file_size;
    return Status::OK();
  }
  void BlockAdd(uint64_t raw, uint64_t, uint64_t) override {
    ++blocks_;
    raw_ += raw;
  }
  Status Finish(rocksdb::UserCollectedProperties* properties) override {
    *properties = GetReadableProperties();
    return Status::OK();
  }
  rocksdb::UserCollectedProperties GetReadableProperties() const override {
    return {{"test.puts", std::to_string(puts_)},
            {"test.bytes", std::to_string(bytes_)},
            {"test.blocks", std::to_string(blocks_)},
            {"test.raw", std::to_string(raw_)}};
  }
  bool NeedCompact() const override { return puts_ > 1000; }

 private:
  uint64_t puts_ = 0;
  uint64_t bytes_ = 0;
  uint64_t blocks_ = 0;
  uint64_t raw_ = 0;
  uint64_t file_size_ = 0;
};

class CollectorFactory : public rocksdb::TablePropertiesCollectorFactory {
 public:
  const char* Name() const override { return "test.CollectorFactory"; }
  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(
      Context) override {
    return new Collector;
  }
};

TEST_F(FstFilesTest, ApproximateSizesFollowTheSizesOfValues) {
  Options options = MemkvOptions();
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 8 << 20;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  std::mt19937_64 rng(TestSeed());
  // All in one segment, where ranks would say that they are alike.
  const size_t sizes[] = {10000, 10000, 100000, 10,     10000,
                          20,    30,    300000, 100000, 10000};
  int n = 0;
  for (const size_t size : sizes) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(n++), RandomBytes(&rng, size)));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  size_t before = 0;
  for (int i = 0; i <= n; ++i) {
    const std::string begin = NumberKey(0);
    const std::string end = NumberKey(i);
    const rocksdb::Range range(begin, end);
    uint64_t size = 0;
    ASSERT_TRUE(db()->GetApproximateSizes(rocksdb::SizeApproximationOptions(),
                                          db()->DefaultColumnFamily(), &range,
                                          1, &size)
                    .ok());
    EXPECT_NEAR(static_cast<double>(size), static_cast<double>(before), 4000)
        << i;
    if (i < n) before += sizes[i];
  }
}

TEST_F(FstFilesTest, CollectorsSeeEveryRecordAndAskForCompactions) {
  Options options = FilesOptions();
  options.table_properties_collector_factories.push_back(
      std::make_shared<CollectorFactory>());
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 0; i < 500; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "12345"));
  }
  ASSERT_NO_FATAL_FAILURE(Delete(NumberKey(500)));
  ASSERT_NO_FATAL_FAILURE(Flush());
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
  const rocksdb::TableProperties& properties = *all.begin()->second;
  auto user = properties.user_collected_properties;
  EXPECT_EQ(user["test.puts"], "500");
  EXPECT_EQ(user["test.bytes"], std::to_string(500 * 17 + 12));
  // The index is a block, too.
  EXPECT_EQ(user["test.blocks"],
            std::to_string(properties.num_data_blocks + 1));
  EXPECT_GT(std::stoull(user["test.raw"]), 500u * 5);
  EXPECT_EQ(properties.property_collectors_names, "[test.CollectorFactory]");

  // A file that its collector wants compacted is, without any other need.
  options.disable_auto_compactions = false;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 0; i < 2000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "12345"));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_TRUE(db()->WaitForCompact(rocksdb::WaitForCompactOptions()).ok());
  std::string files;
  ASSERT_TRUE(db()->GetProperty("rocksdb.num-files-at-level0", &files));
  EXPECT_EQ(files, "0");
}

TEST_F(FstFilesTest, CompactFilesMovesWhatItIsGiven) {
  ASSERT_NO_FATAL_FAILURE(Open(FilesOptions()));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillFiles(&model, 3));
  for (int i = 0; i < 300; i += 2) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "newer"));
    model[NumberKey(i)] = "newer";
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  std::vector<std::string> outputs;
  rocksdb::CompactionJobInfo info;
  const Status s = db()->CompactFiles(rocksdb::CompactionOptions(), SstFiles(),
                                      6, -1, &outputs, &info);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(info.stats.num_input_records, 450u);
  EXPECT_EQ(info.stats.num_output_records, 300u);
  EXPECT_EQ(outputs.size(), SstFiles().size());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_F(FstFilesTest, DumpNamesEveryRecordAndItsType) {
  MemoryTable table{MemoryTable::Settings()};
  const std::string timed = std::string("value") + std::string(8, '\1');
  const std::vector<TableEntry> entries{
      {"a", 9, rocksdb::kTypeDeletion, ""},
      {"a", 8, rocksdb::kTypeValue, "one"},
      {"b", 7, rocksdb::kTypeMerge, "two"},
      {"c", 6, rocksdb::kTypeSingleDeletion, ""},
      {"d", 5, rocksdb::kTypeBlobIndex, "three"},
      {"e", 4, rocksdb::kTypeWideColumnEntity, "four"},
      {"f", 3, rocksdb::kTypeValuePreferredSeqno, timed}};
  ASSERT_TRUE(table.Build(entries).ok());
  std::unique_ptr<rocksdb::TableReader> reader;
  Status s = table.Open(table.bytes(), ReadOptions(), &reader);
  ASSERT_TRUE(s.ok()) << s.ToString();
  const std::string to = folder() + "/dump.txt";
  std::unique_ptr<rocksdb::WritableFile> file;
  ASSERT_TRUE(env()->NewWritableFile(to, &file, rocksdb::EnvOptions()).ok());
  s = reader->DumpTable(file.get());
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_TRUE(file->Close().ok());
  const std::string text = ReadFile(to);
  size_t at = text.find("\nSegments\n");
  ASSERT_NE(at, std::string::npos) << text;
  for (const TableEntry& entry : entries) {
    const std::string line = "'" +
                             Slice(entry.user_key).ToString(/*hex=*/true) +
                             "' seq:" + std::to_string(entry.seq) +
                             ", type:" + std::to_string(entry.type) + " => " +
                             Slice(entry.value).ToString(/*hex=*/true) + "\n";
    // Each, in order.
    at = text.find(line, at);
    ASSERT_NE(at, std::string::npos) << line << " in " << text;
  }
  EXPECT_NE(text.find("# entries: 7"), std::string::npos);
}

TEST_F(FstFilesTest, UniqueIdsOfMovedAndIngestedFilesAreTheirOwn) {
  Options options = FilesOptions();
  options.verify_sst_unique_id_in_manifest = true;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  ASSERT_NO_FATAL_FAILURE(FillFiles(&model, 2));
  const std::string file = ExternalFile(options, "ingested", 150, 20, &model);
  ASSERT_TRUE(db()->IngestExternalFile({file}, {}).ok());
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
  std::set<std::string> ids;
  for (const auto& [name, properties] : all) {
    std::string id;
    const Status s =
        rocksdb::GetExtendedUniqueIdFromTableProperties(*properties, &id);
    ASSERT_TRUE(s.ok()) << name << ": " << s.ToString();
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 3u);
}

// What a reader would take for damage is not written.
TEST(FstFileBuilderTest, EntriesOfAKeyThatDoNotDescendAreRefused) {
  using rocksdb::kTypeDeletion;
  using rocksdb::kTypeValue;
  for (const bool inline_values : {false, true}) {
    MemoryTable::Settings settings;
    if (!inline_values) settings.fst.inline_value_size = 0;
    MemoryTable table(settings);
    EXPECT_TRUE(table
                    .Build({{"k", 5, kTypeValue, "a"},
                            {"k", 5, kTypeDeletion, ""},
                            {"k", 4, kTypeValue, "b"}})
                    .ok());
    for (const uint64_t second : {5, 6}) {
      const Status s = table.Build(
          {{"k", 5, kTypeValue, "a"}, {"k", second, kTypeValue, "b"}});
      EXPECT_TRUE(s.IsCorruption()) << s.ToString();
      EXPECT_NE(s.ToString().find(MemoryTable::kFileName), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace memkv
