// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tools/table_file.h"

#include <utility>

#include "compat/table_reader.h"
#include "file/random_access_file_reader.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/file_system.h"
#include "table/fst/table_reader.h"
#include "table/internal_iterator.h"

namespace memkv {

using rocksdb::Comparator;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::SequenceNumber;
using rocksdb::Status;
using rocksdb::TableReaderCaller;

namespace {

Options OptionsFor(const Comparator* comparator) {
  // Nothing is pinned: a file is read once.
  FstTableOptions fst;
  fst.residency = FstTableOptions::Residency::kCache;
  Options options;
  options.comparator = comparator;
  options.table_factory.reset(NewFstTableFactory(fst));
  return options;
}

}  // namespace

TableFile::TableFile(std::string path, const Comparator* comparator)
    : path_(std::move(path)),
      options_(OptionsFor(comparator)),
      ioptions_(options_),
      env_options_(options_),
      comparator_(comparator) {}

Status TableFile::OpenReader(SequenceNumber largest_seqno,
                             bool has_timestamps) {
  rocksdb::FileSystem* const fs = ioptions_.fs.get();
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  Status s = fs->NewRandomAccessFile(path_, rocksdb::FileOptions(env_options_),
                                     &file, nullptr);
  if (s.ok()) {
    s = fs->GetFileSize(path_, rocksdb::IOOptions(), &size_, nullptr);
  }
  if (!s.ok()) {
    return s;
  }
  auto reader_options = compat::ReaderOptionsOf(
      ioptions_, options_.prefix_extractor, env_options_, comparator_);
  reader_options.largest_seqno = largest_seqno;
  compat::SetHasTimestamps(has_timestamps, &reader_options);
  s = options_.table_factory->NewTableReader(
      ReadOptions(), reader_options,
      std::make_unique<rocksdb::RandomAccessFileReader>(std::move(file), path_),
      size_, &reader_, /*prefetch_index_and_filter_in_cache=*/false);
  if (s.ok()) {
    properties_ = reader_->GetTableProperties();
    if (properties_ == nullptr) {
      s = Status::Corruption(path_, "it has no table properties");
    }
  }
  return s;
}

Status TableFile::Open(const std::string& path, const Comparator* comparator,
                       SequenceNumber largest_seqno,
                       std::unique_ptr<TableFile>* out) {
  const Comparator* const bytewise = rocksdb::BytewiseComparator();
  const Comparator* const first = comparator != nullptr ? comparator : bytewise;
  // The file says itself whether its keys have their comparator's timestamps:
  // until then none is looked for.
  const bool timestamped = first->timestamp_size() != 0;
  std::unique_ptr<TableFile> opened(
      new TableFile(path, timestamped ? bytewise : first));
  Status s = opened->OpenReader(largest_seqno, /*has_timestamps=*/true);
  if (s.ok() && timestamped) {
    const bool has_timestamps = compat::HasTimestamps(*opened->properties_);
    opened.reset(new TableFile(path, first));
    s = opened->OpenReader(largest_seqno, has_timestamps);
  }
  if (!s.ok()) {
    return s;
  }
  const std::string& name = opened->properties_->comparator_name;
  if (comparator == nullptr && !name.empty() && name != first->Name()) {
    const Comparator* named = nullptr;
    rocksdb::ConfigOptions config;
    config.ignore_unsupported_options = false;
    if (Comparator::CreateFromString(config, name, &named).ok() &&
        named != nullptr) {
      return Open(path, named, largest_seqno, out);
    }
    opened->order_known_ = false;
  }
  *out = std::move(opened);
  return s;
}

const FstFile* TableFile::fst() const {
  const FstTableReader* const fst = FstTableReader::From(*reader_);
  return fst == nullptr ? nullptr : &fst->file();
}

ReadOptions TableFile::ScanOptions() {
  ReadOptions options;
  options.fill_cache = false;
  options.total_order_seek = true;
  options.readahead_size = size_t{2} << 20;
  return options;
}

std::unique_ptr<rocksdb::InternalIterator> TableFile::NewIterator(
    const ReadOptions& read_options, bool with_values) const {
  return std::unique_ptr<rocksdb::InternalIterator>(reader_->NewIterator(
      read_options, options_.prefix_extractor.get(), /*arena=*/nullptr,
      /*skip_filters=*/true, TableReaderCaller::kUserVerifyChecksum,
      /*compaction_readahead_size=*/0,
      /*allow_unprepared_value=*/!with_values));
}

}  // namespace memkv
