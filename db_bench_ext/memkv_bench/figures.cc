// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "db_bench_ext/common/format.h"
#include "db_bench_ext/memkv_bench/report.h"

namespace memkv {

namespace {

using Show = std::string (*)(const Json&);

double Number(const Json& json) { return json.get<double>(); }
std::string Text(const Json& json) { return json.get<std::string>(); }

std::string Whole(const Json& value) { return ShowWhole(value); }
template <int digits>
std::string Fixed(const Json& value) {
  return fmt::format("{:.{}f}", Number(value), digits);
}
std::string Seconds(const Json& value) { return Fixed<2>(value) + " s"; }
std::string Times(const Json& value) { return Fixed<2>(value) + "x"; }
std::string Count(const Json& value) { return ShowCount(value); }
std::string Bytes(const Json& value) { return ShowBytes(value); }
std::string Nanos(const Json& value) { return ShowNanos(value); }
std::string Percentiles(const Json& latency) {
  auto micros = [&latency](const char* name) {
    return ShowDigits(Number(latency.at(name)) / 1000);
  };
  return micros("p50") + " / " + micros("p99") + " / " + micros("p999");
}

bool IsLimited(const Json& document) {
  return document.at("settings").at("memory_limit") > 0;
}

// Those of a section, none if the report does not have it.
Json Section(const Json& document, const char* name) {
  return document.value(name, Json::object());
}
Json List(const Json& document, const char* name) {
  return document.value(name, Json::array());
}

// Makes figures, with a cell of each result at the place of its configuration.
class FigureMaker {
 public:
  explicit FigureMaker(const Json& document)
      : configs_(document.at("configs")) {}

  // `times`: the field of the comparison.
  template <typename ShowResult>
  void Add(const std::string& title, const std::string& group,
           Figure::Kind kind, const Json& results, const char* times,
           const ShowResult& show) {
    Figure figure = {title, group, kind, {}};
    for (const Json& config : configs_) {
      Figure::Cell cell;
      for (const Json& result : results) {
        if (result.at("config") == config.at("name")) {
          cell.shown = show(result);
          cell.times = result.value(times, Json());
          cell.spread =
              fmt::format(" {:3.0f}%", 100 * result.value("spread", 0.0));
        }
      }
      figure.cells.push_back(cell);
    }
    figures.push_back(std::move(figure));
  }

  std::vector<Figure> figures;

