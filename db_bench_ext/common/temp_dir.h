// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// TempDir: a fresh directory under a given one, removed with all in it when
// the object goes, and also when the program is stopped by SIGINT, SIGTERM or
// SIGHUP. It never touches anything it did not create.
//
// How a stop is served: the signals are blocked in the creating thread, and so
// in every thread started later; one watcher thread waits for them, removes
// the directory and ends the process at once with status 128 + signal. Other
// threads may still be writing then: removal is repeated until nothing is left,
// and nobody recreates the directory itself.
// REQUIRES: created before any other thread; at most one at a time.
//
// Thread safety: path() from any thread.
//
// Known weakness: SIGKILL leaves the directory behind.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace memkv {

// $TMPDIR, or /tmp.
std::string DefaultTempParent();

// A Failure, with what to do, unless `dir` has room for that many bytes and
// some.
void RequireSpace(const std::string& dir, uint64_t bytes);

class TempDir {
 public:
  // Makes `<parent>/<prefix>.XXXXXX`; with `keep` it is never removed. The
  // watcher calls `on_stop` before it ends the process, while other threads may
  // still run: to leave what is worth leaving.
  TempDir(const std::string& parent, const std::string& prefix, bool keep,
          std::function<void()> on_stop);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  void Watch();
  void Remove() const;

  std::string path_;
  const bool keep_;
  const std::function<void()> on_stop_;
  std::atomic<bool> done_{false};
  std::thread watcher_;
};

}  // namespace memkv
