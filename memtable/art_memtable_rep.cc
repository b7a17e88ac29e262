// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_memtable_rep.h"

#include <cassert>
#include <new>
#include <random>
#include <string>

#include "db/lookup_key.h"
#include "memory/allocator.h"
#include "memory/arena.h"
#include "memtable/art_tree_iterator.h"
#include "util/random.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Arena;
using ROCKSDB_NAMESPACE::LookupKey;
using ROCKSDB_NAMESPACE::MemTableRep;
using ROCKSDB_NAMESPACE::Random;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;

namespace {

// REQUIRES: internal_key has a tag.
ArtKey FromInternalKey(const Slice& internal_key, ArtOrder order) {
  assert(internal_key.size() >= 8);
  const size_t user_size = internal_key.size() - 8;
  const uint64_t tag = ArtLoadLittleEndian64(
      reinterpret_cast<const uint8_t*>(internal_key.data() + user_size));
  return ArtKey(internal_key.data(), user_size, tag >> 8, order);
}

ArtKey FromLookupKey(const LookupKey& k, ArtOrder order) {
  return FromInternalKey(k.internal_key(), order);
}

// A handle is a reference of the tree's, not an address.
ArtRef FromHandle(ROCKSDB_NAMESPACE::KeyHandle handle) {
  return static_cast<ArtRef>(reinterpret_cast<uintptr_t>(handle));
}

std::string HexInternalKey(const char* entry) {
  return ROCKSDB_NAMESPACE::GetLengthPrefixedSlice(entry).ToString(true);
}

// Steps, and sees that the order is kept and that the entry belongs where it
// hangs. On Corruption the iterator is not valid.
Status StepAndValidate(ArtIterator* iter, ArtOrder order, bool forward,
                       bool allow_data_in_errors) {
  const char* from = iter->entry();
  if (forward) {
    iter->Next();
  } else {
    iter->Prev();
  }
  if (!iter->Valid()) {
    return Status::OK();
  }
  const char* to = iter->entry();
  const ArtKey from_key(from, order);
  const ArtKey to_key(to, order);
  const ArtRank m = from_key.Diverge(to_key);
  std::string msg;
  std::string reason;
  if (m == kArtEqualRank || from_key.LessAt(m, to_key) != forward) {
    msg = "Out-of-order keys found in ART memtable.";
  } else if (!iter->AgreesWithPath(&reason)) {
    msg = "Misplaced key found in ART memtable: " + reason + ".";
  } else {
    return Status::OK();
  }
  if (allow_data_in_errors) {
    msg.append(forward ? " prev key: " : " next key: ")
        .append(HexInternalKey(from))
        .append(forward ? " next key: " : " prev key: ")
        .append(HexInternalKey(to));
  }
  iter->Reset();
  return Status::Corruption(msg);
}

Status SeekAndValidateKey(ArtIterator* iter, const ArtKey& key,
                          bool allow_data_in_errors) {
  ArtIterator::Disagreement found;
  if (iter->SeekAndCheck(key, &found)) {
    return Status::OK();
  }
  std::string msg =
      "Misplaced key found in ART memtable: " + found.reason + ".";
  if (allow_data_in_errors) {
    msg.append(" key: ").append(HexInternalKey(found.entry));
  }
  return Status::Corruption(msg);
}

}  // namespace

char* ArtMemTableRep::NodeAllocator::AllocateAligned(size_t bytes) {
  return allocator_->AllocateAligned(bytes);
}

size_t ArtMemTableRep::NodeAllocator::BlockSize() const {
  return allocator_->BlockSize();
}

ArtMemTableRep::ArtMemTableRep(ArtOrder order,
                               ROCKSDB_NAMESPACE::Allocator* allocator)
    : MemTableRep(allocator),
      node_allocator_(allocator),
      tree_(order, &node_allocator_) {}

ROCKSDB_NAMESPACE::KeyHandle ArtMemTableRep::Allocate(const size_t len,
                                                      char** buf) {
  const ArtRef ref = tree_.AllocateEntry(len, buf);
  return reinterpret_cast<KeyHandle>(static_cast<uintptr_t>(ref));
}

bool ArtMemTableRep::InsertKey(KeyHandle handle) {
  return tree_.InsertAlone(FromHandle(handle));
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
  return tree_.Insert(FromHandle(handle));
}

void ArtMemTableRep::MarkReadOnly() { tree_.Help(); }

bool ArtMemTableRep::Contains(const char* key) const {
  return tree_.Contains(ArtKey(key, tree_.order()));
}

void ArtMemTableRep::Get(const LookupKey& k, void* callback_args,
                         bool (*callback_func)(void* arg, const char* entry)) {
  const ArtKey key = FromLookupKey(k, tree_.order());
  const char* entry = tree_.Get(key);
  if (entry == nullptr || !callback_func(callback_args, entry)) {
    return;
  }
  // Older versions, for merge operands.
  ArtIterator iter(&tree_);
  iter.Seek(ArtKey(entry, tree_.order()));
  for (iter.Next();
       iter.Valid() && ArtKey(iter.entry(), tree_.order()).SameUserKey(key) &&
       callback_func(callback_args, iter.entry());
       iter.Next()) {
  }
}

