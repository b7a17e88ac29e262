// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How the factory opens a file: by its footer, as what it is.

#include <algorithm>
#include <utility>

#include "compat/file_io.h"
#include "table/fst/format.h"
#include "table/fst/pin_budget.h"
#include "table/fst/table_factory.h"
#include "table/fst/table_reader.h"

namespace memkv {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Status;

namespace {

// Whether what `footer`, the last bytes of a block-based file, points to lies
// in the file, and the later block of the two ends where the footer begins, as
// in every file that RocksDB, LevelDB or memkv has written.  A footer whose
// bytes have moved points anywhere, and RocksDB asserts that it finds a block
// there.  True, too, if the bytes are no footer, which their reader will say.
bool FooterFits(const std::string& footer, uint64_t file_size) {
  ROCKSDB_NAMESPACE::Footer decoded;
  const uint64_t footer_at = file_size - footer.size();
  if (!decoded.DecodeFrom(footer, footer_at).ok()) return true;
  uint64_t end = 0;
  for (const auto& handle :
       {decoded.metaindex_handle(), decoded.index_handle()}) {
    if (handle.IsNull()) continue;
    if (handle.offset() > file_size ||
        handle.size() > file_size - handle.offset()) {
      return false;
    }
    end = std::max(end, handle.offset() + handle.size());
  }
  // Shorter ones, of other versions, are at the end of the same bytes.
  const auto length = static_cast<uint64_t>(
      decoded.format_version() == 0
          ? ROCKSDB_NAMESPACE::Footer::kVersion0EncodedLength
          : footer.size());
  return end + decoded.GetBlockTrailerSize() == file_size - length;
}

}  // namespace

FstFile::Settings FstTableFactory::FileSettings() const {
  const auto prepared = compat::PreparedBlockBased(config_.block_based);
  const auto& bbto = *prepared->GetOptions<BlockBasedTableOptions>();
  FstFile::Settings settings;
  settings.residency = config_.fst.residency;
  if (settings.residency == FstTableOptions::Residency::kAuto) {
    settings.pin_budget = PinBudgetOf(bbto);
  }
  settings.pinned_keys_limit = config_.fst.pinned_keys_limit;
  settings.default_filter = bbto.filter_policy == nullptr;
  settings.pin_filter =
      settings.residency == FstTableOptions::Residency::kPin ||
      settings.default_filter || !bbto.cache_index_and_filter_blocks;
  settings.block_cache = bbto.block_cache;
  settings.index_priority =
      bbto.cache_index_and_filter_blocks_with_high_priority
          ? ROCKSDB_NAMESPACE::Cache::Priority::HIGH
          : ROCKSDB_NAMESPACE::Cache::Priority::LOW;
  settings.reservation = reservation_;
  settings.whole_key_filtering = bbto.whole_key_filtering;
  settings.filter_policy =
      settings.default_filter ? DefaultFilterPolicy(bbto) : bbto.filter_policy;
  settings.token_tables = shared_->token_tables;
  settings.initial_auto_readahead_size = bbto.initial_auto_readahead_size;
  settings.max_auto_readahead_size = bbto.max_auto_readahead_size;
  settings.num_file_reads_for_auto_readahead =
      bbto.num_file_reads_for_auto_readahead;
  return settings;
}

Status FstTableFactory::NewTableReader(
    const ReadOptions& read_options,
    const ROCKSDB_NAMESPACE::TableReaderOptions& options,
    std::unique_ptr<ROCKSDB_NAMESPACE::RandomAccessFileReader>&& file,
    uint64_t file_size, std::unique_ptr<ROCKSDB_NAMESPACE::TableReader>* reader,
    bool prefetch_index_and_filter_in_cache) const {
  if (file_size >= kFooterSize) {
    std::string footer;
    const Status s =
        compat::ReadExactly(read_options, file.get(), file_size - kFooterSize,
                            kFooterSize, &footer);
    uint64_t actual_size = file_size;
    if (s.IsCorruption() &&
        options.ioptions.fs
            ->GetFileSize(file->file_name(), ROCKSDB_NAMESPACE::IOOptions(),
                          &actual_size, nullptr)
            .ok() &&
        actual_size < file_size) {
      // RocksDB's words, which tools may look for.
      return Status::Corruption("Sst file size mismatch: " + file->file_name() +
                                ". Expected " + std::to_string(file_size) +
                                ", actual size " + std::to_string(actual_size));
    }
    if (!s.ok()) return s;
    // A damaged footer must not become a huge allocation.
    if (!FooterFits(footer, file_size)) {
      return Status::Corruption(
          file->file_name() +
          ": the footer does not point to the blocks before it");
    }
    if (HasFooterMarker(footer)) {
      std::unique_ptr<const FstFile> opened;
      const Status opening =
          FstFile::Open(FileSettings(), read_options, options, std::move(file),
                        file_size, footer, &opened);
      if (opening.ok()) {
        *reader = std::make_unique<FstTableReader>(std::move(opened));
      }
      return opening;
    }
  }
  const std::string name = file->file_name();
  const Status s =
      compat::PreparedBlockBased(config_.block_based)
          ->NewTableReader(read_options, options, std::move(file), file_size,
                           reader, prefetch_index_and_filter_in_cache);
  if (s.IsCorruption() && s.ToString().find(name) == std::string::npos) {
    // Older versions do not say in which file.
    return Status::Corruption(name, s.ToString());
  }
  if (!s.ok()) return s;
  // Block-based code would find poison for its data.
  const auto properties = (*reader)->GetTableProperties();
  if (properties != nullptr &&
      properties->user_collected_properties.count(kDirectoryProperty) != 0) {
    reader->reset();
    return Status::Corruption(name +
                              ": an FST file whose footer has lost its marker");
  }
  return s;
}

}  // namespace memkv
