// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/db/fault_database.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "compat/block_cache.h"
#include "compat/database.h"
#include "compat/open.h"
#include "compat/wait_for_compact.h"
#include "db/column_family.h"
#include "db/table_cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace memkv {

using rocksdb::Options;
using rocksdb::ReadOptions;
using rocksdb::Status;

namespace {

const char* const kFamilyNames[kFaultFamilies] = {
    "default",  // RocksDB's own name
    "cached", "blobs"};
constexpr size_t kBlobFamily = 2;
constexpr int kKeys = 150;

class NoLogger : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char* /*format*/, va_list /*args*/) override {}
};

FaultStep::Update RandomUpdate(std::mt19937_64* rng) {
  using Kind = FaultStep::Update::Kind;
  FaultStep::Update update;
  update.family = (*rng)() % kFaultFamilies;
  const int i = static_cast<int>((*rng)() % kKeys);
  update.key = NumberKey(i);
  const uint64_t what = (*rng)() % 100;
  if (what < 4) {
    update.kind = Kind::kDeleteRange;
    update.value = NumberKey(i + 1 + static_cast<int>((*rng)() % 8));
  } else if (what < 14) {
    update.kind = Kind::kDelete;
  } else if (what < 26) {
    update.kind = Kind::kMerge;
    update.value = RandomBytes(rng, 1 + (*rng)() % 12);
  } else {
    update.kind = Kind::kPut;
    const bool large = update.family == kBlobFamily && (*rng)() % 4 == 0;
    update.value =
        RandomBytes(rng, large ? 200 + (*rng)() % 600 : (*rng)() % 80);
  }
  return update;
}

void Apply(const FaultStep::Update& update, FaultState* state) {
  Model& model = (*state)[update.family];
  switch (update.kind) {
    case FaultStep::Update::Kind::kPut:
      model[update.key] = update.value;
      break;
    case FaultStep::Update::Kind::kDelete:
      model.erase(update.key);
      break;
    case FaultStep::Update::Kind::kDeleteRange:
      model.erase(model.lower_bound(update.key),
                  model.lower_bound(update.value));
      break;
    case FaultStep::Update::Kind::kMerge: {
      const auto [at, fresh] = model.emplace(update.key, update.value);
      if (!fresh) at->second += "," + update.value;
      break;
    }
  }
}

}  // namespace

std::string FaultVariant::Name() const {
  std::string name = memkv ? "Memkv" : "Stock";
  switch (reads) {
    case FaultReads::kBuffered:
      name += "Buffered";
      break;
    case FaultReads::kMapped:
      name += "Mapped";
      break;
    case FaultReads::kDirect:
      name += "Direct";
      break;
  }
  return name + (reopens_files ? "Reopened" : "");
}

std::vector<FaultVariant> FaultVariants(
    const std::vector<FaultVariant>& variants) {
  std::vector<FaultVariant> chosen;
  for (const FaultVariant& variant : variants) {
    if (variant.memkv || kFaultsAtLength) chosen.push_back(variant);
  }
  return chosen;
}

const char* FaultStep::Name() const {
  switch (kind) {
    case Kind::kWrite:
      return synced ? "synced write" : "write";
    case Kind::kSyncLog:
      return "sync of the log";
    case Kind::kFlush:
      return "flush";
    case Kind::kCompact:
      return "compaction";
    case Kind::kIngest:
      return link ? "ingestion by link" : "ingestion";
    case Kind::kReopen:
      return "reopening";
  }
  return "";
}

// ---- The history ------------------------------------------------------------

