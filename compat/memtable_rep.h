// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// RocksDB's MemTableRep and its iterator as memkv implements them.  Functions
// that have got more parameters since 9.10 end here, and go on under another
// name with one parameter for all.  Below 9.6 RocksDB asks for no checks; they
// are there all the same, for tests.

#pragma once

#include <functional>
#include <memory>

#include "compat/version.h"
#include "rocksdb/memtablerep.h"

namespace memkv {
namespace compat {

// What a look-up in a memtable is to check on its way.
struct EntryChecks {
  // Whether a Corruption may say what is in an entry.
  bool allow_data_in_errors = false;
  // Whether entries are compared with what was sought and with each other.
  bool order = true;
  // Checks an entry by itself, by its checksum; may be empty.  From 10.7 on.
  std::function<ROCKSDB_NAMESPACE::Status(const char* entry, bool)> entry;

  bool none() const { return !order && entry == nullptr; }
  ROCKSDB_NAMESPACE::Status Check(const char* e) const {
    return entry == nullptr ? ROCKSDB_NAMESPACE::Status::OK()
                            : entry(e, allow_data_in_errors);
  }
};

// Whether RocksDB tells a memtable when a writer's batch is at its end.
#if MEMKV_ROCKSDB >= 1004
constexpr bool kFinishesBatches = true;
#else
constexpr bool kFinishesBatches = false;
#endif

class MemTableRepBase : public ROCKSDB_NAMESPACE::MemTableRep {
 public:
  explicit MemTableRepBase(ROCKSDB_NAMESPACE::Allocator* allocator)
      : ROCKSDB_NAMESPACE::MemTableRep(allocator) {}

  virtual ROCKSDB_NAMESPACE::Status GetChecked(
      const ROCKSDB_NAMESPACE::LookupKey& k, void* callback_args,
      bool (*callback_func)(void* arg, const char* entry),
      const EntryChecks& checks) = 0;

  // Get() of n keys, as entries begin with them, that do not descend; key i
  // calls back with callback_args[i].  RocksDB asks so from 11.1 on.
  virtual ROCKSDB_NAMESPACE::Status GetMany(
      size_t n, const char* const* keys, void** callback_args,
      bool (*callback_func)(void* arg, const char* entry),
      const EntryChecks& checks) = 0;

