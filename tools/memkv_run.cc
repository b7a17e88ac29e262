// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// libmemkv_run.so, which memkv-run preloads beside libmemkv.so: a program that
// sets its options in code gets memkv where it has RocksDB's skip list and
// block-based table.  docs/memkv-run.1 says what is done and what is left.
//
// Two functions of RocksDB's are put before its own (compat/interposed.h),
// below all the ways to open a database or to make a column family: so options
// are what they are to the program until RocksDB makes the column family of
// them. RocksDB's shared library calls them through the dynamic linker.
//
// MEMKV_OPTIONS is read once, when the library is loaded; what is wrong with it
// ends the process then, with a sentence, before it has opened anything.
// Thread safety: what is read then does not change any more.

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

#include "compat/database.h"
#include "compat/interposed.h"
#include "compat/trie_order.h"
#include "db/column_family.h"
#include "plugin/memkv.h"
#include "plugin/rocksdb_fit.h"
#include "rocksdb/convenience.h"
#include "rocksdb/customizable.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "tools/interposed.h"

namespace memkv {

namespace {

using ROCKSDB_NAMESPACE::BlockBasedTableOptions;
using ROCKSDB_NAMESPACE::ColumnFamilyData;
using ROCKSDB_NAMESPACE::ColumnFamilyOptions;
using ROCKSDB_NAMESPACE::ColumnFamilySet;
using ROCKSDB_NAMESPACE::ConfigOptions;
using ROCKSDB_NAMESPACE::Customizable;
using ROCKSDB_NAMESPACE::DBOptions;
using ROCKSDB_NAMESPACE::InfoLogLevel;
using ROCKSDB_NAMESPACE::MemTableRepFactory;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableFactory;
using ROCKSDB_NAMESPACE::Version;

using OptionsMap = std::unordered_map<std::string, std::string>;

constexpr char kSkipList[] = "SkipListFactory";
constexpr char kArt[] = "art";
constexpr char kFst[] = "FstTable";

// What is asked for.
struct Wish {
  // One for all column families, as a program may have it; null: none.
  std::shared_ptr<MemTableRepFactory> memtable;
  bool table = false;
  OptionsMap table_options;  // of the FST factory
};

ConfigOptions Strict() {
  ConfigOptions config;
  config.ignore_unknown_options = false;
  config.ignore_unsupported_options = false;
  return config;
}

// A factory of FST files, around the block-based one that was there.
Status NewTableFactory(const Wish& wish, const BlockBasedTableOptions& options,
                       const ColumnFamilyOptions& cf_options,
                       std::shared_ptr<TableFactory>* factory) {
  factory->reset(NewFstTableFactory(FstTableOptions(), &options));
  Status s = (*factory)->ConfigureFromMap(Strict(), wish.table_options);
  if (s.ok()) s = (*factory)->ValidateOptions(DBOptions(), cf_options);
  return s;
}

// Splits `art` or `{id=art;...}`, which must be of the factory `names`.
Status Split(const std::string& option, const std::string& value,
             const std::string& name, OptionsMap* of_factory) {
  std::string id;
  const Status s =
      Customizable::GetOptionsMap(Strict(), nullptr, value, &id, of_factory);
  if (!s.ok()) return s;
  return id == name
             ? Status::OK()
             : Status::InvalidArgument(option + "=" + id, "expected " + name);
}

Status ParseWish(const std::string& string, Wish* wish) {
  OptionsMap options;
  Status s = ROCKSDB_NAMESPACE::StringToMap(string, &options);
  for (const auto& [name, value] : options) {
    if (!s.ok()) break;
    OptionsMap of_factory;
    if (name == "memtable_factory") {
      s = Split(name, value, kArt, &of_factory);
      if (s.ok()) {
        s = MemTableRepFactory::CreateFromString(Strict(), value,
                                                 &wish->memtable);
      }
    } else if (name == "table_factory") {
      s = Split(name, value, "fst", &wish->table_options);
      wish->table = true;
      // Now, not when a database is opened.
      std::shared_ptr<TableFactory> trial;
      if (s.ok()) {
        s = NewTableFactory(*wish, BlockBasedTableOptions(),
                            ColumnFamilyOptions(), &trial);
      }
    } else {
      s = Status::InvalidArgument(
          name, "expected memtable_factory=art or table_factory=fst, or both");
    }
  }
  return s;
}

// Ends the process, before it has done anything.
[[noreturn]] void Refuse(const std::string& sentence) {
  fprintf(stderr, "memkv-run: %s\n", sentence.c_str());
  _exit(2);
}

// Whether the function is in the program itself, which calls it directly.
bool IsInProgram(const void* function) {
  Dl_info info;
  link_map* object = nullptr;
  return dladdr1(function, &info, reinterpret_cast<void**>(&object),
                 RTLD_DL_LINKMAP) != 0 &&
         object != nullptr && object->l_name[0] == '\0';
}

// Null where nothing is asked for or can be done.
const Wish* ReadWish() {
  // A process without RocksDB, such as a shell on the way to the program.
  if (!HasRocksDB()) return nullptr;
  // libmemkv.so says what does not fit.
  if (!RegisterMemkv()) return nullptr;
  const void* const next = dlsym(RTLD_NEXT, MEMKV_CREATE_COLUMN_FAMILY);
  if (next == nullptr || IsInProgram(next)) {
    fprintf(stderr,
            "memkv-run: the program's RocksDB is not a shared library that "
            "shows its functions: its options stay as they are\n");
    return nullptr;
  }
  const char* const string = getenv("MEMKV_OPTIONS");
  auto wish = std::make_unique<Wish>();
  const Status s = ParseWish(
      string != nullptr ? string : "memtable_factory=art;table_factory=fst",
      wish.get());
  if (!s.ok()) Refuse("MEMKV_OPTIONS: " + s.ToString());
  return wish.release();
}

// Never destroyed: databases may be closed by static objects.
const Wish* TheWish() {
  static const Wish* const wish = ReadWish();
  return wish;
}

// At load.
[[maybe_unused]] const bool kRead = TheWish() != nullptr;

// Changes the memtable's factory; returns what was done.
std::string ChangeMemtable(const Wish& wish, ColumnFamilyOptions* options) {
  const std::string was = options->memtable_factory->Name();
  if (wish.memtable == nullptr || was == kArt) return std::string();
  if (was != kSkipList) return "memtable_factory=" + was + " is left";
  options->memtable_factory = wish.memtable;
  return "memtable_factory=art for " + was;
}

// The same of the table's.
std::string ChangeTable(const Wish& wish, ColumnFamilyOptions* options) {
  const std::string was = options->table_factory->Name();
  if (!wish.table || was == kFst) return std::string();
  const auto* const block_based =
      was == TableFactory::kBlockBasedTableName()
          ? options->table_factory->GetOptions<BlockBasedTableOptions>()
          : nullptr;
  if (block_based == nullptr) return "table_factory=" + was + " is left";
  std::shared_ptr<TableFactory> factory;
  const Status s = NewTableFactory(wish, *block_based, *options, &factory);
  if (!s.ok()) {
    return "table_factory=" + was + " is left: " + s.ToString();
  }
  options->table_factory = std::move(factory);
  return "table_factory=fst for " + was;
}

std::string Change(const Wish& wish, ColumnFamilyOptions* options) {
  if (TrieOrderOf(options->comparator) == TrieOrder::kUnsupported) {
    return std::string("all is left: the comparator is ") +
           options->comparator->Name();
  }
  const std::string memtable = ChangeMemtable(wish, options);
  const std::string table = ChangeTable(wish, options);
  return memtable + (memtable.empty() || table.empty() ? "" : ", ") + table;
}

}  // namespace

void* InterposedFunction(const char* name, const void* address) {
  void* function = dlsym(RTLD_NEXT, name);
  Dl_info info;
  link_map* object = nullptr;
  if (function == nullptr &&
      dladdr1(address, &info, reinterpret_cast<void**>(&object),
              RTLD_DL_LINKMAP) != 0 &&
      object != nullptr) {
    // It is loaded, and stays so.
    void* const handle = dlopen(object->l_name, RTLD_LAZY | RTLD_NOLOAD);
    if (handle != nullptr) function = dlsym(handle, name);
  }
  if (function == nullptr) {
    Refuse(std::string("the process has no ") + name);
  }
  return function;
}

bool IsInterposing() { return TheWish() != nullptr; }

}  // namespace memkv

