// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What --scale and --delta measured at each point: tables and line charts.

#include <fmt/format.h>

#include <cmath>
#include <functional>

#include "db_bench_ext/memkv_bench/report.h"
#include "db_bench_ext/memkv_bench/svg.h"

namespace memkv {

namespace {

using Show = std::function<std::string(const Json& point)>;
// A title, and what it shows of a point.
using Columns = std::vector<std::pair<std::string, Show>>;
using Legend = std::vector<std::pair<std::string, ChartLine>>;

Show Fixed(const char* field, int digits, const char* unit = "") {
  return [=](const Json& point) {
    return fmt::format("{:.{}f}{}", point.at(field).get<double>(), digits,
                       unit);
  };
}

Show As(std::string (*show)(double), const std::string& field) {
  return [=](const Json& point) { return show(point.at(field)); };
}

Show Whole(const char* field) {
  return [=](const Json& point) { return ShowWhole(point.at(field)); };
}

// Two figures of a point.
Show Both(const Show& first, const char* between, const Show& second) {
  return
      [=](const Json& point) { return first(point) + between + second(point); };
}

std::vector<std::string> TitleRow(std::vector<std::string> row,
                                  const Columns& columns) {
  for (const auto& column : columns) {
    row.push_back(column.first);
  }
  return row;
}

std::vector<std::string> PointRow(std::vector<std::string> row,
                                  const Columns& columns, const Json& point) {
  for (const auto& column : columns) {
    row.push_back(column.second(point));
  }
  return row;
}

// ---- --scale ---------------------------------------------------------------

std::string NameOf(const Json& run) {
  return run.at("config").get<std::string>() + ", " +
         run.at("order").get<std::string>();
}

std::vector<ReportTable> ScaleTables(const Json& document, bool whole) {
  const Json& scale = document.at("scale");
  Columns columns = {{"keys", Whole("keys")},
                     {"files, B/key", Fixed("disk_bytes_a_key", 2)},
                     {"memory, B/key", Fixed("memory_bytes_a_key", 2)},
                     {"load, keys/s", As(ShowCount, "keys_a_second")},
                     {"compact, s", Fixed("compact_seconds", 1)},
                     {"open, s", Fixed("open_seconds", 2)},
                     {"scan, s", Fixed("read_all_seconds", 1)},
                     {IsLimited(document) ? "get, wall" : "get, CPU",
                      As(ShowNanos, LookUpField(document, ""))},
                     {"peak resident", As(ShowBytes, "peak_resident_bytes")}};
  if (whole) {
    columns.emplace_back("load, s", Fixed("load_seconds", 1));
    columns.emplace_back("load, CPU s", Fixed("load_cpu_seconds", 1));
    columns.emplace_back("get p99", [](const Json& point) {
      return ShowNanos(point.value("get_p99_nanos", 0.0));
    });
  }
  if (IsLimited(document)) {
    columns.emplace_back("read a get", As(ShowBytes, "get_bytes_read"));
  }
  ReportTable points = {"growth", {TitleRow({"load"}, columns)}};
  ReportTable fits = {
      "extrapolated, bytes a key",
      {{"load", "of", "keys", "B/key", "by", "off by at most"}}};
  for (const Json& run : scale.at("runs")) {
    for (const Json& point : run.at("points")) {
      points.rows.push_back(PointRow({NameOf(run)}, columns, point));
    }
    for (const Json& fit : run.at("fits")) {
      auto number = [&fit](const char* field) {
        return fit.at(field).get<double>();
      };
      fits.rows.push_back(
          {NameOf(run), fit.at("of"), ShowWhole(fit.at("keys")),
           fmt::format("{:.2f}", number("at")),
           fmt::format("{:.3g} * keys^{:.3f}", number("coefficient"),
                       number("exponent")),
           fmt::format("{:.2f}", number("largest_error"))});
    }
  }
  return {points, fits};
}

// What a run is drawn with: dashed and hollow if it was loaded shuffled.
ChartLine PenOf(const Json& document, const Json& run) {
  ChartLine pen;
  pen.colour = ChartColour(PlaceOf(document, run.at("config")));
  pen.dashed = run.value("order", "") == "shuffled";
  return pen;
}

// Bytes a key over the number of keys: dots are measured; a fit goes through
// them to where it is extrapolated.
ChartPanel GrowthPanel(const Json& document, const std::string& title,
                       const std::string& field) {
  const Json& scale = document.at("scale");
  ChartPanel panel = {title, ShowBytes, {}, {}};
  const double far = std::log10(scale.at("extrapolate_to").get<double>());
  double near = far - 1;
  for (const Json& run : scale.at("runs")) {
    ChartLine dots = PenOf(document, run);
    dots.width = 0;
    for (const Json& point : run.at("points")) {
      dots.points.emplace_back(std::log10(point.at("keys").get<double>()),
                               point.at(field));
      near = std::min(near, dots.points.back().first);
    }
    panel.lines.push_back(dots);
  }
  for (const Json& run : scale.at("runs")) {
    for (const Json& fit : run.at("fits")) {
      ChartLine curve = PenOf(document, run);
      curve.width = 1;
      curve.radius = 0;
      constexpr int kPieces = 30;
      for (int i = 0; fit.at("field") == field && i <= kPieces; i++) {
        const double x = near + (far - near) * i / kPieces;
        curve.points.emplace_back(
            x, fit.at("coefficient").get<double>() *
                   std::pow(10, x * fit.at("exponent").get<double>()));
      }
      panel.lines.push_back(curve);
    }
  }
  for (const Json& target : scale.at("targets")) {
    panel.lines.push_back(
        {"#d4a72c", false, 1, 0, {{near, target}, {far, target}}});
  }
  for (double power = std::ceil(near - 0.01); power < far; power++) {
    panel.ticks.emplace_back(power, ShowCount(std::pow(10, power)));
  }
  return panel;
}

// Keys a second between the points of the longest load's timeline.
ChartPanel ThroughputPanel(const Json& document) {
  ChartPanel panel = {"keys a second over the longest load", ShowCount, {}, {}};
  double last = 1;
  for (const Json& run : document.at("scale").at("runs")) {
    ChartLine line = PenOf(document, run);
    line.radius = 0;
    double keys = 0;
    double seconds = 0;
    for (const Json& at : run.at("points").back().at("timeline")) {
      line.points.emplace_back(at[0], (at[0].get<double>() - keys) /
                                          (at[1].get<double>() - seconds));
      keys = at[0];
      seconds = at[1];
    }
    last = std::max(last, keys);
    panel.lines.push_back(line);
  }
  for (int quarter = 0; quarter <= 4; quarter++) {
    panel.ticks.emplace_back(last * quarter / 4, ShowCount(last * quarter / 4));
  }
  return panel;
}

Picture ScalePicture(const Json& document) {
  Legend legend;
  for (const Json& run : document.at("scale").at("runs")) {
    legend.emplace_back(NameOf(run), PenOf(document, run));
  }
  return {
      "As keys grow in number",
      LineChart(legend, {GrowthPanel(document, "table files, bytes a key",
                                     "disk_bytes_a_key"),
                         GrowthPanel(document,
                                     "memory without block cache, bytes a key",
                                     "memory_bytes_a_key"),
                         ThroughputPanel(document)}),
      "Dots are measured; lines are fits of a power of the number of keys, "
      "drawn to " +
          ShowWhole(document.at("scale").at("extrapolate_to")) +
          " keys. Dashed and hollow: loaded shuffled. Yellow: the targets."};
}

// ---- --delta ---------------------------------------------------------------

ReportTable MemtableSizeTable(const Json& document) {
  auto look_up = [&document](const std::string& prefix) {
    return Both(As(ShowNanos, LookUpField(document, prefix)), " / ",
                As(ShowNanos, prefix + "get_p99_nanos"));
  };
  Columns columns = {
      {"keys a second", As(ShowCount, "keys_a_second")},
      {"stalled", Fixed("stall_seconds", 2, " s")},
      {"flushes", Whole("flushes")},
      {"write amplification", Fixed("write_amplification", 2)},
      {"CPU", Fixed("cpu_seconds", 2, " s")},
      {"entries of the delta", As(ShowCount, "delta_keys")},
      {"level 0", Whole("level0_files")},
      {IsLimited(document) ? "look-up by the wall, p99" : "look-up, p99",
       look_up("")},
      {"settled", look_up("settled_")},
      {"settling", Fixed("settle_seconds", 2, " s")},
      {"memory", As(ShowBytes, "memory_bytes")},
      {"at most", As(ShowBytes, "peak_bytes")}};
  if (IsLimited(document)) {
    columns.emplace_back("read a look-up; settled",
                         Both(As(ShowBytes, "get_bytes_read"), "; ",
                              As(ShowBytes, "settled_get_bytes_read")));
  }
  ReportTable table = {"size of the memtable",
                       {TitleRow({"memtable", ""}, columns)}};
  // Sizes first.
  const Json& runs = document.at("delta").at("runs");
  for (size_t i = 0; i < runs[0].at("points").size(); i++) {
    for (const Json& run : runs) {
      if (i < run.at("points").size()) {
        const Json& point = run.at("points")[i];
        table.rows.push_back(PointRow(
            {ShowSize(point.at("write_buffer_size")), run.at("config")},
            columns, point));
      }
    }
  }
  return table;
}

// Figures over the size of a memtable; the second field is drawn thinner.
ChartPanel MemtableSizePanel(const Json& document, const std::string& title,
                             const std::vector<std::string>& fields,
                             std::string (*show)(double)) {
  ChartPanel panel = {title, show, {}, {}};
  const Json& runs = document.at("delta").at("runs");
  auto x_of = [](const Json& point) {
    return std::log2(point.at("write_buffer_size").get<double>());
  };
  for (const Json& run : runs) {
    for (const std::string& field : fields) {
      ChartLine line = PenOf(document, run);
      line.width = field == fields[0] ? 2 : 0.8;
      line.radius = field == fields[0] ? 4 : 2;
      for (const Json& point : run.at("points")) {
        line.points.emplace_back(x_of(point), point.at(field));
      }
      panel.lines.push_back(line);
    }
  }
  for (const Json& point : runs[0].at("points")) {
    panel.ticks.emplace_back(x_of(point),
                             ShowSize(point.at("write_buffer_size")));
  }
  return panel;
}

Picture MemtableSizePicture(const Json& document) {
  Legend legend;
  for (const Json& run : document.at("delta").at("runs")) {
    legend.emplace_back(run.at("config"), PenOf(document, run));
  }
  const std::string clock = IsLimited(document) ? "wall" : "CPU";
  return {
      "What the size of the memtable buys and costs",
      LineChart(
          legend,
          {MemtableSizePanel(document, "keys a second, loading",
                             {"keys_a_second"}, ShowCount),
           MemtableSizePanel(
               document, "write amplification, without the log",
               {"write_amplification"},
               [](double value) { return fmt::format("{:.2f}", value); }),
           MemtableSizePanel(
               document, clock + " time of a look-up; thin: settled",
               {LookUpField(document, ""), LookUpField(document, "settled_")},
               ShowNanos),
           MemtableSizePanel(document, "most memory while loading",
                             {"peak_bytes"}, ShowBytes)}),
      ""};
}

}  // namespace

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

std::vector<Picture> PointPictures(const Json& document) {
  std::vector<Picture> pictures;
  if (document.contains("scale")) {
    pictures.push_back(ScalePicture(document));
  }
  if (document.contains("delta")) {
    pictures.push_back(MemtableSizePicture(document));
  }
  return pictures;
}

}  // namespace memkv
