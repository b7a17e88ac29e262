// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv_bench: what memkv does for your keys, in one picture.
//
//   memkv_bench --keys=urls.txt --html=report.html
//   memkv_bench --keys=gen:urls:1000000 --workloads=get,miss,scan --threads=2
//   memkv_bench --db=/var/lib/app/rocksdb --db_sample=1000000
//   memkv_bench --demo
//   memkv_bench --scale --budget=100000000 --json=scale.json
//   memkv_bench --delta --delta_sizes=16M,64M,256M --html=delta.html
//   memkv_bench --memory=8M,32M,128M --keys=urls.txt --html=memory.html
//   memkv_bench --report=report.json --html=report.html
//
// The same records go into a database of each configuration, which take turns
// through every workload, repeat by repeat. Every answer is checked; a wrong
// one ends the run with exit status 1. Ctrl-C leaves the report of what was
// measured so far. docs/benchmarks.md says what each figure means.

#include <gflags/gflags.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/temp_dir.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/report.h"
#include "db_bench_ext/memkv_bench/results.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "plugin/memkv.h"
#include "util/string_util.h"

DEFINE_string(keys, "gen:urls:1000000",
              "A file of keys, one a line, with an optional value after a tab "
              "(- for standard input); apt-contents; gen:urls:N[:seed]; "
              "gen:hex:N[:seed]; gen:uint64:N[:seed].");
DEFINE_uint64(limit, 0, "Lines to read at most, 0: all.");
DEFINE_string(
    db, "",
    "Instead of --keys: the keys and values of this RocksDB database, "
    "which is only read.");
DEFINE_string(db_cf, "default", "Of --db: which column family.");
DEFINE_uint64(db_sample, 0,
              "Of --db: so many records, evenly among all. 0: all.");
DEFINE_int64(value_size, -1,
             "Bytes of every value; -1: the values that --keys has.");
DEFINE_double(value_ratio, 0.5,
              "The part of a generated value that cannot be compressed.");
DEFINE_string(configs, "stock-lz4,memkv",
              "What to compare, by commas; the first is the baseline. Names "
              "of --list_configs; name=OPTIONS, RocksDB's options string; or "
              "name=@BUILT-IN;MORE OPTIONS.");
DEFINE_bool(list_configs, false, "Show the built-in configurations.");
DEFINE_string(workloads, "all",
              "By commas: load-sorted, load-shuffled, overwrite, flush, "
              "compact, get, miss, multiget, seek, scan, rscan, prefix-scan, "
              "count, hot-get, mixed-a to mixed-f, readwhilewriting, "
              "live-get, live-miss, live-seek, live-scan; or writes, reads, "
              "mixed, live, all.");
DEFINE_uint32(threads, 1, "Threads that write, look up and mix.");
DEFINE_string(memory_limit, "0",
              "Of table readers and block cache of a database, as 512M, in "
              "every kind of run; files are then read past the page cache, and "
              "what reads them is timed by the wall. 0: none; block caches are "
              "as --configs say, or with --scale and --delta as --block_cache "
              "says.");
DEFINE_uint32(repeat, 3, "Repeats; medians are shown.");
DEFINE_uint64(ops, 200000,
              "Look-ups of a workload and repeat, or of a point of --scale or "
              "--delta.");
DEFINE_uint64(seed, 20260101, "Of load orders, probes, values and keys.");
DEFINE_string(dir, "",
              "Where to make the databases' folder; default $TMPDIR or /tmp.");
DEFINE_bool(keep, false, "Leave the folder there at the end.");
DEFINE_string(json, "", "Write the report here as JSON; - : standard output.");
DEFINE_string(html, "", "Write the report here as one HTML file.");
DEFINE_string(markdown, "", "Write the report's README section here.");
DEFINE_bool(
    demo, false,
    "Once, with few workloads, real records (Debian's Contents lists, "
    "or generated URLs where they cannot be had) and questions to them; "
    "the last line says how many were verified. Flags given hold.");
DEFINE_bool(scale, false,
            "Instead: how size, memory and speed grow with the number of "
            "generated URLs, loaded sorted and shuffled.");
DEFINE_string(scale_orders, "sorted,shuffled",
              "Of --scale: in which orders, by commas.");
DEFINE_bool(delta, false,
            "Instead: what the size of the memtable buys and costs, with "
            "generated URLs loaded in no order.");
