// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Part of libmemkv.so only: loading the library registers its factories.
// RocksDB's own initialisers have run by then, for libmemkv.so depends on
// librocksdb.so.

#include "plugin/memkv.h"

namespace {
[[maybe_unused]] const bool kRegistered = (memkv::RegisterMemkv(), true);
}  // namespace
