// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// memkv: looks into FST files, and reads, verifies and migrates databases that
// have them, or could. docs/memkv.1 is its manual.

#include "plugin/memkv.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "rocksdb/version.h"
#include "tools/command.h"

namespace memkv {
namespace {

const char kOverview[] =
    "usage: memkv COMMAND ...\n"
    "       memkv help [COMMAND]\n"
    "       memkv --version\n"
    "\n"
    "Tools for databases of RocksDB with memkv's tables, or that could have "
    "them.\n\n";

const Command* Find(const std::vector<Command>& commands,
                    const std::string& name) {
  for (const Command& command : commands) {
    if (command.name == name) {
      return &command;
    }
  }
  throw UsageError(
      fmt::format("there is no command '{}'; memkv help lists them", name));
}

std::string Overview(const std::vector<Command>& commands) {
  std::string text = kOverview;
  for (const Command& command : commands) {
    text += fmt::format("  {:<8} {}\n", command.name, command.summary);
  }
  return text +
         "\nExit status: 0, done and nothing is wrong; 1, damage was found, or "
         "the command\ncould not do its work; 2, the command line is wrong.\n";
}

int Dispatch(const std::vector<Command>& commands, int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name.empty()) {
    throw UsageError("a command is missing; memkv help lists them");
  }
  if (name == "--version") {
    fmt::print("memkv {}, RocksDB {}\n", MEMKV_VERSION,
               rocksdb::GetRocksVersionAsString());
    return kDone;
  }
  if (name == "help" || name == "--help") {
    fmt::print("{}",
               argc > 2 ? Find(commands, argv[2])->Help() : Overview(commands));
    return kDone;
  }
  const Command* const command = Find(commands, name);
  if (argc > 2 && std::string(argv[2]) == "--help") {
    fmt::print("{}", command->Help());
    return kDone;
  }
  const CommandLine line = command->Parse(argc - 1, argv + 1);
  RegisterMemkv();
  return command->run(line);
}

int Main(int argc, char** argv) {
  const std::vector<Command> commands = {
      InspectCommand(), VerifyCommand(),  CountCommand(), ScanCommand(),
      SearchCommand(),  MigrateCommand(), AdviseCommand()};
  int status = kDone;
  try {
    status = Dispatch(commands, argc, argv);
  } catch (const UsageError& error) {
    fmt::print(stderr, "memkv: {}\n", error.what());
    return kWrongUsage;
  } catch (const Failure& failure) {
    std::fflush(stdout);
    fmt::print(stderr, "memkv: {}\n", failure.what());
    return kFound;
  } catch (const std::system_error& error) {
    // fmt::print() throws it where it cannot write.
    fmt::print(stderr, "memkv: {}{}\n",
               std::ferror(stdout) != 0 ? "standard output: " : "",
               error.code().message());
    return kFound;
  }
  // A report that was not written is none.
  if (std::fflush(stdout) != 0) {
    std::perror("memkv: standard output");
    return kFound;
  }
  return status;
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) { return memkv::Main(argc, argv); }
