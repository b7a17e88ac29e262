// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/db/history_runner.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "rocksdb/comparator.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/wide_columns.h"

namespace memkv {

using rocksdb::Iterator;
using rocksdb::PinnableSlice;
using rocksdb::PinnableWideColumns;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteBatch;
using rocksdb::WriteOptions;

namespace {

constexpr size_t kCompareAllEvery = 10000;
constexpr size_t kMaxSnapshots = 5;
constexpr size_t kMaxCursors = 4;
constexpr size_t kMaxWalk = 30;
constexpr size_t kMaxPrefixWalk = 30;
constexpr size_t kWritesPerWriter = 30;

std::string ShowStatus(const Status& s) { return s.ToString(); }

std::string ShowColumns(const rocksdb::WideColumns& columns) {
  std::string text;
  for (const rocksdb::WideColumn& column : columns) {
    text += ShowKey(column.name().ToString()) + "=" +
            ShowKey(column.value().ToString()) + " ";
  }
  return text;
}

bool SameCode(const Status& a, const Status& b) {
  return a.code() == b.code() && a.subcode() == b.subcode();
}

}  // namespace

// Of 10,000. A flush or compaction costs as much as hundreds of gets.
const HistoryRunner::Operation HistoryRunner::kOperations[] = {
    {"put", 2600, &HistoryRunner::Put},
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
    {"set options", 12, &HistoryRunner::SetOptions},
    {"reopen", 5, &HistoryRunner::Reopen},
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
    const size_t chosen = Draw();
    current_ = kOperations[chosen].name;
    times_run_[chosen]++;
    (this->*kOperations[chosen].run)();
    if (!failed() && (index_ + 1) % kCompareAllEvery == 0) {
      current_ = "compare all";
      CompareAllBothWays();
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
    Differ("first says " + ShowStatus(s[0]) + ", second says " +
           ShowStatus(s[1]));
    return false;
  }
  return s[0].ok();
}

// ---- Opening and closing ----------------------------------------------------

bool HistoryRunner::OpenBoth() {
  for (Side& side : sides_) {
    rocksdb::DB* db = nullptr;
    const Status s = rocksdb::DB::Open(
        side.options[opened_ % side.options.size()], side.path, &db);
    side.db.reset(db);
    if (!s.ok()) {
      Differ("opening " + side.path + ": " + ShowStatus(s));
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

// ---- Writes -----------------------------------------------------------------

void HistoryRunner::Put() {
  const std::string& key = keys_.Any();
  const std::string value = keys_.Value();
  current_ += " " + ShowKey(key);
  Both([&](rocksdb::DB* db, size_t) {
    return db->Put(WriteOptions(), key, value);
  });
}

void HistoryRunner::PutEntity() {
  const std::string& key = keys_.Any();
  current_ += " " + ShowKey(key);
  // Names in ascending order; the anonymous column, which Get reads, is "".
  const std::string first = keys_.Value();
  const std::string second = keys_.Value();
  rocksdb::WideColumns columns;
  if (random_.OneIn(2)) {
    columns.emplace_back(rocksdb::kDefaultWideColumnName, first);
  }
  columns.emplace_back("a", second);
  columns.emplace_back("b", "constant");
  Both([&](rocksdb::DB* db, size_t) {
    return db->PutEntity(WriteOptions(), db->DefaultColumnFamily(), key,
                         columns);
  });
}

void HistoryRunner::Delete() {
  const std::string& key = keys_.Any();
  current_ += " " + ShowKey(key);
  Both(
      [&](rocksdb::DB* db, size_t) { return db->Delete(WriteOptions(), key); });
}

void HistoryRunner::SinglePutOrDelete() {
  const std::string& key = keys_.Single();
  const std::string value = keys_.Value();
  const bool present = single_present_.count(key) != 0;
  current_ += (present ? " delete " : " put ") + ShowKey(key);
  if (present) {
    single_present_.erase(key);
  } else {
    single_present_.insert(key);
  }
  Both([&](rocksdb::DB* db, size_t) {
    return present ? db->SingleDelete(WriteOptions(), key)
                   : db->Put(WriteOptions(), key, value);
  });
}

void HistoryRunner::DeleteRange() {
  std::string begin;
  std::string end;
  keys_.Range(&begin, &end);
  if (comparator_->Compare(begin, end) > 0) {
    std::swap(begin, end);
  }
  current_ += " " + ShowKey(begin) + " to " + ShowKey(end);
  Both([&](rocksdb::DB* db, size_t) {
    return db->DeleteRange(WriteOptions(), db->DefaultColumnFamily(), begin,
                           end);
  });
}

void HistoryRunner::Merge() {
  const std::string& key = keys_.Any();
  const std::string operand = keys_.Value().substr(0, 64);
  current_ += " " + ShowKey(key);
  Both([&](rocksdb::DB* db, size_t) {
    return db->Merge(WriteOptions(), key, operand);
  });
}

void HistoryRunner::AddUpdate(WriteBatch* batch) {
  const std::string& key = keys_.Any();
  switch (random_.Uniform(4)) {
    case 0:
      batch->Delete(key).PermitUncheckedError();
      break;
    case 1:
      batch->Merge(key, "m").PermitUncheckedError();
      break;
    default:
      batch->Put(key, keys_.Value()).PermitUncheckedError();
      break;
  }
}

void HistoryRunner::Batch() {
  WriteBatch batch;
  const size_t updates = 1 + random_.Uniform(16);
  for (size_t i = 0; i < updates; i++) {
    AddUpdate(&batch);
  }
  Both([&](rocksdb::DB* db, size_t) {
    WriteBatch copy(batch);
    return db->Write(WriteOptions(), &copy);
  });
}

void HistoryRunner::ParallelWrites() {
  // Each key belongs to one writer, so that the order between the writers,
  // which the two databases need not share, decides nothing.
  struct Write {
    uint64_t kind;
    std::string value;
  };
  std::vector<std::map<std::string, Write>> writes(plan_.writers);
  for (size_t i = 0; i < plan_.writers * kWritesPerWriter; i++) {
    const std::string& key = keys_.Any();
    const size_t owner = std::hash<std::string>()(key) % plan_.writers;
    writes[owner][key] = {random_.Uniform(8), keys_.Value()};
  }
  const auto write_all = [](rocksdb::DB* db,
                            const std::map<std::string, Write>& of_one) {
    Status s;
    for (const auto& [key, write] : of_one) {
      if (s.ok()) {
        s = write.kind == 0   ? db->Delete(WriteOptions(), key)
            : write.kind == 1 ? db->Merge(WriteOptions(), key, "p")
                              : db->Put(WriteOptions(), key, write.value);
      }
    }
    return s;
  };
  Both([&](rocksdb::DB* db, size_t) {
    std::vector<Status> results(writes.size());
    std::vector<std::thread> threads;
    for (size_t t = 0; t < writes.size(); t++) {
      threads.emplace_back([&, t] { results[t] = write_all(db, writes[t]); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const Status& result : results) {
      if (!result.ok()) {
        return result;
      }
    }
    return Status::OK();
  });
}

// ---- Point reads ------------------------------------------------------------

void HistoryRunner::DrawReading(ReadOptions (&reading)[kSides]) {
  const bool verify = random_.OneIn(2);
  const bool pin = random_.OneIn(4);
  const size_t snapshot = random_.Uniform(2 * kMaxSnapshots);
  for (size_t side = 0; side < kSides; side++) {
    reading[side].verify_checksums = verify;
    reading[side].pin_data = pin;
    reading[side].total_order_seek = true;
    if (snapshot < snapshots_.size()) {
      reading[side].snapshot = snapshots_[snapshot].of[side];
    }
  }
  if (snapshot < snapshots_.size()) {
    current_ += " at snapshot " + std::to_string(snapshot);
  }
}

void HistoryRunner::Get() {
  const std::string key = keys_.Target();
  current_ += " " + ShowKey(key);
  ReadOptions reading[kSides];
  DrawReading(reading);
  PinnableSlice values[kSides];
  const bool found = Both(
      [&](rocksdb::DB* db, size_t side) {
        return db->Get(reading[side], db->DefaultColumnFamily(), key,
                       &values[side]);
      },
      true);
  if (found && values[0] != values[1]) {
    Differ("values " + ShowKey(values[0].ToString()) + " and " +
           ShowKey(values[1].ToString()));
  }
}

void HistoryRunner::GetEntity() {
  const std::string key = keys_.Target();
  current_ += " " + ShowKey(key);
  ReadOptions reading[kSides];
  DrawReading(reading);
  PinnableWideColumns columns[kSides];
  const bool found = Both(
      [&](rocksdb::DB* db, size_t side) {
        return db->GetEntity(reading[side], db->DefaultColumnFamily(), key,
                             &columns[side]);
      },
      true);
  if (found && columns[0] != columns[1]) {
    Differ("columns " + ShowColumns(columns[0].columns()) + "and " +
           ShowColumns(columns[1].columns()));
  }
}

void HistoryRunner::MultiGet() {
  std::vector<std::string> targets;
  const size_t count = 1 + random_.Uniform(24);
  for (size_t i = 0; i < count; i++) {
    targets.push_back(keys_.Target());
  }
  const std::vector<Slice> slices(targets.begin(), targets.end());
  ReadOptions reading[kSides];
  DrawReading(reading);
  std::vector<PinnableSlice> values[kSides];
  std::vector<Status> statuses[kSides];
  for (size_t side = 0; side < kSides; side++) {
    values[side].resize(count);
    statuses[side].resize(count);
    rocksdb::DB* db = sides_[side].db.get();
    db->MultiGet(reading[side], db->DefaultColumnFamily(), count, slices.data(),
                 values[side].data(), statuses[side].data());
  }
  for (size_t i = 0; i < count && !failed(); i++) {
    current_ = "multi-get " + ShowKey(targets[i]);
    const bool found = Both(
        [&](rocksdb::DB*, size_t side) { return statuses[side][i]; }, true);
    if (found && values[0][i] != values[1][i]) {
      Differ("values " + ShowKey(values[0][i].ToString()) + " and " +
             ShowKey(values[1][i].ToString()));
    }
  }
}

void HistoryRunner::MultiGetEntity() {
  std::vector<std::string> targets;
  const size_t count = 1 + random_.Uniform(12);
  for (size_t i = 0; i < count; i++) {
    targets.push_back(keys_.Target());
  }
  const std::vector<Slice> slices(targets.begin(), targets.end());
  ReadOptions reading[kSides];
  DrawReading(reading);
  std::vector<PinnableWideColumns> columns[kSides];
  std::vector<Status> statuses[kSides];
  for (size_t side = 0; side < kSides; side++) {
    columns[side].resize(count);
    statuses[side].resize(count);
    rocksdb::DB* db = sides_[side].db.get();
    db->MultiGetEntity(reading[side], db->DefaultColumnFamily(), count,
                       slices.data(), columns[side].data(),
                       statuses[side].data());
  }
  for (size_t i = 0; i < count && !failed(); i++) {
    current_ = "multi-get entity " + ShowKey(targets[i]);
    const bool found = Both(
        [&](rocksdb::DB*, size_t side) { return statuses[side][i]; }, true);
    if (found && columns[0][i] != columns[1][i]) {
      Differ("columns " + ShowColumns(columns[0][i].columns()) + "and " +
             ShowColumns(columns[1][i].columns()));
    }
  }
}

// ---- Iterators --------------------------------------------------------------

std::unique_ptr<HistoryRunner::Cursor> HistoryRunner::NewCursor() {
  auto cursor = std::make_unique<Cursor>();
  ReadOptions reading[kSides];
  DrawReading(reading);
  const bool bounded_below = random_.OneIn(3);
  const bool bounded_above = random_.OneIn(3);
  cursor->unprepared = random_.OneIn(4);
  cursor->lower = keys_.Target();
  cursor->upper = keys_.Target();
  if (comparator_->Compare(cursor->lower, cursor->upper) > 0) {
    std::swap(cursor->lower, cursor->upper);
  }
  cursor->lower_slice = cursor->lower;
  cursor->upper_slice = cursor->upper;
  for (size_t side = 0; side < kSides; side++) {
    if (bounded_below) {
      reading[side].iterate_lower_bound = &cursor->lower_slice;
    }
    if (bounded_above) {
      reading[side].iterate_upper_bound = &cursor->upper_slice;
    }
    reading[side].allow_unprepared_value = cursor->unprepared;
    cursor->of[side].reset(sides_[side].db->NewIterator(reading[side]));
  }
  current_ += bounded_below ? " from " + ShowKey(cursor->lower) : "";
  current_ += bounded_above ? " up to " + ShowKey(cursor->upper) : "";
  return cursor;
}

bool HistoryRunner::CompareCursor(Cursor* cursor, const std::string& how) {
  Iterator* a = cursor->of[0].get();
  Iterator* b = cursor->of[1].get();
  if (a->Valid() != b->Valid() || !a->status().ok() || !b->status().ok()) {
    Differ(how + ": first is " +
           (a->Valid() ? "at " + ShowKey(a->key().ToString())
                       : "at the end, " + ShowStatus(a->status())) +
           ", second is " +
           (b->Valid() ? "at " + ShowKey(b->key().ToString())
                       : "at the end, " + ShowStatus(b->status())));
    return false;
  }
  if (!a->Valid()) {
    return true;
  }
  if (cursor->unprepared && (!a->PrepareValue() || !b->PrepareValue())) {
    Differ(how + ": PrepareValue: " + ShowStatus(a->status()) + " and " +
           ShowStatus(b->status()));
    return false;
  }
  if (a->key() != b->key()) {
    Differ(how + ": keys " + ShowKey(a->key().ToString()) + " and " +
           ShowKey(b->key().ToString()));
  } else if (a->value() != b->value()) {
    Differ(how + ": at " + ShowKey(a->key().ToString()) + " values " +
           ShowKey(a->value().ToString()) + " and " +
           ShowKey(b->value().ToString()));
  } else if (a->columns() != b->columns()) {
    Differ(how + ": at " + ShowKey(a->key().ToString()) + " columns " +
           ShowColumns(a->columns()) + "and " + ShowColumns(b->columns()));
  }
  return !failed();
}

bool HistoryRunner::MoveBoth(Cursor* cursor, const char* how,
                             const std::function<void(Iterator*)>& move) {
  for (auto& iterator : cursor->of) {
    move(iterator.get());
  }
  return CompareCursor(cursor, how);
}

void HistoryRunner::WalkCursor(Cursor* cursor, size_t steps) {
  bool forwards = random_.OneIn(2);
  for (size_t i = 0; i < steps && !failed(); i++) {
    if (!cursor->of[0]->Valid() || random_.OneIn(20)) {
      const std::string target = keys_.Target();
      switch (random_.Uniform(6)) {
        case 0:
          MoveBoth(cursor, "SeekToFirst",
                   [](Iterator* it) { it->SeekToFirst(); });
          break;
        case 1:
          MoveBoth(cursor, "SeekToLast",
                   [](Iterator* it) { it->SeekToLast(); });
          break;
        case 2:
        case 3:
          MoveBoth(cursor, ("SeekForPrev " + ShowKey(target)).c_str(),
                   [&](Iterator* it) { it->SeekForPrev(target); });
          break;
        default:
          MoveBoth(cursor, ("Seek " + ShowKey(target)).c_str(),
                   [&](Iterator* it) { it->Seek(target); });
          break;
      }
      continue;
    }
    if (random_.OneIn(8)) {
      forwards = !forwards;
    }
    if (forwards) {
      MoveBoth(cursor, "Next", [](Iterator* it) { it->Next(); });
    } else {
      MoveBoth(cursor, "Prev", [](Iterator* it) { it->Prev(); });
    }
  }
}

void HistoryRunner::ShortScan() {
  std::unique_ptr<Cursor> cursor = NewCursor();
  WalkCursor(cursor.get(), 1 + random_.Uniform(kMaxWalk));
}

void HistoryRunner::MoveCursor() {
  // Old iterators must go on showing the records of their birth.
  if (cursors_.size() < kMaxCursors) {
    cursors_.push_back(NewCursor());
  }
  const size_t chosen = random_.Uniform(cursors_.size());
  current_ += " " + std::to_string(chosen);
  WalkCursor(cursors_[chosen].get(), 1 + random_.Uniform(6));
  if (random_.OneIn(60)) {
    cursors_.erase(cursors_.begin() + static_cast<ptrdiff_t>(chosen));
  }
}

void HistoryRunner::PrefixSeek() {
  if (!plan_.has_prefixes) {
    ShortScan();
    return;
  }
  Cursor cursor;
  ReadOptions reading[kSides];
  DrawReading(reading);
  for (size_t side = 0; side < kSides; side++) {
    reading[side].total_order_seek = false;
    reading[side].prefix_same_as_start = true;
    cursor.of[side].reset(sides_[side].db->NewIterator(reading[side]));
  }
  const std::string target = keys_.Target();
  current_ += " " + ShowKey(target);
  MoveBoth(&cursor, "Seek", [&](Iterator* it) { it->Seek(target); });
  for (size_t i = 0; i < kMaxPrefixWalk && !failed() && cursor.of[0]->Valid();
       i++) {
    MoveBoth(&cursor, "Next", [](Iterator* it) { it->Next(); });
  }
}

void HistoryRunner::CompareAll(bool forwards) {
  Cursor cursor;
  for (size_t side = 0; side < kSides; side++) {
    ReadOptions all;
    all.total_order_seek = true;
    cursor.of[side].reset(sides_[side].db->NewIterator(all));
  }
  if (forwards) {
    MoveBoth(&cursor, "SeekToFirst", [](Iterator* it) { it->SeekToFirst(); });
  } else {
    MoveBoth(&cursor, "SeekToLast", [](Iterator* it) { it->SeekToLast(); });
  }
  while (!failed() && cursor.of[0]->Valid()) {
    if (forwards) {
      MoveBoth(&cursor, "Next", [](Iterator* it) { it->Next(); });
    } else {
      MoveBoth(&cursor, "Prev", [](Iterator* it) { it->Prev(); });
    }
  }
}

void HistoryRunner::CompareAllBothWays() {
  CompareAll(true);
  if (!failed()) {
    CompareAll(false);
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
