// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files by themselves, and what a database knows of a file: ingestion,
// readers and writers of external files, properties, sizes, key anchors.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "compat/sst_file_reader.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/utilities/table_properties_collectors.h"
#include "tests/db/fst_table_fixture.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Status;
using rocksdb::WriteOptions;

TEST_P(FstTableTest, IngestedFilesTakeTheirSequenceNumberInBothWays) {
  for (const bool write_global_seqno : {false, true}) {
    SCOPED_TRACE(write_global_seqno);
    Destroy();
    ASSERT_NO_FATAL_FAILURE(OpenTable());
    Model model;
    for (int i = 0; i < 300; ++i) {
      ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "old"));
      model[NumberKey(i)] = "old";
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    const Model before = model;
    const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();

    const std::string file =
        folder() + (write_global_seqno ? "/written.sst" : "/manifest.sst");
    Options options = TableOptions();
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    ASSERT_TRUE(writer.Open(file).ok());
    for (int i = 100; i < 400; i += 2) {
      const std::string value = "ingested " + std::to_string(i);
      ASSERT_TRUE(writer.Put(NumberKey(i), value).ok());
      model[NumberKey(i)] = value;
    }
    ASSERT_TRUE(writer.Delete(NumberKey(401)).ok());
    ASSERT_TRUE(writer.DeleteRange(NumberKey(0), NumberKey(10)).ok());
    for (int i = 0; i < 10; ++i) model.erase(NumberKey(i));
    rocksdb::ExternalSstFileInfo info;
    Status s = writer.Finish(&info);
    ASSERT_TRUE(s.ok()) << s.ToString();
    EXPECT_EQ(info.num_entries, 151u);
    ASSERT_TRUE(IsFstFile(file));

    rocksdb::IngestExternalFileOptions ingest;
    ingest.write_global_seqno = write_global_seqno;
    ingest.verify_checksums_before_ingest = true;
    s = db()->IngestExternalFile({file}, ingest);
    ASSERT_TRUE(s.ok()) << s.ToString();
    ReadOptions at_snapshot;
    at_snapshot.snapshot = snapshot;
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), before, at_snapshot));
    // Newer than what was ingested.
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(200), "newer"));
    model[NumberKey(200)] = "newer";
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), before, at_snapshot));
    EXPECT_TRUE(db()->VerifyChecksum().ok());
    db()->ReleaseSnapshot(snapshot);

    ASSERT_NO_FATAL_FAILURE(OpenTable());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    EXPECT_TRUE(db()->VerifyChecksum().ok());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
}

TEST_P(FstTableTest, SstFileReaderReadsWhatSstFileWriterWrote) {
  const std::string file = folder() + "/one.sst";
  const Options options = TableOptions();
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
  ASSERT_TRUE(writer.Open(file).ok());
  Model model;
  uint64_t last_size = 0;
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 2000; ++i) {
    model[NumberKey(i)] = RandomBytes(&rng, rng() % 50);
    ASSERT_TRUE(writer.Put(NumberKey(i), model[NumberKey(i)]).ok());
    ASSERT_GE(writer.FileSize(), last_size);
    last_size = writer.FileSize();
  }
  // Out of order is refused, and the file goes on.
  EXPECT_FALSE(writer.Put(NumberKey(5), "again").ok());
  ASSERT_TRUE(writer.Finish().ok());

  rocksdb::SstFileReader reader(options);
  ASSERT_TRUE(reader.Open(file).ok());
  EXPECT_TRUE(reader.VerifyChecksum().ok());
  EXPECT_TRUE(compat::VerifyNumEntries(&reader).ok());
  EXPECT_EQ(reader.GetTableProperties()->num_entries, model.size());
  const std::unique_ptr<Iterator> iter(reader.NewIterator(ReadOptions()));
  auto expected = model.begin();
  for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++expected) {
    ASSERT_NE(expected, model.end());
    ASSERT_EQ(iter->key(), expected->first);
    ASSERT_EQ(iter->value(), expected->second);
  }
  ASSERT_EQ(expected, model.end());
  iter->SeekForPrev(NumberKey(999) + "x");
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(iter->key(), NumberKey(999));
}

TEST_P(FstTableTest, FileInAnothersPlaceIsCaughtByItsUniqueId) {
  Options options = TableOptions();
  options.verify_sst_unique_id_in_manifest = true;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int file = 0; file < 2; ++file) {
    ASSERT_NO_FATAL_FAILURE(Put("key", std::to_string(file)));
    ASSERT_NO_FATAL_FAILURE(Flush());
  }
  const std::vector<std::string> files = SstFiles();
  ASSERT_EQ(files.size(), 2u);
  Close();
  // The same size, so that nothing else can tell.
  ASSERT_EQ(ReadFile(files[0]).size(), ReadFile(files[1]).size());
  WriteFile(files[1], ReadFile(files[0]));
  Status s = TryOpen(options);
  if (s.ok()) {
    std::string value;
    s = db()->Get(ReadOptions(), "key", &value);
  }
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_NE(s.ToString().find("unique ID"), std::string::npos) << s.ToString();
}

