// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// report_check SCHEMA REPORT: exit status 0 if REPORT, of memkv_bench, is as
// SCHEMA says and its figures agree with each other:
//
//   * every workload has a result of every configuration, and every result a
//     sample of every repeat (of a complete report);
//   * medians lie among their samples, and comparisons among the ratios;
//   * percentiles ascend;
//   * ratios that agree with an earlier report's and those that do not are all;
//   * components add up to the total of the last repeat, and those that
//     memory_limit limits to no more than that;
//   * points of --scale, --delta and --memory ascend, and of a complete report
//   every run
//     has all of them; with memory_limit they say what was read of files.
//
// Otherwise each complaint is a line on standard error.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#include <vector>

namespace {

using Json = nlohmann::json;

int complaints = 0;

void Complain(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  complaints++;
}

bool Read(const char* path, Json* json) {
  std::ifstream in(path);
  *json = Json::parse(in, nullptr, false);
  if (!in || json->is_discarded()) {
    Complain(std::string(path) + ": no JSON");
    return false;
  }
  return true;
}

void CheckSchema(const Json& schema_json, const Json& report) {
  valijson::Schema schema;
  valijson::SchemaParser parser;
  parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema_json),
                        schema);
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(
          schema, valijson::adapters::NlohmannJsonAdapter(report), &results)) {
    return;
  }
  valijson::ValidationResults::Error error;
  while (results.popError(error)) {
    std::string where;
    for (const std::string& step : error.context) {
      where += step;
    }
    Complain(where + ": " + error.description);
  }
}

void CheckSamples(const std::string& name, const Json& result, double median,
                  const Json& report) {
  const std::vector<double> samples = result["samples"];
  const auto [least, most] =
      std::minmax_element(samples.begin(), samples.end());
  if (median < *least || median > *most) {
    Complain(name + ": the median is not among the samples");
  }
  if (report["complete"] && samples.size() != report["settings"]["repeat"]) {
    Complain(name + ": " + std::to_string(samples.size()) + " samples");
  }
  if (result.contains("times_as_good") && !result["times_as_good"].is_null()) {
    const Json& times = result["times_as_good"];
    if (times["median"] < times["low"] || times["median"] > times["high"]) {
      Complain(name + ": the comparison is outside of its own spread");
    }
    if ((times["verdict"] == "better" && times["low"] < 1) ||
        (times["verdict"] == "worse" && times["high"] > 1)) {
      Complain(name + ": the verdict is not what the ratios say");
    }
  }
}

void CheckWorkloads(const Json& report) {
  for (const Json& workload : report.value("workloads", Json::array())) {
    const std::string name = workload["name"];
    if (report["complete"] &&
        workload["results"].size() != report["configs"].size()) {
      Complain(name + ": not of every configuration");
    }
    for (const Json& result : workload["results"]) {
      const std::string of = name + ", " + result["config"].get<std::string>();
      CheckSamples(of, result, result["median"], report);
      if (result["median"] != result[workload["clock"]]) {
        Complain(of + ": the median is not that of its clock");
      }
      if (result.value("reads", 0.0) > 0 &&
          result["bytes_read"] < result["reads"]) {
        Complain(of + ": reads of less than a byte");
      }
      if (result["cpu"] <= 0 || result["wall"] <= 0) {
        Complain(of + ": it took no time");
      }
      if (result.contains("latency")) {
        const Json& latency = result["latency"];
        if (latency["p50"] > latency["p99"] ||
            latency["p99"] > latency["p999"] ||
            latency["p999"] > latency["max"] || latency["samples"] == 0) {
          Complain(of + ": percentiles do not ascend");
        }
      }
    }
  }
}

