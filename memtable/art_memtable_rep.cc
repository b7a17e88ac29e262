// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_memtable_rep.h"

#include <cassert>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "db/lookup_key.h"
#include "memory/allocator.h"
#include "memory/arena.h"
#include "memtable/art_memtable_iterator.h"
#include "rocksdb/env.h"
#include "util/random.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Arena;
using ROCKSDB_NAMESPACE::KeyHandle;
using ROCKSDB_NAMESPACE::LookupKey;
using ROCKSDB_NAMESPACE::Random;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;

namespace {

// A handle of an entry of the tree's is its reference, which is even, with bit
// 0 set; one of the overflow's is an address, aligned to more than that.
constexpr uintptr_t kOfTree = 1;

bool IsOfTree(KeyHandle handle) {
  return (reinterpret_cast<uintptr_t>(handle) & kOfTree) != 0;
}

ArtRef RefOf(KeyHandle handle) {
  return static_cast<ArtRef>(reinterpret_cast<uintptr_t>(handle) - kOfTree);
}

// Seeks, and calls back from there on until that says to stop.
Status WalkChecked(ArtMemTableIterator* iter, const Slice& internal_key,
                   const char* memtable_key, void* callback_args,
                   bool (*callback_func)(void* arg, const char* entry),
                   const compat::EntryChecks& checks) {
  Status s = iter->SeekChecked(internal_key, memtable_key, checks);
  while (s.ok() && iter->Valid() && callback_func(callback_args, iter->key())) {
    if (checks.order) {
      s = iter->NextAndValidate(checks.allow_data_in_errors);
    } else {
      iter->Next();
    }
    if (s.ok() && iter->Valid()) {
      s = checks.Check(iter->key());
    }
  }
  return s;
}

}  // namespace

char* ArtMemTableRep::NodeAllocator::AllocateAligned(size_t bytes) {
  return allocator_->AllocateAligned(bytes);
}

size_t ArtMemTableRep::NodeAllocator::BlockSize() const {
  return allocator_->BlockSize();
}

ArtMemTableRep::ArtMemTableRep(ArtOrder order, const KeyComparator& key_cmp,
                               ROCKSDB_NAMESPACE::Allocator* allocator,
                               ROCKSDB_NAMESPACE::Logger* logger,
                               uint32_t max_slots, bool finishes_batches)
    : MemTableRepBase(allocator),
      node_allocator_(allocator),
      key_cmp_(key_cmp),
      logger_(logger),
      tree_(order, &node_allocator_, max_slots) {
  if (finishes_batches) {
    buffers_.emplace();
  }
}

ArtMemTableRep::~ArtMemTableRep() {
  delete overflow_.load(std::memory_order_relaxed);
}

ArtOverflow* ArtMemTableRep::OpenOverflow() {
  const std::lock_guard<std::mutex> lock(overflow_mutex_);
  ArtOverflow* overflow = overflow_.load(std::memory_order_relaxed);
  if (overflow == nullptr) {
    overflow = new ArtOverflow(key_cmp_, allocator_, logger_);
    overflow_.store(overflow, std::memory_order_release);
    // Not ROCKS_LOG_WARN: it shortens file names by the length of RocksDB's own
    // path, which does not fit a file outside its tree.
    ROCKSDB_NAMESPACE::Log(
        ROCKSDB_NAMESPACE::InfoLogLevel::WARN_LEVEL, logger_,
        "memtable_factory=art: this memtable has %llu bytes, more than its "
        "tree can name; what is written from now on goes into a skip list",
        static_cast<unsigned long long>(tree_.GetStats().allocated_bytes));
  }
  return overflow;
}

KeyHandle ArtMemTableRep::Allocate(size_t len, char** buf) {
  ArtOverflow* overflow = Overflow();
  if (overflow == nullptr) {
    const ArtRef ref = tree_.AllocateEntry(len, buf);
    if (ref != kArtNoRef) {
      const uintptr_t handle = uintptr_t{ref} | kOfTree;
      // NOLINTNEXTLINE(performance-no-int-to-ptr): no memory is at a KeyHandle
      return reinterpret_cast<KeyHandle>(handle);
    }
    overflow = OpenOverflow();
  }
  return overflow->Allocate(len, buf);
}

bool ArtMemTableRep::InsertIntoOverflow(KeyHandle handle) {
  // An entry of the list is what its handle points to.
  return !tree_.Contains(
             ArtKey(static_cast<const char*>(handle), tree_.order())) &&
         Overflow()->Insert(handle);
}

