// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv advise: what memkv would do for a database. A sample of its records
// goes into a database of block-based files and into one of FST files, both
// with its own table options, which memkv_bench measures by turns.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "compat/trie_order.h"
#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/existing_database.h"
#include "db_bench_ext/common/format.h"
#include "db_bench_ext/common/temp_dir.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/keys/key_stats.h"
#include "db_bench_ext/memkv_bench/records.h"
#include "db_bench_ext/memkv_bench/results.h"
#include "db_bench_ext/memkv_bench/runs.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "rocksdb/table.h"
#include "table/fst/table_factory.h"
#include "tools/command.h"

namespace memkv {

using rocksdb::BlockBasedTableOptions;
using rocksdb::ColumnFamilyOptions;
using rocksdb::TableFactory;

namespace {

constexpr uint64_t kDefaultSample = 500000;
// Neighbours in a sample share what they share in the database.
constexpr uint64_t kRun = 1000;
constexpr uint64_t kLookUps = 100000;
constexpr uint64_t kSeed = 20260101;
const char kStock[] = "stock";
const char kMemkv[] = "memkv";

// ---- Options of the two databases ------------------------------------------

// Each with a semicolon behind it.
std::string OptionsOf(const TableFactory& factory) {
  std::string text;
  Check(factory.GetOptionString(rocksdb::ConfigOptions(), &text));
  return text.empty() || text.back() == ';' ? text : text + ";";
}

// What says how files are written, beside the table factory.
std::string CompressionOf(const ColumnFamilyOptions& own) {
  std::string all;
  std::unordered_map<std::string, std::string> map;
  Check(rocksdb::GetStringFromColumnFamilyOptions(rocksdb::ConfigOptions(), own,
                                                  &all));
  Check(rocksdb::StringToMap(all, &map));
  std::string text;
  for (const char* name : {"compression", "compression_opts",
                           "compression_per_level", "bottommost_compression",
                           "bottommost_compression_opts", "prefix_extractor"}) {
    const std::string& value = map[name];
    if (!value.empty()) {
      text += fmt::format("{}={{{}}};", name, value);
    }
  }
  return text;
}

// REQUIRES: its table factory has options of a BlockBasedTable
std::vector<BenchConfig> Configs(const ColumnFamilyOptions& own) {
  const TableFactory& factory = *own.table_factory;
  const auto* const table = factory.GetOptions<BlockBasedTableOptions>();
  std::unique_ptr<TableFactory> fst;
  if (const auto* own_fst = factory.CheckedCast<FstTableFactory>()) {
    fst = own_fst->Clone();
    Check(
        fst->ConfigureFromString(rocksdb::ConfigOptions(), "write_format=fst"));
  } else {
    fst.reset(NewFstTableFactory(FstTableOptions(), table));
  }
  const std::unique_ptr<TableFactory> stock(
      rocksdb::NewBlockBasedTableFactory(*table));
  const std::string common = CompressionOf(own);
  const auto options = [&common](const char* memtable,
                                 const TableFactory& table_factory) {
    // A cache that all is in when it was read.
    return fmt::format(
        "memtable_factory={};table_factory={{id={};{}block_cache=8G}};{}",
        memtable, table_factory.Name(), OptionsOf(table_factory), common);
  };
  return {{kStock, options("skip_list", *stock)},
          {kMemkv, options("art", *fst)}};
}

// ---- What was measured -----------------------------------------------------

// Of one figure: both sides, and how many times as good memkv is.
struct Row {
  double stock = 0;
  double memkv = 0;
  double times = 1;
  std::string verdict = "same";  // "better", "worse" or "same"
};

// `results`: of each configuration, in their order.
Row RowOf(const Json& results, const char* field) {
  const Json& stock = results.at(0);
  const Json& memkv = results.at(1);
  Row row{stock.at(field), memkv.at(field)};
  const Json& times = memkv.at("times_as_good");
  if (times.is_object()) {
    row.times = times.at("median");
    row.verdict = times.at("verdict");
  }
  return row;
}

Row SizeRow(const Json& document, const char* what) {
  return RowOf(document.at("sizes").at(what), "bytes_a_key");
}

Row TimeRow(const Json& document, Workload workload) {
  for (const Json& one : document.at("workloads")) {
    if (one.at("name") == InfoOf(workload).name) {
      return RowOf(one.at("results"), "median");
    }
  }
  throw Failure(
      Status::Incomplete("nothing was measured of", InfoOf(workload).name));
}

struct Figures {
  Row files;
  Row memory;
  Row hit;
  Row miss;
  Row step;
};

void PrintTable(const Figures& m) {
  fmt::print("\n{:<40} {:>10} {:>10}   {}\n", "", kStock, kMemkv,
             "memkv, times as good");
  const auto print = [](const char* what, const Row& row, auto show) {
    fmt::print("{:<40} {:>10} {:>10}   {:.2f}x{}\n", what, show(row.stock),
               show(row.memkv), row.times,
               row.verdict == "better" ? "" : ", " + row.verdict);
  };
  print("files, bytes a key", m.files, ShowDigits);
  print("memory with everything read, bytes a key", m.memory, ShowDigits);
  print("look-up of a key that is there", m.hit, ShowNanos);
  print("look-up of a key that is not", m.miss, ShowNanos);
  print("step of an iterator", m.step, ShowNanos);
}

// ---- The advice ------------------------------------------------------------

struct Sample {
  KeyStats keys;
  uint64_t value_bytes = 0;
};

// Below this, sizes are not worth a migration; from this on they are.
constexpr double kLittle = 1.1;
constexpr double kMuch = 1.3;
// Look-ups that are slower than this part of stock's speed are a reason
// against.
constexpr double kSlow = 0.8;
// Keys that share less with their neighbours than this part of their bytes.
constexpr double kLittleShared = 0.25;
// Values of more than this part of all bytes.
constexpr double kMostlyValues = 0.75;
constexpr uint64_t kSmallSample = 100000;

std::vector<std::string> Reasons(const Figures& m, const Sample& sample) {
  std::vector<std::string> reasons;
  const auto compare = [&reasons](const char* what, const Row& row,
                                  const char* better, const char* worse) {
    if (row.verdict == "same") {
      reasons.push_back(fmt::format("{}: no difference", what));
    } else {
      reasons.push_back(
          fmt::format("{}: {:.2f} times {}", what,
                      row.verdict == "better" ? row.times : 1 / row.times,
                      row.verdict == "better" ? better : worse));
    }
  };
  compare("files", m.files, "smaller", "larger");
  compare("memory", m.memory, "less", "more");
  compare("look-ups that find their key", m.hit, "as fast", "as slow");
  compare("look-ups that find nothing", m.miss, "as fast", "as slow");
  compare("steps of an iterator", m.step, "as fast", "as slow");
  const double shared = sample.keys.MeanShared();
  const double length = std::max(sample.keys.MeanLength(), 1.0);
  if (shared < kLittleShared * length) {
    reasons.push_back(
        fmt::format("keys share little: {:.1f} of {:.1f} bytes with the key "
                    "before, on average",
                    shared, length));
  }
  const auto values = static_cast<double>(sample.value_bytes);
  const double all = values + static_cast<double>(sample.keys.bytes());
  if (values > kMostlyValues * all) {
    reasons.push_back(fmt::format(
        "values dominate: they are {:.0f} % of all bytes, and memkv makes keys "
        "small",
        100 * values / all));
  }
  if (sample.keys.count() < kSmallSample) {
    reasons.push_back(fmt::format(
        "the sample is small, {} records: what a file and a database take "
        "whatever is in them weighs in its figures",
        sample.keys.count()));
  }
  return reasons;
}

std::string Advice(const Figures& m) {
  const double gain = std::max(m.files.times, m.memory.times);
  if (gain < kLittle) {
    return "no: neither files nor memory become much smaller";
  }
  if (gain >= kMuch && m.hit.times >= kSlow && m.step.times >= kSlow) {
    return "yes";
  }
  return "perhaps: weigh what becomes smaller against what becomes slower";
}

// ---- The command -----------------------------------------------------------

Figures Measure(const BenchOptions& options, const BenchRecords& records) {
  BenchResults results(options);
  const TempDir dir(options.dir, "memkv_advise", options.keep, {});
  RunWorkloads({options, dir.path(), &results}, records);
  const Json document = results.Document(/*complete=*/true);
  return {SizeRow(document, "disk"), SizeRow(document, "memory"),
          TimeRow(document, Workload::kGet), TimeRow(document, Workload::kMiss),
          TimeRow(document, Workload::kScan)};
}

int Advise(const CommandLine& line) {
  const std::string name =
      line.Get("column_family", rocksdb::kDefaultColumnFamilyName);
  const uint64_t wanted = line.GetNumber("sample", kDefaultSample);
  ColumnFamilyOptions own;
  {
    const ExistingDatabase database(line.operand());
    own = database.OwnOptions(database.Family(name));
  }
  if (TrieOrderOf(own.comparator) == TrieOrder::kUnsupported) {
    fmt::print(
        "Recommendation: no: FST files cannot serve comparator {}, so "
        "that memkv would write block-based files\n",
        own.comparator->Name());
    return kDone;
  }
  if (own.table_factory->GetOptions<BlockBasedTableOptions>() == nullptr) {
    Refuse(std::string("nothing can be said of table_factory=") +
           own.table_factory->Name());
  }
  KeySet input;
  ReadDatabase(line.operand(), name, wanted, kRun, &input);
  if (input.records.size() < 2) {
    Refuse(input.description, "two keys are the least to measure with");
  }

  BenchOptions options;
  options.configs = Configs(own);
  options.workloads = {Workload::kCompact, Workload::kGet, Workload::kMiss,
                       Workload::kScan};
  options.ops = kLookUps;
  options.seed = kSeed;
  options.dir = DefaultTempParent();
  const BenchRecords records(input.records, options.value_size,
                             options.value_ratio, options.seed);
  Sample sample;
  for (size_t i = 0; i < input.records.size(); i++) {
    sample.keys.Add(input.records.key(i));
  }
  sample.value_bytes = records.ValueBytes();
  // A database, while it is compacted, and its log.
  RequireSpace(
      options.dir,
      3 * options.configs.size() * (sample.keys.bytes() + sample.value_bytes),
      "TMPDIR");
  fmt::print("{}\n", input.description);
  fmt::print(
      "keys: {:.1f} bytes, of which {:.1f} are shared with the key before; "
      "values: {:.1f} bytes\n",
      sample.keys.MeanLength(), sample.keys.MeanShared(),
      static_cast<double>(sample.value_bytes) /
          static_cast<double>(input.records.size()));
  std::fflush(stdout);
  const Figures measured = Measure(options, records);
  PrintTable(measured);
  fmt::print("\nRecommendation: {}\n", Advice(measured));
  for (const std::string& reason : Reasons(measured, sample)) {
    fmt::print("- {}\n", reason);
  }
  return kDone;
}

}  // namespace

Command AdviseCommand() {
  return {
      "advise",
      "DIR",
      "Measures what memkv would do for a database, on a sample of it.",
      "The database is opened read-only, and read twice from end to end. "
      "The sample goes\ninto databases of both formats in a folder of its "
      "own below TMPDIR (/tmp), with the\ntable options of the database; "
      "the folder is removed at the end. All of the sample\nis held in "
      "memory. Times are medians of three repeats.\n",
      {{"sample", "N",
        fmt::format("so many records, 0: all; default: {}", kDefaultSample)},
       ColumnFamilyOption("of this column family; default: default")},
      Advise};
}

}  // namespace memkv