FaultHistory::FaultHistory(uint64_t seed) {
  std::mt19937_64 rng(seed);
  states.emplace_back();
  const auto write = [&](bool synced) {
    FaultStep step(FaultStep::Kind::kWrite);
    step.synced = synced;
    FaultState state = states.back();
    for (int i = 0; i < 40; ++i) {
      step.updates.push_back(RandomUpdate(&rng));
      Apply(step.updates.back(), &state);
    }
    step.state = states.size();
    states.push_back(std::move(state));
    steps.push_back(std::move(step));
  };
  const auto other = [&](FaultStep::Kind kind, size_t family = 0) {
    FaultStep step(kind, family);
    step.state = states.size() - 1;
    steps.push_back(step);
  };
  const auto compact = [&](size_t family) {
    other(FaultStep::Kind::kFlush, family);
    other(FaultStep::Kind::kCompact, family);
  };
  // What is not synced before it might be lost, and it not.
  const auto ingest = [&](size_t family, bool link) {
    write(/*synced=*/true);
    other(FaultStep::Kind::kFlush, family);
    FaultStep step(FaultStep::Kind::kIngest, family);
    step.file = external.size();
    step.link = link;
    Model model;
    // Some keys between those of the database, and some that it has.
    for (int i = 0; i < 60; ++i) {
      model[NumberKey(static_cast<int>(rng() % kKeys)) +
            (i % 3 == 0 ? "" : "/external")] = RandomBytes(&rng, rng() % 60);
    }
    FaultState state = states.back();
    for (const auto& [key, value] : model) state[family][key] = value;
    external.push_back(std::move(model));
    step.state = states.size();
    states.push_back(std::move(state));
    steps.push_back(std::move(step));
  };

  using Kind = FaultStep::Kind;
  for (size_t round = 0; round < 2; ++round) {
    write(/*synced=*/false);
    write(/*synced=*/true);
    write(/*synced=*/false);
    other(Kind::kFlush, round);
    write(/*synced=*/false);
    other(Kind::kSyncLog);
    for (size_t family = 0; family < kFaultFamilies; ++family) {
      other(Kind::kFlush, family);
    }
  }
  ingest(/*family=*/0, /*link=*/false);
  write(/*synced=*/false);
  other(Kind::kFlush, 1);
  compact(0);
  write(/*synced=*/false);
  ingest(/*family=*/1, /*link=*/true);
  compact(1);
  compact(2);
  write(/*synced=*/false);
  other(Kind::kReopen);
  write(/*synced=*/false);
  compact(0);
  write(/*synced=*/true);
  write(/*synced=*/false);
}

std::vector<uint64_t> FaultPoints(const std::vector<FileOperation>& trace,
                                  size_t each, uint64_t seed) {
  std::map<std::string, std::vector<uint64_t>> by_name;
  for (size_t i = 0; i < trace.size(); ++i) {
    FileOperation operation = trace[i];
    if (operation.file != "sst" && operation.file != "blob") {
      operation.step.clear();
    }
    by_name[operation.Name()].push_back(i + 1);
  }
  std::vector<uint64_t> points;
  for (const auto& [name, places] : by_name) {
    // Where two traces have as many of a name, the same ones are chosen.
    std::mt19937_64 rng(seed + std::hash<std::string>()(name));
    const size_t n = std::min(each, places.size());
    for (size_t i = 0; i < n; ++i) {
      // One of each n-th part of them.
      const size_t begin = places.size() * i / n;
      const size_t end = places.size() * (i + 1) / n;
      points.push_back(places[begin + rng() % (end - begin)]);
    }
  }
  std::sort(points.begin(), points.end());
  return points;
}

// ---- The listener -----------------------------------------------------------

void FaultListener::OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                                      Status* error) {
  static const char* const kReasons[] = {"flush",
                                         "compaction",
                                         "write",
                                         "memtable",
                                         "manifest",
                                         "flush without log",
                                         "manifest without log"};
  const std::lock_guard<std::mutex> lock(mutex_);
  errors_.insert(std::string(kReasons[static_cast<size_t>(reason)]) +
                 " error of severity " +
                 std::to_string(static_cast<int>(error->severity())) + "; ");
}

std::string FaultListener::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string text;
  for (const std::string& error : errors_) text += error;
  errors_.clear();
  return text;
}

// ---- Files ------------------------------------------------------------------

Status WriteExternalFile(const Options& options, const Model& model,
                         const std::string& file) {
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(options), options);
  Status s = writer.Open(file);
  for (const auto& [key, value] : model) {
    if (s.ok()) s = writer.Put(key, value);
  }
  return s.ok() ? writer.Finish() : s;
}

// ---- The database -----------------------------------------------------------

FaultDatabase::FaultDatabase(std::string path, std::vector<Options> families)
    : path_(std::move(path)), options_(std::move(families)) {}

FaultDatabase::~FaultDatabase() { Close(); }

Status FaultDatabase::Open() {
  Close();
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    descriptors.emplace_back(kFamilyNames[i], options_[i]);
  }
  rocksdb::DB* db = nullptr;
  const Status s = rocksdb::DB::Open(options_[0], path_, descriptors, &handles_,
                                     compat::Into(&db));
  db_.reset(db);
  return s;
}

