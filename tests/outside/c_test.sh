#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# c_test.sh SOURCE_DIR PREFIX: a C program takes memkv from the installed package
# by pkg-config, and Python takes it by ctypes.

set -euo pipefail
sources=$1
prefix=$2

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

rm -rf work && mkdir work

if command -v pkg-config >/dev/null; then
  # Relocated: what pkg-config says begins where the package is now.
  flags=$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs memkv) ||
    fail "pkg-config does not find memkv"
  read -ra flags <<<"$flags"
  cc -O1 -Wall -Wextra -Werror -pedantic -o work/c_program "$sources/c_program.c" \
    "${flags[@]}" "-Wl,-rpath,$prefix/lib"
  [[ $(work/c_program work/db | tail -n 1) == 'c_program: OK' ]] || fail "the C program"
  echo "ok: a C program"
  # By options alone: not a symbol of memkv is referred to, and it is loaded.
  needed=$(echo 'int main(void) { return 0; }' |
    cc -Wl,--as-needed -x c -o work/options_alone - -x none "${flags[@]}" &&
    readelf -d work/options_alone)
  grep -q 'NEEDED.*libmemkv' <<<"$needed" || fail "a program that names no symbol has no memkv"
  echo "ok: a C program that refers to no symbol of memkv"
else
  echo "skipped: no pkg-config on this machine"
fi

command -v python3 >/dev/null || {
  echo "skipped: no python3 on this machine"
  exit 0
}
python3 - "$prefix/lib/librocksdb.so" "$prefix/lib/libmemkv.so" work/python <<'END' || fail "ctypes"
import ctypes as c, sys
rocksdb = c.CDLL(sys.argv[1], mode=c.RTLD_GLOBAL)
memkv = c.CDLL(sys.argv[2])
error = c.c_char_p()
def check():
    if error.value is not None:
        sys.exit(error.value.decode())
def created(name):
    create = rocksdb[name]
    create.restype = c.c_void_p
    return c.c_void_p(create())
memkv.memkv_register(c.byref(error))
check()
options = created("rocksdb_options_create")
rocksdb.rocksdb_get_options_from_string(
    created("rocksdb_options_create"),
    b"create_if_missing=true;memtable_factory=art;table_factory=fst",
    options, c.byref(error))
check()
rocksdb.rocksdb_open.restype = c.c_void_p
db = c.c_void_p(rocksdb.rocksdb_open(options, sys.argv[3].encode(), c.byref(error)))
check()
writes = created("rocksdb_writeoptions_create")
for i in range(1000):
    key = b"key %d" % i
    rocksdb.rocksdb_put(db, writes, key, c.c_size_t(len(key)), b"value", c.c_size_t(5),
                        c.byref(error))
    check()
low, high = c.c_uint64(), c.c_uint64()
memkv.memkv_count_keys(db, None, created("rocksdb_readoptions_create"), None, c.c_size_t(0),
                       b"key 5", c.c_size_t(5), c.byref(low), c.byref(high), c.byref(error))
check()
# 0 to 4, and all that begin with one of them.
if (low.value, high.value) != (445, 445):
    sys.exit("counted %d to %d keys, expected 445" % (low.value, high.value))
rocksdb.rocksdb_close(db)
print("ok: ctypes")
END

# Without RocksDB the library loads, and says by its function that there is none.
python3 - "$prefix/lib/libmemkv.so" <<'END' 2>work/stderr || fail "ctypes without RocksDB"
import ctypes as c, sys
memkv = c.CDLL(sys.argv[1])
error = c.c_char_p()
memkv.memkv_register(c.byref(error))
if error.value is None or b"the process had no RocksDB" not in error.value:
    sys.exit("memkv_register said %r" % error.value)
print("ok: ctypes without RocksDB")
END
grep -q '^memkv is not registered: .*had no RocksDB' work/stderr || fail "stderr: $(cat work/stderr)"

echo 'c: OK'
