// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the tests of ArtMemTableRep share: a rep as a MemTable would make it,
// and a factory of reps whose tree is soon full, so that most entries go into
// the overflow.

#pragma once

#include <sys/mman.h>

#include <cstdarg>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "db/lookup_key.h"
#include "db/memtable.h"
#include "memory/concurrent_arena.h"
#include "memtable/art_memtable_rep.h"
#include "memtable/art_memtable_rep_factory.h"
#include "rocksdb/comparator.h"
#include "rocksdb/env.h"
#include "tests/util/art_test_util.h"
#include "util/coding.h"

namespace memkv {
namespace art_test {

using ROCKSDB_NAMESPACE::Allocator;
using ROCKSDB_NAMESPACE::BytewiseComparator;
using ROCKSDB_NAMESPACE::Comparator;
using ROCKSDB_NAMESPACE::ConcurrentArena;
using ROCKSDB_NAMESPACE::InternalKeyComparator;
using ROCKSDB_NAMESPACE::KeyHandle;
using ROCKSDB_NAMESPACE::Logger;
using ROCKSDB_NAMESPACE::LookupKey;
using ROCKSDB_NAMESPACE::MemTable;
using ROCKSDB_NAMESPACE::MemTableRep;
using ROCKSDB_NAMESPACE::MemTableRepFactory;
using ROCKSDB_NAMESPACE::ReverseBytewiseComparator;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::SliceTransform;
using ROCKSDB_NAMESPACE::Status;

using Random = std::mt19937_64;

// Gives out pieces of 64 ranges in turn, 4 MiB each and 4 MiB apart, so that
// each extent of a tree takes a slot.
class ScatteredAllocator : public Allocator {
 public:
  ScatteredAllocator() {
    void* memory = mmap(nullptr, kSpace, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    space_ = static_cast<char*>(memory);
  }
  ~ScatteredAllocator() override { munmap(space_, kSpace); }

  char* Allocate(size_t bytes) override { return AllocateAligned(bytes); }
  char* AllocateAligned(size_t bytes, size_t = 0, Logger* = nullptr) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (left_ == 0) {
      throw std::bad_alloc();
    }
    --left_;
    ++calls_;
    const size_t range = next_++ % kRanges;
    const size_t begin = used_[range];
    used_[range] += (bytes + 15) / 16 * 16;
    if (used_[range] > kRange) {
      throw std::bad_alloc();
    }
    return space_ + range * 2 * kRange + begin;
  }
  size_t BlockSize() const override { return 4096; }

  // Of the calls that follow, `calls` succeed; all, if that is negative.
  void FailAfter(int calls) { left_ = calls; }
  size_t calls() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }

 private:
  static constexpr size_t kRanges = 64;
  static constexpr size_t kRange = size_t{4} << 20;
  static constexpr size_t kSpace = 2 * kRange * kRanges;

  char* space_ = nullptr;
  mutable std::mutex mutex_;
  int left_ = -1;
  size_t calls_ = 0;
  size_t next_ = 0;
  size_t used_[kRanges] = {};
};

class ScatteredAllocatorHolder {
 protected:
  ScatteredAllocator scattered_;
};

// The tree takes some hundred short entries, then the overflow is opened.
class OverflowingRep : private ScatteredAllocatorHolder, public ArtMemTableRep {
 public:
  OverflowingRep(ArtOrder order, const MemTableRep::KeyComparator& key_cmp,
                 Logger* logger, uint32_t max_slots)
      : ArtMemTableRep(order, key_cmp, &scattered_, logger, max_slots) {}

  ScatteredAllocator& allocator() { return scattered_; }
};

class OverflowingFactory : public ArtMemTableRepFactory {
 public:
  explicit OverflowingFactory(uint32_t max_slots = 80)
      : max_slots_(max_slots) {}
  using ArtMemTableRepFactory::CreateMemTableRep;
  MemTableRep* CreateMemTableRep(const MemTableRep::KeyComparator& key_cmp,
                                 Allocator* allocator,
                                 const SliceTransform* transform,
                                 Logger* logger) override {
    const Comparator* comparator =
        static_cast<const MemTable::KeyComparator&>(key_cmp)
            .comparator.user_comparator();
    if (comparator != BytewiseComparator() &&
        comparator != ReverseBytewiseComparator()) {
      return ArtMemTableRepFactory::CreateMemTableRep(key_cmp, allocator,
                                                      transform, logger);
    }
    return new OverflowingRep(comparator == BytewiseComparator()
                                  ? ArtOrder::kBytewise
                                  : ArtOrder::kReverseBytewise,
                              key_cmp, logger, max_slots_);
  }

