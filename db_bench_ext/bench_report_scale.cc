// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <cmath>

#include "db_bench_ext/bench_report.h"
#include "db_bench_ext/svg.h"

namespace memkv {

using Json = nlohmann::ordered_json;

namespace {

constexpr double kWidth = 1080;
constexpr double kHeight = 330;
constexpr double kLeft = 60;
constexpr double kRight = kWidth - 330;
constexpr double kTop = 20;
constexpr double kBottom = kHeight - 36;

const char* const kColours[] = {"#6e7781", "#bf8700", "#0969da", "#8250df",
                                "#1a7f37", "#1b7c83", "#953800", "#bf3989"};

std::string NameOf(const Json& run) {
  return run.at("config").get<std::string>() + ", " +
         run.at("order").get<std::string>();
}

// Bytes a key over the number of keys; measured points, the fit as a thinner
// line through them to where it is extrapolated, and the targets.
std::string GrowthChart(const Json& scale, const std::string& field) {
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
    const std::string colour = kColours[which % std::size(kColours)];
    for (const Json& point : run.at("points")) {
      svg.Circle(x_of(point.at("keys")), y_of(point.at(field)), 4, colour);
    }
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
                   colour);
        }
        at_far = Format("%.1f -> %.1f B",
                        run.at("points").back()[field].get<double>(),
                        fit.at("at").get<double>());
      }
    }
    const double line = kTop + 10 + 20 * static_cast<double>(which);
    svg.Circle(kRight + 24, line - 4, 5, colour);
    svg.Text(kRight + 36, line, NameOf(run), "start");
    svg.Text(kWidth, line, at_far, "end", "#1f2328", true);
    which++;
  }
  return svg.Finish();
}

// Keys a second between the points of the longest load's timeline.
std::string ThroughputChart(const Json& scale) {
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
    const std::string colour = kColours[which % std::size(kColours)];
    double x = -1;
    double y = 0;
    each(run, [&](double keys, double rate) {
      if (x >= 0) {
        svg.Line(x, y, x_of(keys), y_of(rate), colour, 2);
      }
      x = x_of(keys);
      y = y_of(rate);
    });
    const Json& point = run.at("points").back();
    const double line = kTop + 10 + 20 * static_cast<double>(which);
    svg.Circle(kRight + 24, line - 4, 5, colour);
    svg.Text(kRight + 36, line, NameOf(run), "start");
    svg.Text(kWidth, line, ShowCount(point.at("keys_a_second")) + "/s", "end",
             "#1f2328", true);
    which++;
  }
  return svg.Finish();
}

}  // namespace

std::string ScaleText(const Json& document) {
  if (!document.contains("scale")) {
    return "";
  }
  const Json& scale = document.at("scale");
  std::string text;
  for (const Json& run : scale.at("runs")) {
    text += "\n" + NameOf(run) + "\n" +
            Format("%14s %12s %12s %12s %10s %10s %10s %10s\n", "keys",
                   "files B/key", "memory B/key", "load keys/s", "compact s",
                   "open s", "scan s", "peak RSS");
    for (const Json& point : run.at("points")) {
      text += Format("%14s %12.2f %12.2f %12s %10.1f %10.2f %10.1f %10s\n",
                     ShowWhole(point.at("keys")).c_str(),
                     point.at("disk_bytes_a_key").get<double>(),
                     point.at("memory_bytes_a_key").get<double>(),
                     ShowWhole(static_cast<uint64_t>(
                                   point.at("keys_a_second").get<double>()))
                         .c_str(),
                     point.at("compact_seconds").get<double>(),
                     point.at("open_seconds").get<double>(),
                     point.at("read_all_seconds").get<double>(),
                     ShowBytes(point.at("peak_resident_bytes")).c_str());
    }
    for (const Json& fit : run.at("fits")) {
      text += Format(
          "  %s at %s keys: %.2f B a key, by %.3g * keys^%.3f through %d "
          "points, off by %.2f at most\n",
          fit.at("of").get<std::string>().c_str(),
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
  return document.contains("scale")
             ? GrowthChart(document.at("scale"), "disk_bytes_a_key")
             : "";
}

std::string ScaleMarkdown(const Json& document) {
  if (!document.contains("scale")) {
    return "";
  }
  const Json& scale = document.at("scale");
  std::string text =
      "\n| load | keys | files, B/key | memory, B/key | load, keys/s | "
      "compact, s | open, s | scan, s | get, CPU | peak resident |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& run : scale.at("runs")) {
    for (const Json& point : run.at("points")) {
      text += "| " + NameOf(run) + " | " + ShowWhole(point.at("keys")) +
              Format(" | %.2f | %.2f | ",
                     point.at("disk_bytes_a_key").get<double>(),
                     point.at("memory_bytes_a_key").get<double>()) +
              ShowCount(point.at("keys_a_second")) +
              Format(" | %.1f | %.2f | %.1f | ",
                     point.at("compact_seconds").get<double>(),
                     point.at("open_seconds").get<double>(),
                     point.at("read_all_seconds").get<double>()) +
              ShowNanos(point.at("get_cpu_nanos")) + " | " +
              ShowBytes(point.at("peak_resident_bytes")) + " |\n";
    }
  }
  text += "\n";
  for (const Json& run : scale.at("runs")) {
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
  const Json& scale = document.at("scale");
  std::string html =
      "<h2>Table files, bytes a key, as keys grow in number</h2>\n" +
      GrowthChart(scale, "disk_bytes_a_key") +
      "<h2>Memory without block cache, bytes a key</h2>\n" +
      GrowthChart(scale, "memory_bytes_a_key") +
      "<p class=quiet>Dots are measured; lines are fits of a power of the "
      "number of keys, drawn to " +
      ShowWhole(scale.at("extrapolate_to")) +
      " keys; at the right, the last measured and the extrapolated. Yellow: "
      "the targets.</p>\n<h2>Keys a second over the longest load</h2>\n" +
      ThroughputChart(scale);
  html +=
      "<table><tr><th>load</th><th>keys</th><th>files, B/key</th>"
      "<th>memory, B/key</th><th>load, s</th><th>CPU, s</th>"
      "<th>compact, s</th><th>open, s</th><th>scan, s</th><th>get, CPU"
      "</th><th>peak resident</th></tr>\n";
  for (const Json& run : scale.at("runs")) {
    for (const Json& point : run.at("points")) {
      html += "<tr><td>" + Escape(NameOf(run)) + "</td><td>" +
              ShowWhole(point.at("keys")) + "</td>";
      for (const char* field :
           {"disk_bytes_a_key", "memory_bytes_a_key", "load_seconds",
            "load_cpu_seconds", "compact_seconds", "open_seconds",
            "read_all_seconds"}) {
        html +=
            "<td>" + Format("%.2f", point.at(field).get<double>()) + "</td>";
      }
      html += "<td>" + ShowNanos(point.at("get_cpu_nanos")) + "</td><td>" +
              ShowBytes(point.at("peak_resident_bytes")) + "</td></tr>\n";
    }
  }
  return html + "</table>\n";
}

}  // namespace memkv
