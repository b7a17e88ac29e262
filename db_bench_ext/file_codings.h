// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Table files as ways to keep keys, beside those of key_codings.h: a file as
// SstFileWriter writes it, read through an iterator of SstFileReader from a
// block cache that everything fits into. A key's value is its rank, 8 bytes.
// Compressed with LZ4, without filters.
//
//   block_based   RocksDB's own
//   fst           memkv's
//
// Bytes are those of the file.
//
// Thread safety: none; a coding of these is used by one thread at a time.

#pragma once

#include <memory>
#include <string>

#include "db_bench_ext/key_codings.h"

namespace memkv {

// Null for a name that is not above. The file is made in the folder `dir`, and
// removed with the object.
// REQUIRES: RegisterMemkv() was called; at most one of a name exists at a time.
std::unique_ptr<KeyCoding> NewFileCoding(const std::string& name,
                                         const std::string& dir);

}  // namespace memkv
