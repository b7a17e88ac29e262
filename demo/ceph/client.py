# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The Ceph demo's client: does the steps that it is given, one after the other.

    client.py [options] STEP...

A step measures itself and adds what it has found to the file of --results.  Every
step that reads compares what it reads; the first difference ends the client with
status 1 and a sentence.  STEPS below has the steps.
"""

import argparse
import json
import os
import random
import sys
import time

import rados

import admin
import bucket_index
import objects
import records
from work import Progress, Wrong


class Client:
    """A connection, the names of the records, and the results so far."""

    def __init__(self, options):
        self.options = options
        self.results = {}
        if options.results and os.path.exists(options.results):
            with open(options.results, encoding="ascii") as text:
                self.results = json.load(text)
        self.names = records.read_names(options.names, options.records) if options.names else []
        # Objects are of names that lie next to each other, as the index's do.
        self.object_names = self.names[:options.objects]
        self.cluster = rados.Rados(conffile=options.conf)
        self.cluster.connect(timeout=60)

    def osds(self):
        """The OSDs that this machine runs: number and process."""
        found = {}
        for number in range(64):
            path = os.path.join(os.path.dirname(self.options.conf), f"osd.{number}.pid")
            if os.path.exists(path):
                with open(path, encoding="ascii") as text:
                    found[number] = int(text.read())
        return found

    def index(self):
        return self.cluster.open_ioctx(admin.INDEX)

    def data(self):
        return self.cluster.open_ioctx(admin.DATA)

    def part(self, names):
        """Those of the names that this call is about: --part."""
        return names[self.options.part[0] - 1::self.options.part[1]]

    def measure(self, name, what, total, do):
        """do(progress), with its time and the OSDs' processor time.  A measurement may be
        made several times; total is of this one."""
        pids = self.osds().values()
        progress = Progress(self.options.label + what, total)
        cpu, began = admin.osd_cpu(pids), time.monotonic()
        found = do(progress)
        seconds, after = time.monotonic() - began, admin.osd_cpu(pids)
        progress.end()
        self.results.setdefault(name, []).append({
            "seconds": seconds, "count": total, "cpu": after["all"] - cpu["all"]})
        return found

    def verified(self, what, names):
        """These were read and compared; each counts once."""
        self.results.setdefault("verified", {}).setdefault(what, {})[
            f"{len(names)} from {names[0]}"] = len(names)

    def save(self):
        if self.options.results:
            with open(self.options.results, "w", encoding="ascii") as out:
                json.dump(self.results, out, indent=1)


def step_new_osd(client):
    """Gives the OSD of --uuid the next number."""
    admin.monitor(client.cluster, "osd new", uuid=client.options.uuid)


def step_pools(client):
    """Makes the pools, and waits for their placement groups."""
    admin.make_pools(client.cluster, client.options.size)
    step_whole(client)


def step_up(client):
    """Waits until all OSDs of this machine are up."""
    osds = set(client.osds())
    admin.wait(f"OSDs {sorted(osds)} are up", 120,
               lambda: osds <= set(admin.up(client.cluster)))


def step_start_up(client):
    """How long an OSD's start took, on average, as its log says."""
    folder = os.path.dirname(client.options.conf)
    took = [admin.start_up(os.path.join(folder, f"osd.{number}.log")) for number in client.osds()]
    client.results["start-up"] = sum(took) / len(took)


def step_whole(client):
    """Waits until every placement group has all its copies."""
    admin.wait_for_copies(client.cluster, 600)


def step_load_index(client):
    """Writes the bucket index."""
    names = client.part(client.names)
    client.measure("load index", "records written", len(names), lambda progress:
                   bucket_index.load(client.index(), names, 1, progress))


def step_load_objects(client):
    """Writes the objects."""
    names = client.part(client.object_names)
    client.measure("load objects", "objects written", len(names), lambda progress:
                   objects.load(client.data(), names, 2, progress))


def step_compact(client):
    """Compacts the OSDs' databases, one after the other; or those of --osd."""
    osds = client.options.osd or client.osds()

    def compact(progress):
        for number in osds:
            admin.osd(client.cluster, number, "compact")
            progress.add(1)

    client.measure("compact", "OSDs compacted", len(osds), compact)


def step_sizes(client):
    """Bytes of the OSDs' tables."""
    client.results["table bytes"] = admin.table_bytes(client.cluster, client.osds())


def step_memory(client):
    """Memory of the OSDs."""
    client.results["osd memory"] = admin.osd_memory(client.osds().values())


