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
import filling
import objects
import omap
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
        self.cluster.conf_set("rados_osd_op_timeout", str(options.timeout))
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
    admin.make_pools(client.cluster, client.options.size, client.options.groups)
    step_whole(client)


def step_up(client):
    """Waits until all OSDs of this machine are up."""
    folder = os.path.dirname(client.options.conf)
    missing = set(client.osds())

    def all_active():
        missing.difference_update([osd for osd in missing if admin.is_active(folder, osd)])
        return not missing

    admin.wait("all OSDs are up", 120, all_active)
    client.cluster.wait_for_latest_osdmap()


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
                   omap.load(client.index(), records.BUCKET, names, 1, progress, client.options.pause))


def step_load_directory(client):
    """Writes the directory: the same names, with short values."""
    names = client.part(client.names)
    client.measure("load directory", "names written", len(names), lambda progress:
                   omap.load(client.index(), records.DIRECTORY, names, 4, progress))


def step_load_objects(client):
    """Writes the objects."""
    names = client.part(client.object_names)
    client.measure("load objects", "objects written", len(names), lambda progress:
                   objects.load(client.data(), names, 2, progress, client.options.pause))


def step_compact(client):
    """Compacts the OSDs' databases, one after the other; or those of --osd."""
    osds = client.options.osd or client.osds()

    def compact(progress):
        for number in osds:
            admin.osd(client.cluster, number, "compact")
            progress.add(1)

    client.measure(f"compact {client.options.of}", "OSDs compacted", len(osds), compact)


def step_sizes(client):
    """Bytes of the OSDs' tables, with --of among them."""
    client.results.setdefault("table bytes", {})[client.options.of] = admin.table_bytes(
        client.cluster, client.osds())


def step_memory(client):
    """Memory of the OSDs."""
    client.results["osd memory"] = admin.osd_memory(client.osds().values())


def step_cpu(client):
    """The OSDs' processor time since they were started: added up over their starts."""
    for kind, seconds in admin.osd_cpu(client.osds().values()).items():
        total = client.results.setdefault("osd cpu", {})
        total[kind] = total.get(kind, 0.0) + seconds


def read_omap(client, of, phase, what, names):
    found = client.measure(phase, what, len(names), lambda progress:
                           omap.read_all(client.index(), of, progress))
    omap.compare_all(of, found, names)
    client.verified(what, names)


def read_objects(client, phase, what, names):
    found = client.measure(phase, what, len(names), lambda progress:
                           objects.read_all(client.data(), names, progress))
    objects.compare_all(found, names)
    client.verified(what, names)


def step_check_index(client):
    """Reads the index from end to end."""
    read_omap(client, records.BUCKET, "read index", "records of the index read", client.names)


def step_check_directory(client):
    """Reads the directory from end to end."""
    read_omap(client, records.DIRECTORY, "read directory", "names read", client.names)


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
                                  omap.list_prefixes(
                                      client.index(), records.BUCKET, chosen, progress))
    omap.compare_lists(records.BUCKET, lists, client.names)
    client.results["list"][-1]["pages"] = pages


