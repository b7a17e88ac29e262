// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv count says how many keys there are, and whether it knows exactly.

#include "tests/tools/tool_fixture.h"

namespace memkv {
namespace {

class CountTest : public ToolTest {
 protected:
  const std::string p_ = "usr/share/doc/package-";
};

TEST_F(CountTest, CompactedDatabaseIsCountedExactly) {
  ASSERT_NO_FATAL_FAILURE(OpenFamilies(Still(MemkvOptions()), {"other"}));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 2500));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 10, 8, handles_[1]));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_TOOL(0, "exactly 2500 keys\n", "count", path());
  EXPECT_TOOL(0, "exactly 1000 keys\n", "count", path(),
              "--prefix=" + p_ + "1001");
  EXPECT_TOOL(0, "exactly 10 keys\n", "count", path(), "--from", p_ + "1000100",
              "--to", p_ + "1000110");
  EXPECT_TOOL(0, "exactly 2490 keys\n", "count", path(),
              "--from=" + p_ + "1000010");
  EXPECT_TOOL(0, "exactly 10 keys\n", "count", path(),
              "--to=" + p_ + "1000010");
  EXPECT_TOOL(0, "exactly 0 keys\n", "count", path(), "--prefix=usr/lib");
  // What the log has is counted, too.
  EXPECT_TOOL(0, "exactly 10 keys\n", "count", path(), "--column_family=other");
}

TEST_F(CountTest, BinaryKeysAreGivenInHexadecimal) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  for (const std::string& key :
       {std::string(), std::string(1, '\0'), std::string("\0\n", 2),
        std::string("\xfe\xff"), std::string("\xff"),
        std::string("\xff\xff")}) {
    ASSERT_NO_FATAL_FAILURE(Put(key, "v"));
  }
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_TOOL(0, "exactly 2 keys", "count", path(), "--hex", "--prefix=00");
  EXPECT_TOOL(0, "exactly 2 keys", "count", path(), "--hex", "--prefix=0xff");
  EXPECT_TOOL(0, "exactly 6 keys", "count", path(), "--hex", "--prefix=");
  EXPECT_TOOL(0, "exactly 2 keys", "count", path(), "--hex", "--from=00",
              "--to=fe");
  EXPECT_TOOL(2, "hexadecimal digits", "count", path(), "--hex", "--from=0");
  EXPECT_TOOL(2, "hexadecimal digits", "count", path(), "--hex", "--to=xy");
}

TEST_F(CountTest, OverwrittenKeysAndBlockBasedFilesMakeLimits) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(StockOptions())));
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 1000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_TOOL(0, "between 0 and 1000 keys\n", "count", path());
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  ASSERT_NO_FATAL_FAILURE(PutKeys(500, 1000));
  ASSERT_NO_FATAL_FAILURE(Flush());
  EXPECT_TOOL(0, "between 1000 and 2000 keys\n", "count", path());
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_TOOL(0, "exactly 1500 keys\n", "count", path());
}

TEST_F(CountTest, PrefixOfAReversedOrderIsCounted) {
  ASSERT_NO_FATAL_FAILURE(Open(Reversed(Still(MemkvOptions()))));
  for (const char* key : {"a", "aa", "ab", "b", "ba", "c"}) {
    ASSERT_NO_FATAL_FAILURE(Put(key, "v"));
  }
  ASSERT_NO_FATAL_FAILURE(Put("\xff\xff", "v"));
  ASSERT_NO_FATAL_FAILURE(CompactAll());
  EXPECT_TOOL(0, "exactly 3 keys", "count", path(), "--prefix=a");
  EXPECT_TOOL(0, "exactly 2 keys", "count", path(), "--prefix=b");
  EXPECT_TOOL(0, "exactly 1 key\n", "count", path(), "--prefix=\xff");
  EXPECT_TOOL(0, "exactly 0 keys", "count", path(), "--prefix=d");
  EXPECT_TOOL(0, "exactly 7 keys", "count", path());
  // The range ascends as the comparator does.
  EXPECT_TOOL(0, "exactly 2 keys", "count", path(), "--from=ba", "--to=ab");
}

TEST_F(CountTest, DatabaseThatIsOpenElsewhereIsCounted) {
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  EXPECT_TOOL(0, "exactly 0 keys\n", "count", path());
  ASSERT_NO_FATAL_FAILURE(PutKeys(0, 7));
  EXPECT_TOOL(0, "exactly 7 keys\n", "count", path());
}

TEST_F(CountTest, WhatCannotBeCountedIsSaid) {
  EXPECT_TOOL(1, "CURRENT", "count", folder() + "/nowhere");
  ASSERT_NO_FATAL_FAILURE(Open(Still(MemkvOptions())));
  EXPECT_TOOL(1, "has no column family nothing: it has default", "count",
              path(), "--column_family=nothing");
  EXPECT_TOOL(2, "without --from and --to", "count", path(), "--prefix=a",
              "--to=b");
  const ForeignComparator foreign;
  rocksdb::Options options = StockOptions();
  options.comparator = &foreign;
  Destroy();
  ASSERT_NO_FATAL_FAILURE(Open(options));
  EXPECT_TOOL(1, "a comparator of the application's is not known here", "count",
              path());
}

}  // namespace
}  // namespace memkv