def step_cpu(client):
    """The OSDs' processor time since they were started: added up over their starts."""
    for kind, seconds in admin.osd_cpu(client.osds().values()).items():
        total = client.results.setdefault("osd cpu", {})
        total[kind] = total.get(kind, 0.0) + seconds


def read_index(client, phase, what, names):
    found = client.measure(phase, what, len(names), lambda progress:
                           bucket_index.read_all(client.index(), progress))
    bucket_index.compare_all(found, names)
    client.verified(what, names)


def read_objects(client, phase, what, names):
    found = client.measure(phase, what, len(names), lambda progress:
                           objects.read_all(client.data(), names, progress))
    objects.compare_all(found, names)
    client.verified(what, names)


def step_check_index(client):
    """Reads the index from end to end."""
    read_index(client, "read index", "records of the index read", client.names)


def prefixes(names, count):
    """Some folders, at any depth, as a client of S3 lists them."""
    some = random.Random(3)
    found = set()
    while len(found) < min(count, len(names) // 100):
        parts = some.choice(names).split("/")[:-1]
        if len(parts) > 1:
            found.add("/".join(parts[:some.randint(2, len(parts))]) + "/")
    return sorted(found)


def step_list(client):
    """Lists prefixes, page by page."""
    chosen = prefixes(client.names, 300)
    lists, pages = client.measure("list", "prefixes listed", len(chosen), lambda progress:
                                  bucket_index.list_prefixes(client.index(), chosen, progress))
    bucket_index.compare_lists(lists, client.names)
    client.results["list"][-1]["pages"] = pages


def step_read_index(client):
    """Reads records at random, one at a time and many at a time."""
    for phase, what, part, keys_a_read in (("read one", "records read one at a time", 50, 1),
                                           ("read many", "records read 100 at a time", 5, 100)):
        some = random.Random(part + client.options.part[0]).sample(
            client.names, max(1, len(client.names) // part))
        bucket_index.compare_some(client.measure(phase, what, len(some), lambda progress:
            bucket_index.read_some(client.index(), some, keys_a_read, progress)))


def step_check_objects(client):
    """Reads every object."""
    read_objects(client, "read objects", "objects read", client.part(client.object_names))


def step_delete(client):
    """Deletes a third of the records and of the objects."""
    names, some = ([name for name in client.part(of) if records.is_deleted(name)]
                   for of in (client.names, client.object_names))
    client.measure("delete index", "records deleted", len(names), lambda progress:
                   bucket_index.delete(client.index(), names, 6, progress))
    client.measure("delete objects", "objects deleted", len(some), lambda progress:
                   objects.delete(client.data(), some, 7, progress))


def step_check_kept(client):
    """Reads what was not deleted, and finds nothing else."""
    names, some = ([name for name in of if not records.is_deleted(name)]
                   for of in (client.names, client.object_names))
    read_index(client, "read kept", "records of the index left", names)
    objects.check_list(client.data(), some)
    read_objects(client, "read kept objects", "objects left", client.part(some))


def step_scrub(client):
    """Deep scrub of everything."""
    groups = len(admin.pgids(client.cluster))
    client.measure("scrub", "placement groups scrubbed", groups,
                   lambda progress: admin.deep_scrub(client.cluster, progress))


STEPS = {name[5:].replace("_", "-"): step for name, step in globals().items()
         if name.startswith("step_")}


def main():
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__,
        epilog="steps:\n" + "\n".join(f"  {name:20}{step.__doc__}" for name, step in STEPS.items()))
    parser.add_argument("--conf", required=True, help="ceph.conf; osd.N.pid lie beside it")
    parser.add_argument("--results", help="a JSON file that grows with each step")
    parser.add_argument("--names", help="a file of names, one a line")
    parser.add_argument("--records", type=int, help="how many of them are in the index")
    parser.add_argument("--objects", type=int, default=0, help="how many of them have an object")
    parser.add_argument("--part", type=lambda text: tuple(map(int, text.split("/"))), default=(1, 1),
                        help="write, delete and read objects of this part alone, as in 2/3")
    parser.add_argument("--label", type="{}: ".format, default="", help="begins lines of progress")
    parser.add_argument("--size", type=int, default=3, help="copies of everything")
    parser.add_argument("--osd", type=int, action="append", help="compact this one alone")
    parser.add_argument("--uuid", help="of an OSD to be made")
    parser.add_argument("steps", nargs="+", choices=list(STEPS), metavar="STEP")
    options = parser.parse_args()
    try:
        client = Client(options)
        for name in options.steps:
            STEPS[name](client)
            client.save()
    except (Wrong, rados.Error) as problem:
        print(f"client.py: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    # Librados keeps threads that its destructor may wait for.
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
