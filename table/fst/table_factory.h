// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The factory behind `table_factory=fst`.  It wraps a block-based factory,
// which configures what the two kinds of table share (block cache, checksum,
// readahead), reads the block-based files of a database, and writes the files
// that a trie cannot serve.  Each file is opened by what it is.
//
// RocksDB gates features (TTL, periodic compaction) by asking whether the
// table factory is an instance of "BlockBasedTable", and reaches the block
// cache through the options of that name: this factory says yes, and gives the
// inner factory's.
//
// Every option of the block-based factory is one of this factory: a name that
// is none of FstTable's own is passed on to the inner factory, so that there is
// no list of them here.  They are kept, printed and written to OPTIONS files
// once, as `block_based={...}`.  Where an option is given in several ways at
// once, `<option>` wins over `block_based.<option>`, and that over
// `block_based={<option>}`.
//
// Thread safety: as TableFactory; the options do not change once a database
// uses the factory (DB::SetOptions works on a clone, or, below RocksDB 9.8, is
// refused), but for those that the inner factory's own objects mark mutable,
// and read atomically.

#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>

#include "compat/table_factory.h"
#include "plugin/memkv.h"
#include "rocksdb/table.h"
#include "table/fst/file.h"
#include "table/fst/pin_budget.h"
#include "table/fst/token_table_registry.h"

namespace ROCKSDB_NAMESPACE {
class CacheReservationManager;
}  // namespace ROCKSDB_NAMESPACE

namespace memkv {

class FstTableFactory : public compat::TableFactoryBase {
 public:
  explicit FstTableFactory(
      const FstTableOptions& options = FstTableOptions(),
      const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based =
          ROCKSDB_NAMESPACE::BlockBasedTableOptions());
  FstTableFactory(const FstTableFactory& other);
  FstTableFactory& operator=(const FstTableFactory&) = delete;

  static const char* kClassName() { return "FstTable"; }
  static const char* kNickName() { return "fst"; }
  const char* Name() const override { return kClassName(); }
  const char* NickName() const override { return kNickName(); }
  const ROCKSDB_NAMESPACE::Customizable* Inner() const override {
    return config_.block_based.get();
  }
  bool IsInstanceOf(const std::string& name) const override;

  ROCKSDB_NAMESPACE::Status PrepareOptions(
      const ROCKSDB_NAMESPACE::ConfigOptions& config_options) override;
  ROCKSDB_NAMESPACE::Status ValidateOptions(
      const ROCKSDB_NAMESPACE::DBOptions& db_options,
      const ROCKSDB_NAMESPACE::ColumnFamilyOptions& cf_options) const override;
  std::string GetPrintableOptions() const override;
  ROCKSDB_NAMESPACE::Status ConfigureOptions(
      const ROCKSDB_NAMESPACE::ConfigOptions& config_options,
      const std::unordered_map<std::string, std::string>& options,
      std::unordered_map<std::string, std::string>* unused) override;
  ROCKSDB_NAMESPACE::Status ParseOption(
      const ROCKSDB_NAMESPACE::ConfigOptions& config_options,
      const ROCKSDB_NAMESPACE::OptionTypeInfo& info, const std::string& name,
      const std::string& value, void* address) override;
  // `block_based.<option>` for what is no option of FstTable's own.
  std::string GetOptionName(const std::string& long_name) const override;

  using TableFactory::NewTableReader;
  ROCKSDB_NAMESPACE::Status NewTableReader(
      const ROCKSDB_NAMESPACE::ReadOptions& read_options,
      const ROCKSDB_NAMESPACE::TableReaderOptions& options,
      std::unique_ptr<ROCKSDB_NAMESPACE::RandomAccessFileReader>&& file,
      uint64_t file_size,
      std::unique_ptr<ROCKSDB_NAMESPACE::TableReader>* reader,
      bool prefetch_index_and_filter_in_cache) const override;
  ROCKSDB_NAMESPACE::TableBuilder* NewTableBuilder(
      const ROCKSDB_NAMESPACE::TableBuilderOptions& options,
      ROCKSDB_NAMESPACE::WritableFileWriter* file) const override;
  std::unique_ptr<ROCKSDB_NAMESPACE::TableFactory> Clone() const override;
  bool IsDeleteRangeSupported() const override { return true; }

 private:
  // What the options strings configure.
  struct Config {
    FstTableOptions fst;
    std::shared_ptr<ROCKSDB_NAMESPACE::TableFactory> block_based;
  };
  // What clones share.
  struct Shared {
    std::atomic<bool> delegation_logged{false};
    const std::shared_ptr<TokenTableRegistry> token_tables =
        std::make_shared<TokenTableRegistry>();
    // What stock RocksDB's users mostly name.
    const std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy>
        default_filter_policy{ROCKSDB_NAMESPACE::NewBloomFilterPolicy(10)};
  };

  // Config's options, by name, for RocksDB's options framework.
  static const std::unordered_map<std::string,
                                  ROCKSDB_NAMESPACE::OptionTypeInfo>&
  TypeInfo();
  void Initialize();
  void UpdateReservation();
  const ROCKSDB_NAMESPACE::BlockBasedTableOptions& BlockBasedOptions() const;
  static std::shared_ptr<PinBudget> PinBudgetOf(
      const ROCKSDB_NAMESPACE::BlockBasedTableOptions& bbto);
  // Of the FST files that are opened now.
  FstFile::Settings FileSettings() const;
  // Null if default_filter says so, or no filter could be held in memory.
  std::shared_ptr<const ROCKSDB_NAMESPACE::FilterPolicy> DefaultFilterPolicy(
      const ROCKSDB_NAMESPACE::BlockBasedTableOptions& bbto) const;

  Config config_;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<ROCKSDB_NAMESPACE::CacheReservationManager> reservation_;
};

}  // namespace memkv
