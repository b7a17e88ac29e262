// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/format.h"

namespace memkv {

namespace {

// The page, with {{data}}.
constexpr char kPage[] =
#include "memkv_bench_report_html.inc"
    ;

// Columns as wide as the widest cell, all but the first and lists flush right.
std::string TextTable(const ReportTable& table) {
  const bool list = table.rows[0].size() == 2 && table.rows[0][1].empty();
  std::vector<size_t> widths(table.rows[0].size());
  for (const std::vector<std::string>& row : table.rows) {
    for (size_t i = 0; i < row.size(); i++) {
      const bool head = list && &row == &table.rows[0];
      widths[i] = std::max(widths[i], head ? 0 : row[i].size());
    }
  }
  std::string text = table.rows[0][0] == table.title ? "" : table.title + "\n";
  for (const std::vector<std::string>& row : table.rows) {
    std::string line = fmt::format("{:<{}}", row[0], widths[0]);
    for (size_t i = 1; i < row.size(); i++) {
      line += list ? "  " + row[i] : fmt::format("  {:>{}}", row[i], widths[i]);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string MarkdownTable(const ReportTable& table) {
  std::string text = "\n";
  for (size_t i = 0; i < table.rows.size(); i++) {
    text += fmt::format("| {} |\n", fmt::join(table.rows[i], " | "));
    if (i == 0) {
      text += "|";
      for (size_t column = 0; column < table.rows[0].size(); column++) {
        text += "---|";
      }
      text += "\n";
    }
  }
  return text;
}

// Of each figure a row; in bold what is better.
ReportTable ComparedFigures(const Json& document) {
  ReportTable table = {"", {{""}}};
  for (const Json& config : document.at("configs")) {
    table.rows[0].push_back(config.at("name"));
  }
  for (const Figure& figure : FiguresOf(document)) {
    if (figure.kind != Figure::kCompared) {
      continue;
    }
    table.rows.push_back({figure.title});
    for (const Figure::Cell& cell : figure.cells) {
      std::string shown = cell.shown.empty() ? "n/a" : cell.shown;
      if (!cell.times.is_null()) {
        const std::string factor =
            fmt::format("{:.2f}x", cell.times.at("median").get<double>());
        const std::string verdict = cell.times.at("verdict");
        shown += verdict == "better"  ? " (**" + factor + "**)"
                 : verdict == "worse" ? " (" + factor + ", worse)"
                                      : " (same)";
      }
      table.rows.back().push_back(shown);
    }
  }
  return table;
}

}  // namespace

std::string TextReport(const Json& document) {
  std::string text;
  for (const ReportTable& table : TablesOf(document)) {
    text += TextTable(table) + "\n";
  }
  for (const std::string& sentence : SentencesOf(document)) {
    text += sentence + "\n";
  }
  return text;
}

std::string MarkdownReport(const Json& document) {
  std::string text = "`" + document.at("command").get<std::string>() + "`\n\n";
  // A run can be stopped before the keys are known.
  const Json& keys = document.at("keys");
  text += (keys.is_null() ? "" : ShowWhole(keys.at("count")) + " keys; ") +
          MachineSentence(document);
  const std::vector<ReportTable> points = PointTables(document, false);
  if (!points.empty()) {
    text += ".\n";
    for (const ReportTable& table : points) {
      text += MarkdownTable(table);
    }
  } else {
    text += fmt::format(
        "; medians of {} repeats, and how many times as good as {}.\n",
        document.at("settings").at("repeat").get<uint64_t>(),
        document.at("configs")[0].at("name").get<std::string>());
    text += MarkdownTable(ComparedFigures(document));
  }
  for (const std::string& sentence : SentencesOf(document)) {
    text += "\n" + sentence + "\n";
  }
  return text;
}

std::string JsonReport(const Json& document) {
  // A path need not be UTF-8.
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string HtmlReport(const Json& document) {
  Json data = {{"report", document},
               {"figures", Json::array()},
               {"tables", Json::array()},
               {"sentences", SentencesOf(document)}};
  for (const Figure& figure : FiguresOf(document)) {
    Json cells = Json::array();
    for (const Figure::Cell& cell : figure.cells) {
      cells.push_back({{"shown", cell.shown},
                       {"verdict", cell.Verdict()},
                       {"times", cell.times}});
    }
    data["figures"].push_back(
        {{"title", figure.title}, {"group", figure.group}, {"cells", cells}});
  }
  for (const ReportTable& table : TablesOf(document)) {
    data["tables"].push_back({{"title", table.title}, {"rows", table.rows}});
  }
  // No tag may be in it: a script ends at the first that looks like its end.
  std::string json;
  for (char c : JsonReport(data)) {
    json += c == '<' ? "\\u003c" : std::string(1, c);
  }
  constexpr char kData[] = "{{data}}";
  std::string page = kPage;
  return page.replace(page.find(kData), std::strlen(kData), json);
}

void WriteReport(const std::string& path, const std::string& text) {
  // Not RocksDB's WriteStringToFile(), which deletes what it cannot write: the
  // path may be a device.
  FILE* const out = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  const bool written =
      out != nullptr &&
      std::fwrite(text.data(), 1, text.size(), out) == text.size() &&
      std::fflush(out) == 0;
  int error = written ? 0 : errno;
  if (out != nullptr && out != stdout && std::fclose(out) != 0 && written) {
    error = errno;
  }
  if (error != 0) {
    throw Failure(Status::IOError(path, std::strerror(error)));
  }
}

// ---- Whether two runs agree ------------------------------------------------

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

// Of points of --scale, --delta or --memory, which have no times_as_good: those
// of the baseline beside those of the others that were loaded in the same
// order.
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
      std::string what = ShowWhole(points[i].at("keys")) + " keys";
      for (const char* size : {"write_buffer_size", "block_cache_size"}) {
        if (points[i].contains(size)) what = ShowSize(points[i].at(size));
      }
      what = (order.empty() ? "" : order + ", ") + what;
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
  if (document.contains("memory")) {
    const std::string nanos =
        document.at("memory").at("direct_reads") ? "_wall_nanos" : "_cpu_nanos";
    AddPoints(
        document, "memory",
        {"memory_bytes_a_key", "disk_bytes_a_key", "get" + nanos,
         "miss" + nanos, "multiget" + nanos, "seek" + nanos, "scan" + nanos},
        &ratios);
  }
  return ratios;
}

// The names of what was measured.
Json Measured(const Json& document) {
  Json names = Json::array();
  for (const char* section : {"sizes", "scale", "delta", "memory"}) {
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
  if (first.contains("memory")) {
    RequireSame("reads", first.at("memory").at("direct_reads"),
                second.at("memory").at("direct_reads"));
  }
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
