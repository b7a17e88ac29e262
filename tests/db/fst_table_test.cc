// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What RocksDB puts into a table and asks of it, on databases of FST files:
// every kind of entry, every way to read, sizes at the edges, ingestion.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugin/memkv.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/utilities/table_properties_collectors.h"
#include "rocksdb/wide_columns.h"
#include "tests/db/fst_db_test_util.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::Options;
using rocksdb::PinnableSlice;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

// The parameter is the table's options, as a user writes them.
class FstTableTest : public FstDbTest,
                     public ::testing::WithParamInterface<const char*> {
 protected:
  // No file changes but by the test's own flushes and compactions.
  Options TableOptions() const {
    Options options = MemkvOptions(GetParam());
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    return options;
  }

  void OpenTable() { ASSERT_NO_FATAL_FAILURE(Open(TableOptions())); }

  std::shared_ptr<const rocksdb::TableProperties> OnlyFileProperties() const {
    rocksdb::TablePropertiesCollection all;
    EXPECT_TRUE(db()->GetPropertiesOfAllTables(&all).ok());
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? nullptr : all.begin()->second;
  }

  std::string Scan(const ReadOptions& ro, bool forward = true) const {
    std::string keys;
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
    for (forward ? iter->SeekToFirst() : iter->SeekToLast(); iter->Valid();
         forward ? iter->Next() : iter->Prev()) {
      keys += iter->key().ToString() + "=" + iter->value().ToString() + " ";
    }
    EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
    return keys;
  }
};

std::string VariantName(const ::testing::TestParamInfo<const char*>& variant) {
  const char* const names[] = {"Default", "CacheSmall", "PinSmall"};
  return names[variant.index];
}

INSTANTIATE_TEST_SUITE_P(
    Options, FstTableTest,
    ::testing::Values("", "residency=cache;segment_size=1K;value_block_size=64",
                      "segment_size=2K;inline_value_size=0;key_buffer_size=8K"),
    VariantName);

TEST_P(FstTableTest, FileOfOnlyRangeDeletionsHidesWhatIsBelow) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  Model model;
  for (int i = 0; i < 100; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "v"));
    if (i < 20 || i >= 70) model[NumberKey(i)] = "v";
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
  ASSERT_TRUE(db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(20), NumberKey(50))
                  .ok());
  ASSERT_TRUE(db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(40), NumberKey(70))
                  .ok());
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_EQ(Kinds().fst, 2u);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    if (round < 2) {
      EXPECT_EQ(Get(NumberKey(30), round == 0 ? snapshot : nullptr),
                round == 0 ? "v" : "NOT_FOUND");
    }
    EXPECT_TRUE(db()->VerifyChecksum().ok());
    if (round == 0) {
      db()->ReleaseSnapshot(snapshot);
      ASSERT_NO_FATAL_FAILURE(OpenTable());
    } else {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
  }
  EXPECT_EQ(OnlyFileProperties()->num_range_deletions, 0u);
  EXPECT_EQ(OnlyFileProperties()->num_entries, 50u);

  // All that a database has may be a deletion.
  Destroy();
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_TRUE(
      db()->DeleteRange(WriteOptions(), db()->DefaultColumnFamily(), "a", "z")
          .ok());
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), {}));
  EXPECT_TRUE(db()->VerifyChecksum().ok());
}

