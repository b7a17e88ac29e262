// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/memkv_bench/point_table.h"

#include <algorithm>
#include <utility>

#include "db_bench_ext/memkv_bench/svg.h"

namespace memkv {

std::vector<std::string> PointRow(std::vector<std::string> names,
                                  const std::vector<PointColumn>& columns,
                                  const nlohmann::ordered_json& point) {
  for (const PointColumn& column : columns) {
    names.push_back(column.show(point));
  }
  return names;
}

std::vector<std::string> TitleRow(std::vector<std::string> names,
                                  const std::vector<PointColumn>& columns) {
  for (const PointColumn& column : columns) {
    names.push_back(column.title);
  }
  return names;
}

std::string TextTable(const TableRows& rows) {
  std::vector<size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); i++) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); i++) {
      text.append(widths[i] - row[i].size() + (i == 0 ? 0 : 2), ' ');
      text += row[i];
    }
    text += "\n";
  }
  return text;
}

std::string HtmlTable(const TableRows& rows) {
  std::string html = "<table>";
  const char* cell = "th";
  for (const std::vector<std::string>& row : rows) {
    html += "<tr>";
    for (const std::string& text : row) {
      html += std::string("<") + cell + ">" + Escape(text) + "</" + cell + ">";
    }
    html += "</tr>\n";
    cell = "td";
  }
  return html + "</table>\n";
}

std::string MarkdownTable(const TableRows& rows) {
  std::string text;
  for (size_t i = 0; i < rows.size(); i++) {
    text += "|";
    for (const std::string& cell : rows[i]) {
      text += cell.empty() ? " |" : " " + cell + " |";
    }
    text += "\n";
    if (i == 0) {
      text += "|";
      for (size_t column = 0; column < rows[0].size(); column++) {
        text += "---|";
      }
      text += "\n";
    }
  }
  return text;
}

}  // namespace memkv