def step_read_index(client):
    """Reads records at random, one at a time and many at a time."""
    for phase, what, part, keys_a_read in (("read one", "records read one at a time", 50, 1),
                                           ("read many", "records read 100 at a time", 5, 100)):
        some = random.Random(part + client.options.part[0]).sample(
            client.names, max(1, len(client.names) // part))
        omap.compare_some(records.BUCKET, client.measure(
            phase, what, len(some), lambda progress: omap.read_some(
                client.index(), records.BUCKET, some, keys_a_read, progress)))


def step_check_objects(client):
    """Reads every object."""
    read_objects(client, "read objects", "objects read", client.part(client.object_names))


def step_delete(client):
    """Deletes a third of the records and of the objects."""
    names, some = ([name for name in client.part(of) if records.is_deleted(name)]
                   for of in (client.names, client.object_names))
    client.measure("delete index", "records deleted", len(names), lambda progress:
                   omap.delete(client.index(), records.BUCKET, names, 6, progress))
    client.measure("delete objects", "objects deleted", len(some), lambda progress:
                   objects.delete(client.data(), some, 7, progress))


def step_check_kept(client):
    """Reads what was not deleted, and finds nothing else."""
    names, some = ([name for name in of if not records.is_deleted(name)]
                   for of in (client.names, client.object_names))
    read_omap(client, records.BUCKET, "read kept", "records of the index left", names)
    objects.check_list(client.data(), some)
    read_objects(client, "read kept objects", "objects left", client.part(some))


def step_scrub(client):
    """Deep scrub of everything."""
    groups = len(admin.pgids(client.cluster))
    client.measure("scrub", "placement groups scrubbed", groups,
                   lambda progress: admin.deep_scrub(client.cluster, progress))


def filled_pool(client):
    """The objects' pool, of which calls fail where a disk is full."""
    ioctx = client.data()
    ioctx.set_osdmap_full_try()
    return ioctx


def step_fill_disk(client):
    """Writes large objects until a write is refused, or the fullest disk is at --until."""
    def has_room():
        used = max(admin.used_part(client.cluster, number) for number in client.osds())
        # An OSD says that it is full some seconds after it is: slowly, near that.
        time.sleep(1 if used > 0.93 else 0)
        return used < client.options.until

    progress = Progress("objects of 1 MiB written", "no given number")
    refused = filling.fill_disk(filled_pool(client), has_room, progress)
    progress.end()
    if refused != (client.options.until == 1.0):
        raise Wrong("a write was refused" if refused else "no write was refused")


def step_refused(client):
    """A record of the index is not taken, for there is no room; needs --timeout, for
    librados waits for some.  (A write that says that it will not wait is taken, if it
    adds to an omap alone.)"""
    ioctx = client.index()
    with rados.WriteOpCtx() as op:
        ioctx.set_omap(op, ("refused",), (b"",))
        try:
            ioctx.operate_write_op(op, records.BUCKET.object_of(0))
        except (rados.TimedOut, rados.NoSpace):
            return
    raise Wrong("a full cluster has taken a record")


def step_empty_disk(client):
    """Removes what fill-disk has written."""
    progress = Progress("objects removed", "all")
    filling.empty_disk(filled_pool(client), progress)
    progress.end()


def step_no_full_ratio(client):
    """From now on Ceph refuses no write for want of room."""
    for prefix, ratio in (("nearfull", 0.998), ("backfillfull", 0.999), ("full", 1.0)):
        admin.monitor(client.cluster, f"osd set-{prefix}-ratio", ratio=ratio)
    for number in client.osds():
        admin.osd(client.cluster, number, "config set", var="osd_failsafe_full_ratio", val=["1.0"])


def step_fill_omap(client):
    """Writes records until the cluster does not answer; needs --timeout."""
    progress = Progress("records acknowledged", "no given number")
    client.results["filled"] = filling.fill_omap(filled_pool(client), progress)
    progress.end()


def step_check_filled(client):
    """Reads the records of fill-omap that were acknowledged."""
    filled = client.results["filled"]
    progress = Progress("acknowledged records read", len(filled) * filling.BATCH)
    filling.check_omap(client.data(), filled, progress)
    progress.end()


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
    parser.add_argument("--of", default="all", help="what was written last: names compact and sizes")
    parser.add_argument("--pause", type=float, default=0.0,
                        help="seconds to wait before each write of the index and the objects")
    parser.add_argument("--timeout", type=int, default=0,
                        help="seconds after which a call fails; 0: it waits for the cluster")
    parser.add_argument("--until", type=float, default=1.0,
                        help="fill disks to this part of them, or until a write is refused")
    parser.add_argument("--label", type="{}: ".format, default="", help="begins lines of progress")
    parser.add_argument("--size", type=int, default=3, help="copies of everything")
    parser.add_argument("--groups", type=int, default=16, help="placement groups of a pool")
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
