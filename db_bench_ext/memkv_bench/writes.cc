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

namespace memkv {

using rocksdb::Status;

namespace {

// Of a memtable, beside key and value of an entry.
constexpr size_t kEntryOverhead = 48;

struct FileReads {
  uint64_t bytes = 0;
  uint64_t calls = 0;
};

// Calls are counted only by temperature: BenchDatabase gives files one.
FileReads FileReadsOfThread() {
  const rocksdb::IOStatsContext& context = *rocksdb::get_iostats_context();
  const rocksdb::FileIOByTemperature& files =
      context.file_io_stats_by_temperature;
  return {context.bytes_read, files.hot_file_read_count +
                                  files.warm_file_read_count +
                                  files.cold_file_read_count};
}

}  // namespace

void RunThreads(unsigned threads, Measured* measured,
                const std::function<void(unsigned)>& body) {
  std::vector<Status> results(threads);
  std::vector<double> cpu(threads);
  std::vector<FileReads> reads(threads);
  const uint64_t start = WallNanos();
  auto timed = [&](unsigned thread) {
    const FileReads before = FileReadsOfThread();
    const double begin = ThreadCpuNanos();
    try {
      body(thread);
    } catch (const Failure& failure) {
      results[thread] = failure.status();
    }
    cpu[thread] = ThreadCpuNanos() - begin;
    const FileReads after = FileReadsOfThread();
    reads[thread] = {after.bytes - before.bytes, after.calls - before.calls};
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
  measured->wall_nanos += static_cast<double>(WallNanos() - start);
  for (unsigned thread = 0; thread < threads; thread++) {
    measured->cpu_nanos += cpu[thread];
    measured->file_bytes += reads[thread].bytes;
    measured->file_reads += reads[thread].calls;
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
        uint16_t& version = database->model->versions[i];
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
  Check(database->database->Settle());
  WriteRecords(records, order, 0, count, true, 1, database, nullptr);
  const Stopwatch watch;
  Check(db->Flush(rocksdb::FlushOptions()));
  measured->Add(watch, count);
  Check(database->database->Settle());
}

}  // namespace memkv
