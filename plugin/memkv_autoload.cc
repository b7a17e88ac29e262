// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Part of libmemkv.so only: loading the library registers its factories, if
// there is a RocksDB to register them with.  It may not be initialised yet;
// ObjectLibrary::Default() makes itself.

#include "plugin/memkv.h"
#include "plugin/rocksdb_fit.h"

namespace {
[[maybe_unused]] const bool kRegistered =
    memkv::HasRocksDB() && memkv::RegisterMemkv();
}  // namespace
