// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A fresh folder below TEST_TMPDIR, removed at the end with all that is in it.
//
// Thread safety: none; it belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace memkv {

class TestFolder {
 public:
  explicit TestFolder(const std::string& name) {
    const char* const parent = std::getenv("TEST_TMPDIR");
    path_ = (parent != nullptr ? std::string(parent) : testing::TempDir()) +
            "/" + name + ".XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) {
      std::perror(path_.c_str());
      std::abort();
    }
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace memkv
