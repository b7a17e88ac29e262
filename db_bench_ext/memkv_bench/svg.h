// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Svg: an inline drawing for an HTML report, of the few shapes that charts of
// bars and lines need.
//
// Thread safety: none; one object, one thread.

#pragma once

#include <cstddef>
#include <iterator>
#include <string>

#include "db_bench_ext/common/format.h"

namespace memkv {

// The colours of all charts. What is drawn of a configuration has the colour of
// its place among those of the report: the baseline is grey.
inline const char* ChartColour(size_t place) {
  static const char* const kColours[] = {"#6e7781", "#0969da", "#bf8700",
                                         "#8250df", "#1a7f37", "#1b7c83",
                                         "#953800", "#bf3989"};
  return kColours[place % std::size(kColours)];
}

// `text` as HTML shows it, in an attribute too.
inline std::string Escape(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped.push_back(c);
        break;
    }
  }
  return escaped;
}

class Svg {
 public:
  Svg(double width, double height) : height_(height) {
    body_ =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " +
        Number(width) + " " + Number(height) + "\" width=\"" + Number(width) +
        "\" height=\"" + Number(height) +
        "\" role=\"img\" font-family=\"system-ui, DejaVu Sans, sans-serif\" "
        "font-size=\"13\">\n";
    // It may be shown on a dark page.
    Rect(0, 0, width, height, "#ffffff");
  }

  double height() const { return height_; }

  // `anchor`: start, middle or end.
  void Text(double x, double y, const std::string& text, const char* anchor,
            const std::string& colour = "#1f2328", bool bold = false) {
    body_ += "<text x=\"" + Number(x) + "\" y=\"" + Number(y) +
             "\" text-anchor=\"" + anchor + "\" style=\"fill:" + colour +
             (bold ? ";font-weight:600" : "") + "\">" + Escape(text) +
             "</text>\n";
  }
  void Rect(double x, double y, double width, double height,
            const std::string& colour) {
    body_ += "<rect x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" width=\"" +
             Number(width) + "\" height=\"" + Number(height) + "\" fill=\"" +
             colour + "\"/>\n";
  }
  void Line(double x1, double y1, double x2, double y2,
            const std::string& colour, double width = 1, bool dashed = false) {
    body_ += "<line x1=\"" + Number(x1) + "\" y1=\"" + Number(y1) + "\" x2=\"" +
             Number(x2) + "\" y2=\"" + Number(y2) + "\" stroke=\"" + colour +
             "\" stroke-width=\"" + Number(width) +
             (dashed ? "\" stroke-dasharray=\"5 3" : "") + "\"/>\n";
  }
  void Circle(double x, double y, double radius, const std::string& colour,
              bool hollow = false) {
    body_ += "<circle cx=\"" + Number(x) + "\" cy=\"" + Number(y) + "\" r=\"" +
             Number(radius) + "\" fill=\"" +
             (hollow ? "none\" stroke=\"" + colour + "\" stroke-width=\"2"
                     : colour) +
             "\"/>\n";
  }

  std::string Finish() const { return body_ + "</svg>\n"; }

 private:
  static std::string Number(double value) { return Format("%.1f", value); }

  const double height_;
  std::string body_;
};

}  // namespace memkv
