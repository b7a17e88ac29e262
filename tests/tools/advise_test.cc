// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv advise measures a sample, says what it means, and changes nothing.

#include <filesystem>
#include <map>

#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"
#include "tests/tools/tool_fixture.h"

namespace memkv {
namespace {

class AdviseTest : public ToolTest {
 protected:
  // All files and what is in them.
  std::map<std::string, std::string> Everything() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      files[entry.path()] = ReadFile(entry.path());
    }
    return files;
  }

  // Advises with a TMPDIR of its own, which must be empty afterwards.
  ToolResult Advise(const std::vector<std::string>& more = {}) {
    const std::string temporary = folder() + "/tmp";
    std::filesystem::create_directory(temporary);
    EXPECT_EQ(setenv("TMPDIR", temporary.c_str(), 1), 0);
    std::vector<std::string> arguments = {"advise", path()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ToolResult result = RunTool(arguments);
    EXPECT_EQ(unsetenv("TMPDIR"), 0);
    EXPECT_TRUE(std::filesystem::is_empty(temporary));
    return result;
  }

  static void ExpectTable(const ToolResult& result) {
    EXPECT_EQ(result.status, 0) << result.output;
    for (const char* line :
         {"files, bytes a key ", "memory with everything read, bytes a key ",
          "look-up of a key that is there ", "look-up of a key that is not ",
          "step of an iterator ", "\nRecommendation: "}) {
      EXPECT_TRUE(result.Says(line)) << line << " in " << result.output;
    }
  }
};

TEST_F(AdviseTest, KeysThatShareMuchAreRecommended) {
  rocksdb::Options options = Still(StockOptions());
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  ASSERT_NO_FATAL_FAILURE(OpenFamilies(options, {"other"}));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 30000, 8, handles_[1]));
  // What the log has is in the sample, too.
  CloseFamilies();
  const auto before = Everything();
  const ToolResult result = Advise({"--column_family=other", "--sample=20000"});
  ASSERT_NO_FATAL_FAILURE(ExpectTable(result));
  EXPECT_TRUE(result.Says("column family other: 20000 of 30000 records"))
      << result.output;
  // Speed is the machine's business, sizes are not.
  EXPECT_FALSE(result.Says("Recommendation: no")) << result.output;
  EXPECT_TRUE(result.Says("times smaller")) << result.output;
  EXPECT_FALSE(result.Says("values dominate")) << result.output;
  EXPECT_TRUE(Everything() == before);
}

TEST_F(AdviseTest, ReasonsAgainstAreSaid) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions("segment_size=2K"))));
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 3000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put(RandomBytes(&rng, 16), RandomBytes(&rng, 400)));
  }
  ASSERT_NO_FATAL_FAILURE(Flush());
  const ToolResult result = Advise({"--sample=0"});
  ASSERT_NO_FATAL_FAILURE(ExpectTable(result));
  EXPECT_TRUE(result.Says("3000 of 3000 records")) << result.output;
  EXPECT_TRUE(result.Says("Recommendation: no")) << result.output;
  EXPECT_TRUE(result.Says("keys share little")) << result.output;
  EXPECT_TRUE(result.Says("values dominate")) << result.output;
  EXPECT_TRUE(result.Says("the sample is small, 3000 records"))
      << result.output;
}

TEST_F(AdviseTest, ReversedDatabaseIsMeasured) {
  ASSERT_NO_FATAL_FAILURE(Open(Reversed(Still(StockOptions()))));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 3000));
  ASSERT_NO_FATAL_FAILURE(ExpectTable(Advise()));
}

TEST_F(AdviseTest, WhatCannotBeMeasuredIsSaid) {
  EXPECT_TOOL(1, "CURRENT", "advise", folder() + "/nowhere");
  EXPECT_TOOL(2, "--sample=many: expected a number", "advise", path(),
              "--sample=many");
  ASSERT_NO_FATAL_FAILURE(Open(Still(StockOptions())));
  EXPECT_TOOL(1, "0 of 0 records", "advise", path());
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1));
  EXPECT_TOOL(1, "two keys are the least", "advise", path());
  EXPECT_TOOL(1, "has no column family nothing", "advise", path(),
              "--column_family=nothing");

  const ForeignComparator foreign;
  rocksdb::Options options = Still(StockOptions());
  options.comparator = &foreign;
  Destroy();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_TOOL(1, "a comparator of the application's is not known here",
              "advise", path());
  options.comparator = rocksdb::BytewiseComparatorWithU64Ts();
  Destroy();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_TOOL(0, "Recommendation: no: FST files cannot serve comparator ",
              "advise", path());
}

}  // namespace
}  // namespace memkv
