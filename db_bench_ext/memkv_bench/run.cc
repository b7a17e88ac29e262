// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/keys/random.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "db_bench_ext/memkv_bench/workloads.h"
#include "util/coding.h"

namespace memkv {

namespace {

// Of a memtable, beside key and value of an entry.
constexpr size_t kEntryOverhead = 48;

// Of an entry in a memtable, whatever indexes it: lengths, key, tag, value.
uint64_t EntryBytes(uint64_t key_size, uint64_t value_size) {
  const uint64_t internal = key_size + 8;
  return static_cast<uint64_t>(rocksdb::VarintLength(internal) +
                               rocksdb::VarintLength(value_size)) +
         internal + value_size;
}

// kFlush: fills half a memtable with records from the front of `order`, and
// times its flush alone.
void RunFlush(const BenchRecords& records, const std::vector<uint32_t>& order,
              BenchDatabase* database, Measured* measured) {
  rocksdb::DB* const db = database->db();
  const size_t room = db->GetOptions().write_buffer_size / 2;
  size_t count = 0;
  for (size_t bytes = 0; count < order.size(); count++) {
    bytes += records.key(order[count]).size() +
             records.ValueSize(order[count]) + kEntryOverhead;
    if (bytes > room) {
      break;
    }
  }
  database->Settle();
  WriteRecords(records, order, 0, count, true, 1, database);
  const Stopwatch watch;
  Check(db->Flush(rocksdb::FlushOptions()));
  measured->Add(watch, count);
  database->Settle();
}

// What a memtable of the first `count` records of `order` takes, in a database
// of its own at `path`, which is gone afterwards.
Sizes MeasureMemtable(const BenchConfig& config, const std::string& path,
                      const BenchRecords& records,
                      const std::vector<uint32_t>& order, size_t count) {
  BenchDatabase database(config, path);
  database.model.versions.resize(records.size());
  // One memtable, however large.
  rocksdb::Options* const options = database.options();
  options->write_buffer_size = size_t{32} << 30;
  options->db_write_buffer_size = 0;
  options->max_total_wal_size = size_t{1} << 40;
  options->arena_block_size = size_t{1} << 20;
  database.Open();
  const JemallocBytes before = MemoryBefore();
  WriteRecords(records, order, 0, count, false, 1, &database);
  Sizes sizes = GrownSince(before);
  uint64_t entries = 0;
  for (size_t i = 0; i < count; i++) {
    entries +=
        EntryBytes(records.key(order[i]).size(), records.ValueSize(order[i]));
  }
  const uint64_t used =
      database.Property(rocksdb::DB::Properties::kCurSizeActiveMemTable);
  sizes.components = {{"memtable entries", static_cast<int64_t>(entries)},
                      {"memtable index", static_cast<int64_t>(used - entries)}};
  sizes.AddRest("the rest");
  database.Drop();
  return sizes;
}

constexpr size_t kSlices = 8;
constexpr size_t kMemtableRecords = 500000;
// One fewer than RocksDB would compact.
constexpr int kLevel0Files = 3;

class Run {
 public:
  Run(const RunContext& context, const BenchRecords& records)
      : options_(context.options),
        records_(records),
        dir_(context.dir),
        results_(context.results),
        progress_("measuring", options_.repeat * StepsOfRepeat()),
        ascending_(records.size()) {
    std::iota(ascending_.begin(), ascending_.end(), 0);
    shuffled_ = ascending_;
    RandomSource(options_.seed).Shuffle(&shuffled_);
  }

  void All() {
    for (unsigned repeat = 0; repeat < options_.repeat; repeat++) {
      Repeat(repeat);
    }
    progress_.Finish();
  }

 private:
  // A step is a slice of a load, another workload, or reading all.
  uint64_t StepsOfRepeat() const {
    const size_t loads = options_.Wants(Workload::kLoadSorted) ? 2 : 1;
    return options_.configs.size() *
           (loads * kSlices + options_.workloads.size() + 1);
  }

  void Step(const std::string& what, const BenchDatabase& database) {
    progress_.SetLabel(what + " " + database.name());
  }

  void MakeDatabases(const std::string& name, unsigned turn) {
    databases_.clear();
    const size_t n = options_.configs.size();
    for (size_t i = 0; i < n; i++) {
      databases_.push_back(std::make_unique<BenchDatabase>(
          options_.configs[(i + turn) % n],
          fmt::format("{}/{}{}", dir_, name, i)));
      databases_.back()->model.versions.resize(records_.size());
      limit_.Prepare(databases_.back().get());
      databases_.back()->Open();
    }
  }

