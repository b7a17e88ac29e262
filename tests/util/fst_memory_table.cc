// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/util/fst_memory_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "compat/compression.h"
#include "compat/file_io.h"
#include "compat/table_builder.h"
#include "compat/table_reader.h"
#include "db/merge_context.h"
#include "file/random_access_file_reader.h"
#include "file/writable_file_writer.h"
#include "rocksdb/file_system.h"
#include "rocksdb/merge_operator.h"
#include "table/fst/format.h"
#include "table/sst_file_writer_collectors.h"
#include "table/table_builder.h"
#include "tests/util/idle_writable_file.h"
#include "utilities/merge_operators.h"

namespace memkv {

using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using rocksdb::Status;

constexpr char MemoryTable::kFileName[];

namespace {

class StringWritableFile : public IdleWritableFile {
 public:
  StringWritableFile(std::string* out, uint64_t limit)
      : out_(out), limit_(limit) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&,
                  IODebugContext*) override {
    if (data.size() > limit_ - out_->size()) {
      return IOStatus::IOError("no more room in memory");
    }
    out_->append(data.data(), data.size());
    return IOStatus::OK();
  }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    return out_->size();
  }

 private:
  std::string* const out_;
  const uint64_t limit_;
};

class StringRandomAccessFile : public compat::SizedRandomAccessFile {
 public:
  StringRandomAccessFile(const std::string& bytes,
                         const MemoryTable::Settings& settings)
      : bytes_(bytes), mapped_(settings.mapped), counts_(settings.counts) {}

  IOStatus GetFileSize(uint64_t* result) override {
    *result = bytes_.size();
    return IOStatus::OK();
  }

  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result,
                char* scratch, IODebugContext*) const override {
    if (counts_ != nullptr) ++counts_->alone;
    if (mapped_ && offset > bytes_.size()) {
      return IOStatus::IOError("read beyond the mapped file");
    }
    const size_t begin = std::min<uint64_t>(offset, bytes_.size());
    const size_t size = std::min(n, bytes_.size() - begin);
    if (counts_ != nullptr) counts_->bytes += size;
    if (mapped_) {
      *result = Slice(bytes_.data() + begin, size);
    } else {
      memcpy(scratch, bytes_.data() + begin, size);
      *result = Slice(scratch, size);
    }
    return IOStatus::OK();
  }

  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t n,
                     const IOOptions& options, IODebugContext* debug) override {
    if (counts_ != nullptr) {
      ++counts_->together;
      counts_->places += n;
      if (counts_->together_fails) {
        for (size_t i = 0; i < n; ++i) {
          requests[i].status = IOStatus::IOError("made up");
        }
        return IOStatus::OK();
      }
      counts_->alone -= n;  // which Read() counts
    }
    return SizedRandomAccessFile::MultiRead(requests, n, options, debug);
  }

 private:
  const std::string& bytes_;
  const bool mapped_;
  MemoryTable::ReadCounts* const counts_;
};

rocksdb::Options OptionsOf(const MemoryTable::Settings& settings) {
  rocksdb::Options options;
  options.merge_operator =
      rocksdb::MergeOperators::CreateStringAppendOperator();
  options.compression = settings.compression;
  options.allow_mmap_reads = settings.mapped;
  options.prefix_extractor = settings.prefix_extractor;
  // So that a file's bytes are the same on every machine.
  options.db_host_id = "";
  if (settings.reverse) {
    options.comparator = rocksdb::ReverseBytewiseComparator();
  }
  return options;
}

}  // namespace

MemoryTable::MemoryTable(const Settings& settings)
    : settings_(settings),
      options_(OptionsOf(settings)),
      ioptions_(options_),
      moptions_(options_),
      env_options_(options_),
      icmp_(options_.comparator),
      factory_(NewFstTableFactory(settings.fst, &settings_.block_based)) {}

