// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// TableFile: one SST, of either kind, that is read by itself, without a
// database.
//
// Thread safety: as TableReader's.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "db/dbformat.h"
#include "options/cf_options.h"
#include "rocksdb/options.h"
#include "table/fst/file.h"
#include "table/table_reader.h"

namespace memkv {

class TableFile {
 public:
  // comparator: of its keys; null: that which the file names, if RocksDB has
  // it. largest_seqno: as the MANIFEST says; kMaxSequenceNumber if it is not
  // known. Names the file, and the offset of what is damaged.
  static rocksdb::Status Open(const std::string& path,
                              const rocksdb::Comparator* comparator,
                              rocksdb::SequenceNumber largest_seqno,
                              std::unique_ptr<TableFile>* out);
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  rocksdb::TableReader& reader() const { return *reader_; }
  // Null if it is block-based.
  const FstFile* fst() const;
  const rocksdb::TableProperties& properties() const { return *properties_; }
  const rocksdb::InternalKeyComparator& comparator() const {
    return comparator_;
  }
  // False if the file names a comparator that RocksDB does not have;
  // comparator() is then another one.
  bool order_known() const { return order_known_; }

  // What a read of all of it, or of its keys alone, has: no filter is asked,
  // and nothing is put into a cache. REQUIRES: read_options outlives it
  std::unique_ptr<rocksdb::InternalIterator> NewIterator(
      const rocksdb::ReadOptions& read_options, bool with_values) const;
  // Of such a read.
  static rocksdb::ReadOptions ScanOptions();

 private:
  TableFile(std::string path, const rocksdb::Comparator* comparator);
  // has_timestamps: whether its keys have those of their comparator.
  rocksdb::Status OpenReader(rocksdb::SequenceNumber largest_seqno,
                             bool has_timestamps);

  const std::string path_;
  const rocksdb::Options options_;
  const rocksdb::ImmutableOptions ioptions_;
  const rocksdb::EnvOptions env_options_;
  const rocksdb::InternalKeyComparator comparator_;
  bool order_known_ = true;
  uint64_t size_ = 0;
  std::unique_ptr<rocksdb::TableReader> reader_;
  std::shared_ptr<const rocksdb::TableProperties> properties_;
};

}  // namespace memkv
