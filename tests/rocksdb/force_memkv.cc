// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Makes RocksDB's own programs, linked against RocksDB's shared library, run on
// memkv: preloaded into its tests, linked into its db_stress.  MEMKV_FORCE
// names what is forced, "table", "memtable" or both with a comma; without it
// nothing is.
//
//   table      NewBlockBasedTableFactory() and the table factory that options
//              have from the start are FST factories, around the block-based
//              one that was asked for
//   memtable   a skip list factory makes ART memtables, range deletions' too,
//              up to RocksDB 10.3
//
// MEMKV_FORCE_OPTIONS is a string of options for the FST factories.  With
// MEMKV_FORCE_LIVE=SEED every DB::SetOptions() sets one more, drawn at random,
// of those that can be changed live.
//
// RocksDB's library calls its own functions through the dynamic linker, so that
// those defined here come before them, in virtual tables too.
//
// A process that ends in order says on standard output how many of each it
// made.

#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "compat/memtable_rep.h"
#include "db/db_impl/db_impl.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/object_registry.h"

namespace {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::ColumnFamilyHandle;
using ROCKSDB_NAMESPACE::ColumnFamilyOptions;
using ROCKSDB_NAMESPACE::ConfigOptions;
using ROCKSDB_NAMESPACE::DBImpl;
using ROCKSDB_NAMESPACE::ObjectLibrary;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableFactory;

using OptionsMap = std::unordered_map<std::string, std::string>;

struct Forced {
  Forced() {
    const char* const what = getenv("MEMKV_FORCE");
    table = what != nullptr && strstr(what, "table") == what;
    memtable = what != nullptr && strstr(what, "memtable") != nullptr;
    const char* const string = getenv("MEMKV_FORCE_OPTIONS");
    options = string != nullptr ? string : "";
    const char* const seed = getenv("MEMKV_FORCE_LIVE");
    live = table && seed != nullptr;
    if (live) random.seed(strtoull(seed, nullptr, 10));
  }
  bool table;
  bool memtable;
  bool live;
  std::string options;
  std::atomic<int> tables_made{0};
  std::atomic<int> memtables_made{0};
  std::atomic<int> options_set{0};
  std::mutex random_mutex;
  std::mt19937_64 random;
};

// Whether memkv itself is at work, which is given what it asks for.
thread_local bool inside = false;

class Inside {
 public:
  Inside() { inside = true; }
  ~Inside() { inside = false; }
};

// An OPTIONS file names FST factories.  Before memkv's own entry, which would
// make one around one: RocksDB takes the first.
void AddForcedFactory() {
  ObjectLibrary::Default()->AddFactory<TableFactory>(
      ObjectLibrary::PatternEntry("FstTable").AnotherName("fst"),
      [](const std::string& /*uri*/, std::unique_ptr<TableFactory>* guard,
         std::string* /*errmsg*/) {
        const Inside now;
        guard->reset(memkv::NewFstTableFactory());
        return guard->get();
      });
}

// Never destroyed: RocksDB's own statics may be made and unmade around it.
Forced& TheForced() {
  static Forced* const forced = [] {
    AddForcedFactory();
    return new Forced;
  }();
  return *forced;
}

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
  const Inside now;
  std::unique_ptr<TableFactory> factory(
      memkv::NewFstTableFactory(memkv::FstTableOptions(), &options));
  const Status status =
      factory->ConfigureFromString(ConfigOptions(), TheForced().options);
  if (!status.ok()) {
    fprintf(stderr, "force_memkv: MEMKV_FORCE_OPTIONS: %s\n",
            status.ToString().c_str());
    abort();
  }
  TheForced().tables_made++;
  return factory.release();
}

