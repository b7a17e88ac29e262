// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/corruption/hostile_database.h"

#include <algorithm>

#include "compat/open.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/table.h"
#include "tests/corruption/allocation_watch.h"

namespace memkv {

using rocksdb::DB;
using rocksdb::Env;
using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

namespace {

constexpr char kFolder[] = "/hostile";
// A varint may grow by nine bytes, an array to 64 bits a number.
constexpr size_t kRoomToGrow = 8 << 10;

class NoLogger : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

std::unique_ptr<Env> NewMemoryEnv() {
  return std::unique_ptr<Env>(rocksdb::NewMemEnv(Env::Default()));
}

std::string InFolder(const std::string& name) {
  return std::string(kFolder) + "/" + name;
}

}  // namespace

Options HostileDatabase::OptionsOf(const Use& use, Env* env) const {
  const MemoryTable::Settings& settings = shape_.pinned->settings();
  // Comparator, merge operator and prefix extractor are the shape's.
  Options options = shape_.pinned->options();
  options.env = env;
  options.info_log = std::make_shared<NoLogger>();
  options.compression = settings.compression;
  options.allow_mmap_reads = use.mapped;
  options.max_open_files = use.few_open_files ? 20 : -1;
  options.disable_auto_compactions = true;
  options.write_buffer_size = 64 << 10;
  options.arena_block_size = 4096;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  FstTableOptions fst = settings.fst;
  fst.residency = use.residency;
  rocksdb::BlockBasedTableOptions block_based = settings.block_based;
  // Every database has files of the same names, but a cache of its own.
  block_based.no_block_cache = false;
  block_based.block_cache =
      rocksdb::NewLRUCache(64 << 10, /*num_shard_bits=*/0,
                           /*strict_capacity_limit=*/false,
                           /*high_pri_pool_ratio=*/0.5);
  options.table_factory.reset(NewFstTableFactory(fst, &block_based));
  options.memtable_factory.reset(NewArtMemTableRepFactory());
  return options;
}

bool HostileDatabase::WriteFiles(const Files& files, Env* env) {
  if (!env->CreateDirIfMissing(kFolder).ok()) return false;
  for (const auto& [name, bytes] : files) {
    if (!rocksdb::WriteStringToFile(env, bytes, InFolder(name)).ok()) {
      return false;
    }
  }
  return true;
}

bool HostileDatabase::Prepare(std::string* reason) {
  FileWriteOptions write;
  file_size_ = shape_.bytes.size() + kRoomToGrow;
  write.file_size = file_size_;
  bytes_ = shape_.fields.Write({}, write);
  file_ = "000010.sst";
  const std::unique_ptr<Env> env = NewMemoryEnv();
  const Options options = OptionsOf(Use(), env.get());
  if (!WriteFiles({{file_, bytes_}}, env.get())) {
    *reason = "cannot write files in memory";
    return false;
  }
  // A manifest for the file, and then newer files that compaction merges with
  // it.
  Status s = rocksdb::RepairDB(kFolder, options);
  DB* db = nullptr;
  if (s.ok()) s = DB::Open(options, kFolder, compat::Into(&db));
  const std::unique_ptr<DB> owner(db);
  for (size_t i = 0; s.ok() && i < shape_.probes.size(); i += 5) {
    s = db->Put(rocksdb::WriteOptions(), shape_.probes[i].first + "y", "new");
  }
  if (s.ok()) s = db->Flush(rocksdb::FlushOptions());
  if (s.ok()) s = db->Close();
  if (!s.ok()) {
    *reason = s.ToString();
    return false;
  }
  std::vector<std::string> names;
  s = env->GetChildren(kFolder, &names);
  for (const std::string& name : names) {
    std::string bytes;
    if (s.ok() &&
        rocksdb::ReadFileToString(env.get(), InFolder(name), &bytes).ok()) {
      files_[name] = bytes;
    }
  }
  if (files_.count(file_) == 0 || files_[file_] != bytes_) {
    *reason = "the file is not among the database's";
    return false;
  }
  HostileAnswers truth;
  const AllocationWatch watch;
  Ask(bytes_, Use(), &truth);
  held_ = watch.most_held();
  allocated_ = watch.largest();
  if (!truth.answers.front().status.ok()) {
    *reason = truth.answers.front().status.ToString();
    return false;
  }
  return true;
}

void HostileDatabase::Ask(const std::string& bytes, const Use& use,
                          HostileAnswers* out) const {
  const AllocationWatch watch;
  {
    const std::unique_ptr<Env> env = NewMemoryEnv();
    Files files = files_;
    files[file_] = bytes;
    WriteFiles(files, env.get());
    const Options options = OptionsOf(use, env.get());
    DB* db = nullptr;
    const Status s = DB::Open(options, kFolder, compat::Into(&db));
    out->New("open")->status = s;
    if (s.ok()) {
      const std::unique_ptr<DB> owner(db);
      AskOpen(db, use, out);
    }
  }
  HostileAnswers others;
  {
    const std::unique_ptr<Env> env = NewMemoryEnv();
    Files files = files_;
    files[file_] = bytes;
    WriteFiles(files, env.get());
    Repair(use, env.get(), &others);
  }
  HandIn(bytes, use, &others);
  if (out->broken.empty()) out->broken = others.broken;
  // An undamaged file's database holds something, too.
  const size_t allocation =
      2 * allocated_ + HostileLimits::Allocation(shape_, bytes.size());
  const size_t memory = 2 * held_ + HostileLimits::Memory(shape_, bytes.size());
  if (held_ != 0 &&
      (watch.largest() > allocation || watch.most_held() > memory)) {
    out->broken = "a file of " + std::to_string(bytes.size()) +
                  " bytes made a database allocate " +
                  std::to_string(watch.largest()) + " bytes at once and hold " +
                  std::to_string(watch.most_held()) + "; the limits are " +
                  std::to_string(allocation) + " and " + std::to_string(memory);
  }
}

void HostileDatabase::Scan(DB* db, const ReadOptions& read_options,
                           const std::string& when, HostileAnswers* out) const {
  const size_t limit = HostileLimits::Steps(shape_, file_size_);
  const std::unique_ptr<rocksdb::Iterator> iter(db->NewIterator(read_options));
  for (const bool forwards : {true, false}) {
    HostileAnswer* const answer =
        out->New((forwards ? "scan forwards " : "scan backwards ") + when,
                 /*scan=*/true);
    size_t steps = 0;
    if (forwards) {
      iter->SeekToFirst();
    } else {
      iter->SeekToLast();
    }
    for (; iter->Valid(); forwards ? iter->Next() : iter->Prev()) {
      if (++steps > limit) {
        out->broken = answer->question + ": more than " + std::to_string(limit);
        return;
      }
      answer->Add(iter->key(), iter->value());
    }
    answer->status = iter->status();
  }
  for (const auto& probe : shape_.probes) {
    for (const bool forwards : {true, false}) {
      HostileAnswer* const answer =
          out->New("seek " + probe.first + " " + when, /*scan=*/true);
      if (forwards) {
        iter->Seek(probe.first);
      } else {
        iter->SeekForPrev(probe.first);
      }
      for (int i = 0; i < 3 && iter->Valid(); ++i) {
        answer->Add(iter->key(), iter->value());
        if (forwards) {
          iter->Prev();
        } else {
          iter->Next();
        }
      }
      answer->status = iter->status();
    }
  }
}

void HostileDatabase::Read(DB* db, const Use& use, const std::string& when,
                           HostileAnswers* out) const {
  ReadOptions read_options;
  read_options.verify_checksums = use.verify_checksums;
  read_options.total_order_seek = true;
  Scan(db, read_options, when, out);
  if (!out->broken.empty()) return;
  std::vector<Slice> keys;
  for (const auto& probe : shape_.probes) {
    keys.emplace_back(probe.first);
    HostileAnswer* const answer = out->New("get " + probe.first + " " + when);
    rocksdb::PinnableSlice value;
    answer->status =
        db->Get(read_options, db->DefaultColumnFamily(), probe.first, &value);
    answer->Add(answer->status.ok() ? "found" : "", value);
    if (answer->status.IsNotFound()) answer->status = Status::OK();
  }
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db->MultiGet(read_options, db->DefaultColumnFamily(), keys.size(),
               keys.data(), values.data(), statuses.data());
  for (size_t i = 0; i < keys.size(); ++i) {
    HostileAnswer* const answer =
        out->New("multi-get " + keys[i].ToString() + " " + when);
    answer->status = statuses[i];
    answer->Add(statuses[i].ok() ? "found" : "", values[i]);
    if (statuses[i].IsNotFound()) answer->status = Status::OK();
  }
}

void HostileDatabase::AskOpen(DB* db, const Use& use,
                              HostileAnswers* out) const {
  Read(db, use, "at first", out);
  if (!out->broken.empty()) return;
  // Estimates, which name no error.
  const rocksdb::Comparator* const order =
      db->DefaultColumnFamily()->GetComparator();
  std::vector<rocksdb::Range> ranges;
  for (size_t i = 0; i + 1 < shape_.probes.size(); ++i) {
    Slice start = shape_.probes[i].first;
    Slice limit = shape_.probes[i + 1].first;
    if (order->Compare(start, limit) > 0) std::swap(start, limit);
    ranges.emplace_back(start, limit);
  }
  std::vector<uint64_t> sizes(ranges.size());
  db->GetApproximateSizes(ranges.data(), static_cast<int>(ranges.size()),
                          sizes.data());
  for (const rocksdb::Range& range : ranges) {
    HostileAnswer* const answer =
        out->New("count from " + range.start.ToString());
    KeyCount count;
    answer->status =
        CountKeys(db, db->DefaultColumnFamily(), ReadOptions(),
                  rocksdb::RangePtr(&range.start, &range.limit), &count);
    if (answer->status.ok()) {
      answer->rows = {count.at_least, count.at_most};
    }
  }
  rocksdb::TablePropertiesCollection properties;
  db->GetPropertiesOfAllTables(&properties).PermitUncheckedError();
  std::string text;
  db->GetProperty(DB::Properties::kAggregatedTableProperties, &text);
  db->GetProperty(DB::Properties::kEstimateTableReadersMem, &text);
  out->New("verify")->status = db->VerifyChecksum();
  rocksdb::CompactRangeOptions compact;
  // Asks the files for keys that cut them.
  compact.max_subcompactions = 3;
  compact.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForce;
  const Status s = db->CompactRange(compact, nullptr, nullptr);
  out->New("compact")->status = s;
  Read(db, use, "after a compaction", out);
}

void HostileDatabase::Repair(const Use& use, Env* env,
                             HostileAnswers* out) const {
  const Options options = OptionsOf(use, env);
  Status s = rocksdb::RepairDB(kFolder, options);
  DB* db = nullptr;
  if (s.ok()) s = DB::Open(options, kFolder, compat::Into(&db));
  out->New("repair")->status = s;
  if (!s.ok()) return;
  // A file that could not be read may be gone by now.
  const std::unique_ptr<DB> owner(db);
  ReadOptions read_options;
  read_options.total_order_seek = true;
  Scan(db, read_options, "after a repair", out);
}

void HostileDatabase::HandIn(const std::string& bytes, const Use& use,
                             HostileAnswers* out) const {
  const std::unique_ptr<Env> env = NewMemoryEnv();
  Options options = OptionsOf(use, env.get());
  options.create_if_missing = true;
  const std::string file = "/outside.sst";
  Status s = rocksdb::WriteStringToFile(env.get(), bytes, file);
  {
    rocksdb::SstFileReader reader(options);
    s = reader.Open(file);
    out->New("open from outside")->status = s;
    if (s.ok()) {
      const size_t limit = HostileLimits::Steps(shape_, file_size_);
      const std::unique_ptr<rocksdb::Iterator> iter(
          reader.NewIterator(ReadOptions()));
      size_t steps = 0;
      for (iter->SeekToFirst(); iter->Valid() && steps <= limit; ++steps) {
        iter->Next();
      }
      if (steps > limit) out->broken = "a file from outside without end";
      reader.VerifyChecksum(ReadOptions()).PermitUncheckedError();
      reader.GetTableProperties();
    }
  }
  DB* db = nullptr;
  if (!DB::Open(options, kFolder, compat::Into(&db)).ok()) return;
  const std::unique_ptr<DB> owner(db);
  rocksdb::IngestExternalFileOptions ingest;
  ingest.allow_db_generated_files = shape_.pinned->settings().global_seqno == 0;
  ingest.snapshot_consistency = !ingest.allow_db_generated_files;
  ingest.allow_global_seqno = !ingest.allow_db_generated_files;
  ingest.verify_checksums_before_ingest = use.verify_checksums;
  s = db->IngestExternalFile({file}, ingest);
  out->New("ingest")->status = s;
  if (s.ok()) Scan(db, ReadOptions(), "after ingestion", out);
}

}  // namespace memkv
