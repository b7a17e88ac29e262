// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tools/own_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "compat/options_file.h"
#include "compat/status.h"
#include "db_bench_ext/common/check.h"
#include "rocksdb/convenience.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/utilities/options_util.h"
#include "util/string_util.h"

namespace memkv {

namespace {

// Lines of an OPTIONS file, by "section|name".
using Lines = std::map<std::string, std::string>;

Lines Parse(const std::string& text) {
  Lines lines;
  std::string section;
  for (const std::string& line : rocksdb::StringSplit(text, '\n')) {
    const std::string trimmed = rocksdb::trim(line);
    const size_t equals = trimmed.find('=');
    if (trimmed.empty() || trimmed[0] == '#') {
      continue;
    }
    if (trimmed[0] == '[') {
      section = trimmed;
    } else if (equals != std::string::npos) {
      lines[section + "|" + trimmed.substr(0, equals)] =
          trimmed.substr(equals + 1);
    }
  }
  return lines;
}

// What a value consists of, in any order.
std::multiset<std::string> ItemsOf(std::string value) {
  std::replace_if(
      value.begin(), value.end(), [](char c) { return c == '{' || c == '}'; },
      ';');
  std::multiset<std::string> items;
  for (const std::string& item : rocksdb::StringSplit(value, ';')) {
    if (!item.empty()) {
      items.insert(item);
    }
  }
  return items;
}

// The OPTIONS file that RocksDB would write.
std::string TextOf(const OwnOptions& options) {
  std::vector<std::string> names;
  std::vector<rocksdb::ColumnFamilyOptions> families;
  for (const rocksdb::ColumnFamilyDescriptor& family : options.families) {
    names.push_back(family.name);
    families.push_back(family.options);
  }
  const std::unique_ptr<rocksdb::Env> memory(
      rocksdb::NewMemEnv(rocksdb::Env::Default()));
  const std::string file = "/OPTIONS";
  std::string text;
  Check(compat::PersistOptions(options.db, names, families, file,
                               memory->GetFileSystem().get()));
  Check(rocksdb::ReadFileToString(memory.get(), file, &text));
  return text;
}

// Options that RocksDB no longer has are in `own` alone.
void CheckNothingLost(const std::string& file, const Lines& own,
                      const Lines& known) {
  for (const auto& [option, value] : own) {
    const auto found = known.find(option);
    if (found == known.end() || option.rfind("[Version]", 0) == 0) {
      continue;
    }
    const std::multiset<std::string> items = ItemsOf(value);
    const std::multiset<std::string> kept = ItemsOf(found->second);
    if (!std::includes(kept.begin(), kept.end(), items.begin(), items.end())) {
      Check(Status::NotSupported(
          fmt::format("{}: {} is {}", file, option, value),
          fmt::format("this program makes {} of it, and would lose it",
                      found->second)));
    }
  }
}

}  // namespace

OwnOptions LoadOwnOptions(const std::string& path) {
  rocksdb::Env* const env = rocksdb::Env::Default();
  std::string name;
  Check(rocksdb::GetLatestOptionsFileName(path, env, &name));
  const std::string file = path + "/" + name;
  rocksdb::ConfigOptions config;
  config.env = env;
  config.ignore_unknown_options = false;
  config.ignore_unsupported_options = false;
  OwnOptions options;
  const Status s = rocksdb::LoadOptionsFromFile(config, file, &options.db,
                                                &options.families);
  if (!s.ok()) {
    Check(compat::Appended(s, "; in " + file));
  }
  std::string text;
  Check(rocksdb::ReadFileToString(env, file, &text));
  CheckNothingLost(file, Parse(text), Parse(TextOf(options)));
  return options;
}

}  // namespace memkv
