// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// An FST file built into a string and read back from one, through the same
// factory as a database's but with no file system below: for tests that open
// thousands of damaged variants of one file.
//
// Thread safety: none; distinct tables are independent.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db/dbformat.h"
#include "options/cf_options.h"
#include "plugin/memkv.h"
#include "rocksdb/options.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "table/format.h"
#include "table/fst/format.h"
#include "table/get_context.h"
#include "table/table_reader.h"

namespace memkv {

// One version of a key, or, of type kTypeRangeDeletion, a range deletion
// [user_key, value).
struct TableEntry {
  std::string user_key;
  uint64_t seq = 0;
  rocksdb::ValueType type = rocksdb::kTypeValue;
  std::string value;

  std::string InternalKey() const {
    return rocksdb::InternalKey(user_key, seq, type).Encode().ToString();
  }
};

// Sets *raw to what is inside the block at `at` of a file's bytes, without its
// compression.  REQUIRES: block and trailer lie in the file
rocksdb::Status ReadBlock(const std::string& file,
                          const rocksdb::BlockHandle& at, std::string* raw);

class MemoryTable {
 public:
  // What its files were asked for.
  struct ReadCounts {
    size_t alone = 0;     // reads of one place
    size_t together = 0;  // calls for several
    size_t places = 0;    // of those calls
    size_t bytes = 0;
    bool together_fails = false;  // what is read so
  };

  // What files are called in error messages.
  static constexpr char kFileName[] = "/memory/000007.sst";

  struct Settings {
    // A file has the parts that a test names.
    Settings() { fst.default_filter = FstTableOptions::DefaultFilter::kNone; }

    FstTableOptions fst;
    rocksdb::BlockBasedTableOptions block_based;
    rocksdb::CompressionType compression = rocksdb::kNoCompression;
    uint32_t parallel_threads = 1;
    rocksdb::TableFileCreationReason reason =
        rocksdb::TableFileCreationReason::kMisc;
    // Files that are written take no more bytes: they are an IOError.
    uint64_t write_limit = UINT64_MAX;
    bool reverse = false;
    std::shared_ptr<const rocksdb::SliceTransform> prefix_extractor;
    // As SstFileWriter writes it, and opened as if ingestion had given all its
    // entries this sequence number; 0: not ingested.
    uint64_t global_seqno = 0;
    // Files answer with their own memory, as if they were mapped.
    bool mapped = false;
    ReadCounts* counts = nullptr;  // of all files that are read, if not null
  };

  explicit MemoryTable(const Settings& settings);

  // Builds a file of `entries`: in internal-key order, range deletions last.
  // Abandons it behind the first `abandon_after` of them, if there are as many;
  // that is Incomplete, if there was no other error.
  rocksdb::Status Build(const std::vector<TableEntry>& entries,
                        size_t abandon_after = SIZE_MAX);
  const std::string& bytes() const { return bytes_; }
  const rocksdb::TableProperties& built_properties() const { return built_; }
  // See TableBuilder::PreCompressionSize() and GetWorkerCPUMicros().
  uint64_t size_before_compression() const { return size_before_compression_; }
  uint64_t worker_cpu_micros() const { return worker_cpu_micros_; }
  // What they lead to.
  FileDirectory built_directory() const {
    FileDirectory directory;
    const rocksdb::Status s = directory.DecodeFrom(
        built_.user_collected_properties.at(kDirectoryProperty));
    EXPECT_TRUE(s.ok()) << s.ToString();
    return directory;
  }

  // Opens any bytes as a file, which must outlive the reader.
  rocksdb::Status Open(const std::string& bytes,
                       const rocksdb::ReadOptions& read_options,
                       std::unique_ptr<rocksdb::TableReader>* reader) const;

  // What a look-up comes to.
  struct LookUpResult {
    rocksdb::Status status;
    rocksdb::GetContext::GetState state;
    std::string value;
    std::vector<std::string> operands;  // of merges
  };
  // Has a context filled by a reader, or by a look-up of several keys.
  LookUpResult LookUp(
      const std::string& user_key,
      const std::function<rocksdb::Status(rocksdb::GetContext*)>& fill) const;

  const rocksdb::InternalKeyComparator& comparator() const { return icmp_; }
  const Settings& settings() const { return settings_; }
  // Of a database that has the file.
  const rocksdb::Options& options() const { return options_; }

 private:
  const Settings settings_;
  const rocksdb::Options options_;
  const rocksdb::ImmutableOptions ioptions_;
  const rocksdb::MutableCFOptions moptions_;
  const rocksdb::EnvOptions env_options_;
  const rocksdb::InternalKeyComparator icmp_;
  const std::unique_ptr<rocksdb::TableFactory> factory_;
  std::string bytes_;
  rocksdb::TableProperties built_;
  uint64_t tail_size_ = 0;
  uint64_t size_before_compression_ = 0;
  uint64_t worker_cpu_micros_ = 0;
};

}  // namespace memkv