void FaultDatabase::Close() {
  if (db_ == nullptr) return;
  // RocksDB keeps the reader of a file that it gave up because its directory
  // could not be synced, and its own asserts find it when it closes.
  Chill();
  for (rocksdb::ColumnFamilyHandle* const handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  handles_.clear();
  db_->Close().PermitUncheckedError();
  db_.reset();
}

std::string FaultDatabase::ExternalFile(size_t i) const {
  return path_ + ".external-" + std::to_string(i) + ".sst";
}

void FaultDatabase::WriteExternalFiles(const FaultHistory& history) const {
  for (const FaultStep& step : history.steps) {
    if (step.kind != FaultStep::Kind::kIngest) continue;
    const Status s =
        WriteExternalFile(options_[step.family], history.external[step.file],
                          ExternalFile(step.file));
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
}

Status FaultDatabase::Run(const FaultStep& step) {
  Status s;
  switch (step.kind) {
    case FaultStep::Kind::kWrite: {
      rocksdb::WriteBatch batch;
      for (const FaultStep::Update& update : step.updates) {
        rocksdb::ColumnFamilyHandle* const cf = family(update.family);
        switch (update.kind) {
          case FaultStep::Update::Kind::kPut:
            s = batch.Put(cf, update.key, update.value);
            break;
          case FaultStep::Update::Kind::kDelete:
            s = batch.Delete(cf, update.key);
            break;
          case FaultStep::Update::Kind::kDeleteRange:
            s = batch.DeleteRange(cf, update.key, update.value);
            break;
          case FaultStep::Update::Kind::kMerge:
            s = batch.Merge(cf, update.key, update.value);
            break;
        }
        if (!s.ok()) return s;
      }
      rocksdb::WriteOptions options;
      options.sync = step.synced;
      return db_->Write(options, &batch);
    }
    case FaultStep::Kind::kSyncLog:
      return db_->SyncWAL();
    case FaultStep::Kind::kFlush:
      s = db_->Flush(rocksdb::FlushOptions(), family(step.family));
      break;
    case FaultStep::Kind::kCompact: {
      rocksdb::CompactRangeOptions options;
      options.bottommost_level_compaction =
          rocksdb::BottommostLevelCompaction::kForce;
      s = db_->CompactRange(options, family(step.family), nullptr, nullptr);
      break;
    }
    case FaultStep::Kind::kIngest: {
      rocksdb::IngestExternalFileOptions options;
      options.link_files = step.link;
      s = db_->IngestExternalFile(family(step.family),
                                  {ExternalFile(step.file)}, options);
      break;
    }
    case FaultStep::Kind::kReopen:
      // Closing a file syncs nothing.
      s = db_->SyncWAL();
      Close();
      return s.ok() ? Open() : s;
  }
  // So that what is done in the background is done before the next step.  An
  // error that it tells of is that of this step or of one before.
  compat::WaitForCompact(db_.get()).PermitUncheckedError();
  return s;
}

rocksdb::Iterator* FaultDatabase::NewIterator(size_t i) const {
  ReadOptions options;
  options.total_order_seek = true;
  return db_->NewIterator(options, family(i));
}

Status FaultDatabase::ReadAll(FaultState* state) const {
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    Model& model = (*state)[i];
    model.clear();
    const std::unique_ptr<rocksdb::Iterator> iter(NewIterator(i));
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
      model.emplace_hint(model.end(), iter->key().ToString(),
                         iter->value().ToString());
    }
    if (!iter->status().ok()) return iter->status();
  }
  return Status::OK();
}

void FaultDatabase::ExpectHolds(const FaultState& state) const {
  FaultState found;
  Status s = ReadAll(&found);
  ASSERT_TRUE(s.ok()) << s.ToString();
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    SCOPED_TRACE(kFamilyNames[i]);
    ASSERT_EQ(found[i], state[i]);
    const std::unique_ptr<rocksdb::Iterator> iter(NewIterator(i));
    auto expected = state[i].rbegin();
    for (iter->SeekToLast(); iter->Valid(); iter->Prev(), ++expected) {
      ASSERT_NE(expected, state[i].rend());
      ASSERT_EQ(iter->key(), expected->first);
      ASSERT_EQ(iter->value(), expected->second);
    }
    ASSERT_TRUE(iter->status().ok()) << iter->status().ToString();
    ASSERT_EQ(expected, state[i].rend());
    for (int k = 0; k < kKeys; ++k) {
      const std::string key = NumberKey(k);
      const auto at = state[i].find(key);
      std::string value;
      s = db_->Get(ReadOptions(), family(i), key, &value);
      ASSERT_EQ(s.ok(), at != state[i].end()) << key << ": " << s.ToString();
      ASSERT_TRUE(s.ok() || s.IsNotFound()) << key << ": " << s.ToString();
      if (s.ok()) {
        ASSERT_EQ(value, at->second) << key;
      }
    }
  }
}

