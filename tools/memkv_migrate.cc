// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv migrate: rewrites the files of a database that nobody else has open in
// the other format, and changes the table factory in its OPTIONS file.
//
// It can be killed at any time and run again: what is in a file of the wanted
// format is left alone, and RocksDB itself loses nothing. All that is written
// is written by RocksDB: compactions, its log, and OPTIONS files.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compat/open.h"
#include "compat/trie_order.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/existing_database.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/metadata.h"
#include "rocksdb/table.h"
#include "rocksdb/table_properties.h"
#include "rocksdb/wide_columns.h"
#include "table/fst/format.h"
#include "table/fst/table_factory.h"
#include "tools/command.h"
#include "tools/own_options.h"
#include "util/hash.h"

namespace memkv {

using rocksdb::ColumnFamilyHandle;
using rocksdb::ColumnFamilyOptions;
using rocksdb::DB;
using rocksdb::TableFactory;

namespace {

enum class Format { kFst, kBlockBased };

const char* NameOf(Format format) {
  return format == Format::kFst ? "fst" : "block_based";
}

// ---- What a column family has ----------------------------------------------

struct Files {
  size_t all = 0;
  uint64_t bytes = 0;
  // Those of the other format, and what keys they are between.
  size_t others = 0;
  std::string first;
  std::string last;
};

std::string FileName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

Files FilesOf(DB* db, ColumnFamilyHandle* family, Format format) {
  rocksdb::TablePropertiesCollection tables;
  Check(db->GetPropertiesOfAllTables(family, &tables));
  std::vector<std::string> fst;
  for (const auto& [path, properties] : tables) {
    if (properties->user_collected_properties.count(kDirectoryProperty) > 0) {
      fst.push_back(FileName(path));
    }
  }
  std::sort(fst.begin(), fst.end());
  rocksdb::ColumnFamilyMetaData metadata;
  db->GetColumnFamilyMetaData(family, &metadata);
  const rocksdb::Comparator* const order = family->GetComparator();
  Files files;
  for (const rocksdb::LevelMetaData& level : metadata.levels) {
    for (const rocksdb::SstFileMetaData& file : level.files) {
      files.all++;
      files.bytes += file.size;
      const bool is_fst =
          std::binary_search(fst.begin(), fst.end(), file.relative_filename);
      if (is_fst == (format == Format::kFst)) {
        continue;
      }
      if (files.others == 0 ||
          order->Compare(file.smallestkey, files.first) < 0) {
        files.first = file.smallestkey;
      }
      if (files.others == 0 ||
          order->Compare(file.largestkey, files.last) > 0) {
        files.last = file.largestkey;
      }
      files.others++;
    }
  }
  return files;
}

// All keys and values, in their order.
struct Contents {
  uint64_t keys = 0;
  uint64_t checksum = 0;

  void Add(const Slice& bytes) {
    checksum = rocksdb::Hash64(bytes.data(), bytes.size(), checksum);
  }
  bool operator!=(const Contents& other) const {
    return keys != other.keys || checksum != other.checksum;
  }
};

Contents ContentsOf(DB* db, ColumnFamilyHandle* family) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  read.total_order_seek = true;
  read.readahead_size = size_t{2} << 20;
  Contents contents;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read, family));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    contents.keys++;
    contents.Add(it->key());
    for (const rocksdb::WideColumn& column : it->columns()) {
      contents.Add(column.name());
      contents.Add(column.value());
    }
  }
  Check(it->status());
  return contents;
}

// ---- Factories -------------------------------------------------------------

// A table factory like `own` that reads both formats and writes `format`.
std::shared_ptr<TableFactory> MigratingFactory(const TableFactory& own,
                                               Format format) {
  std::unique_ptr<TableFactory> factory;
  if (const auto* fst = own.CheckedCast<FstTableFactory>()) {
    factory = fst->Clone();
  } else {
    factory.reset(NewFstTableFactory(
        FstTableOptions(), own.GetOptions<rocksdb::BlockBasedTableOptions>()));
  }
  Check(factory->ConfigureFromString(
      rocksdb::ConfigOptions(), std::string("write_format=") + NameOf(format)));
  return factory;
}

