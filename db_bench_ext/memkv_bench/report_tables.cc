// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "db_bench_ext/memkv_bench/report.h"

namespace memkv {

namespace {

double Number(const Json& json) { return json.get<double>(); }

// Three significant digits.
std::string Digits(double value) {
  return fmt::format("{:.{}f}", value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

std::string Scaled(double value, std::initializer_list<const char*> units) {
  auto unit = units.begin();
  for (; value >= 1000 && unit + 1 < units.end(); ++unit) {
    value /= 1000;
  }
  return Digits(value) + (**unit == '\0' ? "" : " ") + *unit;
}

bool IsCompared(const Json& result) {
  return result.contains("times_as_good") &&
         !result.at("times_as_good").is_null();
}

// A row a figure, a column a configuration; cells where there is nothing are -.
class ConfigTable {
 public:
  ConfigTable(const Json& document, const std::string& title)
      : table_{title, {{title}}} {
    for (const Json& config : document.at("configs")) {
      table_.rows[0].push_back(config.at("name"));
    }
  }

  template <typename Cell>
  void Add(const std::string& title, const Json& results, const Cell& cell) {
    const std::vector<std::string>& names = table_.rows[0];
    std::vector<std::string> row(names.size(), "-");
    row[0] = title;
    for (const Json& result : results) {
      const auto name =
          std::find(names.begin() + 1, names.end(), result.at("config"));
      if (name != names.end()) {
        row[static_cast<size_t>(name - names.begin())] = cell(result);
      }
    }
    table_.rows.push_back(row);
  }

  void AddTo(std::vector<ReportTable>* tables) const {
    if (table_.rows.size() > 1) {
      tables->push_back(table_);
    }
  }

 private:
  ReportTable table_;
};

void AddFigures(const Json& document, std::vector<ReportTable>* tables) {
  const std::vector<Figure> figures = FiguresOf(document);
  for (size_t i = 0; i < figures.size();) {
    const std::string& group = figures[i].group;
    ConfigTable table(document, group);
    for (; i < figures.size() && figures[i].group == group; i++) {
      table.Add(figures[i].title, figures[i].results, [&](const Json& result) {
        std::string cell = figures[i].show(result);
        if (group == "wall time" || group == "CPU time") {
          cell += fmt::format(" {:3.0f}%", 100 * Number(result.at("spread")));
        }
        const bool first = PlaceOf(document, result.at("config")) == 0;
        return first ? cell
                     : fmt::format("{}  {:<13}", cell, ShowComparison(result));
      });
    }
    table.AddTo(tables);
  }
}

void AddLatencies(const Json& document, std::vector<ReportTable>* tables) {
  ConfigTable table(document, "latency, us: p50 / p99 / p99.9");
  for (const Json& workload : document.value("workloads", Json::array())) {
    if (workload.at("results")[0].contains("latency")) {
      table.Add(
          workload.at("name"), workload.at("results"), [](const Json& result) {
            const Json latency = result.value("latency", Json());
            auto micros = [&latency](const char* name) {
              return Digits(Number(latency.at(name)) / 1000);
            };
            return latency.is_null() ? "-"
                                     : micros("p50") + " / " + micros("p99") +
                                           " / " + micros("p999");
          });
    }
  }
  table.AddTo(tables);
}

// Components in the order of their first appearance.
void AddComponents(const Json& document, std::vector<ReportTable>* tables) {
  ConfigTable table(document, "components, bytes a key");
  for (const auto& [what, sizes] :
       document.value("sizes", Json::object()).items()) {
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
      table.Add(what + ": " + name, sizes, [&name](const Json& size) {
        for (const Json& component : size.at("components")) {
          if (component.at("name") == name) {
            return Digits(Number(component.at("bytes")) /
                          Number(size.at("records")));
          }
        }
        return std::string("-");
      });
    }
  }
  table.AddTo(tables);
}

void AddVerdicts(const Json& document, std::vector<ReportTable>* tables) {
  std::map<std::pair<size_t, std::string>, std::string> lists;
  for (const Figure& figure : FiguresOf(document)) {
    for (const Json& result : figure.results) {
      if (IsCompared(result) && figure.group != kAllThreads &&
          figure.group != kReads) {
        std::string& list = lists[{PlaceOf(document, result.at("config")),
                                   result.at("times_as_good").at("verdict")}];
        list += (list.empty() ? "" : "; ") +
                figure.title.substr(0, figure.title.find(", "));
      }
    }
  }
  for (size_t place = 1; place < document.at("configs").size(); place++) {
    const std::string name = document.at("configs")[place].at("name");
    ReportTable table = {
        name + " against " +
            document.at("configs")[0].at("name").get<std::string>(),
        {}};
    table.rows.push_back({table.title, ""});
    for (const char* verdict : {"better", "worse", "same"}) {
      const std::string& list = lists[{place, verdict}];
      table.rows.push_back({verdict, list.empty() ? "nowhere" : list});
    }
    if (!lists.empty()) {
      tables->push_back(table);
    }
  }
}

void AddDiffering(const Json& document, std::vector<ReportTable>* tables) {
  ReportTable table = {"ratios that differ", {{"", "then", "now"}}};
  for (const Json& one : document.value("agreement", Json::object())
                             .value("differing", Json::array())) {
    auto times = [&one](const char* run) {
      return fmt::format("{:.2f}x", Number(one.at(run)));
    };
    table.rows.push_back({one.at("what").get<std::string>() + ", " +
                              one.at("config").get<std::string>(),
                          times("first"), times("second")});
  }
  if (table.rows.size() > 1) {
    tables->push_back(table);
  }
}

}  // namespace

std::string ShowNanos(double nanos) {
  return Scaled(nanos, {"ns", "us", "ms", "s"});
}
std::string ShowBytes(double bytes) {
  return Scaled(bytes, {"B", "kB", "MB", "GB", "TB"});
}
std::string ShowCount(double count) {
  return Scaled(count, {"", "K", "M", "G"});
}

std::string ShowWhole(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string ShowSize(uint64_t bytes) {
  return bytes % (1 << 30) == 0   ? std::to_string(bytes >> 30) + " GB"
         : bytes % (1 << 20) == 0 ? std::to_string(bytes >> 20) + " MB"
                                  : std::to_string(bytes >> 10) + " kB";
}

std::string ShowComparison(const Json& result) {
  if (!IsCompared(result)) {
    return "";
  }
  const double times = Number(result.at("times_as_good").at("median"));
  const std::string verdict = result.at("times_as_good").at("verdict");
  return verdict == "same"
             ? fmt::format("same ({:.2f}x)", times)
             : fmt::format("{:.2f}x {}", times < 1 ? 1 / times : times,
                           verdict == "better" ? "better" : "WORSE");
}

size_t PlaceOf(const Json& document, const Json& config) {
  const Json& configs = document.at("configs");
  size_t place = 0;
  while (place < configs.size() && configs[place].at("name") != config) {
    place++;
  }
  return place;
}

bool IsLimited(const Json& document) {
  return document.at("settings").at("memory_limit") > 0;
}

std::string LookUpField(const Json& document, const std::string& prefix) {
  return prefix + (IsLimited(document) ? "get_wall_nanos" : "get_cpu_nanos");
}

std::vector<Figure> FiguresOf(const Json& document) {
  std::vector<Figure> figures;
  static constexpr std::pair<const char*, const char*> kSizes[] = {
      {"disk", "table files, bytes a key"},
      {"memory", "memory with everything read, bytes a key"},
      {"memtable", "memtable, bytes a key"}};
  const Json sizes = document.value("sizes", Json::object());
  for (const auto& [what, title] : kSizes) {
    if (sizes.contains(what)) {
      figures.push_back({title, "size", sizes.at(what), [](const Json& result) {
                           return fmt::format("{:.2f}",
                                              Number(result.at("bytes_a_key")));
                         }});
    }
  }
  const Json workloads = document.value("workloads", Json::array());
  for (const Json& workload : workloads) {
    const bool wall = workload.at("clock") == "wall";
    figures.push_back(
        {workload.at("name").get<std::string>() + ", " +
             workload.at("unit").get<std::string>().substr(3) +
             (wall ? ", wall" : ""),
         wall ? "wall time" : "CPU time", workload.at("results"),
         [](const Json& result) { return ShowNanos(result.at("median")); }});
  }
  // Of the workloads that have the field `needed`, another figure.
  auto add = [&](const char* what, const char* group, const char* needed,
                 const char* times, std::string (*show)(const Json&)) {
    for (const Json& workload : workloads) {
      Json results = workload.at("results");
      bool any = false;
      for (Json& result : results) {
        any = any || result.value(needed, Json(0)) != 0;
        result["times_as_good"] = result.value(times, Json());
      }
      if (any) {
        figures.push_back({workload.at("name").get<std::string>() + ", " + what,
                           group, results, show});
      }
    }
  };
  // What is measured in wall time takes CPU time as well, of all threads.
  add("all threads", kAllThreads, "cpu_times_as_good", "cpu_times_as_good",
      [](const Json& result) { return ShowNanos(result.at("cpu")); });
  add("read from files", "bytes read from files", "bytes_read",
      "bytes_read_times_as_good",
      [](const Json& result) { return ShowBytes(result.at("bytes_read")); });
  add("reads of files", kReads, "reads", "reads_times_as_good",
      [](const Json& result) {
        return fmt::format("{:.3f}", Number(result.at("reads")));
      });
  return figures;
}

std::vector<ReportTable> TablesOf(const Json& document) {
  std::vector<ReportTable> tables;
  AddFigures(document, &tables);
  AddLatencies(document, &tables);
  AddComponents(document, &tables);
  AddVerdicts(document, &tables);
  for (const ReportTable& table : PointTables(document, true)) {
    tables.push_back(table);
  }
  AddDiffering(document, &tables);
  return tables;
}

std::string LimitSentence(const Json& document) {
  if (!IsLimited(document)) {
    return "";
  }
  // Of each configuration what it had at most, and what jemalloc says of that.
  std::map<std::string, std::pair<double, double>> most;
  auto note = [&most](const Json& config, double limited, double all) {
    auto& one = most[config.get<std::string>()];
    if (limited >= one.first) {
      one = {limited, all};
    }
  };
  for (const Json& memory :
       document.value("sizes", Json::object()).value("memory", Json::array())) {
    double limited = 0;
    for (const Json& component : memory.at("components")) {
      if (component.at("name") == "table readers" ||
          component.at("name") == "block cache") {
        limited += Number(component.at("bytes"));
      }
    }
    note(memory.at("config"), limited, Number(memory.at("total")));
  }
  for (const char* section : {"scale", "delta"}) {
    for (const Json& run :
         document.value(section, Json::object()).value("runs", Json::array())) {
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
  std::string text;
  for (const Json& config : document.at("configs")) {
    const std::string name = config.at("name");
    if (most.count(name) == 0) {
      continue;
    }
    const auto& [limited, all] = most[name];
    text += fmt::format("{}{} in {}", text.empty() ? "" : ", ",
                        ShowBytes(limited), name);
    text += all == 0
                ? ""
                : fmt::format(" (all of it {} by jemalloc)", ShowBytes(all));
  }
  return text.empty()
             ? ""
             : fmt::format(
                   "Of a limit of {}, table readers and block cache had {}.",
                   ShowBytes(document.at("settings").at("memory_limit")), text);
}

std::string AgreementSentence(const Json& document) {
  if (!document.contains("agreement")) {
    return "";
  }
  const Json& agreement = document.at("agreement");
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

}  // namespace memkv
