// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv_demo: loads the same real records into two databases, stock RocksDB
// (skip list and block-based table) and RocksDB with memkv (ART memtable and
// FST table), compacts and reopens them, reads every record back from both by
// Get and by scans in both directions, compares each with the input, and prints
// one table of what both took. The last line is
//
//   memkv demo: OK, N records verified
//
// and it is printed, and the exit status is 0, only if every comparison held.
//
// How the load goes: the records are put in an order shuffled by the seed, so
// that memtables, levels and compactions have real work, in eight slices; after
// each slice the database is flushed and its compactions are waited for, then
// the other database gets the same slice. So the two never work at the same
// time, and a disturbance of the machine meets both alike.
//
// Memory: `stats.allocated` of jemalloc after opening a database and reading
// everything from it, less what it was just before the opening. The input is in
// memory before and after, and does not count.
//
// It is not a benchmark suite: one thread, one size of everything, reads from
// memory.

#include <gflags/gflags.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "db_bench_ext/common/jemalloc_stats.h"
#include "db_bench_ext/common/progress_bar.h"
#include "db_bench_ext/common/temp_dir.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/keys/random_source.h"
#include "db_bench_ext/memkv_bench/database.h"
#include "db_bench_ext/memkv_bench/demo_measure.h"
#include "db_bench_ext/memkv_bench/demo_questions.h"
#include "db_bench_ext/memkv_bench/demo_report.h"
#include "db_bench_ext/memkv_bench/verify.h"
#include "plugin/memkv.h"

DEFINE_string(keys, "",
              "A file of keys, one a line, with an optional value after a tab; "
              "- for standard input; apt-contents, Debian's Contents lists, "
              "the default; gen:urls:N[:seed], gen:hex:N[:seed] or "
              "gen:uint64:N[:seed].");
DEFINE_uint64(limit, 0, "Read at most this many lines of the input (0: all).");
DEFINE_uint64(generate, 0,
              "Generate this many URL-like keys instead of reading any.");
DEFINE_uint64(fallback_keys, 3000000,
              "How many keys to generate where Contents cannot be had.");
DEFINE_string(fetch_script, memkv::kFetchContents,
              "The script that writes the Contents lists.");
DEFINE_string(dir, "",
              "Where to make the databases' folder; default $TMPDIR or /tmp.");
DEFINE_bool(keep, false, "Leave the databases there at the end.");
DEFINE_uint64(seed, 20260101, "Of the load order and of all probes.");
DEFINE_uint32(rounds, 3, "Rounds of read timings; the median is shown.");
DEFINE_string(stock_options,
              "memtable_factory=skip_list;"
              "table_factory={id=BlockBasedTable;filter_policy=bloomfilter:10:"
              "false;block_cache=8G};compression=kLZ4Compression",
              "RocksDB options string of the stock database.");
DEFINE_string(memkv_options,
              "memtable_factory=art;"
              "table_factory={id=fst;block_based={block_cache=8G}};"
              "compression=kLZ4Compression",
              "RocksDB options string of the memkv database.");

namespace memkv {
namespace {

using rocksdb::Status;

constexpr size_t kSlices = 8;

Status ReadInput(KeySet* input) {
  if (!FLAGS_keys.empty()) {
    std::fprintf(stderr, "Reading %s\n", FLAGS_keys.c_str());
    return ReadKeys(FLAGS_keys, FLAGS_limit, FLAGS_seed, FLAGS_fetch_script,
                    input);
  }
  uint64_t count = FLAGS_generate;
  if (count == 0) {
    std::fprintf(stderr, "Reading Debian's Contents lists\n");
    Status s = ReadContents(FLAGS_fetch_script, FLAGS_limit, input);
    if (s.ok()) {
      return s;
    }
    std::printf(
        "Debian's Contents lists cannot be had here (%s):\n"
        "URL-like keys are generated instead.\n",
        s.ToString().c_str());
    count = FLAGS_fallback_keys;
  }
  if (FLAGS_limit != 0) {
    count = std::min<uint64_t>(count, FLAGS_limit);
  }
  return GenerateKeys(FLAGS_seed, count, input);
}

class Demo {
 public:
  Demo(const KeySet& input, const std::string& dir)
      : input_(input),
        records_(input.records),
        stock_("stock", dir + "/stock"),
        memkv_("memkv", dir + "/memkv") {}

