// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Reports of memkv_bench, each made of its document (report_schema.json) and
// nothing else: tables are made once (figures.h) and shown in every form;
// pictures are drawn by the page (report.html).
//
// Thread safety: functions without shared state.

#pragma once

#include <nlohmann/json.hpp>
#include <string>

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

}  // namespace memkv
