// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Jobs that several threads do side by side, and that their owner takes back in
// the order in which it added them.  The owner works, too: where it would wait
// for a job, it does the next one that no one has begun.  So with one thread,
// the owner's, every job is done where it is taken, which is the plain way that
// tests compare the others with.
//
// Whoever calls the methods is the *owner*, one thread at a time; the threads
// that the object starts are *workers*.  A job is waiting, then begun, then
// done, then taken.
//
// Invariants
// (J1) Jobs are begun in the order of Add(), each by one thread.
// (J2) Take() returns them in the order of Add().
// (J3) From Add() on until a job is done, no one looks at it but the thread
//      that has begun it.  Before and after that it is the owner's.
// (J4) A thread number is in use by one thread at a time: 0 is the owner's,
//      1 to num_threads() - 1 are the workers'.  So what belongs to a number
//      needs no lock.
// (J5) The destructor begins no job, waits for those that are begun, and
//      destroys all.
//
// Locks and memory orders: one mutex guards all fields but threads_, and is not
// held while a job runs.  A job's content goes from the owner to a worker and
// back by that mutex: Add() releases it before the worker that begins the job
// acquires it, and that worker releases it, with the job done, before Take()
// acquires it.  There is no other atomic.
//
// No deadlock: a worker waits only for a job to come or for the end.  The owner
// waits only if its first job is begun by a worker and no other job is waiting,
// and a job that is begun waits for no one: it may not call its object.
//
// A job does not throw.  Workers are started by the first Add() that finds a
// job waiting, so one job alone starts no thread.  If the system has no thread
// to give, the others do the work.
//
// Thread safety: the owner's alone, as above.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace memkv {

class OrderedJobs {
 public:
  class Job {
   public:
    virtual ~Job() = default;
    // thread: see (J4)
    virtual void Do(unsigned thread) = 0;
  };

  // The owner is one of the threads.  REQUIRES: num_threads > 0
  explicit OrderedJobs(unsigned num_threads) : num_threads_(num_threads) {}
  ~OrderedJobs();
  OrderedJobs(const OrderedJobs&) = delete;
  OrderedJobs& operator=(const OrderedJobs&) = delete;

  unsigned num_threads() const { return num_threads_; }

  void Add(std::unique_ptr<Job> job);
  // Jobs that are not taken.
  size_t size() const;
  // Takes the first job.  Does it, or others meanwhile, if it is not done.
  // REQUIRES: size() != 0
  std::unique_ptr<Job> Take();
  // The same, but null, and at once, if it is not done or there is none.
  std::unique_ptr<Job> TakeIfDone();

 private:
  struct Entry {
    std::unique_ptr<Job> job;
    bool done = false;
  };

  // Begins the next job and does it.  `lock` is held before and after.
  // REQUIRES: begun_ < jobs_.size()
  void DoNext(unsigned thread, std::unique_lock<std::mutex>* lock);
  void Work(unsigned thread);
  // REQUIRES: the first one is done
  std::unique_ptr<Job> PopFirst();

  const unsigned num_threads_;
  std::vector<std::thread> threads_;  // the owner's alone

  mutable std::mutex mutex_;
  std::condition_variable waiting_;  // a job has come, or the end
  std::condition_variable done_;     // a worker has done a job
  // The first begun_ of them are begun or done.  References to entries stay
  // valid while others come and go at the ends.
  std::deque<Entry> jobs_;
  size_t begun_ = 0;
  bool ending_ = false;
};

}  // namespace memkv
