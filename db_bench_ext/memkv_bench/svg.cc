// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/svg.h"

#include <fmt/format.h>

#include <algorithm>

namespace memkv {

namespace {

constexpr double kPanelWidth = 540;
constexpr double kPanelHeight = 250;
constexpr double kLegendWidth = 270;
constexpr double kLegendHeight = 24;
constexpr double kLeft = 62;
constexpr double kRight = 24;
constexpr double kTop = 34;
constexpr double kBottom = 30;

void DrawPanel(const ChartPanel& panel, double left, double top, Svg* svg) {
  double from = 1e300;
  double to = -1e300;
  double most = 1e-9;
  auto reach = [&](double x) {
    from = std::min(from, x);
    to = std::max(to, x);
  };
  for (const auto& tick : panel.ticks) {
    reach(tick.first);
  }
  for (const ChartLine& line : panel.lines) {
    for (const auto& [x, y] : line.points) {
      reach(x);
      most = std::max(most, y * 1.05);
    }
  }
  const double bottom = top + kPanelHeight - kBottom;
  auto x_of = [&](double x) {
    return left + kLeft +
           (x - from) / std::max(to - from, 1e-9) *
               (kPanelWidth - kLeft - kRight);
  };
  auto y_of = [&](double y) {
    return bottom - std::max(y, 0.0) / most * (kPanelHeight - kTop - kBottom);
  };
  svg->Text(left + kLeft, top + 20, panel.title, "start", kInk, true);
  for (int quarter = 0; quarter <= 4; quarter++) {
    const double value = most * quarter / 4;
    svg->Line(x_of(from), y_of(value), x_of(to), y_of(value),
              quarter == 0 ? kInk : kGridInk);
    svg->Text(left + kLeft - 6, y_of(value) + 5, panel.show(value), "end",
              kQuietInk);
  }
  for (const auto& [x, text] : panel.ticks) {
    svg->Text(x_of(x), bottom + 18, text, "middle", kQuietInk);
  }
  for (const ChartLine& line : panel.lines) {
    for (size_t i = 0; i < line.points.size(); i++) {
      const auto& [x, y] = line.points[i];
      if (i > 0 && line.width > 0) {
        svg->Line(x_of(line.points[i - 1].first),
                  y_of(line.points[i - 1].second), x_of(x), y_of(y),
                  line.colour, line.width, line.dashed);
      }
      if (line.radius > 0) {
        svg->Circle(x_of(x), y_of(y), line.radius, line.colour, line.dashed);
      }
    }
  }
}

}  // namespace

const char* ChartColour(size_t place) {
  static const char* const kColours[kChartColours] = {
      "#6e7781", "#0969da", "#bf8700", "#8250df",
      "#1a7f37", "#1b7c83", "#953800", "#bf3989"};
  return kColours[place % kChartColours];
}

std::string Escape(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    const char* const name = c == '&'   ? "&amp;"
                             : c == '<' ? "&lt;"
                             : c == '>' ? "&gt;"
                             : c == '"' ? "&quot;"
                                        : nullptr;
    escaped += name != nullptr ? std::string(name) : std::string(1, c);
  }
  return escaped;
}

Svg::Svg(double width, double height)
    : body_(fmt::format(
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.1f} "
          "{1:.1f}\" width=\"{0:.1f}\" height=\"{1:.1f}\" role=\"img\" "
          "font-family=\"system-ui, DejaVu Sans, sans-serif\" "
          "font-size=\"13\">\n",
          width, height)) {
  // It may be shown on a dark page.
  Rect(0, 0, width, height, "#ffffff");
}

void Svg::Text(double x, double y, const std::string& text, const char* anchor,
               const std::string& colour, bool bold) {
  body_ += fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" "
      "style=\"fill:{}{}\">{}</text>\n",
      x, y, anchor, colour, bold ? ";font-weight:600" : "", Escape(text));
}

void Svg::Rect(double x, double y, double width, double height,
               const std::string& colour) {
  body_ += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
      "fill=\"{}\"/>\n",
      x, y, width, height, colour);
}

void Svg::Line(double x1, double y1, double x2, double y2,
               const std::string& colour, double width, bool dashed) {
  body_ += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" "
      "stroke=\"{}\" stroke-width=\"{:.1f}\"{}/>\n",
      x1, y1, x2, y2, colour, width, dashed ? " stroke-dasharray=\"5 3\"" : "");
}

void Svg::Circle(double x, double y, double radius, const std::string& colour,
                 bool hollow) {
  body_ += fmt::format(
      "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\" "
      "stroke=\"{}\"/>\n",
      x, y, radius, hollow ? "#ffffff" : colour, colour);
}

std::string LineChart(
    const std::vector<std::pair<std::string, ChartLine>>& legend,
    const std::vector<ChartPanel>& panels) {
  // In rows of four names and of two panels.
  const double legend_height =
      kLegendHeight * static_cast<double>((legend.size() + 3) / 4);
  const auto rows = static_cast<double>((panels.size() + 1) / 2);
  Svg svg(2 * kPanelWidth, legend_height + kPanelHeight * rows);
  for (size_t i = 0; i < legend.size(); i++) {
    const auto& [name, line] = legend[i];
    const double x = 24 + kLegendWidth * static_cast<double>(i % 4);
    const double y = 14 + kLegendHeight * static_cast<double>(i / 4);
    svg.Line(x - 10, y, x + 10, y, line.colour, 2, line.dashed);
    svg.Circle(x, y, 5, line.colour, line.dashed);
    svg.Text(x + 16, y + 5, name, "start");
  }
  for (size_t i = 0; i < panels.size(); i++) {
    DrawPanel(panels[i], kPanelWidth * static_cast<double>(i % 2),
              legend_height + kPanelHeight * static_cast<double>(i / 2), &svg);
  }
  return svg.Finish();
}

}  // namespace memkv
