# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What an operator asks of a cluster, as commands to its monitor and OSDs, and
what /proc says of the OSDs that run here."""

import datetime
import json
import os
import socket
import struct
import time

from work import Wrong

INDEX, DATA = "bucket.index", "bucket.data"  # pools, as a gateway has them


def _ask(call, command):
    result, out, error = call(json.dumps({"format": "json", **command}), b"")[:3]
    if result != 0:
        raise Wrong(f"{command['prefix']}: {error or os.strerror(abs(result))}")
    return json.loads(out) if out.strip() else None


def monitor(cluster, prefix, **arguments):
    """A command of the monitor; its answer."""
    return _ask(cluster.mon_command, {"prefix": prefix, **arguments})


def osd(cluster, number, prefix, **arguments):
    """A command of an OSD; its answer."""
    return _ask(lambda command, data: cluster.osd_command(number, command, data),
                {"prefix": prefix, **arguments})


def placement_group(cluster, pgid, prefix):
    """A command about a placement group, which its OSD answers."""
    return _ask(lambda command, data: cluster.pg_command(pgid, command, data),
                {"prefix": prefix, "pgid": pgid})


def wait(what, seconds, is_so):
    """Until is_so() is true; raises Wrong after that many seconds."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise Wrong(f"not so after {seconds} s: {what}")
        time.sleep(0.2)


def is_active(folder, number):
    """Whether an OSD of this machine has started and is up.  Itself is asked: a monitor
    may not know yet that one was killed, and where its successor listens."""
    # The folder's name may be too long for a socket's address.
    folder_fd = os.open(folder, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(f"/proc/self/fd/{folder_fd}/osd.{number}.asok")
            stream.sendall(b'{"prefix": "status", "format": "json"}\0')
            with stream.makefile("rb") as answer:
                size, = struct.unpack(">I", answer.read(4))
                return json.loads(answer.read(size))["state"] == "active"
    except (OSError, struct.error, ValueError):
        return False
    finally:
        os.close(folder_fd)


def make_pools(cluster, size, groups):
    """The pools, of so many placement groups each, with a copy of everything on each of
    `size` OSDs."""
    for pool in INDEX, DATA:
        monitor(cluster, "osd pool create", pool=pool, pg_num=groups, size=size,
                autoscale_mode="off")
        monitor(cluster, "osd pool application enable", pool=pool, app="rgw")


def pgids(cluster):
    """The placement groups of both pools."""
    return [f"{pool['pool']:x}.{number:x}" for pool in monitor(cluster, "osd dump")["pools"]
            for number in range(pool["pg_num"]) if pool["pool_name"] in (INDEX, DATA)]


def wait_for_copies(cluster, seconds):
    """Until every placement group has all its copies, whole."""
    def whole(pgid):
        try:
            return placement_group(cluster, pgid, "query")["state"].startswith("active+clean")
        except Wrong:
            return False

    missing = pgids(cluster)

    def all_whole():
        nonlocal missing
        missing = [pgid for pgid in missing if not whole(pgid)]
        return not missing

    wait("every placement group is active+clean", seconds, all_whole)


def deep_scrub(cluster, progress):
    """Has the OSDs compare all copies of everything, byte by byte; raises Wrong if any differ."""
    def stats(pgid):
        return placement_group(cluster, pgid, "query")["info"]["stats"]

    waiting = {pgid: stats(pgid)["last_deep_scrub_stamp"] for pgid in pgids(cluster)}
    began = {}
    for pgid in waiting:
        placement_group(cluster, pgid, "deep_scrub")
        # The command sets the stamp back, so that the group is due.
        began[pgid] = stats(pgid)["last_deep_scrub_stamp"]

    def done():
        for pgid in list(waiting):
            now = stats(pgid)
            if now["last_deep_scrub_stamp"] in (waiting[pgid], began[pgid]):
                continue
            errors = now["stat_sum"]["num_scrub_errors"]
            if errors:
                raise Wrong(f"the deep scrub of {pgid} found {errors} errors")
            del waiting[pgid]
            progress.add(1)
        return not waiting

    wait("every placement group is scrubbed", 900, done)


def start_up(log):
    """Seconds from an OSD's last start until it could serve, as its log says."""
    began = took = None
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if " ceph version " in line and ", process " in line:
                began, took = datetime.datetime.fromisoformat(line.split()[0]), None
            elif began and took is None and "done with init, starting boot process" in line:
                took = (datetime.datetime.fromisoformat(line.split()[0]) - began).total_seconds()
    if took is None:
        raise Wrong(f"{log} says nothing of a start")
    return took


def _status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise Wrong(f"process {pid} is not there")


def _cpu(stat_file):
    with open(stat_file, encoding="ascii", errors="replace") as text:
        fields = text.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def osd_cpu(pids):
    """Seconds of processor time that these processes have used, and their RocksDB's
    threads for compactions and for flushes of those.  What has ended does not count."""
    total = compaction = flush = 0.0
    for pid in pids:
        try:
            total += _cpu(f"/proc/{pid}/stat")
            tasks = os.listdir(f"/proc/{pid}/task")
        except FileNotFoundError:
            continue
        for task in tasks:
            try:
                with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as text:
                    name = text.read().strip()
                if name.startswith("rocksdb:low"):
                    compaction += _cpu(f"/proc/{pid}/task/{task}/stat")
                elif name.startswith("rocksdb:high"):
                    flush += _cpu(f"/proc/{pid}/task/{task}/stat")
            except FileNotFoundError:
                pass
    return {"all": total, "compaction": compaction, "flush": flush}


def osd_memory(pids):
    """Bytes of these processes in memory, together."""
    return sum(_status(pid, "VmRSS") for pid in pids)


def used_part(cluster, number):
    """The part of an OSD's disk that is in use."""
    stat = osd(cluster, number, "perf dump", logger="osd")["osd"]
    return stat["stat_bytes_used"] / stat["stat_bytes"]


def table_bytes(cluster, osds):
    """Bytes of RocksDB's tables on these OSDs' disks, without its logs."""
    return sum(value for number in osds for file in osd(cluster, number, "bluefs files list")
               if file["name"].endswith(".sst")
               for value in file.values() if isinstance(value, int))
