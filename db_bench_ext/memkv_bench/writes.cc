// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <atomic>
#include <thread>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/memkv_bench/workloads.h"
#include "rocksdb/iostats_context.h"
#include "rocksdb/write_batch.h"
#include "util/coding.h"

namespace memkv {

using rocksdb::Status;

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

// Of the calling thread. Calls are counted only by temperature: BenchDatabase
// gives files one.
void CountFileReads(Measured* measured, bool forwards) {
  const rocksdb::IOStatsContext& context = *rocksdb::get_iostats_context();
  const auto& files = context.file_io_stats_by_temperature;
  const uint64_t calls = files.hot_file_read_count +
                         files.warm_file_read_count +
                         files.cold_file_read_count;
  measured->file_bytes += forwards ? context.bytes_read : -context.bytes_read;
  measured->file_reads += forwards ? calls : -calls;
}

}  // namespace

void RunThreads(unsigned threads, Measured* measured,
                const std::function<void(unsigned)>& body) {
  std::vector<Status> results(threads);
  std::vector<Measured> parts(threads);
  const Stopwatch watch;
  auto timed = [&](unsigned thread) {
    CountFileReads(&parts[thread], false);
    const CpuClock clock;
    try {
      body(thread);
    } catch (const Failure& failure) {
      results[thread] = failure.status();
    }
    parts[thread].cpu_nanos = clock.nanos();
    CountFileReads(&parts[thread], true);
  };
  if (threads == 1) {
    timed(0);
  } else {
    std::vector<std::thread> running;
    for (unsigned thread = 0; thread < threads; thread++) {
      running.emplace_back(timed, thread);
    }
    for (std::thread& thread : running) {
      thread.join();
    }
  }
  measured->wall_nanos += watch.wall_nanos();
  for (unsigned thread = 0; thread < threads; thread++) {
    measured->cpu_nanos += parts[thread].cpu_nanos;
    measured->file_bytes += parts[thread].file_bytes;
    measured->file_reads += parts[thread].file_reads;
    Check(results[thread]);
  }
}

void WriteRecords(const BenchRecords& records,
                  const std::vector<uint32_t>& order, size_t begin, size_t end,
                  bool next_version, unsigned threads,
                  DatabaseUnderTest* database, const WriteProgress& progress) {
  std::atomic<size_t> next{begin};
  Measured ignored;
  RunThreads(threads, &ignored, [&](unsigned thread) {
    rocksdb::WriteBatch batch;
    std::string buffer;
    for (;;) {
      const size_t from = next.fetch_add(kBatchRecords);
      if (from >= end) {
        return;
      }
      const size_t to = std::min(end, from + kBatchRecords);
      for (size_t at = from; at < to; at++) {
        const size_t i = order[at];
        // A record is in `order` once, so this thread has it to itself.
        uint16_t& version = database->model.versions[i];
        version = static_cast<uint16_t>(version + (next_version ? 1 : 0));
        Check(batch.Put(records.key(i), records.Value(i, version, &buffer)));
      }
      Check(database->database->db()->Write(rocksdb::WriteOptions(), &batch));
      batch.Clear();
      if (thread == 0 && progress) {
        progress((to - from) * threads);
      }
    }
  });
}

void RunFlush(const BenchRecords& records, const std::vector<uint32_t>& order,
              DatabaseUnderTest* database, Measured* measured) {
  rocksdb::DB* const db = database->database->db();
  const size_t room = db->GetOptions().write_buffer_size / 2;
  size_t count = 0;
  for (size_t bytes = 0; count < order.size(); count++) {
    bytes += records.key(order[count]).size() +
             records.ValueSize(order[count]) + kEntryOverhead;
    if (bytes > room) {
      break;
    }
  }
  database->database->Settle();
  WriteRecords(records, order, 0, count, true, 1, database, nullptr);
  const Stopwatch watch;
  Check(db->Flush(rocksdb::FlushOptions()));
  measured->Add(watch, count);
  database->database->Settle();
}

Sizes MeasureMemtable(const BenchConfig& config, const std::string& path,
                      const BenchRecords& records,
                      const std::vector<uint32_t>& order, size_t count) {
  DatabaseUnderTest subject = {config,
                               std::make_unique<BenchDatabase>(config, path),
                               BenchModel(records.size())};
  BenchDatabase* const database = subject.database.get();
  // One memtable, however large.
  rocksdb::Options* const options = database->options();
  options->write_buffer_size = size_t{32} << 30;
  options->db_write_buffer_size = 0;
  options->max_total_wal_size = size_t{1} << 40;
  options->arena_block_size = size_t{1} << 20;
  database->Open();
  const JemallocBytes before = MemoryBefore();
  WriteRecords(records, order, 0, count, false, 1, &subject, nullptr);
  Sizes sizes = GrownSince(before);
  uint64_t entries = 0;
  for (size_t i = 0; i < count; i++) {
    entries +=
        EntryBytes(records.key(order[i]).size(), records.ValueSize(order[i]));
  }
  const uint64_t used =
      database->Property(rocksdb::DB::Properties::kCurSizeActiveMemTable);
  sizes.components = {{"memtable entries", static_cast<int64_t>(entries)},
                      {"memtable index", static_cast<int64_t>(used - entries)}};
  sizes.AddRest("the rest");
  database->Drop();
  return sizes;
}

}  // namespace memkv
