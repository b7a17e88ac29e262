// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/key_coding_bench/table_file.h"

#include "file/random_access_file_reader.h"
#include "file/writable_file_writer.h"
#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/table.h"
#include "table/get_context.h"
#include "table/table_builder.h"
#include "util/coding.h"

namespace memkv {

using rocksdb::InternalKey;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::TableReaderCaller;

BenchFile::BenchFile(const rocksdb::Options& options, const std::string& path)
    : path_(path),
      options_(options),
      ioptions_(options_),
      moptions_(options_),
      env_options_(options_),
      comparator_(options_.comparator) {}

BenchFile::~BenchFile() {
  reader_.reset();
  rocksdb::Env::Default()->DeleteFile(path_).PermitUncheckedError();
}

Status BenchFile::Build(const KeyShape& shape,
                        const std::vector<uint32_t>& sorted) {
  const auto fs = rocksdb::FileSystem::Default();
  std::unique_ptr<rocksdb::WritableFileWriter> file;
  Status s = rocksdb::WritableFileWriter::Create(
      fs, path_, rocksdb::FileOptions(env_options_), &file, nullptr);
  if (!s.ok()) {
    return s;
  }
  const rocksdb::InternalTblPropCollFactories no_collectors;
  const std::string column_family = "default";
  const std::unique_ptr<rocksdb::TableBuilder> builder(
      options_.table_factory->NewTableBuilder(
          rocksdb::TableBuilderOptions(
              ioptions_, moptions_, rocksdb::ReadOptions(),
              rocksdb::WriteOptions(), comparator_, &no_collectors,
              options_.compression, options_.compression_opts,
              /*_column_family_id=*/0, column_family, /*_level=*/1,
              /*_newest_key_time=*/0, /*_is_bottommost=*/false,
              rocksdb::TableFileCreationReason::kCompaction),
          file.get()));
  std::string internal_key;
  std::string value;
  for (const uint32_t entry : sorted) {
    const uint64_t sequence = shape.SequenceOf(entry);
    internal_key = shape.keys[shape.entries[entry]];
    rocksdb::PutFixed64(&internal_key, rocksdb::PackSequenceAndType(
                                           sequence, rocksdb::kTypeValue));
    value.clear();
    rocksdb::PutFixed64(&value, sequence);
    builder->Add(internal_key, value);
    if (!builder->status().ok()) {
      break;
    }
  }
  s = builder->status();
  if (!s.ok()) {
    builder->Abandon();
    return s;
  }
  s = builder->Finish();
  if (s.ok()) s = file->Close(rocksdb::IOOptions());
  if (!s.ok()) {
    return s;
  }
  bytes_ = builder->FileSize();
  std::unique_ptr<rocksdb::RandomAccessFileReader> input;
  s = rocksdb::RandomAccessFileReader::Create(
      fs, path_, rocksdb::FileOptions(env_options_), &input, nullptr);
  if (!s.ok()) {
    return s;
  }
  const rocksdb::TableReaderOptions options(
      ioptions_, moptions_.prefix_extractor, env_options_, comparator_,
      /*_block_protection_bytes_per_key=*/0, /*_skip_filters=*/false,
      /*_immortal=*/false, /*_force_direct_prefetch=*/false, /*_level=*/1);
  return options_.table_factory->NewTableReader(
      read_options_, options, std::move(input), bytes_, &reader_,
      /*prefetch_index_and_filter_in_cache=*/true);
}

size_t BenchFile::MemoryUsage() const {
  const auto* const cache = options_.table_factory->GetOptions<rocksdb::Cache>(
      rocksdb::TableFactory::kBlockCacheOpts());
  return reader_->ApproximateMemoryUsage() +
         (cache != nullptr ? cache->GetUsage() : 0);
}

Status BenchFile::Get(const Slice& key, uint64_t read_at,
                      uint64_t* found) const {
  rocksdb::PinnableSlice value;
  rocksdb::MergeContext merge_context;
  rocksdb::SequenceNumber covering = 0;
  rocksdb::GetContext context(comparator_.user_comparator(), nullptr, nullptr,
                              nullptr, rocksdb::GetContext::kNotFound, key,
                              &value, nullptr, nullptr, &merge_context,
                              /*do_merge=*/true, &covering, nullptr);
  const InternalKey target(key, read_at, rocksdb::kValueTypeForSeek);
  const Status s =
      reader_->Get(read_options_, target.Encode(), &context, nullptr);
  *found = context.State() == rocksdb::GetContext::kFound && value.size() == 8
               ? rocksdb::DecodeFixed64(value.data())
               : 0;
  return s;
}

std::unique_ptr<rocksdb::InternalIterator> BenchFile::NewIterator() const {
  return std::unique_ptr<rocksdb::InternalIterator>(
      reader_->NewIterator(read_options_, nullptr, nullptr, false,
                           TableReaderCaller::kUserIterator));
}

uint64_t BenchFile::ApproximateSize(const Slice& begin,
                                    const Slice& end) const {
  const InternalKey first(begin, rocksdb::kMaxSequenceNumber,
                          rocksdb::kValueTypeForSeek);
  const InternalKey last(end, rocksdb::kMaxSequenceNumber,
                         rocksdb::kValueTypeForSeek);
  return reader_->ApproximateSize(read_options_, first.Encode(), last.Encode(),
                                  TableReaderCaller::kUserApproximateSize);
}

Status BenchFile::VerifyChecksum() const {
  return reader_->VerifyChecksum(read_options_,
                                 TableReaderCaller::kUserVerifyChecksum);
}

}  // namespace memkv
