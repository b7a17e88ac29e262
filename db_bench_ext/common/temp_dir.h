// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// TempDir: a fresh directory under a given one, removed with all in it when
// the object goes, and also when the program is stopped by SIGINT, SIGTERM or
// SIGHUP. It never touches anything it did not create.
//
// The signals are blocked in the creating thread, and so in every thread
// started later; one watcher thread waits for them, removes the directory and
// ends the process at once with status 128 + signal. Other threads may still be
// writing then: removal is repeated until nothing is left. SIGKILL leaves it
// behind. REQUIRES: created before any other thread; at most one at a time.
//
// Thread safety: path() from any thread.

#pragma once

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "db_bench_ext/common/check.h"
#include "rocksdb/env.h"

namespace memkv {

// $TMPDIR, or /tmp.
inline std::string DefaultTempParent() {
  const char* dir = std::getenv("TMPDIR");
  return dir != nullptr && *dir != '\0' ? dir : "/tmp";
}

// A Failure, with what to do, unless `dir` has room for that many bytes and
// some. `setting`: by what another place is chosen.
inline void RequireSpace(const std::string& dir, uint64_t bytes,
                         const char* setting) {
  const uint64_t needed = bytes + (uint64_t{256} << 20);
  uint64_t free = 0;
  Check(rocksdb::Env::Default()->GetFreeSpace(dir, &free));
  if (free < needed) {
    Check(Status::NoSpace(fmt::format(
        "{} has {} MiB free and this may need {} MiB; choose another place "
        "with {}",
        dir, free >> 20, needed >> 20, setting)));
  }
}

class TempDir {
 public:
  // Makes `<parent>/<prefix>.XXXXXX`; with `keep` it is never removed. The
  // watcher calls `on_stop` before it ends the process, while other threads may
  // still run: to leave what is worth leaving.
  TempDir(const std::string& parent, const std::string& prefix, bool keep,
          std::function<void()> on_stop)
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
  ~TempDir() {
    Remove();
    done_.store(true, std::memory_order_release);
    watcher_.join();
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  static sigset_t StopSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      sigaddset(&set, signal);
    }
    return set;
  }

  void Watch() {
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

  void Remove() const {
    std::error_code error;
    for (int i = 0; !keep_ && i < 50; i++) {
      std::filesystem::remove_all(path_, error);
      if (!std::filesystem::exists(path_, error)) {
        return;
      }
      usleep(20000);
    }
  }

  std::string path_;
  const bool keep_;
  const std::function<void()> on_stop_;
  std::atomic<bool> done_{false};
  std::thread watcher_;
};

}  // namespace memkv
