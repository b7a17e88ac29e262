// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What reports say: figures, the tables of them, and sentences, all made of a
// report's document.
//
// Thread safety: functions without shared state.

#pragma once

#include <string>
#include <vector>

#include "db_bench_ext/memkv_bench/report.h"

namespace memkv {

// What is measured of each configuration.
struct Figure {
  struct Cell {
    std::string shown = {};   // "1.65 us"; empty: nothing is known
    std::string spread = {};  // " 12%"
    Json times = {};          // times_as_good, of this figure
    // "2.20x better", "1.35x WORSE", "same (1.01x)"; empty if there is nothing
    // to compare.
    std::string Verdict() const;
  };
  enum Kind {
    kCompared,
    kMore,   // compared, and says only more of what another one says
    kDetail  // not compared
  };

  std::string title;  // "get, a look-up"
  std::string group;  // "CPU time"
  Kind kind;
  std::vector<Cell> cells;  // of the configurations of the report
};
std::vector<Figure> FiguresOf(const Json& document);

// The first row has the titles.
struct ReportTable {
  std::string title;
  std::vector<std::vector<std::string>> rows;
};
std::vector<ReportTable> TablesOf(const Json& document);
// Those of --scale and --delta: what was measured at each point, and fits.
// `whole`: with what follows from other columns, or is for a closer look.
std::vector<ReportTable> PointTables(const Json& document, bool whole);
// Of a point of --scale or --delta: the time of a look-up by the clock that
// holds for its report. What waits for files is measured by the wall.
std::string LookUpField(const Json& document, const std::string& prefix);

// What of --memory_limit each configuration used, and whether the report agrees
// with an earlier one.
std::vector<std::string> SentencesOf(const Json& document);

}  // namespace memkv
