// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// More words for a Status.  From RocksDB 8.0 on Status::CopyAppendMessage() is
// public.
//
// Thread safety: a pure function.

#pragma once

#include <string>

#include "compat/version.h"
#include "rocksdb/status.h"

namespace memkv {
namespace compat {

// The same status, whose message goes on with `text`.  Below RocksDB 8.0 one of
// another code than those named here stays as it is.
inline ROCKSDB_NAMESPACE::Status Appended(const ROCKSDB_NAMESPACE::Status& s,
                                          const std::string& text) {
#if MEMKV_ROCKSDB >= 800
  return ROCKSDB_NAMESPACE::Status::CopyAppendMessage(s, "", text);
#else
  using ROCKSDB_NAMESPACE::Status;
  const std::string message =
      (s.getState() == nullptr ? std::string() : s.getState()) + text;
  switch (s.code()) {
    case Status::kCorruption:
      return Status::Corruption(message);
    case Status::kNotSupported:
      return Status::NotSupported(message);
    case Status::kInvalidArgument:
      return Status::InvalidArgument(message);
    case Status::kIOError:
      return Status::IOError(message);
    case Status::kNotFound:
      return Status::NotFound(message);
    default:
      return s;
  }
#endif
}

}  // namespace compat
}  // namespace memkv
