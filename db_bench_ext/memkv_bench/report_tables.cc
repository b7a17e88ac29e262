// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What reports say: figures, the tables of them, and sentences.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "db_bench_ext/memkv_bench/report.h"

namespace memkv {

namespace {

double Number(const Json& json) { return json.get<double>(); }

bool IsLimited(const Json& document) {
  return document.at("settings").at("memory_limit") > 0;
}

// Those of a section, none if the report does not have it.
Json Section(const Json& document, const char* name) {
  return document.value(name, Json::object());
}
Json WorkloadsOf(const Json& document) {
  return document.value("workloads", Json::array());
}

// Makes figures, with a cell of each result at the place of its configuration.
class FigureMaker {
 public:
  explicit FigureMaker(const Json& document) {
    for (const Json& config : document.at("configs")) {
      names_.push_back(config.at("name"));
    }
  }

  // `times`: the field of the comparison, null: none.
  template <typename Show>
  void Add(const std::string& title, const std::string& group,
           Figure::Kind kind, const Json& results, const char* times,
           const Show& show) {
    Figure figure = {title, group, kind, {}};
    figure.cells.resize(names_.size());
    for (const Json& result : results) {
      const auto name =
          std::find(names_.begin(), names_.end(), result.at("config"));
      if (name != names_.end()) {
        Figure::Cell& cell =
            figure.cells[static_cast<size_t>(name - names_.begin())];
        cell.shown = show(result);
        if (times != nullptr) {
          cell.times = result.value(times, Json());
        }
        if (group == "wall time" || group == "CPU time") {
          cell.spread =
              fmt::format(" {:3.0f}%", 100 * Number(result.at("spread")));
        }
      }
    }
    figures.push_back(std::move(figure));
  }

  std::vector<Figure> figures;