  Status Run() {
    Status s = stock_.Configure(FLAGS_stock_options);
    for (auto step : {&Demo::ConfigureMemkv, &Demo::Load, &Demo::Compact,
                      &Demo::ReopenAndVerify, &Demo::Measure, &Demo::Report}) {
      if (s.ok()) {
        s = (this->*step)();
      }
    }
    return s;
  }

 private:
  Status ConfigureMemkv() { return memkv_.Configure(FLAGS_memkv_options); }

  Status Load() {
    Status s = stock_.Open();
    if (s.ok()) {
      s = memkv_.Open();
    }
    std::vector<uint32_t> order(records_.size());
    std::iota(order.begin(), order.end(), 0);
    RandomSource random(FLAGS_seed);
    random.Shuffle(&order);
    ProgressBar progress("Loading both", 2 * order.size());
    for (size_t slice = 0; s.ok() && slice < kSlices; slice++) {
      const size_t begin = order.size() * slice / kSlices;
      const size_t end = order.size() * (slice + 1) / kSlices;
      for (size_t turn = 0; s.ok() && turn < 2; turn++) {
        BenchDatabase& side = (slice + turn) % 2 == 0 ? stock_ : memkv_;
        s = side.Write(records_, order, begin, end, &progress);
        if (s.ok()) {
          s = side.Settle();
        }
      }
    }
    if (s.ok()) {
      progress.Finish();
    }
    return s;
  }

  Status Compact() {
    Status s;
    ProgressBar progress("Compacting both", 2);
    for (BenchDatabase* side : {&stock_, &memkv_}) {
      if (s.ok()) {
        s = side->CompactAll();
        progress.Add(1);
      }
      if (s.ok()) {
        s = side->Close();
      }
    }
    if (s.ok()) {
      progress.Finish();
    }
    return s;
  }

  Status ReopenAndVerify() {
    Status s = VerifySide(&stock_, &stock_memory_);
    return s.ok() ? VerifySide(&memkv_, &memkv_memory_) : s;
  }

  Status VerifySide(BenchDatabase* side, double* memory) {
    size_t before = 0;
    const bool known = JemallocAllocated(&before);
    Status s = side->Open();
    if (!s.ok()) {
      return s;
    }
    ProgressBar progress("Verifying " + side->name(), 3 * records_.size());
    const RecordSetExpected expected(records_);
    s = VerifyByGet(*side, expected, &progress);
    for (bool forwards : {true, false}) {
      if (s.ok()) {
        s = VerifyByScan(*side, expected, forwards, &progress);
      }
    }
    if (!s.ok()) {
      return s;
    }
    progress.Finish();
    size_t after = 0;
    if (known && JemallocAllocated(&after)) {
      *memory = static_cast<double>(after) - static_cast<double>(before);
    }
    return s;
  }

  Status Measure() {
    MeasureOptions options;
    options.seed = FLAGS_seed;
    options.rounds = FLAGS_rounds;
    ProgressBar progress("Measuring reads", MeasureSteps(options));
    Status s =
        MeasureReads(stock_, memkv_, records_, options, &progress, &timings_);
    if (s.ok()) {
      progress.Finish();
    }
    return s;
  }

