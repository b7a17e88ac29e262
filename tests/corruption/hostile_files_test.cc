// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Files that somebody has changed on purpose: every field that FORMAT.md names,
// in every shape of file, damaged in every way that fits it, with the checksums
// made right behind it.  Whatever is asked of such a file, nothing outside its
// bytes is read, nothing takes longer or more memory than a file of its size
// may (HostileLimits), and every answer is a status or some answer.  Where the
// checksums were not made right, it is an error or the right answer.
//
// The same without an end: make fuzz_files.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/corruption/allocation_watch.h"
#include "tests/corruption/hostile_database.h"
#include "tests/corruption/hostile_edits.h"
#include "tests/corruption/hostile_shapes.h"
#include "tests/corruption/hostile_table.h"
#include "tests/util/test_seed.h"

namespace memkv {
namespace {

using rocksdb::ReadOptions;

#if defined(__SANITIZE_ADDRESS__)
// Which takes ten times as long.
constexpr size_t kTableStep = 4;
constexpr size_t kDatabaseStep = 50;
#else
constexpr size_t kTableStep = 1;
constexpr size_t kDatabaseStep = 12;
#endif

class HostileFilesTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string reason;
    shape_ = MakeHostileShape(GetParam(), &reason);
    ASSERT_NE(shape_, nullptr) << reason;
    edits_ = std::make_unique<HostileEdits>(shape_->fields);
  }

  // Calls run(input, n) for every `step`-th of all damages of all fields.
  // Every third is not repaired, and another third agrees with itself; every
  // fifth has a second damage.
  template <class Run>
  void ForEachInput(size_t step, size_t file_size, const Run& run) {
    std::mt19937_64 rng(TestSeed());
    size_t n = rng() % step;
    for (const Spot& spot : edits_->spots()) {
      for (const Damage damage : spot.damages) {
        if (++n % step != 0) continue;
        const size_t way = n / step;
        std::vector<FileEdit> edits = {edits_->Make(spot, damage, &rng)};
        if (way % 5 == 4) edits.push_back(edits_->Any(&rng));
        HostileInput input;
        if (MakeHostileInput(shape_->fields, edits, way % 3 != 2, way % 3 == 1,
                             file_size, &input)) {
          ASSERT_NO_FATAL_FAILURE(run(input, way));
        }
      }
    }
  }

  std::unique_ptr<HostileShape> shape_;
  std::unique_ptr<HostileEdits> edits_;
};

TEST_P(HostileFilesTest, TablesAreSafeAndHonest) {
  HostileAnswers truth;
  AskHostileTable(*shape_, /*cached=*/false, shape_->bytes, ReadOptions(),
                  &truth);
  ASSERT_EQ(truth.broken, "");
  size_t inputs = 0;
  size_t opened = 0;
  size_t unrepaired = 0;
  ForEachInput(kTableStep, 0, [&](const HostileInput& input, size_t n) {
    ReadOptions read_options;
    // What is not repaired is for the checksums to find.
    read_options.verify_checksums = !input.repaired || n % 4 != 0;
    HostileAnswers answers;
    AskHostileTable(*shape_, n % 2 == 0, input.bytes, read_options, &answers);
    ASSERT_EQ(answers.broken, "") << input.what;
    if (!input.repaired) {
      ASSERT_EQ(FirstLie(answers, truth), "") << input.what;
      ++unrepaired;
    }
    ++inputs;
    opened += answers.answers.size() > 1;
  });
  // The damage was read, not only refused.
  EXPECT_GT(opened, inputs / 5);
  EXPECT_GT(unrepaired, inputs / 5);
  std::printf("%s: %zu bytes, %zu inputs, %zu of them open\n",
              shape_->name.c_str(), shape_->bytes.size(), inputs, opened);
}

TEST_P(HostileFilesTest, DatabasesAreSafeAndHonest) {
  HostileDatabase database(*shape_);
  std::string reason;
  ASSERT_TRUE(database.Prepare(&reason)) << reason;
  HostileAnswers truth;
  database.Ask(database.bytes(), HostileDatabase::Use(), &truth);
  ASSERT_EQ(truth.broken, "");
  size_t inputs = 0;
  size_t opened = 0;
  ForEachInput(kDatabaseStep, database.file_size(),
               [&](const HostileInput& input, size_t n) {
                 HostileDatabase::Use use;
                 use.residency = static_cast<FstTableOptions::Residency>(n % 3);
                 use.mapped = n % 4 == 1;
                 use.few_open_files = n % 5 == 0;
                 use.verify_checksums = !input.repaired || n % 7 != 0;
                 HostileAnswers answers;
                 database.Ask(input.bytes, use, &answers);
                 ASSERT_EQ(answers.broken, "") << input.what;
                 if (!input.repaired) {
                   ASSERT_EQ(FirstLie(answers, truth), "") << input.what;
                 }
                 ++inputs;
                 opened += answers.answers.size() > 1;
               });
  // Of a few inputs, with sanitizers, one will do.
  EXPECT_GE(opened, std::max<size_t>(1, inputs / 12));
  std::printf("%s: %zu inputs, %zu of them open\n", shape_->name.c_str(),
              inputs, opened);
}

