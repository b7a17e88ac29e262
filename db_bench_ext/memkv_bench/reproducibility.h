// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether two runs agree: every ratio of a report to its baseline beside the
// same ratio of a report that the same command made before. What an
// `agreement` says is in report_schema.json.
//
// Thread safety: functions without shared state.

#pragma once

#include "db_bench_ext/memkv_bench/report.h"
#include "rocksdb/status.h"

namespace memkv {

// Two ratios agree if the larger is the smaller and at most this part more.
constexpr double kAgreeWithin = 0.1;

// InvalidArgument, with what differs, unless both reports are of the same
// settings, configurations and keys; and, unless `only_asked`, of the same
// workloads and sections: else `second` has measured nothing yet.
rocksdb::Status CheckSameCommand(const Json& first, const Json& second,
                                 bool only_asked);

// Adds to *second how it agrees with `first`.
rocksdb::Status AddAgreement(const Json& first, Json* second);

}  // namespace memkv