// One of the options that can be changed live, and a value.
std::pair<std::string, std::string> DrawOption() {
  static const struct {
    const char* name;
    std::vector<const char*> values;
  } kLive[] = {
      {"residency", {"auto", "pin", "cache"}},
      {"pinned_keys_limit", {"0", "1", "100000"}},
      {"write_format", {"fst", "fst", "fst", "block_based"}},
      {"segment_size", {"0", "1024", "8192", "262144"}},
      {"value_block_size", {"64", "1024", "4096", "65536"}},
      {"inline_value_size", {"0", "16", "200", "1024"}},
      {"key_buffer_size", {"0", "16384", "1048576", "67108864"}},
  };
  const std::lock_guard<std::mutex> lock(TheForced().random_mutex);
  const auto& option = kLive[TheForced().random() % std::size(kLive)];
  return {std::string("table_factory.") + option.name,
          option.values[TheForced().random() % option.values.size()]};
}

struct Report {
  ~Report() {
    printf("force_memkv: %d FST factories, %d ART memtables, %d options set\n",
           TheForced().tables_made.load(), TheForced().memtables_made.load(),
           TheForced().options_set.load());
    fflush(stdout);
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
  // A MemTable makes two, of which the second one is for range deletions.
  // Where memtables are told the end of a batch, that one is not, for RocksDB
  // itself makes it a skip list.
  thread_local const Allocator* last = nullptr;
  if (memkv::compat::kFinishesBatches && allocator == last) {
    last = nullptr;
    return original(this, comparator, allocator, transform, logger);
  }
  last = allocator;
  const Inside now;
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

namespace {

// Options that are set live, and one more that is drawn.
OptionsMap WithForced(const OptionsMap& options) {
  OptionsMap more;
  for (const auto& [name, value] : options) {
    // RocksDB sets these on a factory of that name alone.
    more.emplace(name == "block_based_table_factory"
                     ? "table_factory.block_based"
                     : name,
                 value);
  }
  more.insert(DrawOption());
  TheForced().options_set++;
  return more;
}

}  // namespace

// DBImpl::SetOptions(), by its name in the library: a member function defined
// here would be a second definition of what the header declares.  From 11 on
// it is one of several column families, and the other one is not called.
#define STRING_MAP                                                        \
  "INSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEES9_St4hashIS9_ES" \
  "t8equal_toIS9_ESaISt4pairIKS9_S9_EEE"
#define SET_OPTIONS_SYMBOL                                         \
  "_ZN7rocksdb6DBImpl10SetOptionsEPNS_18ColumnFamilyHandleERKSt13" \
  "unordered_map" STRING_MAP
#define SET_ALL_OPTIONS_SYMBOL                                            \
  "_ZN7rocksdb6DBImpl10SetOptionsERKSt13unordered_mapIPNS_18ColumnFamily" \
  "HandleES1_" STRING_MAP "SA_IS3_ESC_IS3_ESaISE_IKS3_SI_EEE"

using OptionsByFamily = std::unordered_map<ColumnFamilyHandle*, OptionsMap>;

extern "C" Status memkv_set_options(
    DBImpl* db, ColumnFamilyHandle* handle,
    const OptionsMap& options) __asm__(SET_OPTIONS_SYMBOL);
extern "C" Status memkv_set_all_options(
    DBImpl* db, const OptionsByFamily& options) __asm__(SET_ALL_OPTIONS_SYMBOL);

Status memkv_set_options(DBImpl* db, ColumnFamilyHandle* handle,
                         const OptionsMap& options) {
  using Function = Status (*)(DBImpl*, ColumnFamilyHandle*, const OptionsMap&);
  static const auto original = Original<Function>(SET_OPTIONS_SYMBOL);
  return original(db, handle, TheForced().live ? WithForced(options) : options);
}

Status memkv_set_all_options(DBImpl* db, const OptionsByFamily& options) {
  using Function = Status (*)(DBImpl*, const OptionsByFamily&);
  static const auto original = Original<Function>(SET_ALL_OPTIONS_SYMBOL);
  if (!TheForced().live) return original(db, options);
  OptionsByFamily more;
  for (const auto& [handle, of_family] : options) {
    more.emplace(handle, WithForced(of_family));
  }
  return original(db, more);
}
