// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A view's iterators give RocksDB's answers. One thread writes a seeded history
// (puts, deletes, single deletes, range deletions, ingested files, flushes,
// compactions; with every fourth seed merges, wide columns and blobs); another
// opens views at snapshots meanwhile and walks three iterators side by side:
// the view's, the same walked entry by entry (its slow twin), and RocksDB's
// own. Where they stand is compared after every move. Gets and MultiGets of
// views are compared with DB::Get() of the snapshot, and keys by number, by
// rank and by walk, with a walk of RocksDB's iterator that counts. Twelve
// seeds, from MEMKV_TEST_SEED on, or MEMKV_HISTORY_SEEDS of them, each under
// other options (history_variant.h), and 12,000 writes each, or
// MEMKV_HISTORY_OPERATIONS.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "compat/open.h"
#include "db_bench_ext/keys/random.h"
#include "plugin/memkv.h"
#include "plugin/memkv_view.h"
#include "rocksdb/db.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/wide_columns.h"
#include "tests/db/history_keys.h"
#include "tests/db/history_variant.h"
#include "tests/util/test_folder.h"
#include "tests/util/test_seed.h"
#include "tests/util/unsynced_env.h"
#include "view/key_positions.h"
#include "view/view_iterator.h"

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::WriteOptions;

constexpr uint64_t kSeeds = 12;
constexpr uint64_t kWrites = 12000;
constexpr size_t kLeastWalks = 400;
constexpr size_t kMostHeld = 3;

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

rocksdb::Env* HistoryEnv() {
  static rocksdb::Env* const env = NewUnsyncedEnv().release();
  return env;
}

// Writes without end, in one thread; keeps RocksDB's contract of single
// deletes.
class Writer {
 public:
  Writer(rocksdb::DB* db, uint64_t seed, const std::string& shape, bool others,
         std::string dir)
      : db_(db),
        random_(seed),
        keys_(&random_, shape),
        others_(others),
        dir_(std::move(dir)) {}

  Status Write() {
    const WriteOptions options;
    const uint64_t kind = random_.Uniform(1000);
    if (kind < 560) return db_->Put(options, keys_.Any(), keys_.Value());
    if (kind < 760) return db_->Delete(options, keys_.Any());
    if (kind < 900) return SinglePutOrDelete();
    if (kind < 920) return DeleteRange();
    if (kind < 980) return others_ ? Other() : Status::OK();
    if (kind < 990) return db_->Flush(rocksdb::FlushOptions());
    if (kind < 993) return Ingest();
    if (kind < 996) return Compact();
    return db_->Put(options, keys_.Any(), keys_.Value());
  }

 private:
  Status SinglePutOrDelete() {
    const std::string& key = keys_.Single();
    if (present_.erase(key) != 0) {
      return db_->SingleDelete(WriteOptions(), key);
    }
    present_.insert(key);
    return db_->Put(WriteOptions(), key, keys_.Value());
  }

  void Range(std::string* begin, std::string* end) {
    keys_.Range(begin, end);
    if (random_.OneIn(8)) {  // far, but not over keys of single deletes
      const std::string home = HistoryKeys::kSingleHome;
      std::string far_begin;
      std::string far_end;
      keys_.Range(&far_begin, &far_end);
      if ((*begin < home) == (far_end <= home)) *end = far_end;
    }
    const auto* const order = db_->DefaultColumnFamily()->GetComparator();
    if (order->Compare(*begin, *end) > 0) std::swap(*begin, *end);
  }
  Status DeleteRange() {
    std::string begin;
    std::string end;
    Range(&begin, &end);
    return db_->DeleteRange(WriteOptions(), db_->DefaultColumnFamily(), begin,
                            end);
  }
  Status Other() {
    if (random_.OneIn(2)) {
      // The operator uint64add takes 8 bytes.
      return db_->Merge(WriteOptions(), keys_.Any(), "operand!");
    }
    const std::string value = keys_.Value();
    return db_->PutEntity(WriteOptions(), db_->DefaultColumnFamily(),
                          keys_.Any(), {{"", value}, {"a", "column"}});
  }
  Status Compact() {
    if (random_.OneIn(3)) {
      return db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr,
                               nullptr);
    }
    std::string begin;
    std::string end;
    Range(&begin, &end);
    const Slice from(begin);
    const Slice to(end);
    return db_->CompactRange(rocksdb::CompactRangeOptions(), &from, &to);
  }
  Status Ingest() {
    const auto* const order = db_->DefaultColumnFamily()->GetComparator();
    auto before = [order](const std::string& a, const std::string& b) {
      return order->Compare(a, b) < 0;
    };
    std::set<std::string, decltype(before)> chosen(before);
    for (uint64_t i = 0; i <= random_.Uniform(150); i++) {
      chosen.insert(keys_.Any());
    }
    const std::string file =
        dir_ + "/external" + std::to_string(ingested_++) + ".sst";
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), db_->GetOptions());
    Status s = writer.Open(file);
    for (const std::string& key : chosen) {
      if (!s.ok()) return s;
      s = random_.OneIn(6) ? writer.Delete(key)
                           : writer.Put(key, keys_.Value());
    }
    if (s.ok()) s = writer.Finish();
    return s.ok() ? db_->IngestExternalFile({file}, {}) : s;
  }

  rocksdb::DB* const db_;
  RandomSource random_;
  HistoryKeys keys_;
  const bool others_;
  const std::string dir_;
  std::set<std::string> present_;
  size_t ingested_ = 0;
};

