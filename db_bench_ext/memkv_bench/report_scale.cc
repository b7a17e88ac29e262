// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <cmath>

#include "db_bench_ext/memkv_bench/point_table.h"
#include "db_bench_ext/memkv_bench/report.h"
#include "db_bench_ext/memkv_bench/svg.h"

namespace memkv {

using Json = nlohmann::ordered_json;

namespace {

constexpr double kWidth = 1080;
constexpr double kHeight = 330;
constexpr double kLeft = 60;
constexpr double kRight = kWidth - 330;
constexpr double kTop = 20;
constexpr double kBottom = kHeight - 36;

std::string NameOf(const Json& run) {
  return run.at("config").get<std::string>() + ", " +
         run.at("order").get<std::string>();
}

// What is drawn of a run: its configuration's colour, dashed and hollow if it
// was loaded shuffled.
struct Pen {
  std::string colour;
  bool shuffled;
};

Pen PenOf(const Json& document, const Json& run) {
  return {ChartColour(PlaceOf(document, run.at("config"))),
          run.at("order") == "shuffled"};
}

// The line of a run in the legend at the right.
void DrawLegend(size_t which, const Pen& pen, const Json& run,
                const std::string& figure, Svg* svg) {
  const double y = kTop + 10 + 20 * static_cast<double>(which);
  svg->Line(kRight + 14, y - 4, kRight + 34, y - 4, pen.colour, 2,
            pen.shuffled);
  svg->Circle(kRight + 24, y - 4, 4, pen.colour, pen.shuffled);
  svg->Text(kRight + 42, y, NameOf(run), "start");
  svg->Text(kWidth, y, figure, "end", "#1f2328", true);
}

// Bytes a key over the number of keys; measured points, the fit as a thinner
// line through them to where it is extrapolated, and the targets.
std::string GrowthChart(const Json& document, const std::string& field) {
  const Json& scale = document.at("scale");
  double least_keys = 1e18;
  double most = 0;
  const double far = scale.at("extrapolate_to");
  for (const Json& run : scale.at("runs")) {
    for (const Json& point : run.at("points")) {
      least_keys = std::min(least_keys, point.at("keys").get<double>());
      most = std::max(most, point.at(field).get<double>());
    }
  }
  for (const Json& run : scale.at("runs")) {
    for (const Json& fit : run.at("fits")) {
      if (fit.at("field") == field) {
        most = std::max(most, fit.at("at").get<double>());
      }
    }
  }
  for (const Json& target : scale.at("targets")) {
    most = std::max(most, target.get<double>());
  }
  most *= 1.08;
  const double from = std::log10(least_keys);
  const double to = std::log10(std::max(far, least_keys * 10));
  auto x_of = [&](double keys) {
    return kLeft + (std::log10(keys) - from) / (to - from) * (kRight - kLeft);
  };
  auto y_of = [&](double bytes) {
    return kBottom - std::max(0.0, bytes) / most * (kBottom - kTop);
  };
  Svg svg(kWidth, kHeight);
  svg.Line(kLeft, kBottom, kRight, kBottom, "#1f2328");
  for (double power = std::ceil(from - 0.01); power <= to; power++) {
    const double x = x_of(std::pow(10, power));
    svg.Line(x, kTop, x, kBottom, "#e4e8ec");
    svg.Text(
        x, kBottom + 18,
        ShowWhole(static_cast<uint64_t>(std::llround(std::pow(10, power)))),
        "middle", "#59636e");
  }
  svg.Text(kRight, kBottom + 33,
           ShowWhole(scale.at("extrapolate_to")) + " keys", "end", "#59636e");
  for (const Json& target : scale.at("targets")) {
    const double y = y_of(target);
    svg.Line(kLeft, y, kRight, y, "#d4a72c");
    svg.Text(kLeft - 6, y + 5, Format("%g", target.get<double>()), "end",
             "#9a6700");
  }
  size_t which = 0;
  for (const Json& run : scale.at("runs")) {
    const Pen pen = PenOf(document, run);
    std::string at_far = "no fit";
    for (const Json& fit : run.at("fits")) {
      if (fit.at("field") == field) {
        auto curve = [&fit](double keys) {
          return fit.at("coefficient").get<double>() *
                 std::pow(keys, fit.at("exponent").get<double>());
        };
        constexpr int kPieces = 30;
        for (int piece = 0; piece < kPieces; piece++) {
          const double begin =
              std::pow(10, from + (to - from) * piece / kPieces);
          const double end =
              std::pow(10, from + (to - from) * (piece + 1) / kPieces);
          svg.Line(x_of(begin), y_of(curve(begin)), x_of(end), y_of(curve(end)),
                   pen.colour, 1, pen.shuffled);
        }
        at_far = Format("%.1f -> %.1f B",
                        run.at("points").back()[field].get<double>(),
                        fit.at("at").get<double>());
      }
    }
    for (const Json& point : run.at("points")) {
      svg.Circle(x_of(point.at("keys")), y_of(point.at(field)), 4, pen.colour,
                 pen.shuffled);
    }
    DrawLegend(which++, pen, run, at_far, &svg);
  }
  return svg.Finish();
}

// Keys a second between the points of the longest load's timeline.
std::string ThroughputChart(const Json& document) {
  const Json& scale = document.at("scale");
  double last = 1;
  double most = 1;
  auto each = [](const Json& run, auto body) {
    const Json& timeline = run.at("points").back().at("timeline");
    double keys = 0;
    double seconds = 0;
    for (const Json& at : timeline) {
      const double now_keys = at[0];
      const double now = at[1];
      body(now_keys, (now_keys - keys) / std::max(now - seconds, 1e-9));
      keys = now_keys;
      seconds = now;
    }
  };
  for (const Json& run : scale.at("runs")) {
    each(run, [&](double keys, double rate) {
      last = std::max(last, keys);
      most = std::max(most, rate);
    });
  }
  auto x_of = [&](double keys) {
    return kLeft + keys / last * (kRight - kLeft);
  };
  auto y_of = [&](double rate) {
    return kBottom - rate / most * (kBottom - kTop);
  };
  Svg svg(kWidth, kHeight);
  svg.Line(kLeft, kBottom, kRight, kBottom, "#1f2328");
  for (int quarter = 0; quarter <= 4; quarter++) {
    const double rate = most * quarter / 4;
    svg.Line(kLeft, y_of(rate), kRight, y_of(rate), "#e4e8ec");
    svg.Text(kLeft - 6, y_of(rate) + 5, ShowCount(rate), "end", "#59636e");
    svg.Text(x_of(last * quarter / 4), kBottom + 18,
             ShowCount(last * quarter / 4), "middle", "#59636e");
  }
  size_t which = 0;
  for (const Json& run : scale.at("runs")) {
    const Pen pen = PenOf(document, run);
    double x = -1;
    double y = 0;
    each(run, [&](double keys, double rate) {
      if (x >= 0) {
        svg.Line(x, y, x_of(keys), y_of(rate), pen.colour, 2, pen.shuffled);
      }
      x = x_of(keys);
      y = y_of(rate);
    });
    DrawLegend(which++, pen, run,
               ShowCount(run.at("points").back().at("keys_a_second")) + "/s",
               &svg);
  }
  return svg.Finish();
}

// `whole`: with what follows from other columns, or is for a closer look.
TableRows Rows(const Json& document, bool whole) {
  auto number = [](const char* format, const char* field) {
    return [format, field](const Json& point) {
      return Format(format, point.at(field).get<double>());
    };
  };
  std::vector<PointColumn> columns = {
      {"keys", [](const Json& point) { return ShowWhole(point.at("keys")); }},
      {"files, B/key", number("%.2f", "disk_bytes_a_key")},
      {"memory, B/key", number("%.2f", "memory_bytes_a_key")},
      {"load, keys/s",
       [](const Json& point) { return ShowCount(point.at("keys_a_second")); }},
      {"compact, s", number("%.1f", "compact_seconds")},
      {"open, s", number("%.2f", "open_seconds")},
      {"scan, s", number("%.1f", "read_all_seconds")},
      {IsLimited(document) ? "get, wall" : "get, CPU",
       [field = LookUpField(document, "")](const Json& point) {
         return ShowNanos(point.at(field));
       }},
      {"peak resident", [](const Json& point) {
         return ShowBytes(point.at("peak_resident_bytes"));
       }}};
  if (whole) {
    columns.push_back({"load, s", number("%.1f", "load_seconds")});
    columns.push_back({"load, CPU s", number("%.1f", "load_cpu_seconds")});
    columns.push_back({"get p99", [](const Json& point) {
                         return ShowNanos(point.value("get_p99_nanos", 0.0));
                       }});
  }
  if (IsLimited(document)) {
    columns.push_back({"read a get", [](const Json& point) {
                         return ShowBytes(point.at("get_bytes_read"));
                       }});
  }
  TableRows rows = {TitleRow({"load"}, columns)};
  for (const Json& run : document.at("scale").at("runs")) {
    for (const Json& point : run.at("points")) {
      rows.push_back(PointRow({NameOf(run)}, columns, point));
    }
  }
  return rows;
}

}  // namespace

std::string ScaleText(const Json& document) {
  if (!document.contains("scale")) {
    return "";
  }
  const Json& scale = document.at("scale");
  std::string text = "\n" + TextTable(Rows(document, false)) + "\n";
  for (const Json& run : scale.at("runs")) {
    for (const Json& fit : run.at("fits")) {
      text += Format(
          "%s, %s at %s keys: %.2f B a key, by %.3g * keys^%.3f through %d "
          "points, off by %.2f at most\n",
          NameOf(run).c_str(), fit.at("of").get<std::string>().c_str(),
          ShowWhole(fit.at("keys")).c_str(), fit.at("at").get<double>(),
          fit.at("coefficient").get<double>(), fit.at("exponent").get<double>(),
          fit.at("points").get<int>(), fit.at("largest_error").get<double>());
    }
  }
  std::string targets;
  for (const Json& target : scale.at("targets")) {
    targets +=
        (targets.empty() ? "" : ", ") + Format("%g", target.get<double>());
  }
  return text + "\nTargets: " + targets +
         " bytes a key. Memory is without the block cache.\n";
}

std::string ScaleSvg(const Json& document) {
  return document.contains("scale") ? GrowthChart(document, "disk_bytes_a_key")
                                    : "";
}

std::string ScaleMarkdown(const Json& document) {
  if (!document.contains("scale")) {
    return "";
  }
  std::string text = "\n" + MarkdownTable(Rows(document, false)) + "\n";
  for (const Json& run : document.at("scale").at("runs")) {
    for (const Json& fit : run.at("fits")) {
      text += Format(
          "- %s, %s, at %s keys: %.2f B a key (off by %.2f at most "
          "where it was measured)\n",
          NameOf(run).c_str(), fit.at("of").get<std::string>().c_str(),
          ShowWhole(fit.at("keys")).c_str(), fit.at("at").get<double>(),
          fit.at("largest_error").get<double>());
    }
  }
  return text;
}

std::string ScaleHtml(const Json& document) {
  if (!document.contains("scale")) {
    return "";
  }
  return "<h2>Table files, bytes a key, as keys grow in number</h2>\n" +
         GrowthChart(document, "disk_bytes_a_key") +
         "<h2>Memory without block cache, bytes a key</h2>\n" +
         GrowthChart(document, "memory_bytes_a_key") +
         "<p class=quiet>Dots are measured; lines are fits of a power of the "
         "number of keys, drawn to " +
         ShowWhole(document.at("scale").at("extrapolate_to")) +
         " keys; at the right, the last measured and the extrapolated. Dashed "
         "and hollow: loaded shuffled. Yellow: the targets.</p>\n"
         "<h2>Keys a second over the longest load</h2>\n" +
         ThroughputChart(document) + HtmlTable(Rows(document, true));
}

}  // namespace memkv
