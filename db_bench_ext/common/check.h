// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Check: a step of a benchmark that must succeed, for there is nothing to
// measure if it does not. RunProgram() catches the Failure and says it.
//
// Thread safety: functions without shared state. A Failure must be caught in
// the thread that throws it.

#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

class Failure : public std::runtime_error {
 public:
  explicit Failure(Status status)
      : std::runtime_error(status.ToString()), status_(std::move(status)) {}

  const Status& status() const { return status_; }

 private:
  Status status_;
};

inline void Check(const Status& status) {
  if (!status.ok()) {
    throw Failure(status);
  }
}

// For what a user asked that cannot be done.
[[noreturn]] inline void Refuse(const std::string& why,
                                const std::string& more = "") {
  throw Failure(Status::InvalidArgument(why, more));
}

// All of a program whose flags are parsed already. Returns its exit status.
template <typename Body>
int RunProgram(const char* name, int argc, char** argv, const Body& body) {
  if (argc > 1) {
    std::fprintf(stderr, "%s: what is '%s'? (--keys=FILE?)\n", name, argv[1]);
    return 2;
  }
  try {
    body();
  } catch (const Failure& failure) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s: FAILED: %s\n", name, failure.what());
    return 1;
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace memkv
