// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv_bench: what memkv does for your keys, in one picture.
//
//   memkv_bench --keys=urls.txt --html=report.html
//   memkv_bench --keys=gen:urls:1000000 --workloads=get,miss,scan --threads=2
//   memkv_bench --scale --budget=100000000 --json=scale.json
//   memkv_bench --delta --delta_sizes=16M,64M,256M --html=delta.html
//   memkv_bench --report=report.json --html=report.html
//
// The same records go into a database of each configuration, stock RocksDB and
// memkv unless told otherwise, which take turns through every workload, repeat
// by repeat. Every answer is checked; a wrong one ends the run with exit status
// 1. The report says by how much each configuration is better or worse than the
// first, with the spread of the repeats, and what each takes on disk and in
// memory, by component. Ctrl-C leaves the report of what was measured so far.
//
// docs/benchmarks.md says what each figure means.

#include <gflags/gflags.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "db_bench_ext/common/temp_dir.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/memkv_bench/memtable_size.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/report.h"
#include "db_bench_ext/memkv_bench/reproducibility.h"
#include "db_bench_ext/memkv_bench/results.h"
#include "db_bench_ext/memkv_bench/run.h"
#include "db_bench_ext/memkv_bench/scale.h"
#include "plugin/memkv.h"

DEFINE_string(keys, "gen:urls:1000000",
              "A file of keys, one a line, with an optional value after a tab "
              "(- for standard input); apt-contents; gen:urls:N[:seed]; "
              "gen:hex:N[:seed]; gen:uint64:N[:seed].");
DEFINE_uint64(limit, 0, "Lines to read at most, 0: all.");
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
              "count, mixed-a to mixed-f, readwhilewriting; or writes, reads, "
              "mixed, all.");
DEFINE_uint32(threads, 1, "Threads that write, look up and mix.");
DEFINE_string(memory_limit, "0",
              "Of table readers and block cache of a database, as 512M, in "
              "every kind of run; files are then read past the page cache, and "
              "what reads them is timed by the wall. 0: none; block caches are "
              "as --configs say, and 256M with --scale and --delta.");
DEFINE_uint32(repeat, 3, "Repeats; medians are shown.");
DEFINE_uint64(ops, 200000,
              "Look-ups of a workload and repeat, or of a point of --scale or "
              "--delta.");
DEFINE_uint64(seed, 20260101, "Of load orders, probes, values and keys.");
DEFINE_string(dir, "",
              "Where to make the databases' folder; default $TMPDIR or /tmp.");
DEFINE_bool(keep, false, "Leave the folder there at the end.");
DEFINE_string(fetch_script, memkv::kFetchContents,
              "The script that writes the Contents lists.");
DEFINE_string(json, "", "Write the report here as JSON; - : standard output.");
DEFINE_string(html, "", "Write the report here as one HTML file.");
DEFINE_string(svg, "", "Write the report's first chart here, for a README.");
DEFINE_string(markdown, "", "Write the report's README section here.");
DEFINE_bool(scale, false,
            "Instead: how size, memory and speed grow with the number of "
            "generated URLs, loaded sorted and shuffled.");
DEFINE_bool(delta, false,
            "Instead: what the size of the memtable buys and costs, with "
            "generated URLs loaded in no order.");
DEFINE_uint64(budget, 0,
              "Of --scale, the most keys to load; of --delta, the keys. 0: "
              "100 million and 5 million.");
DEFINE_string(delta_sizes, "8M,16M,32M,64M,128M,256M,512M,1G",
              "Of --delta: sizes of a memtable, by commas, ascending.");
DEFINE_string(agree_with, "",
              "An earlier report, as JSON, of the same command: the report "
              "says which ratios differ from its.");
DEFINE_string(report, "",
              "Measure nothing: make reports of this file, which --json "
              "wrote.");

