// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memtable_bench: RocksDB's memtables and memkv's ART, driven through
// MemTableRep in one process, with Google Benchmark. What is measured, and how
// it checks itself, is said in cases.h.
//
//   memtable_bench --n=1000000 --sets=random8
//   memtable_bench --keys=urls.txt --sets=keys --benchmark_format=json
//   memtable_bench --sets=shapes
//
// Every set of keys is a group, in which the repetitions of all memtables and
// operations come in one random order, so that a disturbance of the machine
// meets all alike. All --benchmark_* flags work but --benchmark_out. After
// Google Benchmark's own report comes a table of the memtables side by side, on
// standard error if the report is JSON or CSV. The set `shapes` is none of
// these; see shapes.h.
//
// Threads are pinned, one thread to the last CPU the process may use, two to
// the last two. It is not a database benchmark: no write-ahead log, no batches,
// no MemTable around the index.
//
// Memory: the keys of a set twice, the probes, a loaded table per memtable and
// one more: at 5 million 80-byte keys some 5 GB.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/memtable_bench/cases.h"
#include "db_bench_ext/memtable_bench/report.h"
#include "db_bench_ext/memtable_bench/shapes.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "util/coding.h"
#include "util/math.h"
#include "util/simd.h"
#include "util/string_util.h"

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

// Of these keys, in any order, the set that arrives shuffled or sorted.
KeyShape SetOf(const std::string& name, std::vector<std::string> keys,
               bool shuffled) {
  KeyShape shape;
  shape.name = name;
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  shape.keys = std::move(keys);
  shape.entries.resize(shape.keys.size());
  std::iota(shape.entries.begin(), shape.entries.end(), 0);
  if (shuffled) {
    RandomSource(FLAGS_seed).Shuffle(&shape.entries);
  }
  return shape;
}

// As db_bench makes keys of 16 bytes: a number below `count`, big-endian, and
// eight times the digit zero.
std::vector<std::string> DbBenchKeys(uint64_t count) {
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < count; i++) {
    std::string key;
    rocksdb::PutFixed64(&key, rocksdb::EndianSwapValue(i));
    keys.push_back(key + "00000000");
  }
  return keys;
}

std::vector<std::string> KeysOf(const RecordSet& records) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < records.size(); i++) {
    keys.push_back(records.key(i).ToString());
  }
  return keys;
}

class MemtableBench {
 public:
  MemtableBench(const std::vector<Subject>& subjects, OneReport* reporter,
                SideBySide* side_by_side, const CaseOptions& options,
                bool two_threads, FILE* table)
      : subjects_(subjects),
        reporter_(reporter),
        side_by_side_(side_by_side),
        options_(options),
        two_threads_(two_threads),
        table_(table) {}

  void Run(const std::string& set) {
    std::string source;
    if (set == "shapes") {
      RunShapes();
    } else if (set == "hot_key") {
      KeyShape shape = SetOf(set, {"the one hot key!"}, false);
      shape.entries.assign(FLAGS_overwrites, 0);
      RunSet(shape);
    } else if (set == "db_bench16") {
      RunShuffled(set, DbBenchKeys(FLAGS_n));
    } else if (set == "random8") {
      source = fmt::format("gen:uint64:{}", FLAGS_n);
    } else if (set == "keys") {
      source = FLAGS_keys;
    } else if (set == "urls") {
      source = FLAGS_keys.empty() ? fmt::format("gen:urls:{}", FLAGS_n) : "";
    } else if (set == "paths") {
      source = "apt-contents";
    } else {
      Refuse("--sets: there is no set " + set);
    }
    if (!source.empty()) {
      KeySet input;
      Check(ReadKeys(source, FLAGS_n, FLAGS_seed, FLAGS_fetch_script, &input));
      fmt::print(stderr, "{}: {}.\n", set, input.description);
      RunShuffled(set, KeysOf(input.records));
      if (set == "keys" || set == "paths") {
        RunSet(SetOf(set + "_sorted", KeysOf(input.records), false));
      }
    }
  }

 private:
  void RunShuffled(const std::string& set, std::vector<std::string> keys) {
    const KeyShape shape = SetOf(set, std::move(keys), true);
    if (shape.keys.size() < 2) {
      Refuse(set + ": fewer than two keys");
    }
    RunSet(shape);
  }

  // Registers every operation on every memtable, and runs them.
  void RunSet(const KeyShape& shape) {
    fmt::print(stderr, "{}: {} keys, mean {:.1f} bytes\n", shape.name,
               shape.keys.size(),
               static_cast<double>(shape.KeyBytes()) /
                   static_cast<double>(shape.keys.size()));
    MemtableCases cases(shape, subjects_, options_);
    for (size_t i = 0; i < subjects_.size(); i++) {
      std::vector<std::string> operations = cases.OperationsOf(i);
      if (shape.keys.size() == 1) {
        operations = {"insert"};
        for (int snapshot = 1; snapshot <= 10; snapshot++) {
          operations.push_back(fmt::format("read_at_{}", snapshot));
        }
      } else if (subjects_[i].factory->IsInsertConcurrentlySupported()) {
        operations.push_back("threads_1");
        if (two_threads_) {
          operations.push_back("threads_2");
        }
      }
      for (const std::string& operation : operations) {
        side_by_side_->AddOperation(shape.name, operation);
        Register(operation, i, &cases);
      }
    }
    benchmark::RunSpecifiedBenchmarks(reporter_);
    benchmark::ClearRegisteredBenchmarks();
  }

