// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether two runs agree. What an `agreement` says is in report_schema.json.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/format.h"
#include "db_bench_ext/memkv_bench/figures.h"

namespace memkv {

namespace {

// Two ratios agree if the larger is the smaller and at most this part more.
constexpr double kAgreeWithin = 0.1;

struct Ratio {
  std::string what;
  std::string config;
  double value = 0;
};

void AddCompared(const std::string& what, const Json& results,
                 std::vector<Ratio>* ratios) {
  for (const Json& result : results) {
    const Json times = result.value("times_as_good", Json());
    if (!times.is_null()) {
      ratios->push_back({what, result.at("config"), times.at("median")});
    }
  }
}

// Of points of --scale or --delta, which have no times_as_good, because they
// were measured once: those of the baseline beside those of the others that
// were loaded in the same order.
void AddPoints(const Json& document, const char* section,
               const std::vector<std::string>& fields,
               std::vector<Ratio>* ratios) {
  const Json runs =
      document.value(section, Json::object()).value("runs", Json::array());
  std::map<std::pair<std::string, size_t>, Json> baseline;
  for (const Json& run : runs) {
    const std::string order = run.value("order", "");
    const Json& points = run.at("points");
    for (size_t i = 0; i < points.size(); i++) {
      if (run.at("config") == document.at("configs")[0].at("name")) {
        baseline[{order, i}] = points[i];
        continue;
      }
      const std::string what =
          (order.empty() ? "" : order + ", ") +
          (points[i].contains("write_buffer_size")
               ? ShowSize(points[i].at("write_buffer_size"))
               : ShowWhole(points[i].at("keys")) + " keys");
      const Json& base = baseline[{order, i}];
      for (const std::string& field : fields) {
        const double before = base.value(field, 0.0);
        const double after = points[i].at(field);
        if (before > 0 && after > 0) {
          ratios->push_back(
              {what + ", " + field, run.at("config"), before / after});
        }
      }
    }
  }
}

std::vector<Ratio> RatiosOf(const Json& document) {
  std::vector<Ratio> ratios;
  for (const Json& workload : document.value("workloads", Json::array())) {
    AddCompared(workload.at("name"), workload.at("results"), &ratios);
  }
  const Json all_sizes = document.value("sizes", Json::object());
  for (const auto& [what, sizes] : all_sizes.items()) {
    AddCompared(what, sizes, &ratios);
  }
  AddPoints(document, "scale",
            {"disk_bytes_a_key", "memory_bytes_a_key", "load_seconds",
             "compact_seconds", "read_all_seconds", LookUpField(document, "")},
            &ratios);
  AddPoints(document, "delta",
            {"load_seconds", "write_amplification", LookUpField(document, ""),
             LookUpField(document, "settled_"), "memory_bytes", "peak_bytes"},
            &ratios);
  return ratios;
}

// The names of what was measured.
Json Measured(const Json& document) {
  Json names = Json::array();
  for (const char* section : {"sizes", "scale", "delta"}) {
    if (document.contains(section)) {
      names.push_back(section);
    }
  }
  for (const Json& workload : document.value("workloads", Json::array())) {
    names.push_back(workload.at("name"));
  }
  return names;
}

// Of `configs` what was asked for.
Json Asked(const Json& document) {
  Json configs = document.at("configs");
  for (Json& config : configs) {
    config.erase("open_seconds");
  }
  return configs;
}

void RequireSame(const std::string& what, const Json& one, const Json& other) {
  if (one != other) {
    Refuse("--agree_with: the two reports are not of the same " + what,
           one.dump() + " and " + other.dump());
  }
}

}  // namespace

void CheckSameCommand(const Json& first, const Json& second, bool only_asked) {
  for (const auto& [name, value] : second.at("settings").items()) {
    RequireSame(name, first.at("settings").value(name, Json()), value);
  }
  RequireSame("configurations", Asked(first), Asked(second));
  if (!only_asked || !second.at("keys").is_null()) {
    RequireSame("keys", first.at("keys"), second.at("keys"));
  }
  if (only_asked) {
    return;
  }
  for (const Json* document : {&first, &second}) {
    if (!document->at("complete").get<bool>()) {
      Refuse("--agree_with: a report is of a run that was stopped",
             document->at("created").get<std::string>());
    }
  }
  RequireSame("workloads", Measured(first), Measured(second));
  for (const char* section : {"scale", "delta"}) {
    if (first.contains(section)) {
      RequireSame("budget", first.at(section).at("budget"),
                  second.at(section).at("budget"));
    }
  }
}

void AddAgreement(const Json& first, Json* second) {
  second->erase("agreement");
  CheckSameCommand(first, *second, false);
  std::map<std::pair<std::string, std::string>, double> before;
  for (const Ratio& ratio : RatiosOf(first)) {
    before[{ratio.what, ratio.config}] = ratio.value;
  }
  uint64_t compared = 0;
  double largest = 0;
  std::string largest_of;
  Json differing = Json::array();
  for (const Ratio& now : RatiosOf(*second)) {
    const auto then = before.find({now.what, now.config});
    if (then == before.end()) {
      continue;  // one of the two is nothing
    }
    compared++;
    const auto [less, more] = std::minmax(then->second, now.value);
    const double difference = more / less - 1;
    if (difference >= largest) {
      largest = difference;
      largest_of = now.what + ", " + now.config;
    }
    if (difference > kAgreeWithin) {
      differing.push_back({{"what", now.what},
                           {"config", now.config},
                           {"first", then->second},
                           {"second", now.value},
                           {"difference", difference}});
    }
  }
  (*second)["agreement"] = {{"with", first.at("created")},
                            {"within", kAgreeWithin},
                            {"ratios", compared},
                            {"agree", compared - differing.size()},
                            {"largest_difference", largest},
                            {"largest_of", largest_of},
                            {"differing", differing}};
}

}  // namespace memkv
