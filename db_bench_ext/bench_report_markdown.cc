// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <functional>
#include <utility>

#include "db_bench_ext/bench_report.h"

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
      if (result["config"] != config["name"]) {
        continue;
      }
      cell = show(result);
      if (result.contains("times_as_good") &&
          !result["times_as_good"].is_null()) {
        const std::string verdict = result["times_as_good"]["verdict"];
        const std::string times = ShowTimes(result["times_as_good"]);
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
  const Json& keys = document["keys"];
  const Json& machine = document["machine"];
  const Json& configs = document["configs"];
  std::string text;
  text += "`" + document["command"].get<std::string>() + "`\n\n";
  text +=
      ShowWhole(keys["count"]) + " keys; " + machine["cpu"].get<std::string>() +
      ", " + std::to_string(machine["cpus"].get<uint64_t>()) + " CPUs, " +
      ShowBytes(machine["memory_bytes"]) + ", " +
      machine["compiler"].get<std::string>() + ", RocksDB " +
      document["rocksdb"].get<std::string>() + ", " +
      document["created"].get<std::string>().substr(0, 10) + "; medians of " +
      std::to_string(document["settings"]["repeat"].get<uint64_t>()) +
      " repeats, and how many times as good as " +
      configs[0]["name"].get<std::string>() + ".\n\n|  |";
  for (const Json& config : configs) {
    text += " " + config["name"].get<std::string>() + " |";
  }
  text += "\n|---|";
  for (size_t i = 0; i < configs.size(); i++) {
    text += "---|";
  }
  text += "\n";
  if (document.contains("sizes")) {
    const Json& sizes = document["sizes"];
    auto bytes = [](const Json& result) {
      char buffer[32];
      std::snprintf(buffer, sizeof(buffer), "%.2f",
                    result["bytes_a_key"].get<double>());
      return std::string(buffer);
    };
    for (const auto& [what, title] :
         {std::make_pair("disk", "table files, bytes a key"),
          std::make_pair("memory", "memory with everything read, bytes a key"),
          std::make_pair("memtable", "memtable, bytes a key")}) {
      if (sizes.contains(what)) {
        text += Row(title, configs, sizes[what], bytes);
      }
    }
  }
  if (document.contains("workloads")) {
    for (const Json& workload : document["workloads"]) {
      const std::string unit = workload["unit"];
      text += Row(workload["name"].get<std::string>() + ", " + unit.substr(3) +
                      (workload["clock"] == "wall" ? ", wall" : ""),
                  configs, workload["results"], [](const Json& result) {
                    return ShowNanos(result["median"]);
                  });
    }
  }
  return text;
}

}  // namespace memkv
