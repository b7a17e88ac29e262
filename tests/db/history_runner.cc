// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/db/history_runner.h"

#include <utility>

#include "compat/open.h"
#include "rocksdb/sst_file_writer.h"

namespace memkv {
namespace {

using rocksdb::Slice;
using rocksdb::Status;

constexpr size_t kCompareAllEvery = 10000;

bool SameCode(const Status& a, const Status& b) {
  return a.code() == b.code() && a.subcode() == b.subcode();
}

}  // namespace

// Of 10,000. A flush or compaction costs as much as hundreds of gets.
const HistoryRunner::Operation HistoryRunner::kOperations[] = {
    {"put", 2500, &HistoryRunner::Put},
    {"put entity", 150, &HistoryRunner::PutEntity},
    {"delete", 700, &HistoryRunner::Delete},
    {"single put or delete", 800, &HistoryRunner::SinglePutOrDelete},
    {"delete range", 60, &HistoryRunner::DeleteRange},
    {"merge", 900, &HistoryRunner::Merge},
    {"batch", 350, &HistoryRunner::Batch},
    {"parallel writes", 15, &HistoryRunner::ParallelWrites},
    {"get", 2400, &HistoryRunner::Get},
    {"get entity", 200, &HistoryRunner::GetEntity},
    {"multi-get", 200, &HistoryRunner::MultiGet},
    {"multi-get entity", 50, &HistoryRunner::MultiGetEntity},
    {"short scan", 300, &HistoryRunner::ShortScan},
    {"move cursor", 1050, &HistoryRunner::MoveCursor},
    {"prefix seek", 150, &HistoryRunner::PrefixSeek},
    {"take snapshot", 56, &HistoryRunner::TakeSnapshot},
    {"release snapshot", 56, &HistoryRunner::ReleaseSnapshot},
    {"flush", 16, &HistoryRunner::Flush},
    {"compact", 5, &HistoryRunner::Compact},
    {"ingest", 8, &HistoryRunner::Ingest},
    {"set options", 30, &HistoryRunner::SetOptions},
    {"reopen", 10, &HistoryRunner::Reopen},
};

HistoryRunner::HistoryRunner(uint64_t seed, const std::string& dir,
                             std::vector<rocksdb::Options> first,
                             std::vector<rocksdb::Options> second,
                             const HistoryPlan& plan)
    : random_(seed),
      keys_(&random_, plan.key_shape),
      plan_(plan),
      comparator_(first.front().comparator),
      dir_(dir),
      times_run_(sizeof(kOperations) / sizeof(kOperations[0])) {
  sides_[0] = {dir + "/first", std::move(first), nullptr};
  sides_[1] = {dir + "/second", std::move(second), nullptr};
}

HistoryRunner::~HistoryRunner() { CloseBoth(); }

void HistoryRunner::DisturbSecond(size_t at,
                                  std::function<void(rocksdb::DB*)> change) {
  disturb_at_ = at;
  disturb_ = std::move(change);
}

std::string HistoryRunner::Run(size_t operations) {
  current_ = "open";
  OpenBoth();
  for (index_ = 0; !failed() && index_ < operations; index_++) {
    if (index_ == disturb_at_) {
      disturb_(sides_[1].db.get());
    }
    RunOperation(Draw());
    if (!failed() && (index_ + 1) % kCompareAllEvery == 0) {
      current_ = "compare all";
      CompareAllBothWays();
    }
  }
  // A short history may not have drawn what is rare.
  for (size_t i = 0; !failed() && i < times_run_.size(); i++) {
    if (times_run_[i] == 0) {
      RunOperation(i);
    }
  }
  if (!failed()) {
    current_ = "final compaction";
    Compact();
  }
  if (!failed()) {
    CompareAllBothWays();
  }
  if (!failed()) {
    current_ = "verify checksums";
    Both([](rocksdb::DB* db, size_t) { return db->VerifyChecksum(); });
  }
  return difference_;
}

void HistoryRunner::RunOperation(size_t chosen) {
  current_ = kOperations[chosen].name;
  times_run_[chosen]++;
  (this->*kOperations[chosen].run)();
}

size_t HistoryRunner::Draw() {
  uint64_t total = 0;
  for (const Operation& operation : kOperations) {
    total += operation.weight;
  }
  uint64_t draw = random_.Uniform(total);
  size_t chosen = 0;
  for (const Operation& operation : kOperations) {
    if (draw < operation.weight) {
      break;
    }
    draw -= operation.weight;
    chosen++;
  }
  return chosen;
}

size_t HistoryRunner::TimesRun(const std::string& name) const {
  for (size_t i = 0; i < times_run_.size(); i++) {
    if (name == kOperations[i].name) {
      return times_run_[i];
    }
  }
  return 0;
}

void HistoryRunner::Differ(const std::string& what) {
  if (!failed()) {
    difference_ =
        "operation " + std::to_string(index_) + " (" + current_ + "): " + what;
  }
}

bool HistoryRunner::Both(const OnSide& run, bool not_found_is_fine) {
  Status s[kSides];
  for (size_t side = 0; side < kSides; side++) {
    s[side] = run(sides_[side].db.get(), side);
  }
  const bool fine = s[0].ok() || (not_found_is_fine && s[0].IsNotFound());
  if (!fine || !SameCode(s[0], s[1])) {
    Differ("first says " + s[0].ToString() + ", second says " +
           s[1].ToString());
    return false;
  }
  return s[0].ok();
}

// ---- Opening and closing ----------------------------------------------------

bool HistoryRunner::OpenBoth() {
  for (Side& side : sides_) {
    rocksdb::DB* db = nullptr;
    const Status s =
        rocksdb::DB::Open(side.options[opened_ % side.options.size()],
                          side.path, compat::Into(&db));
    side.db.reset(db);
    if (!s.ok()) {
      Differ("opening " + side.path + ": " + s.ToString());
      return false;
    }
  }
  opened_++;
  return true;
}

void HistoryRunner::CloseBoth() {
  cursors_.clear();
  for (size_t i = 0; i < kSides; i++) {
    if (sides_[i].db != nullptr) {
      for (const SnapshotPair& snapshot : snapshots_) {
        sides_[i].db->ReleaseSnapshot(snapshot.of[i]);
      }
      sides_[i].db.reset();
    }
  }
  snapshots_.clear();
}

void HistoryRunner::Reopen() {
  CloseBoth();
  if (OpenBoth()) {
    CompareAll(random_.OneIn(2));
  }
}

// ---- Snapshots and the layout of files --------------------------------------

void HistoryRunner::TakeSnapshot() {
  if (snapshots_.size() == kMaxSnapshots) {
    return;
  }
  SnapshotPair snapshot;
  for (size_t side = 0; side < kSides; side++) {
    snapshot.of[side] = sides_[side].db->GetSnapshot();
  }
  snapshots_.push_back(snapshot);
}

void HistoryRunner::ReleaseSnapshot() {
  if (snapshots_.empty()) {
    return;
  }
  const size_t chosen = random_.Uniform(snapshots_.size());
  for (size_t side = 0; side < kSides; side++) {
    sides_[side].db->ReleaseSnapshot(snapshots_[chosen].of[side]);
  }
  snapshots_.erase(snapshots_.begin() + static_cast<ptrdiff_t>(chosen));
}

void HistoryRunner::SetOptions() {
  const size_t both = plan_.changes_of_both.size();
  const size_t all = both + plan_.changes_of_second.size();
  if (all == 0) {
    return;
  }
  const size_t chosen = times_changed_++ % all;
  const HistoryPlan::Changes& changes =
      chosen < both ? plan_.changes_of_both[chosen]
                    : plan_.changes_of_second[chosen - both];
  for (const auto& [name, value] : changes) {
    current_ += " " + name + "=" + value;
  }
  // A compaction that ends after the change installs a version with the prefix
  // extractor it began with, and RocksDB's iterators over levels go by that.
  const bool quiet = changes.count("prefix_extractor") != 0;
  Both([&](rocksdb::DB* db, size_t side) {
    if (side == 0 && chosen >= both) return Status::OK();
    Status s = quiet ? db->PauseBackgroundWork() : Status::OK();
    if (!s.ok()) return s;
    s = db->SetOptions(changes);
    if (!quiet) return s;
    const Status resumed = db->ContinueBackgroundWork();
    return s.ok() ? resumed : s;
  });
}

void HistoryRunner::Flush() {
  Both([](rocksdb::DB* db, size_t) {
    return db->Flush(rocksdb::FlushOptions());
  });
}

void HistoryRunner::Compact() {
  const bool whole = random_.OneIn(2);
  std::string begin = keys_.Target();
  std::string end = keys_.Target();
  if (comparator_->Compare(begin, end) > 0) {
    std::swap(begin, end);
  }
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = random_.OneIn(2);
  options.bottommost_level_compaction =
      random_.OneIn(2)
          ? rocksdb::BottommostLevelCompaction::kForce
          : rocksdb::BottommostLevelCompaction::kIfHaveCompactionFilter;
  const Slice from(begin);
  const Slice to(end);
  current_ += whole ? " all" : " " + ShowKey(begin) + " to " + ShowKey(end);
  Both([&](rocksdb::DB* db, size_t) {
    return db->CompactRange(options, whole ? nullptr : &from,
                            whole ? nullptr : &to);
  });
}

void HistoryRunner::Ingest() {
  // A sorted run of distinct keys, some of them deletions, perhaps beside a
  // range deletion: the file as a whole is newer than the database.
  auto before = [this](const std::string& a, const std::string& b) {
    return comparator_->Compare(a, b) < 0;
  };
  std::set<std::string, decltype(before)> chosen(before);
  const size_t count = 1 + random_.Uniform(200);
  for (size_t i = 0; i < count; i++) {
    chosen.insert(keys_.Any());
  }
  std::vector<std::pair<std::string, std::string>> updates;
  for (const std::string& key : chosen) {
    updates.emplace_back(key, random_.OneIn(6) ? "" : "i" + keys_.Value());
  }
  std::string begin;
  std::string end;
  const bool with_range = random_.OneIn(3);
  keys_.Range(&begin, &end);
  if (comparator_->Compare(begin, end) > 0) {
    std::swap(begin, end);
  }
  rocksdb::IngestExternalFileOptions options;
  options.move_files = random_.OneIn(2);
  options.verify_checksums_before_ingest = random_.OneIn(2);
  const std::string number = std::to_string(ingested_++);
  Both([&](rocksdb::DB* db, size_t side) {
    const std::string file =
        dir_ + "/external" + number + "." + std::to_string(side) + ".sst";
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), db->GetOptions());
    Status s = writer.Open(file);
    for (const auto& update : updates) {
      if (s.ok()) {
        // Values of puts begin with "i", so that "" can stand for a deletion.
        s = update.second.empty() ? writer.Delete(update.first)
                                  : writer.Put(update.first, update.second);
      }
    }
    if (s.ok() && with_range) {
      s = writer.DeleteRange(begin, end);
    }
    if (s.ok()) {
      s = writer.Finish();
    }
    return s.ok() ? db->IngestExternalFile({file}, options) : s;
  });
}

}  // namespace memkv
