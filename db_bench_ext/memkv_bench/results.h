// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// BenchResults: what memkv_bench has measured so far, and the one document
// made of it. Everything that is printed or drawn is made from that document,
// so that a report can be made again from a file; its form is
// report_schema.json, and docs/benchmarks.md says what the figures mean.
//
// Thread safety: any thread; the document can be had while a run goes on.

#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "db_bench_ext/keys/key_stats.h"
#include "db_bench_ext/memkv_bench/options.h"
#include "db_bench_ext/memkv_bench/report.h"
#include "db_bench_ext/memkv_bench/workloads.h"

namespace memkv {

class BenchResults {
 public:
  explicit BenchResults(const BenchOptions& options) : options_(options) {}

  void SetKeys(const std::string& description, const KeyStats& keys,
               uint64_t value_bytes);
  // Another section of the document: what --scale, --delta or --demo have.
  void Set(const std::string& section, const Json& content);
  // One repeat of a workload on a configuration.
  // `writes`: what a writer did beside it, or null.
  void Add(Workload workload, const std::string& config, Measured measured,
           const Measured* writes = nullptr);
  void AddSizes(const std::string& what, const std::string& config,
                uint64_t records, const Sizes& sizes);
  void AddOpenSeconds(const std::string& config, double seconds);

  Json Document(bool complete) const;

 private:
  struct Series {
    // A repeat each, by the field of the report: `wall`, `cpu`, `bytes_read`
    // and `reads` of an operation, and `writer`, of a write beside it.
    std::map<std::string, std::vector<double>> samples;
    uint64_t ops = 0;
    std::vector<uint64_t> latencies;
  };
  struct SizesSeries {
    uint64_t records = 0;
    Sizes sizes;  // of the last repeat
    std::vector<double> totals;
  };

  Json ResultJson(Workload workload, const std::string& config,
                  Series* series) const;
  Json WorkloadJson(Workload workload) const;
  Json SizesJson(const std::string& what) const;

  const BenchOptions options_;
  mutable std::mutex mutex_;
  Json keys_;
  Json sections_ = Json::object();
  // By workload, or by what was measured, and configuration.
  mutable std::map<std::pair<Workload, std::string>, Series> series_;
  std::map<std::pair<std::string, std::string>, SizesSeries> sizes_;
  std::map<std::string, std::vector<double>> opens_;
};

}  // namespace memkv
