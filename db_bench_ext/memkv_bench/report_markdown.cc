// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <functional>
#include <utility>

#include "db_bench_ext/memkv_bench/report.h"

namespace memkv {

using Json = nlohmann::ordered_json;

namespace {

// A cell in bold if it is the best of its row, as the verdicts have it.
std::string Row(const std::string& title, const Json& configs,
                const Json& results,
                const std::function<std::string(const Json&)>& show) {
  std::string row = "| " + title + " |";
  for (const Json& config : configs) {
    std::string cell = "n/a";
    for (const Json& result : results) {
      if (result.at("config") != config.at("name")) {
        continue;
      }
      cell = show(result);
      if (result.contains("times_as_good") &&
          !result.at("times_as_good").is_null()) {
        const std::string verdict = result.at("times_as_good").at("verdict");
        const std::string times = ShowTimes(result.at("times_as_good"));
        cell += verdict == "better"  ? " (**" + times + "**)"
                : verdict == "worse" ? " (" + times + ", worse)"
                                     : " (same)";
      }
    }
    row += " " + cell + " |";
  }
  return row + "\n";
}

}  // namespace

std::string MarkdownReport(const Json& document) {
  const Json& keys = document.at("keys");
  const Json& machine = document.at("machine");
  const Json& configs = document.at("configs");
  std::string text;
  text += "`" + document.at("command").get<std::string>() + "`\n\n";
  if (!document.at("complete").get<bool>()) {
    text += "The run was stopped: this is what had been measured.\n\n";
  }
  // A run can be stopped before they are known.
  text += (keys.is_null() ? "" : ShowWhole(keys.at("count")) + " keys; ") +
          machine.at("cpu").get<std::string>() + ", " +
          std::to_string(machine.at("cpus").get<uint64_t>()) + " CPUs, " +
          ShowBytes(machine.at("memory_bytes")) + ", " +
          machine.at("compiler").get<std::string>() + ", RocksDB " +
          document.at("rocksdb").get<std::string>() + ", " +
          document.at("created").get<std::string>().substr(0, 10);
  const std::string agreed = AgreementSentence(document);
  const std::string agreement = agreed.empty() ? "" : "\n" + agreed + "\n";
  const std::string limit = LimitSentence(document);
  if (document.contains("scale") || document.contains("delta")) {
    return text + ".\n" + ScaleMarkdown(document) + DeltaMarkdown(document) +
           (limit.empty() ? "" : "\n" + limit + "\n") + agreement;
  }
  text += "; medians of " +
          std::to_string(document.at("settings").at("repeat").get<uint64_t>()) +
          " repeats, and how many times as good as " +
          configs[0].at("name").get<std::string>() + ".\n\n|  |";
  for (const Json& config : configs) {
    text += " " + config.at("name").get<std::string>() + " |";
  }
  text += "\n|---|";
  for (size_t i = 0; i < configs.size(); i++) {
    text += "---|";
  }
  text += "\n";
  if (document.contains("sizes")) {
    const Json& sizes = document.at("sizes");
    auto bytes = [](const Json& result) {
      return Format("%.2f", result.at("bytes_a_key").get<double>());
    };
    for (const auto& [what, title] :
         {std::make_pair("disk", "table files, bytes a key"),
          std::make_pair("memory", "memory with everything read, bytes a key"),
          std::make_pair("memtable", "memtable, bytes a key")}) {
      if (sizes.contains(what)) {
        text += Row(title, configs, sizes.at(what), bytes);
      }
    }
  }
  if (document.contains("workloads")) {
    for (const Json& workload : document.at("workloads")) {
      const std::string unit = workload.at("unit");
      text += Row(
          workload.at("name").get<std::string>() + ", " + unit.substr(3) +
              (workload.at("clock") == "wall" ? ", wall" : ""),
          configs, workload.at("results"),
          [](const Json& result) { return ShowNanos(result.at("median")); });
    }
  }
  for (const Json& workload : ReadingWorkloads(document)) {
    text += Row(workload.at("name").get<std::string>() + ", read from files",
                configs, workload.at("results"), [](const Json& result) {
                  return ShowBytes(result.at("bytes_read"));
                });
  }
  text += limit.empty() ? "" : "\n" + limit + "\n";
  return text + agreement;
}

}  // namespace memkv