  // The calling thread's inserts by functions with Concurrently in their names
  // end here, for now. RocksDB calls so from 10.4 on (kFinishesBatches).
  virtual void FinishBatch() = 0;

#if MEMKV_ROCKSDB >= 1004
  void BatchPostProcess() final { FinishBatch(); }
#endif
#if MEMKV_ROCKSDB >= 1101
  ROCKSDB_NAMESPACE::Status MultiGet(
      size_t num_keys, const char* const* keys, void** callback_args,
      bool (*callback_func)(void* arg, const char* entry),
      bool allow_data_in_errors, bool detect_key_out_of_order,
      const std::function<ROCKSDB_NAMESPACE::Status(const char*, bool)>&
          key_validation_callback) final {
    return GetMany(num_keys, keys, callback_args, callback_func,
                   {allow_data_in_errors, detect_key_out_of_order,
                    key_validation_callback});
  }
#endif
#if MEMKV_ROCKSDB >= 1007
  ROCKSDB_NAMESPACE::Status GetAndValidate(
      const ROCKSDB_NAMESPACE::LookupKey& k, void* callback_args,
      bool (*callback_func)(void* arg, const char* entry),
      bool allow_data_in_errors, bool detect_key_out_of_order,
      const std::function<ROCKSDB_NAMESPACE::Status(const char*, bool)>&
          key_validation_callback) final {
    return GetChecked(k, callback_args, callback_func,
                      {allow_data_in_errors, detect_key_out_of_order,
                       key_validation_callback});
  }
#elif MEMKV_ROCKSDB >= 906
  ROCKSDB_NAMESPACE::Status GetAndValidate(
      const ROCKSDB_NAMESPACE::LookupKey& k, void* callback_args,
      bool (*callback_func)(void* arg, const char* entry),
      bool allow_data_in_errors) final {
    return GetChecked(k, callback_args, callback_func,
                      {allow_data_in_errors, /*order=*/true, nullptr});
  }
#endif
};

class MemTableIteratorBase : public ROCKSDB_NAMESPACE::MemTableRep::Iterator {
 public:
  virtual ROCKSDB_NAMESPACE::Status SeekChecked(
      const ROCKSDB_NAMESPACE::Slice& internal_key, const char* memtable_key,
      const EntryChecks& checks) = 0;

#if MEMKV_ROCKSDB >= 1007
  ROCKSDB_NAMESPACE::Status SeekAndValidate(
      const ROCKSDB_NAMESPACE::Slice& internal_key, const char* memtable_key,
      bool allow_data_in_errors, bool detect_key_out_of_order,
      const std::function<ROCKSDB_NAMESPACE::Status(const char*, bool)>&
          key_validation_callback) final {
    return SeekChecked(internal_key, memtable_key,
                       {allow_data_in_errors, detect_key_out_of_order,
                        key_validation_callback});
  }
#elif MEMKV_ROCKSDB >= 906
  ROCKSDB_NAMESPACE::Status SeekAndValidate(
      const ROCKSDB_NAMESPACE::Slice& internal_key, const char* memtable_key,
      bool allow_data_in_errors) final {
    return SeekChecked(internal_key, memtable_key,
                       {allow_data_in_errors, /*order=*/true, nullptr});
  }
#else
  virtual ROCKSDB_NAMESPACE::Status NextAndValidate(
      bool allow_data_in_errors) = 0;
  virtual ROCKSDB_NAMESPACE::Status PrevAndValidate(
      bool allow_data_in_errors) = 0;
#endif
};

// The same of any memtable, as far as RocksDB's own check.
inline ROCKSDB_NAMESPACE::Status SeekChecked(
    ROCKSDB_NAMESPACE::MemTableRep::Iterator* iter,
    const ROCKSDB_NAMESPACE::Slice& internal_key, const char* memtable_key,
    const EntryChecks& checks) {
#if MEMKV_ROCKSDB >= 1007
  return iter->SeekAndValidate(internal_key, memtable_key,
                               checks.allow_data_in_errors, checks.order,
                               checks.entry);
#elif MEMKV_ROCKSDB >= 906
  return iter->SeekAndValidate(internal_key, memtable_key,
                               checks.allow_data_in_errors);
#else
  (void)checks;
  iter->Seek(internal_key, memtable_key);
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

// NextAndValidate() or PrevAndValidate().
inline ROCKSDB_NAMESPACE::Status StepChecked(
    ROCKSDB_NAMESPACE::MemTableRep::Iterator* iter, bool forward,
    bool allow_data_in_errors) {
#if MEMKV_ROCKSDB >= 906
  return forward ? iter->NextAndValidate(allow_data_in_errors)
                 : iter->PrevAndValidate(allow_data_in_errors);
#else
  (void)allow_data_in_errors;
  forward ? iter->Next() : iter->Prev();
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

// MultiGet of any memtable; below 11.1, of those that are not memkv's, as
// RocksDB has it from then on for those that have none of their own. Without
// run-time type information none is known as memkv's there.
inline ROCKSDB_NAMESPACE::Status MultiGet(
    ROCKSDB_NAMESPACE::MemTableRep* rep, size_t n, const char* const* keys,
    void** callback_args, bool (*callback_func)(void* arg, const char* entry),
    const EntryChecks& checks) {
#if MEMKV_ROCKSDB >= 1101
  return rep->MultiGet(n, keys, callback_args, callback_func,
                       checks.allow_data_in_errors, checks.order, checks.entry);
#else
#if defined(__cpp_rtti)
  if (auto* const own = dynamic_cast<MemTableRepBase*>(rep); own != nullptr) {
    return own->GetMany(n, keys, callback_args, callback_func, checks);
  }
#else
  (void)checks;
#endif
  std::unique_ptr<ROCKSDB_NAMESPACE::MemTableRep::Iterator> iter(
      rep->GetIterator());
  for (size_t i = 0; i < n; ++i) {
    for (iter->Seek(ROCKSDB_NAMESPACE::Slice(), keys[i]);
         iter->Valid() && callback_func(callback_args[i], iter->key());
         iter->Next()) {
    }
  }
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

// Ends the calling thread's batch of concurrent inserts, as RocksDB does it.
inline void FinishBatch(ROCKSDB_NAMESPACE::MemTableRep* rep) {
#if MEMKV_ROCKSDB >= 1004
  rep->BatchPostProcess();
#else
  (void)rep;
#endif
}

inline ROCKSDB_NAMESPACE::Status GetChecked(
    ROCKSDB_NAMESPACE::MemTableRep* rep, const ROCKSDB_NAMESPACE::LookupKey& k,
    void* callback_args, bool (*callback_func)(void* arg, const char* entry),
    const EntryChecks& checks) {
#if MEMKV_ROCKSDB >= 1007
  return rep->GetAndValidate(k, callback_args, callback_func,
                             checks.allow_data_in_errors, checks.order,
                             checks.entry);
#elif MEMKV_ROCKSDB >= 906
  return rep->GetAndValidate(k, callback_args, callback_func,
                             checks.allow_data_in_errors);
#else
  (void)checks;
  rep->Get(k, callback_args, callback_func);
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

}  // namespace compat
}  // namespace memkv
