// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// How a function of libmemkv_run.so finds the one of RocksDB's that it is put
// before.

#pragma once

namespace memkv {

// The function `name` of RocksDB's: of the library that comes next in the
// process; where it has none, for RocksDB was loaded later and for itself, of
// the object that has `address` in it.  Ends the process with a sentence on
// stderr if there is none, which cannot be: somebody has called it.
//
// Any thread.
void* InterposedFunction(const char* name, const void* address);

// What MEMKV_OPTIONS and MEMKV_VIEWS ask for is done in this process: it has a
// RocksDB that memkv is built for.  Any thread.
bool IsInterposing();

}  // namespace memkv
