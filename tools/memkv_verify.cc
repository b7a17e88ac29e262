// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv verify: reads SSTs of either kind from end to end and checks them: a
// whole database by its MANIFEST, or one file.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "compat/table_reader.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/existing_database.h"
#include "rocksdb/metadata.h"
#include "table/internal_iterator.h"
#include "tools/command.h"
#include "tools/table_file.h"

namespace memkv {

using rocksdb::LiveFileMetaData;
using rocksdb::TableReaderCaller;

namespace {

// What a line says of a file.
struct Verdict {
  Status status;
  std::string facts;
};

// Checks what RocksDB's VerifyChecksum does not: the order of entries, their
// number, and, if there is a `manifest`, that it has them between its bounds.
Status CheckEntries(const TableFile& file, const LiveFileMetaData* manifest,
                    uint64_t* entries) {
  const rocksdb::ReadOptions scan = TableFile::ScanOptions();
  const auto it = file.NewIterator(scan, /*with_values=*/true);
  const rocksdb::Comparator* const order = file.comparator().user_comparator();
  std::string before;
  // "PATH: entry N, near offset M, is ...".
  const auto corrupt = [&](const std::string& what) {
    return Status::Corruption(
        fmt::format("{}: entry {}, near offset {}, {}", file.path(), *entries,
                    compat::OffsetOf(&file.reader(), scan, it->key()), what));
  };
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    rocksdb::ParsedInternalKey parsed;
    const Status s =
        rocksdb::ParseInternalKey(it->key(), &parsed, /*log_err_key=*/false);
    if (!s.ok()) {
      return corrupt("has a key that is damaged: " + s.ToString());
    }
    if (file.order_known() && *entries > 0 &&
        file.comparator().Compare(before, it->key()) > 0) {
      return corrupt("is before the one that it follows");
    }
    if (manifest != nullptr && order->timestamp_size() == 0 &&
        (order->Compare(parsed.user_key, manifest->smallestkey) < 0 ||
         order->Compare(parsed.user_key, manifest->largestkey) > 0)) {
      return corrupt("is not between the bounds that the MANIFEST has");
    }
    before.assign(it->key().data(), it->key().size());
    ++*entries;
  }
  if (!it->status().ok()) {
    return it->status();
  }
  const uint64_t expected =
      file.properties().num_entries - file.properties().num_range_deletions;
  if (*entries != expected) {
    return Status::Corruption(
        fmt::format("{}: it has {} entries, its properties say {}", file.path(),
                    *entries, expected));
  }
  return Status::OK();
}

Verdict VerifyFile(const std::string& path,
                   const rocksdb::Comparator* comparator,
                   const LiveFileMetaData* manifest) {
  std::unique_ptr<TableFile> file;
  Verdict verdict;
  verdict.status =
      TableFile::Open(path, comparator,
                      manifest != nullptr ? manifest->largest_seqno
                                          : rocksdb::kMaxSequenceNumber,
                      &file);
  if (verdict.status.ok() && manifest != nullptr &&
      file->size() != manifest->size) {
    verdict.status = Status::Corruption(
        fmt::format("{}: it has {} bytes, the MANIFEST says {}", path,
                    file->size(), manifest->size));
  }
  if (verdict.status.ok()) {
    verdict.status = file->reader().VerifyChecksum(
        TableFile::ScanOptions(), TableReaderCaller::kUserVerifyChecksum);
  }
  uint64_t entries = 0;
  if (verdict.status.ok()) {
    verdict.status = CheckEntries(*file, manifest, &entries);
  }
  if (verdict.status.ok()) {
    verdict.facts = fmt::format(
        "{}, {} entries, {} bytes{}",
        file->fst() != nullptr ? "fst" : "block_based", entries, file->size(),
        file->order_known()
            ? ""
            : ", order not checked: comparator " +
                  file->properties().comparator_name + " is not known here");
  }
  return verdict;
}

// Counts what it prints.
class Report {
 public:
  // `where`: column family and level, if they are known.
  void Add(const std::string& path, const std::string& where,
           const Verdict& verdict) {
    files_++;
    if (verdict.status.ok()) {
      fmt::print("ok      {}: {}{}\n", path, where, verdict.facts);
    } else {
      damaged_++;
      fmt::print("DAMAGED {}: {}{}\n", path, where, verdict.status.ToString());
    }
    // Seen at once, for the next file may take long.
    std::fflush(stdout);
  }
  // A file that a process which has the database open does not need any more.
  void AddGone(const std::string& path, const std::string& where) {
    fmt::print("gone    {}: {}deleted since the database was opened\n", path,
               where);
  }
  int Summarize() const {
    fmt::print("{} file{}, {} damaged\n", files_, files_ == 1 ? "" : "s",
               damaged_);
    return damaged_ == 0 ? kDone : kFound;
  }

 private:
  uint64_t files_ = 0;
  uint64_t damaged_ = 0;
};

std::string PathOf(const LiveFileMetaData& file) {
  return file.directory + "/" + file.relative_filename;
}

// Whether the MANIFEST, as it is now, has the file.
bool IsLive(const std::string& path, const std::string& file) {
  const ExistingDatabase database(path, ExistingDatabase::Damage::kTolerate);
  std::vector<LiveFileMetaData> files;
  database.db()->GetLiveFilesMetaData(&files);
  return std::any_of(
      files.begin(), files.end(),
      [&file](const LiveFileMetaData& live) { return PathOf(live) == file; });
}

void VerifyDatabase(const std::string& path, Report* report) {
  const ExistingDatabase database(path, ExistingDatabase::Damage::kTolerate);
  std::map<std::string, const rocksdb::Comparator*> comparators;
  for (rocksdb::ColumnFamilyHandle* family : database.families()) {
    comparators[family->GetName()] = family->GetComparator();
  }
  std::vector<LiveFileMetaData> files;
  database.db()->GetLiveFilesMetaData(&files);
  for (const LiveFileMetaData& file : files) {
    const std::string name = PathOf(file);
    const std::string where =
        fmt::format("{}, level {}, ", file.column_family_name, file.level);
    const Verdict verdict =
        VerifyFile(name, comparators[file.column_family_name], &file);
    if (verdict.status.IsPathNotFound() && !IsLive(path, name)) {
      report->AddGone(name, where);
    } else {
      report->Add(name, where, verdict);
    }
  }
}

int Verify(const CommandLine& line) {
  Report report;
  std::error_code ignored;
  if (!std::filesystem::exists(line.operand(), ignored)) {
    Check(Status::PathNotFound(line.operand(), "no such file or folder"));
  }
  if (std::filesystem::is_directory(line.operand(), ignored)) {
    VerifyDatabase(line.operand(), &report);
  } else {
    report.Add(line.operand(), "",
               VerifyFile(line.operand(), nullptr, nullptr));
  }
  return report.Summarize();
}

}  // namespace

Command VerifyCommand() {
  return {"verify",
          "DIR|FILE.sst",
          "Reads all SSTs of a database, or one, and says which are damaged.",
          "Each file is read from end to end. Its checksums are checked, the "
          "structure of\nFST files, the order and number of entries, and in a "
          "database what the MANIFEST\nsays of it. The database is opened "
          "read-only.\n",
          {},
          Verify};
}

}  // namespace memkv