// That which the database shall have in the end.
std::shared_ptr<TableFactory> FinalFactory(const TableFactory& own,
                                           Format format) {
  if (format == Format::kFst) {
    return MigratingFactory(own, format);
  }
  return std::shared_ptr<TableFactory>(rocksdb::NewBlockBasedTableFactory(
      *own.GetOptions<rocksdb::BlockBasedTableOptions>()));
}

bool IsFinal(const TableFactory& own, Format format) {
  const auto wanted = FinalFactory(own, format);
  std::string mismatch;
  return own.Name() == Slice(wanted->Name()) &&
         own.AreEquivalent(rocksdb::ConfigOptions(), wanted.get(), &mismatch);
}

// ---- What cannot be done ---------------------------------------------------

// Of a column family with `others` files of the other format.
void CheckServable(const std::string& name, const ColumnFamilyOptions& options,
                   Format format, size_t others) {
  const auto refuse = [&name](const std::string& why) {
    Check(Status::NotSupported("column family " + name, why));
  };
  const auto& table_factory = *options.table_factory;
  if (table_factory.GetOptions<rocksdb::BlockBasedTableOptions>() == nullptr) {
    refuse(std::string("table_factory=") + table_factory.Name() +
           " has files of neither format");
  }
  if (format == Format::kFst &&
      TrieOrderOf(options.comparator) == TrieOrder::kUnsupported) {
    refuse(std::string("FST files cannot serve comparator ") +
           options.comparator->Name() +
           "; migrate the others by --column_family");
  }
  if (others == 0) {
    return;
  }
  if (options.compaction_style != rocksdb::kCompactionStyleLevel &&
      options.compaction_style != rocksdb::kCompactionStyleUniversal) {
    refuse(
        "its compaction_style rewrites no files; set the table factory, and "
        "new files have the new format");
  }
  if (options.compaction_filter != nullptr ||
      options.compaction_filter_factory != nullptr) {
    refuse(
        "its compaction filter may change records while files are rewritten, "
        "and then nothing could be compared");
  }
}

// ---- The way there ---------------------------------------------------------

class Migration {
 public:
  Migration(std::string path, Format format, const std::string& only)
      : path_(std::move(path)), format_(format) {
    {
      // First, for it says what is no database.
      const ExistingDatabase database(path_);
      options_ = LoadOwnOptions(path_);
      std::vector<std::string> names;
      for (const auto& family : options_.families) {
        names.push_back(family.name);
      }
      if (!only.empty()) {
        CheckFamily(path_, only, names);
      }
      for (const std::string& name : names) {
        const bool wanted = only.empty() || name == only;
        others_.push_back(
            wanted
                ? FilesOf(database.db(), database.Family(name), format_).others
                : 0);
        wanted_.push_back(wanted);
      }
    }
    for (size_t i = 0; i < wanted_.size(); i++) {
      auto& family = options_.families[i];
      if (wanted_[i]) {
        CheckServable(family.name, family.options, format_, others_[i]);
        done_ = done_ && others_[i] == 0 &&
                IsFinal(*family.options.table_factory, format_);
      }
    }
  }

  void Run() {
    if (done_) {
      fmt::print("{}: all is {} already\n", path_, NameOf(format_));
      return;
    }
    OwnOptions final = options_;
    bool in_one_step = true;
    for (size_t i = 0; i < wanted_.size(); i++) {
      if (wanted_[i]) {
        auto& own = options_.families[i].options.table_factory;
        auto& last = final.families[i].options.table_factory;
        last = FinalFactory(*own, format_);
        // A block-based factory does not read what is to be rewritten.
        const bool rewrites = format_ == Format::kBlockBased && others_[i] > 0;
        own = rewrites ? MigratingFactory(*own, format_) : last;
        in_one_step = in_one_step && !rewrites;
      }
    }
    WithDatabase(options_,
                 [this](DB* db, size_t i, ColumnFamilyHandle* family) {
                   if (wanted_[i]) {
                     MigrateFamily(db, family);
                   }
                 });
    if (!in_one_step) {
      // For its OPTIONS file, and to see that it opens.
      WithDatabase(final, [](DB*, size_t, ColumnFamilyHandle*) {});
    }
    fmt::print("{}: done\n", path_);
  }

