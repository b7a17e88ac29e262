// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The properties of a file, by name.

#pragma once

#include <string>
#include <unordered_map>

#include "compat/version.h"
#include "rocksdb/convenience.h"
#include "rocksdb/status.h"
#include "rocksdb/table_properties.h"

namespace memkv {
namespace compat {

// Adds RocksDB's own to *by_name: by the names that OPTIONS files would have
// for them, as in `data_size`; below 9.9 by those of
// TableProperties::ToString(), as in `data block size`.
inline ROCKSDB_NAMESPACE::Status PropertiesByName(
    const ROCKSDB_NAMESPACE::TableProperties& properties,
    std::unordered_map<std::string, std::string>* by_name) {
#if MEMKV_ROCKSDB >= 909
  std::string text;
  const ROCKSDB_NAMESPACE::Status s =
      properties.Serialize(ROCKSDB_NAMESPACE::ConfigOptions(), &text);
  return s.ok() ? ROCKSDB_NAMESPACE::StringToMap(text, by_name) : s;
#else
  // Values have `;` and `=` in them, but not ASCII's separators.
  const std::string text = properties.ToString("\x1e", "\x1f");
  for (size_t begin = 0; begin < text.size();) {
    const size_t value = text.find('\x1f', begin) + 1;
    const size_t end = text.find('\x1e', begin);
    if (value == 0 || end == std::string::npos || value > end) {
      return ROCKSDB_NAMESPACE::Status::NotSupported(
          "a table property has a separator of ASCII in it");
    }
    by_name->emplace(text.substr(begin, value - 1 - begin),
                     text.substr(value, end - value));
    begin = end + 1;
  }
  return ROCKSDB_NAMESPACE::Status::OK();
#endif
}

}  // namespace compat
}  // namespace memkv
