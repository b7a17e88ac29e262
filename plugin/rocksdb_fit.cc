// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "plugin/rocksdb_fit.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "compat/version.h"
#include "rocksdb/convenience.h"

namespace {

#define SYNC_POINT "_ZN7rocksdb9SyncPoint11GetInstanceEv"
#define TABLE_FACTORY_TYPE "_ZTIN7rocksdb22BlockBasedTableFactoryE"

// Of RocksDB's library, each null where it has none.  Only their addresses are
// taken.  SyncPoint is compiled without NDEBUG alone.  Type information comes
// with RTTI alone; that of this class is in an object that a program with memkv
// has in any case.
extern "C" {
[[gnu::weak]] extern const char memkv_sync_point __asm__(SYNC_POINT);
[[gnu::weak]] extern const char memkv_table_factory_type __asm__(
    TABLE_FACTORY_TYPE);
}

// What a RocksDB, or the compilation of memkv for one, is.
struct Build {
  std::string version;
  bool asserts;
  bool rtti;

  std::string ToString() const {
    return "RocksDB " + version + (asserts ? " with" : " without") +
           " assertions and " + (rtti ? "with" : "without") + " RTTI";
  }
};

Build CompiledFor() {
  Build build{memkv::compat::RocksDBVersion(), true, false};
#ifdef NDEBUG
  build.asserts = false;
#endif
#ifdef __cpp_rtti
  build.rtti = true;
#endif
  return build;
}

Build Found() {
  return {ROCKSDB_NAMESPACE::GetRocksVersionAsString(true),
          &memkv_sync_point != nullptr, &memkv_table_factory_type != nullptr};
}

// Whether memkv, and the process's RocksDB, is compiled with ZSTD, by which
// RocksDB's contexts of compressions have another layout.
#ifdef ZSTD
constexpr bool kCompiledWithZstd = true;
#else
constexpr bool kCompiledWithZstd = false;
#endif
bool FoundZstd() {
  const auto found = ROCKSDB_NAMESPACE::GetSupportedCompressions();
  // None at all: this runs before the static objects of RocksDB, which is in
  // the program and not in a library.  Then it cannot be told.
  if (found.empty()) return kCompiledWithZstd;
  return std::find(found.begin(), found.end(), ROCKSDB_NAMESPACE::kZSTD) !=
         found.end();
}

// Where a dynamic section says a table is; null if it does not.
const void* TableOf(const link_map& object, ElfW(Sxword) tag) {
  for (const ElfW(Dyn)* entry = object.l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == tag) {
      // Some processors' loaders leave the offset as it is in the file.
      const ElfW(Addr) at = entry->d_un.d_ptr;
      // NOLINTNEXTLINE(performance-no-int-to-ptr): ELF has addresses as numbers
      return reinterpret_cast<const void*>(
          at < object.l_addr ? at + object.l_addr : at);
    }
  }
  return nullptr;
}

// Whether it is no fault that a name is not there: it is one of the two above,
// or the initialiser of a thread's variable that needs none.
bool MayBeMissing(const char* name) {
  return strcmp(name, SYNC_POINT) == 0 ||
         strcmp(name, TABLE_FACTORY_TYPE) == 0 || strncmp(name, "_ZTH", 4) == 0;
}

// A name of RocksDB's that libmemkv.so refers to weakly and the process has
// not, as where a program exports parts of the RocksDB inside it; null if it
// has them all.  In a program with memkv linked in, the linker has seen to
// that.
const char* MissingSymbol() {
  Dl_info info;
  link_map* object = nullptr;
  if (dladdr1(reinterpret_cast<const void*>(&MissingSymbol), &info,
              reinterpret_cast<void**>(&object), RTLD_DL_LINKMAP) == 0 ||
      object == nullptr) {
    return nullptr;
  }
  const auto* const symbols =
      static_cast<const ElfW(Sym)*>(TableOf(*object, DT_SYMTAB));
  const auto* const names =
      static_cast<const char*>(TableOf(*object, DT_STRTAB));
  const auto* const hash =
      static_cast<const uint32_t*>(TableOf(*object, DT_GNU_HASH));
  if (symbols == nullptr || names == nullptr || hash == nullptr) {
    return nullptr;
  }
  // The hash table's second word: the first symbol that is defined.
  for (const ElfW(Sym)* symbol = symbols; symbol < symbols + hash[1];
       ++symbol) {
    const char* const name = names + symbol->st_name;
    if (ELF64_ST_BIND(symbol->st_info) == STB_WEAK &&
        strstr(name, "7rocksdb") != nullptr && !MayBeMissing(name) &&
        dlsym(RTLD_DEFAULT, name) == nullptr) {
      return name;
    }
  }
  return nullptr;
}

}  // namespace

namespace memkv {

bool HasRocksDB() {
  // Read, for the compiler takes the address of a function for no null.
  std::string (*volatile get_version)(bool) =
      &ROCKSDB_NAMESPACE::GetRocksVersionAsString;
  return get_version != nullptr;
}

std::string RocksDBMisfit() {
  const Build expected = CompiledFor();
  if (!HasRocksDB()) {
    return "this memkv is built for " + expected.ToString() +
           ", but the process had no RocksDB when memkv was loaded: load "
           "librocksdb.so first, so that all see its symbols";
  }
  const Build found = Found();
  if (found.version == expected.version && found.asserts == expected.asserts &&
      found.rtti == expected.rtti) {
    if (const char* const missing = MissingSymbol(); missing != nullptr) {
      return std::string(
                 "the process shows only parts of its RocksDB, and not ") +
             missing +
             ": link it with librocksdb.so, with all of librocksdb.a and "
             "-rdynamic, or with libmemkv.a";
    }
    if (FoundZstd() != kCompiledWithZstd) {
      return "this memkv is built for " + expected.ToString() +
             (kCompiledWithZstd ? " with ZSTD, but the process's has none"
                                : " without ZSTD, but the process's has it") +
             ": build memkv with -DMEMKV_ROCKSDB_ZSTD=" +
             (kCompiledWithZstd ? "OFF" : "ON");
    }
    return std::string();
  }
  return "this memkv is built for " + expected.ToString() +
         ", but the process has " + found.ToString() +
         ": install the libmemkv0 made for that RocksDB, or build memkv "
         "against it with -DMEMKV_ROCKSDB=system";
}

}  // namespace memkv