 private:
  // Calls take(db, i, handle) for each column family.
  template <typename Take>
  void WithDatabase(const OwnOptions& options, const Take& take) const {
    std::vector<ColumnFamilyHandle*> handles;
    DB* opened = nullptr;
    Check(ExplainOpen(DB::Open(options.db, path_, options.families, &handles,
                               compat::Into(&opened))));
    const std::unique_ptr<DB> db(opened);
    // Before the database is.
    std::vector<std::unique_ptr<ColumnFamilyHandle>> owned(handles.begin(),
                                                           handles.end());
    for (size_t i = 0; i < handles.size(); i++) {
      take(db.get(), i, handles[i]);
    }
    owned.clear();
    Check(db->Close());
  }

  void MigrateFamily(DB* db, ColumnFamilyHandle* family) const {
    const std::string& name = family->GetName();
    Files files = FilesOf(db, family, format_);
    if (files.others == 0) {
      fmt::print("{}: {} files, all {} already\n", name, files.all,
                 NameOf(format_));
      return;
    }
    const Contents before = ContentsOf(db, family);
    fmt::print(
        "{}: {} of {} files are not {}, {} bytes in all; {} keys, checksum "
        "{:016x}\n",
        name, files.others, files.all, NameOf(format_), files.bytes,
        before.keys, before.checksum);
    std::fflush(stdout);
    const uint64_t bytes_before = files.bytes;
    Compact(db, family, &files);
    const Contents after = ContentsOf(db, family);
    fmt::print(
        "{}: {} files, all {}, {} bytes, {:.2f} times those before; {} "
        "keys, checksum {:016x}\n",
        name, files.all, NameOf(format_), files.bytes,
        static_cast<double>(files.bytes) / static_cast<double>(bytes_before),
        after.keys, after.checksum);
    std::fflush(stdout);
    if (after != before) {
      Check(Status::Corruption(
          fmt::format("{}: column family {} has other contents than before",
                      path_, name),
          "restore it from its backup"));
    }
  }

  // Rewrites files of the other format, and as few others as may be.
  void Compact(DB* db, ColumnFamilyHandle* family, Files* files) const {
    rocksdb::CompactRangeOptions compact;
    // Files of the last level, too, but not those that were written just now.
    compact.bottommost_level_compaction =
        rocksdb::BottommostLevelCompaction::kForceOptimized;
    // A file that comes meanwhile, from the log, has the new format.
    for (size_t before = std::numeric_limits<size_t>::max();
         files->others > 0 && files->others < before;) {
      before = files->others;
      const Slice first(files->first);
      const Slice last(files->last);
      Check(db->CompactRange(compact, family, &first, &last));
      *files = FilesOf(db, family, format_);
    }
    if (files->others > 0) {
      Check(Status::Incomplete(
          fmt::format("{}: column family {}", path_, family->GetName()),
          fmt::format("{} files are not {} still, and compactions leave them",
                      files->others, NameOf(format_))));
    }
  }

  const std::string path_;
  const Format format_;
  OwnOptions options_;
  // Of each column family: whether it is to be migrated, and how many files of
  // the other format it has.
  std::vector<bool> wanted_;
  std::vector<size_t> others_;
  bool done_ = true;
};

int Migrate(const CommandLine& line) {
  const std::string to = line.Get("to");
  if (to != NameOf(Format::kFst) && to != NameOf(Format::kBlockBased)) {
    throw UsageError("--to=fst or --to=block_based says which format");
  }
  Migration(line.operand(),
            to == NameOf(Format::kFst) ? Format::kFst : Format::kBlockBased,
            line.Get("column_family"))
      .Run();
  return kDone;
}

}  // namespace

Command MigrateCommand() {
  return {"migrate",
          "DIR",
          "Rewrites the files of a database in the other format.",
          "No other process may have the database open. Its options are those "
          "of its\nOPTIONS file, in which the table factory alone is changed. "
          "Files that have the\nformat already are left. Keys and values are "
          "compared before and after. If it is\nkilled, it can be run again. "
          "The disk must have room for the largest column\nfamily twice.\n",
          {{"to", "FORMAT", "fst or block_based"},
           ColumnFamilyOption("of this column family; default: of all")},
          Migrate};
}

}  // namespace memkv