TEST_P(FstTableTest, MergeOperandsOfManyFilesCombine) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  Model model;
  const auto merge = [&](const std::string& key, const std::string& operand) {
    ASSERT_TRUE(db()->Merge(WriteOptions(), key, operand).ok());
    std::string& value = model[key];
    value += value.empty() ? operand : "," + operand;
  };
  for (int file = 0; file < 5; ++file) {
    for (int i = 0; i < 50; ++i) {
      for (int n = 0; n < i % 4; ++n) {
        ASSERT_NO_FATAL_FAILURE(
            merge(NumberKey(i), std::to_string(file * 10 + n)));
      }
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
  ReadOptions ro;
  std::vector<PinnableSlice> operands(20);
  rocksdb::GetMergeOperandsOptions options;
  options.expected_max_number_of_operands = 20;
  int n = 0;
  ASSERT_TRUE(db()->GetMergeOperands(ro, db()->DefaultColumnFamily(),
                                     NumberKey(3), operands.data(), &options,
                                     &n)
                  .ok());
  // A flush has made one operand of each file's.
  ASSERT_EQ(n, 5);
  EXPECT_EQ(operands[0].ToString(), "0,1,2");
  EXPECT_EQ(operands[4].ToString(), "40,41,42");
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_P(FstTableTest, SingleDeleteRemovesOnePut) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  for (int i = 0; i < 100; ++i) ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), "v"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  Model model;
  for (int i = 0; i < 100; ++i) {
    if (i % 3 == 0) {
      ASSERT_TRUE(db()->SingleDelete(WriteOptions(), NumberKey(i)).ok());
    } else {
      model[NumberKey(i)] = "v";
    }
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  EXPECT_EQ(OnlyFileProperties()->num_entries, model.size());
}

TEST_P(FstTableTest, WideColumnsComeBack) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  for (int i = 0; i < 200; ++i) {
    const std::string big(static_cast<size_t>(i), 'b');
    const rocksdb::WideColumns columns{
        {rocksdb::kDefaultWideColumnName, "default"}, {"b", big}, {"n", "7"}};
    ASSERT_TRUE(db()->PutEntity(WriteOptions(), db()->DefaultColumnFamily(),
                                NumberKey(i), columns)
                    .ok());
  }
  for (int round = 0; round < 2; ++round) {
    ASSERT_NO_FATAL_FAILURE(Flush());
    const std::unique_ptr<Iterator> iter(db()->NewIterator(ReadOptions()));
    iter->SeekToFirst();
    for (int i = 0; i < 200; ++i, iter->Next()) {
      ASSERT_TRUE(iter->Valid()) << iter->status().ToString();
      rocksdb::PinnableWideColumns found;
      ASSERT_TRUE(db()->GetEntity(ReadOptions(), db()->DefaultColumnFamily(),
                                  NumberKey(i), &found)
                      .ok());
      ASSERT_EQ(found.columns().size(), 3u);
      EXPECT_EQ(found.columns()[1].value().size(), static_cast<size_t>(i));
      EXPECT_EQ(found.columns(), iter->columns());
      EXPECT_EQ(iter->value(), "default");
      EXPECT_EQ(Get(NumberKey(i)), "default");
    }
    ASSERT_NO_FATAL_FAILURE(CompactAll());
  }
}

TEST_P(FstTableTest, IntegratedBlobsAreCarriedAndCollected) {
  Options options = TableOptions();
  options.enable_blob_files = true;
  options.min_blob_size = 64;
  options.enable_blob_garbage_collection = true;
  options.blob_garbage_collection_age_cutoff = 1.0;
  options.blob_garbage_collection_force_threshold = 0.0;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  Model model;
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      const std::string key = NumberKey(static_cast<int>(rng() % 200));
      model[key] = RandomBytes(&rng, rng() % 400);
      ASSERT_NO_FATAL_FAILURE(Put(key, model[key]));
    }
    ASSERT_NO_FATAL_FAILURE(Flush());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
  uint64_t blob_files = 0;
  ASSERT_TRUE(db()->GetIntProperty("rocksdb.num-blob-files", &blob_files));
  EXPECT_EQ(blob_files, 3u);
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_TRUE(db()->GetIntProperty("rocksdb.num-blob-files", &blob_files));
  EXPECT_LT(blob_files, 3u);
  ASSERT_NO_FATAL_FAILURE(Open(options));
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

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
  EXPECT_TRUE(reader.VerifyNumEntries(ReadOptions()).ok());
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

TEST_P(FstTableTest, BlockCacheTierAnswersOnlyFromMemory) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  const std::string tail(100, 'v');
  const std::string value = NumberKey(500) + tail;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), NumberKey(i) + tail));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ReadOptions memory;
  memory.read_tier = rocksdb::kBlockCacheTier;
  std::string found;
  EXPECT_TRUE(db()->Get(memory, NumberKey(500), &found).IsIncomplete());
  EXPECT_TRUE(db()->KeyMayExist(memory, NumberKey(500), &found));
  {
    const std::unique_ptr<Iterator> iter(db()->NewIterator(memory));
    iter->Seek(NumberKey(500));
    EXPECT_FALSE(iter->Valid());
    EXPECT_TRUE(iter->status().IsIncomplete()) << iter->status().ToString();
  }
  EXPECT_EQ(Get(NumberKey(500)), value);
  EXPECT_TRUE(db()->Get(memory, NumberKey(500), &found).ok());
  EXPECT_EQ(found, value);
  EXPECT_TRUE(db()->KeyMayExist(memory, NumberKey(500), &found));
  // A miss is decided in the trie, which one read above has brought in.
  EXPECT_TRUE(db()->Get(memory, NumberKey(500) + "x", &found).IsNotFound());
  EXPECT_FALSE(db()->KeyMayExist(memory, NumberKey(500) + "x", &found));
}

