// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How the block cache is told of what a file in the making holds in memory.

#pragma once

#include <memory>

#include "cache/cache_reservation_manager.h"
#include "rocksdb/table.h"

namespace memkv {

// Charges as BlockBasedTableBuilder charges the buffer of its compression
// dictionaries.  Null if the cache is not to be charged.
inline std::unique_ptr<ROCKSDB_NAMESPACE::CacheReservationManager>
NewBuildReservation(
    const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based) {
  constexpr auto kRole =
      ROCKSDB_NAMESPACE::CacheEntryRole::kCompressionDictionaryBuildingBuffer;
  const auto& usage = block_based.cache_usage_options;
  const auto role = usage.options_overrides.find(kRole);
  const auto charged = role != usage.options_overrides.end()
                           ? role->second.charged
                           : usage.options.charged;
  if (block_based.block_cache == nullptr ||
      charged ==
          ROCKSDB_NAMESPACE::CacheEntryRoleOptions::Decision::kDisabled) {
    return nullptr;
  }
  return std::make_unique<
      ROCKSDB_NAMESPACE::CacheReservationManagerImpl<kRole>>(
      block_based.block_cache);
}

// Says that so many bytes are held.  False if that is too much for the cache.
inline bool ChargeBuild(ROCKSDB_NAMESPACE::CacheReservationManager* reservation,
                        size_t bytes) {
  if (reservation == nullptr) return true;
  const ROCKSDB_NAMESPACE::Status s =
      reservation->UpdateCacheReservation(bytes);
  // No other failure is known, and none would be a reason to give up.
  return !s.IsMemoryLimit();
}

}  // namespace memkv
