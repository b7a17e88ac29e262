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
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/memtable_bench/cases.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/version.h"
#include "util/simd.h"
#include "util/string_util.h"

DEFINE_uint64(n, 5000000,
              "Keys to generate, and lines to read at most (0: all) of --keys "
              "and of the Contents lists.");
DEFINE_string(sets, "random8,hot_key,keys,urls,paths",
              "Which sets: random8 (8 random bytes), keys (--keys, shuffled "
              "and sorted; left out "
              "without it), urls (generated URL-like keys, shuffled; left out "
              "with --keys), paths (Debian's Contents lists, shuffled and "
              "sorted), hot_key, shapes (the --shapes).");
DEFINE_string(
    keys, "",
    "A file of keys, one a line; - for standard input; or gen:urls:N, "
    "gen:hex:N or gen:uint64:N.");
DEFINE_string(memtables, "skip_list,vector,art",
              "Memtable factories, by options string; the first is what the "
              "others are compared with.");
DEFINE_uint64(value_size, 8, "Bytes of every value.");
DEFINE_uint64(probes, 1000000, "Look-ups and seeks a repetition.");
DEFINE_uint64(overwrites, 1000000, "Versions of the hot key.");
DEFINE_uint64(seed, 20260101, "Of keys, load orders and probes.");

namespace memkv {
namespace {

// Passes everything to a reporter of Google Benchmark's, and lets
// RunSpecifiedBenchmarks be called several times for one report: the other one
// sees one context at the beginning and one end, so that JSON is one document.
class OneReport : public benchmark::BenchmarkReporter {
 public:
  explicit OneReport(benchmark::BenchmarkReporter* inner) : inner_(inner) {}

  bool ReportContext(const Context& context) override {
    // Wide enough for every name, so that the columns of all sets stand below
    // each other.
    Context widened = context;
    widened.name_field_width = std::max<size_t>(context.name_field_width, 88);
    return std::exchange(begun_, true) || inner_->ReportContext(widened);
  }
  void ReportRuns(const std::vector<Run>& runs) override {
    inner_->ReportRuns(runs);
  }
  void Finalize() override {}
  // Ends the other reporter's report.
  void FinishAll() {
    if (begun_) {
      inner_->Finalize();
    }
  }
  // JSON and CSV are for programs, and alone on standard output.
  FILE* OtherOutput() const {
    return dynamic_cast<benchmark::ConsoleReporter*>(inner_.get()) != nullptr
               ? stdout
               : stderr;
  }

 private:
  const std::unique_ptr<benchmark::BenchmarkReporter> inner_;
  bool begun_ = false;
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

// All figures of the report, in its order.
Comparison MakeComparison(const std::vector<Subject>& subjects) {
  std::vector<Comparison::Subject> names;
  for (const Subject& subject : subjects) {
    names.push_back({subject.name, 0});
  }
  return {names,
          {"wall",        "insert",    "memory",     "index_B", "busy_insert",
           "insert_each", "p50",       "p99",        "p999",    "slowest",
           "hit",         "multi_hit", "old",        "miss",    "seek",
           "step",        "step_back", "next",       "prev",    "hit_waits",
           "count",       "count_off", "prefix_off", "sample",  "sample_10%"},
          kMemtableUnits};
}

class MemtableBench {
 public:
  MemtableBench()
      : subjects_(MakeSubjects()),
        reporter_(benchmark::CreateDefaultDisplayReporter()),
        comparison_(MakeComparison(subjects_)) {
    options_.value_size = FLAGS_value_size;
    options_.probes = FLAGS_probes;
    options_.seed = FLAGS_seed;
    options_.set_aside = true;
    if (Cpus().size() < 2) {
      fmt::print(stderr,
                 "This process may use one CPU only: the benchmarks of two "
                 "threads are left out.\n");
    }
  }

  // All --sets, and what they come to.
  void Run() {
    FILE* const out = reporter_.OtherOutput();
    Status s;
    try {
      for (const std::string& set : rocksdb::StringSplit(FLAGS_sets, ',')) {
        RunSet(set, out);
      }
    } catch (const Failure& failure) {
      s = failure.status();
    }
    reporter_.FinishAll();
    if (measured_) {
      comparison_.PrintFigures(out);
    }
    Check(s);
    if (failed_) {
      Check(Status::Corruption("a benchmark did not find what it should"));
    }
  }