bool ArtMemTableRep::IsInOverflow(ArtRef ref) const {
  const ArtOverflow* overflow = Overflow();
  return overflow != nullptr && overflow->list()->Contains(tree_.EntryAt(ref));
}

bool ArtMemTableRep::InsertKey(KeyHandle handle) {
  if (!IsOfTree(handle)) {
    return InsertIntoOverflow(handle);
  }
  const ArtRef ref = RefOf(handle);
  return !IsInOverflow(ref) && tree_.InsertSingleWriter(ref);
}

void ArtMemTableRep::Insert(KeyHandle handle) {
  const bool inserted = InsertKey(handle);
  assert(inserted);
  (void)inserted;
}

void ArtMemTableRep::InsertWithHint(KeyHandle handle, void** /*hint*/) {
  Insert(handle);
}

bool ArtMemTableRep::InsertKeyWithHint(KeyHandle handle, void** /*hint*/) {
  return InsertKey(handle);
}

void ArtMemTableRep::InsertWithHintConcurrently(KeyHandle handle,
                                                void** /*hint*/) {
  InsertConcurrently(handle);
}

bool ArtMemTableRep::InsertKeyWithHintConcurrently(KeyHandle handle,
                                                   void** /*hint*/) {
  return InsertKeyConcurrently(handle);
}

void ArtMemTableRep::InsertConcurrently(KeyHandle handle) {
  const bool inserted = InsertKeyConcurrently(handle);
  assert(inserted);
  (void)inserted;
}

bool ArtMemTableRep::InsertKeyConcurrently(KeyHandle handle) {
  if (Overflow() == nullptr && buffers_.has_value()) {
    assert(IsOfTree(handle));
    return tree_.InsertInBatch(RefOf(handle), MyBuffer());
  }
  // An equal one may wait.
  FinishBatch();
  if (!IsOfTree(handle)) {
    return InsertIntoOverflow(handle);
  }
  const ArtRef ref = RefOf(handle);
  return !IsInOverflow(ref) && tree_.Insert(ref);
}

ArtWriterBuffer* ArtMemTableRep::MyBuffer() {
  auto* buffer = static_cast<ArtWriterBuffer*>(buffers_->Get());
  if (buffer == nullptr) {
    constexpr size_t kAlign = alignof(ArtWriterBuffer);
    size_t space = sizeof(ArtWriterBuffer) + kAlign;
    void* memory = allocator_->AllocateAligned(space);
    std::align(kAlign, sizeof(ArtWriterBuffer), memory, space);
    buffer = new (memory) ArtWriterBuffer;
    buffers_->Reset(buffer);
  }
  return buffer;
}

void ArtMemTableRep::FinishBatch() {
  auto* const buffer = buffers_.has_value()
                           ? static_cast<ArtWriterBuffer*>(buffers_->Get())
                           : nullptr;
  if (buffer != nullptr) {
    tree_.FinishBatch(buffer);
  }
}

void ArtMemTableRep::MarkReadOnly() { tree_.MarkReadOnly(); }

bool ArtMemTableRep::Contains(const char* key) const {
  const ArtOverflow* overflow = Overflow();
  return tree_.Contains(ArtKey(key, tree_.order())) ||
         (overflow != nullptr && overflow->list()->Contains(key));
}

void ArtMemTableRep::Get(const LookupKey& k, void* callback_args,
                         bool (*callback_func)(void* arg, const char* entry)) {
  const ArtKey key = ToArtKey(k.internal_key(), tree_.order());
  if (Overflow() != nullptr) {
    ArtMemTableIterator iter(&tree_, &overflow_);
    for (iter.Seek(k.internal_key(), k.memtable_key().data());
         iter.Valid() && ArtKey(iter.key(), tree_.order()).SameUserKey(key) &&
         callback_func(callback_args, iter.key());
         iter.Next()) {
    }
    return;
  }
  Deliver(tree_.Get(key), callback_args, callback_func);
}

void ArtMemTableRep::Deliver(const char* entry, void* callback_args,
                             bool (*callback_func)(void* arg,
                                                   const char* entry)) const {
  if (entry == nullptr || !callback_func(callback_args, entry)) {
    return;
  }
  // Older versions, for merge operands.
  const ArtKey key(entry, tree_.order());
  ArtIterator iter(&tree_);
  iter.Seek(key);
  for (iter.Next();
       iter.Valid() && ArtKey(iter.entry(), tree_.order()).SameUserKey(key) &&
       callback_func(callback_args, iter.entry());
       iter.Next()) {
  }
}

