// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether two runs agree: every ratio of a report to its baseline beside the
// same ratio of a report that the same command made before. What an
// `agreement` says is in report_schema.json.
//
// Thread safety: functions without shared state.

#pragma once

#include <nlohmann/json.hpp>

#include "rocksdb/status.h"

namespace memkv {

// Two ratios agree if the larger is the smaller and at most this part more.
constexpr double kAgreeWithin = 0.1;

// InvalidArgument, with what differs, unless both reports are of the same
// settings, configurations and keys; and, unless `only_asked`, of the same
// workloads and sections: else `second` has measured nothing yet.
rocksdb::Status CheckSameCommand(const nlohmann::ordered_json& first,
                                 const nlohmann::ordered_json& second,
                                 bool only_asked);

// Adds to *second how it agrees with `first`.
rocksdb::Status AddAgreement(const nlohmann::ordered_json& first,
                             nlohmann::ordered_json* second);

}  // namespace memkv
