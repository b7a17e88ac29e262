# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""How the Ceph demo's client does many things at once, and says how far it is."""

import concurrent.futures
import sys
import threading
import time


class Wrong(Exception):
    """The cluster answered something else than what was written."""


class Window:
    """Librados calls under way, at most `limit` at a time, each so many seconds after the
    one before.  For one thread."""

    def __init__(self, limit, pause=0.0):
        self._pause = pause
        self._free = threading.Semaphore(limit)
        self._limit = limit
        self._failed = []

    def start(self, call):
        """Waits for a place, then makes the call: call(done) hands `done` on to librados."""
        self._free.acquire()
        self._raise()
        time.sleep(self._pause)
        call(self._done)

    def _done(self, completion, *_):
        # In a thread of librados: no exception may leave.
        if completion.get_return_value() < 0:
            self._failed.append(completion.get_return_value())
        self._free.release()

    def wait(self):
        """Waits for all calls; raises if one has failed."""
        for _ in range(self._limit):
            self._free.acquire()
        for _ in range(self._limit):
            self._free.release()
        self._raise()

    def _raise(self):
        if self._failed:
            raise Wrong(f"{len(self._failed)} calls failed, the first with {self._failed[0]}")


def in_threads(do, things, threads):
    """[do(thing) for thing in things], side by side; raises what the first that fails raised."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(do, things))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Progress:
    """A line on stderr: rewritten on a terminal, else one at the end alone."""

    def __init__(self, what, total):
        self._what, self._total = what, total
        self._count, self._said, self._began = 0, 0.0, time.monotonic()
        self._lock = threading.Lock()

    def add(self, count):
        """Counts; any thread may call it."""
        with self._lock:
            self._count += count
            now = time.monotonic()
            if sys.stderr.isatty() and now - self._said > 0.5:
                self._said = now
                self._say("\r", "")

    def end(self):
        """The last line."""
        self._say("\r" if sys.stderr.isatty() else "", "\n")

    def _say(self, before, after):
        seconds = time.monotonic() - self._began
        total = f"{self._total:,}" if isinstance(self._total, int) else self._total
        print(f"{before}   {self._what}: {self._count:,} of {total}, {seconds:.0f} s ",
              end=after, file=sys.stderr, flush=True)
