// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// view_bench: what walks over a database and look-ups in it take by RocksDB on
// stock RocksDB, by RocksDB on memkv, and by memkv::View on the same memkv, in
// one process and by turns.
//
//   view_bench --keys=urls.txt
//   view_bench --keys=apt-contents --n=2000000 --repeats=5
//   view_bench --keys=urls.txt --filter --walks=get,miss,multiget
//
// The stock database has the skip list and block-based tables with a Bloom
// filter, memkv has that filter with --filter, else none; all have lz4 and a
// block cache that holds everything. Two states:
//   compacted  all records in one level, the memtable empty
//   live       nine tenths of the records compacted; then the last tenth and
//              new versions of a twentieth written over them, in an order that
//              looks random: half of it flushed into four files of level 0,
//              half in the memtable; one key in 200 deleted
// Walks, each checked: all walks of a state must find the same records.
//   scan, rscan   a record, from end to end, key and value
//   prefix        a scan of up to 100 records below a prefix, by an iterator of
//                 its own with an upper bound
//   seek          a seek and ten steps, by one iterator
//   get, miss     a look-up of a record; of a key that is like one, and is none
//   multiget      the same as get, 32 at once
// And searches, which RocksDB's iterator makes by a scan with the same
// automaton (searches.h):
//   regex      a key's prefix and a digit somewhere behind it
//   below      the same; RocksDB's iterator scans what has the prefix
//   distance   keys within --edits of a key
//   list       what is directly below a prefix that many keys have
//
// It reports how many times as much as stock each takes: the median of the
// repeats' ratios.

#include <fmt/format.h>
#include <gflags/gflags.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compat/open.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/comparison.h"
#include "db_bench_ext/common/temp_dir.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/common/walk.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/view_bench/searches.h"
#include "plugin/memkv.h"
#include "plugin/memkv_view.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/version.h"

DEFINE_string(keys, "gen:urls:1000000",
              "Where keys come from: a file of keys, one a line; apt-contents; "
              "gen:urls:N, gen:hex:N or gen:uint64:N.");
DEFINE_uint64(n, 0, "Lines to read at most; 0: all.");
DEFINE_uint64(ops, 20000, "Prefixes and seeks a repeat.");
DEFINE_uint64(repeats, 5, "Repeats of each walk.");
DEFINE_uint64(seed, 1, "Of orders and probes.");
DEFINE_string(states, "compacted,live", "Which states.");
DEFINE_string(walks, "scan,rscan,prefix,seek,get,miss,multiget",
              "Which walks.");
DEFINE_bool(filter, false, "memkv has the Bloom filter that stock has.");
DEFINE_string(subjects, "stock,memkv,view",
              "Which of them are run: one alone, to be profiled.");
DEFINE_uint64(searches, 3, "Searches a repeat, of each kind.");
DEFINE_uint64(edits, 2, "Of the walk distance.");
DEFINE_string(list, "",
              "The prefix of the walk list; empty: the longest that a third of "
              "the keys have.");
DEFINE_string(dir, "", "Where databases are made; empty: TMPDIR, or /tmp.");