 private:
  const Json& configs_;
};

void AddSizes(const Json& sizes, FigureMaker* maker) {
  for (const auto& [what, title] :
       {std::make_pair("disk", "table files, bytes a key"),
        std::make_pair("memory", "memory with everything read, bytes a key"),
        std::make_pair("memtable", "memtable, bytes a key")}) {
    if (sizes.contains(what)) {
      maker->Add(title, "size", Figure::kCompared, sizes.at(what),
                 "times_as_good", [](const Json& result) {
                   return Fixed<2>(result.at("bytes_a_key"));
                 });
    }
  }
}

// Beside its time, what is shown of a workload that has the field `needed`.
// What is measured in wall time takes CPU time as well, of all threads.
constexpr struct {
  const char* what;  // behind the workload's name
  const char* group;
  Figure::Kind kind;
  const char* needed;
  const char* times;
  const char* field;
  Show show;
} kMoreOfWorkloads[] = {
    {", all threads", "CPU time of all threads", Figure::kMore,
     "cpu_times_as_good", "cpu_times_as_good", "cpu", Nanos},
    {", written to table files", "bytes written to table files", Figure::kMore,
     "bytes_written", "bytes_written_times_as_good", "bytes_written", Bytes},
    {", write amplification", "write amplification", Figure::kMore,
     "write_amplification", "none", "write_amplification", Fixed<2>},
    {", read from files", "bytes read from files", Figure::kCompared,
     "bytes_read", "bytes_read_times_as_good", "bytes_read", Bytes},
    {", reads of files", "reads of files", Figure::kMore, "reads",
     "reads_times_as_good", "reads", Fixed<3>},
    {"", "latency, us: p50 / p99 / p99.9", Figure::kDetail, "latency", "none",
     "latency", Percentiles}};

void AddWorkloads(const Json& workloads, FigureMaker* maker) {
  for (const Json& workload : workloads) {
    const bool wall = workload.at("clock") == "wall";
    maker->Add(Text(workload.at("name")) + ", " +
                   Text(workload.at("unit")).substr(3) + (wall ? ", wall" : ""),
               wall ? "wall time" : "CPU time", Figure::kCompared,
               workload.at("results"), "times_as_good",
               [](const Json& result) { return Nanos(result.at("median")); });
  }
  for (const auto& more : kMoreOfWorkloads) {
    for (const Json& workload : workloads) {
      const Json& results = workload.at("results");
      if (std::any_of(results.begin(), results.end(), [&](const Json& result) {
            return result.value(more.needed, Json(0)) != 0;
          })) {
        maker->Add(Text(workload.at("name")) + more.what, more.group, more.kind,
                   results, more.times, [&](const Json& result) {
                     return result.contains(more.field)
                                ? more.show(result.at(more.field))
                                : "";
                   });
      }
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
                 sizes, "none", [&name](const Json& size) {
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
  const std::string title = Text(configs[place].at("name")) + " against " +
                            Text(configs[0].at("name"));
  ReportTable table = {title, {{title, ""}}};
  for (const char* verdict : {"better", "worse", "same"}) {
    table.rows.push_back(
        {verdict, lists[verdict].empty()
                      ? "nowhere"
                      : fmt::format("{}", fmt::join(lists[verdict], "; "))});
  }
  return table;
}

// What figures depend on.
ReportTable HowMeasured(const Json& document) {
  const std::string title = "How it was measured";
  ReportTable table = {title, {{title, ""}}};
  auto add = [&table](const std::string& name, const std::string& what) {
    table.rows.push_back({name, what});
  };
  const Json& settings = document.at("settings");
  add("command", Text(document.at("command")));
  add("date", Text(document.at("created")));
  add("machine", MachineSentence(document));
  add("kernel", Text(document.at("machine").at("kernel")));
  add("settings",
      fmt::format(
          "{} repeats, {} threads, {} look-ups a workload, memory limit "
          "{}, seed {}",
          settings.at("repeat").dump(), settings.at("threads").dump(),
          Whole(settings.at("ops")),
          IsLimited(document) ? Bytes(settings.at("memory_limit")) : "none",
          settings.at("seed").dump()));
  // A run can be stopped before the keys are known.
  const Json& keys = document.at("keys");
  if (!keys.is_null()) {
    const double count = std::max(1.0, Number(keys.at("count")));
    add("keys", Text(keys.at("description")));
    add("of them",
        fmt::format("{}, {:.1f} bytes long, {:.1f} shared with the neighbour; "
                    "values of {:.1f} bytes",
                    Whole(keys.at("count")), Number(keys.at("mean_length")),
                    Number(keys.at("mean_shared_prefix")),
                    Number(keys.at("value_bytes")) / count));
  }
  for (const Json& config : document.at("configs")) {
    add(config.at("name"), config.at("options"));
  }
  return table;
}

// ---- Points of --scale and --delta -----------------------------------------

// What a column shows of a point: a field, or two.
struct Column {
  const char* title;
  Show show;
  std::string field;
  const char* between = "";
  std::string second = {};
  bool may_lack = false;  // a report may have no such field; 0 is shown
};

// Begins a table with the titles `row`, and those of the columns.
ReportTable TableOf(const std::string& title, std::vector<std::string> row,
                    const std::vector<Column>& columns) {
  for (const Column& column : columns) {
    row.emplace_back(column.title);
  }
  return {title, {std::move(row)}};
}

void AddPoint(std::vector<std::string> row, const std::vector<Column>& columns,
              const Json& point, ReportTable* table) {
  for (const Column& column : columns) {
    row.push_back(column.show(column.may_lack
                                  ? point.value(column.field, Json(0))
                                  : point.at(column.field)) +
                  column.between);
    if (!column.second.empty()) {
      row.back() += column.show(point.at(column.second));
    }
  }
  table->rows.push_back(std::move(row));
}

std::vector<ReportTable> ScaleTables(const Json& document, bool whole) {
  const bool limited = IsLimited(document);
  std::vector<Column> columns = {
      {"keys", Whole, "keys"},
      {"files, B/key", Fixed<2>, "disk_bytes_a_key"},
      {"memory, B/key", Fixed<2>, "memory_bytes_a_key"},
      {"load, keys/s", Count, "keys_a_second"},
      {"compact, s", Fixed<1>, "compact_seconds"},
      {"open, s", Fixed<2>, "open_seconds"},
      {"scan, s", Fixed<1>, "read_all_seconds"},
      {limited ? "get, wall" : "get, CPU", Nanos, LookUpField(document, "")},
      {"peak resident", Bytes, "peak_resident_bytes"}};
  if (whole) {
    columns.push_back({"load, s", Fixed<1>, "load_seconds"});
    columns.push_back({"load, CPU s", Fixed<1>, "load_cpu_seconds"});
    columns.push_back({"get p99", Nanos, "get_p99_nanos", "", {}, true});
  }
  if (limited) {
    columns.push_back({"read a get", Bytes, "get_bytes_read"});
  }
  ReportTable points = TableOf("growth", {"load"}, columns);
  ReportTable fits =
      TableOf("extrapolated, bytes a key",
              {"load", "of", "keys", "B/key", "by", "off by at most"}, {});
  for (const Json& run : document.at("scale").at("runs")) {
    const std::string name =
        Text(run.at("config")) + ", " + Text(run.at("order"));
    for (const Json& point : run.at("points")) {
      AddPoint({name}, columns, point, &points);
    }
    for (const Json& fit : run.at("fits")) {
      fits.rows.push_back(
          {name, fit.at("of"), Whole(fit.at("keys")), Fixed<2>(fit.at("at")),
           fmt::format("{:.3g} * keys^{:.3f}", Number(fit.at("coefficient")),
                       Number(fit.at("exponent"))),
           Fixed<2>(fit.at("largest_error"))});
    }
  }
  return {points, fits};
}

ReportTable MemtableSizeTable(const Json& document) {
  const bool limited = IsLimited(document);
  std::vector<Column> columns = {
      {"keys a second", Count, "keys_a_second"},
      {"stalled", Seconds, "stall_seconds"},
      {"flushes", Whole, "flushes"},
      {"write amplification", Fixed<2>, "write_amplification"},
      {"CPU", Seconds, "cpu_seconds"},
      {"entries of the delta", Count, "delta_keys"},
      {"level 0", Whole, "level0_files"},
      {limited ? "look-up by the wall, p99" : "look-up, p99", Nanos,
       LookUpField(document, ""), " / ", "get_p99_nanos"},
      {"settled", Nanos, LookUpField(document, "settled_"), " / ",
       "settled_get_p99_nanos"},
      {"settling", Seconds, "settle_seconds"},
      {"memory", Bytes, "memory_bytes"},
      {"at most", Bytes, "peak_bytes"}};
  if (limited) {
    columns.push_back({"read a look-up; settled", Bytes, "get_bytes_read", "; ",
                       "settled_get_bytes_read"});
  }
  ReportTable table =
      TableOf("size of the memtable", {"memtable", ""}, columns);
  // Sizes first.
  const Json& runs = document.at("delta").at("runs");
  for (size_t i = 0; i < runs[0].at("points").size(); i++) {
    for (const Json& run : runs) {
      if (i < run.at("points").size()) {
        const Json& point = run.at("points")[i];
        AddPoint({ShowSize(point.at("write_buffer_size")), run.at("config")},
                 columns, point, &table);
      }
    }
  }
  return table;
}

// Beside each figure how many times as good it is as the baseline's.
ReportTable MemoryTable(const Json& document) {
  const Json& memory = document.at("memory");
  const bool direct = memory.at("direct_reads");
  struct Shown {
    std::string title;
    Show show;
    std::string field;
  };
  std::vector<Shown> columns = {
      {"memory, B/key", Fixed<2>, "memory_bytes_a_key"},
      {"files, B/key", Fixed<2>, "disk_bytes_a_key"}};
  for (const std::string workload :
       {"get", "miss", "multiget", "seek", "scan"}) {
    columns.push_back({workload + (direct ? ", wall" : ", CPU"), Nanos,
                       workload + (direct ? "_wall_nanos" : "_cpu_nanos")});
  }
  columns.push_back({"reads a get", Fixed<3>, "get_reads"});
  columns.push_back({"reads a miss", Fixed<3>, "miss_reads"});
  ReportTable table = {direct ? "by memory, files read past the page cache"
                              : "by memory, files in the page cache",
                       {{"block cache", ""}}};
  for (const Shown& column : columns) table.rows[0].push_back(column.title);
  // Capacities first.
  const Json& runs = memory.at("runs");
  for (size_t i = 0; i < runs[0].at("points").size(); i++) {
    const Json& first = runs[0].at("points")[i];
    for (const Json& run : runs) {
      const Json& point = run.at("points")[i];
      std::vector<std::string> row = {ShowSize(point.at("block_cache_size")),
                                      run.at("config")};
      for (const Shown& column : columns) {
        const double own = Number(point.at(column.field));
        const double base = Number(first.at(column.field));
        row.push_back(column.show(own));
        if (&run != &runs[0] && own > 0 && base > 0) {
          row.back() += " (" + Times(base / own) + ")";
        }
      }
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

// ---- Sentences -------------------------------------------------------------

std::string LimitSentence(const Json& document) {
  // Of a configuration what it had at most, and what jemalloc says of that.
  std::map<std::string, std::pair<double, double>> most;
  auto note = [&most](const Json& config, double limited, double all) {
    auto& one = most[Text(config)];
    one = limited >= one.first ? std::make_pair(limited, all) : one;
  };
  for (const Json& memory : List(Section(document, "sizes"), "memory")) {
    double limited = 0;
    for (const Json& component : memory.at("components")) {
      const bool counts = component.at("name") == "table readers" ||
                          component.at("name") == "block cache";
      limited += counts ? Number(component.at("bytes")) : 0;
    }
    note(memory.at("config"), limited, Number(memory.at("total")));
  }
  for (const char* section : {"scale", "delta"}) {
    for (const Json& run : List(Section(document, section), "runs")) {
      for (const Json& point : run.at("points")) {
        for (const std::string prefix : {"", "settled_"}) {
          note(run.at("config"),
               point.value(prefix + "block_cache_bytes", 0.0) +
                   point.value(prefix + "table_reader_bytes", 0.0),
               0);
        }
      }
    }
  }
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
                   Bytes(document.at("settings").at("memory_limit")),
                   fmt::join(parts, ", "));
}

std::string AgreementSentence(const Json& agreement) {
  const std::string sentence = fmt::format(
      "{} of {} ratios agree within {:.0f} % with those of a run before, of {}",
      Whole(agreement.at("agree")), Whole(agreement.at("ratios")),
      100 * Number(agreement.at("within")), Text(agreement.at("with")));
  return agreement.at("ratios") == 0
             ? sentence + "."
             : fmt::format("{}; the largest difference is {:.0f} % ({}).",
                           sentence,
                           100 * Number(agreement.at("largest_difference")),
                           Text(agreement.at("largest_of")));
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
  AddWorkloads(List(document, "workloads"), &maker);
  AddComponents(Section(document, "sizes"), &maker);
  return std::move(maker.figures);
}

std::vector<ReportTable> TablesOf(const Json& document) {
  const std::vector<Figure> figures = FiguresOf(document);
  const Json& configs = document.at("configs");
  std::vector<ReportTable> tables;
  std::string group;
  for (const Figure& figure : figures) {
    if (figure.group != group) {
      group = figure.group;
      tables.push_back({group, {{group}}});
      for (const Json& config : configs) {
        tables.back().rows[0].push_back(config.at("name"));
      }
    }
    const bool is_time = group == "wall time" || group == "CPU time";
    std::vector<std::string> row = {figure.title};
    for (const Figure::Cell& cell : figure.cells) {
      row.push_back(cell.shown.empty() ? "-" : cell.shown);
      if (!cell.shown.empty() && is_time) {
        row.back() += cell.spread;
      }
      if (!cell.shown.empty() && figure.kind != Figure::kDetail &&
          row.size() > 2) {
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
  ReportTable differing = {"ratios that differ", {{"", "then", "now"}}};
  for (const Json& one : List(Section(document, "agreement"), "differing")) {
    differing.rows.push_back(
        {Text(one.at("what")) + ", " + Text(one.at("config")),
         Times(one.at("first")), Times(one.at("second"))});
  }
  if (differing.rows.size() > 1) {
    tables.push_back(differing);
  }
  ReportTable questions = {"Questions", {{"Questions"}}};
  for (const Json& line : List(document, "questions")) {
    questions.rows.push_back({line});
  }
  if (questions.rows.size() > 1) {
    tables.push_back(questions);
  }
  tables.push_back(HowMeasured(document));
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
  if (document.contains("memory")) {
    tables.push_back(MemoryTable(document));
  }
  return tables;
}

std::string MachineSentence(const Json& document) {
  const Json& machine = document.at("machine");
  const std::string kernels = machine.value("kernels", "");
  return fmt::format(
      "{}, {} CPUs, {}, {}{}, RocksDB {}, {}", Text(machine.at("cpu")),
      machine.at("cpus").dump(), Bytes(machine.at("memory_bytes")),
      Text(machine.at("compiler")),
      kernels.empty() ? "" : ", " + kernels + " kernels",
      Text(document.at("rocksdb")), Text(document.at("created")).substr(0, 10));
}

std::vector<std::string> SentencesOf(const Json& document) {
  std::vector<std::string> sentences;
  if (!document.at("complete").get<bool>()) {
    sentences.emplace_back(
        "The run was stopped: this is what had been measured.");
  }
  const std::string limit = IsLimited(document) ? LimitSentence(document) : "";
  if (!limit.empty()) {
    sentences.push_back(limit);
  }
  if (document.contains("agreement")) {
    sentences.push_back(AgreementSentence(document.at("agreement")));
  }
  return sentences;
}

}  // namespace memkv
