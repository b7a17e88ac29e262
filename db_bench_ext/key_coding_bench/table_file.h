// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchFile: a table file without a database: built from the entries of a shape
// of keys by the TableBuilder of any table factory, and read back through its
// TableReader. The value of an entry is its sequence number, 8 bytes.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "db/dbformat.h"
#include "db_bench_ext/keys/key_shapes.h"
#include "options/cf_options.h"
#include "rocksdb/options.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "table/internal_iterator.h"
#include "table/table_reader.h"

namespace memkv {

class BenchFile {
 public:
  // `options`: what the file is written and read with; its comparator is the
  // bytewise one. The file `path` is made by Build, and goes with the object.
  BenchFile(const rocksdb::Options& options, const std::string& path);
  ~BenchFile();
  BenchFile(const BenchFile&) = delete;
  BenchFile& operator=(const BenchFile&) = delete;

  // Writes the shape's entries, in the order `sorted`, and opens the file.
  // REQUIRES: called once, before everything else.
  rocksdb::Status Build(const KeyShape& shape,
                        const std::vector<uint32_t>& sorted);

  uint64_t bytes() const { return bytes_; }
  // Of the reader, and what is in the block cache.
  size_t MemoryUsage() const;

  // Sets *found to the sequence number of the newest version that is not newer
  // than read_at, or to 0 if there is none.
  rocksdb::Status Get(const rocksdb::Slice& key, uint64_t read_at,
                      uint64_t* found) const;
  std::unique_ptr<rocksdb::InternalIterator> NewIterator() const;
  uint64_t ApproximateSize(const rocksdb::Slice& begin,
                           const rocksdb::Slice& end) const;
  rocksdb::Status VerifyChecksum() const;

 private:
  const std::string path_;
  const rocksdb::Options options_;
  const rocksdb::ImmutableOptions ioptions_;
  const rocksdb::MutableCFOptions moptions_;
  const rocksdb::EnvOptions env_options_;
  const rocksdb::InternalKeyComparator comparator_;
  const rocksdb::ReadOptions read_options_;
  uint64_t bytes_ = 0;
  std::unique_ptr<rocksdb::TableReader> reader_;
};

}  // namespace memkv
