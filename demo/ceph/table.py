# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The Ceph demo's table: table.py STOCK.json MEMKV.json, as client.py wrote them.

Ends with status 1 if the two clusters have not verified the same records.
"""

import json
import os
import statistics
import sys

KINDS = {  # what is written, in this order
    "directory": "names with 28 bytes each",
    "index": "the bucket index",
    "objects": "small objects",
}
PHASES = {  # client.py's measurements, and what they are to a reader
    "load directory": "write names with 28 bytes each, a name",
    "compact directory": "compact an OSD, after that",
    "load index": "write the bucket index, a record",
    "compact index": "compact an OSD, after that",
    "load objects": "write small objects, an object",
    "compact objects": "compact an OSD, after that",
    "read directory": "read the names after the start, a name",
    "read index": "read the index after the start, a record",
    "list": "list a prefix, a page of each shard",
    "read one": "read a record at random",
    "read many": "the same, 100 in a request",
    "read objects": "read objects and their attributes, an object",
    "delete index": "delete a third of the index, a record",
    "delete objects": "delete a third of the objects, an object",
    "read kept": "read the index after that, a record",
    "read kept objects": "read the objects after that, an object",
    "scrub": "deep scrub, a placement group",
}


def duration(seconds):
    """A time of three digits with its unit."""
    for unit, of in ("s", 1), ("ms", 1e-3), ("us", 1e-6):
        if seconds >= of or unit == "us":
            number = seconds / of
            return f"{number:.{max(0, 2 - len(str(int(number))) + 1)}f} {unit}"
    raise AssertionError


def size(count):
    return f"{count / 1e6:,.1f} MB"


def ratio(stock, memkv):
    """How many times as good memkv is; below 1 it is worse.  Of lists, the median; it is
    the same if not every turn shows the difference, or it is of up to 3 %."""
    pairs = list(zip(stock, memkv)) if isinstance(stock, list) else [(stock, memkv)]
    if not all(one and other for one, other in pairs):
        return "–"
    turns = [one / other for one, other in pairs]
    times = statistics.median(turns)
    if min(turns) < 1 < max(turns):
        return "same"
    return "same" if 0.97 < times < 1.03 else f"**{times:.2f}x**" if times > 1 else f"{times:.2f}x, worse"


def rows(stock, memkv):
    """The table's lines."""
    yield "| | stock | memkv | times as good | stock, processor | memkv, processor | times as good |"
    yield "|---|---|---|---|---|---|---|"

    def line(what, show, one, other):
        return f"| {what} | {show(one)} | {show(other)} | {ratio(one, other)} | | | |"

    # What a kind has added, of three copies.
    before = [0, 0]
    for kind, what in KINDS.items():
        now = [results["table bytes"][kind] for results in (stock, memkv)]
        count = sum(turn["count"] for turn in stock[f"load {kind}"])
        yield line(f"RocksDB's compacted tables of {what}, an entry", "{:.1f} B".format,
                   *((end - begin) / count / 3 for begin, end in zip(before, now)))
        before = now
    yield line("memory of three OSDs, everything read", size, stock["osd memory"], memkv["osd memory"])
    yield line("start of an OSD with all that in it", duration, stock["start-up"], memkv["start-up"])
    for kind in "compaction", "flush":
        yield line(f"processor time of RocksDB's {kind} threads, all in all", duration,
                   stock["osd cpu"][kind], memkv["osd cpu"][kind])
    for phase, what in PHASES.items():
        each = []
        for of in "seconds", "cpu":
            pair = [[turn[of] / turn.get("pages", turn["count"]) for turn in results[phase]]
                    for results in (stock, memkv)]
            each += [*(duration(statistics.median(turns)) for turns in pair), ratio(*pair)]
        yield f"| {what} | " + " | ".join(each) + " |"


def main():
    stock, memkv = (json.load(open(path, encoding="ascii")) for path in sys.argv[1:3])
    found = stock["verified"]
    if found != memkv["verified"]:
        print(f"table.py: the clusters verified different records: {found} and {memkv['verified']}",
              file=sys.stderr)
        return 1
    records, objects = (sum(turn["count"] for turn in stock[phase])
                        for phase in ("load index", "load objects"))
    print(f"{records:,} records in the bucket index, {objects:,} objects, three copies of each; "
          f"{os.cpu_count()} CPUs for the client, the monitors and all OSDs; medians of the turns.\n")
    print("\n".join(rows(stock, memkv)))
    total = sum(sum(parts.values()) for parts in found.values())
    if records < 200_000:
        print("\nSo little work shows that it works; its times say little.")
    print(f"\nmemkv ceph demo: OK, {total:,} records verified on both clusters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
