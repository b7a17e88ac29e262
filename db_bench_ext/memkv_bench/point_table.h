// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Tables of what --scale and --delta measured at each point: rows of cells, the
// first row the titles, in the three forms that reports have.
//
// Thread safety: functions without shared state.

#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace memkv {

// What a table shows of a point.
struct PointColumn {
  std::string title;
  std::function<std::string(const nlohmann::ordered_json&)> show;
};

using TableRows = std::vector<std::vector<std::string>>;

// `names` and then a cell of each column.
std::vector<std::string> PointRow(std::vector<std::string> names,
                                  const std::vector<PointColumn>& columns,
                                  const nlohmann::ordered_json& point);
// The row of titles.
std::vector<std::string> TitleRow(std::vector<std::string> names,
                                  const std::vector<PointColumn>& columns);

// Columns as wide as the widest of them.
std::string TextTable(const TableRows& rows);
std::string HtmlTable(const TableRows& rows);
std::string MarkdownTable(const TableRows& rows);

}  // namespace memkv
