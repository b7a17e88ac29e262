// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "db_bench_ext/memkv_bench/point_table.h"
#include "db_bench_ext/memkv_bench/report.h"
#include "db_bench_ext/memkv_bench/svg.h"

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

std::string ShowNumber(double value) { return Format("%.2f", value); }

// A figure over the size of a memtable. `settled` is drawn thinner; it may be
// empty.
struct Panel {
  std::string title;
  std::string field;
  std::string settled;
  std::string (*show)(double);
};

std::vector<Panel> Panels(const Json& document) {
  return {
      {"keys a second, loading", "keys_a_second", "", ShowCount},
      {"write amplification, without the log", "write_amplification", "",
       ShowNumber},
      {std::string(IsLimited(document) ? "wall" : "CPU") +
           " time of a look-up; thin: settled",
       LookUpField(document, ""), LookUpField(document, "settled_"), ShowNanos},
      {"most memory while loading", "peak_bytes", "", ShowBytes},
  };
}

void DrawPanel(const Json& document, const Panel& panel, double left,
               double top, Svg* svg) {
  const Json& delta = document.at("delta");
  double most = 0;
  double least_size = 1e18;
  double most_size = 0;
  for (const Json& run : delta.at("runs")) {
    for (const Json& point : run.at("points")) {
      most = std::max(most, point.at(panel.field).get<double>());
      if (!panel.settled.empty()) {
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
  for (const Json& run : delta.at("runs")) {
    const Json& points = run.at("points");
    const std::string colour = ChartColour(PlaceOf(document, run.at("config")));
    auto draw = [&](const std::string& field, double width, double radius) {
      for (size_t i = 0; i < points.size(); i++) {
        if (i > 0) {
          svg->Line(x_of(points[i - 1]), y_of(points[i - 1].at(field)),
                    x_of(points[i]), y_of(points[i].at(field)), colour, width);
        }
        svg->Circle(x_of(points[i]), y_of(points[i].at(field)), radius, colour);
      }
    };
    draw(panel.field, 2, 4);
    if (!panel.settled.empty()) {
      draw(panel.settled, 0.8, 2);
    }
  }
}

std::vector<PointColumn> Columns(const Json& document) {
  auto nanos = [&document](const std::string& prefix) {
    const std::string field = LookUpField(document, prefix);
    return [prefix, field](const Json& point) {
      return ShowNanos(point.at(field)) + " / " +
             ShowNanos(point.at(prefix + "get_p99_nanos"));
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
  std::vector<PointColumn> columns = {
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
      {IsLimited(document) ? "look-up by the wall, p99" : "look-up, p99",
       nanos("")},
      {"settled", nanos("settled_")},
      {"settling", seconds("settle_seconds")},
      {"memory", bytes("memory_bytes")},
      {"at most", bytes("peak_bytes")}};
  if (IsLimited(document)) {
    columns.push_back({"read a look-up; settled", [](const Json& point) {
                         return ShowBytes(point.at("get_bytes_read")) + "; " +
                                ShowBytes(point.at("settled_get_bytes_read"));
                       }});
  }
  return columns;
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

// The titles, and a row a point.
TableRows Rows(const Json& document, const std::string& title) {
  const std::vector<PointColumn> columns = Columns(document);
  TableRows rows = {TitleRow({title, ""}, columns)};
  EachPoint(document, [&](const Json& point, const std::string& config) {
    rows.push_back(PointRow({ShowSize(point.at("write_buffer_size")), config},
                            columns, point));
  });
  return rows;
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
  for (const Json& run : delta.at("runs")) {
    const std::string name = run.at("config");
    svg.Circle(x, 14, 5, ChartColour(PlaceOf(document, name)));
    svg.Text(x + 12, 19, name, "start");
    x += 48 + 8 * static_cast<double>(name.size());
  }
  const std::vector<Panel> panels = Panels(document);
  for (size_t i = 0; i < panels.size(); i++) {
    DrawPanel(document, panels[i], kPanelWidth * static_cast<double>(i % 2),
              kLegendHeight + kPanelHeight * static_cast<double>(i / 2), &svg);
  }
  return svg.Finish();
}

std::string DeltaText(const Json& document) {
  return document.contains("delta") ? "\n" + TextTable(Rows(document, "DELTA"))
                                    : "";
}

std::string DeltaHtml(const Json& document) {
  return document.contains("delta")
             ? "<h2>What the size of the delta buys and costs</h2>\n" +
                   DeltaSvg(document) + HtmlTable(Rows(document, "memtable"))
             : "";
}

std::string DeltaMarkdown(const Json& document) {
  return document.contains("delta")
             ? "\n" + MarkdownTable(Rows(document, "memtable"))
             : "";
}

}  // namespace memkv
