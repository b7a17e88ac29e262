// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Preloaded into RocksDB's own tests, linked against RocksDB's shared library:
// makes them run on memkv.  MEMKV_FORCE names what is forced, "table",
// "memtable" or both with a comma; without it nothing is.
//
//   table      NewBlockBasedTableFactory() and the table factory that options
//              have from the start are FST factories, around the block-based
//              one that was asked for
//   memtable   a skip list factory makes ART memtables, range deletions' too
//
// RocksDB's library calls its own functions through the dynamic linker, so that
// those defined here come before them, in virtual tables too.
//
// A process that ends in order says on standard error how many of each it made.

#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "plugin/memkv.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"

namespace {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::ColumnFamilyOptions;
using ROCKSDB_NAMESPACE::TableFactory;

struct Forced {
  Forced() {
    const char* const what = getenv("MEMKV_FORCE");
    table = what != nullptr && strstr(what, "table") == what;
    memtable = what != nullptr && strstr(what, "memtable") != nullptr;
  }
  bool table;
  bool memtable;
  std::atomic<int> tables_made{0};
  std::atomic<int> memtables_made{0};
};

// Never destroyed: RocksDB's own statics may be made and unmade around it.
Forced& TheForced() {
  static Forced* const forced = new Forced;
  return *forced;
}

// Whether memkv itself is at work, which is given what it asks for.
thread_local bool inside = false;

class Inside {
 public:
  Inside() { inside = true; }
  ~Inside() { inside = false; }
};

// RocksDB's own function, by its name in the library.
template <typename Function>
Function Original(const char* name) {
  void* const address = dlsym(RTLD_NEXT, name);
  if (address == nullptr) {
    fprintf(stderr, "force_memkv: RocksDB's library has no %s\n", name);
    abort();
  }
  return reinterpret_cast<Function>(address);
}

TableFactory* NewForcedTableFactory(const BlockBasedTableOptions& options) {
  const Inside guard;
  TheForced().tables_made++;
  return memkv::NewFstTableFactory(memkv::FstTableOptions(), &options);
}

struct Report {
  ~Report() {
    fprintf(stderr, "force_memkv: %d FST factories, %d ART memtables\n",
            TheForced().tables_made.load(), TheForced().memtables_made.load());
  }
};
const Report report;

}  // namespace

namespace ROCKSDB_NAMESPACE {

TableFactory* NewBlockBasedTableFactory(const BlockBasedTableOptions& options) {
  using Function = TableFactory* (*)(const BlockBasedTableOptions&);
  static const auto original = Original<Function>(
      "_ZN7rocksdb25NewBlockBasedTableFactoryERKNS_22BlockBasedTableOptionsE");
  if (inside || !TheForced().table) return original(options);
  return NewForcedTableFactory(options);
}

MemTableRep* SkipListFactory::CreateMemTableRep(
    const MemTableRep::KeyComparator& comparator, Allocator* allocator,
    const SliceTransform* transform, Logger* logger) {
  using Function =
      MemTableRep* (*)(SkipListFactory*, const MemTableRep::KeyComparator&,
                       Allocator*, const SliceTransform*, Logger*);
  static const auto original = Original<Function>(
      "_ZN7rocksdb15SkipListFactory17CreateMemTableRepERKNS_11MemTableRep13"
      "KeyComparatorEPNS_9AllocatorEPKNS_14SliceTransformEPNS_6LoggerE");
  if (inside || !TheForced().memtable) {
    return original(this, comparator, allocator, transform, logger);
  }
  const Inside guard;
  static MemTableRepFactory* const art = memkv::NewArtMemTableRepFactory();
  TheForced().memtables_made++;
  return art->CreateMemTableRep(comparator, allocator, transform, logger);
}

}  // namespace ROCKSDB_NAMESPACE

// ColumnFamilyOptions::ColumnFamilyOptions(), by its name in the library, for
// one written as a constructor would have nothing to call the original on; and
// by its other name, which options of both kinds call that contain it.
extern "C" void memkv_construct(ColumnFamilyOptions* options) __asm__(
    "_ZN7rocksdb19ColumnFamilyOptionsC1Ev");
extern "C" void memkv_construct_part(ColumnFamilyOptions* options) __asm__(
    "_ZN7rocksdb19ColumnFamilyOptionsC2Ev");

void memkv_construct(ColumnFamilyOptions* options) {
  using Function = void (*)(ColumnFamilyOptions*);
  static const auto original =
      Original<Function>("_ZN7rocksdb19ColumnFamilyOptionsC1Ev");
  original(options);
  if (inside || !TheForced().table) return;
  options->table_factory.reset(NewForcedTableFactory(BlockBasedTableOptions()));
}

void memkv_construct_part(ColumnFamilyOptions* options) {
  memkv_construct(options);
}