void CheckSizes(const Json& report) {
  const Json all = report.value("sizes", Json::object());
  for (const auto& [what, sizes] : all.items()) {
    if (report["complete"] && sizes.size() != report["configs"].size()) {
      Complain(what + ": not of every configuration");
    }
    for (const Json& size : sizes) {
      const std::string of = what + ", " + size["config"].get<std::string>();
      CheckSamples(of, size, size["total"], report);
      double sum = 0;
      for (const Json& component : size["components"]) {
        sum += component["bytes"].get<double>();
      }
      const double limit = report["settings"]["memory_limit"];
      double limited = 0;
      for (const Json& component : size["components"]) {
        if (component["name"] == "table readers" ||
            component["name"] == "block cache") {
          limited += component["bytes"].get<double>();
        }
      }
      if (what == "memory" && limit > 0 && limited > limit) {
        Complain(of + ": table readers and block cache are above the limit");
      }
      if (sum != size["samples"].back().get<double>()) {
        Complain(of + ": components add up to " + std::to_string(sum));
      }
      const double total =
          size["bytes_a_key"].get<double>() * size["records"].get<double>();
      if (std::fabs(total - size["total"].get<double>()) > 1) {
        Complain(of + ": bytes a key are not the total's");
      }
    }
  }
}

// Of look-ups of a point, the fields of which begin with `prefix`.
void CheckLookUps(const std::string& of, const Json& report, const Json& point,
                  const std::string& prefix) {
  auto at = [&](const char* field) {
    return point.value(prefix + field, -1.0);
  };
  if (at("get_p50_nanos") > at("get_p99_nanos")) {
    Complain(of + ": percentiles do not ascend");
  }
  const double limit = report["settings"]["memory_limit"];
  if (limit == 0) {
    return;
  }
  if (at("get_wall_nanos") <= 0 || at("get_bytes_read") < at("get_reads") ||
      at("get_reads") < 0) {
    Complain(of + ": a limit, but not what look-ups waited for and read");
  }
  if (at("table_reader_bytes") < 0 || at("block_cache_bytes") < 0 ||
      at("table_reader_bytes") + at("block_cache_bytes") > limit) {
    Complain(of + ": table readers and block cache are above the limit");
  }
}

void CheckPoints(const Json& report, const char* section, const char* size,
                 size_t runs_of_config,
                 const std::vector<std::string>& prefixes) {
  if (!report.contains(section)) {
    return;
  }
  const Json& runs = report[section]["runs"];
  if (report["complete"] &&
      runs.size() != runs_of_config * report["configs"].size()) {
    Complain(std::string(section) + ": not of every configuration");
  }
  for (const Json& run : runs) {
    const std::string of =
        std::string(section) + ", " + run["config"].get<std::string>();
    if (report["complete"] &&
        run["points"].size() != runs[0]["points"].size()) {
      Complain(of + ": points are missing");
    }
    double last = 0;
    for (const Json& point : run["points"]) {
      if (point[size] <= last) {
        Complain(of + ": points do not ascend");
      }
      last = point[size];
      for (const std::string& prefix : prefixes) {
        CheckLookUps(of + ", " + std::to_string(point[size].get<uint64_t>()),
                     report, point, prefix);
      }
    }
  }
}

void CheckAgreement(const Json& report) {
  if (!report.contains("agreement")) {
    return;
  }
  const Json& agreement = report["agreement"];
  if (agreement["agree"].get<size_t>() + agreement["differing"].size() !=
      agreement["ratios"].get<size_t>()) {
    Complain("agreement: ratios that agree and others are not all");
  }
  const double within = agreement["within"];
  const double largest = agreement["largest_difference"];
  if (agreement["differing"].empty() && largest > within) {
    Complain(
        "agreement: the largest difference is not among those that differ");
  }
  for (const Json& one : agreement["differing"]) {
    if (one["difference"] <= within || one["difference"] > largest) {
      Complain("agreement: " + one["what"].get<std::string>() +
               " differs by what it cannot");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Json schema;
  Json report;
  if (argc != 3) {
    std::fprintf(stderr, "report_check SCHEMA REPORT\n");
    return 2;
  }
  if (!Read(argv[1], &schema) || !Read(argv[2], &report)) {
    return 1;
  }
  CheckSchema(schema, report);
  if (complaints == 0) {
    CheckWorkloads(report);
    CheckSizes(report);
    CheckPoints(report, "scale", "keys", 2, {""});
    CheckPoints(report, "delta", "write_buffer_size", 1, {"", "settled_"});
    CheckPoints(report, "memory", "block_cache_size", 1, {});
    CheckAgreement(report);
  }
  return complaints == 0 ? 0 : 1;
}
