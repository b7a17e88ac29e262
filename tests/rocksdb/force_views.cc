// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// With "view" in MEMKV_FORCE (force_memkv.cc), every second iterator that a
// program asks its database for is one of a memkv::View, drawn at random, so
// that programs that compare iterators compare both.  Those of RocksDB's own
// that read another way (read-only and secondary instances, transactions that
// are write-prepared or write-unprepared) stay as they are.
//
// DBImpl::NewIterator() is defined here, and comes before RocksDB's own as
// force_memkv.cc says.  A process that ends in order says on standard output
// how many iterators it made, and how many of them RocksDB's served from the
// beginning or from a record on.

#include <dlfcn.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

#include "db/db_impl/db_impl.h"
#include "plugin/memkv_view.h"
#include "rocksdb/iterator.h"
#include "rocksdb/options.h"
#include "rocksdb/snapshot.h"

namespace {

using ROCKSDB_NAMESPACE::ColumnFamilyHandle;
using ROCKSDB_NAMESPACE::DBImpl;
using ROCKSDB_NAMESPACE::Iterator;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Snapshot;
using ROCKSDB_NAMESPACE::Status;

bool Forced() {
  static const bool forced = [] {
    const char* const what = getenv("MEMKV_FORCE");
    return what != nullptr && strstr(what, "view") != nullptr;
  }();
  return forced;
}

bool Draw() {
  thread_local std::minstd_rand random(std::random_device{}());
  return random() % 2 == 0;
}

struct Counts {
  ~Counts() {
    if (!Forced()) return;
    printf(
        "force_views: %llu iterators of views, of which RocksDB's served "
        "%llu\n",
        static_cast<unsigned long long>(made.load()),
        static_cast<unsigned long long>(handed_over.load()));
    fflush(stdout);
  }
  std::atomic<uint64_t> made{0};
  std::atomic<uint64_t> handed_over{0};
};
Counts counts;

// A view and the one iterator that it is for.
class ViewAndIterator final : public Iterator {
 public:
  ViewAndIterator(std::unique_ptr<memkv::View> view, const ReadOptions& options)
      : view_(std::move(view)), it_(view_->NewIterator(options)) {
    ++counts.made;
  }
  ~ViewAndIterator() override { counts.handed_over += view_->handed_over(); }

  bool Valid() const override { return it_->Valid(); }
  void SeekToFirst() override { it_->SeekToFirst(); }
  void SeekToLast() override { it_->SeekToLast(); }
  void Seek(const Slice& target) override { it_->Seek(target); }
  void SeekForPrev(const Slice& target) override { it_->SeekForPrev(target); }
  void Next() override { it_->Next(); }
  void Prev() override { it_->Prev(); }
  Slice key() const override { return it_->key(); }
  Slice value() const override { return it_->value(); }
  const ROCKSDB_NAMESPACE::WideColumns& columns() const override {
    return it_->columns();
  }
  Slice timestamp() const override { return it_->timestamp(); }
  bool PrepareValue() override { return it_->PrepareValue(); }
  Status status() const override { return it_->status(); }
  Status Refresh() override { return it_->Refresh(); }
  Status Refresh(const Snapshot* snapshot) override {
    return it_->Refresh(snapshot);
  }
  Status GetProperty(std::string name, std::string* value) override {
    return it_->GetProperty(std::move(name), value);
  }

 private:
  const std::unique_ptr<memkv::View> view_;
  const std::unique_ptr<Iterator> it_;
};

}  // namespace

// By its name in the library: a member function defined here would be a second
// definition of what the header declares.
#define NEW_ITERATOR_SYMBOL                                   \
  "_ZN7rocksdb6DBImpl11NewIteratorERKNS_11ReadOptionsEPNS_18" \
  "ColumnFamilyHandleE"

extern "C" Iterator* memkv_new_iterator(
    DBImpl* db, const ReadOptions& options,
    ColumnFamilyHandle* handle) __asm__(NEW_ITERATOR_SYMBOL);

Iterator* memkv_new_iterator(DBImpl* db, const ReadOptions& options,
                             ColumnFamilyHandle* handle) {
  using Function =
      Iterator* (*)(DBImpl*, const ReadOptions&, ColumnFamilyHandle*);
  static const auto original =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, NEW_ITERATOR_SYMBOL));
  if (original == nullptr) {
    fprintf(stderr, "force_views: RocksDB's library has no NewIterator\n");
    abort();
  }
  if (!Forced() || options.tailing || !Draw()) {
    return original(db, options, handle);
  }
  std::unique_ptr<memkv::View> view;
  const Status s = memkv::View::Open(db, handle, options.snapshot, &view);
  if (!s.ok()) return ROCKSDB_NAMESPACE::NewErrorIterator(s);
  return new ViewAndIterator(std::move(view), options);
}
