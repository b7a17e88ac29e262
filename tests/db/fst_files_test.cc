// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files on their way into and out of databases: ingestion, import, repair,
// checksums, properties, dumps; what docs/checklist.md names of them.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compat/wait_for_compact.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/table_properties.h"
#include "tests/db/fst_files_fixture.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

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
    // Of nine bytes, and so not kept as a number.
    ASSERT_NO_FATAL_FAILURE(
        Put(NumberKey(i), std::to_string(100000000 + i * 7919)));
  }
  ASSERT_NO_FATAL_FAILURE(Delete(NumberKey(500)));
  ASSERT_NO_FATAL_FAILURE(Flush());
  rocksdb::TablePropertiesCollection all;
  ASSERT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
  const rocksdb::TableProperties& properties = *all.begin()->second;
  auto user = properties.user_collected_properties;
  EXPECT_EQ(user["test.puts"], "500");
  EXPECT_EQ(user["test.bytes"], std::to_string(500 * 21 + 12));
  // The index is a block, too.
  EXPECT_EQ(user["test.blocks"],
            std::to_string(properties.num_data_blocks + 1));
  EXPECT_GT(std::stoull(user["test.raw"]), 500u * 9);
  EXPECT_EQ(properties.property_collectors_names, "[test.CollectorFactory]");

  // A file that its collector wants compacted is, without any other need.
  options.disable_auto_compactions = false;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 0; i < 2000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "12345"));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_TRUE(compat::WaitForCompact(db()).ok());
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