 private:
  std::vector<std::string> names_;
};

void AddSizes(const Json& sizes, FigureMaker* maker) {
  static constexpr std::pair<const char*, const char*> kSizes[] = {
      {"disk", "table files, bytes a key"},
      {"memory", "memory with everything read, bytes a key"},
      {"memtable", "memtable, bytes a key"}};
  for (const auto& [what, title] : kSizes) {
    if (sizes.contains(what)) {
      maker->Add(title, "size", Figure::kCompared, sizes.at(what),
                 "times_as_good", [](const Json& result) {
                   return fmt::format("{:.2f}",
                                      Number(result.at("bytes_a_key")));
                 });
    }
  }
}

void AddWorkloads(const Json& workloads, FigureMaker* maker) {
  for (const Json& workload : workloads) {
    const bool wall = workload.at("clock") == "wall";
    const std::string unit = workload.at("unit").get<std::string>().substr(3);
    maker->Add(workload.at("name").get<std::string>() + ", " + unit +
                   (wall ? ", wall" : ""),
               wall ? "wall time" : "CPU time", Figure::kCompared,
               workload.at("results"), "times_as_good", [](const Json& result) {
                 return ShowNanos(result.at("median"));
               });
  }
  // Of the workloads that have the field `needed`, another figure.
  auto add = [&](const char* what, const char* group, Figure::Kind kind,
                 const char* needed, const char* times,
                 std::string (*show)(const Json&)) {
    for (const Json& workload : workloads) {
      const Json& results = workload.at("results");
      if (std::any_of(results.begin(), results.end(), [&](const Json& result) {
            return result.value(needed, Json(0)) != 0;
          })) {
        maker->Add(workload.at("name").get<std::string>() + ", " + what, group,
                   kind, results, times, show);
      }
    }
  };
  // What is measured in wall time takes CPU time as well, of all threads.
  add("all threads", "CPU time of all threads", Figure::kMore,
      "cpu_times_as_good", "cpu_times_as_good",
      [](const Json& result) { return ShowNanos(result.at("cpu")); });
  add("read from files", "bytes read from files", Figure::kCompared,
      "bytes_read", "bytes_read_times_as_good",
      [](const Json& result) { return ShowBytes(result.at("bytes_read")); });
  add("reads of files", "reads of files", Figure::kMore, "reads",
      "reads_times_as_good", [](const Json& result) {
        return fmt::format("{:.3f}", Number(result.at("reads")));
      });
}

void AddLatencies(const Json& workloads, FigureMaker* maker) {
  for (const Json& workload : workloads) {
    if (workload.at("results")[0].contains("latency")) {
      maker->Add(workload.at("name"), "latency, us: p50 / p99 / p99.9",
                 Figure::kDetail, workload.at("results"), nullptr,
                 [](const Json& result) {
                   const Json latency = result.value("latency", Json());
                   auto micros = [&latency](const char* name) {
                     return ShowDigits(Number(latency.at(name)) / 1000);
                   };
                   return latency.is_null()
                              ? ""
                              : micros("p50") + " / " + micros("p99") + " / " +
                                    micros("p999");
                 });
    }
  }
}

// Components in the order of their first appearance.
void AddComponents(const Json& all_sizes, FigureMaker* maker) {
  for (const auto& [what, sizes] : all_sizes.items()) {
    std::vector<std::string> names;
    for (const Json& size : sizes) {
      for (const Json& component : size.at("components")) {
        const std::string name = component.at("name");
        if (std::find(names.begin(), names.end(), name) == names.end()) {
          names.push_back(name);
        }
      }
    }
    for (const std::string& name : names) {
      maker->Add(what + ": " + name, "components, bytes a key", Figure::kDetail,
                 sizes, nullptr, [&name](const Json& size) {
                   for (const Json& component : size.at("components")) {
                     if (component.at("name") == name) {
                       return ShowDigits(Number(component.at("bytes")) /
                                         Number(size.at("records")));
                     }
                   }
                   return std::string();
                 });
    }
  }
}

// What the configuration at `place` does better than the first, worse, or not.
ReportTable Verdicts(const Json& document, const std::vector<Figure>& figures,
                     size_t place) {
  std::map<std::string, std::vector<std::string>> lists;
  for (const Figure& figure : figures) {
    const Json& times = figure.cells[place].times;
    if (figure.kind == Figure::kCompared && !times.is_null()) {
      lists[times.at("verdict")].push_back(
          figure.title.substr(0, figure.title.find(", ")));
    }
  }
  const Json& configs = document.at("configs");
  const std::string title = configs[place].at("name").get<std::string>() +
                            " against " +
                            configs[0].at("name").get<std::string>();
  ReportTable table = {title, {{title, ""}}};
  for (const char* verdict : {"better", "worse", "same"}) {
    table.rows.push_back(
        {verdict, lists[verdict].empty()
                      ? "nowhere"
                      : fmt::format("{}", fmt::join(lists[verdict], "; "))});
  }
  return table;
}

ReportTable Differing(const Json& document) {
  ReportTable table = {"ratios that differ", {{"", "then", "now"}}};
  for (const Json& one :
       Section(document, "agreement").value("differing", Json::array())) {
    auto times = [&one](const char* run) {
      return fmt::format("{:.2f}x", Number(one.at(run)));
    };
    table.rows.push_back({one.at("what").get<std::string>() + ", " +
                              one.at("config").get<std::string>(),
                          times("first"), times("second")});
  }
  return table;
}

// ---- Points of --scale and --delta -----------------------------------------

enum class As {
  kWhole,
  kTenths,
  kHundredths,
  kSeconds,
  kCount,
  kBytes,
  kNanos
};

std::string Show(const Json& value, As as) {
  switch (as) {
    case As::kWhole:
      return ShowWhole(value);
    case As::kTenths:
      return fmt::format("{:.1f}", Number(value));
    case As::kHundredths:
      return fmt::format("{:.2f}", Number(value));
    case As::kSeconds:
      return fmt::format("{:.2f} s", Number(value));
    case As::kCount:
      return ShowCount(Number(value));
    case As::kBytes:
      return ShowBytes(value);
    default:
      return ShowNanos(value);
  }
}

// What a column shows of a point: a field, or two.
struct Column {
  const char* title;
  As as;
  std::string field;
  const char* between = "";
  std::string second = {};
  bool may_lack = false;  // a report may have no such field; 0 is shown
};

void AddTitles(const std::vector<Column>& columns,
               std::vector<std::string>* row) {
  for (const Column& column : columns) {
    row->emplace_back(column.title);
  }
}

void AddPoint(const std::vector<Column>& columns, const Json& point,
              std::vector<std::string>* row) {
  for (const Column& column : columns) {
    row->push_back(Show(column.may_lack ? point.value(column.field, Json(0))
                                        : point.at(column.field),
                        column.as) +
                   column.between);
    if (!column.second.empty()) {
      row->back() += Show(point.at(column.second), column.as);
    }
  }
}

std::vector<ReportTable> ScaleTables(const Json& document, bool whole) {
  const bool limited = IsLimited(document);
  std::vector<Column> columns = {
      {"keys", As::kWhole, "keys"},
      {"files, B/key", As::kHundredths, "disk_bytes_a_key"},
      {"memory, B/key", As::kHundredths, "memory_bytes_a_key"},
      {"load, keys/s", As::kCount, "keys_a_second"},
      {"compact, s", As::kTenths, "compact_seconds"},
      {"open, s", As::kHundredths, "open_seconds"},
      {"scan, s", As::kTenths, "read_all_seconds"},
      {limited ? "get, wall" : "get, CPU", As::kNanos,
       LookUpField(document, "")},
      {"peak resident", As::kBytes, "peak_resident_bytes"}};
  if (whole) {
    columns.push_back({"load, s", As::kTenths, "load_seconds"});
    columns.push_back({"load, CPU s", As::kTenths, "load_cpu_seconds"});
    columns.push_back({"get p99", As::kNanos, "get_p99_nanos", "", {}, true});
  }
  if (limited) {
    columns.push_back({"read a get", As::kBytes, "get_bytes_read"});
  }
  ReportTable points = {"growth", {{"load"}}};
  AddTitles(columns, &points.rows[0]);
  ReportTable fits = {
      "extrapolated, bytes a key",
      {{"load", "of", "keys", "B/key", "by", "off by at most"}}};
  for (const Json& run : document.at("scale").at("runs")) {
    const std::string name = run.at("config").get<std::string>() + ", " +
                             run.at("order").get<std::string>();
    for (const Json& point : run.at("points")) {
      points.rows.push_back({name});
      AddPoint(columns, point, &points.rows.back());
    }
    for (const Json& fit : run.at("fits")) {
      fits.rows.push_back(
          {name, fit.at("of"), ShowWhole(fit.at("keys")),
           Show(fit.at("at"), As::kHundredths),
           fmt::format("{:.3g} * keys^{:.3f}", Number(fit.at("coefficient")),
                       Number(fit.at("exponent"))),
           Show(fit.at("largest_error"), As::kHundredths)});
    }
  }
  return {points, fits};
}

ReportTable MemtableSizeTable(const Json& document) {
  const bool limited = IsLimited(document);
  std::vector<Column> columns = {
      {"keys a second", As::kCount, "keys_a_second"},
      {"stalled", As::kSeconds, "stall_seconds"},
      {"flushes", As::kWhole, "flushes"},
      {"write amplification", As::kHundredths, "write_amplification"},
      {"CPU", As::kSeconds, "cpu_seconds"},
      {"entries of the delta", As::kCount, "delta_keys"},
      {"level 0", As::kWhole, "level0_files"},
      {limited ? "look-up by the wall, p99" : "look-up, p99", As::kNanos,
       LookUpField(document, ""), " / ", "get_p99_nanos"},
      {"settled", As::kNanos, LookUpField(document, "settled_"), " / ",
       "settled_get_p99_nanos"},
      {"settling", As::kSeconds, "settle_seconds"},
      {"memory", As::kBytes, "memory_bytes"},
      {"at most", As::kBytes, "peak_bytes"}};
  if (limited) {
    columns.push_back({"read a look-up; settled", As::kBytes, "get_bytes_read",
                       "; ", "settled_get_bytes_read"});
  }
  ReportTable table = {"size of the memtable", {{"memtable", ""}}};
  AddTitles(columns, &table.rows[0]);
  // Sizes first.
  const Json& runs = document.at("delta").at("runs");
  for (size_t i = 0; i < runs[0].at("points").size(); i++) {
    for (const Json& run : runs) {
      if (i < run.at("points").size()) {
        const Json& point = run.at("points")[i];
        table.rows.push_back(
            {ShowSize(point.at("write_buffer_size")), run.at("config")});
        AddPoint(columns, point, &table.rows.back());
      }
    }
  }
  return table;
}

// ---- Sentences -------------------------------------------------------------

// Of a configuration what it had at most, and what jemalloc says of that.
using LimitedBytes = std::map<std::string, std::pair<double, double>>;

LimitedBytes MostLimited(const Json& document) {
  LimitedBytes most;
  auto note = [&most](const Json& config, double limited, const Json& all) {
    auto& one = most[config.get<std::string>()];
    if (limited >= one.first) {
      one = {limited, Number(all)};
    }
  };
  for (const Json& memory :
       Section(document, "sizes").value("memory", Json::array())) {
    double limited = 0;
    for (const Json& component : memory.at("components")) {
      if (component.at("name") == "table readers" ||
          component.at("name") == "block cache") {
        limited += Number(component.at("bytes"));
      }
    }
    note(memory.at("config"), limited, memory.at("total"));
  }
  for (const char* section : {"scale", "delta"}) {
    for (const Json& run :
         Section(document, section).value("runs", Json::array())) {
      for (const Json& point : run.at("points")) {
        for (const std::string prefix : {"", "settled_"}) {
          if (point.contains(prefix + "block_cache_bytes")) {
            note(run.at("config"),
                 Number(point.at(prefix + "block_cache_bytes")) +
                     Number(point.at(prefix + "table_reader_bytes")),
                 0);
          }
        }
      }
    }
  }
  return most;
}

std::string LimitSentence(const Json& document) {
  const LimitedBytes most = MostLimited(document);
  std::vector<std::string> parts;
  for (const Json& config : document.at("configs")) {
    const auto found = most.find(config.at("name"));
    if (found != most.end()) {
      const auto& [limited, all] = found->second;
      parts.push_back(ShowBytes(limited) + " in " + found->first);
      if (all != 0) {
        parts.back() += " (all of it " + ShowBytes(all) + " by jemalloc)";
      }
    }
  }
  return parts.empty()
             ? ""
             : fmt::format(
                   "Of a limit of {}, table readers and block cache had {}.",
                   ShowBytes(document.at("settings").at("memory_limit")),
                   fmt::join(parts, ", "));
}

std::string AgreementSentence(const Json& agreement) {
  return fmt::format(
             "{} of {} ratios agree within {:.0f} % with those of a run "
             "before, of {}",
             ShowWhole(agreement.at("agree")),
             ShowWhole(agreement.at("ratios")),
             100 * Number(agreement.at("within")),
             agreement.at("with").get<std::string>()) +
         (agreement.at("ratios") == 0
              ? "."
              : fmt::format("; the largest difference is {:.0f} % ({}).",
                            100 * Number(agreement.at("largest_difference")),
                            agreement.at("largest_of").get<std::string>()));
}

}  // namespace

std::string LookUpField(const Json& document, const std::string& prefix) {
  return prefix + (IsLimited(document) ? "get_wall_nanos" : "get_cpu_nanos");
}

std::string Figure::Cell::Verdict() const {
  if (times.is_null()) {
    return "";
  }
  const double factor = Number(times.at("median"));
  const std::string verdict = times.at("verdict");
  return verdict == "same"
             ? fmt::format("same ({:.2f}x)", factor)
             : fmt::format("{:.2f}x {}", factor < 1 ? 1 / factor : factor,
                           verdict == "better" ? "better" : "WORSE");
}

std::vector<Figure> FiguresOf(const Json& document) {
  FigureMaker maker(document);
  AddSizes(Section(document, "sizes"), &maker);
  AddWorkloads(WorkloadsOf(document), &maker);
  AddLatencies(WorkloadsOf(document), &maker);
  AddComponents(Section(document, "sizes"), &maker);
  return std::move(maker.figures);
}

std::vector<ReportTable> TablesOf(const Json& document) {
  const std::vector<Figure> figures = FiguresOf(document);
  const Json& configs = document.at("configs");
  std::vector<ReportTable> tables;
  for (size_t i = 0; i < figures.size(); i++) {
    const Figure& figure = figures[i];
    if (i == 0 || figure.group != figures[i - 1].group) {
      tables.push_back({figure.group, {{figure.group}}});
      for (const Json& config : configs) {
        tables.back().rows[0].push_back(config.at("name"));
      }
    }
    std::vector<std::string> row = {figure.title};
    for (const Figure::Cell& cell : figure.cells) {
      row.push_back(cell.shown.empty() ? "-" : cell.shown + cell.spread);
      if (figure.kind != Figure::kDetail && row.size() > 2 &&
          !cell.shown.empty()) {
        row.back() += fmt::format("  {:<13}", cell.Verdict());
      }
    }
    tables.back().rows.push_back(std::move(row));
  }
  for (size_t place = 1; !figures.empty() && place < configs.size(); place++) {
    tables.push_back(Verdicts(document, figures, place));
  }
  for (const ReportTable& table : PointTables(document, true)) {
    tables.push_back(table);
  }
  const ReportTable differing = Differing(document);
  if (differing.rows.size() > 1) {
    tables.push_back(differing);
  }
  return tables;
}

std::vector<ReportTable> PointTables(const Json& document, bool whole) {
  std::vector<ReportTable> tables;
  if (document.contains("scale")) {
    tables = ScaleTables(document, whole);
  }
  if (document.contains("delta")) {
    tables.push_back(MemtableSizeTable(document));
  }
  return tables;
}

std::vector<std::string> SentencesOf(const Json& document) {
  std::vector<std::string> sentences;
  const std::string limit =
      IsLimited(document) ? LimitSentence(document) : std::string();
  if (!limit.empty()) {
    sentences.push_back(limit);
  }
  if (document.contains("agreement")) {
    sentences.push_back(AgreementSentence(document.at("agreement")));
  }
  return sentences;
}

}  // namespace memkv