// Three iterators over the same moment.
struct Walk {
  std::string lower;
  std::string upper;
  Slice lower_slice;
  Slice upper_slice;
  bool unprepared = false;
  std::unique_ptr<Iterator> view;
  std::unique_ptr<Iterator> twin;
  std::unique_ptr<Iterator> rocksdb;
};

class Reader {
 public:
  Reader(rocksdb::DB* db, uint64_t seed, const std::string& shape,
         bool has_prefixes)
      : db_(db),
        random_(seed),
        keys_(&random_, shape),
        has_prefixes_(has_prefixes) {}

  // Opens a view and walks over it, or goes on with an old one.
  void Go() {
    if (random_.OneIn(4)) ComparePoints();
    if (random_.OneIn(40)) CompareNumbers();
    if (held_.size() == kMostHeld && random_.OneIn(2)) {
      Walk* const walk = held_[random_.Uniform(kMostHeld)].get();
      Move(walk, 1 + random_.Uniform(20));
      if (random_.OneIn(10)) {
        held_.erase(held_.begin());
      }
      return;
    }
    auto walk = std::make_unique<Walk>();
    const bool prefix = has_prefixes_ && random_.OneIn(6);
    Open(walk.get(), prefix);
    if (prefix) {
      MovePrefix(walk.get());
      return;
    }
    if (random_.OneIn(40)) MoveAll(walk.get());
    Move(walk.get(), 1 + random_.Uniform(60));
    if (held_.size() < kMostHeld) held_.push_back(std::move(walk));
  }

  // What is wrong, or nothing.
  const std::string& difference() const { return difference_; }
  uint64_t by_view() const { return by_view_; }
  uint64_t by_rocksdb() const { return by_rocksdb_; }
  uint64_t gets() const { return gets_; }
  uint64_t gets_handed_over() const { return gets_handed_over_; }
  uint64_t numbered_by_rank() const { return numbered_by_rank_; }
  uint64_t numbered_by_walk() const { return numbered_by_walk_; }

 private:
  // Old ones, too, under which keys have several versions.
  const rocksdb::Snapshot* ASnapshot() {
    if (snapshot_ == nullptr || random_.OneIn(10)) {
      snapshot_ = std::make_unique<rocksdb::ManagedSnapshot>(db_);
    }
    return snapshot_->snapshot();
  }

