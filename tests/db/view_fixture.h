// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database with FST files, and views of it.

#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "plugin/memkv_view.h"
#include "rocksdb/db.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

class ViewDbTest : public FstDbTest {
 protected:
  std::unique_ptr<View> OpenView(const rocksdb::Snapshot* snapshot = nullptr) {
    std::unique_ptr<View> view;
    const rocksdb::Status s =
        View::Open(db(), db()->DefaultColumnFamily(), snapshot, &view);
    EXPECT_TRUE(s.ok()) << s.ToString();
    return view;
  }
  // Keys in folders of a hundred.
  static std::string Key(int i) {
    char text[32];
    std::snprintf(text, sizeof(text), "pool/%04d/%06d", i / 100, i);
    return text;
  }
};

}  // namespace memkv