// By their names in the library: a member function defined here would be a
// second definition of what the header declares.
memkv::ColumnFamilyData* memkv_run_create_column_family(
    memkv::ColumnFamilySet* families, const std::string& name, uint32_t id,
    memkv::Version* dummy_versions,
    const memkv::ColumnFamilyOptions& options
        MEMKV_READ_ONLY_PARAMETER) __asm__(MEMKV_CREATE_COLUMN_FAMILY);

memkv::Status memkv_run_set_options(
    memkv::ColumnFamilyData* family, const memkv::DBOptions& db_options,
    const memkv::OptionsMap& options) __asm__(MEMKV_SET_OPTIONS);

memkv::ColumnFamilyData* memkv_run_create_column_family(
    memkv::ColumnFamilySet* families, const std::string& name, uint32_t id,
    memkv::Version* dummy_versions,
    const memkv::ColumnFamilyOptions& options MEMKV_READ_ONLY_PARAMETER) {
  const auto original =
      reinterpret_cast<decltype(&memkv_run_create_column_family)>(
          memkv::InterposedFunction(MEMKV_CREATE_COLUMN_FAMILY,
                                    __builtin_return_address(0)));
  if (!memkv::IsInterposing()) {
    return original(families, name, id, dummy_versions,
                    options MEMKV_READ_ONLY_ARGUMENT);
  }
  memkv::ColumnFamilyOptions changed = options;
  const std::string what = memkv::Change(*memkv::TheWish(), &changed);
  memkv::ColumnFamilyData* const family = original(
      families, name, id, dummy_versions, changed MEMKV_READ_ONLY_ARGUMENT);
  if (!what.empty()) {
    ROCKSDB_NAMESPACE::Log(memkv::InfoLogLevel::INFO_LEVEL,
                           memkv::compat::OptionsOf(*family).logger,
                           "memkv-run: column family %s: %s", name.c_str(),
                           what.c_str());
  }
  return family;
}

memkv::Status memkv_run_set_options(memkv::ColumnFamilyData* family,
                                    const memkv::DBOptions& db_options,
                                    const memkv::OptionsMap& options) {
  const auto original = reinterpret_cast<decltype(&memkv_run_set_options)>(
      memkv::InterposedFunction(MEMKV_SET_OPTIONS,
                                __builtin_return_address(0)));
  if (!memkv::IsInterposing() ||
      family->GetLatestCFOptions().table_factory->Name() !=
          std::string(memkv::kFst)) {
    return original(family, db_options, options);
  }
  memkv::OptionsMap renamed;
  for (const auto& [name, value] : options) {
    // RocksDB sets these on a factory of that name alone.
    renamed.emplace(name == "block_based_table_factory"
                        ? "table_factory.block_based"
                        : name,
                    value);
  }
  return original(family, db_options, renamed);
}
