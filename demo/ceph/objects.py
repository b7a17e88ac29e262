# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The small objects, with the attributes that an S3 gateway gives them.

Each function takes an ioctx of the pool.  compare_all() compares every byte of what
was read, and raises Wrong at the first that differs.
"""

import hashlib
import random

import rados

import records
from work import Window, Wrong, in_threads


def attributes_of(name):
    """An object's attributes: what a gateway keeps of its origin and rights."""
    etag = hashlib.md5(name.encode()).hexdigest()
    acl = f"<AccessControlPolicy><Owner>{records.OWNER}</Owner><Grant>FULL_CONTROL</Grant></AccessControlPolicy>"
    return {
        "user.rgw.acl": acl.encode(),
        "user.rgw.etag": etag.encode(),
        "user.rgw.idtag": f"{records.MARKER}.{etag[:16]}".encode(),
        "user.rgw.manifest": f"{records.MARKER}:{name}:{etag}:STANDARD:default-placement".encode(),
        "user.rgw.content_type": b"application/octet-stream",
    }


def load(ioctx, names, seed, progress, pause=0.0):
    """Writes the objects, in a shuffled order; waits so many seconds before each."""
    window = Window(32, pause)
    shuffled = list(names)
    random.Random(seed).shuffle(shuffled)
    for name in shuffled:
        with rados.WriteOpCtx() as op:
            op.write_full(records.content_of(name))
            for key, value in attributes_of(name).items():
                op.set_xattr(key, value)
            window.start(lambda done: ioctx.operate_aio_write_op(
                op, records.object_name(name), oncomplete=done))
        progress.add(1)
    window.wait()


def delete(ioctx, names, seed, progress):
    """Removes the objects, in a shuffled order."""
    window = Window(32)
    shuffled = list(names)
    random.Random(seed).shuffle(shuffled)
    for name in shuffled:
        window.start(lambda done: ioctx.aio_remove(records.object_name(name), oncomplete=done))
        progress.add(1)
    window.wait()


def read_all(ioctx, names, progress):
    """Reads content and attributes of each object, from 8 threads."""
    def read(name):
        oid = records.object_name(name)
        content, attributes = ioctx.read(oid), dict(ioctx.get_xattrs(oid))
        progress.add(1)
        return content, attributes

    return in_threads(read, names, 8)


def compare_all(found, names):
    """They are as they were written; how many."""
    for name, (content, attributes) in zip(names, found, strict=True):
        if content != records.content_of(name):
            raise Wrong(f"{records.object_name(name)} has other content than was written")
        if attributes != attributes_of(name):
            raise Wrong(f"{records.object_name(name)} has other attributes than were written")
    return len(names)


def check_list(ioctx, names):
    """The pool has exactly the objects of these names."""
    got = sorted(found.key for found in ioctx.list_objects())
    wanted = sorted(map(records.object_name, names))
    if got != wanted:
        differ = sorted(set(got) ^ set(wanted))
        raise Wrong(f"the pool has {len(got)} objects, expected {len(wanted)}; the first that "
                    f"differs is {differ[0] if differ else 'twice there'!r}")
