// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// What the cores need to read and write bytes: little-endian fixed-width loads
// that assume no alignment, and LEB128 varints that never read past a limit.
// Not a general coding library, and no RocksDB header: the cores link without
// librocksdb.
//
// Every function is pure and thread-safe.
//
// (I1) A Get function returns nullptr, and reads nothing at or beyond limit,
//      when the bytes do not hold a complete value.
// (I2) A varint is at most 5 (32 bits) or 10 (64 bits) bytes long and its bits
//      fit the type: more is refused, not truncated.  A last group of zero in
//      a longer varint is refused too, so that a number has one encoding.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace memkv {

// Wide enough for every 64-bit varint.
constexpr size_t kMaxVarint64Length = 10;

inline uint16_t LoadFixed16(const uint8_t* p) {
  return static_cast<uint16_t>(p[0] | (p[1] << 8));
}

inline uint32_t LoadFixed32(const uint8_t* p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  uint32_t v;
  memcpy(&v, p, sizeof(v));
  return v;
#else
  return static_cast<uint32_t>(p[0]) | (static_cast<uint32_t>(p[1]) << 8) |
         (static_cast<uint32_t>(p[2]) << 16) |
         (static_cast<uint32_t>(p[3]) << 24);
#endif
}

inline uint64_t LoadFixed64(const uint8_t* p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  uint64_t v;
  memcpy(&v, p, sizeof(v));
  return v;
#else
  return static_cast<uint64_t>(LoadFixed32(p)) |
         (static_cast<uint64_t>(LoadFixed32(p + 4)) << 32);
#endif
}

inline void StoreFixed64(uint8_t* p, uint64_t v) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  memcpy(p, &v, sizeof(v));
}

// Appends the low num_bytes bytes of value, least significant first.
// REQUIRES: num_bytes <= 8
inline void PutFixed(std::string* out, uint64_t value, size_t num_bytes) {
  for (size_t i = 0; i < num_bytes; ++i) {
    out->push_back(static_cast<char>(value & 0xff));
    value >>= 8;
  }
}

// The bits that hold value.
inline unsigned BitWidth(uint64_t value) {
  return value == 0 ? 0 : 64 - static_cast<unsigned>(__builtin_clzll(value));
}

inline size_t VarintLength(uint64_t value) {
  return (BitWidth(value | 1) + 6) / 7;
}

inline void PutVarint64(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

inline void PutVarint32(std::string* out, uint32_t value) {
  PutVarint64(out, value);
}

// The same of two, in one append.
inline void PutVarint32Varint32(std::string* out, uint32_t a, uint32_t b) {
  char bytes[10];
  size_t n = 0;
  for (uint32_t value : {a, b}) {
    for (; value >= 0x80; value >>= 7) {
      bytes[n++] = static_cast<char>(value | 0x80);
    }
    bytes[n++] = static_cast<char>(value);
  }
  out->append(bytes, n);
}

// Reads a varint at [p, limit) into *value.  Returns the byte after it, or
// nullptr (I1), (I2).
[[nodiscard]] inline const uint8_t* GetVarint64(const uint8_t* p,
                                                const uint8_t* limit,
                                                uint64_t* value) {
  uint64_t result = 0;
  for (unsigned shift = 0; shift < 64 && p < limit; shift += 7) {
    const uint64_t byte = *p++;
    if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0)) {
      return nullptr;
    }
    result |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return p;
    }
  }
  return nullptr;
}

[[nodiscard]] inline const uint8_t* GetVarint32(const uint8_t* p,
                                                const uint8_t* limit,
                                                uint32_t* value) {
  if (p < limit && *p < 0x80) {  // The common case, without the loop.
    *value = *p;
    return p + 1;
  }
  uint32_t result = 0;
  for (unsigned shift = 0; shift < 32 && p < limit; shift += 7) {
    const uint32_t byte = *p++;
    if ((shift == 28 && byte > 0x0f) || (shift > 0 && byte == 0)) {
      return nullptr;
    }
    result |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return p;
    }
  }
  return nullptr;
}

// Asks for the cache lines of p[0, n), but not for more than max_lines.
inline void PrefetchLines(const uint8_t* p, size_t n, size_t max_lines) {
#if defined(__GNUC__)
  constexpr size_t kLineSize = 64;
  const size_t end = n / kLineSize < max_lines ? n : max_lines * kLineSize;
  for (size_t i = 0; i < end; i += kLineSize) {
    __builtin_prefetch(p + i);
  }
#endif
}

// Asks for all lines of an object.
template <class T>
void PrefetchObject(const T* object) {
  PrefetchLines(reinterpret_cast<const uint8_t*>(object), sizeof(T), SIZE_MAX);
}

// What someone wants of a key once it is known which one it is: an element of
// `bits` bits, by the key's number, of an array that is kept beside the keys.
struct PrefetchHint {
  const uint8_t* bytes = nullptr;  // none if null
  size_t bits = 0;

  void Prefetch(uint64_t i) const {
    if (bytes != nullptr) PrefetchLines(bytes + i * bits / 8, 1, 1);
  }
};

}  // namespace memkv
