// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FST files that come from outside of the database: ingestion, export and
// import, and what is refused there.

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "compat/sst_file_reader.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/metadata.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/unique_id.h"
#include "rocksdb/utilities/checkpoint.h"
#include "tests/db/fst_files_fixture.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {
namespace {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Status;

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
  if (!compat::kIngestionReadsRecords) {
    GTEST_SKIP() << "this RocksDB ingests what it then cannot read";
  }
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

}  // namespace
}  // namespace memkv