 private:
  void RunSet(const std::string& set, FILE* out) {
    if (set == "shapes") {
      RunMemtableShapes(subjects_, ShapeRunOfFlags(FLAGS_seed),
                        FLAGS_value_size, out);
    } else if (set == "hot_key") {
      KeyShape shape = ShapeOfKeys(set, {"the one hot key!"}, false, 0);
      shape.entries.assign(FLAGS_overwrites, 0);
      RunBenchmarks(shape);
    } else if (set == "random8") {
      RunSource(set, fmt::format("gen:uint64:{}", FLAGS_n));
    } else if (set == "paths") {
      RunSource(set, "apt-contents");
    } else if (set == "keys" && !FLAGS_keys.empty()) {
      RunSource(set, FLAGS_keys);
    } else if (set == "urls" && FLAGS_keys.empty()) {
      RunSource(set, fmt::format("gen:urls:{}", FLAGS_n));
    } else if (set != "keys" && set != "urls") {
      Refuse("--sets: there is no set " + set);
    }
  }

  // Keys of ReadKeys(): shuffled, and those that are somebody's sorted, too.
  void RunSource(const std::string& set, const std::string& source) {
    KeySet input;
    ReadKeys(source, FLAGS_n, FLAGS_seed, &input);
    fmt::print(stderr, "{}: {}.\n", set, input.description);
    std::vector<std::string> keys = KeysOf(input.records);
    if (keys.size() < 2) {
      Refuse(set + ": fewer than two keys");
    }
    RunBenchmarks(ShapeOfKeys(set, keys, true, FLAGS_seed));
    if (set == "keys" || set == "paths") {
      RunBenchmarks(ShapeOfKeys(set + "_sorted", std::move(keys), false, 0));
    }
  }

  // Registers every operation on every memtable, and runs them.
  void RunBenchmarks(const KeyShape& shape) {
    fmt::print(stderr, "{}: {} keys, mean {:.1f} bytes\n", shape.name,
               shape.keys.size(), shape.MeanEntryKeySize());
    MemtableCases cases(shape, subjects_, options_);
    for (const char* operation : {"insert", "threads_1", "threads_2"}) {
      comparison_.AddRow(RowOf(shape, operation));
    }
    const size_t threads = std::min<size_t>(Cpus().size(), 2);
    for (size_t i = 0; i < subjects_.size(); i++) {
      for (const std::string& name : cases.OperationsOf(i, threads)) {
        Register(name, i, &cases);
      }
    }
    benchmark::RunSpecifiedBenchmarks(&reporter_);
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
          try {
            for (auto _ : state) {
              figures = cases->Measure(operation, subject);
              state.SetIterationTime(figures.at(0).second * 1e-9);
            }
          } catch (const std::exception& failure) {
            failed_ = true;
            state.SkipWithError(failure.what());
            return;
          }
          const std::string row = RowOf(cases->shape(), operation);
          for (const auto& [figure, value] : figures) {
            comparison_.Add(row, figure, subject, value);
            if (figure != figures[0].first) {
              state.counters[figure] = value;
            }
          }
          measured_ = true;
        });
    added->Iterations(1)->UseManualTime();
  }

  const std::vector<Subject> subjects_;
  CaseOptions options_;
  OneReport reporter_;
  Comparison comparison_;
  bool measured_ = false;
  bool failed_ = false;
};

void RunBench() {
  if (ListShapesIfAsked()) {
    return;
  }
  if (FLAGS_probes < 2 || FLAGS_overwrites < 10) {
    Refuse("too few --probes or --overwrites");
  }
  RegisterMemkv();
  MemtableBench().Run();
}

void PrintHelp() {
  gflags::ShowUsageWithFlagsRestrict("memtable_bench", "db_bench_ext");
  fmt::print("\n");
  benchmark::PrintDefaultHelp();
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    // The library would begin the file anew for every set.
    if (std::strncmp(argv[i], "--benchmark_out", 15) == 0) {
      fmt::print(stderr,
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
  benchmark::AddCustomContext("rocksdb", rocksdb::GetRocksVersionAsString());
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  const int status = RunProgram("memtable_bench", argc, argv, RunBench);
  benchmark::Shutdown();
  return status;
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) { return memkv::Main(argc, argv); }
