// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether two runs agree. What an `agreement` says is in report_schema.json.

#include <algorithm>
#include <string>
#include <vector>

#include "db_bench_ext/memkv_bench/report.h"

namespace memkv {

using rocksdb::Status;

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
  const Json& first = document.at("configs")[0].at("name");
  const Json& runs = document.at(section).at("runs");
  auto add = [&](const Json& baseline, const Json& own, const Json& run) {
    const std::string order = run.value("order", "");
    const std::string what = (order.empty() ? "" : order + ", ") +
                             (own.contains("write_buffer_size")
                                  ? ShowSize(own.at("write_buffer_size"))
                                  : ShowWhole(own.at("keys")) + " keys");
    for (const std::string& field : fields) {
      const double before = baseline.at(field);
      const double after = own.at(field);
      if (before > 0 && after > 0) {
        ratios->push_back(
            {what + ", " + field, run.at("config"), before / after});
      }
    }
  };
  for (const Json& run : runs) {
    for (const Json& base : runs) {
      if (base.at("config") == first && run.at("config") != first &&
          run.value("order", "") == base.value("order", "")) {
        const Json& points = base.at("points");
        for (size_t i = 0; i < points.size() && i < run.at("points").size();
             i++) {
          add(points[i], run.at("points")[i], run);
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
  if (document.contains("sizes")) {
    for (const auto& [what, sizes] : document.at("sizes").items()) {
      AddCompared(what, sizes, &ratios);
    }
  }
  if (document.contains("scale")) {
    AddPoints(
        document, "scale",
        {"disk_bytes_a_key", "memory_bytes_a_key", "load_seconds",
         "compact_seconds", "read_all_seconds", LookUpField(document, "")},
        &ratios);
  }
  if (document.contains("delta")) {
    AddPoints(document, "delta",
              {"load_seconds", "write_amplification", LookUpField(document, ""),
               LookUpField(document, "settled_"), "memory_bytes", "peak_bytes"},
              &ratios);
  }
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

}  // namespace

Status CheckSameCommand(const Json& first, const Json& second,
                        bool only_asked) {
  auto differ = [](const std::string& what, const Json& one,
                   const Json& other) {
    return Status::InvalidArgument(
        "--agree_with: the two reports are not of the same " + what,
        one.dump() + " and " + other.dump());
  };
  for (const auto& [name, value] : second.at("settings").items()) {
    const Json other = first.at("settings").value(name, Json());
    if (other != value) {
      return differ(name, other, value);
    }
  }
  if (Asked(first) != Asked(second)) {
    return differ("configurations", Asked(first), Asked(second));
  }
  if (!(only_asked && second.at("keys").is_null()) &&
      first.at("keys") != second.at("keys")) {
    return differ("keys", first.at("keys"), second.at("keys"));
  }
  if (only_asked) {
    return Status::OK();
  }
  for (const Json* document : {&first, &second}) {
    if (!document->at("complete").get<bool>()) {
      return Status::InvalidArgument(
          "--agree_with: a report is of a run that was stopped",
          document->at("created").get<std::string>());
    }
  }
  if (Measured(first) != Measured(second)) {
    return differ("workloads", Measured(first), Measured(second));
  }
  for (const char* section : {"scale", "delta"}) {
    if (first.contains(section) &&
        first.at(section).at("budget") != second.at(section).at("budget")) {
      return differ("budget", first.at(section).at("budget"),
                    second.at(section).at("budget"));
    }
  }
  return Status::OK();
}

Status AddAgreement(const Json& first, Json* second) {
  second->erase("agreement");
  Status s = CheckSameCommand(first, *second, false);
  if (!s.ok()) {
    return s;
  }
  const std::vector<Ratio> before = RatiosOf(first);
  uint64_t compared = 0;
  double largest = 0;
  std::string largest_of;
  Json differing = Json::array();
  for (const Ratio& now : RatiosOf(*second)) {
    const auto then =
        std::find_if(before.begin(), before.end(), [&now](const Ratio& ratio) {
          return ratio.what == now.what && ratio.config == now.config;
        });
    if (then == before.end()) {
      continue;  // one of the two is nothing
    }
    compared++;
    const double difference =
        std::max(then->value, now.value) / std::min(then->value, now.value) - 1;
    if (difference >= largest) {
      largest = difference;
      largest_of = now.what + ", " + now.config;
    }
    if (difference > kAgreeWithin) {
      differing.push_back({{"what", now.what},
                           {"config", now.config},
                           {"first", then->value},
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
  return Status::OK();
}

}  // namespace memkv
