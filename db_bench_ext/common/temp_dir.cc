// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/temp_dir.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "db_bench_ext/common/check.h"

namespace memkv {

using rocksdb::Status;

namespace {

constexpr int kRemoveAttempts = 50;

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

std::string DefaultTempParent() {
  const char* dir = std::getenv("TMPDIR");
  return dir != nullptr && *dir != '\0' ? dir : "/tmp";
}

void RequireSpace(const std::string& dir, uint64_t bytes) {
  const uint64_t needed = bytes + (uint64_t{256} << 20);
  std::error_code error;
  const auto space = std::filesystem::space(dir, error);
  if (error) {
    Check(Status::IOError(dir, error.message()));
  }
  if (space.available < needed) {
    Check(Status::NoSpace(fmt::format(
        "{} has {} MiB free and this may need {} MiB; choose another place "
        "with --dir",
        dir, space.available >> 20, needed >> 20)));
  }
}

TempDir::TempDir(const std::string& parent, const std::string& prefix,
                 bool keep, std::function<void()> on_stop)
    : path_(parent + "/" + prefix + ".XXXXXX"),
      keep_(keep),
      on_stop_(std::move(on_stop)) {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (mkdtemp(path_.data()) == nullptr) {
    Check(Status::IOError("cannot make a directory under " + parent,
                          std::strerror(errno)));
  }
  watcher_ = std::thread([this] { Watch(); });
}

TempDir::~TempDir() {
  Remove();
  done_.store(true, std::memory_order_release);
  watcher_.join();
}

void TempDir::Watch() {
  const sigset_t signals = StopSignals();
  // Polls rather than waits, so that the destructor can end this thread
  // without sending a signal that another might take.
  const timespec tick{0, 100 * 1000 * 1000};
  while (!done_.load(std::memory_order_acquire)) {
    const int signal = sigtimedwait(&signals, nullptr, &tick);
    if (signal > 0) {
      if (on_stop_) {
        on_stop_();
      }
      Remove();
      _exit(128 + signal);
    }
  }
}

void TempDir::Remove() const {
  std::error_code error;
  for (int i = 0; !keep_ && i < kRemoveAttempts; i++) {
    std::filesystem::remove_all(path_, error);
    if (!std::filesystem::exists(path_, error)) {
      return;
    }
    usleep(20000);
  }
}

}  // namespace memkv