TEST_P(FstTableTest, PropertiesCountWhatIsInTheFile) {
  Options options = TableOptions();
  options.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(1000, 500));
  ASSERT_NO_FATAL_FAILURE(Open(options));
  const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
  size_t raw_value_bytes = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string value(static_cast<size_t>(i % 30), 'v');
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), value));
    raw_value_bytes += value.size();
  }
  const rocksdb::Snapshot* const later = db()->GetSnapshot();
  for (int i = 0; i < 100; ++i) ASSERT_NO_FATAL_FAILURE(Delete(NumberKey(i)));
  for (int i = 100; i < 110; ++i) {
    ASSERT_TRUE(db()->Merge(WriteOptions(), NumberKey(i), "op").ok());
    raw_value_bytes += 2;
  }
  ASSERT_TRUE(db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(390), NumberKey(400))
                  .ok());
  raw_value_bytes += NumberKey(400).size();
  ASSERT_NO_FATAL_FAILURE(Flush());
  const auto p = OnlyFileProperties();
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(p->num_entries, 511u);
  EXPECT_EQ(p->num_deletions, 101u);
  EXPECT_EQ(p->num_range_deletions, 1u);
  EXPECT_EQ(p->num_merge_operands, 10u);
  EXPECT_EQ(p->raw_key_size, 511 * (NumberKey(0).size() + 8));
  EXPECT_EQ(p->raw_value_size, raw_value_bytes);
  EXPECT_EQ(p->comparator_name, "leveldb.BytewiseComparator");
  EXPECT_EQ(p->merge_operator_name, "StringAppendOperator");
  EXPECT_EQ(p->compression_name, "LZ4");
  EXPECT_EQ(p->column_family_name, "default");
  EXPECT_FALSE(p->db_id.empty());
  EXPECT_FALSE(p->db_session_id.empty());
  EXPECT_NE(p->orig_file_number, 0u);
  EXPECT_NE(p->creation_time, 0u);
  EXPECT_NE(p->file_creation_time, 0u);
  EXPECT_EQ(p->property_collectors_names, "[CompactOnDeletionCollector]");
  const auto& user = p->user_collected_properties;
  ASSERT_EQ(user.count("memkv.fst.distinct.user.keys"), 1u);
  EXPECT_EQ(user.at("memkv.fst.distinct.user.keys"), "400");
  EXPECT_EQ(user.count("memkv.fst.key.bytes"), 1u);
  EXPECT_EQ(user.count("memkv.fst.tag.bytes"), 1u);
  // RocksDB 11 opens no file as a block-based one, for a backup, without it.
  EXPECT_EQ(user.count(rocksdb::BlockBasedTablePropertyNames::kIndexType), 1u);
  // What is 0 is left out.
  EXPECT_GE(user.count("memkv.fst.value.bytes") +
                user.count("memkv.fst.inline.value.bytes"),
            1u);
  for (const auto& [name, value] : user) {
    EXPECT_TRUE(name.rfind("memkv.", 0) != 0 || value != "0") << name;
  }
  db()->ReleaseSnapshot(snapshot);
  db()->ReleaseSnapshot(later);

  // RocksDB's own way to them, without opening the table.
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_EQ(OnlyFileProperties()->num_entries, 511u);
}

TEST_P(FstTableTest, ApproximateSizesAreMonotoneAndCloseToTheTruth) {
  Options options = TableOptions();
  options.compression = rocksdb::kNoCompression;
  options.target_file_size_base = 256 << 10;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  std::mt19937_64 rng(TestSeed());
  constexpr int kKeys = 20000;
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), RandomBytes(&rng, 100)));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_GT(Kinds().fst, 3u);
  uint64_t total = 0;
  ASSERT_TRUE(db()->GetIntProperty("rocksdb.total-sst-files-size", &total));
  rocksdb::SizeApproximationOptions approximation;
  approximation.files_size_error_margin = -1.0;
  uint64_t last = 0;
  for (int i = 0; i <= 40; ++i) {
    const std::string begin = NumberKey(0);
    const std::string end = NumberKey(i * kKeys / 40);
    const rocksdb::Range range(begin, end);
    uint64_t size = 0;
    ASSERT_TRUE(db()->GetApproximateSizes(approximation,
                                          db()->DefaultColumnFamily(), &range,
                                          1, &size)
                    .ok());
    EXPECT_GE(size, last) << i;
    last = size;
    const double expected =
        static_cast<double>(total) * static_cast<double>(i) / 40;
    EXPECT_NEAR(static_cast<double>(size), expected,
                static_cast<double>(total) * 0.03)
        << i;
  }
}

class CountSubcompactions : public rocksdb::EventListener {
 public:
  void OnSubcompactionBegin(const rocksdb::SubcompactionJobInfo&) override {
    ++count;
  }
  std::atomic<int> count{0};
};

TEST_P(FstTableTest, KeyAnchorsCutOneFileIntoSubcompactions) {
  const auto counter = std::make_shared<CountSubcompactions>();
  Options options = TableOptions();
  options.listeners.push_back(counter);
  options.max_background_jobs = 4;
  options.target_file_size_base = 64 << 10;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 20000; ++i) {
    const std::string key = NumberKey(static_cast<int>(rng() % 100000));
    model[key] = RandomBytes(&rng, 20);
    ASSERT_NO_FATAL_FAILURE(Put(key, model[key]));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_EQ(Kinds().fst, 1u);
  ASSERT_NO_FATAL_FAILURE(CompactAll(/*max_subcompactions=*/4));
  EXPECT_GE(counter->count, 3);
  EXPECT_GT(Kinds().fst, 3u);
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

}  // namespace
}  // namespace memkv
