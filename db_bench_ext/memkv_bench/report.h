// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reports of memkv_bench, each made of its document (report_schema.json) and
// nothing else: tables and pictures are made once and shown in every form.
//
// Thread safety: functions without shared state.

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rocksdb/status.h"

namespace memkv {

// Ordered, so that the document reads from the general to the particular.
using Json = nlohmann::ordered_json;

constexpr int kReportVersion = 1;

// The tables for a terminal.
std::string TextReport(const Json& document);
// One file that needs no other: report.html with pictures, tables and the
// document inside.
std::string HtmlReport(const Json& document);
// The first picture alone, as a file: the second configuration against the
// first, or that of --scale or --delta. Empty if there is nothing to draw.
std::string SvgReport(const Json& document);
// The section of a README: one table, and where it was measured.
std::string MarkdownReport(const Json& document);

// Writes all of `text` to `path`, or to standard output for "-".
rocksdb::Status WriteReport(const std::string& path, const std::string& text);

// ---- For their implementations ---------------------------------------------

// 3 significant digits and a unit: "1.65 us", "13.8 B", "92.1 MB".
std::string ShowNanos(double nanos);
std::string ShowBytes(double bytes);
std::string ShowCount(double count);
// "3,754,180".
std::string ShowWhole(uint64_t number);
// "64 MB", of powers of two.
std::string ShowSize(uint64_t bytes);
// "2.20x better", "1.35x WORSE", "same (1.01x)"; empty if there is nothing to
// compare.
std::string ShowComparison(const Json& result);

// What is measured of each configuration and compared with the first.
struct Figure {
  std::string title;  // "get, a look-up"
  std::string group;  // "CPU time"
  Json results;       // times_as_good is that of this figure
  std::string (*show)(const Json& result);
};
// The groups that only say more of what others have said.
constexpr char kAllThreads[] = "CPU time of all threads";
constexpr char kReads[] = "reads of files";
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

struct Picture {
  std::string title;
  std::string svg;
  std::string note;
};
// That of --scale or --delta.
std::vector<Picture> PointPictures(const Json& document);

// The place of a configuration among those of a report.
size_t PlaceOf(const Json& document, const Json& config);
// Whether what waits for files is measured: by the wall then, otherwise by CPU
// time.
bool IsLimited(const Json& document);
// Of a point of --scale or --delta: the time of a look-up by the clock that
// holds for its report.
std::string LookUpField(const Json& document, const std::string& prefix);
// What of --memory_limit each configuration used; empty if there was none.
std::string LimitSentence(const Json& document);
// Whether the report agrees with an earlier one; empty if it was not compared.
std::string AgreementSentence(const Json& document);

}  // namespace memkv
