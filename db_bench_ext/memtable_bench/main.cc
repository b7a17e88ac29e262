// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memtable_bench: RocksDB's memtables and memkv's ART, driven through
// MemTableRep in one process, with Google Benchmark. What is measured, and how
// it checks itself, is said in memtable_bench_cases.h.
//
//   memtable_bench --n=1000000 --sets=random8
//   memtable_bench --keys=urls.txt --sets=keys --benchmark_format=json
//   memtable_bench --sets=shapes
//
// Every set of keys is a group: its benchmarks are repeated (five times, unless
// --benchmark_repetitions says otherwise), all memtables' and operations'
// repetitions in one random order, so that a disturbance of the machine meets
// all alike. After Google Benchmark's own report comes a table of the
// memtables side by side, on standard error if the report is JSON or CSV.
// All --benchmark_* flags work but --benchmark_out: redirect standard output.
//
// The set `shapes` is none of these: it runs every shape of keys that could be
// a cliff, with its own clock, and ends with a table and the number of cells in
// which a memtable takes more than 1.5 times what the first one takes; see
// memtable_bench_shapes.h.
//
// Threads are pinned, one thread to the last CPU the process may use, two to
// the last two; with a single CPU the benchmarks of two threads are left out.
//
// It is not a database benchmark: no write-ahead log, no batches, no MemTable
// around the index; db_bench measures those.
//
// Memory: the keys of a set twice, the probes, a loaded table per memtable and
// one more: at 5 million 80-byte keys some 4 GB.

#include <benchmark/benchmark.h>
#include <gflags/gflags.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/memtable_bench/cases.h"
#include "db_bench_ext/memtable_bench/keys.h"
#include "db_bench_ext/memtable_bench/report.h"
#include "db_bench_ext/memtable_bench/shapes.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"

DEFINE_uint64(n, 5000000,
              "Keys to generate, and lines to read at most (0: all) of --keys "
              "and of the Contents lists.");
DEFINE_string(sets, "random8,db_bench16,hot_key,keys,urls,paths",
              "Which sets: random8 (8 random bytes), db_bench16 (as db_bench "
              "makes them), keys (--keys, shuffled and sorted; left out "
              "without it), urls (generated URL-like keys, shuffled; left out "
              "with --keys), paths (Debian's Contents lists, shuffled and "
              "sorted), hot_key, shapes (the --shapes).");
DEFINE_string(
    keys, "",
    "A file of keys, one a line; - for standard input; or gen:urls:N, "
    "gen:hex:N or gen:uint64:N.");
DEFINE_string(fetch_script, memkv::kFetchContents,
              "The script that writes the Contents lists.");
DEFINE_string(memtables, "skip_list,vector,art",
              "Memtable factories, by options string; the first is what the "
              "others are compared with.");
DEFINE_uint64(value_size, 8, "Bytes of every value.");
DEFINE_uint64(probes, 1000000, "Look-ups and seeks a repetition.");
DEFINE_uint64(overwrites, 1000000, "Versions of the hot key.");
DEFINE_uint64(seed, 20260101, "Of keys, load orders and probes.");
DEFINE_string(shapes, "all",
              "Which shapes of keys, by commas; --shapes=list names them.");
DEFINE_double(shape_scale, 1,
              "What the numbers of keys and versions of shapes are multiplied "
              "with.");
DEFINE_uint64(shape_repeat, 3, "Repeats of a shape.");
DEFINE_double(shape_seconds, 20,
              "A shape that has taken so long is not repeated once more.");
DEFINE_bool(purge, true,
            "Before every load give freed memory back to the system, so that "
            "each pays for its own pages.");

namespace memkv {
namespace {

using rocksdb::Status;

std::vector<std::string> SplitList(const std::string& list) {
  std::vector<std::string> items;
  std::istringstream stream(list);
  for (std::string item; std::getline(stream, item, ',');) {
    items.push_back(item);
  }
  return items;
}

class MemtableBench {
 public:
  MemtableBench(std::vector<Subject> subjects, RatioReporter* reporter,
                const CaseOptions& options, FILE* table)
      : subjects_(std::move(subjects)),
        reporter_(reporter),
        options_(options),
        table_(table) {}

  Status Run(const std::string& set) {
    KeySet input;
    Status s;
    bool sorted_too = false;
    if (set == "random8") {
      input.description = "Generated";
      AddRandomKeys(FLAGS_n, FLAGS_seed, &input.records);
    } else if (set == "db_bench16") {
      input.description = "Generated";
      AddDbBenchKeys(FLAGS_n, &input.records);
    } else if (set == "keys") {
      if (FLAGS_keys.empty()) {
        return s;
      }
      s = ReadKeys(FLAGS_keys, FLAGS_n, FLAGS_seed, FLAGS_fetch_script, &input);
      sorted_too = true;
    } else if (set == "urls") {
      if (!FLAGS_keys.empty()) {
        return s;
      }
      s = GenerateKeys(FLAGS_seed, FLAGS_n, &input);
    } else if (set == "paths") {
      s = ReadContents(FLAGS_fetch_script, FLAGS_n, &input);
      sorted_too = true;
    } else if (set == "hot_key") {
      HotKeyCases cases(FLAGS_overwrites, options_);
      cases.Register(subjects_);
      RunRegistered();
      return s;
    } else if (set == "shapes") {
      return RunShapes();
    } else {
      return Status::InvalidArgument("--sets: there is no set " + set);
    }
    if (s.ok() && input.records.size() < 2) {
      s = Status::InvalidArgument(set + ": fewer than two keys");
    }
    if (!s.ok()) {
      return s;
    }
    std::fprintf(stderr, "%s: %zu keys, mean %.1f bytes. %s.\n", set.c_str(),
                 input.records.size(),
                 static_cast<double>(input.records.KeyBytes()) /
                     static_cast<double>(input.records.size()),
                 input.description.c_str());
    RunKeys(set, input.records, LoadOrder::kShuffled);
    if (sorted_too) {
      RunKeys(set + "_sorted", input.records, LoadOrder::kSorted);
    }
    return s;
  }

