# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""How the OSDs' disks are filled: with large objects, and with records of an omap.

Functions take an ioctx of the pool.  Its calls are to be refused when a disk is full;
without that librados waits for room.
"""

import rados

import records
from work import Window, Wrong

OBJECT_BYTES = 1 << 20
BATCH = 256  # records of one write
OMAP = "filling"  # the object that has them


def _object(number):
    return f"filling.{number}"


def fill_disk(ioctx, has_room, progress):
    """Writes objects while has_room(), until one is refused; whether one was."""
    content = bytes(range(256)) * (OBJECT_BYTES // 256)
    number = 0
    while has_room():
        try:
            ioctx.write_full(_object(number), content)
        except rados.NoSpace:
            return True
        number += 1
        progress.add(1)
    return False


def empty_disk(ioctx, progress):
    """Removes what fill_disk() wrote."""
    for found in list(ioctx.list_objects()):
        if found.key.startswith(_object("")):
            ioctx.remove_object(found.key)
            progress.add(1)


def _batch(number):
    names = [f"filling/{number:06}/{at:04}" for at in range(BATCH)]
    return {name: records.entry_of(name) for name in names}


def fill_omap(ioctx, progress):
    """Writes records until the cluster does not answer; the numbers of the batches that
    it has acknowledged."""
    window, acknowledged = Window(16), []

    def write(number):
        batch = _batch(number)
        with rados.WriteOpCtx() as op:
            ioctx.set_omap(op, tuple(batch), tuple(batch.values()))

            def answered(completion, done):
                if completion.get_return_value() >= 0:
                    acknowledged.append(number)
                    progress.add(BATCH)
                done(completion)

            window.start(lambda done: ioctx.operate_aio_write_op(
                op, OMAP, oncomplete=lambda completion: answered(completion, done)))

    number = 0
    try:
        while True:
            write(number)
            number += 1
    except Wrong:
        return sorted(acknowledged)


def check_omap(ioctx, acknowledged, progress):
    """Each of these batches is there, whole."""
    for number in acknowledged:
        batch = _batch(number)
        with rados.ReadOpCtx() as op:
            found, _ = ioctx.get_omap_vals_by_keys(op, tuple(batch))
            ioctx.operate_read_op(op, OMAP)
            if dict(found) != batch:
                raise Wrong(f"batch {number}, which was acknowledged, is not as it was written")
        progress.add(BATCH)
