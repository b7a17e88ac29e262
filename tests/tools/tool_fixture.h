// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The program memkv, run as a user runs it, on databases that the test makes.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "compat/open.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "rocksdb/utilities/options_util.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

struct ToolResult {
  int status = -1;  // of its exit; -1 if a signal ended it
  std::string output;

  bool Says(const std::string& text) const {
    return output.find(text) != std::string::npos;
  }
};

// In single quotes, for a shell.
inline std::string ShellQuoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) {
    quoted += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return quoted + "'";
}

// Runs a command of a shell's.
inline ToolResult RunShell(const std::string& command) {
  ToolResult result;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    result.output.append(buffer, n);
  }
  const int status = pclose(pipe);
  // A shell reports a signal as 128 and more.
  if (WIFEXITED(status) && WEXITSTATUS(status) < 128) {
    result.status = WEXITSTATUS(status);
  }
  return result;
}

// Runs memkv with these arguments; its output is that of both streams.
inline ToolResult RunTool(const std::vector<std::string>& arguments) {
  std::string command = ShellQuoted(MEMKV_TOOL);
  for (const std::string& argument : arguments) {
    command += " " + ShellQuoted(argument);
  }
  return RunShell(command + " 2>&1");
}

// Expects an exit status and a piece of the output.
#define EXPECT_TOOL(expected_status, text, ...)                           \
  do {                                                                    \
    const ToolResult tool_result = RunTool({__VA_ARGS__});                \
    EXPECT_EQ(tool_result.status, expected_status) << tool_result.output; \
    EXPECT_TRUE(tool_result.Says(text))                                   \
        << "expected '" << text << "' in: " << tool_result.output;        \
  } while (false)

class ToolTest : public FstDbTest {
 protected:
  ~ToolTest() override { CloseFamilies(); }

  // Opens the database with these column families, and "default"; it may be
  // made.
  void OpenFamilies(const rocksdb::Options& options,
                    const std::vector<std::string>& names) {
    CloseFamilies();
    rocksdb::Options creating = options;
    creating.create_missing_column_families = true;
    std::vector<rocksdb::ColumnFamilyDescriptor> families = {
        {rocksdb::kDefaultColumnFamilyName, creating}};
    for (const std::string& name : names) families.emplace_back(name, creating);
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status s = rocksdb::DB::Open(
        creating, path(), families, &handles_, compat::Into(&opened));
    ASSERT_TRUE(s.ok()) << s.ToString();
    db_.reset(opened);
  }
  void CloseFamilies() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      EXPECT_TRUE(db_->DestroyColumnFamilyHandle(handle).ok());
    }
    handles_.clear();
    Close();
  }

  // Opens it as an application does that goes by the OPTIONS file.
  void OpenByOptionsFile() {
    CloseFamilies();
    rocksdb::DBOptions options;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    rocksdb::ConfigOptions config;
    config.ignore_unsupported_options = false;
    ASSERT_TRUE(
        rocksdb::LoadLatestOptions(config, path(), &options, &families).ok());
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status s = rocksdb::DB::Open(
        options, path(), families, &handles_, compat::Into(&opened));
    ASSERT_TRUE(s.ok()) << s.ToString();
    db_.reset(opened);
  }

  // `n` keys from `first` on, of one length and with values of `value_size`
  // bytes.
  void PutKeys(int first, int n, size_t value_size = 8,
               rocksdb::ColumnFamilyHandle* family = nullptr) {
    for (int i = first; i < first + n; ++i) {
      const std::string number = std::to_string(1000000 + i);
      const rocksdb::Status s =
          db_->Put(rocksdb::WriteOptions(),
                   family == nullptr ? db_->DefaultColumnFamily() : family,
                   "usr/share/doc/package-" + number + "/copyright",
                   number + std::string(value_size, 'v'));
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
  }

  // Nothing but what is asked for writes files.
  static rocksdb::Options Still(rocksdb::Options options) {
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    options.level0_slowdown_writes_trigger = 1000;
    options.level0_stop_writes_trigger = 1000;
    return options;
  }
  static rocksdb::Options Reversed(rocksdb::Options options) {
    options.comparator = rocksdb::ReverseBytewiseComparator();
    return options;
  }

  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

// An order that no one but an application knows.
class ForeignComparator : public rocksdb::Comparator {
 public:
  explicit ForeignComparator(const char* name = "an.application's")
      : name_(name) {}
  const char* Name() const override { return name_; }
  int Compare(const rocksdb::Slice& a, const rocksdb::Slice& b) const override {
    return b.compare(a);
  }
  void FindShortestSeparator(std::string*,
                             const rocksdb::Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}

 private:
  const char* const name_;
};

}  // namespace memkv