 private:
  void RunKeys(const std::string& name, const RecordSet& records,
               LoadOrder order) {
    KeyCases cases(name, records, order, options_);
    cases.Register(subjects_);
    RunRegistered();
  }

  Status RunShapes() {
    ShapeCaseOptions options;
    options.shape.seed = FLAGS_seed;
    options.shape.scale = FLAGS_shape_scale;
    options.value_size = FLAGS_value_size;
    options.repeats = FLAGS_shape_repeat;
    options.seconds = FLAGS_shape_seconds;
    std::vector<std::string> shapes;
    std::string reason;
    if (!ParseShapes(FLAGS_shapes, options.shape, &shapes, &reason)) {
      return Status::InvalidArgument(reason);
    }
    return RunMemtableShapes(shapes, subjects_, options, table_);
  }

  void RunRegistered() {
    benchmark::RunSpecifiedBenchmarks(reporter_);
    benchmark::ClearRegisteredBenchmarks();
  }

  const std::vector<Subject> subjects_;
  RatioReporter* const reporter_;
  const CaseOptions options_;
  FILE* const table_;
};

Status MakeSubjects(std::vector<Subject>* subjects) {
  rocksdb::ConfigOptions config;
  config.ignore_unsupported_options = false;
  for (const std::string& name : SplitList(FLAGS_memtables)) {
    Subject subject;
    subject.name = name;
    Status s = rocksdb::MemTableRepFactory::CreateFromString(config, name,
                                                             &subject.factory);
    if (!s.ok()) {
      return s;
    }
    subjects->push_back(std::move(subject));
  }
  return subjects->empty() ? Status::InvalidArgument("--memtables is empty")
                           : Status::OK();
}

Status RunBench(size_t* failures) {
  if (FLAGS_shape_repeat == 0) {
    return Status::InvalidArgument("--shape_repeat: 1 or more");
  }
  if (FLAGS_probes < 2 || FLAGS_overwrites < HotKeyCases::kSnapshots) {
    return Status::InvalidArgument("too few --probes or --overwrites");
  }
  std::vector<Subject> subjects;
  Status s = MakeSubjects(&subjects);
  if (!s.ok()) {
    return s;
  }
  CaseOptions options;
  options.value_size = FLAGS_value_size;
  options.probes = FLAGS_probes;
  options.seed = FLAGS_seed;
  options.purge = FLAGS_purge;
  options.two_threads = RememberCpus() >= 2;
  if (!options.two_threads) {
    std::fprintf(stderr,
                 "This process may use one CPU only: the benchmarks of two "
                 "threads are left out.\n");
  }
  std::vector<std::string> names;
  for (const Subject& subject : subjects) {
    names.push_back(subject.name);
  }
  std::unique_ptr<benchmark::BenchmarkReporter> inner(
      benchmark::CreateDefaultDisplayReporter());
  const bool console =
      dynamic_cast<benchmark::ConsoleReporter*>(inner.get()) != nullptr;
  RatioReporter reporter(std::move(inner), names);
  FILE* const table = console ? stdout : stderr;
  MemtableBench bench(std::move(subjects), &reporter, options, table);
  for (const std::string& set : SplitList(FLAGS_sets)) {
    s = bench.Run(set);
    if (!s.ok()) {
      break;
    }
  }
  reporter.FinishAll();
  if (!reporter.empty()) {
    reporter.PrintTable(table);
  }
  *failures = reporter.failures();
  return s;
}

void PrintHelp() {
  gflags::ShowUsageWithFlagsRestrict("memtable_bench", "memtable_bench");
  std::printf("\n");
  benchmark::PrintDefaultHelp();
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    // The library would begin the file anew for every set.
    if (std::strncmp(argv[i], "--benchmark_out", 15) == 0) {
      std::fprintf(stderr,
                   "memtable_bench: no --benchmark_out here; use "
                   "--benchmark_format=json and redirect standard output\n");
      return 2;
    }
  }
  // Before the user's own flags, which overrule them.
  std::string defaults[] = {"--benchmark_enable_random_interleaving=true",
                            "--benchmark_repetitions=5",
                            "--benchmark_display_aggregates_only=true"};
  std::vector<char*> arguments = {argv[0]};
  for (std::string& flag : defaults) {
    arguments.push_back(flag.data());
  }
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  argc = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  argv = arguments.data();
  gflags::SetUsageMessage("compares memtables at the level of MemTableRep");
  benchmark::Initialize(&argc, argv, PrintHelp);
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (argc > 1) {
    std::fprintf(stderr, "memtable_bench: what is '%s'? (--keys=FILE?)\n",
                 argv[1]);
    return 2;
  }
  if (FLAGS_shapes == "list") {
    std::printf("%s", DescribeShapes().c_str());
    return 0;
  }
  RegisterMemkv();
  size_t failures = 0;
  const Status s = RunBench(&failures);
  benchmark::Shutdown();
  std::fflush(stdout);
  if (!s.ok() || failures > 0) {
    std::fprintf(stderr, "memtable_bench: FAILED: %s\n",
                 s.ok() ? "a benchmark did not find what it should"
                        : s.ToString().c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) { return memkv::Main(argc, argv); }
