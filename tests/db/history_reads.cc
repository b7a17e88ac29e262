// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The reads of a history, each of both databases: point reads and iterators.

#include <utility>

#include "rocksdb/wide_columns.h"
#include "tests/db/history_runner.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::PinnableSlice;
using rocksdb::PinnableWideColumns;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

constexpr size_t kMaxCursors = 4;
constexpr size_t kMaxWalk = 30;
constexpr size_t kMaxPrefixWalk = 30;

std::string ShowColumns(const rocksdb::WideColumns& columns) {
  std::string text;
  for (const rocksdb::WideColumn& column : columns) {
    text += ShowKey(column.name().ToString()) + "=" +
            ShowKey(column.value().ToString()) + " ";
  }
  return text;
}

}  // namespace

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
                       : "at the end, " + a->status().ToString()) +
           ", second is " +
           (b->Valid() ? "at " + ShowKey(b->key().ToString())
                       : "at the end, " + b->status().ToString()));
    return false;
  }
  if (!a->Valid()) {
    return true;
  }
  if (cursor->unprepared && (!a->PrepareValue() || !b->PrepareValue())) {
    Differ(how + ": PrepareValue: " + a->status().ToString() + " and " +
           b->status().ToString());
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

}  // namespace memkv
