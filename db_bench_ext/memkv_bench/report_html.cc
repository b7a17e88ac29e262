// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "db_bench_ext/memkv_bench/report.h"
#include "db_bench_ext/memkv_bench/svg.h"

namespace memkv {

using Json = nlohmann::ordered_json;

namespace {

constexpr double kWidth = 1080;
constexpr double kLabels = 250;  // left of a chart
constexpr double kRowHeight = 22;

constexpr char kAllThreads[] = "CPU time, all threads";
constexpr char kFromFiles[] = "bytes read from files";
constexpr char kBetter[] = "#1a7f37";
constexpr char kWorse[] = "#cf222e";
constexpr char kSame[] = "#8c959f";
// Of a component in a stack; that of the baseline comes last.
const char* ComponentColour(size_t which) { return ChartColour(which + 1); }

constexpr char kHead[] = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>memkv_bench</title><style>
body{font:15px/1.45 system-ui,"DejaVu Sans",sans-serif;color:#1f2328;background:#fff;max-width:1080px;margin:24px auto;padding:0 20px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:34px 0 4px}
p{margin:4px 0 10px}.quiet{color:#59636e}.stopped{background:#fff1e5;border:1px solid #d4a72c;padding:8px 12px}
table{border-collapse:collapse;font-size:13px;width:100%}
th,td{padding:3px 8px;text-align:right;border-bottom:1px solid #d1d9e0}th:first-child,td:first-child{text-align:left}
.better{color:#1a7f37;font-weight:600}.worse{color:#cf222e;font-weight:600}.same{color:#59636e}
code{font:12px/1.4 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
svg{max-width:100%;height:auto;display:block}svg text{font:13px system-ui,"DejaVu Sans",sans-serif;fill:#1f2328}
dl{display:grid;grid-template-columns:130px 1fr;gap:2px 12px;margin:4px 0}dt{color:#59636e}dd{margin:0}
</style></head><body>
)";

std::string Text(const Json& value) { return value.get<std::string>(); }

// A name and times_as_good: one bar of the first chart.
struct Bar {
  std::string name;
  std::string group;
  std::string absolute;
  Json times;
};

std::vector<Bar> BarsOf(const Json& document, const std::string& config) {
  std::vector<Bar> bars;
  auto add = [&](const std::string& name, const std::string& group,
                 const Json& results, auto show) {
    const Json* baseline = nullptr;
    for (const Json& result : results) {
      if (result.at("config") == document.at("configs")[0].at("name")) {
        baseline = &result;
      }
      if (result.at("config") == config && result.contains("times_as_good") &&
          !result.at("times_as_good").is_null() && baseline != nullptr) {
        bars.push_back({name, group, show(*baseline) + " → " + show(result),
                        result.at("times_as_good")});
      }
    }
  };
  auto bytes = [](const Json& result) {
    return ShowBytes(result.at("bytes_a_key"));
  };
  if (document.contains("sizes")) {
    const Json& sizes = document.at("sizes");
    for (const auto& [what, title] :
         {std::make_pair("disk", "table files, a key"),
          std::make_pair("memory", "memory, all read, a key"),
          std::make_pair("memtable", "memtable, an entry")}) {
      if (sizes.contains(what)) {
        add(title, "size", sizes.at(what), bytes);
      }
    }
  }
  if (document.contains("workloads")) {
    for (const Json& workload : document.at("workloads")) {
      add(Text(workload.at("name")) + ", " +
              Text(workload.at("unit")).substr(3),
          workload.at("clock") == "wall" ? "wall time" : "CPU time",
          workload.at("results"),
          [](const Json& result) { return ShowNanos(result.at("median")); });
    }
  }
  // What is measured in wall time takes CPU time as well, of all threads.
  if (document.contains("workloads")) {
    for (const Json& workload : document.at("workloads")) {
      Json results = workload.at("results");
      bool any = false;
      for (Json& result : results) {
        any = any || result.contains("cpu_times_as_good");
        result["times_as_good"] =
            result.value("cpu_times_as_good", Json(nullptr));
      }
      if (any) {
        add(Text(workload.at("name")) + ", " +
                Text(workload.at("unit")).substr(3),
            kAllThreads, results,
            [](const Json& result) { return ShowNanos(result.at("cpu")); });
      }
    }
  }
  for (const Json& workload : ReadingWorkloads(document)) {
    add(Text(workload.at("name")) + ", " + Text(workload.at("unit")).substr(3),
        kFromFiles, workload.at("results"), [](const Json& result) {
          return ShowBytes(result.value("bytes_read", 0.0));
        });
  }
  return bars;
}

std::string ColourOf(const Json& times) {
  const std::string verdict = Text(times.at("verdict"));
  return verdict == "better" ? kBetter : verdict == "worse" ? kWorse : kSame;
}

// Bars from the line of "the same" to both sides, on a scale of powers.
std::string ComparisonChart(const std::vector<Bar>& bars) {
  double reach = 1;
  for (const Bar& bar : bars) {
    for (const char* end : {"low", "high"}) {
      reach = std::max(reach,
                       std::fabs(std::log2(bar.times.at(end).get<double>())));
    }
  }
  reach = std::min(std::ceil(reach), 6.0);
  const double left = kLabels;
  const double right = kWidth - 300;
  auto at = [&](double times) {
    const double power = std::max(-reach, std::min(reach, std::log2(times)));
    return (left + right) / 2 + power / reach * (right - left) / 2;
  };
  std::set<std::string> groups;
  for (const Bar& bar : bars) {
    groups.insert(bar.group);
  }
  double y = 34;
  Svg svg(
      kWidth,
      y + kRowHeight * static_cast<double>(bars.size() + groups.size()) + 6);
  svg.Text(at(1) - 12, 12, "worse", "end", kWorse);
  svg.Text(at(1) + 12, 12, "better", "start", kBetter);
  for (int power = -static_cast<int>(reach); power <= static_cast<int>(reach);
       power++) {
    const double x = at(std::pow(2, power));
    svg.Line(x, 32, x, svg.height() - 4, power == 0 ? "#1f2328" : "#e4e8ec");
    svg.Text(x, 28,
             power == 0  ? "same"
             : power > 0 ? std::to_string(1 << power) + "x"
                         : "1/" + std::to_string(1 << -power),
             "middle", "#59636e");
  }
  std::string group;
  for (const Bar& bar : bars) {
    if (bar.group != group) {
      group = bar.group;
      svg.Text(0, y + 16, group, "start", "#59636e", true);
      y += kRowHeight;
    }
    const double x = at(bar.times.at("median"));
    const std::string colour = ColourOf(bar.times);
    svg.Text(14, y + 15, bar.name, "start");
    svg.Rect(std::min(x, at(1)), y + 3, std::max(std::fabs(x - at(1)), 1.5),
             kRowHeight - 7, colour);
    // The spread of the repeats.
    svg.Line(at(bar.times.at("low")), y + 11, at(bar.times.at("high")), y + 11,
             "#1f2328");
    svg.Text(right + 18, y + 15, ShowComparison(bar.times), "start", colour,
             true);
    svg.Text(kWidth, y + 15, bar.absolute, "end", "#59636e");
    y += kRowHeight;
  }
  return svg.Finish();
}

// One stacked bar a configuration, and what the colours are.
std::string StackChart(const Json& sizes) {
  std::vector<std::string> names;
  double longest = 0;
  for (const Json& size : sizes) {
    longest = std::max(longest, size.at("bytes_a_key").get<double>());
    for (const Json& component : size.at("components")) {
      if (std::find(names.begin(), names.end(), Text(component.at("name"))) ==
          names.end()) {
        names.push_back(Text(component.at("name")));
      }
    }
  }
  const double left = 130;
  const double scale = (kWidth - left - 100) / std::max(longest, 1e-9);
  const double bars_end = 34 * static_cast<double>(sizes.size());
  Svg svg(kWidth,
          bars_end + 20 * static_cast<double>((names.size() + 2) / 3) + 10);
  double y = 0;
  for (const Json& size : sizes) {
    svg.Text(0, y + 19, Text(size.at("config")), "start");
    double x = left;
    for (const Json& component : size.at("components")) {
      const auto which = static_cast<size_t>(
          std::find(names.begin(), names.end(), Text(component.at("name"))) -
          names.begin());
      const double bytes = std::max(0.0, component.at("bytes").get<double>()) /
                           size.at("records").get<double>();
      const double width = bytes * scale;
      svg.Rect(x, y + 3, width, 24, ComponentColour(which));
      if (width > 52) {
        svg.Text(x + width / 2, y + 20, ShowBytes(bytes), "middle", "#ffffff");
      }
      x += width;
    }
    svg.Text(x + 8, y + 20, ShowBytes(size.at("bytes_a_key")), "start",
             "#1f2328", true);
    y += 34;
  }
  for (size_t i = 0; i < names.size(); i++) {
    const double x = left + 310 * static_cast<double>(i % 3);
    const double line = bars_end + 8 + 20 * static_cast<double>(i / 3);
    svg.Rect(x, line, 12, 12, ComponentColour(i));
    svg.Text(x + 18, line + 11, names[i], "start");
  }
  return svg.Finish();
}

// Of each workload and configuration: a line from p50 to p99.9, on a scale of
// powers of ten.
std::string LatencyChart(const Json& document) {
  struct Row {
    std::string name;
    std::string config;
    size_t place;
    Json latency;
  };
  std::vector<Row> rows;
  double least = 1e18;
  double most = 1;
  for (const Json& workload : document.at("workloads")) {
    std::string name = Text(workload.at("name"));
    for (const Json& result : workload.at("results")) {
      if (!result.contains("latency")) {
        continue;
      }
      rows.push_back({name, Text(result.at("config")),
                      PlaceOf(document, result.at("config")),
                      result.at("latency")});
      least = std::min(least, result.at("latency").at("p50").get<double>());
      most = std::max(most, result.at("latency").at("p999").get<double>());
      name.clear();
    }
  }
  if (rows.empty()) {
    return "";
  }
  const double left = kLabels;
  const double right = kWidth - 230;
  const double from = std::floor(std::log10(std::max(least, 1.0)));
  const double to = std::max(from + 1, std::ceil(std::log10(most)));
  auto at = [&](double nanos) {
    return left + (std::log10(std::max(nanos, 1.0)) - from) / (to - from) *
                      (right - left);
  };
  Svg svg(kWidth, 30 + 18 * static_cast<double>(rows.size()) + 4);
  for (double power = from; power <= to; power++) {
    const double x = at(std::pow(10, power));
    svg.Line(x, 22, x, svg.height() - 2, "#e4e8ec");
    svg.Text(x, 16, ShowNanos(std::pow(10, power)), "middle", "#59636e");
  }
  svg.Text(kWidth, 16, "p50 / p99 / p99.9", "end", "#59636e");
  double y = 26;
  for (const Row& row : rows) {
    const std::string colour = ChartColour(row.place);
    svg.Text(0, y + 13, row.name, "start");
    svg.Text(left - 12, y + 13, row.config, "end", "#59636e");
    svg.Line(at(row.latency.at("p50")), y + 9, at(row.latency.at("p999")),
             y + 9, colour, 2);
    svg.Circle(at(row.latency.at("p50")), y + 9, 5, colour);
    svg.Circle(at(row.latency.at("p99")), y + 9, 3.5, colour);
    svg.Circle(at(row.latency.at("p999")), y + 9, 2.5, colour);
    svg.Text(kWidth, y + 13,
             ShowNanos(row.latency.at("p50")) + " / " +
                 ShowNanos(row.latency.at("p99")) + " / " +
                 ShowNanos(row.latency.at("p999")),
             "end", "#1f2328");
    y += 18;
  }
  return svg.Finish();
}

// What was read from files, of the workloads that say so.
std::string FilesTable(const Json& document) {
  std::string html;
  for (const Json& workload : ReadingWorkloads(document)) {
    if (html.empty()) {
      html =
          "<h2>Read from files: bytes, and calls</h2>\n"
          "<table><tr><th>workload</th>";
      for (const Json& config : document.at("configs")) {
        html += "<th>" + Escape(Text(config.at("name"))) + "</th>";
      }
      html += "</tr>\n";
    }
    html += "<tr><td>" +
            Escape(Text(workload.at("name")) + ", " +
                   Text(workload.at("unit")).substr(3)) +
            "</td>";
    for (const Json& config : document.at("configs")) {
      html += "<td>";
      for (const Json& result : workload.at("results")) {
        if (result.at("config") == config.at("name")) {
          html += ShowBytes(result.at("bytes_read")) + " in " +
                  Format("%.3f", result.at("reads").get<double>());
        }
      }
      html += "</td>";
    }
    html += "</tr>\n";
  }
  return html.empty() ? "" : html + "</table>\n";
}

std::string FiguresTable(const Json& document) {
  std::string html = "<table><tr><th>workload</th><th>clock</th>";
  for (const Json& config : document.at("configs")) {
    html += "<th>" + Escape(Text(config.at("name"))) + "</th><th></th>";
  }
  html += "</tr>\n";
  for (const Json& workload : document.at("workloads")) {
    html += "<tr><td title=\"" + Escape(Text(workload.at("what"))) + "\">" +
            Escape(Text(workload.at("name")) + ", " +
                   Text(workload.at("unit")).substr(3)) +
            "</td><td>" + Escape(Text(workload.at("clock"))) + "</td>";
    for (const Json& config : document.at("configs")) {
      std::string figure = "<td></td><td></td>";
      for (const Json& result : workload.at("results")) {
        if (result.at("config") != config.at("name")) {
          continue;
        }
        figure = "<td>" + ShowNanos(result.at("median")) +
                 " <span class=quiet>&#177;" +
                 std::to_string(static_cast<int>(
                     50 * result.at("spread").get<double>() + 0.5)) +
                 "%</span></td><td";
        if (result.contains("times_as_good") &&
            !result.at("times_as_good").is_null()) {
          figure += " class=" + Text(result.at("times_as_good").at("verdict")) +
                    ">" + ShowComparison(result.at("times_as_good"));
        } else {
          figure += ">";
        }
        figure += "</td>";
      }
      html += figure;
    }
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

// "better at 8 of 20, worse at 9": what the colours add up to.
std::string Summary(const std::vector<Bar>& bars) {
  std::string better;
  std::string worse;
  size_t same = 0;
  for (const Bar& bar : bars) {
    const std::string verdict = Text(bar.times.at("verdict"));
    if (bar.group == kAllThreads || bar.group == kFromFiles) {
      continue;  // named already, by wall time
    }
    std::string* const list = verdict == "better"  ? &better
                              : verdict == "worse" ? &worse
                                                   : nullptr;
    if (list == nullptr) {
      same++;
      continue;
    }
    *list += (list->empty() ? "" : "; ") +
             bar.name.substr(0, bar.name.find(", ")) + " " +
             ShowFactor(bar.times);
  }
  return "<p><span class=better>Better:</span> " +
         Escape(better.empty() ? "nowhere" : better) +
         ".<br><span class=worse>Worse:</span> " +
         Escape(worse.empty() ? "nowhere" : worse) +
         ".<br><span class=same>Within the spread of the repeats:</span> " +
         std::to_string(same) + ".</p>\n";
}

std::string Item(const std::string& name, const std::string& value,
                 bool code = false) {
  return "<dt>" + name + "</dt><dd>" + (code ? "<code>" : "") + Escape(value) +
         (code ? "</code>" : "") + "</dd>\n";
}

std::string Origin(const Json& document) {
  const Json& machine = document.at("machine");
  const Json& settings = document.at("settings");
  std::string html = "<h2>How it was measured</h2>\n<dl>";
  html += Item("command", document.at("command"), true);
  html += Item("date", document.at("created"));
  html +=
      Item("machine", Text(machine.at("cpu")) + ", " +
                          std::to_string(machine.at("cpus").get<uint64_t>()) +
                          " CPUs, " + ShowBytes(machine.at("memory_bytes")) +
                          ", " + Text(machine.at("kernel")));
  html += Item("built with", Text(machine.at("compiler")) + ", RocksDB " +
                                 Text(document.at("rocksdb")));
  if (!document.at("keys").is_null()) {
    html += Item("keys", document.at("keys").at("description"));
  }
  html += Item(
      "settings",
      std::to_string(settings.at("repeat").get<uint64_t>()) + " repeats, " +
          std::to_string(settings.at("threads").get<uint64_t>()) +
          " threads, " + ShowWhole(settings.at("ops")) +
          " look-ups a workload, memory limit " +
          (settings.at("memory_limit") == 0
               ? "none"
               : ShowBytes(settings.at("memory_limit"))) +
          ", seed " + std::to_string(settings.at("seed").get<uint64_t>()));
  for (const Json& config : document.at("configs")) {
    html += Item(Escape(Text(config.at("name"))), config.at("options"), true);
  }
  return html + "</dl>\n";
}

std::string AgreementHtml(const Json& document) {
  const std::string sentence = AgreementSentence(document);
  if (sentence.empty()) {
    return "";
  }
  std::string html =
      "<h2>Agreement with a run before</h2>\n<p>" + Escape(sentence) + "</p>\n";
  const Json& differing = document.at("agreement").at("differing");
  if (differing.empty()) {
    return html;
  }
  html +=
      "<table><tr><th>how many times as good</th><th>then</th>"
      "<th>now</th></tr>\n";
  for (const Json& one : differing) {
    html +=
        "<tr><td>" +
        Escape(Text(one.at("what")) + ", " + Text(one.at("config"))) +
        Format("</td><td>%.2fx</td><td>%.2fx</td></tr>\n",
               one.at("first").get<double>(), one.at("second").get<double>());
  }
  return html + "</table>\n";
}

std::string Measurements(const Json& document) {
  std::string html;
  const std::string baseline = Text(document.at("configs")[0].at("name"));
  for (size_t i = 1; i < document.at("configs").size(); i++) {
    const std::string config = Text(document.at("configs")[i].at("name"));
    const std::vector<Bar> bars = BarsOf(document, config);
    if (!bars.empty()) {
      html += "<h2>" + Escape(config) + " against " + Escape(baseline) +
              "</h2>\n" + Summary(bars) + ComparisonChart(bars) +
              "<p class=quiet>How many times as good, median of the repeats; "
              "the thin line is from the worst repeat to the best. Grey: "
              "repeats disagree, or less than 3&nbsp;%.</p>\n";
    }
  }
  if (document.contains("sizes")) {
    for (const auto& [what, title] :
         {std::make_pair("disk", "Table files, bytes a key"),
          std::make_pair("memory", "Memory with everything read, bytes a key"),
          std::make_pair("memtable", "Memory of a memtable, bytes an entry")}) {
      if (document.at("sizes").contains(what)) {
        html += std::string("<h2>") + title + "</h2>\n" +
                StackChart(document.at("sizes").at(what));
      }
    }
  }
  const std::string limit = LimitSentence(document);
  html += limit.empty() ? "" : "<p>" + Escape(limit) + "</p>\n";
  if (document.contains("workloads")) {
    const std::string latency = LatencyChart(document);
    if (!latency.empty()) {
      html += "<h2>Latency of one call</h2>\n" + latency;
    }
    html += "<h2>All figures</h2>\n" + FiguresTable(document) +
            FilesTable(document);
  }
  return html;
}

}  // namespace

std::string SvgReport(const Json& document) {
  const std::string other = ScaleSvg(document) + DeltaSvg(document);
  if (!other.empty()) {
    return other;
  }
  if (document.at("configs").size() < 2) {
    return "";
  }
  const std::vector<Bar> bars =
      BarsOf(document, Text(document.at("configs")[1].at("name")));
  return bars.empty() ? "" : ComparisonChart(bars);
}

std::string HtmlReport(const Json& document) {
  std::string html = kHead;
  html += "<h1>memkv_bench</h1>\n";
  if (!document.at("complete").get<bool>()) {
    html +=
        "<p class=stopped>The run was stopped: this is what had been "
        "measured.</p>\n";
  }
  if (!document.at("keys").is_null()) {
    const Json& keys = document.at("keys");
    html += "<p>" + ShowWhole(keys.at("count")) + " keys, " +
            ShowBytes(keys.at("mean_length")) + " long, of which " +
            ShowBytes(keys.at("mean_shared_prefix")) +
            " shared with the neighbour; " + ShowBytes(keys.at("key_bytes")) +
            " of keys and " + ShowBytes(keys.at("value_bytes")) +
            " of values.</p>\n";
  }
  html += Measurements(document) + ScaleHtml(document) + DeltaHtml(document) +
          AgreementHtml(document) + Origin(document);
  return html + "</body></html>\n";
}

}  // namespace memkv
