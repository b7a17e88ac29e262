// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A database of FST files of 100 keys each, and files made outside of it.
//
// Thread safety: none; a fixture belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <string>

#include "rocksdb/db.h"
#include "rocksdb/sst_file_writer.h"
#include "tests/util/fst_db_fixture.h"
#include "tests/util/fst_memory_table.h"

namespace memkv {

class FstFilesTest : public FstDbTest {
 protected:
  rocksdb::Options FilesOptions() const {
    rocksdb::Options options =
        MemkvOptions("segment_size=1K;value_block_size=64");
    options.disable_auto_compactions = true;
    options.write_buffer_size = 64 << 20;
    return options;
  }

  // Files of 100 keys each in the last level.
  void FillFiles(Model* model, int files) {
    for (int f = 0; f < files; ++f) {
      for (int i = f * 100; i < (f + 1) * 100; ++i) {
        (*model)[NumberKey(i)] = std::to_string(i);
        ASSERT_NO_FATAL_FAILURE(Put(NumberKey(i), std::to_string(i)));
      }
      ASSERT_NO_FATAL_FAILURE(Flush());
      const rocksdb::Status s = db()->CompactFiles(rocksdb::CompactionOptions(),
                                                   {SstFiles().back()}, 6);
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
  }

  // A file of `count` keys from `begin` on, made with `options`.
  std::string ExternalFile(const rocksdb::Options& options,
                           const std::string& name, int begin, int count,
                           Model* model) const {
    const std::string file = folder() + "/" + name;
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    EXPECT_TRUE(writer.Open(file).ok());
    for (int i = begin; i < begin + count; ++i) {
      (*model)[NumberKey(i)] = name + std::to_string(i);
      EXPECT_TRUE(writer.Put(NumberKey(i), (*model)[NumberKey(i)]).ok());
    }
    EXPECT_TRUE(writer
                    .DeleteRange(NumberKey(begin + count),
                                 NumberKey(begin + count + 50))
                    .ok());
    model->erase(model->lower_bound(NumberKey(begin + count)),
                 model->lower_bound(NumberKey(begin + count + 50)));
    EXPECT_TRUE(writer.Finish().ok());
    return file;
  }
};

}  // namespace memkv
