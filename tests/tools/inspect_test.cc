// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv inspect, and what all commands have in common.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/tools/tool_fixture.h"
#include "tests/util/token_keys.h"

namespace memkv {
namespace {

using Json = nlohmann::json;

class InspectTest : public ToolTest {
 protected:
  static Json Inspect(const std::string& file) {
    const ToolResult result = RunTool({"inspect", "--json", file});
    EXPECT_EQ(result.status, 0) << result.output;
    return Json::parse(result.output, nullptr, /*allow_exceptions=*/false);
  }

  // The only file of the database.
  std::string OnlyFile() const {
    const std::vector<std::string> files = SstFiles();
    EXPECT_EQ(files.size(), 1u);
    return files.empty() ? "" : files.front();
  }

  static uint64_t Sum(const Json& parts) {
    uint64_t sum = 0;
    for (const Json& bytes : parts) sum += bytes.get<uint64_t>();
    return sum;
  }
};

TEST_F(InspectTest, PartsAreAllOfTheFile) {
  rocksdb::Options options =
      Still(MemkvOptions("filter_policy=bloomfilter:10:false"));
  options.target_file_size_base = 64 << 20;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  // Values that go into blocks, versions of a key, and a range deletion.
  const rocksdb::Snapshot* const snapshot = db()->GetSnapshot();
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 5000, 100));
  const rocksdb::Snapshot* const later = db()->GetSnapshot();
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 100, 50));
  ASSERT_TRUE(db()->DeleteRange(rocksdb::WriteOptions(),
                                db()->DefaultColumnFamily(), "usr/lib",
                                "usr/share/doc/package-1000010")
                  .ok());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  const std::string file = OnlyFile();
  const Json facts = Inspect(file);
  db()->ReleaseSnapshot(snapshot);
  db()->ReleaseSnapshot(later);

  EXPECT_EQ(facts["kind"], "fst");
  EXPECT_EQ(facts["bytes"], std::filesystem::file_size(file));
  EXPECT_EQ(Sum(facts["parts"]), facts["bytes"]);
  for (const char* part : {"keys", "tags", "value_blocks", "index", "filter",
                           "range_deletions", "properties", "metaindex"}) {
    EXPECT_GT(facts["parts"][part], 0) << part;
  }
  EXPECT_EQ(facts["parts"]["footer"], 53);
  // The poison is 39 bytes, the stub index has one entry; and two trailers.
  EXPECT_GT(facts["parts"]["poison_and_stub_index"], 39 + 10);
  EXPECT_LT(facts["parts"]["poison_and_stub_index"], 39 + 10 + 150);
  EXPECT_EQ(facts["keys"], 5000);
  // The range deletion is newer than every snapshot.
  EXPECT_EQ(facts["entries"], 5100 - 10);
  EXPECT_EQ(facts["range_deletions"], 1);
  EXPECT_EQ(facts["format_version"], 1);
  EXPECT_EQ(facts["feature_bits"].get<int>() & 2, 2);
  EXPECT_EQ(facts["compression"], "LZ4");
  // All keys end alike: with fixed bytes, tokens do not pay.
  EXPECT_EQ(facts["tokens"], 0);
  EXPECT_EQ(facts["parts"].value("tokens", 0), 0);
  EXPECT_EQ(facts["feature_bits"].get<int>() & 8, 8);
  EXPECT_GT(facts["value_blocks"], 100);
  EXPECT_GT(facts["segment_bytes_uncompressed"], 0);
  EXPECT_EQ(facts["key_length"]["count"], 5000);
  const auto length =
      std::string("usr/share/doc/package-1000000/copyright").size();
  EXPECT_EQ(facts["key_length"]["min"], length);
  EXPECT_EQ(facts["key_length"]["max"], length);
  EXPECT_EQ(facts["segment_size"]["count"], facts["segments"]);
}

TEST_F(InspectTest, TokensAreCounted) {
  rocksdb::Options options = Still(MemkvOptions());
  options.target_file_size_base = 64 << 20;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 1000; i < 5000; ++i) {
    ASSERT_TRUE(db()->Put(rocksdb::WriteOptions(), TokenKey(i), "v").ok());
  }
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  const Json facts = Inspect(OnlyFile());
  EXPECT_GT(facts["tokens"], 256);
  EXPECT_GT(facts["parts"]["tokens"], 0);
  EXPECT_EQ(Sum(facts["parts"]), facts["bytes"]);
}

TEST_F(InspectTest, SmallSegmentsAndInlineValuesAreCounted) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions("segment_size=1K"))));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 3000, 1));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const Json facts = Inspect(OnlyFile());
  EXPECT_GT(facts["segments"], 50);
  EXPECT_EQ(facts["value_blocks"], 0);
  EXPECT_GT(facts["parts"]["inline_values"], 0);
  // A flush trains no tokens.
  EXPECT_EQ(facts["tokens"], 0);
  EXPECT_EQ(Sum(facts["parts"]), facts["bytes"]);
}

