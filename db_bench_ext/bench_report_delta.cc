// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "db_bench_ext/bench_report.h"
#include "db_bench_ext/svg.h"

namespace memkv {

using Json = nlohmann::ordered_json;

namespace {

constexpr double kWidth = 1080;
constexpr double kPanelWidth = kWidth / 2;
constexpr double kPanelHeight = 250;
constexpr double kLegendHeight = 26;
constexpr double kLeft = 62;
constexpr double kRight = 24;
constexpr double kTop = 34;
constexpr double kBottom = 30;

const char* const kColours[] = {"#6e7781", "#0969da", "#bf8700", "#8250df",
                                "#1a7f37", "#1b7c83", "#953800", "#bf3989"};

std::string ShowNumber(double value) { return Format("%.2f", value); }

// A figure over the size of a memtable. `settled` is drawn thinner; it may be
// null.
struct Panel {
  const char* title;
  const char* field;
  const char* settled;
  std::string (*show)(double);
};

const Panel kPanels[] = {
    {"keys a second, loading", "keys_a_second", nullptr, ShowCount},
    {"write amplification, without the log", "write_amplification", nullptr,
     ShowNumber},
    {"CPU time of a look-up; thin: settled", "get_cpu_nanos",
     "settled_get_cpu_nanos", ShowNanos},
    {"most memory while loading", "peak_bytes", nullptr, ShowBytes},
};

void DrawPanel(const Json& delta, const Panel& panel, double left, double top,
               Svg* svg) {
  double most = 0;
  double least_size = 1e18;
  double most_size = 0;
  for (const Json& run : delta.at("runs")) {
    for (const Json& point : run.at("points")) {
      most = std::max(most, point.at(panel.field).get<double>());
      if (panel.settled != nullptr) {
        most = std::max(most, point.at(panel.settled).get<double>());
      }
      const double size = point.at("write_buffer_size");
      least_size = std::min(least_size, size);
      most_size = std::max(most_size, size);
    }
  }
  most = std::max(most * 1.05, 1e-9);
  const double from = std::log2(least_size);
  const double to = std::max(std::log2(most_size), from + 1);
  auto x_of = [&](const Json& point) {
    return left + kLeft +
           (std::log2(point.at("write_buffer_size").get<double>()) - from) /
               (to - from) * (kPanelWidth - kLeft - kRight);
  };
  auto y_of = [&](double value) {
    return top + kPanelHeight - kBottom -
           value / most * (kPanelHeight - kTop - kBottom);
  };
  svg->Text(left + kLeft, top + 20, panel.title, "start", "#1f2328", true);
  for (int quarter = 0; quarter <= 4; quarter++) {
    const double value = most * quarter / 4;
    svg->Line(left + kLeft, y_of(value), left + kPanelWidth - kRight,
              y_of(value), quarter == 0 ? "#1f2328" : "#e4e8ec");
    svg->Text(left + kLeft - 6, y_of(value) + 5, panel.show(value), "end",
              "#59636e");
  }
  for (const Json& point : delta.at("runs")[0].at("points")) {
    svg->Text(x_of(point), top + kPanelHeight - kBottom + 18,
              ShowSize(point.at("write_buffer_size")), "middle", "#59636e");
  }
  for (size_t which = 0; which < delta.at("runs").size(); which++) {
    const Json& points = delta.at("runs")[which].at("points");
    const std::string colour = kColours[which % std::size(kColours)];
    auto draw = [&](const char* field, double width, double radius) {
      for (size_t i = 0; i < points.size(); i++) {
        if (i > 0) {
          svg->Line(x_of(points[i - 1]), y_of(points[i - 1].at(field)),
                    x_of(points[i]), y_of(points[i].at(field)), colour, width);
        }
        svg->Circle(x_of(points[i]), y_of(points[i].at(field)), radius, colour);
      }
    };
    draw(panel.field, 2, 4);
    if (panel.settled != nullptr) {
      draw(panel.settled, 0.8, 2);
    }
  }
}

// What a table shows of a point.
struct Column {
  const char* title;
  std::function<std::string(const Json&)> show;
};

std::vector<Column> Columns() {
  auto nanos = [](const char* prefix) {
    return [prefix](const Json& point) {
      const std::string get = std::string(prefix) + "get_";
      return ShowNanos(point.at(get + "cpu_nanos")) + " / " +
             ShowNanos(point.at(get + "p99_nanos"));
    };
  };
  auto bytes = [](const char* field) {
    return [field](const Json& point) { return ShowBytes(point.at(field)); };
  };
  auto seconds = [](const char* field) {
    return [field](const Json& point) {
      return Format("%.2f s", point.at(field).get<double>());
    };
  };
  return {
      {"keys a second",
       [](const Json& point) { return ShowCount(point.at("keys_a_second")); }},
      {"stalled", seconds("stall_seconds")},
      {"flushes",
       [](const Json& point) { return ShowWhole(point.at("flushes")); }},
      {"write amplification",
       [](const Json& point) {
         return Format("%.2f", point.at("write_amplification").get<double>());
       }},
      {"CPU", seconds("cpu_seconds")},
      {"entries of the delta",
       [](const Json& point) { return ShowCount(point.at("delta_keys")); }},
      {"level 0",
       [](const Json& point) { return ShowWhole(point.at("level0_files")); }},
      {"look-up, p99", nanos("")},
      {"settled", nanos("settled_")},
      {"settling", seconds("settle_seconds")},
      {"memory", bytes("memory_bytes")},
      {"at most", bytes("peak_bytes")}};
}

// Every point, sizes first, and each configuration's name.
void EachPoint(const Json& document,
               const std::function<void(const Json& point,
                                        const std::string& config)>& body) {
  const Json& runs = document.at("delta").at("runs");
  for (size_t i = 0; i < runs[0].at("points").size(); i++) {
    for (const Json& run : runs) {
      if (i < run.at("points").size()) {
        body(run.at("points")[i], run.at("config"));
      }
    }
  }
}

}  // namespace

std::string ShowSize(uint64_t bytes) {
  return bytes % (1 << 30) == 0   ? std::to_string(bytes >> 30) + " GB"
         : bytes % (1 << 20) == 0 ? std::to_string(bytes >> 20) + " MB"
                                  : std::to_string(bytes >> 10) + " kB";
}

std::string DeltaSvg(const Json& document) {
  if (!document.contains("delta")) {
    return "";
  }
  const Json& delta = document.at("delta");
  Svg svg(kWidth, kLegendHeight + 2 * kPanelHeight);
  double x = kLeft;
  for (size_t which = 0; which < delta.at("runs").size(); which++) {
    const std::string name = delta.at("runs")[which].at("config");
    svg.Circle(x, 14, 5, kColours[which % std::size(kColours)]);
    svg.Text(x + 12, 19, name, "start");
    x += 48 + 8 * static_cast<double>(name.size());
  }
  for (size_t i = 0; i < std::size(kPanels); i++) {
    DrawPanel(delta, kPanels[i], kPanelWidth * static_cast<double>(i % 2),
              kLegendHeight + kPanelHeight * static_cast<double>(i / 2), &svg);
  }
  return svg.Finish();
}

std::string DeltaText(const Json& document) {
  if (!document.contains("delta")) {
    return "";
  }
  // A column is as wide as the widest of it.
  std::vector<std::vector<std::string>> rows = {{"DELTA", ""}};
  for (const Column& column : Columns()) {
    rows[0].push_back(column.title);
  }
  EachPoint(document, [&rows](const Json& point, const std::string& config) {
    rows.push_back({ShowSize(point.at("write_buffer_size")), config});
    for (const Column& column : Columns()) {
      rows.back().push_back(column.show(point));
    }
  });
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    text += "\n";
    for (size_t i = 0; i < row.size(); i++) {
      size_t width = 0;
      for (const std::vector<std::string>& other : rows) {
        width = std::max(width, other[i].size());
      }
      text += Format("%*s", static_cast<int>(width) + (i == 0 ? 0 : 2),
                     row[i].c_str());
    }
  }
  return text + "\n";
}