void FaultDatabase::ExpectWorks(FaultState* state) {
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(*state));
  ASSERT_NO_FATAL_FAILURE(ExpectNoStrayFiles());
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    FaultStep write(FaultStep::Kind::kWrite);
    write.updates = {
        {FaultStep::Update::Kind::kPut, i, NumberKey(1), "after"},
        {FaultStep::Update::Kind::kPut, i, "last", std::string(300, 'v')}};
    for (const auto& update : write.updates) Apply(update, state);
    Status s = Run(write);
    ASSERT_TRUE(s.ok()) << s.ToString();
    s = Run(FaultStep(FaultStep::Kind::kCompact, i));
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  Status s = db_->VerifyChecksum();
  ASSERT_TRUE(s.ok()) << s.ToString();
  s = Run(FaultStep(FaultStep::Kind::kReopen));
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(*state));
  ASSERT_NO_FATAL_FAILURE(ExpectNoStrayFiles());
}

void FaultDatabase::ExpectNoStrayFiles() const {
  std::vector<rocksdb::LiveFileStorageInfo> live;
  const Status s = db_->GetLiveFilesStorageInfo(
      rocksdb::LiveFilesStorageInfoOptions(), &live);
  ASSERT_TRUE(s.ok()) << s.ToString();
  std::set<std::string> expected;
  for (const auto& file : live) {
    if (file.file_type == rocksdb::kTableFile ||
        file.file_type == rocksdb::kBlobFile) {
      expected.insert(file.relative_filename);
    }
  }
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    const std::string name = entry.path().filename();
    const std::string suffix = entry.path().extension();
    if (suffix == ".sst" ||
        (suffix == ".blob" &&
         (!compat::kUnfinishedBlobFilesStay || expected.count(name) != 0))) {
      found.insert(name);
    }
  }
  EXPECT_EQ(found, expected);
}

void FaultDatabase::Chill() const {
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    auto* const cfd =
        static_cast<rocksdb::ColumnFamilyHandleImpl*>(handles_[i])->cfd();
    cfd->table_cache()->get_cache().get()->EraseUnRefEntries();
    options_[i]
        .table_factory->GetOptions<rocksdb::BlockBasedTableOptions>()
        ->block_cache->EraseUnRefEntries();
    if (options_[i].blob_cache != nullptr) {
      options_[i].blob_cache->EraseUnRefEntries();
    }
  }
}

// ---- The fixture ------------------------------------------------------------

std::vector<Options> FaultTest::FamilyOptions(
    const FaultVariant& variant, rocksdb::Env* env,
    const std::shared_ptr<FaultListener>& listener) const {
  static const auto no_logger = std::make_shared<NoLogger>();
  const std::string fst[kFaultFamilies] = {"residency=pin", "residency=cache",
                                           "residency=auto"};
  std::vector<Options> families;
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    const bool cached = i == kFilteredFamily;
    // Each has a cache of its own, for Chill().
    const std::string block_based =
        std::string("block_size=256;block_cache=1M;") +
        (cached ? "whole_key_filtering=true;filter_policy=bloomfilter:10:false;"
                  "cache_index_and_filter_blocks=true;"
                : "");
    Options options;
    if (variant.memkv) {
      options = MemkvOptions(
          "segment_size=1K;value_block_size=256;key_buffer_size=16K;" + fst[i] +
          ";block_based={" + block_based + "}");
    } else {
      options = StockOptions();
      const Status s = rocksdb::TableFactory::CreateFromString(
          rocksdb::ConfigOptions(), "id=BlockBasedTable;" + block_based,
          &options.table_factory);
      EXPECT_TRUE(s.ok()) << s.ToString();
    }
    options.create_missing_column_families = true;
    options.env = env;
    options.info_log = no_logger;
    if (listener != nullptr) options.listeners.push_back(listener);
    options.write_buffer_size = 1 << 20;
    options.disable_auto_compactions = true;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.max_background_jobs = 1;
    // The test resumes what an error has stopped.
    options.max_bgerror_resume_count = 0;
    // So that each part of a file is written by itself.
    options.writable_file_max_buffer_size = 0;
    options.allow_mmap_reads = variant.reads == FaultReads::kMapped;
    options.use_direct_reads = variant.reads == FaultReads::kDirect;
    options.max_open_files = variant.reopens_files ? 20 : -1;
    options.table_cache_numshardbits = 0;
    if (cached) {
      options.prefix_extractor.reset(
          rocksdb::NewFixedPrefixTransform(kFaultPrefix));
    }
    if (i == kBlobFamily) {
      options.enable_blob_files = true;
      options.min_blob_size = 150;
      options.enable_blob_garbage_collection = true;
      options.blob_garbage_collection_age_cutoff = 1;
    }
    families.push_back(options);
  }
  return families;
}

}  // namespace memkv