TEST_F(InspectTest, TextSaysTheSame) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const ToolResult result = RunTool({"inspect", OnlyFile()});
  EXPECT_EQ(result.status, 0) << result.output;
  for (const char* line :
       {"keys                         1000\n", "format version", "of all",
        "value blocks", "key length, bytes", "segment size, bytes as stored",
        "Percentiles"}) {
    EXPECT_TRUE(result.Says(line)) << line << " in " << result.output;
  }
}

TEST_F(InspectTest, MirroredFileIsRead) {
  ASSERT_NO_FATAL_FAILURE(Open(Reversed(Still(MemkvOptions()))));
  ASSERT_NO_FATAL_FAILURE(Put(std::string("\0\xff\n", 3), "binary"));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 100));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const Json facts = Inspect(OnlyFile());
  EXPECT_EQ(facts["mirrored"], true);
  EXPECT_EQ(facts["comparator"], "rocksdb.ReverseBytewiseComparator");
  EXPECT_EQ(facts["key_length"]["count"], 101);
  EXPECT_EQ(facts["key_length"]["min"], 3);
}

TEST_F(InspectTest, BlockBasedFileShowsItsProperties) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(StockOptions())));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const std::string file = OnlyFile();
  EXPECT_TOOL(0, "a block-based file, none of memkv's", "inspect", file);
  EXPECT_TOOL(0, "# entries: 1000", "inspect", file);
  const Json facts = Inspect(file);
  EXPECT_EQ(facts["kind"], "block_based");
  EXPECT_EQ(facts["properties"]["num_entries"], "1000");
}

TEST_F(InspectTest, DamageIsNamedByFileAndOffset) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions("segment_size=1K"))));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 3000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  const std::string whole = ReadFile(OnlyFile());
  const std::string damaged = folder() + "/damaged.sst";
  std::string bytes = whole;
  bytes[40] = static_cast<char>(bytes[40] ^ 0x10);
  WriteFile(damaged, bytes);
  EXPECT_TOOL(1, "offset", "inspect", damaged);
  EXPECT_TOOL(1, "damaged.sst", "inspect", damaged);
  // Cut anywhere, it is refused with a sentence.
  for (size_t size = 0; size < whole.size(); size += 1 + whole.size() / 40) {
    WriteFile(damaged, whole.substr(0, size));
    EXPECT_TOOL(1, "memkv: ", "inspect", damaged);
  }
  WriteFile(damaged, std::string(10000, 'x'));
  EXPECT_TOOL(1, "memkv: ", "inspect", damaged);
}

TEST_F(InspectTest, WrongCommandLinesAreRefused) {
  EXPECT_TOOL(2, "a command is missing", );
  EXPECT_TOOL(2, "there is no command 'dump'", "dump", "x.sst");
  EXPECT_TOOL(2, "expected one FILE.sst, got 0", "inspect");
  EXPECT_TOOL(2, "expected one FILE.sst, got 2", "inspect", "a.sst", "b.sst");
  EXPECT_TOOL(2, "--yaml: no such option", "inspect", "--yaml", "a.sst");
  EXPECT_TOOL(2, "an argument is missing", "count", "db", "--from");
  EXPECT_TOOL(2, "there is no command 'dump'", "help", "dump");
  EXPECT_TOOL(1, "nowhere.sst", "inspect", "nowhere.sst");
  EXPECT_TOOL(1, "memkv: ", "inspect", folder());
}

TEST_F(InspectTest, HelpAndVersionAreThere) {
  EXPECT_TOOL(0, "Exit status: 0", "help");
  EXPECT_TOOL(0, "usage: memkv inspect FILE.sst", "help", "inspect");
  EXPECT_TOOL(0, "usage: memkv count DIR", "count", "--help");
  EXPECT_TOOL(0, "RocksDB " + rocksdb::GetRocksVersionAsString(), "--version");
  EXPECT_TOOL(0, "memkv 0.", "--version");
}

TEST_F(InspectTest, AReportThatCannotBeWrittenIsSaid) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 100));
  ASSERT_NO_FATAL_FAILURE(Flush());
  // More than a buffer holds, and less.
  for (const std::string& command :
       {"inspect --json " + ShellQuoted(SstFiles().at(0)),
        "verify " + ShellQuoted(path())}) {
    const std::string text =
        ShellQuoted(MEMKV_TOOL) + " " + command + " 2>&1 >/dev/full";
    const ToolResult result = RunShell(text);
    EXPECT_EQ(1, result.status) << result.output;
    EXPECT_TRUE(result.Says("standard output: No space left on device"))
        << result.output;
  }
}

}  // namespace
}  // namespace memkv