std::string DeltaHtml(const Json& document) {
  if (!document.contains("delta")) {
    return "";
  }
  std::string html = "<h2>What the size of the delta buys and costs</h2>\n" +
                     DeltaSvg(document) +
                     "<table><tr><th>memtable</th><th></th>";
  for (const Column& column : Columns()) {
    html += std::string("<th>") + column.title + "</th>";
  }
  html += "</tr>\n";
  EachPoint(document, [&html](const Json& point, const std::string& config) {
    html += "<tr><td>" + ShowSize(point.at("write_buffer_size")) + "</td><td>" +
            Escape(config) + "</td>";
    for (const Column& column : Columns()) {
      html += "<td>" + column.show(point) + "</td>";
    }
    html += "</tr>\n";
  });
  return html + "</table>\n";
}

std::string DeltaMarkdown(const Json& document) {
  if (!document.contains("delta")) {
    return "";
  }
  std::string text = "\n| memtable | |";
  std::string line = "|---|---|";
  for (const Column& column : Columns()) {
    text += std::string(" ") + column.title + " |";
    line += "---|";
  }
  text += "\n" + line + "\n";
  EachPoint(document, [&text](const Json& point, const std::string& config) {
    text +=
        "| " + ShowSize(point.at("write_buffer_size")) + " | " + config + " |";
    for (const Column& column : Columns()) {
      text += " " + column.show(point) + " |";
    }
    text += "\n";
  });
  return text;
}

}  // namespace memkv
