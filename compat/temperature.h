// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The temperature of table files.

#pragma once

#include "compat/version.h"
#include "rocksdb/options.h"

namespace memkv {
namespace compat {

// Of all files; below 8.6 of those of the last level alone.
inline void SetTemperature(ROCKSDB_NAMESPACE::Temperature temperature,
                           ROCKSDB_NAMESPACE::ColumnFamilyOptions* options) {
#if MEMKV_ROCKSDB >= 806
  options->default_temperature = temperature;
#else
  options->last_level_temperature = temperature;
#endif
}

}  // namespace compat
}  // namespace memkv