namespace memkv {
namespace {

using rocksdb::Iterator;
using rocksdb::ReadOptions;
using rocksdb::Slice;

constexpr uint64_t kPrefixRecords = 100;
constexpr int kSeekSteps = 10;
constexpr size_t kBatch = 32;
constexpr int kLevel0Files = 4;
constexpr std::array<const char*, 11> kWalks = {
    "scan",     "rscan", "prefix", "seek",     "get", "miss",
    "multiget", "regex", "below",  "distance", "list"};

struct Side {
  std::string name;
  std::string options;
  std::unique_ptr<rocksdb::DB> db;
};

bool Has(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

class Bench {
 public:
  explicit Bench(const RecordSet& records)
      : records_(records),
        dir_(FLAGS_dir.empty() ? DefaultTempParent() : FLAGS_dir, "view_bench",
             /*keep=*/false, nullptr),
        random_(FLAGS_seed),
        searches_(records, FLAGS_seed, FLAGS_searches, FLAGS_edits,
                  FLAGS_list) {
    const std::string filter = "filter_policy=bloomfilter:10:false;";
    sides_[0] = {"stock",
                 "memtable_factory=skip_list;table_factory={"
                 "id=BlockBasedTable;" +
                     filter + "block_cache=8G}",
                 nullptr};
    sides_[1] = {"memkv",
                 "memtable_factory=art;table_factory={id=fst;" +
                     (FLAGS_filter ? filter : "default_filter=none;") +
                     "block_cache=8G}",
                 nullptr};
  }

  void Run() {
    Comparison comparison({{"stock", 0}, {"memkv", 0}, {"view", 0}},
                          {kWalks.begin(), kWalks.end()}, {});
    for (const std::string state : {"compacted", "live"}) {
      if (!Has(FLAGS_states, state)) continue;
      for (Side& side : sides_) {
        if (side.name == "stock" && !Has(FLAGS_subjects, "stock")) continue;
        Load(&side, state == "live");
      }
      comparison.AddRow(state, std::to_string(records_.size()) + " records");
      MakeProbes();
      for (uint64_t repeat = 0; repeat < FLAGS_repeats; ++repeat) {
        Repeat(state, &comparison);
      }
      for (Side& side : sides_) side.db.reset();
    }
    std::printf("%s\n", searches_.Description().c_str());
    comparison.PrintFigures(stdout);
    comparison.PrintRatios(stdout);
  }

 private:
  // How one of the subjects reads.
  struct Subject {
    std::string name;
    Searches::Make make;
    std::function<Status(const Slice&, rocksdb::PinnableSlice*)> get;
    std::function<void(const Slice*, rocksdb::PinnableSlice*, Status*)>
        multi_get;               // of kBatch keys
    const View* view = nullptr;  // of a view, for searches
  };

  void Load(Side* side, bool live) {
    rocksdb::Options options;
    Check(rocksdb::GetOptionsFromString(
        rocksdb::ConfigOptions(), rocksdb::Options(),
        side->options + ";create_if_missing=true;compression=kLZ4Compression;"
                        "write_buffer_size=1G;max_background_jobs=2;"
                        "disable_auto_compactions=true",
        &options));
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(
        options, dir_.path() + "/" + side->name + (live ? "-live" : ""),
        compat::Into(&db)));
    side->db.reset(db);
    // In an order of its own, the same for all sides.
    std::vector<uint32_t> order(records_.size());
    for (size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<uint32_t>(i);
    }
    RandomSource random(FLAGS_seed);
    random.Shuffle(&order);
    const size_t first = live ? order.size() / 10 * 9 : order.size();
    for (size_t i = 0; i < first; ++i) Put(db, order[i]);
    Check(db->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr));
    if (!live) return;
    std::vector<uint32_t> later(order.begin() + static_cast<ptrdiff_t>(first),
                                order.end());
    later.insert(later.end(), order.begin(),
                 order.begin() + static_cast<ptrdiff_t>(order.size() / 20));
    random.Shuffle(&later);
    const size_t part = later.size() / 2 / kLevel0Files;
    for (size_t i = 0; i < later.size(); ++i) {
      if (later[i] % 200 == 0) {
        Check(db->Delete(NoLog(), records_.key(later[i])));
      } else {
        Put(db, later[i]);
      }
      if ((i + 1) % part == 0 && (i + 1) / part <= kLevel0Files) {
        Check(db->Flush(rocksdb::FlushOptions()));
      }
    }
  }

  static rocksdb::WriteOptions NoLog() {
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    return options;
  }
  void Put(rocksdb::DB* db, uint32_t i) {
    Check(db->Put(NoLog(), records_.key(i), records_.value(i)));
  }

  void MakeProbes() {
    seeks_.clear();
    prefixes_.clear();
    gets_.clear();
    for (uint64_t i = 0; i < FLAGS_ops; ++i) {
      seeks_.push_back(
          records_.key(random_.Uniform(records_.size())).ToString());
      ChangeAByte(&random_, &seeks_.back());
      gets_.push_back(
          records_.key(random_.Uniform(records_.size())).ToString());
      prefixes_.push_back(
          ExamplePrefix(records_.key(random_.Uniform(records_.size()))));
    }
  }

  static Subject ByRocksDB(const std::string& name, rocksdb::DB* db) {
    if (db == nullptr) return {name, nullptr, nullptr, nullptr};
    auto* const cf = db->DefaultColumnFamily();
    return {name, [db](const ReadOptions& o) { return db->NewIterator(o); },
            [db, cf](const Slice& key, rocksdb::PinnableSlice* value) {
              return db->Get(ReadOptions(), cf, key, value);
            },
            [db, cf](const Slice* keys, rocksdb::PinnableSlice* values,
                     Status* statuses) {
              db->MultiGet(ReadOptions(), cf, kBatch, keys, values, statuses);
            },
            nullptr};
  }
  static Subject ByView(const View* view) {
    return {"view",
            [view](const ReadOptions& o) { return view->NewIterator(o); },
            [view](const Slice& key, rocksdb::PinnableSlice* value) {
              return view->Get(ReadOptions(), key, value);
            },
            [view](const Slice* keys, rocksdb::PinnableSlice* values,
                   Status* statuses) {
              view->MultiGet(ReadOptions(), kBatch, keys, values, statuses);
            },
            view};
  }

