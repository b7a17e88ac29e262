// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A file system that puts a file of the test's own around each file it opens
// for reading from any offset.
//
// Thread safety: as FileSystem says.

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "rocksdb/file_system.h"

namespace memkv {

class WrappingFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  rocksdb::IOStatus NewRandomAccessFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
      rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    rocksdb::IOStatus s =
        target()->NewRandomAccessFile(name, options, &file, debug);
    if (s.ok()) *result = Wrap(std::move(file));
    return s;
  }

 protected:
  virtual std::unique_ptr<rocksdb::FSRandomAccessFile> Wrap(
      std::unique_ptr<rocksdb::FSRandomAccessFile> file) = 0;
};

}  // namespace memkv
