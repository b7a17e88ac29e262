// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/bench_report.h"
#include "db_bench_ext/svg.h"

namespace memkv {

std::string ScaleText(const nlohmann::ordered_json&) { return ""; }

std::string ScaleHtml(const nlohmann::ordered_json& document) {
  return document.contains("scale") ? "" : "";
}

}  // namespace memkv
