// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What docs/migrating.md says, beside what tests of the database show.

#include "compat/block_cache.h"
#include "compat/open.h"
#include "rocksdb/convenience.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"
#include "tests/tools/tool_fixture.h"

namespace memkv {
namespace {

class MigratingTest : public ToolTest {
 protected:
  static rocksdb::CompactRangeOptions Force() {
    rocksdb::CompactRangeOptions force;
    force.bottommost_level_compaction =
        rocksdb::BottommostLevelCompaction::kForce;
    return force;
  }

  FileKinds KindsOf(rocksdb::ColumnFamilyHandle* family) const {
    rocksdb::ColumnFamilyMetaData metadata;
    db()->GetColumnFamilyMetaData(family, &metadata);
    FileKinds kinds;
    for (const rocksdb::LevelMetaData& level : metadata.levels) {
      for (const rocksdb::SstFileMetaData& file : level.files) {
        const bool fst =
            IsFstFile(file.directory + "/" + file.relative_filename);
        ++(fst ? kinds.fst : kinds.block_based);
      }
    }
    return kinds;
  }

  void Checkpoint(const std::string& where) {
    rocksdb::Checkpoint* checkpoint = nullptr;
    ASSERT_TRUE(rocksdb::Checkpoint::Create(db(), &checkpoint).ok());
    const std::unique_ptr<rocksdb::Checkpoint> owner(checkpoint);
    ASSERT_TRUE(checkpoint->CreateCheckpoint(where).ok());
  }
};

TEST_F(MigratingTest, LiveChangeIsForOneColumnFamilyAndGoesBack) {
  ASSERT_NO_FATAL_FAILURE(OpenFamilies(Still(StockOptions()), {"other"}));
  for (rocksdb::ColumnFamilyHandle* family : handles_) {
    ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000, 8, family));
  }
  ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), handles_).ok());

  rocksdb::ColumnFamilyHandle* const other = handles_[1];
  rocksdb::Status s = db()->SetOptions(
      other, {{"table_factory",
               "{id=fst;filter_policy=bloomfilter:10;block_cache=1M}"}});
  ASSERT_TRUE(s.ok()) << s.ToString();
  // All of the factory is replaced: what is not given is by default.
  const auto* const table =
      db()->GetOptions(other)
          .table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  ASSERT_NE(table, nullptr);
  EXPECT_NE(table->filter_policy, nullptr);
  EXPECT_EQ(table->block_cache->GetCapacity(), size_t{1} << 20);

  for (rocksdb::ColumnFamilyHandle* family : handles_) {
    ASSERT_NO_FATAL_FAILURE(PutKeys(500, 1000, 8, family));
  }
  ASSERT_TRUE(db()->Flush(rocksdb::FlushOptions(), handles_).ok());
  EXPECT_EQ(KindsOf(other).fst, 1u);
  EXPECT_EQ(KindsOf(other).block_based, 1u);
  EXPECT_EQ(KindsOf(handles_[0]).fst, 0u);
  ASSERT_TRUE(db()->CompactRange(Force(), other, nullptr, nullptr).ok());
  EXPECT_EQ(KindsOf(other).block_based, 0u);
  EXPECT_TOOL(0, "exactly 1500 keys", "count", path(), "--column_family=other");

  // RocksDB has written it to the OPTIONS file.
  ASSERT_NO_FATAL_FAILURE(OpenByOptionsFile());
  EXPECT_EQ(db()->GetOptions(handles_[1]).table_factory->Name(),
            std::string("FstTable"));
  s = db()->SetOptions(handles_[1],
                       {{"table_factory.write_format", "block_based"}});
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_TRUE(db()->CompactRange(Force(), handles_[1], nullptr, nullptr).ok());
  EXPECT_EQ(KindsOf(handles_[1]).fst, 0u);
  ASSERT_NO_FATAL_FAILURE(OpenFamilies(Still(StockOptions()), {"other"}));
  EXPECT_TRUE(db()->VerifyChecksum().ok());
}

TEST_F(MigratingTest, CheckpointsOfEitherFormatAreDatabases) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(StockOptions())));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  const std::string before = folder() + "/before";
  const std::string after = folder() + "/after";
  ASSERT_NO_FATAL_FAILURE(Checkpoint(before));
  Close();
  EXPECT_TOOL(0, "done", "migrate", path(), "--to=fst");
  ASSERT_NO_FATAL_FAILURE(OpenByOptionsFile());
  ASSERT_NO_FATAL_FAILURE(Checkpoint(after));
  CloseFamilies();
  EXPECT_TOOL(0, "block_based, 1000 entries", "verify", before);
  EXPECT_TOOL(0, "fst, 1000 entries", "verify", after);
  EXPECT_TOOL(0, "done", "migrate", after, "--to=block_based");
  for (const std::string& checkpoint : {before, after}) {
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(Still(StockOptions()), checkpoint,
                                  compat::Into(&opened))
                    .ok());
    db_.reset(opened);
    EXPECT_EQ(Get("usr/share/doc/package-1000999/copyright").substr(0, 7),
              "1000999");
    EXPECT_EQ(Kinds().fst, 0u);
  }
}

TEST_F(MigratingTest, MemtableFactoryIsLeftAsItIs) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const std::string memtable = db()->GetOptions().memtable_factory->Name();
  Close();
  EXPECT_TOOL(0, "done", "migrate", path(), "--to=block_based");
  ASSERT_NO_FATAL_FAILURE(OpenByOptionsFile());
  EXPECT_EQ(db()->GetOptions().memtable_factory->Name(), memtable);
  EXPECT_EQ(db()->GetOptions().table_factory->Name(),
            std::string("BlockBasedTable"));
}

}  // namespace
}  // namespace memkv