INSTANTIATE_TEST_SUITE_P(Shapes, HostileFilesTest,
                         ::testing::ValuesIn(HostileShapeNames()),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

// ---- That the above can fail ------------------------------------------------

TEST(HostileFilesSelfTest, TheShapesHaveAllPartsAndFields) {
  std::set<std::string> names;
  std::string reason;
  for (const std::string& name : HostileShapeNames()) {
    const auto shape = MakeHostileShape(name, &reason);
    ASSERT_NE(shape, nullptr) << reason;
    const HostileEdits edits(shape->fields);
    for (const Spot& spot : edits.spots()) {
      names.insert(spot.name);
    }
  }
  for (const char* name :
       {"whole value block",
        "whole segment",
        "whole filter",
        "whole tokens",
        "whole index",
        "whole range deletions",
        "whole poison",
        "whole stub index",
        "whole properties",
        "whole metaindex",
        "whole footer",
        "value run: number of distinct values",
        "value run: ends of values",
        "value run: size of a value",
        "value run: size and order of numbers",
        "value run: numbers",
        "segment: first entries",
        "segment: number of value blocks",
        "trie: symbols",
        "trie: fixed positions",
        "trie: fixed bytes",
        "bucket: lengths",
        "bucket: other codes",
        "separators: offset",
        "separators: slice",

        "tokens: LCPs and sizes",
        "index: number of continuations",
        "directory: features",
        "properties: value of memkv.fst.segment.bytes",
        "properties: value of rocksdb.num.entries",
        "properties: value of rocksdb.external_sst_file.global_seqno",
        "range deletions: shared bytes of a key",
        "metaindex: restart",
        "footer: marker"}) {
    EXPECT_EQ(names.count(name), 1u) << name;
  }
  FileFields none;
  EXPECT_FALSE(FileFields::Parse("no file", &none, &reason));
}

TEST(HostileFilesSelfTest, AChangedValueIsALie) {
  std::string reason;
  const auto shape = MakeHostileShape("segments", &reason);
  ASSERT_NE(shape, nullptr) << reason;
  HostileAnswers truth;
  AskHostileTable(*shape, false, shape->bytes, ReadOptions(), &truth);
  EXPECT_EQ(FirstLie(truth, truth), "");
  const HostileEdits edits(shape->fields);
  std::mt19937_64 rng(1);
  for (const Spot& spot : edits.spots()) {
    if (spot.name != "value run: values") continue;
    HostileInput input;
    ASSERT_TRUE(MakeHostileInput(shape->fields,
                                 {edits.Make(spot, Damage::kFlip, &rng)},
                                 /*repair=*/true, false, 0, &input));
    HostileAnswers answers;
    AskHostileTable(*shape, false, input.bytes, ReadOptions(), &answers);
    EXPECT_NE(FirstLie(answers, truth), "");
    ASSERT_TRUE(MakeHostileInput(shape->fields,
                                 {edits.Make(spot, Damage::kFlip, &rng)},
                                 /*repair=*/false, false, 0, &input));
    HostileAnswers honest;
    AskHostileTable(*shape, false, input.bytes, ReadOptions(), &honest);
    EXPECT_EQ(FirstLie(honest, truth), "");
    return;
  }
  FAIL() << "no values";
}

TEST(HostileFilesSelfTest, VersionsOutOfOrderAreCorruption) {
  std::string reason;
  const auto shape = MakeHostileShape("versions", &reason);
  ASSERT_NE(shape, nullptr) << reason;
  const HostileEdits edits(shape->fields);
  std::mt19937_64 rng(1);
  size_t refused = 0;
  for (const Spot& spot : edits.spots()) {
    for (int i = 0; i < 10 && spot.name == "segment: sequence numbers"; ++i) {
      HostileInput input;
      ASSERT_TRUE(MakeHostileInput(shape->fields,
                                   {edits.Make(spot, Damage::kExchange, &rng)},
                                   /*repair=*/true, false, 0, &input));
      HostileAnswers answers;
      AskHostileTable(*shape, false, input.bytes, ReadOptions(), &answers);
      EXPECT_EQ(answers.broken, "") << input.what;
      for (const HostileAnswer& answer : answers.answers) {
        if (answer.question != "scan forwards" || answer.status.ok()) continue;
        ++refused;
        EXPECT_NE(answer.status.ToString().find("entries are out of order"),
                  std::string::npos)
            << answer.status.ToString();
        break;
      }
    }
  }
  EXPECT_GT(refused, 0u);
}

// A shape whose fields are changed by name, one at a time.
class HostileFieldTest : public ::testing::Test {
 protected:
  void Make(const char* shape) {
    std::string reason;
    shape_ = MakeHostileShape(shape, &reason);
    ASSERT_NE(shape_, nullptr) << reason;
    HostileAnswers truth;
    AskHostileTable(*shape_, false, shape_->bytes, ReadOptions(), &truth);
    ASSERT_GT(truth.answers.size(), 1u);  // It opens.
  }

  // Does `edit` to the first field of that name, and asks the file.
  void Ask(const std::string& field, FileEdit edit, bool agree, bool cached,
           HostileAnswers* answers) const {
    const HostileEdits edits(shape_->fields);
    const auto spot =
        std::find_if(edits.spots().begin(), edits.spots().end(),
                     [&](const Spot& s) { return s.name == field; });
    ASSERT_NE(spot, edits.spots().end()) << field;
    edit.part = spot->at[0].part;
    edit.field = spot->at[0].field;
    AskDamaged(edit, agree, cached, answers);
  }
  void AskDamaged(const FileEdit& edit, bool agree, bool cached,
                  HostileAnswers* answers) const {
    HostileInput input;
    ASSERT_TRUE(MakeHostileInput(shape_->fields, {edit}, /*repair=*/true, agree,
                                 0, &input));
    AskHostileTable(*shape_, cached, input.bytes, ReadOptions(), answers);
    ASSERT_EQ(answers->broken, "") << input.what;
  }

  // The file opens, pinned and cached, and no question breaks anything.
  void ExpectHarmless(const std::string& field, const FileEdit& edit) const {
    for (const bool cached : {false, true}) {
      HostileAnswers answers;
      ASSERT_NO_FATAL_FAILURE(
          Ask(field, edit, /*agree=*/true, cached, &answers));
      EXPECT_GT(answers.answers.size(), 1u);
    }
  }

  // Does `edit` to a property; the file does not open.
  void ExpectCorruption(const char* property, const FileEdit& edit,
                        const char* text) const {
    SCOPED_TRACE(property);
    HostileAnswers answers;
    ASSERT_NO_FATAL_FAILURE(Ask(std::string("properties: value of ") + property,
                                edit, /*agree=*/false, /*cached=*/false,
                                &answers));
    ASSERT_EQ(answers.answers.size(), 1u);
    const auto& s = answers.answers[0].status;
    EXPECT_TRUE(s.IsCorruption()) << s.ToString();
    EXPECT_NE(s.ToString().find(text), std::string::npos) << s.ToString();
  }

  // The same of each field of that name, one at a time.
  void ExpectAllCorruption(const std::string& name, FileEdit edit) const {
    size_t found = 0;
    const std::vector<FilePart>& parts = shape_->fields.parts();
    for (edit.part = 0; edit.part < parts.size(); ++edit.part) {
      const auto& fields = parts[edit.part].fields;
      for (edit.field = 0; edit.field < fields.size(); ++edit.field) {
        if (fields[edit.field].name != name) continue;
        ++found;
        HostileAnswers answers;
        ASSERT_NO_FATAL_FAILURE(AskDamaged(edit, /*agree=*/false,
                                           /*cached=*/false, &answers));
        ASSERT_EQ(answers.answers.size(), 1u);
        const auto& s = answers.answers[0].status;
        EXPECT_TRUE(s.IsCorruption()) << s.ToString();
      }
    }
    EXPECT_GT(found, 0u) << name;
  }

  std::unique_ptr<HostileShape> shape_;
};

using HostileFooterTest = HostileFieldTest;
using HostileIndexTest = HostileFieldTest;
using HostilePropertiesTest = HostileFieldTest;
using HostileIngestedTest = HostileFieldTest;

// RocksDB subtracts some properties from others, and from the file's size.
TEST_F(HostilePropertiesTest, NumbersLargerThanTheirFileAreCorruption) {
  ASSERT_NO_FATAL_FAILURE(Make("ranges only"));
  for (const char* name : {"rocksdb.tail.start.offset", "rocksdb.num.entries",
                           "rocksdb.num.range-deletions"}) {
    for (const uint64_t number :
         {uint64_t{shape_->bytes.size()} + 100, uint64_t{UINT64_MAX}}) {
      FileEdit edit;
      edit.number = number;
      ExpectCorruption(name, edit, "");
    }
  }
}

// RocksDB divides by the sum of keys' and values' bytes over files.
TEST_F(HostilePropertiesTest, BytesThatEntriesCannotHaveAreCorruption) {
  for (const char* shape : {"small", "dictionary", "ranges only"}) {
    SCOPED_TRACE(shape);
    ASSERT_NO_FATAL_FAILURE(Make(shape));
    FileEdit edit;
    edit.number = 0;
    ExpectCorruption("rocksdb.raw.key.size", edit, " bytes of keys and ");
    edit.number = UINT64_MAX;
    for (const char* name : {"rocksdb.raw.key.size", "rocksdb.raw.value.size",
                             "rocksdb.deleted.keys"}) {
      ExpectCorruption(name, edit, " bytes of keys and ");
    }
  }
}

// A block whose name is lost is a block that is not there, and what is in it is
// gone: RepairDB() asserts that a file has entries.
TEST_F(HostilePropertiesTest, NoBlockCanBeLost) {
  FileEdit edit;
  edit.kind = FileEdit::Kind::kFill;
  edit.number = 0xff;
  for (const char* shape : {"ranges only", "small", "dictionary"}) {
    SCOPED_TRACE(shape);
    ASSERT_NO_FATAL_FAILURE(Make(shape));
    ExpectAllCorruption("metaindex: key", edit);
  }
}

// Block-based code, whose file it is when the marker has moved, too, asserts
// much of the blocks that a footer points to.
TEST_F(HostileFooterTest, BytesThatMovedAreCorruption) {
  FileEdit edit;
  edit.kind = FileEdit::Kind::kCut;
  for (const char* shape : {"two prefixes", "small", "segments", "lz4"}) {
    SCOPED_TRACE(shape);
    ASSERT_NO_FATAL_FAILURE(Make(shape));
    for (edit.at = 0; edit.at < 8; ++edit.at) {
      ExpectAllCorruption("footer: marker", edit);
    }
  }
}

// RepairDB() makes a column family of every number that it does not know, and
// ends if two have one name.
TEST_F(HostilePropertiesTest, OneColumnFamilyIsTheDefault) {
  ASSERT_NO_FATAL_FAILURE(Make("ranges only"));
  for (const uint64_t bit : {0, 6}) {  // of a varint of one byte
    FileEdit edit;
    edit.kind = FileEdit::Kind::kFlip;
    edit.number = bit;
    ExpectCorruption("rocksdb.column.family.id", edit, "is called \"default\"");
  }
}

// What an index says of the bytes before a segment need not ascend.
TEST_F(HostileIndexTest, EstimatesStayInTheFile) {
  for (const char* shape : {"segments", "reverse"}) {
    SCOPED_TRACE(shape);
    ASSERT_NO_FATAL_FAILURE(Make(shape));
    for (const uint64_t other : {1, 2, 3}) {
      FileEdit edit;
      edit.kind = FileEdit::Kind::kExchange;
      edit.at = 0;
      edit.number = other;
      ASSERT_NO_FATAL_FAILURE(ExpectHarmless("index: bytes", edit));
    }
  }
}

// The tags of an ingested file are made of its types and of one sequence
// number.
TEST_F(HostileIngestedTest, TypesThatThereAreNotBreakNothing) {
  ASSERT_NO_FATAL_FAILURE(Make("ingested"));
  for (const uint64_t type : {0x7fu, 0xf5u, 0xffu, 2293u}) {
    FileEdit edit;
    edit.kind = FileEdit::Kind::kElement;
    edit.at = 21;
    edit.number = type;
    SCOPED_TRACE(type);
    ASSERT_NO_FATAL_FAILURE(ExpectHarmless("segment: value types", edit));
  }
}

TEST(HostileFilesSelfTest, AllocationsAreSeen) {
  const AllocationWatch watch;
  const size_t before = watch.most_held();
  {
    const std::vector<char> large(3 << 20);
    EXPECT_EQ(large.back(), 0);
  }
  EXPECT_GE(watch.largest(), size_t{3} << 20);
  EXPECT_LT(watch.largest(), size_t{4} << 20);
  EXPECT_GE(watch.most_held(), before + (size_t{3} << 20));
}

}  // namespace
}  // namespace memkv