  void ComparePoints() {
    std::unique_ptr<View> view;
    ReadOptions want_options;
    want_options.snapshot = ASnapshot();
    const Status opened = View::Open(db_, db_->DefaultColumnFamily(),
                                     want_options.snapshot, &view);
    if (!opened.ok()) difference_ += opened.ToString();
    std::vector<std::string> keys;
    for (uint64_t i = 0; i <= random_.Uniform(80); i++) {
      keys.push_back(random_.OneIn(3) ? keys_.Target() : keys_.Any());
    }
    const std::vector<Slice> slices(keys.begin(), keys.end());
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<Status> statuses(keys.size());
    view->MultiGet(ReadOptions(), slices.size(), slices.data(), values.data(),
                   statuses.data());
    for (size_t i = 0; i < keys.size() && difference_.empty(); i++) {
      std::string want;
      const Status want_status = db_->Get(want_options, keys[i], &want);
      rocksdb::PinnableSlice value;
      const Status status = view->Get(ReadOptions(), keys[i], &value);
      auto compare = [&](const char* how, const Status& s, const Slice& is) {
        if (s.code() == want_status.code() && (!s.ok() || is == want)) return;
        difference_ += std::string(how) + " " + ShowKey(keys[i]) + ": " +
                       s.ToString() + ", " + std::to_string(is.size()) +
                       " bytes; RocksDB: " + want_status.ToString() + ", " +
                       std::to_string(want.size()) + " bytes\n";
      };
      compare("Get", status, value);
      compare("MultiGet", statuses[i], values[i]);
    }
    gets_ += 2 * keys.size();
    gets_handed_over_ += view->handed_over();
  }

