// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "util/simd.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace memkv {

namespace {

Simd OfProcessor() {
#if defined(MEMKV_X86)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt")) {
    return Simd::kScalar;
  }
  return __builtin_cpu_supports("avx512vbmi") &&
                 __builtin_cpu_supports("avx512bw")
             ? Simd::kAvx512
             : Simd::kAvx2;
#else
  return Simd::kScalar;
#endif
}

// What the environment allows; everything if it says nothing we know.
Simd Allowed() {
  const char* const value = getenv("MEMKV_SIMD");
  const std::string_view name = value == nullptr ? "" : value;
  return name == "scalar" ? Simd::kScalar
         : name == "avx2" ? Simd::kAvx2
                          : Simd::kAvx512;
}

}  // namespace

const Simd kSimd = std::min(OfProcessor(), Allowed());

const char* SimdName(Simd simd) {
  switch (simd) {
    case Simd::kScalar:
      return "scalar";
    case Simd::kAvx2:
      return "AVX2";
    case Simd::kAvx512:
      return "AVX-512";
  }
  return "";
}

}  // namespace memkv