TEST_P(FstTableTest, MappedAndDirectReadsAnswerTheSame) {
  Model model;
  MixedWriter writer(TestSeed(), 1000);
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 4000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  for (const bool compressed : {false, true}) {
    Options options = TableOptions();
    options.compression =
        compressed ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    ASSERT_NO_FATAL_FAILURE(CompactAll());

    options.allow_mmap_reads = true;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    EXPECT_TRUE(db()->VerifyChecksum().ok());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));

    options.allow_mmap_reads = false;
    options.use_direct_reads = true;
    options.use_direct_io_for_flush_and_compaction = true;
    const Status s = TryOpen(options);
    if (!s.ok()) {
      // Some file systems have no direct I/O.
      ASSERT_TRUE(s.IsInvalidArgument() || s.IsIOError()) << s.ToString();
      continue;
    }
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
    EXPECT_TRUE(db()->VerifyChecksum().ok());
    ASSERT_NO_FATAL_FAILURE(CompactAll());
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  }
}

TEST_P(FstTableTest, ValuesFromNothingTo16MiBComeBack) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  Model model;
  std::mt19937_64 rng(TestSeed());
  for (const size_t size : {0, 1, 15, 16, 17, 63, 64, 65, 511, 512, 513, 4095,
                            4096, 4097, 65535, 65536, 1 << 20, 16 << 20}) {
    model["incompressible/" + std::to_string(size)] = RandomBytes(&rng, size);
    model["compressible/" + std::to_string(size)] = std::string(size, 'x');
  }
  for (const auto& [key, value] : model) {
    ASSERT_NO_FATAL_FAILURE(Put(key, value));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  EXPECT_TRUE(db()->VerifyChecksum().ok());
}

TEST_P(FstTableTest, EmptyLongAndBinaryKeysComeBackInOrder) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  Model model;
  std::mt19937_64 rng(TestSeed());
  model[""] = "of the empty key";
  const std::string mib = RandomBytes(&rng, 1 << 20);
  model[mib] = "1 MiB";
  model[mib + "a"] = "1 MiB and a byte";
  model[mib.substr(0, mib.size() - 1)] = "a byte less";
  model[std::string(1 << 20, '\0')] = "zeros";
  model[std::string(1 << 20, '\xff')] = "ones";
  for (int i = 0; i < 256; ++i) {
    const std::string byte(1, static_cast<char>(i));
    model[byte] = "one byte";
    model[byte + byte] = "two bytes";
    model[std::string("\0", 1) + byte] = "after a zero";
    model["a" + byte + std::string("\0", 1)] = "before a zero";
  }
  for (int i = 0; i < 2000; ++i) {
    model[RandomBytes(&rng, rng() % 20)] = std::to_string(i);
  }
  for (const auto& [key, value] : model) {
    ASSERT_NO_FATAL_FAILURE(Put(key, value));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), model));
}

TEST_P(FstTableTest, SnapshotsSeeTheirTimeAcrossCompactions) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  MixedWriter writer(TestSeed(), 300);
  Model model;
  std::vector<std::pair<const rocksdb::Snapshot*, Model>> snapshots;
  for (int i = 0; i < 12; ++i) {
    ASSERT_NO_FATAL_FAILURE(writer.Write(db(), &model, 250));
    snapshots.emplace_back(db()->GetSnapshot(), model);
    if (i % 2 == 1) {
      ASSERT_NO_FATAL_FAILURE(Flush());
    }
    if (i % 4 == 3) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
  }
  for (size_t i = 0; i < snapshots.size(); ++i) {
    SCOPED_TRACE(i);
    ReadOptions ro;
    ro.snapshot = snapshots[i].first;
    ASSERT_NO_FATAL_FAILURE(ExpectEquals(db(), snapshots[i].second, ro));
  }
  // A key with very many versions.
  std::vector<const rocksdb::Snapshot*> versions;
  for (int i = 0; i < 2000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put("counter", std::to_string(i)));
    versions.push_back(db()->GetSnapshot());
  }
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  for (int i = 0; i < 2000; i += 7) {
    ASSERT_EQ(Get("counter", versions[static_cast<size_t>(i)]),
              std::to_string(i));
  }
  for (const auto* snapshot : versions) db()->ReleaseSnapshot(snapshot);
  for (const auto& [snapshot, unused] : snapshots) {
    db()->ReleaseSnapshot(snapshot);
  }
}

TEST_P(FstTableTest, IteratorsRespectTheirBounds) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  for (const char* key : {"a", "b", "ba", "bb", "c", "ca", "d"}) {
    ASSERT_NO_FATAL_FAILURE(Put(key, "1"));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  const Slice b("b");
  const Slice c("c");
  ReadOptions ro;
  ro.iterate_lower_bound = &b;
  ro.iterate_upper_bound = &c;
  EXPECT_EQ(Scan(ro), "b=1 ba=1 bb=1 ");
  EXPECT_EQ(Scan(ro, /*forward=*/false), "bb=1 ba=1 b=1 ");
  ro.pin_data = true;
  EXPECT_EQ(Scan(ro), "b=1 ba=1 bb=1 ");
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  iter->Seek("c");
  EXPECT_FALSE(iter->Valid());
  iter->SeekForPrev("z");
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(iter->key(), "bb");
  iter->Seek("a");
  ASSERT_TRUE(iter->Valid());
  EXPECT_EQ(iter->key(), "b");
}

