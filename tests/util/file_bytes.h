// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Files as bytes: read whole, written whole, and told apart.
//
// Thread safety: may be called from any thread.

#pragma once

#include <fstream>
#include <iterator>
#include <string>

namespace memkv {

// Reads a whole file; for tests that damage one.
inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// True if the file's footer says that it is an FST file.
inline bool IsFstFile(const std::string& path) {
  // As FORMAT.md has it: bytes 33..40 of the last 53.
  constexpr size_t kFooter = 53;
  const std::string bytes = ReadFile(path);
  return bytes.size() >= kFooter &&
         bytes.compare(bytes.size() - kFooter + 33, 8, "MEMKVFST") == 0;
}

}  // namespace memkv
