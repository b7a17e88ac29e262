// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tools/command.h"

#include <fmt/format.h>
#include <getopt.h>

#include "rocksdb/slice.h"
#include "util/string_util.h"

namespace memkv {

using rocksdb::Slice;

namespace {

// As it stands in help: `--from=KEY`.
std::string Spelled(const CommandOption& option) {
  return "--" + option.name +
         (option.argument.empty() ? "" : "=" + option.argument);
}

}  // namespace

CommandOption ColumnFamilyOption(const std::string& what) {
  return {"column_family", "NAME", what};
}

std::string CommandLine::Get(const std::string& option,
                             const std::string& otherwise) const {
  const auto found = values_.find(option);
  return found == values_.end() ? otherwise : found->second;
}

uint64_t CommandLine::GetNumber(const std::string& option,
                                uint64_t otherwise) const {
  if (!Has(option)) {
    return otherwise;
  }
  const std::string text = Get(option);
  Slice rest(text);
  uint64_t number = 0;
  if (!rocksdb::ConsumeDecimalNumber(&rest, &number) || !rest.empty()) {
    throw UsageError(fmt::format("--{}={}: expected a number", option, text));
  }
  return number;
}

CommandOption SecondaryOption() {
  return {"secondary", "FOLDER",
          "open as a secondary instance, with its log here"};
}

void CheckRange(const CommandLine& line) {
  if (line.Has("prefix") && (line.Has("from") || line.Has("to"))) {
    throw UsageError("--prefix is a range already, without --from and --to");
  }
}

std::string DecodeKey(const std::string& option, const std::string& text) {
  Slice digits(text);
  if (digits.starts_with("0x")) {
    digits.remove_prefix(2);
  }
  std::string key;
  if (!digits.DecodeHex(&key)) {
    throw UsageError(fmt::format(
        "--{}={}: with --hex, expected an even number of hexadecimal digits",
        option, text));
  }
  return key;
}

std::string CommandLine::GetKey(const std::string& option) const {
  const std::string text = Get(option);
  return Has("hex") ? DecodeKey(option, text) : text;
}

CommandLine Command::Parse(int argc, char** argv) const {
  std::vector<option> long_options;
  for (const CommandOption& option : options) {
    long_options.push_back(
        {option.name.c_str(),
         option.argument.empty() ? no_argument : required_argument, nullptr,
         0});
  }
  long_options.push_back({nullptr, 0, nullptr, 0});
  CommandLine line;
  opterr = 0;
  optind = 1;
  for (;;) {
    int which = 0;
    const int result =
        getopt_long(argc, argv, ":", long_options.data(), &which);
    if (result == -1) {
      break;
    }
    if (result != 0) {
      throw UsageError(fmt::format(
          "{}: {}", argv[optind - 1],
          result == ':' ? "an argument is missing" : "no such option"));
    }
    line.values_[options[static_cast<size_t>(which)].name] =
        optarg == nullptr ? "" : optarg;
  }
  if (argc - optind != 1) {
    throw UsageError(
        fmt::format("expected one {}, got {}", operand, argc - optind));
  }
  line.operand_ = argv[optind];
  // It would be doubled in the names of files.
  while (line.operand_.size() > 1 && line.operand_.back() == '/') {
    line.operand_.pop_back();
  }
  return line;
}

std::string Command::Help() const {
  std::string text =
      fmt::format("usage: memkv {} {}{}\n\n{}\n{}", name, operand,
                  options.empty() ? "" : " [options]", summary, more);
  for (const CommandOption& option : options) {
    text += fmt::format("\n  {:<22} {}", Spelled(option), option.what);
  }
  return text + "\n";
}

}  // namespace memkv
