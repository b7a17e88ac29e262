// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Check: a step of a benchmark that must succeed, for there is nothing to
// measure if it does not. main() catches the Failure and says it.
//
// Thread safety: functions without shared state. A Failure must be caught in
// the thread that throws it.

#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "rocksdb/status.h"

namespace memkv {

class Failure : public std::runtime_error {
 public:
  explicit Failure(rocksdb::Status status)
      : std::runtime_error(status.ToString()), status_(std::move(status)) {}

  const rocksdb::Status& status() const { return status_; }

 private:
  rocksdb::Status status_;
};

inline void Check(const rocksdb::Status& status) {
  if (!status.ok()) {
    throw Failure(status);
  }
}

// For what a user asked that cannot be done.
[[noreturn]] inline void Refuse(const std::string& why,
                                const std::string& more = "") {
  throw Failure(rocksdb::Status::InvalidArgument(why, more));
}

}  // namespace memkv
