// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "util/ordered_jobs.h"

#include <cassert>
#include <system_error>
#include <utility>

namespace memkv {

OrderedJobs::~OrderedJobs() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  waiting_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void OrderedJobs::Add(std::unique_ptr<Job> job) {
  size_t not_begun = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back({std::move(job)});
    not_begun = jobs_.size() - begun_;
  }
  if (not_begun > 1 && threads_.size() + 1 < num_threads_) {
    try {
      const auto thread = static_cast<unsigned>(threads_.size() + 1);
      threads_.emplace_back([this, thread] { Work(thread); });
    } catch (const std::system_error&) {
      // There is none: those that there are do it.
    }
  }
  if (!threads_.empty()) waiting_.notify_one();
}

size_t OrderedJobs::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return jobs_.size();
}

void OrderedJobs::DoNext(unsigned thread, std::unique_lock<std::mutex>* lock) {
  Entry& entry = jobs_[begun_++];
  lock->unlock();
  entry.job->Do(thread);
  lock->lock();
  entry.done = true;
}

void OrderedJobs::Work(unsigned thread) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    waiting_.wait(lock, [this] { return ending_ || begun_ < jobs_.size(); });
    if (ending_) return;
    DoNext(thread, &lock);
    done_.notify_one();
  }
}

std::unique_ptr<OrderedJobs::Job> OrderedJobs::PopFirst() {
  std::unique_ptr<Job> job = std::move(jobs_.front().job);
  jobs_.pop_front();
  --begun_;
  return job;
}

std::unique_ptr<OrderedJobs::Job> OrderedJobs::Take() {
  std::unique_lock<std::mutex> lock(mutex_);
  assert(!jobs_.empty());
  while (!jobs_.front().done) {
    if (begun_ < jobs_.size()) {
      DoNext(0, &lock);
    } else {
      done_.wait(lock);
    }
  }
  return PopFirst();
}

std::unique_ptr<OrderedJobs::Job> OrderedJobs::TakeIfDone() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return jobs_.empty() || !jobs_.front().done ? nullptr : PopFirst();
}

}  // namespace memkv
