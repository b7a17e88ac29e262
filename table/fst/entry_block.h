// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Whether RocksDB's code may read a block of RocksDB's own making: metaindex,
// properties and range deletions of an FST file.  Its iterators trust what is
// behind a right checksum: they read keys and values of whatever lengths a
// block says (with assertions, they abort), and the properties before they
// verify their checksum.
//
// A block is entries and then, of restart points, u32 offsets and a u32 number:
//
//   varint32  bytes of the key that are those of the key before
//   varint32  bytes of the key that follow
//   varint32  size of the value
//   bytes     of the key, and the value
//
// Thread safety: a pure function.

#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace memkv {

// False, with *reason, if a length or a restart point does not fit, or if
// `check`, which sees each key and value, returns false.
using EntryCheck = std::function<bool(
    std::string_view key, std::string_view value, std::string* reason)>;
[[nodiscard]] bool CheckEntryBlock(std::string_view block,
                                   const EntryCheck& check,
                                   std::string* reason);

}  // namespace memkv