DEFINE_uint64(budget, 0,
              "Of --scale, the most keys to load; of --delta, the keys. 0: "
              "100 million and 5 million.");
DEFINE_string(delta_sizes, "8M,16M,32M,64M,128M,256M,512M,1G",
              "Of --delta: sizes of a memtable, by commas, ascending.");
DEFINE_string(block_cache, "256M",
              "Of --scale and --delta: the capacity of block caches, whatever "
              "--configs say, so that what a database holds does not grow "
              "until all of its blocks are there.");
DEFINE_string(memory, "",
              "Instead: what reading costs with block caches of these sizes, "
              "by commas, ascending, as 8M,32M,128M.");
DEFINE_bool(direct_reads, false,
            "Of --memory: files are read past the page cache, and times are "
            "wall times.");
DEFINE_string(agree_with, "",
              "An earlier report, as JSON, of the same command: the report "
              "says which ratios differ from its.");
DEFINE_string(report, "",
              "Measure nothing: make reports of this file, which --json "
              "wrote.");

namespace memkv {
namespace {

std::string CommandLine(int argc, char** argv) {
  std::string command = std::filesystem::path(argv[0]).filename().string();
  for (int i = 1; i < argc; i++) {
    const std::string word = argv[i];
    const bool plain =
        word.find_first_of(" ;{}|&<>'\"$@*") == std::string::npos;
    command += plain ? " " + word : " '" + word + "'";
  }
  return command;
}

void WriteReports(const Json& document) {
  if (FLAGS_json != "-" && FLAGS_html != "-" && FLAGS_markdown != "-") {
    WriteReport("-", TextReport(document));
  }
  for (const auto& [file, make] :
       {std::make_pair(FLAGS_json, JsonReport),
        std::make_pair(FLAGS_html, HtmlReport),
        std::make_pair(FLAGS_markdown, MarkdownReport)}) {
    if (!file.empty()) {
      WriteReport(file, make(document));
    }
  }
}

// What `body` throws of the report at `path` if it is not one.
template <typename Body>
void WithReport(const std::string& path, const Body& body) {
  std::ifstream in(path);
  if (!in) {
    Check(Status::IOError("cannot read " + path));
  }
  const Json document = Json::parse(in, nullptr, false);
  if (document.is_discarded() || !document.is_object() ||
      document.value("report", "") != "memkv_bench") {
    Refuse(path + " is no report of memkv_bench");
  }
  const int version = document.value("version", 0);
  if (version != kReportVersion) {
    Check(Status::NotSupported(
        path + " has version " + std::to_string(version),
        "this program reads version " + std::to_string(kReportVersion)));
  }
  try {
    body(document);
  } catch (const Json::exception& e) {
    Check(Status::Corruption(path + " is not as report_schema.json says",
                             e.what()));
  }
}

// Compares *document with the report of --agree_with, if there is one.
void Compare(Json* document) {
  if (!FLAGS_agree_with.empty()) {
    WithReport(FLAGS_agree_with, [document](const Json& first) {
      AddAgreement(first, document);
    });
  }
}

// Before anything is measured: what is already known not to be comparable.
void CheckComparable(const BenchResults& results) {
  if (!FLAGS_agree_with.empty()) {
    WithReport(FLAGS_agree_with, [&results](const Json& first) {
      CheckSameCommand(first, results.Document(false), true);
    });
  }
}

// Refuses those of `flags` that were given, which `of` does not heed: what
// would be measured is not what was asked for.
void RefuseFlags(std::initializer_list<const char*> flags,
                 const std::string& of) {
  for (const char* flag : flags) {
    if (!gflags::GetCommandLineFlagInfoOrDie(flag).is_default) {
      Refuse(std::string("--") + flag + " is not for " + of);
    }
  }
}

void CheckFlags() {
  if (FLAGS_scale && FLAGS_delta) {
    Refuse("--scale and --delta are two runs");
  }
  if (!FLAGS_memory.empty()) {
    RefuseFlags({"scale", "delta", "workloads", "threads", "memory_limit",
                 "demo", "keep"},
                "--memory, which has a load and reads of its own, of one "
                "thread");
  } else {
    RefuseFlags({"direct_reads"}, "a run without --memory");
  }
  if (FLAGS_scale || FLAGS_delta) {
    RefuseFlags(
        {"keys", "db", "limit", "workloads", "threads", "repeat", "demo"},
        "--scale and --delta, which load generated keys once, from one thread");
  } else {
    RefuseFlags({"budget", "block_cache"}, "a run without --scale or --delta");
  }
  if (!FLAGS_scale) {
    RefuseFlags({"scale_orders"}, "a run without --scale");
  }
  if (!FLAGS_delta) {
    RefuseFlags({"delta_sizes"}, "a run without --delta");
  }
  if (FLAGS_db.empty()) {
    RefuseFlags({"db_cf", "db_sample"}, "a run without --db");
  } else {
    RefuseFlags({"keys", "limit"}, "--db");
  }
  if (FLAGS_threads == 0 || FLAGS_threads > 256 || FLAGS_repeat == 0 ||
      FLAGS_ops == 0 || FLAGS_value_ratio < 0 || FLAGS_value_ratio > 1) {
    Refuse(
        "--threads must be 1 to 256, --repeat and --ops 1 or more, "
        "--value_ratio 0 to 1");
  }
}

// What --demo stands for, where nothing else was asked for.
void ApplyDemo() {
  for (const auto& [flag, value] :
       {std::make_pair("keys", "apt-contents"), std::make_pair("repeat", "1"),
        std::make_pair("workloads",
                       "load-shuffled,compact,get,miss,seek,scan,rscan")}) {
    gflags::SetCommandLineOptionWithMode(flag, value,
                                         gflags::SET_FLAG_IF_DEFAULT);
  }
}

BenchOptions MakeOptions(const std::string& command) {
  return {command,
          FLAGS_db.empty() ? FLAGS_keys : "database " + FLAGS_db,
          FLAGS_value_size,
          FLAGS_value_ratio,
          ParseConfigs(FLAGS_configs),
          ParseWorkloads(FLAGS_workloads),
          FLAGS_threads,
          ParseBytes(FLAGS_memory_limit),
          ParseBytes(FLAGS_block_cache),
          FLAGS_repeat,
          FLAGS_ops,
          FLAGS_seed,
          FLAGS_dir.empty() ? DefaultTempParent() : FLAGS_dir,
          FLAGS_keep,
          FLAGS_demo};
}

// Runs `body` on a folder that goes afterwards, and writes the reports: also
// when it is stopped, or fails after something was measured.
void RunInTempDir(const BenchOptions& options, BenchResults* results,
                  const std::function<void(const std::string&)>& body) {
  // Not earlier: the fetch script would inherit it.
  signal(SIGPIPE, SIG_IGN);
  CheckComparable(*results);
  const TempDir dir(options.dir, "memkv_bench", options.keep, [results] {
    std::fputc('\n', stderr);
    try {
      WriteReports(results->Document(false));
    } catch (const Failure& failure) {
      std::fprintf(stderr, "memkv_bench: %s\n", failure.what());
    }
  });
  try {
    body(dir.path());
  } catch (const Failure&) {
    WriteReports(results->Document(false));
    throw;
  }
  Json document = results->Document(true);
  Compare(&document);
  WriteReports(document);
}

// Those of --db, or of --keys; with --demo others if they cannot be had.
void ReadInput(BenchOptions* options, KeySet* input) {
  std::fprintf(stderr, "Reading %s\n", options->keys.c_str());
  try {
    if (FLAGS_db.empty()) {
      ReadKeys(FLAGS_keys, FLAGS_limit, FLAGS_seed, input);
    } else {
      ReadDatabase(FLAGS_db, FLAGS_db_cf, FLAGS_db_sample, /*run=*/1, input);
    }
  } catch (const Failure& failure) {
    if (!FLAGS_demo || options->keys != "apt-contents") {
      throw;
    }
    std::printf(
        "Debian's Contents lists cannot be had here (%s):\n"
        "URL-like keys are generated instead.\n",
        failure.what());
    options->keys = "gen:urls:3000000";
    ReadKeys(options->keys, FLAGS_limit, FLAGS_seed, input);
  }
  if (input->records.size() < 2) {
    Refuse(options->keys + ": fewer than two keys");
  }
}

// Sizes by commas in the value of `flag`, each at least `least`.
std::vector<uint64_t> AscendingSizes(const char* flag, const std::string& value,
                                     uint64_t least) {
  std::vector<uint64_t> sizes;
  for (const std::string& size : rocksdb::StringSplit(value, ',')) {
    const uint64_t bytes = ParseBytes(size);
    if (bytes < least || (!sizes.empty() && bytes <= sizes.back())) {
      Refuse(std::string(flag) + " must ascend from " +
             std::to_string(least >> 10) + "K or more: " + value);
    }
    sizes.push_back(bytes);
  }
  return sizes;
}

// --memory, or workloads: keys that are given.
void MeasureGiven(BenchOptions options) {
  const std::vector<uint64_t> capacities =
      AscendingSizes("--memory", FLAGS_memory, kLeastBlockCache);
  if (!capacities.empty()) options.workloads.clear();
  KeySet input;
  ReadInput(&options, &input);
  const BenchRecords records(input.records, options.value_size,
                             options.value_ratio, options.seed);
  BenchResults results(options);
  KeyStats stats;
  for (size_t i = 0; i < input.records.size(); i++) {
    stats.Add(input.records.key(i));
  }
  const uint64_t value_bytes = records.ValueBytes();
  results.SetKeys(input.description, stats, value_bytes);
  RequireSpace(
      options.dir,
      2 * options.configs.size() * (input.records.KeyBytes() + value_bytes),
      "--dir");
  RunInTempDir(options, &results, [&](const std::string& dir) {
    const RunContext context = {options, dir, &results};
    capacities.empty()
        ? RunWorkloads(context, records)
        : RunMemory(context, records, capacities, FLAGS_direct_reads);
  });
  if (FLAGS_demo) {
    std::printf("\nmemkv demo: OK, %zu records verified\n",
                input.records.size());
  }
}

std::vector<std::string> ScaleOrders() {
  const std::vector<std::string> orders =
      rocksdb::StringSplit(FLAGS_scale_orders, ',');
  for (const std::string& order : orders) {
    if (order != "sorted" && order != "shuffled") {
      Refuse("--scale_orders must be of sorted and shuffled: " +
             FLAGS_scale_orders);
    }
  }
  if (orders.empty()) {
    Refuse("--scale_orders names none");
  }
  return orders;
}

// --scale and --delta: generated keys.
void MeasureGenerated(BenchOptions options) {
  const uint64_t budget = FLAGS_budget > 0 ? FLAGS_budget
                          : FLAGS_scale    ? 100000000
                                           : 5000000;
  // RocksDB makes less into 64 kB.
  const std::vector<uint64_t> sizes =
      AscendingSizes("--delta_sizes", FLAGS_delta_sizes, uint64_t{64} << 10);
  const std::vector<std::string> orders = ScaleOrders();
  if (FLAGS_delta && (sizes.empty() || budget < 1000)) {
    Refuse("--delta needs --delta_sizes, and a --budget of 1000 or more");
  }
  options.keys = "gen:urls:" + std::to_string(budget);
  options.workloads.clear();
  options.repeat = 1;
  // One database at a time, twice while it is compacted; URLs are some 80 bytes
  // long, and compressed to a third or less. The log as well: of --delta, what
  // a memtable has that is not yet flushed.
  const auto value_size =
      static_cast<uint64_t>(std::max<int64_t>(options.value_size, 0));
  RequireSpace(options.dir,
               budget * ((FLAGS_scale ? 60 : 160) + 3 * value_size), "--dir");
  BenchResults results(options);
  RunInTempDir(options, &results, [&](const std::string& dir) {
    const RunContext context = {options, dir, &results};
    FLAGS_scale ? RunScale(context, budget, orders)
                : RunMemtableSize(context, budget, sizes);
  });
}

void Main(const std::string& command) {
  if (FLAGS_list_configs) {
    std::fputs(DescribeConfigs().c_str(), stdout);
    return;
  }
  RegisterMemkv();
  if (!FLAGS_report.empty()) {
    WithReport(FLAGS_report, [](Json document) {
      Compare(&document);
      WriteReports(document);
    });
    return;
  }
  CheckFlags();
  if (FLAGS_demo) {
    ApplyDemo();
  }
  const BenchOptions options = MakeOptions(command);
  if (FLAGS_scale || FLAGS_delta) {
    MeasureGenerated(options);
  } else {
    MeasureGiven(options);
  }
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) {
  const std::string command = memkv::CommandLine(argc, argv);
  gflags::SetUsageMessage(
      "compares RocksDB with and without memkv on your keys");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return memkv::RunProgram("memkv_bench", argc, argv,
                           [&] { memkv::Main(command); });
}
