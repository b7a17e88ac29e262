# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The bucket index and the directory: what is asked of omap, as librados calls.

Each function takes an ioctx of the pool, and which of the two it is about.  Those that
read return what they got; the functions compare_... compare every key and value of that
with what records.py says, and raise Wrong at the first that differs.  So the time of a
reading is the cluster's.
"""

import heapq
import random

import rados

import records
from work import Window, Wrong, in_threads

BATCH = 64  # records of one write; a gateway has as many requests under way
PAGE = 1000  # records of one answer: the OSD gives no more (osd_max_omap_entries_per_request)


def batches(omap, names, seed):
    """The names in the order of a busy gateway: shuffled, in lists for one shard each."""
    shuffled = list(names)
    random.Random(seed).shuffle(shuffled)
    waiting = [[] for _ in range(records.SHARDS)]
    for name in shuffled:
        shard = omap.shard_of(name)
        waiting[shard].append(name)
        if len(waiting[shard]) == BATCH:
            yield shard, waiting[shard]
            waiting[shard] = []
    for shard, rest in enumerate(waiting):
        if rest:
            yield shard, rest


def _write(ioctx, omap, names, seed, progress, change, pause=0.0):
    window = Window(16, pause)
    for shard, batch in batches(omap, names, seed):
        with rados.WriteOpCtx() as op:
            change(op, batch)
            window.start(lambda done: ioctx.operate_aio_write_op(
                op, omap.object_of(shard), oncomplete=done))
        progress.add(len(batch))
    window.wait()


def load(ioctx, omap, names, seed, progress, pause=0.0):
    """Adds a record for each name; waits so many seconds before each write."""
    _write(ioctx, omap, names, seed, progress, lambda op, batch: ioctx.set_omap(
        op, tuple(batch), tuple(map(omap.value_of, batch))), pause)


def delete(ioctx, omap, names, seed, progress):
    """Deletes the records of these names."""
    _write(ioctx, omap, names, seed, progress,
           lambda op, batch: ioctx.remove_omap_keys(op, tuple(batch)))


def page(ioctx, omap, shard, prefix, marker):
    """Up to PAGE records of a shard with the prefix, behind the marker, in order."""
    with rados.ReadOpCtx() as op:
        found, _ = ioctx.get_omap_vals(op, marker, prefix, PAGE)
        try:
            ioctx.operate_read_op(op, omap.object_of(shard))
        except rados.ObjectNotFound:
            return []
        return list(found)


def shard_records(ioctx, omap, shard):
    """All records of a shard, page by page."""
    marker = ""
    while got := page(ioctx, omap, shard, "", marker):
        yield from got
        if len(got) < PAGE:
            return
        marker = got[-1][0]


def read_all(ioctx, omap, progress):
    """Reads it from end to end: of each shard its records."""
    def read_shard(shard):
        found = []
        for record in shard_records(ioctx, omap, shard):
            found.append(record)
            if len(found) % PAGE == 0:
                progress.add(PAGE)
        progress.add(len(found) % PAGE)
        return found

    return in_threads(read_shard, range(records.SHARDS), 2)


def compare_all(omap, found, names):
    """There are exactly the records of these names; how many."""
    expected = [[] for _ in range(records.SHARDS)]
    for name in names:
        expected[omap.shard_of(name)].append(name)
    for shard, wanted in enumerate(expected):
        compare_list(omap, omap.object_of(shard), found[shard], wanted)
    return len(names)


def compare_list(omap, what, got, names):
    """These are the records of these names, in order."""
    wanted = sorted(names, key=str.encode)
    for number, (record, name) in enumerate(zip(got, wanted)):
        if record != (name, omap.value_of(name)):
            raise Wrong(f"{what}: record {number} is {record[0]!r}, expected {name!r} and its value")
    if len(got) != len(wanted):
        raise Wrong(f"{what} has {len(got)} records, expected {len(wanted)}")


def list_prefix(ioctx, omap, prefix):
    """What an S3 client gets for a prefix: the records of all shards, merged; pages read."""
    pages = 0

    def counted(shard):
        nonlocal pages
        marker = ""
        while True:
            got = page(ioctx, omap, shard, prefix, marker)
            pages += 1
            yield from got
            if len(got) < PAGE:
                return
            marker = got[-1][0]

    merged = heapq.merge(*map(counted, range(records.SHARDS)), key=lambda r: r[0].encode())
    return list(merged), pages


def list_prefixes(ioctx, omap, prefixes, progress):
    """Lists each prefix: its records; and the number of pages of all."""
    lists, all_pages = {}, 0
    for prefix in prefixes:
        lists[prefix], pages = list_prefix(ioctx, omap, prefix)
        all_pages += pages
        progress.add(1)
    return lists, all_pages


def compare_lists(omap, lists, names):
    """Each prefix has the records that begin with it."""
    wanted = {prefix: [] for prefix in lists}
    for name in names:
        at = name.find("/")
        while at >= 0:
            if (of := wanted.get(name[:at + 1])) is not None:
                of.append(name)
            at = name.find("/", at + 1)
    for prefix, got in lists.items():
        compare_list(omap, f"the list of {prefix!r}", got, wanted[prefix])


def read_some(ioctx, omap, names, keys_a_read, progress):
    """Reads the records of these names, so many at a time, from 8 threads; what each got."""
    def read(some):
        with rados.ReadOpCtx() as op:
            found, _ = ioctx.get_omap_vals_by_keys(op, tuple(some))
            ioctx.operate_read_op(op, omap.object_of(omap.shard_of(some[0])))
            got = dict(found)
        progress.add(len(some))
        return some, got

    of_shard = [[] for _ in range(records.SHARDS)]
    for name in names:
        of_shard[omap.shard_of(name)].append(name)
    reads = [group[at:at + keys_a_read] for group in of_shard
             for at in range(0, len(group), keys_a_read)]
    random.Random(len(reads)).shuffle(reads)
    return in_threads(read, reads, 8)


def compare_some(omap, reads):
    """Each reading got the records that it asked for."""
    for some, got in reads:
        if got != {name: omap.value_of(name) for name in some}:
            raise Wrong(f"{some[0]!r} and {len(some) - 1} others are not read as written")