  // Every number, of a version, against RocksDB's iterator.
  void CompareNumbers() {
    const auto pinned = std::make_shared<const view::PinnedVersion>(
        db_, db_->DefaultColumnFamily(),
        random_.OneIn(2) ? ASnapshot() : nullptr);
    ReadOptions options;
    options.total_order_seek = true;
    const std::unique_ptr<Iterator> it(pinned->NewRocksDBIterator(options));
    std::vector<std::string> want;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      want.push_back(it->key().ToString());
    }
    for (const bool by_walk : {false, true}) {
      std::shared_ptr<const view::KeyPositions> positions;
      const Status s = view::KeyPositions::Make(
          pinned, std::make_shared<std::atomic<uint64_t>>(0), &positions,
          by_walk);
      if (!s.ok()) {
        difference_ += "numbers: " + s.ToString();
        return;
      }
      ++(positions->by_rank() ? numbered_by_rank_ : numbered_by_walk_);
      CompareNumbers(*positions, want);
    }
  }
  void CompareNumbers(const view::KeyPositions& positions,
                      const std::vector<std::string>& want) {
    const std::string how = positions.by_rank() ? "by rank: " : "by walk: ";
    if (positions.num_keys() != want.size()) {
      difference_ += how + std::to_string(positions.num_keys()) +
                     " keys; RocksDB: " + std::to_string(want.size()) + "\n";
      return;
    }
    std::vector<uint64_t> numbers;
    for (uint64_t i = random_.Uniform(20); i < want.size();
         i += 1 + random_.Uniform(20)) {
      numbers.push_back(i);
    }
    std::vector<std::string> keys;
    const Status s = positions.KeysAt(numbers, &keys);
    if (!s.ok()) difference_ += how + s.ToString();
    for (size_t i = 0; i < numbers.size() && difference_.empty(); i++) {
      if (keys[i] != want[numbers[i]]) {
        difference_ += how + "key " + std::to_string(numbers[i]) + " is " +
                       ShowKey(keys[i]) +
                       "; RocksDB: " + ShowKey(want[numbers[i]]) + "\n";
      }
    }
    const auto* const order = db_->DefaultColumnFamily()->GetComparator();
    for (int i = 0; i < 20 && difference_.empty(); i++) {
      const std::string key = keys_.Target();
      uint64_t rank = 0;
      const Status rank_status = positions.Rank(key, &rank);
      const auto want_rank = static_cast<uint64_t>(
          std::lower_bound(want.begin(), want.end(), key,
                           [&](const std::string& a, const std::string& b) {
                             return order->Compare(a, b) < 0;
                           }) -
          want.begin());
      if (!rank_status.ok() || rank != want_rank) {
        difference_ += how + "rank of " + ShowKey(key) + " is " +
                       std::to_string(rank) + ", " + rank_status.ToString() +
                       "; RocksDB: " + std::to_string(want_rank) + "\n";
      }
    }
  }

  void Open(Walk* walk, bool prefix) {
    ReadOptions options;
    options.total_order_seek = !prefix;
    options.prefix_same_as_start = prefix;
    options.allow_unprepared_value = walk->unprepared = random_.OneIn(6);
    options.ignore_range_deletions = random_.OneIn(20);
    options.pin_data = random_.OneIn(40);
    options.readahead_size = random_.OneIn(4) ? 16384 : 0;
    walk->lower = keys_.Target();
    walk->upper = keys_.Target();
    const auto* const order = db_->DefaultColumnFamily()->GetComparator();
    if (order->Compare(walk->lower, walk->upper) > 0) {
      std::swap(walk->lower, walk->upper);
    }
    walk->lower_slice = walk->lower;
    walk->upper_slice = walk->upper;
    if (!prefix && random_.OneIn(3)) {
      options.iterate_lower_bound = &walk->lower_slice;
    }
    if (!prefix && random_.OneIn(3)) {
      options.iterate_upper_bound = &walk->upper_slice;
    }
    const rocksdb::Snapshot* const snapshot =
        random_.OneIn(3) ? ASnapshot() : nullptr;
    // Of one version: with ignore_range_deletions answers depend on what
    // compactions have dropped.
    const auto pinned = std::make_shared<const view::PinnedVersion>(
        db_, db_->DefaultColumnFamily(), snapshot);
    for (const bool by_entries : {false, true}) {
      auto& it = by_entries ? walk->twin : walk->view;
      it = std::make_unique<view::ViewIterator>(
          pinned, options, std::make_shared<std::atomic<uint64_t>>(0),
          by_entries);
    }
    walk->rocksdb.reset(pinned->NewRocksDBIterator(options));
  }

  void Do(Walk* walk, const std::string& how,
          const std::function<void(Iterator*)>& move) {
    if (!difference_.empty()) return;
    move(walk->rocksdb.get());
    move(walk->view.get());
    move(walk->twin.get());
    Compare(walk, how + ", view", walk->view.get());
    Compare(walk, how + ", twin", walk->twin.get());
    std::string served_by;
    const Status s =
        walk->view->GetProperty("memkv.iterator.served-by", &served_by);
    if (!s.ok()) difference_ = s.ToString();
    ++(served_by == "view" ? by_view_ : by_rocksdb_);
  }

  void Compare(Walk* walk, const std::string& how, Iterator* is) {
    Iterator* const want = walk->rocksdb.get();
    auto differ = [&](const std::string& what) {
      std::string served_by;
      is->GetProperty("memkv.iterator.served-by", &served_by)
          .PermitUncheckedError();
      difference_ += how + " (" + served_by + "): " + what + "; RocksDB is " +
                     (want->Valid() ? "at " + ShowKey(want->key().ToString())
                                    : "at the end") +
                     ", this " +
                     (is->Valid() ? "at " + ShowKey(is->key().ToString())
                                  : "at the end, " + is->status().ToString()) +
                     "\n";
    };
    if (!want->status().ok() || !is->status().ok()) return differ("status");
    if (want->Valid() != is->Valid()) return differ("validity");
    if (!want->Valid()) return;
    if (walk->unprepared && (!want->PrepareValue() || !is->PrepareValue())) {
      return differ("PrepareValue");
    }
    if (want->key() != is->key()) return differ("key");
    if (want->value() != is->value()) return differ("value");
    if (want->columns() != is->columns()) differ("columns");
  }

  void Move(Walk* walk, size_t moves) {
    bool forward = random_.OneIn(2);
    for (size_t i = 0; i < moves && difference_.empty(); i++) {
      if (!walk->rocksdb->Valid() || random_.OneIn(15)) {
        const std::string key = keys_.Target();
        switch (random_.Uniform(6)) {
          case 0:
            Do(walk, "SeekToFirst", [](Iterator* it) { it->SeekToFirst(); });
            break;
          case 1:
            Do(walk, "SeekToLast", [](Iterator* it) { it->SeekToLast(); });
            break;
          case 2:
          case 3:
            Do(walk, "SeekForPrev " + ShowKey(key),
               [&](Iterator* it) { it->SeekForPrev(key); });
            break;
          default:
            Do(walk, "Seek " + ShowKey(key),
               [&](Iterator* it) { it->Seek(key); });
        }
        continue;
      }
      if (random_.OneIn(12)) forward = !forward;
      Step(walk, forward);
    }
  }
  void Step(Walk* walk, bool forward) {
    const std::string from = ShowKey(walk->rocksdb->key().ToString());
    if (forward) {
      Do(walk, "Next from " + from, [](Iterator* it) { it->Next(); });
    } else {
      Do(walk, "Prev from " + from, [](Iterator* it) { it->Prev(); });
    }
  }
  void MoveAll(Walk* walk) {
    Do(walk, "SeekToFirst", [](Iterator* it) { it->SeekToFirst(); });
    while (difference_.empty() && walk->rocksdb->Valid()) Step(walk, true);
    Do(walk, "SeekToLast", [](Iterator* it) { it->SeekToLast(); });
    while (difference_.empty() && walk->rocksdb->Valid()) Step(walk, false);
  }
  void MovePrefix(Walk* walk) {
    const std::string key = keys_.Target();
    Do(walk, "Seek " + ShowKey(key), [&](Iterator* it) { it->Seek(key); });
    for (int i = 0; i < 40 && difference_.empty() && walk->rocksdb->Valid();
         i++) {
      Step(walk, true);
    }
  }

  rocksdb::DB* const db_;
  RandomSource random_;
  HistoryKeys keys_;
  const bool has_prefixes_;
  std::unique_ptr<rocksdb::ManagedSnapshot> snapshot_;
  std::vector<std::unique_ptr<Walk>> held_;
  std::string difference_;
  uint64_t by_view_ = 0;
  uint64_t by_rocksdb_ = 0;
  uint64_t gets_ = 0;
  uint64_t gets_handed_over_ = 0;
  uint64_t numbered_by_rank_ = 0;
  uint64_t numbered_by_walk_ = 0;
};