Status ArtMemTableRep::GetAndValidate(const LookupKey& k, void* callback_args,
                                      bool (*callback_func)(void* arg,
                                                            const char* entry),
                                      bool allow_data_in_errors) {
  ArtIterator iter(&tree_);
  Status s = SeekAndValidateKey(&iter, FromLookupKey(k, tree_.order()),
                                allow_data_in_errors);
  while (s.ok() && iter.Valid() && callback_func(callback_args, iter.entry())) {
    s = StepAndValidate(&iter, tree_.order(), true, allow_data_in_errors);
  }
  return s;
}

uint64_t ArtMemTableRep::ApproximateNumEntries(const Slice& start_ikey,
                                               const Slice& end_ikey) {
  return tree_.ApproximateNumEntries(FromInternalKey(start_ikey, tree_.order()),
                                     FromInternalKey(end_ikey, tree_.order()));
}

void ArtMemTableRep::UniqueRandomSample(
    const uint64_t num_entries, const uint64_t target_sample_size,
    std::unordered_set<const char*>* entries) {
  entries->clear();
  std::mt19937_64 random(Random::GetTLSInstance()->Next());
  ArtIterator iter(&tree_);
  constexpr uint64_t kMany = 10000;
  if (num_entries > kMany && target_sample_size < kMany &&
      target_sample_size * target_sample_size <= num_entries) {
    // Few of many: each is sought by itself, as the skip list does it, at
    // random by nodes and so not quite evenly. The chance to find only what is
    // there already five times in a row is small.
    constexpr int kTries = 5;
    for (uint64_t i = 0; i < target_sample_size; ++i) {
      for (int tries = 0; tries < kTries; ++tries) {
        iter.SeekToRandom(random());
        if (!iter.Valid()) {
          return;
        }
        if (entries->insert(iter.entry()).second) {
          break;
        }
      }
    }
    return;
  }
  // Selection sampling (Knuth, volume 2, 3.4.2, algorithm S). Entries beyond
  // num_entries, inserted since it was counted, are not looked at.
  uint64_t wanted = target_sample_size;
  uint64_t left = num_entries;
  for (iter.SeekToFirst(); iter.Valid() && wanted > 0 && left > 0;
       iter.Next(), --left) {
    if (std::uniform_int_distribution<uint64_t>(0, left - 1)(random) < wanted) {
      entries->insert(iter.entry());
      --wanted;
    }
  }
}

size_t ArtMemTableRep::ApproximateMemoryUsage() {
  return tree_.ReportedBytes();
}

class ArtMemTableRep::Iterator : public MemTableRep::Iterator {
 public:
  explicit Iterator(const ArtTree* tree) : order_(tree->order()), iter_(tree) {}

  bool Valid() const override { return iter_.Valid(); }
  const char* key() const override { return iter_.entry(); }
  void Next() override { iter_.Next(); }
  void Prev() override { iter_.Prev(); }

  Status NextAndValidate(bool allow_data_in_errors) override {
    return StepAndValidate(&iter_, order_, true, allow_data_in_errors);
  }
  Status PrevAndValidate(bool allow_data_in_errors) override {
    return StepAndValidate(&iter_, order_, false, allow_data_in_errors);
  }

  void Seek(const Slice& internal_key, const char* memtable_key) override {
    iter_.Seek(Target(internal_key, memtable_key));
  }
  Status SeekAndValidate(const Slice& internal_key, const char* memtable_key,
                         bool allow_data_in_errors) override {
    return SeekAndValidateKey(&iter_, Target(internal_key, memtable_key),
                              allow_data_in_errors);
  }
  void SeekForPrev(const Slice& internal_key,
                   const char* memtable_key) override {
    iter_.SeekForPrev(Target(internal_key, memtable_key));
  }

  void RandomSeek() override {
    iter_.SeekToRandom(Random::GetTLSInstance()->Next());
  }
  void SeekToFirst() override { iter_.SeekToFirst(); }
  void SeekToLast() override { iter_.SeekToLast(); }

 private:
  // The length-prefixed key if there is one: callers that have both may pass
  // an empty internal_key.
  ArtKey Target(const Slice& internal_key, const char* memtable_key) const {
    return memtable_key != nullptr ? ArtKey(memtable_key, order_)
                                   : FromInternalKey(internal_key, order_);
  }

  const ArtOrder order_;
  ArtIterator iter_;
};

MemTableRep::Iterator* ArtMemTableRep::GetIterator(Arena* arena) {
  void* memory = arena != nullptr ? arena->AllocateAligned(sizeof(Iterator)) :
                                  operator new(sizeof(Iterator));
  return new (memory) Iterator(&tree_);
}

MemTableRep::Iterator* ArtMemTableRep::GetDynamicPrefixIterator(Arena* arena) {
  return GetIterator(arena);
}

}  // namespace memkv
