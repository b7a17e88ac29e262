// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/format.h"
#include "db_bench_ext/memkv_bench/figures.h"

namespace memkv {

namespace {

// The page, with {{data}}.
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

std::string MarkdownTable(const ReportTable& table) {
  std::string text = "\n";
  for (size_t i = 0; i < table.rows.size(); i++) {
    text += fmt::format("| {} |\n", fmt::join(table.rows[i], " | "));
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

// Of each figure a row; in bold what is better.
ReportTable ComparedFigures(const Json& document) {
  ReportTable table = {"", {{""}}};
  for (const Json& config : document.at("configs")) {
    table.rows[0].push_back(config.at("name"));
  }
  for (const Figure& figure : FiguresOf(document)) {
    if (figure.kind != Figure::kCompared) {
      continue;
    }
    table.rows.push_back({figure.title});
    for (const Figure::Cell& cell : figure.cells) {
      std::string shown = cell.shown.empty() ? "n/a" : cell.shown;
      if (!cell.times.is_null()) {
        const std::string factor =
            fmt::format("{:.2f}x", cell.times.at("median").get<double>());
        const std::string verdict = cell.times.at("verdict");
        shown += verdict == "better"  ? " (**" + factor + "**)"
                 : verdict == "worse" ? " (" + factor + ", worse)"
                                      : " (same)";
      }
      table.rows.back().push_back(shown);
    }
  }
  return table;
}

std::string MachineSentence(const Json& document) {
  const Json& machine = document.at("machine");
  const std::string kernels = machine.value("kernels", "");
  return fmt::format("{}, {} CPUs, {}, {}{}, RocksDB {}, {}",
                     machine.at("cpu").get<std::string>(),
                     machine.at("cpus").get<uint64_t>(),
                     ShowBytes(machine.at("memory_bytes")),
                     machine.at("compiler").get<std::string>(),
                     kernels.empty() ? "" : ", " + kernels + " kernels",
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
  for (const std::string& sentence : SentencesOf(document)) {
    text += "\n" + sentence + "\n";
  }
  if (document.contains("questions")) {
    text += fmt::format(
        "\nQuestions\n{}\n",
        fmt::join(document.at("questions").get<std::vector<std::string>>(),
                  "\n"));
  }
  if (!document.at("complete").get<bool>()) {
    text += "\nThe run was STOPPED: this is what had been measured.\n";
  }
  return text;
}

std::string MarkdownReport(const Json& document) {
  std::string text = "`" + document.at("command").get<std::string>() + "`\n\n";
  if (!document.at("complete").get<bool>()) {
    text += "The run was stopped: this is what had been measured.\n\n";
  }
  // A run can be stopped before the keys are known.
  const Json& keys = document.at("keys");
  text += (keys.is_null() ? "" : ShowWhole(keys.at("count")) + " keys; ") +
          MachineSentence(document);
  if (document.contains("scale") || document.contains("delta")) {
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
  for (const std::string& sentence : SentencesOf(document)) {
    text += "\n" + sentence + "\n";
  }
  return text;
}

std::string JsonReport(const Json& document) {
  // A path need not be UTF-8.
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string HtmlReport(const Json& document) {
  Json data = {{"report", document},
               {"figures", Json::array()},
               {"tables", Json::array()},
               {"sentences", SentencesOf(document)}};
  for (const Figure& figure : FiguresOf(document)) {
    Json cells = Json::array();
    for (const Figure::Cell& cell : figure.cells) {
      cells.push_back({{"shown", cell.shown},
                       {"verdict", cell.Verdict()},
                       {"times", cell.times}});
    }
    data["figures"].push_back(
        {{"title", figure.title}, {"group", figure.group}, {"cells", cells}});
  }
  for (const ReportTable& table : TablesOf(document)) {
    data["tables"].push_back({{"title", table.title}, {"rows", table.rows}});
  }
  // No tag may be in it: a script ends at the first that looks like its end.
  std::string json;
  for (char c : JsonReport(data)) {
    json += c == '<' ? "\\u003c" : std::string(1, c);
  }
  constexpr char kData[] = "{{data}}";
  std::string page = kPage;
  return page.replace(page.find(kData), std::strlen(kData), json);
}

void WriteReport(const std::string& path, const std::string& text) {
  // Not RocksDB's WriteStringToFile(), which deletes what it cannot write: the
  // path may be a device.
  FILE* const out = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  const bool written =
      out != nullptr &&
      std::fwrite(text.data(), 1, text.size(), out) == text.size() &&
      std::fflush(out) == 0;
  int error = written ? 0 : errno;
  if (out != nullptr && out != stdout && std::fclose(out) != 0 && written) {
    error = errno;
  }
  if (error != 0) {
    throw Failure(rocksdb::Status::IOError(path, std::strerror(error)));
  }
}

}  // namespace memkv