class ViewHistoryTest : public testing::TestWithParam<uint64_t> {};

TEST_P(ViewHistoryTest, AViewAnswersAsRocksDB) {
  const uint64_t seed = TestSeed() + GetParam();
  const bool others = seed % 4 == 0;
  RegisterMemkv();
  const TestFolder dir("view_history");
  HistoryVariant variant = MakeHistoryVariant(seed, HistoryEnv());
  if (!others) variant.base.enable_blob_files = false;
  SCOPED_TRACE("MEMKV_TEST_SEED=" + std::to_string(seed) + " with " +
               variant.description);
  rocksdb::DB* opened = nullptr;
  const std::vector<rocksdb::Options> options = MemkvOptions(variant, seed);
  ASSERT_TRUE(
      rocksdb::DB::Open(options[0], dir.path() + "/db", compat::Into(&opened))
          .ok());
  const std::unique_ptr<rocksdb::DB> db(opened);

  std::atomic<bool> written{false};
  Status write_status;
  std::thread writing([&] {
    Writer writer(db.get(), seed, variant.plan.key_shape, others, dir.path());
    const uint64_t writes = Setting("MEMKV_HISTORY_OPERATIONS", kWrites);
    for (uint64_t i = 0; i < writes && write_status.ok(); i++) {
      write_status = writer.Write();
    }
    written.store(true, std::memory_order_release);
  });
  {
    Reader reader(db.get(), seed, variant.plan.key_shape,
                  variant.plan.has_prefixes);
    for (size_t walks = 0;
         reader.difference().empty() &&
         (walks < kLeastWalks || !written.load(std::memory_order_acquire));
         walks++) {
      reader.Go();
    }
    writing.join();
    EXPECT_EQ("", reader.difference());
    EXPECT_TRUE(write_status.ok()) << write_status.ToString();
    std::printf("moves served by the view: %llu, by RocksDB: %llu\n",
                static_cast<unsigned long long>(reader.by_view()),
                static_cast<unsigned long long>(reader.by_rocksdb()));
    std::printf(
        "gets: %llu, handed over: %llu; numbered by rank: %llu, by "
        "walk: %llu\n",
        static_cast<unsigned long long>(reader.gets()),
        static_cast<unsigned long long>(reader.gets_handed_over()),
        static_cast<unsigned long long>(reader.numbered_by_rank()),
        static_cast<unsigned long long>(reader.numbered_by_walk()));
    EXPECT_LT(reader.gets_handed_over(), reader.gets());
    EXPECT_GT(reader.by_view(), others ? 0u : 5000u);
    EXPECT_GT(reader.by_rocksdb(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Seeds, ViewHistoryTest,
    testing::Range<uint64_t>(0, Setting("MEMKV_HISTORY_SEEDS", kSeeds)));

}  // namespace
}  // namespace memkv
