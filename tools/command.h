// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The commands of the program `memkv`. Each says what it takes; help, the
// parser of command lines, the manual and the completion go by that (the last
// two are compared with it by tests/docs/manual_test.sh).
//
// A command line that is wrong is a UsageError, with exit status 2. What a
// command could not do is a Failure (db_bench_ext/common/check.h), with exit
// status 1, which a command returns, too, if it has found damage.
//
// Thread safety: none; one thread parses and runs one command.

#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace memkv {

// Exit statuses.
constexpr int kDone = 0;
constexpr int kFound = 1;
constexpr int kWrongUsage = 2;

class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct CommandOption {
  std::string name;      // without the dashes
  std::string argument;  // what its argument is called; empty if it has none
  std::string what;      // one sentence
};

// A command line, parsed.
class CommandLine {
 public:
  // The file or folder that every command works on.
  const std::string& operand() const { return operand_; }
  bool Has(const std::string& option) const {
    return values_.count(option) > 0;
  }
  // The option's argument; `otherwise` if it was not given.
  std::string Get(const std::string& option,
                  const std::string& otherwise = "") const;
  // The same as a number of decimal digits. UsageError if it is none.
  uint64_t GetNumber(const std::string& option, uint64_t otherwise) const;
  // The same as a key: in hexadecimal if --hex was given. UsageError if it is
  // not.
  std::string GetKey(const std::string& option) const;

 private:
  friend struct Command;

  std::string operand_;
  std::map<std::string, std::string> values_;
};

struct Command {
  std::string name;
  std::string operand;  // what it is called
  std::string summary;  // one sentence
  std::string more;     // further lines of help
  std::vector<CommandOption> options;
  int (*run)(const CommandLine& line);

  // argv[0] is the command's name. UsageError if the line is wrong.
  CommandLine Parse(int argc, char** argv) const;
  std::string Help() const;
};

// A file each: memkv_inspect.cc and so on.
Command InspectCommand();
Command VerifyCommand();
Command CountCommand();
Command ScanCommand();
Command SearchCommand();
Command MigrateCommand();
Command AdviseCommand();

// What several commands have.
CommandOption ColumnFamilyOption(const std::string& what);
CommandOption SecondaryOption();
// Of hexadecimal digits, as --hex has them. UsageError, which names the option,
// if they are none.
std::string DecodeKey(const std::string& option, const std::string& text);
// A range is one thing or the other: UsageError for --prefix beside --from or
// --to.
void CheckRange(const CommandLine& line);

}  // namespace memkv
