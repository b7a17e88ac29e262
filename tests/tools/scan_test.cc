// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv scan and memkv search print what is in a range, and what matches.

#include <fstream>

#include "tests/tools/tool_fixture.h"

namespace memkv {
namespace {

class ScanTest : public ToolTest {
 protected:
  // Expects exactly these lines.
  void ExpectLines(const std::string& lines,
                   const std::vector<std::string>& arguments) {
    const ToolResult result = RunTool(arguments);
    EXPECT_EQ(0, result.status) << result.output;
    EXPECT_EQ(lines, result.output);
  }
  void PutPaths() {
    for (const char* key : {"bin/cat", "bin/cut", "lib/a.so", "lib/b.so",
                            "lib/x/c.so", "sbin/x"}) {
      ASSERT_NO_FATAL_FAILURE(Put(key, std::string("of ") + key));
    }
  }
};

TEST_F(ScanTest, RangesArePrintedInEitherDirection) {
  ASSERT_NO_FATAL_FAILURE(OpenFamilies(Still(MemkvOptions()), {"other"}));
  ASSERT_NO_FATAL_FAILURE(PutPaths());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(Put("lib/b.so", "new"));  // in the log alone
  ExpectLines("lib/a.so ==> of lib/a.so\nlib/b.so ==> new\n",
              {"scan", path(), "--from=lib", "--to", "lib/x"});
  ExpectLines("lib/x/c.so\nlib/b.so\nlib/a.so\n",
              {"scan", path(), "--prefix=lib/", "--reverse", "--keys_only"});
  ExpectLines("bin/cat\nbin/cut\n",
              {"scan", path(), "--limit=2", "--keys_only"});
  ExpectLines("sbin/x\n",
              {"scan", path(), "--limit=1", "--keys_only", "--reverse"});
  ExpectLines("", {"scan", path(), "--limit=0"});
  ExpectLines("", {"scan", path(), "--prefix=zz"});
  ExpectLines("", {"scan", path(), "--column_family=other"});
  EXPECT_TOOL(2, "without --from and --to", "scan", path(), "--prefix=a",
              "--from=b");
  EXPECT_TOOL(2, "expected a number", "scan", path(), "--limit=x");
  EXPECT_TOOL(1, "has no column family", "scan", path(), "--column_family=no");
  EXPECT_TOOL(1, "CURRENT", "scan", folder() + "/nowhere");
}

TEST_F(ScanTest, PrefixesAtTheEdgesArePrintedInEitherOrder) {
  for (const bool reversed : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(Destroy());
    const rocksdb::Options options = Still(MemkvOptions());
    ASSERT_NO_FATAL_FAILURE(Open(reversed ? Reversed(options) : options));
    for (const char* key : {"a", "a\xff", "ab", "b", "\xff", "\xff\xff"}) {
      ASSERT_NO_FATAL_FAILURE(Put(key, ""));
    }
    const std::string up = "0x61\n0x6162\n0x61FF\n";
    const std::string down = "0x61FF\n0x6162\n0x61\n";
    for (const bool backwards : {false, true}) {
      std::vector<std::string> line = {"scan", path(), "--hex", "--keys_only"};
      if (backwards) line.emplace_back("--reverse");
      line.emplace_back("--prefix=61");
      ExpectLines(reversed == backwards ? up : down, line);
      line.back() = "--prefix=0xff";
      ExpectLines(reversed == backwards ? "0xFF\n0xFFFF\n" : "0xFFFF\n0xFF\n",
                  line);
      line = {"search", path(), "--hex", "--keys_only", "--glob=a*"};
      if (backwards) line.emplace_back("--reverse");
      ExpectLines(reversed == backwards ? up : down, line);
    }
  }
}

TEST_F(ScanTest, KeysThatMatchAreFound) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  ASSERT_NO_FATAL_FAILURE(PutPaths());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  const auto found = [&](const std::string& keys, const std::string& pattern) {
    ExpectLines(keys, {"search", path(), pattern, "--keys_only"});
  };
  found("lib/a.so\nlib/b.so\nlib/x/c.so\n", "--regex=lib/.*\\.so");
  found("lib/a.so\nlib/b.so\n", "--glob=lib/*.so");
  found("lib/a.so\nlib/b.so\nlib/x/c.so\n", "--glob=**.so");
  found("bin/cat\nbin/cut\n", "--edit_distance=1:bin/cit");
  found("sbin/x\n", "--edit_distance=2:bin/x.");
  std::ofstream(folder() + "/prefixes") << "bin/cu\n\nsbin\nnone";
  found("bin/cut\nsbin/x\n", "--prefixes=" + folder() + "/prefixes");
  std::ofstream(folder() + "/prefixes.hex") << "0x62696e\n";
  ExpectLines("0x62696E2F637574 ==> 0x6F662062696E2F637574\n",
              {"search", path(), "--hex", "--limit=1", "--reverse",
               "--prefixes=" + folder() + "/prefixes.hex"});
  // A line's end is a byte like others there.
  ASSERT_NO_FATAL_FAILURE(Put("a\nb", ""));
  ASSERT_NO_FATAL_FAILURE(Put("a", ""));
  std::ofstream(folder() + "/prefixes.hex") << "610a\n";
  ExpectLines("0x610A62\n", {"search", path(), "--hex", "--keys_only",
                             "--prefixes=" + folder() + "/prefixes.hex"});
  ExpectLines("bin/cut ==> of bin/cut\n",
              {"search", path(), "--regex=.*/c.t", "--from=bin/cb"});
}

TEST_F(ScanTest, AWrongPatternIsSaid) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  EXPECT_TOOL(2, "byte 1: ( without )", "search", path(), "--regex=a(b");
  EXPECT_TOOL(2, "[ without ]", "search", path(), "--glob=[");
  EXPECT_TOOL(2, "a number, a colon and a word", "search", path(),
              "--edit_distance=word");
  EXPECT_TOOL(2, "expected one of --regex", "search", path());
  EXPECT_TOOL(2, "expected one of --regex", "search", path(), "--regex=a",
              "--glob=a");
  EXPECT_TOOL(2, "hexadecimal digits", "search", path(), "--hex",
              "--edit_distance=1:x");
  EXPECT_TOOL(1, "nowhere", "search", path(), "--prefixes=/nowhere");
}

TEST_F(ScanTest, ARunningDatabaseIsReadAsASecondaryInstance) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  ASSERT_NO_FATAL_FAILURE(PutPaths());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  ASSERT_NO_FATAL_FAILURE(Put("lib/later.so", "1"));
  const std::string secondary = "--secondary=" + folder() + "/secondary";
  ExpectLines("lib/a.so\nlib/b.so\nlib/later.so\nlib/x/c.so\n",
              {"scan", path(), "--keys_only", "--prefix=lib", secondary});
  ExpectLines("lib/later.so ==> 1\n",
              {"search", path(), "--glob=*/l*", secondary});
  EXPECT_TOOL(0, "keys\n", "count", path(), secondary);
  std::ifstream log(folder() + "/secondary/LOG");
  EXPECT_TRUE(log.good());
  ASSERT_NO_FATAL_FAILURE(Put("lib/still.so", "written"));
}

}  // namespace
}  // namespace memkv
