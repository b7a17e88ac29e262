// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/common/temp_dir.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

namespace memkv {

using rocksdb::Status;

namespace {

constexpr int kRemoveAttempts = 50;

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

void RemoveTree(const std::string& path) {
  std::error_code error;
  for (int i = 0; i < kRemoveAttempts; i++) {
    std::filesystem::remove_all(path, error);
    if (!std::filesystem::exists(path, error)) {
      return;
    }
    usleep(20000);
  }
}

}  // namespace

Status TempDir::Create(const std::string& parent, const std::string& prefix,
                       bool keep) {
  const std::string wanted = parent + "/" + prefix + ".XXXXXX";
  std::vector<char> name(wanted.c_str(), wanted.c_str() + wanted.size() + 1);
  keep_ = keep;
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (mkdtemp(name.data()) == nullptr) {
    return Status::IOError("cannot make a directory under " + parent,
                           std::strerror(errno));
  }
  path_ = name.data();
  watcher_ = std::thread([this] { Watch(); });
  return Status::OK();
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
      if (!keep_) {
        RemoveTree(path_);
      }
      _exit(128 + signal);
    }
  }
}

TempDir::~TempDir() {
  if (!watcher_.joinable()) {
    return;
  }
  if (!keep_) {
    RemoveTree(path_);
  }
  done_.store(true, std::memory_order_release);
  watcher_.join();
}

std::string DefaultTempParent() {
  const char* dir = std::getenv("TMPDIR");
  return dir != nullptr && *dir != '\0' ? dir : "/tmp";
}

rocksdb::Status RequireSpace(const std::string& dir, uint64_t bytes) {
  const uint64_t needed = bytes + (uint64_t{256} << 20);
  std::error_code error;
  const auto space = std::filesystem::space(dir, error);
  if (error) {
    return rocksdb::Status::IOError(dir, error.message());
  }
  if (space.available < needed) {
    return rocksdb::Status::NoSpace(
        dir + " has " + std::to_string(space.available >> 20) +
        " MiB free and this may need " + std::to_string(needed >> 20) +
        " MiB; choose another place with --dir");
  }
  return rocksdb::Status::OK();
}

}  // namespace memkv