Status MemoryTable::Build(const std::vector<TableEntry>& entries,
                          size_t abandon_after) {
  bytes_.clear();
  rocksdb::WritableFileWriter file(
      std::make_unique<StringWritableFile>(&bytes_, settings_.write_limit),
      kFileName, rocksdb::FileOptions());
  compat::CollectorFactories collectors;
  if (settings_.global_seqno != 0) {
    collectors.push_back(
        std::make_unique<rocksdb::SstFileWriterPropertiesCollectorFactory>(
            /*version=*/2, /*global_seqno=*/0));
  }
  const std::string column_family = "default";
  compat::NewFile new_file;
  new_file.reason = settings_.reason;
  new_file.db_id = "a-db-id";
  new_file.db_session_id = "ABCDEFGHIJ0123456789";
  new_file.number = 7;
  rocksdb::CompressionOptions compression_options;
  compression_options.parallel_threads = settings_.parallel_threads;
  const std::unique_ptr<compat::TableBuilderBase> builder(
      static_cast<compat::TableBuilderBase*>(factory_->NewTableBuilder(
          compat::BuilderOptionsOf(ioptions_, moptions_, icmp_, &collectors,
                                   settings_.compression, compression_options,
                                   column_family, new_file),
          &file)));
  for (const TableEntry& entry : entries) {
    if (builder->NumEntries() == abandon_after) break;
    builder->Add(entry.InternalKey(), entry.value);
  }
  if (builder->NumEntries() == abandon_after) {
    const Status s = builder->status();
    builder->Abandon();
    return s.ok() ? Status::Incomplete("abandoned") : s;
  }
  Status s = builder->Finish();
  if (s.ok()) s = compat::Flush(&file);
  built_ = builder->GetTableProperties();
  tail_size_ = compat::TailSizeOf(*builder);
  size_before_compression_ = builder->PreCompressionSize();
  worker_cpu_micros_ = builder->GetWorkerCPUMicros();
  return s;
}

Status MemoryTable::Open(const std::string& bytes,
                         const rocksdb::ReadOptions& read_options,
                         std::unique_ptr<rocksdb::TableReader>* reader) const {
  auto file = std::make_unique<rocksdb::RandomAccessFileReader>(
      std::make_unique<StringRandomAccessFile>(bytes, settings_), kFileName);
  // The manifest would know the size of the undamaged file's tail.
  const uint64_t tail_size = bytes.size() == bytes_.size() ? tail_size_ : 0;
  rocksdb::TableReaderOptions options = compat::ReaderOptionsOf(
      ioptions_, moptions_.prefix_extractor, env_options_, icmp_);
  options.level = 1;
  options.cur_file_num = 7;
  options.largest_seqno = settings_.global_seqno != 0
                              ? settings_.global_seqno
                              : rocksdb::kMaxSequenceNumber;
  compat::SetTailSize(tail_size, &options);
  return factory_->NewTableReader(read_options, options, std::move(file),
                                  bytes.size(), reader,
                                  /*prefetch_index_and_filter_in_cache=*/true);
}

MemoryTable::LookUpResult MemoryTable::LookUp(
    const std::string& user_key,
    const std::function<Status(rocksdb::GetContext*)>& fill) const {
  rocksdb::PinnableSlice value;
  rocksdb::MergeContext merge_context;
  rocksdb::SequenceNumber covering = 0;
  const auto merge = rocksdb::MergeOperators::CreateStringAppendOperator();
  rocksdb::GetContext context(icmp_.user_comparator(), merge.get(), nullptr,
                              nullptr, rocksdb::GetContext::kNotFound, user_key,
                              &value, nullptr, nullptr, &merge_context,
                              /*do_merge=*/true, &covering,
                              rocksdb::SystemClock::Default().get());
  LookUpResult result;
  result.status = fill(&context);
  result.state = context.State();
  result.value = value.ToString();
  for (const Slice& operand : merge_context.GetOperands()) {
    result.operands.push_back(operand.ToString());
  }
  return result;
}

Status ReadBlock(const std::string& file, const rocksdb::BlockHandle& at,
                 std::string* raw) {
  raw->assign(file, at.offset(), at.size());
  const auto type =
      static_cast<rocksdb::CompressionType>(file.at(at.offset() + at.size()));
  if (type == rocksdb::kNoCompression) return Status::OK();
  rocksdb::BlockContents contents;
  const rocksdb::Options options;
  const Status s = compat::Uncompress(*raw, type, kFooterFormatVersion,
                                      rocksdb::ImmutableOptions(options),
                                      /*allocator=*/nullptr, &contents);
  if (s.ok()) *raw = contents.data.ToString();
  return s;
}

}  // namespace memkv
