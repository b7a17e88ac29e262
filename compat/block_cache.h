// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The block cache, with typed values: RocksDB's own from 8.0 on, and the same
// few functions over the untyped cache of before.  And AllocateBlock(), memory
// of a cache's allocator.

#pragma once

#include <cstddef>

#include "compat/version.h"
#if MEMKV_ROCKSDB >= 800
#include "cache/typed_cache.h"
#include "rocksdb/advanced_cache.h"
#else
#include "cache/cache_entry_roles.h"
#include "rocksdb/cache.h"
#endif
#if MEMKV_ROCKSDB >= 803
#include "memory/memory_allocator_impl.h"
#else
#include "memory/memory_allocator.h"
#endif
#include "rocksdb/cleanable.h"

namespace memkv {
namespace compat {

#if MEMKV_ROCKSDB >= 800

template <typename TValue>
using TypedCache = ROCKSDB_NAMESPACE::BasicTypedCacheInterface<TValue>;

#else

// A value is deleted with `delete`, and counted by TValue::kCacheEntryRole.
// Thread safety: the cache's.
template <typename TValue>
class TypedCache {
 public:
  using Cache = ROCKSDB_NAMESPACE::Cache;
  struct TypedHandle : public Cache::Handle {};

  explicit TypedCache(Cache* cache) : cache_(cache) {}

  // Takes the value if it returns OK.
  ROCKSDB_NAMESPACE::Status Insert(const ROCKSDB_NAMESPACE::Slice& key,
                                   TValue* value, size_t charge,
                                   TypedHandle** handle,
                                   Cache::Priority priority) {
    return cache_->Insert(key, value, charge,
                          ROCKSDB_NAMESPACE::GetCacheEntryDeleterForRole<
                              TValue, TValue::kCacheEntryRole>(),
                          reinterpret_cast<Cache::Handle**>(handle), priority);
  }
  TypedHandle* Lookup(const ROCKSDB_NAMESPACE::Slice& key,
                      ROCKSDB_NAMESPACE::Statistics* stats) {
    return static_cast<TypedHandle*>(cache_->Lookup(key, stats));
  }
  TValue* Value(TypedHandle* handle) {
    return static_cast<TValue*>(cache_->Value(handle));
  }
  void Release(TypedHandle* handle) { cache_->Release(handle); }

 private:
  Cache* const cache_;
};

#endif

// Whether what the handle of `cache` holds was inserted as a TValue, by the
// TypedCache of that.
template <typename TValue>
bool Holds(const ROCKSDB_NAMESPACE::Cache& cache,
           ROCKSDB_NAMESPACE::Cache::Handle* handle) {
#if MEMKV_ROCKSDB >= 801
  return cache.GetCacheItemHelper(handle) ==
         TypedCache<TValue>::GetBasicHelper();
#elif MEMKV_ROCKSDB >= 800
  return cache.GetCacheItemHelper(handle) == &TypedCache<TValue>::kBasicHelper;
#else
  return cache.GetDeleter(handle) ==
         ROCKSDB_NAMESPACE::GetCacheEntryDeleterForRole<
             TValue, TValue::kCacheEntryRole>();
#endif
}

// Has the cleanable release the handle, which is `cache`'s.
inline void ReleaseWith(ROCKSDB_NAMESPACE::Cleanable* cleanable,
                        ROCKSDB_NAMESPACE::Cache* cache,
                        ROCKSDB_NAMESPACE::Cache::Handle* handle) {
  cleanable->RegisterCleanup(
      [](void* in, void* released) {
        static_cast<ROCKSDB_NAMESPACE::Cache*>(in)->Release(
            static_cast<ROCKSDB_NAMESPACE::Cache::Handle*>(released));
      },
      cache, handle);
}

}  // namespace compat
}  // namespace memkv