 private:
  const uint32_t max_slots_;
};

// A rep with the comparator and the arena that a MemTable would give it.
class RepUnderTest {
 public:
  RepUnderTest(MemTableRepFactory* factory, const Comparator* comparator,
               Logger* logger = nullptr)
      : key_cmp_(InternalKeyComparator(comparator)),
        rep_(factory->CreateMemTableRep(key_cmp_, &arena_, nullptr, logger)) {}

  MemTableRep* operator->() { return rep_.get(); }
  MemTableRep* get() { return rep_.get(); }
  const MemTable::KeyComparator& key_cmp() const { return key_cmp_; }

  // The handle of a buffer of the rep's own with an entry in it, not inserted.
  KeyHandle NewKey(const TestKey& key, char** entry = nullptr) {
    const std::string bytes = Encode(key);
    char* buf = nullptr;
    const KeyHandle handle = rep_->Allocate(bytes.size(), &buf);
    memcpy(buf, bytes.data(), bytes.size());
    if (entry != nullptr) {
      *entry = buf;
    }
    return handle;
  }

  // As one thread does that is alone.
  bool InsertSingleWriter(const TestKey& key) {
    return rep_->InsertKey(NewKey(key));
  }

  // A batch of one.
  bool Insert(const TestKey& key) {
    const bool is_new = rep_->InsertKeyConcurrently(NewKey(key));
    compat::FinishBatch(rep_.get());
    return is_new;
  }

  static std::string Encode(const TestKey& key) {
    std::string entry;
    AppendVarint32(&entry, static_cast<uint32_t>(key.user_key.size() + 8));
    entry += key.user_key;
    ROCKSDB_NAMESPACE::PutFixed64(&entry, key.sequence << 8 | kTypeValue);
    AppendVarint32(&entry, 1);
    entry += "v";
    return entry;
  }

 private:
  ConcurrentArena arena_;
  MemTable::KeyComparator key_cmp_;
  std::unique_ptr<MemTableRep> rep_;
};

inline std::string InternalKey(const TestKey& key) {
  std::string ikey = key.user_key;
  ROCKSDB_NAMESPACE::PutFixed64(
      &ikey, key.sequence << 8 | ROCKSDB_NAMESPACE::kValueTypeForSeek);
  return ikey;
}

inline bool Collect(void* arg, const char* entry) {
  auto* keys = static_cast<std::vector<TestKey>*>(arg);
  keys->push_back(KeyOf(entry));
  return keys->size() < 5;
}

// What MemTable's callbacks see of Get: entries of the user key only.
inline std::vector<TestKey> GetFrom(MemTableRep* rep, const TestKey& target) {
  std::vector<TestKey> keys;
  rep->Get(LookupKey(target.user_key, target.sequence), &keys, Collect);
  while (!keys.empty() && keys.back().user_key != target.user_key) {
    keys.pop_back();
  }
  return keys;
}

class CapturingLogger : public Logger {
 public:
  using Logger::Logv;
  void Logv(const char* format, va_list args) override {
    char line[1000];
    vsnprintf(line, sizeof(line), format, args);
    text += line;
    text += '\n';
  }
  std::string text;
};

// Orders keys by size first.
class SizeComparator : public Comparator {
 public:
  const char* Name() const override { return "test.SizeComparator"; }
  int Compare(const Slice& a, const Slice& b) const override {
    return a.size() != b.size() ? (a.size() < b.size() ? -1 : 1) : a.compare(b);
  }
  void FindShortestSeparator(std::string*, const Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}
};

}  // namespace art_test
}  // namespace memkv