  void Repeat(const std::string& state, Comparison* comparison) {
    std::unique_ptr<View> view;
    rocksdb::DB* const db = sides_[1].db.get();
    Check(View::Open(db, db->DefaultColumnFamily(), nullptr, &view));
    const std::array<Subject, 3> subjects = {
        ByRocksDB("stock", sides_[0].db.get()), ByRocksDB("memkv", db),
        ByView(view.get())};
    for (const std::string walk : kWalks) {
      if (!Has(FLAGS_walks, walk)) continue;
      std::optional<Found> expected;
      for (size_t i = 0; i < subjects.size(); ++i) {
        if (!Has(FLAGS_subjects, subjects[i].name)) continue;
        const uint64_t start = WallNanos();
        const Found found = Walk(walk, subjects[i]);
        const uint64_t nanos = WallNanos() - start;
        const uint64_t operations =
            Searches::Has(walk)                 ? searches_.Operations(walk)
            : walk == "scan" || walk == "rscan" ? found.records
            : walk == "multiget"                ? FLAGS_ops / kBatch * kBatch
                                                : FLAGS_ops;
        if (!expected) expected = found;
        if (found.records != expected->records ||
            found.bytes != expected->bytes) {
          Check(Status::Corruption(
              fmt::format("{}, {}: {} records of {} bytes", state, walk,
                          found.records, found.bytes),
              fmt::format("{} of {} were expected", expected->records,
                          expected->bytes)));
        }
        comparison->Add(
            state, walk, i,
            static_cast<double>(nanos) / static_cast<double>(operations));
      }
    }
    if (view->handed_over() != 0) {
      Check(Status::Corruption("RocksDB's iterator served the view"));
    }
  }

  Found Walk(const std::string& walk, const Subject& subject) const {
    if (Searches::Has(walk)) {
      return subject.view != nullptr ? searches_.ByView(walk, *subject.view)
                                     : searches_.ByIterator(walk, subject.make);
    }
    if (walk == "prefix") return Prefixes(subject);
    if (walk == "seek") return Seeks(subject);
    if (walk == "get") return Gets(subject, gets_);
    if (walk == "miss") return Gets(subject, seeks_);
    if (walk == "multiget") return MultiGets(subject);
    return WalkOver(subject, walk == "scan");
  }

  static Found WalkOver(const Subject& subject, bool forward) {
    const std::unique_ptr<Iterator> it(subject.make(ReadOptions()));
    Found found;
    WalkAll(it.get(), forward, [&] { found.Take(*it); });
    Check(it->status());
    return found;
  }
  Found Prefixes(const Subject& subject) const {
    Found found;
    for (const std::string& prefix : prefixes_) {
      const std::string end = PrefixEnd(prefix);
      const Slice bound(end);
      ReadOptions options;
      if (!end.empty()) options.iterate_upper_bound = &bound;
      const std::unique_ptr<Iterator> it(subject.make(options));
      uint64_t records = 0;
      for (it->Seek(prefix); it->Valid() && records < kPrefixRecords;
           it->Next(), ++records) {
        found.Take(*it);
      }
      Check(it->status());
    }
    return found;
  }
  Found Seeks(const Subject& subject) const {
    const std::unique_ptr<Iterator> it(subject.make(ReadOptions()));
    Found found;
    for (const std::string& key : seeks_) {
      it->Seek(key);
      for (int i = 0; i <= kSeekSteps && it->Valid(); ++i, it->Next()) {
        found.Take(*it);
      }
      Check(it->status());
    }
    return found;
  }

  static Found Gets(const Subject& subject,
                    const std::vector<std::string>& keys) {
    Found found;
    rocksdb::PinnableSlice value;
    for (const std::string& key : keys) {
      const Status s = subject.get(key, &value);
      if (!s.IsNotFound()) {
        Check(s);
        ++found.records;
        found.bytes += value.size();
      }
      value.Reset();
    }
    return found;
  }
  Found MultiGets(const Subject& subject) const {
    Found found;
    std::array<Slice, kBatch> keys;
    std::array<rocksdb::PinnableSlice, kBatch> values;
    std::array<Status, kBatch> statuses;
    for (size_t i = 0; i + kBatch <= gets_.size(); i += kBatch) {
      for (size_t j = 0; j < kBatch; ++j) keys[j] = gets_[i + j];
      subject.multi_get(keys.data(), values.data(), statuses.data());
      for (size_t j = 0; j < kBatch; ++j) {
        if (!statuses[j].IsNotFound()) {
          Check(statuses[j]);
          ++found.records;
          found.bytes += values[j].size();
        }
        values[j].Reset();
      }
    }
    return found;
  }

  const RecordSet& records_;
  const TempDir dir_;
  RandomSource random_;
  std::array<Side, 2> sides_;
  std::vector<std::string> seeks_;
  std::vector<std::string> gets_;
  std::vector<std::string> prefixes_;
  const Searches searches_;
};

void Main() {
  if (std::string misfit; !RegisterMemkv(&misfit)) Refuse(misfit);
  if (FLAGS_repeats == 0) Refuse("--repeats=0 measures nothing");
  KeySet keys;
  ReadKeys(FLAGS_keys, FLAGS_n, FLAGS_seed, &keys);
  std::printf("%s; RocksDB %s\n", keys.description.c_str(),
              rocksdb::GetRocksVersionAsString().c_str());
  Bench(keys.records).Run();
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) {
  gflags::SetUsageMessage(
      "Walks by memkv::View and by RocksDB's iterators, side by side.");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return memkv::RunProgram("view_bench", argc, argv, memkv::Main);
}
