// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's TableBuilder as memkv implements it, and what it asks RocksDB for.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compat/version.h"
#include "db/table_properties_collector.h"
#include "rocksdb/options.h"
#include "table/block_based/block_based_table_builder.h"
#include "table/block_based/filter_policy_internal.h"
#include "table/format.h"
#include "table/meta_blocks.h"
#include "table/table_builder.h"

namespace memkv {
namespace compat {

class TableBuilderBase : public ROCKSDB_NAMESPACE::TableBuilder {
 public:
  // When sequence numbers were written, as the property
  // TableProperties::seqno_to_time_mapping has it; and when the oldest of the
  // files was, whose entries these are.
  virtual void SetTimes(std::string seqno_times,
                        uint64_t oldest_ancestor_time) = 0;

#if MEMKV_ROCKSDB >= 811
  void SetSeqnoTimeTableProperties(
      const ROCKSDB_NAMESPACE::SeqnoToTimeMapping& relevant_mapping,
      uint64_t oldest_ancestor_time) final {
    std::string encoded;
    relevant_mapping.EncodeTo(encoded);
    SetTimes(std::move(encoded), oldest_ancestor_time);
  }
#else
  void SetSeqnoTimeTableProperties(const std::string& encoded,
                                   uint64_t oldest_ancestor_time) final {
    SetTimes(encoded, oldest_ancestor_time);
  }
#endif
  // What some versions do not ask for.
#if MEMKV_ROCKSDB < 803
  virtual uint64_t GetTailSize() const = 0;
#endif
#if MEMKV_ROCKSDB < 1004
  virtual uint64_t PreCompressionSize() const = 0;
#endif
#if MEMKV_ROCKSDB < 1007
  virtual uint64_t GetWorkerCPUMicros() const = 0;
#endif
#if MEMKV_ROCKSDB < 1009
  virtual uint64_t EstimatedTailSize() const = 0;
#endif
};

// Of a finished file; 0 where RocksDB does not ask for it.
inline uint64_t TailSizeOf(const ROCKSDB_NAMESPACE::TableBuilder& builder) {
#if MEMKV_ROCKSDB >= 803
  return builder.GetTailSize();
#else
  (void)builder;
  return 0;
#endif
}

// ---- Properties that not every version has ----------------------------------

// When the keys of a flush were written.
inline void SetKeyTimes(const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
                        ROCKSDB_NAMESPACE::TableProperties* properties) {
  properties->oldest_key_time = tbo.oldest_key_time;
#if MEMKV_ROCKSDB >= 909
  properties->newest_key_time = tbo.newest_key_time;
#endif
}

// The largest sequence number of the entries: 0 if there are none.
inline void SetLargestSeqno(ROCKSDB_NAMESPACE::SequenceNumber largest,
                            ROCKSDB_NAMESPACE::TableProperties* properties) {
#if MEMKV_ROCKSDB >= 907
  properties->key_largest_seqno = largest;
#else
  (void)largest;
  (void)properties;
#endif
}

inline void SetTailStart(uint64_t offset,
                         ROCKSDB_NAMESPACE::TableProperties* properties) {
#if MEMKV_ROCKSDB >= 803
  properties->tail_start_offset = offset;
#else
  (void)offset;
  (void)properties;
#endif
}

// Where the tail begins; 0 if the properties do not say.
inline uint64_t TailStart(
    const ROCKSDB_NAMESPACE::TableProperties& properties) {
#if MEMKV_ROCKSDB >= 803
  return properties.tail_start_offset;
#else
  (void)properties;
  return 0;
#endif
}

// RocksDB's text for compression options, as the properties carry it.  9.10
// asks for a mutable argument.
inline std::string CompressionOptionsName(
    ROCKSDB_NAMESPACE::CompressionOptions options) {
  return ROCKSDB_NAMESPACE::CompressionOptionsToString(options);
}

// ---- Collectors of properties -----------------------------------------------

#if MEMKV_ROCKSDB >= 900
using Collector = ROCKSDB_NAMESPACE::InternalTblPropColl;
using CollectorFactories = ROCKSDB_NAMESPACE::InternalTblPropCollFactories;
#else
using Collector = ROCKSDB_NAMESPACE::IntTblPropCollector;
using CollectorFactories = ROCKSDB_NAMESPACE::IntTblPropCollectorFactories;
#endif
using Collectors = std::vector<std::unique_ptr<Collector>>;

// Makes the table properties collectors that `tbo` asks for.
inline void MakeCollectors(const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo,
                           Collectors* out) {
#if MEMKV_ROCKSDB >= 900
  const auto* const factories = tbo.internal_tbl_prop_coll_factories;
#else
  const auto* const factories = tbo.int_tbl_prop_collector_factories;
#endif
  if (factories == nullptr) return;
  for (const auto& factory : *factories) {
    std::unique_ptr<Collector> collector(
#if MEMKV_ROCKSDB >= 904
        factory->CreateInternalTblPropColl(
            tbo.column_family_id, tbo.level_at_creation,
            tbo.ioptions.num_levels,
            tbo.last_level_inclusive_max_seqno_threshold)
#elif MEMKV_ROCKSDB >= 900
        factory->CreateInternalTblPropColl(tbo.column_family_id,
                                           tbo.level_at_creation)
#else
        factory->CreateIntTblPropCollector(tbo.column_family_id,
                                           tbo.level_at_creation)
#endif
    );
    if (collector != nullptr) out->push_back(std::move(collector));
  }
}

// Adds to *block the user properties in *properties, and to both what the
// collectors have collected.
inline void FinishCollectors(const Collectors& collectors,
                             ROCKSDB_NAMESPACE::Logger* logger,
                             ROCKSDB_NAMESPACE::PropertyBlockBuilder* block,
                             ROCKSDB_NAMESPACE::TableProperties* properties) {
#if MEMKV_ROCKSDB >= 906
  NotifyCollectTableCollectorsOnFinish(collectors, logger, block,
                                       properties->user_collected_properties,
                                       properties->readable_properties);
#else
  // What RocksDB has done in this function since 9.6.  Before, it left out what
  // is in *properties already unless there was a collector, and a collector
  // could take out what it found there.
  for (const auto& collector : collectors) {
    ROCKSDB_NAMESPACE::UserCollectedProperties own;
    if (!collector->Finish(&own).ok()) {
      ROCKSDB_NAMESPACE::LogPropertiesCollectionError(logger, "Finish",
                                                      collector->Name());
      continue;
    }
    for (const auto& readable : collector->GetReadableProperties()) {
      properties->readable_properties.insert(readable);
    }
    properties->user_collected_properties.merge(own);
  }
  block->Add(properties->user_collected_properties);
#endif
}

// ---- What a builder is told
// ---------------------------------------------------

// Whether the caller wants no filter whatever the options say.  11.0 has no
// such callers any more.
inline bool SkipsFilters(const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo) {
#if MEMKV_ROCKSDB >= 1100
  (void)tbo;
  return false;
#else
  return tbo.skip_filters;
#endif
}

// How the caller wants the file to be written; below 8.11 it does not say.
inline ROCKSDB_NAMESPACE::WriteOptions WriteOptionsOf(
    const ROCKSDB_NAMESPACE::TableBuilderOptions& tbo) {
#if MEMKV_ROCKSDB >= 811
  return tbo.write_options;
#else
  (void)tbo;
  return ROCKSDB_NAMESPACE::WriteOptions();
#endif
}

// Of a file that no database asks for, of the column family 0.
struct NewFile {
  int level = 1;
  ROCKSDB_NAMESPACE::TableFileCreationReason reason =
      ROCKSDB_NAMESPACE::TableFileCreationReason::kMisc;
  std::string db_id;
  std::string db_session_id;
  uint64_t number = 0;
};

// What a builder is told of it.  All arguments but `file` must outlive what is
// returned.
inline ROCKSDB_NAMESPACE::TableBuilderOptions BuilderOptionsOf(
    const ROCKSDB_NAMESPACE::ImmutableOptions& ioptions,
    const ROCKSDB_NAMESPACE::MutableCFOptions& moptions,
    const ROCKSDB_NAMESPACE::InternalKeyComparator& comparator,
    const CollectorFactories* collectors,
    ROCKSDB_NAMESPACE::CompressionType compression,
    const ROCKSDB_NAMESPACE::CompressionOptions& compression_options,
    const std::string& column_family, const NewFile& file) {
#if MEMKV_ROCKSDB >= 811
  static const auto* const read_options = new ROCKSDB_NAMESPACE::ReadOptions;
  static const auto* const write_options = new ROCKSDB_NAMESPACE::WriteOptions;
#endif
  return ROCKSDB_NAMESPACE::TableBuilderOptions(
      ioptions, moptions,
#if MEMKV_ROCKSDB >= 811
      *read_options, *write_options,
#endif
      comparator, collectors, compression, compression_options,
      /*_column_family_id=*/0, column_family, file.level,
#if MEMKV_ROCKSDB >= 909
      /*_newest_key_time=*/0,
#endif
      /*_is_bottommost=*/false, file.reason, /*_oldest_key_time=*/0,
      /*_file_creation_time=*/0, file.db_id, file.db_session_id,
      /*_target_file_size=*/0, file.number);
}

// ---- What a builder uses
// ------------------------------------------------------

// Adds a key and its prefix to a filter.  *last_prefix: of the key before, if
// it has one, whose prefix is not added again; for versions whose builder of
// bits compares with what was added last alone.
inline void AddKeyAndPrefix(const ROCKSDB_NAMESPACE::Slice& key,
                            const ROCKSDB_NAMESPACE::Slice& prefix,
                            std::optional<std::string>* last_prefix,
                            ROCKSDB_NAMESPACE::FilterBitsBuilder* bits) {
#if MEMKV_ROCKSDB >= 906
  (void)last_prefix;
  bits->AddKeyAndAlt(key, prefix);
#else
  bits->AddKey(key);
  if (!last_prefix->has_value() || prefix != **last_prefix) {
    bits->AddKey(prefix);
    *last_prefix = prefix.ToString();
  }
#endif
}

// The footer of a block-based file.
inline ROCKSDB_NAMESPACE::Status BuildFooter(
    uint32_t format_version, uint64_t offset,
    ROCKSDB_NAMESPACE::ChecksumType checksum,
    const ROCKSDB_NAMESPACE::BlockHandle& metaindex,
    const ROCKSDB_NAMESPACE::BlockHandle& index,
    ROCKSDB_NAMESPACE::FooterBuilder* builder) {
#if MEMKV_ROCKSDB >= 806
  return builder->Build(ROCKSDB_NAMESPACE::kBlockBasedTableMagicNumber,
                        format_version, offset, checksum, metaindex, index);
#else
  builder->Build(ROCKSDB_NAMESPACE::kBlockBasedTableMagicNumber, format_version,
                 offset, checksum, metaindex, index);
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

}  // namespace compat
}  // namespace memkv