Status ArtMemTableRep::GetMany(size_t n, const char* const* keys,
                               void** callback_args,
                               bool (*callback_func)(void* arg,
                                                     const char* entry),
                               const compat::EntryChecks& checks) {
  if (!checks.none() || Overflow() != nullptr) {
    ArtMemTableIterator iter(&tree_, &overflow_);
    Status s;
    for (size_t i = 0; i < n && s.ok(); ++i) {
      s = WalkChecked(&iter, Slice(), keys[i], callback_args[i], callback_func,
                      checks);
    }
    return s;
  }
  std::vector<ArtKey> sought;
  sought.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    sought.emplace_back(keys[i], tree_.order());
  }
  std::vector<const char*> entries(n);
  tree_.GetMany(sought.data(), n, entries.data());
  for (size_t i = 0; i < n; ++i) {
    Deliver(entries[i], callback_args[i], callback_func);
  }
  return Status::OK();
}

Status ArtMemTableRep::GetChecked(const LookupKey& k, void* callback_args,
                                  bool (*callback_func)(void* arg,
                                                        const char* entry),
                                  const compat::EntryChecks& checks) {
  ArtMemTableIterator iter(&tree_, &overflow_);
  return WalkChecked(&iter, k.internal_key(), k.memtable_key().data(),
                     callback_args, callback_func, checks);
}

uint64_t ArtMemTableRep::ApproximateNumEntries(const Slice& start_ikey,
                                               const Slice& end_ikey) {
  const ArtOverflow* overflow = Overflow();
  return tree_.ApproximateNumEntries(ToArtKey(start_ikey, tree_.order()),
                                     ToArtKey(end_ikey, tree_.order())) +
         (overflow != nullptr
              ? overflow->list()->ApproximateNumEntries(start_ikey, end_ikey)
              : 0);
}

void ArtMemTableRep::UniqueRandomSample(
    uint64_t num_entries, uint64_t target_sample_size,
    std::unordered_set<const char*>* entries) {
  entries->clear();
  ArtMemTableIterator iter(&tree_, &overflow_);
  constexpr uint64_t kMany = 10000;
  if (num_entries > kMany && target_sample_size < kMany &&
      target_sample_size * target_sample_size <= num_entries) {
    // Few of many: each is sought by itself, as the skip list does it, at
    // random by nodes and so not quite evenly. The chance to find only what is
    // there already five times in a row is small.
    constexpr int kTries = 5;
    for (uint64_t i = 0; i < target_sample_size; ++i) {
      for (int tries = 0; tries < kTries; ++tries) {
        iter.RandomSeek();
        if (!iter.Valid()) {
          return;
        }
        if (entries->insert(iter.key()).second) {
          break;
        }
      }
    }
    return;
  }
  // Selection sampling (Knuth, volume 2, 3.4.2, algorithm S). Entries beyond
  // num_entries, inserted since it was counted, are not looked at.
  std::mt19937_64 random(Random::GetTLSInstance()->Next());
  uint64_t wanted = target_sample_size;
  uint64_t left = num_entries;
  for (iter.SeekToFirst(); iter.Valid() && wanted > 0 && left > 0;
       iter.Next(), --left) {
    if (std::uniform_int_distribution<uint64_t>(0, left - 1)(random) < wanted) {
      entries->insert(iter.key());
      --wanted;
    }
  }
}

size_t ArtMemTableRep::ApproximateMemoryUsage() {
  return sizeof(*this) + (Overflow() != nullptr ? sizeof(ArtOverflow) : 0) +
         tree_.ReportedBytes();
}

ROCKSDB_NAMESPACE::MemTableRep::Iterator* ArtMemTableRep::GetIterator(
    Arena* arena) {
  void* memory =
      arena != nullptr ? arena->AllocateAligned(sizeof(ArtMemTableIterator)) :
                       operator new(sizeof(ArtMemTableIterator));
  return new (memory) ArtMemTableIterator(&tree_, &overflow_);
}

ROCKSDB_NAMESPACE::MemTableRep::Iterator*
ArtMemTableRep::GetDynamicPrefixIterator(Arena* arena) {
  return GetIterator(arena);
}

}  // namespace memkv
