// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "db_bench_ext/memkv_bench/svg.h"

namespace memkv {

using rocksdb::Status;

namespace {

// The page, with {{pictures}} and {{data}}.
constexpr char kPage[] =
#include "memkv_bench_report_html.inc"
    ;

// Columns as wide as the widest cell, all but the first and lists flush right.
std::string TextTable(const ReportTable& table) {
  std::vector<size_t> widths;
  for (const std::vector<std::string>& row : table.rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); i++) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  const bool list = table.rows[0].size() == 2 && table.rows[0][1].empty();
  std::string text = table.rows[0][0] == table.title ? "" : table.title + "\n";
  for (const std::vector<std::string>& row : table.rows) {
    std::string line = fmt::format("{:<{}}", row[0], list ? 7 : widths[0]);
    for (size_t i = 1; i < row.size(); i++) {
      line += list ? "  " + row[i] : fmt::format("  {:>{}}", row[i], widths[i]);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string ColourOf(const std::string& verdict) {
  return verdict == "better"  ? "#1a7f37"
         : verdict == "worse" ? "#cf222e"
                              : "#8c959f";
}

// A row of the picture of a comparison.
struct Bar {
  const Figure* figure;
  const Json* baseline;
  const Json* result;

  double times(const char* which) const {
    return result->at("times_as_good").at(which).get<double>();
  }
};

std::vector<Bar> BarsOf(const Json& document,
                        const std::vector<Figure>& figures, size_t place) {
  std::vector<Bar> bars;
  for (const Figure& figure : figures) {
    const Json* baseline = nullptr;
    for (const Json& result : figure.results) {
      const size_t at = PlaceOf(document, result.at("config"));
      baseline = at == 0 ? &result : baseline;
      if (at == place && baseline != nullptr &&
          !ShowComparison(result).empty()) {
        bars.push_back({&figure, baseline, &result});
      }
    }
  }
  return bars;
}

// Bars from the line of "the same" to both sides, on a scale of powers.
std::string ComparisonChart(const std::vector<Bar>& bars) {
  constexpr double kWidth = 1080;
  constexpr double kRow = 22;
  constexpr double kLeft = 290;
  constexpr double kRight = kWidth - 280;
  double reach = 1;
  size_t groups = 0;
  for (size_t i = 0; i < bars.size(); i++) {
    reach = std::max({reach, std::fabs(std::log2(bars[i].times("low"))),
                      std::fabs(std::log2(bars[i].times("high")))});
    groups += i == 0 || bars[i].figure->group != bars[i - 1].figure->group;
  }
  reach = std::min(std::ceil(reach), 6.0);
  auto at = [&](double times) {
    const double power = std::max(-reach, std::min(reach, std::log2(times)));
    return (kLeft + kRight) / 2 + power / reach * (kRight - kLeft) / 2;
  };
  const double height = 40 + kRow * static_cast<double>(bars.size() + groups);
  Svg svg(kWidth, height);
  svg.Text(at(1) - 12, 12, "worse", "end", ColourOf("worse"));
  svg.Text(at(1) + 12, 12, "better", "start", ColourOf("better"));
  for (int power = -static_cast<int>(reach); power <= static_cast<int>(reach);
       power++) {
    const double x = at(std::pow(2, power));
    svg.Line(x, 32, x, height - 4, power == 0 ? kInk : kGridInk);
    svg.Text(x, 28,
             power == 0  ? "same"
             : power > 0 ? fmt::format("{}x", 1 << power)
                         : fmt::format("1/{}", 1 << -power),
             "middle", kQuietInk);
  }
  double y = 34;
  std::string group;
  for (const Bar& bar : bars) {
    if (bar.figure->group != group) {
      group = bar.figure->group;
      svg.Text(0, y + 16, group, "start", kQuietInk, true);
      y += kRow;
    }
    const double x = at(bar.times("median"));
    const std::string colour =
        ColourOf(bar.result->at("times_as_good").at("verdict"));
    svg.Text(14, y + 15, bar.figure->title, "start");
    svg.Rect(std::min(x, at(1)), y + 3, std::max(std::fabs(x - at(1)), 1.5),
             kRow - 7, colour);
    // The spread of the repeats.
    svg.Line(at(bar.times("low")), y + 11, at(bar.times("high")), y + 11, kInk);
    svg.Text(kRight + 18, y + 15, ShowComparison(*bar.result), "start", colour,
             true);
    svg.Text(
        kWidth, y + 15,
        bar.figure->show(*bar.baseline) + " → " + bar.figure->show(*bar.result),
        "end", kQuietInk);
    y += kRow;
  }
  return svg.Finish();
}

std::string Replaced(std::string text, const std::string& name,
                     const std::string& by) {
  return text.replace(text.find(name), name.size(), by);
}

std::string MachineSentence(const Json& document) {
  const Json& machine = document.at("machine");
  return fmt::format("{}, {} CPUs, {}, {}, RocksDB {}, {}",
                     machine.at("cpu").get<std::string>(),
                     machine.at("cpus").get<uint64_t>(),
                     ShowBytes(machine.at("memory_bytes")),
                     machine.at("compiler").get<std::string>(),
                     document.at("rocksdb").get<std::string>(),
                     document.at("created").get<std::string>().substr(0, 10));
}

std::string KeysSentence(const Json& keys) {
  return fmt::format(
      "{} keys, {:.1f} bytes long, {:.1f} shared with the neighbour; values "
      "of {:.1f} bytes\n  from {}\n",
      ShowWhole(keys.at("count")), keys.at("mean_length").get<double>(),
      keys.at("mean_shared_prefix").get<double>(),
      keys.at("value_bytes").get<double>() /
          std::max(1.0, keys.at("count").get<double>()),
      keys.at("description").get<std::string>());
}

// What --demo asked, and the answers.
std::string Questions(const Json& document) {
  std::string text;
  for (const Json& line : document.value("questions", Json::array())) {
    text += line.get<std::string>() + "\n";
  }
  return text;
}

std::vector<std::string> Sentences(const Json& document) {
  std::vector<std::string> sentences;
  for (const std::string& sentence :
       {LimitSentence(document), AgreementSentence(document)}) {
    if (!sentence.empty()) {
      sentences.push_back(sentence);
    }
  }
  return sentences;
}

// Of each figure a row; in bold what is better.
ReportTable ComparedFigures(const Json& document) {
  ReportTable table = {"", {{""}}};
  for (const Json& config : document.at("configs")) {
    table.rows[0].push_back(config.at("name"));
  }
  for (const Figure& figure : FiguresOf(document)) {
    if (figure.group == kAllThreads || figure.group == kReads) {
      continue;
    }
    std::vector<std::string> row(table.rows[0].size(), "n/a");
    row[0] = figure.title;
    for (const Json& result : figure.results) {
      std::string cell = figure.show(result);
      if (!ShowComparison(result).empty()) {
        const Json& times = result.at("times_as_good");
        const std::string factor =
            fmt::format("{:.2f}x", times.at("median").get<double>());
        cell += times.at("verdict") == "better"  ? " (**" + factor + "**)"
                : times.at("verdict") == "worse" ? " (" + factor + ", worse)"
                                                 : " (same)";
      }
      row[1 + PlaceOf(document, result.at("config"))] = cell;
    }
    table.rows.push_back(row);
  }
  return table;
}

std::string MarkdownTable(const ReportTable& table) {
  std::string text = "\n";
  for (size_t i = 0; i < table.rows.size(); i++) {
    text += "|";
    for (const std::string& cell : table.rows[i]) {
      text += " " + cell + " |";
    }
    text += "\n";
    if (i == 0) {
      text += "|";
      for (size_t column = 0; column < table.rows[0].size(); column++) {
        text += "---|";
      }
      text += "\n";
    }
  }
  return text;
}

// A picture for each configuration that is compared, and those of --scale and
// --delta.
std::vector<Picture> PicturesOf(const Json& document) {
  std::vector<Picture> pictures = PointPictures(document);
  const std::vector<Figure> figures = FiguresOf(document);
  const Json& configs = document.at("configs");
  for (size_t place = 1; place < configs.size(); place++) {
    const std::vector<Bar> bars = BarsOf(document, figures, place);
    if (!bars.empty()) {
      pictures.push_back(
          {fmt::format("{} against {}",
                       configs[place].at("name").get<std::string>(),
                       configs[0].at("name").get<std::string>()),
           ComparisonChart(bars),
           "How many times as good, median of the repeats; the thin line is "
           "from the worst repeat to the best. Grey: repeats disagree, or less "
           "than 3 %."});
    }
  }
  return pictures;
}

}  // namespace

std::string TextReport(const Json& document) {
  const Json& settings = document.at("settings");
  std::string text =
      document.at("keys").is_null() ? "" : KeysSentence(document.at("keys"));
  for (const Json& config : document.at("configs")) {
    text += fmt::format("  {}: {}\n", config.at("name").get<std::string>(),
                        config.at("options").get<std::string>());
  }
  text += fmt::format("  on {}, {} threads, {} repeats\n",
                      MachineSentence(document),
                      settings.at("threads").get<uint64_t>(),
                      settings.at("repeat").get<uint64_t>());
  for (const ReportTable& table : TablesOf(document)) {
    text += "\n" + TextTable(table);
  }
  for (const std::string& sentence : Sentences(document)) {
    text += "\n" + sentence + "\n";
  }
  const std::string questions = Questions(document);
  text += questions.empty() ? "" : "\nQuestions\n" + questions;
  if (!document.at("complete").get<bool>()) {
    text += "\nThe run was STOPPED: this is what had been measured.\n";
  }
  return text;
}

std::string MarkdownReport(const Json& document) {
  const bool points = document.contains("scale") || document.contains("delta");
  std::string text = "`" + document.at("command").get<std::string>() + "`\n\n";
  if (!document.at("complete").get<bool>()) {
    text += "The run was stopped: this is what had been measured.\n\n";
  }
  // A run can be stopped before the keys are known.
  const Json& keys = document.at("keys");
  text += (keys.is_null() ? "" : ShowWhole(keys.at("count")) + " keys; ") +
          MachineSentence(document);
  if (points) {
    text += ".\n";
    for (const ReportTable& table : PointTables(document, false)) {
      text += MarkdownTable(table);
    }
  } else {
    text += fmt::format(
        "; medians of {} repeats, and how many times as good as {}.\n",
        document.at("settings").at("repeat").get<uint64_t>(),
        document.at("configs")[0].at("name").get<std::string>());
    text += MarkdownTable(ComparedFigures(document));
  }
  for (const std::string& sentence : Sentences(document)) {
    text += "\n" + sentence + "\n";
  }
  return text;
}

std::string SvgReport(const Json& document) {
  const std::vector<Picture> pictures = PicturesOf(document);
  return pictures.empty() ? "" : pictures[0].svg;
}

std::string HtmlReport(const Json& document) {
  std::string html;
  for (const Picture& picture : PicturesOf(document)) {
    html += fmt::format("<h2>{}</h2>\n{}<p class=\"quiet\">{}</p>\n",
                        Escape(picture.title), picture.svg, picture.note);
  }
  Json data = {{"report", document},
               {"sentences", Sentences(document)},
               {"tables", Json::array()},
               {"colours", Json::array()}};
  for (const ReportTable& table : TablesOf(document)) {
    data["tables"].push_back({{"title", table.title}, {"rows", table.rows}});
  }
  for (size_t i = 0; i < kChartColours; i++) {
    data["colours"].push_back(ChartColour(i));
  }
  // No tag may be in it: a script ends at the first that looks like its end.
  std::string json;
  for (char c : data.dump(1)) {
    json += c == '<' ? "\\u003c" : std::string(1, c);
  }
  return Replaced(Replaced(kPage, "{{pictures}}", html), "{{data}}", json);
}

Status WriteReport(const std::string& path, const std::string& text) {
  FILE* const out = path == "-" ? stdout : std::fopen(path.c_str(), "w");
  if (out == nullptr) {
    return Status::IOError("cannot write " + path, std::strerror(errno));
  }
  bool ok = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  ok = (path == "-" ? std::fflush(out) : std::fclose(out)) == 0 && ok;
  return ok ? Status::OK()
            : Status::IOError("writing " + path, std::strerror(errno));
}

}  // namespace memkv