  // One iteration is the whole operation; its time that of each part of it. The
  // other figures are counters.
  void Register(const std::string& operation, size_t subject,
                MemtableCases* cases) {
    const std::string name = fmt::format("{}/{}/{}", cases->shape().name,
                                         operation, subjects_[subject].name);
    auto* added = benchmark::RegisterBenchmark(
        name.c_str(),
        [this, operation, subject, cases](benchmark::State& state) {
          PinToCpu(0);
          Figures figures;
          for (auto _ : state) {
            const Status s = cases->Measure(operation, subject, &figures);
            if (!s.ok() || figures.empty()) {
              side_by_side_->AddFailure();
              state.SkipWithError(s.ToString().c_str());
              return;
            }
            state.SetIterationTime(figures[0].second * 1e-9);
          }
          side_by_side_->Add(cases->shape().name, operation, subject, figures);
          for (size_t i = 1; i < figures.size(); i++) {
            state.counters[figures[i].first] = figures[i].second;
          }
        });
    added->Iterations(1)->UseManualTime();
    added->ComputeStatistics("min", [](const std::vector<double>& values) {
      return *std::min_element(values.begin(), values.end());
    });
    added->ComputeStatistics("max", [](const std::vector<double>& values) {
      return *std::max_element(values.begin(), values.end());
    });
  }

  void RunShapes() {
    const ShapeRunOptions options = {{FLAGS_seed, FLAGS_shape_scale},
                                     FLAGS_shape_repeat,
                                     FLAGS_shape_seconds};
    std::vector<std::string> shapes;
    std::string reason;
    if (!ParseShapes(FLAGS_shapes, options.shape, &shapes, &reason)) {
      Refuse(reason);
    }
    Check(RunMemtableShapes(shapes, subjects_, options, FLAGS_value_size,
                            table_));
  }

  const std::vector<Subject> subjects_;
  OneReport* const reporter_;
  SideBySide* const side_by_side_;
  const CaseOptions options_;
  const bool two_threads_;
  FILE* const table_;
};

std::vector<Subject> MakeSubjects() {
  rocksdb::ConfigOptions config;
  config.ignore_unsupported_options = false;
  std::vector<Subject> subjects;
  for (const std::string& name : rocksdb::StringSplit(FLAGS_memtables, ',')) {
    subjects.push_back({name, nullptr});
    Check(rocksdb::MemTableRepFactory::CreateFromString(
        config, name, &subjects.back().factory));
  }
  if (subjects.empty()) {
    Refuse("--memtables is empty");
  }
  return subjects;
}

void RunBench() {
  if (FLAGS_shape_repeat == 0) {
    Refuse("--shape_repeat: 1 or more");
  }
  if (FLAGS_probes < 2 || FLAGS_overwrites < 10) {
    Refuse("too few --probes or --overwrites");
  }
  const std::vector<Subject> subjects = MakeSubjects();
  CaseOptions options;
  options.value_size = FLAGS_value_size;
  options.probes = FLAGS_probes;
  options.seed = FLAGS_seed;
  options.purge = FLAGS_purge;
  // As a flush and most look-ups find them.
  options.read_only = true;
  const bool two_threads = RememberCpus() >= 2;
  if (!two_threads) {
    fmt::print(stderr,
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
  OneReport reporter(std::move(inner));
  SideBySide side_by_side(names);
  FILE* const table = console ? stdout : stderr;
  MemtableBench bench(subjects, &reporter, &side_by_side, options, two_threads,
                      table);
  Status s;
  try {
    for (const std::string& set : rocksdb::StringSplit(FLAGS_sets, ',')) {
      bench.Run(set);
    }
  } catch (const Failure& failure) {
    s = failure.status();
  }
  reporter.FinishAll();
  if (!side_by_side.empty()) {
    side_by_side.Print(table);
  }
  Check(s);
  if (side_by_side.failures() > 0) {
    Check(Status::Corruption("a benchmark did not find what it should"));
  }
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
  benchmark::AddCustomContext("kernels", SimdName(kSimd));
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
  int status = 0;
  try {
    RunBench();
  } catch (const Failure& failure) {
    std::fflush(stdout);
    std::fprintf(stderr, "memtable_bench: FAILED: %s\n", failure.what());
    status = 1;
  }
  benchmark::Shutdown();
  return status;
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) { return memkv::Main(argc, argv); }
