// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchFile: a table file without a database: built from the entries of a shape
// of keys by the TableBuilder of any table factory, and read back through its
// TableReader. The value of an entry is its sequence number, 8 bytes. What
// cannot be done is a Failure.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compat/file_io.h"
#include "compat/table_builder.h"
#include "compat/table_reader.h"
#include "db/dbformat.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/keys/key_shapes.h"
#include "file/random_access_file_reader.h"
#include "file/writable_file_writer.h"
#include "options/cf_options.h"
#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "table/get_context.h"
#include "table/internal_iterator.h"
#include "table/table_builder.h"
#include "table/table_reader.h"
#include "util/coding.h"

namespace memkv {

class BenchFile {
 public:
  // `options`: what the file is written and read with; its comparator is the
  // bytewise one. Writes the shape's entries into a file `path`, in the order
  // `sorted`, and opens it. The file goes with the object.
  BenchFile(const rocksdb::Options& options, const std::string& path,
            const KeyShape& shape, const std::vector<uint32_t>& sorted)
      : path_(path),
        options_(options),
        ioptions_(options_),
        moptions_(options_),
        file_options_(rocksdb::EnvOptions(options_)),
        comparator_(options_.comparator) {
    Write(shape, sorted);
    Open();
  }
  ~BenchFile() {
    reader_.reset();
    rocksdb::Env::Default()->DeleteFile(path_).PermitUncheckedError();
  }
  BenchFile(const BenchFile&) = delete;
  BenchFile& operator=(const BenchFile&) = delete;

  uint64_t bytes() const { return bytes_; }
  // Of the reader, and what is in the block cache.
  size_t MemoryUsage() const {
    const auto* const cache =
        options_.table_factory->GetOptions<rocksdb::Cache>(
            rocksdb::TableFactory::kBlockCacheOpts());
    return reader_->ApproximateMemoryUsage() +
           (cache != nullptr ? cache->GetUsage() : 0);
  }

  // The sequence number of the newest version that is not newer than read_at,
  // or 0 if there is none.
  uint64_t Get(const Slice& key, uint64_t read_at) const {
    rocksdb::PinnableSlice value;
    rocksdb::MergeContext merge_context;
    rocksdb::SequenceNumber covering = 0;
    rocksdb::GetContext context(comparator_.user_comparator(), nullptr, nullptr,
                                nullptr, rocksdb::GetContext::kNotFound, key,
                                &value, nullptr, nullptr, &merge_context,
                                /*do_merge=*/true, &covering, nullptr);
    const rocksdb::InternalKey target(key, read_at, rocksdb::kValueTypeForSeek);
    Check(reader_->Get(read_options_, target.Encode(), &context, nullptr));
    return context.State() == rocksdb::GetContext::kFound && value.size() == 8
               ? rocksdb::DecodeFixed64(value.data())
               : 0;
  }
  std::unique_ptr<rocksdb::InternalIterator> NewIterator() const {
    return std::unique_ptr<rocksdb::InternalIterator>(
        reader_->NewIterator(read_options_, nullptr, nullptr, false,
                             rocksdb::TableReaderCaller::kUserIterator));
  }
  uint64_t ApproximateSize(const Slice& begin, const Slice& end) const {
    const auto key = [](const Slice& user_key) {
      return rocksdb::InternalKey(user_key, rocksdb::kMaxSequenceNumber,
                                  rocksdb::kValueTypeForSeek);
    };
    return compat::SizeBetween(reader_.get(), read_options_,
                               key(begin).Encode(), key(end).Encode());
  }
  void VerifyChecksum() const {
    Check(reader_->VerifyChecksum(
        read_options_, rocksdb::TableReaderCaller::kUserVerifyChecksum));
  }

 private:
  void Write(const KeyShape& shape, const std::vector<uint32_t>& sorted) {
    std::unique_ptr<rocksdb::WritableFileWriter> file;
    Check(rocksdb::WritableFileWriter::Create(
        rocksdb::FileSystem::Default(), path_, file_options_, &file, nullptr));
    const compat::CollectorFactories no_collectors;
    compat::NewFile new_file;
    new_file.reason = rocksdb::TableFileCreationReason::kCompaction;
    const std::string column_family = "default";
    const std::unique_ptr<rocksdb::TableBuilder> builder(
        options_.table_factory->NewTableBuilder(
            compat::BuilderOptionsOf(ioptions_, moptions_, comparator_,
                                     &no_collectors, options_.compression,
                                     options_.compression_opts, column_family,
                                     new_file),
            file.get()));
    for (const uint32_t entry : sorted) {
      const uint64_t sequence = shape.SequenceOf(entry);
      const rocksdb::InternalKey key(shape.keys[shape.entries[entry]], sequence,
                                     rocksdb::kTypeValue);
      std::string value;
      rocksdb::PutFixed64(&value, sequence);
      builder->Add(key.Encode(), value);
      if (!builder->status().ok()) {
        builder->Abandon();
        break;
      }
    }
    Check(builder->status());
    Check(builder->Finish());
    Check(compat::Close(file.get()));
    bytes_ = builder->FileSize();
  }

  void Open() {
    std::unique_ptr<rocksdb::RandomAccessFileReader> input;
    Check(rocksdb::RandomAccessFileReader::Create(
        rocksdb::FileSystem::Default(), path_, file_options_, &input, nullptr));
    rocksdb::TableReaderOptions options = compat::ReaderOptionsOf(
        ioptions_, moptions_.prefix_extractor, file_options_, comparator_);
    options.level = 1;
    Check(options_.table_factory->NewTableReader(
        read_options_, options, std::move(input), bytes_, &reader_,
        /*prefetch_index_and_filter_in_cache=*/true));
  }

  const std::string path_;
  const rocksdb::Options options_;
  const rocksdb::ImmutableOptions ioptions_;
  const rocksdb::MutableCFOptions moptions_;
  const rocksdb::FileOptions file_options_;
  const rocksdb::InternalKeyComparator comparator_;
  const rocksdb::ReadOptions read_options_;
  uint64_t bytes_ = 0;
  std::unique_ptr<rocksdb::TableReader> reader_;
};

}  // namespace memkv
