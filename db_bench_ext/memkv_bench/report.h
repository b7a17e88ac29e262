// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reports of memkv_bench, each made of its document (report_schema.json) and
// nothing else.
//
// Thread safety: functions without shared state.

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "db_bench_ext/common/format.h"
#include "rocksdb/status.h"

namespace memkv {

// The table for a terminal, `width` of which is not enforced.
std::string TextReport(const nlohmann::ordered_json& document);

// One file that needs no other: charts, tables, machine and command.
std::string HtmlReport(const nlohmann::ordered_json& document);

// The first chart alone, as a file: the second configuration against the first,
// or that of --scale or --delta. Empty if there is nothing to compare.
std::string SvgReport(const nlohmann::ordered_json& document);

// The section of a README: one table, and where it was measured.
std::string MarkdownReport(const nlohmann::ordered_json& document);

// ---- For their implementations ---------------------------------------------

// 3 significant digits and a unit: "1.65 us", "13.8 B", "92.1 MB".
std::string ShowNanos(double nanos);
std::string ShowBytes(double bytes);
std::string ShowCount(double count);
// "64 MB", of powers of two.
std::string ShowSize(uint64_t bytes);
// "2.20x better", "1.35x WORSE", "same"; empty if there is nothing to compare.
std::string ShowComparison(const nlohmann::ordered_json& times_as_good);
// "2.20x", be it better or worse.
std::string ShowFactor(const nlohmann::ordered_json& times_as_good);
// "2.20x" or "0.74x".
std::string ShowTimes(const nlohmann::ordered_json& times_as_good);
// Those workloads of a report that read from files, their comparisons those of
// bytes read.
std::vector<nlohmann::ordered_json> ReadingWorkloads(
    const nlohmann::ordered_json& document);
// The place of a configuration among those of a report.
size_t PlaceOf(const nlohmann::ordered_json& document,
               const nlohmann::ordered_json& config);
// Whether what waits for files is measured: by the wall then, otherwise by CPU
// time.
bool IsLimited(const nlohmann::ordered_json& document);
// Of a point of --scale or --delta: the time of a look-up by the clock that
// holds for its report.
std::string LookUpField(const nlohmann::ordered_json& document,
                        const std::string& prefix);
// What of --memory_limit each configuration used; empty if there was none.
std::string LimitSentence(const nlohmann::ordered_json& document);
// Whether the report agrees with an earlier one; empty if it was not compared.
std::string AgreementSentence(const nlohmann::ordered_json& document);
// "3,754,180".
std::string ShowWhole(uint64_t number);

// The part of a report that --scale made, if any.
std::string ScaleText(const nlohmann::ordered_json& document);
std::string ScaleHtml(const nlohmann::ordered_json& document);
std::string ScaleSvg(const nlohmann::ordered_json& document);
std::string ScaleMarkdown(const nlohmann::ordered_json& document);

// And that of --delta.
std::string DeltaText(const nlohmann::ordered_json& document);
std::string DeltaHtml(const nlohmann::ordered_json& document);
std::string DeltaSvg(const nlohmann::ordered_json& document);
std::string DeltaMarkdown(const nlohmann::ordered_json& document);

// Writes all of `text` to `path`, or to standard output for "-".
rocksdb::Status WriteReport(const std::string& path, const std::string& text);

}  // namespace memkv
