// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether the RocksDB of this process is the one that memkv was compiled for.
// memkv uses RocksDB's internal classes, whose layout depends on its version,
// on NDEBUG, on RTTI and on ZSTD: with another RocksDB every call would damage
// memory.
//
// libmemkv.so refers to RocksDB weakly (cmake/SharedLibrary.cmake): where there
// is none when it is loaded, it loads all the same.  All functions: any thread.

#pragma once

#include <string>

namespace memkv {

// Whether there was a RocksDB when memkv was linked or loaded.  Without one no
// function of RocksDB may be called.
bool HasRocksDB();

// Empty if that RocksDB fits; otherwise a sentence without a full stop: what
// does not fit, and what would.
std::string RocksDBMisfit();

}  // namespace memkv