  void DropDatabases() {
    for (const auto& database : databases_) {
      database->Drop();
    }
    databases_.clear();
  }

  void Repeat(unsigned repeat) {
    const uint64_t seed = options_.seed + 1000003 * (repeat + 1);
    const size_t count = std::min(records_.size(), kMemtableRecords);
    progress_.SetLabel("memtable");
    for (const BenchConfig& config : options_.configs) {
      results_->AddSizes("memtable", config.name, count,
                         MeasureMemtable(config, dir_ + "/memtable", records_,
                                         shuffled_, count));
    }
    if (options_.Wants(Workload::kLoadSorted)) {
      Load(Workload::kLoadSorted, ascending_, repeat);
      VerifyAll(false);
      DropDatabases();
    }
    Load(Workload::kLoadShuffled, shuffled_, repeat);
    ReadLive(seed);
    for (Workload workload : options_.workloads) {
      if (workload >= Workload::kOverwrite && workload <= Workload::kCompact) {
        Writes(workload);
      }
    }
    Reopen(repeat == 0);
    if (options_.demo && repeat == 0) {
      Ask();
    }
    bool written = false;
    for (Workload workload : options_.workloads) {
      const Group group = InfoOf(workload).group;
      if (group != Group::kWrites && group != Group::kLive) {
        Reads(workload, seed);
        written = group != Group::kReads;
      }
    }
    if (written) {
      VerifyAll(repeat == 0);
    }
    // The last databases may be kept.
    if (!(options_.keep && repeat + 1 == options_.repeat)) {
      DropDatabases();
    }
  }

  void Load(Workload workload, const std::vector<uint32_t>& order,
            unsigned turn) {
    MakeDatabases(InfoOf(workload).name, turn);
    std::vector<Measured> measured(databases_.size());
    for (size_t slice = 0; slice < kSlices; slice++) {
      const size_t begin = order.size() * slice / kSlices;
      const size_t end = order.size() * (slice + 1) / kSlices;
      for (size_t i = 0; i < databases_.size(); i++) {
        Step(InfoOf(workload).name, *databases_[i]);
        const Stopwatch watch;
        const uint64_t before = databases_[i]->TableBytesWritten();
        WriteRecords(records_, order, begin, end, false, options_.threads,
                     databases_[i].get());
        databases_[i]->Settle();
        measured[i].Add(watch, end - begin);
        measured[i].table_bytes += databases_[i]->TableBytesWritten() - before;
        measured[i].user_bytes += UserBytes(order, begin, end);
        progress_.Add(1);
      }
    }
    for (size_t i = 0; i < databases_.size() && options_.Wants(workload); i++) {
      results_->Add(workload, databases_[i]->name(), measured[i]);
    }
  }

  void Writes(Workload workload) {
    for (const auto& database : databases_) {
      Step(InfoOf(workload).name, *database);
      Measured measured;
      const uint64_t before = database->TableBytesWritten();
      const Stopwatch watch;
      if (workload == Workload::kFlush) {
        RunFlush(records_, shuffled_, database.get(), &measured);
      } else if (workload == Workload::kOverwrite) {
        const size_t count = std::min<size_t>(records_.size(), options_.ops);
        WriteRecords(records_, shuffled_, 0, count, true, options_.threads,
                     database.get());
        database->Settle();
        measured.Add(watch, count);
      } else {
        database->CompactAll();
        measured.Add(watch, records_.size());
      }
      // What a flush settles besides is not in its time.
      if (workload != Workload::kFlush) {
        measured.table_bytes = database->TableBytesWritten() - before;
        measured.user_bytes = UserBytes(shuffled_, 0, measured.ops);
      }
      progress_.Add(1);
      results_->Add(workload, database->name(), std::move(measured));
    }
  }

  uint64_t UserBytes(const std::vector<uint32_t>& order, size_t begin,
                     size_t end) const {
    uint64_t bytes = 0;
    for (size_t at = begin; at < end; at++) {
      bytes += records_.key(order[at]).size() + records_.ValueSize(order[at]);
    }
    return bytes;
  }

