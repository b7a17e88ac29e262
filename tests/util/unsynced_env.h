// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// UnsyncedEnv: an Env on the real file system whose files and directories
// never wait for the disk. For tests that open, flush and close hundreds of
// times and do not ask what a power failure leaves behind; on a slow disk it
// is the difference between seconds and minutes.
//
// It is not for tests of durability.
//
// Thread safety: as the Env it wraps.

#pragma once

#include <memory>

#include "rocksdb/env.h"

namespace memkv {

std::unique_ptr<rocksdb::Env> NewUnsyncedEnv();

}  // namespace memkv
