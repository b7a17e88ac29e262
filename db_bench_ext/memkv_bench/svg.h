// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Svg: a drawing as a file of its own, of the few shapes that charts need; and
// a chart of lines in panels.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace memkv {

// The colours of all charts. What is drawn of a configuration has the colour of
// its place among those of the report: the baseline is grey.
constexpr size_t kChartColours = 8;  // then they repeat
const char* ChartColour(size_t place);
constexpr char kInk[] = "#1f2328";
constexpr char kQuietInk[] = "#59636e";
constexpr char kGridInk[] = "#e4e8ec";

// `text` as HTML shows it, in an attribute too.
std::string Escape(const std::string& text);

class Svg {
 public:
  Svg(double width, double height);

  // `anchor`: start, middle or end.
  void Text(double x, double y, const std::string& text, const char* anchor,
            const std::string& colour = kInk, bool bold = false);
  void Rect(double x, double y, double width, double height,
            const std::string& colour);
  void Line(double x1, double y1, double x2, double y2,
            const std::string& colour, double width = 1, bool dashed = false);
  void Circle(double x, double y, double radius, const std::string& colour,
              bool hollow = false);

  std::string Finish() const { return body_ + "</svg>\n"; }

 private:
  std::string body_;
};

// ---- Charts of lines -------------------------------------------------------

struct ChartLine {
  std::string colour;
  bool dashed = false;  // and its dots hollow
  double width = 2;
  double radius = 4;  // of its dots; 0: none
  std::vector<std::pair<double, double>> points;
};

// A panel; its ordinates begin at 0.
struct ChartPanel {
  std::string title;
  std::string (*show)(double);                        // an ordinate
  std::vector<std::pair<double, std::string>> ticks;  // of the abscissa
  std::vector<ChartLine> lines;
};

// Panels in two columns under a legend of names.
std::string LineChart(
    const std::vector<std::pair<std::string, ChartLine>>& legend,
    const std::vector<ChartPanel>& panels);

}  // namespace memkv
