// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv search: prints the records whose keys match a pattern.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "rocksdb/env.h"
#include "tools/command.h"
#include "tools/key_walk.h"
#include "tools/view_walks.h"
#include "util/string_util.h"

namespace memkv {

namespace {

// K:WORD
void ParseEdits(const std::string& argument, bool hex, SearchPattern* pattern) {
  Slice rest(argument);
  uint64_t edits = 0;
  if (!rocksdb::ConsumeDecimalNumber(&rest, &edits) || !rest.starts_with(":")) {
    throw UsageError(fmt::format(
        "--edit_distance={}: expected a number, a colon and a word", argument));
  }
  rest.remove_prefix(1);
  pattern->edits = edits;
  pattern->text = rest.ToString();
  if (hex) pattern->text = DecodeKey("edit_distance", pattern->text);
}

// One a line; empty lines are passed over.
std::vector<std::string> ReadPrefixes(const std::string& file, bool hex) {
  std::string text;
  Check(rocksdb::ReadFileToString(rocksdb::Env::Default(), file, &text));
  std::vector<std::string> prefixes;
  for (const std::string& line : rocksdb::StringSplit(text, '\n')) {
    if (line.empty()) continue;
    prefixes.push_back(hex ? DecodeKey("prefixes", line) : line);
  }
  return prefixes;
}

SearchPattern ParsePattern(const CommandLine& line) {
  const bool hex = line.Has("hex");
  SearchPattern pattern;
  int given = 0;
  if (line.Has("regex")) {
    ++given;
    pattern.text = line.Get("regex");
  }
  if (line.Has("glob")) {
    ++given;
    pattern.kind = SearchPattern::Kind::kGlob;
    pattern.text = line.Get("glob");
  }
  if (line.Has("edit_distance")) {
    ++given;
    pattern.kind = SearchPattern::Kind::kEditDistance;
    ParseEdits(line.Get("edit_distance"), hex, &pattern);
  }
  if (line.Has("prefixes")) {
    ++given;
    pattern.kind = SearchPattern::Kind::kPrefixes;
    pattern.prefixes = ReadPrefixes(line.Get("prefixes"), hex);
  }
  if (given != 1) {
    throw UsageError(
        "expected one of --regex, --glob, --edit_distance and --prefixes");
  }
  return pattern;
}

int Search(const CommandLine& line) {
  const SearchPattern pattern = ParsePattern(line);
  return WalkAndPrint(
      line, [&pattern](rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family,
                       const rocksdb::ReadOptions& options) {
        return NewSearch(db, family, options, pattern);
      });
}

}  // namespace

Command SearchCommand() {
  return {
      "search",
      "DIR",
      "Prints the records whose keys match a pattern.",
      "Keys are matched whole, byte by byte; what cannot match is sought "
      "past. Lines are\nas those of scan. The database is opened read-only, "
      "and may be open in another\nprocess.\n",
      WithWalkOptions(
          {{"regex", "PATTERN", "a regular expression"},
           {"glob", "PATTERN", "*, ? and [] within a folder, ** across"},
           {"edit_distance", "K:WORD", "at most K bytes differ from WORD"},
           {"prefixes", "FILE", "keys that begin with a line of the file"}}),
      Search};
}

}  // namespace memkv
