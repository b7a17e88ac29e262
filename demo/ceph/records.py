# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What the Ceph demo stores: the objects of a bucket and its index, as an S3 gateway
stores them, and a directory, which has the same names with short values.

An object's name is a path.  Everything else follows from the name, so that a
reader can say what it must find without a list of what was written.

    python3 records.py NAMES COUNT < contents

writes COUNT names to the file NAMES.  It reads Debian's lists of files (a path
and the packages that ship it on each line), and takes whole folders, so that
names share prefixes as those of a bucket do.
"""

import hashlib
import struct
import sys
import typing
import zlib

SHARDS = 11  # of either omap; a gateway wants 100,000 objects in each at most
MARKER = "8f3c1f7e-6c1b-4d4e-9f0a-2b7f2d1c9a55.4123.1"  # the bucket's
OWNER = "backup-operator"
LISTED = 7_000_000  # paths that the lists have, about


def shard_of(name):
    """The shard of the bucket index that has this name: any, as a gateway spreads them."""
    return zlib.crc32(name.encode()) % SHARDS


def folder_shard_of(name):
    """The shard of the directory that has this name: a folder's names are together."""
    return shard_of(name.rpartition("/")[0])


def _string(text):
    return struct.pack("<I", len(text)) + text


def _packed(value):
    """Ceph's encode_packed_val of an unsigned number."""
    if value < 0x80:
        return struct.pack("<B", value)
    if value < 0x100:
        return struct.pack("<BB", 0x81, value)
    if value <= 0x10000:
        return struct.pack("<BH", 0x82, value & 0xFFFF)
    return struct.pack("<BI", 0x84, value)


def _versioned(version, oldest_reader, body):
    return struct.pack("<BBI", version, oldest_reader, len(body)) + body


def entry_of(name):
    """The bucket index's entry for a name: a rgw_bucket_dir_entry as Ceph 18 encodes it."""
    raw = name.encode()
    digest = hashlib.md5(raw).digest()
    number = int.from_bytes(digest[:3], "little")
    size = int.from_bytes(digest[3:6], "little")
    epoch = 130 + number % 60000
    meta = _versioned(7, 3, b"".join((
        struct.pack("<BQII", 1, size, 1_700_000_000 + number, number * 59),
        _string(digest.hex().encode()),
        _string(OWNER.encode()),
        _string(b"Backup operator"),
        _string(b"application/octet-stream"),
        struct.pack("<Q", size),
        _string(b""),
        _string(b""),
        b"\0")))
    return _versioned(8, 3, b"".join((
        _string(raw),
        struct.pack("<QB", epoch, 1),
        meta,
        struct.pack("<I", 0),
        _string(b""),
        _versioned(1, 1, _packed(7) + _packed(epoch)),
        _packed(0),
        _string(b"%s.%d" % (MARKER[:36].encode(), number)),
        _string(b""),
        struct.pack("<HQ", 0, 0))))


def link_of(name):
    """The directory's value: what CephFS keeps with the name of a hard link (28 bytes)."""
    inode = (1 << 40) + int.from_bytes(hashlib.md5(name.encode()).digest()[:3], "little")
    return struct.pack("<Qc", 2, b"l") + _versioned(
        2, 1, struct.pack("<QB", inode, 8) + _string(b""))


class Omap(typing.NamedTuple):
    """Records in the omaps of some objects."""
    object_of: typing.Callable[[int], str]  # the object that has a shard
    shard_of: typing.Callable[[str], int]
    value_of: typing.Callable[[str], bytes]


BUCKET = Omap(f".dir.{MARKER}.{{}}".format, shard_of, entry_of)
DIRECTORY = Omap("directory.{}".format, folder_shard_of, link_of)


def object_name(name):
    """The object that holds the content."""
    return f"{MARKER}_{name}"


def content_of(name):
    """An object's content: 512 to 4095 bytes that do not compress."""
    key = hashlib.md5(name.encode()).digest()
    size = 512 + int.from_bytes(key[:2], "little") % 3584
    return hashlib.shake_128(key).digest(size)


def is_deleted(name):
    """Whether the demo deletes it later: a third of all."""
    return zlib.crc32(name.encode()[::-1]) % 3 == 0


def read_names(path, count=None):
    """The names of a file; of the first `count` lines, if that is given."""
    with open(path, encoding="utf-8") as lines:
        names = [line.rstrip("\n") for _, line in zip(range(count or 1 << 62), lines)]
    if count and len(names) < count:
        raise SystemExit(f"{path} has {len(names)} names, {count} are needed")
    return names


def choose_names(lines, count):
    """The names of whole folders among the lines of the lists, `count` of them, sorted."""
    limit = min(1 << 32, (1 << 32) * count * 5 // (LISTED * 4))
    names = set()
    for line in lines:
        try:
            path = line.rstrip().rsplit(b" ", 1)[0].rstrip().decode()
        except UnicodeDecodeError:
            continue
        if zlib.crc32(path.rpartition("/")[0].encode()) < limit:
            names.add(path)
    if len(names) < count:
        raise SystemExit(f"the lists have {len(names)} fitting paths, {count} are needed")
    return sorted(names)[:count]


if __name__ == "__main__":
    chosen = choose_names(sys.stdin.buffer, int(sys.argv[2]))
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.writelines(name + "\n" for name in chosen)