  Status Report() {
    using Unit = DemoReport::Unit;
    const auto n = static_cast<double>(records_.size());
    std::printf(
        "\n%zu records, %.1f MB of keys (mean %.1f bytes), %.1f MB of values\n"
        "  from   %s\n  stock  %s\n  memkv  %s\n"
        "Loads in wall time, reads in CPU time of one thread, all in memory.\n"
        "\n",
        records_.size(), static_cast<double>(records_.KeyBytes()) / 1e6,
        static_cast<double>(records_.KeyBytes()) / n,
        static_cast<double>(records_.ValueBytes()) / 1e6,
        input_.description.c_str(), FLAGS_stock_options.c_str(),
        FLAGS_memkv_options.c_str());
    DemoReport report;
    const LoadTimes& a = stock_.times();
    const LoadTimes& b = memkv_.times();
    report.AddRow("load: writes, shuffled", Unit::kSeconds, a.write, b.write);
    report.AddRow("load: flushes and compactions", Unit::kSeconds, a.flush,
                  b.flush);
    report.AddRow("load: final compaction", Unit::kSeconds, a.compact,
                  b.compact);
    report.AddRow("load: all of it", Unit::kSeconds,
                  a.write + a.flush + a.compact, b.write + b.flush + b.compact);
    report.AddRow("open again", Unit::kSeconds, a.open, b.open);
    report.AddGap();
    const auto stock_sst = static_cast<double>(stock_.SstBytes());
    const auto memkv_sst = static_cast<double>(memkv_.SstBytes());
    report.AddRow("SST files", Unit::kMegabytes, stock_sst, memkv_sst);
    report.AddRow("SST files, a key", Unit::kBytesPerKey, stock_sst / n,
                  memkv_sst / n);
    report.AddRow("memory, all read", Unit::kMegabytes, stock_memory_,
                  memkv_memory_);
    report.AddRow("memory, a key", Unit::kBytesPerKey, stock_memory_ / n,
                  memkv_memory_ / n);
    report.AddGap();
    for (const Timing& timing : timings_) {
      const bool scan = timing.label.find("scan") != std::string::npos;
      report.AddRow(timing.label + (scan ? ", a key" : ""), Unit::kNanos,
                    timing.stock_ns, timing.memkv_ns);
    }
    report.Print(stdout);
    std::printf("\nQuestions to the memkv database\n");
    return AnswerQuestions(memkv_, input_, stdout);
  }

  const KeySet& input_;
  const RecordSet& records_;
  BenchDatabase stock_;
  BenchDatabase memkv_;
  double stock_memory_ = -1;
  double memkv_memory_ = -1;
  std::vector<Timing> timings_;
};

Status RunDemo(KeySet* input) {
  Status s = ReadInput(input);
  if (!s.ok()) {
    return s;
  }
  std::printf("%zu records. %s.\n", input->records.size(),
              input->description.c_str());
  std::fflush(stdout);
  // A closed pipe must not end the program before it has cleaned up. Not
  // earlier: the fetch script would inherit it.
  signal(SIGPIPE, SIG_IGN);
  const std::string parent =
      FLAGS_dir.empty() ? DefaultTempParent() : FLAGS_dir;
  // Both databases may for a while hold their records twice (compaction),
  // beside the write-ahead logs.
  s = RequireSpace(
      parent, 3 * (input->records.KeyBytes() + input->records.ValueBytes()));
  TempDir dir;
  if (s.ok()) {
    s = dir.Create(parent, "memkv_demo", FLAGS_keep);
  }
  if (!s.ok()) {
    return s;
  }
  // Destroyed before `dir`: the databases close, then their files go.
  Demo demo(*input, dir.path());
  s = demo.Run();
  if (FLAGS_keep) {
    std::printf("The databases are kept in %s\n", dir.path().c_str());
  }
  return s;
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) {
  gflags::SetUsageMessage(
      "loads real records into stock RocksDB and into memkv, verifies every "
      "one, and prints what both took");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (argc > 1) {
    std::fprintf(stderr, "memkv demo: what is '%s'? (--keys FILE?)\n", argv[1]);
    return 2;
  }
  memkv::RegisterMemkv();
  memkv::KeySet input;
  const rocksdb::Status s = memkv::RunDemo(&input);
  if (!s.ok()) {
    std::fflush(stdout);
    std::fprintf(stderr, "memkv demo: FAILED: %s\n", s.ToString().c_str());
    return 1;
  }
  std::printf("memkv demo: OK, %zu records verified\n", input.records.size());
  return std::fflush(stdout) == 0 ? 0 : 1;
}