// Segments below the bound are told from those that it lies in, and a bound
// that a caller changes between two seeks holds for the second one.
TEST_P(FstTableTest, UpperBoundsEndScansOfManySegments) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  const auto key = [](int i) { return "key/" + std::to_string(10000 + i); };
  constexpr int kKeys = 1500;
  for (int i = 0; i < kKeys; ++i) ASSERT_NO_FATAL_FAILURE(Put(key(i), "v"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  std::string bytes = key(0);
  Slice bound(bytes);
  ReadOptions ro;
  ro.iterate_upper_bound = &bound;
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  for (int i = kKeys; i >= 0; i -= 19) {
    bytes = key(i);
    for (const bool seek : {false, true}) {
      int n = 0;
      seek ? iter->Seek(key(0)) : iter->SeekToFirst();
      for (; iter->Valid(); iter->Next()) ++n;
      ASSERT_EQ(n, i) << seek;
    }
  }
}

TEST_P(FstTableTest, PrefixIteratorsSeeTheirPrefix) {
  Options options = TableOptions();
  options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(2));
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int p = 0; p < 20; ++p) {
    for (int i = 0; i < 30; ++i) {
      const std::string key =
          std::to_string(10 + p) + "/" + std::to_string(100 + i);
      ASSERT_NO_FATAL_FAILURE(Put(key, "v"));
    }
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  ReadOptions ro;
  ro.prefix_same_as_start = true;
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  for (int p = 0; p < 20; ++p) {
    int n = 0;
    for (iter->Seek(std::to_string(10 + p)); iter->Valid(); iter->Next()) ++n;
    EXPECT_EQ(n, 30);
  }
  iter->Seek("99");
  EXPECT_FALSE(iter->Valid());
  EXPECT_TRUE(iter->status().ok());
}

TEST_P(FstTableTest, TailingIteratorsFollowWrites) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  ReadOptions ro;
  ro.tailing = true;
  const std::unique_ptr<Iterator> iter(db()->NewIterator(ro));
  for (int i = 0; i < 200; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::to_string(i)));
    if (i % 20 == 10) {
      ASSERT_NO_FATAL_FAILURE(Flush());
    }
    if (i % 60 == 50) {
      ASSERT_NO_FATAL_FAILURE(CompactAll());
    }
    iter->Seek(NumberKey(i));
    ASSERT_TRUE(iter->Valid()) << i << " " << iter->status().ToString();
    ASSERT_EQ(iter->value(), std::to_string(i));
    iter->Seek(NumberKey(i / 2));
    ASSERT_TRUE(iter->Valid());
    ASSERT_EQ(iter->value(), std::to_string(i / 2));
  }
}

TEST_P(FstTableTest, MultiGetEqualsGet) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  for (int i = 0; i < 500; i += 2) {
    ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::to_string(i)));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  for (const bool async : {false, true}) {
    std::vector<std::string> names;
    for (int i = 0; i < 500; i += 3) names.push_back(NumberKey(i));
    const std::vector<Slice> keys(names.begin(), names.end());
    std::vector<PinnableSlice> values(keys.size());
    std::vector<Status> statuses(keys.size());
    ReadOptions ro;
    ro.async_io = async;
    db()->MultiGet(ro, db()->DefaultColumnFamily(), keys.size(), keys.data(),
                   values.data(), statuses.data());
    for (size_t k = 0; k < keys.size(); ++k) {
      const std::string expected = Get(names[k]);
      EXPECT_EQ(statuses[k].ok() ? values[k].ToString() : "NOT_FOUND",
                expected);
    }
  }
}

TEST_P(FstTableTest, PinnedValuesOutliveTheirFiles) {
  ASSERT_NO_FATAL_FAILURE(OpenTable());
  const std::string large(3000, 'L');
  ASSERT_NO_FATAL_FAILURE(Put("large", large));
  ASSERT_NO_FATAL_FAILURE(Put("small", "s"));
  ASSERT_NO_FATAL_FAILURE(Flush());
  PinnableSlice value;
  PinnableSlice tiny;
  auto* const cf = db()->DefaultColumnFamily();
  ASSERT_TRUE(db()->Get(ReadOptions(), cf, "large", &value).ok());
  ASSERT_TRUE(db()->Get(ReadOptions(), cf, "small", &tiny).ok());
  ASSERT_NO_FATAL_FAILURE(Delete("large"));
  ASSERT_NO_FATAL_FAILURE(Delete("small"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_TRUE(SstFiles().empty());
  EXPECT_EQ(value, large);
  EXPECT_EQ(tiny, "s");
}

}  // namespace
}  // namespace memkv
