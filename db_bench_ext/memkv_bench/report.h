// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reports of memkv_bench, each made of its document (report_schema.json) and
// nothing else: tables are made once and shown in every form; pictures are
// drawn by the page (report.html).
//
// Thread safety: functions without shared state.

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace memkv {

// Ordered, so that the document reads from the general to the particular.
using Json = nlohmann::ordered_json;

constexpr int kReportVersion = 1;

// The tables for a terminal.
std::string TextReport(const Json& document);
// All of it, as text.
std::string JsonReport(const Json& document);
// One file that needs no other: report.html with the document inside.
std::string HtmlReport(const Json& document);
// The section of a README: one table, and where it was measured.
std::string MarkdownReport(const Json& document);

// Writes all of `text` to `path`, or to standard output for "-". A Failure if
// it cannot.
void WriteReport(const std::string& path, const std::string& text);

// A Failure, with what differs, unless both reports are of the same settings,
// configurations and keys; and, unless `only_asked`, of the same workloads and
// sections: else `second` has measured nothing yet.
void CheckSameCommand(const Json& first, const Json& second, bool only_asked);
// Adds to *second how it agrees with `first`, which the same command made
// before: every ratio to the baseline beside the same ratio there.
void AddAgreement(const Json& first, Json* second);

// ---- What reports say ------------------------------------------------------

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
// Those of --scale, --delta and --memory: what was measured at each point, and
// fits. `whole`: with what follows from other columns, or is for a closer look.
std::vector<ReportTable> PointTables(const Json& document, bool whole);
// Of a point of --scale or --delta: the time of a look-up by the clock that
// holds for its report. What waits for files is measured by the wall.
std::string LookUpField(const Json& document, const std::string& prefix);

// Whether the run was stopped, what of --memory_limit each configuration used,
// and whether the report agrees with an earlier one.
std::vector<std::string> SentencesOf(const Json& document);
// "one CPU, 2 CPUs, 25.3 GB, gcc 12.2.0, RocksDB 9.10.0, 2026-11-25".
std::string MachineSentence(const Json& document);

}  // namespace memkv