namespace memkv {
namespace {

using rocksdb::Status;

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

Status WriteReports(const Json& document) {
  Status s;
  const std::string* const files[] = {&FLAGS_json, &FLAGS_html, &FLAGS_svg,
                                      &FLAGS_markdown};
  if (std::none_of(std::begin(files), std::end(files),
                   [](const std::string* file) { return *file == "-"; })) {
    s = WriteReport("-", TextReport(document));
  }
  if (s.ok() && !FLAGS_json.empty()) {
    s = WriteReport(FLAGS_json, document.dump(1) + "\n");
  }
  if (s.ok() && !FLAGS_html.empty()) {
    s = WriteReport(FLAGS_html, HtmlReport(document));
  }
  if (s.ok() && !FLAGS_svg.empty()) {
    s = WriteReport(FLAGS_svg, SvgReport(document));
  }
  if (s.ok() && !FLAGS_markdown.empty()) {
    s = WriteReport(FLAGS_markdown, MarkdownReport(document));
  }
  return s;
}

Status ReadReport(const std::string& path, Json* document) {
  std::ifstream in(path);
  if (!in) {
    return Status::IOError("cannot read " + path);
  }
  *document = Json::parse(in, nullptr, false);
  if (document->is_discarded() || !document->is_object() ||
      document->value("report", "") != "memkv_bench") {
    return Status::InvalidArgument(path + " is no report of memkv_bench");
  }
  if (document->value("version", 0) != kReportVersion) {
    return Status::NotSupported(
        path + " has version " + std::to_string(document->value("version", 0)),
        "this program reads version " + std::to_string(kReportVersion));
  }
  return Status::OK();
}

// What reading a report throws if it is not one.
Status Malformed(const std::string& what, const Json::exception& e) {
  return Status::Corruption(what + " is not as report_schema.json says",
                            e.what());
}

// Compares *document with the report of --agree_with, if there is one.
Status Compare(Json* document) {
  if (FLAGS_agree_with.empty()) {
    return Status::OK();
  }
  Json first;
  Status s = ReadReport(FLAGS_agree_with, &first);
  try {
    return s.ok() ? AddAgreement(first, document) : s;
  } catch (const Json::exception& e) {
    return Malformed(FLAGS_agree_with, e);
  }
}

Status ReportAgain() {
  Json document;
  Status s = ReadReport(FLAGS_report, &document);
  if (s.ok()) {
    s = Compare(&document);
  }
  try {
    return s.ok() ? WriteReports(document) : s;
  } catch (const Json::exception& e) {
    return Malformed(FLAGS_report, e);
  }
}

// InvalidArgument if one of `flags` was given, which `of` does not heed: what
// would be measured is not what was asked for.
Status RefuseFlags(std::initializer_list<const char*> flags,
                   const std::string& of) {
  for (const char* flag : flags) {
    if (!gflags::GetCommandLineFlagInfoOrDie(flag).is_default) {
      return Status::InvalidArgument(std::string("--") + flag + " is not for " +
                                     of);
    }
  }
  return Status::OK();
}

Status CheckFlags() {
  if (FLAGS_scale && FLAGS_delta) {
    return Status::InvalidArgument("--scale and --delta are two runs");
  }
  Status s;
  if (FLAGS_scale || FLAGS_delta) {
    s = RefuseFlags({"keys", "limit", "workloads", "threads", "repeat"},
                    "--scale and --delta, which load generated keys once, from "
                    "one thread");
  } else {
    s = RefuseFlags({"budget"}, "a run without --scale or --delta");
  }
  return s.ok() && !FLAGS_delta
             ? RefuseFlags({"delta_sizes"}, "a run without --delta")
             : s;
}

Status MakeOptions(const std::string& command, BenchOptions* options) {
  options->command = command;
  options->keys = FLAGS_keys;
  options->limit = FLAGS_limit;
  options->fetch_script = FLAGS_fetch_script;
  options->value_size = FLAGS_value_size;
  options->value_ratio = FLAGS_value_ratio;
  options->threads = FLAGS_threads;
  options->repeat = FLAGS_repeat;
  options->ops = FLAGS_ops;
  options->seed = FLAGS_seed;
  options->dir = FLAGS_dir.empty() ? DefaultTempParent() : FLAGS_dir;
  options->keep = FLAGS_keep;
  if (options->threads == 0 || options->threads > 256 || options->repeat == 0 ||
      options->ops == 0 || options->value_ratio < 0 ||
      options->value_ratio > 1) {
    return Status::InvalidArgument(
        "--threads must be 1 to 256, --repeat and --ops 1 or more, "
        "--value_ratio 0 to 1");
  }
  Status s = ParseConfigs(FLAGS_configs, &options->configs);
  if (s.ok()) {
    s = ParseWorkloads(FLAGS_workloads, &options->workloads);
  }
  if (s.ok()) {
    s = ParseBytes(FLAGS_memory_limit, &options->memory_limit);
  }
  return s;
}

// Before anything is measured: what is already known not to be comparable.
Status CheckComparable(const BenchResults& results) {
  if (FLAGS_agree_with.empty()) {
    return Status::OK();
  }
  Json first;
  Status s = ReadReport(FLAGS_agree_with, &first);
  try {
    return s.ok() ? CheckSameCommand(first, results.Document(false), true) : s;
  } catch (const Json::exception& e) {
    return Malformed(FLAGS_agree_with, e);
  }
}

// Runs `body` on a folder that goes afterwards, and writes the reports: also
// when it is stopped, or fails after something was measured.
Status RunInTempDir(const BenchOptions& options, BenchResults* results,
                    const std::function<Status(const std::string&)>& body) {
  Status s = CheckComparable(*results);
  if (!s.ok()) {
    return s;
  }
  TempDir dir;
  dir.set_on_stop([results] {
    std::fputc('\n', stderr);
    const Status written = WriteReports(results->Document(false));
    if (!written.ok()) {
      std::fprintf(stderr, "memkv_bench: %s\n", written.ToString().c_str());
    }
  });
  s = dir.Create(options.dir, "memkv_bench", options.keep);
  if (!s.ok()) {
    return s;
  }
  s = body(dir.path());
  Json document = results->Document(s.ok());
  if (s.ok()) {
    s = Compare(&document);
  }
  const Status written = WriteReports(document);
  return s.ok() ? written : s;
}

Status Measure(const BenchOptions& options) {
  KeySet input;
  std::fprintf(stderr, "Reading %s\n", options.keys.c_str());
  Status s = ReadKeys(options.keys, options.limit, options.seed,
                      options.fetch_script, &input);
  if (!s.ok()) {
    return s;
  }
  if (input.records.size() < 2) {
    return Status::InvalidArgument(options.keys + ": fewer than two keys");
  }
  // Not earlier: the fetch script would inherit it.
  signal(SIGPIPE, SIG_IGN);
  const BenchRecords records(input.records, options.value_size,
                             options.value_ratio, options.seed);
  BenchResults results(options);
  KeyStats stats;
  for (size_t i = 0; i < input.records.size(); i++) {
    stats.Add(input.records.key(i));
  }
  const uint64_t value_bytes = records.ValueBytes();
  results.SetKeys(input.description, stats, value_bytes);
  s = RequireSpace(options.dir, 2 * options.configs.size() *
                                    (input.records.KeyBytes() + value_bytes));
  if (!s.ok()) {
    return s;
  }
  return RunInTempDir(options, &results, [&](const std::string& dir) {
    BenchRun run(options, records, dir, &results);
    return run.Run();
  });
}

// Of --scale and --delta: generated keys, `bytes_a_key` of them in files at a
// time.
Status MeasureGenerated(
    BenchOptions options, uint64_t budget, uint64_t bytes_a_key,
    const std::function<Status(const BenchOptions&, const std::string& dir,
                               BenchResults* results)>& body) {
  options.keys = "gen:urls:" + std::to_string(budget);
  options.workloads.clear();
  options.repeat = 1;
  signal(SIGPIPE, SIG_IGN);
  Status s = RequireSpace(
      options.dir,
      budget * (bytes_a_key + 3 * static_cast<uint64_t>(std::max<int64_t>(
                                      options.value_size, 0))));
  if (!s.ok()) {
    return s;
  }
  BenchResults results(options);
  return RunInTempDir(options, &results, [&](const std::string& dir) {
    return body(options, dir, &results);
  });
}

Status MeasureScale(const BenchOptions& options) {
  const uint64_t budget = FLAGS_budget == 0 ? 100000000 : FLAGS_budget;
  // One database at a time, twice while it is compacted; URLs are some 80 bytes
  // long, and compressed to a third or less.
  return MeasureGenerated(
      options, budget, 60,
      [budget](const BenchOptions& generated, const std::string& dir,
               BenchResults* results) {
        BenchScale scale(generated, budget, dir, results);
        return scale.Run();
      });
}

Status MeasureDelta(const BenchOptions& options) {
  const uint64_t budget = FLAGS_budget == 0 ? 5000000 : FLAGS_budget;
  std::vector<uint64_t> sizes;
  std::istringstream list(FLAGS_delta_sizes);
  for (std::string size; std::getline(list, size, ',');) {
    uint64_t bytes = 0;
    Status s = ParseBytes(size, &bytes);
    // RocksDB makes less into 64 kB.
    if (s.ok() &&
        (bytes < (64 << 10) || (!sizes.empty() && bytes <= sizes.back()))) {
      s = Status::InvalidArgument(
          "--delta_sizes must ascend from 64K or more: " + FLAGS_delta_sizes);
    }
    if (!s.ok()) {
      return s;
    }
    sizes.push_back(bytes);
  }
  if (sizes.empty() || budget < 1000) {
    return Status::InvalidArgument(
        "--delta needs --delta_sizes, and a --budget of 1000 or more");
  }
  // The log as well: what a memtable has that is not yet flushed.
  return MeasureGenerated(
      options, budget, 160,
      [budget, &sizes](const BenchOptions& generated, const std::string& dir,
                       BenchResults* results) {
        BenchDelta delta(generated, budget, sizes, dir, results);
        return delta.Run();
      });
}

Status Main(const std::string& command) {
  if (!FLAGS_report.empty()) {
    return ReportAgain();
  }
  BenchOptions options;
  Status s = CheckFlags();
  if (s.ok()) {
    s = MakeOptions(command, &options);
  }
  if (!s.ok()) {
    return s;
  }
  return FLAGS_scale   ? MeasureScale(options)
         : FLAGS_delta ? MeasureDelta(options)
                       : Measure(options);
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) {
  const std::string command = memkv::CommandLine(argc, argv);
  gflags::SetUsageMessage(
      "compares RocksDB with and without memkv on your keys");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (argc > 1) {
    std::fprintf(stderr, "memkv_bench: what is '%s'? (--keys=FILE?)\n",
                 argv[1]);
    return 2;
  }
  if (FLAGS_list_configs) {
    std::fputs(memkv::DescribeConfigs().c_str(), stdout);
    return 0;
  }
  memkv::RegisterMemkv();
  const rocksdb::Status s = memkv::Main(command);
  if (!s.ok()) {
    std::fflush(stdout);
    std::fprintf(stderr, "memkv_bench: FAILED: %s\n", s.ToString().c_str());
    return 1;
  }
  return 0;
}
