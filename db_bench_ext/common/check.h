// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Check: a step of a benchmark that must succeed, for there is nothing to
// measure if it does not. main() catches the Failure and says it.
//
// Thread safety: functions without shared state. A Failure must be caught in
// the thread that throws it.

#pragma once

#include <exception>
#include <string>
#include <utility>

#include "rocksdb/status.h"

namespace memkv {

class Failure : public std::exception {
 public:
  explicit Failure(rocksdb::Status status)
      : status_(std::move(status)), what_(status_.ToString()) {}

  const rocksdb::Status& status() const { return status_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  rocksdb::Status status_;
  std::string what_;
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
