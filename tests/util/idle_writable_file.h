// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A file to write whose bytes need no flushing: what tests derive files in
// memory from.
//
// Thread safety: that of the file derived from it.

#pragma once

#include "rocksdb/file_system.h"

namespace memkv {

class IdleWritableFile : public rocksdb::FSWritableFile {
 public:
  rocksdb::IOStatus Close(const rocksdb::IOOptions&,
                          rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Flush(const rocksdb::IOOptions&,
                          rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions&,
                         rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
};

}  // namespace memkv