  // What a server has while it is written to: a tree as the load has left it,
  // kLevel0Files files at level 0, and a memtable that is half full.
  void MakeLive(BenchDatabase* database) {
    rocksdb::DB* const db = database->db();
    const size_t room = db->GetOptions().write_buffer_size / 2;
    size_t at = 0;
    const auto fill = [&](size_t bytes) {
      const size_t begin = at;
      for (size_t used = 0; at < shuffled_.size() && used < bytes; at++) {
        used += records_.key(shuffled_[at]).size() +
                records_.ValueSize(shuffled_[at]) + kEntryOverhead;
      }
      WriteRecords(records_, shuffled_, begin, at, true, 1, database);
    };
    std::string files;
    for (int i = 0; i < kLevel0Files; i++) {
      fill(std::min(room / 2, RecordBytes() / 16));
      Check(db->GetProperty("rocksdb.num-files-at-level0", &files)
                ? Status::OK()
                : Status::NotFound("num-files-at-level0"));
      if (std::stoi(files) < kLevel0Files) {
        Check(db->Flush(rocksdb::FlushOptions()));
      }
    }
    fill(std::min(room, RecordBytes() / 8));
  }
  // Of all records, in a memtable.
  uint64_t RecordBytes() const {
    return records_.keys().KeyBytes() + records_.ValueBytes() +
           kEntryOverhead * records_.size();
  }

  // Of the workloads of a live tree.
  void ReadLive(uint64_t seed) {
    bool is_live = false;
    for (Workload workload : options_.workloads) {
      if (InfoOf(workload).group != Group::kLive) {
        continue;
      }
      for (const auto& database : databases_) {
        if (!is_live) {
          Step("writing to", *database);
          MakeLive(database.get());
        }
      }
      is_live = true;
      Reads(workload, seed);
    }
  }

  void Reopen(bool thoroughly) {
    // All are closed before one is measured: its memory is the only that grows.
    for (const auto& database : databases_) {
      database->Close();
      // The options own the block cache, which must go with what is in it.
      database->Configure();
      limit_.Prepare(database.get());
    }
    for (const auto& database : databases_) {
      Step("reading all of", *database);
      const JemallocBytes before = MemoryBefore();
      const Stopwatch open;
      database->Open();
      results_->AddOpenSeconds(database->name(), open.seconds());
      limit_.Apply(*database);
      Verify(*database, thoroughly);
      const std::string& name = database->name();
      results_->AddSizes("memory", name, records_.size(),
                         MeasureMemory(*database, before));
      results_->AddSizes("disk", name, records_.size(), MeasureDisk(*database));
      progress_.Add(1);
    }
  }

  void Ask() {
    for (const auto& database : databases_) {
      if (database->name() == options_.configs.back().name) {
        results_->Set("questions", AnswerQuestions(*database, records_.keys(),
                                                   options_.keys));
      }
    }
  }

  void Reads(Workload workload, uint64_t seed) {
    Plan plan;
    for (const auto& database : databases_) {
      Step(InfoOf(workload).name, *database);
      // What is mixed changes each database's own model.
      const bool mixed = InfoOf(workload).group == Group::kMixed;
      if (mixed || database == databases_.front()) {
        plan =
            MakePlan(workload, records_, options_.ops, seed, options_.threads,
                     limit_.limited() && !mixed, &database->model);
      }
      Measured measured;
      Measured writes;
      limit_.Apply(*database);
      if (workload == Workload::kReadWhileWriting) {
        RunReadWhileWriting(plan, records_, seed, database.get(), &measured,
                            &writes);
      } else {
        RunPlan(workload, plan, *database, &measured);
      }
      results_->Add(workload, database->name(), std::move(measured), &writes);
      progress_.Add(1);
    }
  }

  void Verify(const BenchDatabase& database, bool thoroughly) {
    const ModelExpected expected(records_, database.model);
    expected.VerifyByScan(database, true);
    if (thoroughly) {
      expected.VerifyByScan(database, false);
      expected.VerifyByGet(database);
    }
  }
  void VerifyAll(bool thoroughly) {
    for (const auto& database : databases_) {
      Verify(*database, thoroughly);
    }
  }

  const BenchOptions& options_;
  const BenchRecords& records_;
  const std::string dir_;
  BenchResults* const results_;
  // Before each workload: what mixed ones have flushed has readers, too.
  const MemoryLimit limit_{options_.memory_limit, 0};
  ProgressBar progress_;
  std::vector<uint32_t> ascending_;
  std::vector<uint32_t> shuffled_;
  std::vector<std::unique_ptr<BenchDatabase>>
      databases_;  // in the turn of this repeat
};

}  // namespace

void RunWorkloads(const RunContext& context, const BenchRecords& records) {
  Run(context, records).All();
}

}  // namespace memkv
