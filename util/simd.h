// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Which vector instructions our kernels use.  One choice for the whole program,
// made when it starts, from what the processor has and not from what the
// program was compiled for: a kernel is compiled for its own instructions
// (MEMKV_AVX2, MEMKV_AVX512), and the scalar twin beside it for any machine.
// Where the program is compiled for AVX2 anyway (MEMKV_PORTABLE=haswell),
// kernels are inlined into their callers; elsewhere they are called.
//
// A lambda inside a kernel does not take over its instructions: it must not be
// more than arithmetic, or say MEMKV_AVX2 itself.
//
// Thread safety: constant once main() has begun.

#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__)
#define MEMKV_X86 1
#include <immintrin.h>
#define MEMKV_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define MEMKV_AVX512 \
  __attribute__((target("avx512vbmi,avx512bw,avx2,bmi,bmi2,popcnt")))
#endif

namespace memkv {

enum class Simd : uint8_t { kScalar, kAvx2, kAvx512 };

// What is used.  The environment's MEMKV_SIMD (scalar, avx2 or avx512) asks for
// less than the processor has.  Before the constructors of static objects have
// run this is kScalar, which is right, too.
extern const Simd kSimd;

// "scalar", "AVX2" or "AVX-512".
const char* SimdName(Simd simd);

// Whether kernels marked MEMKV_AVX2 may be called.
inline bool HasAvx2() { return kSimd >= Simd::kAvx2; }

}  // namespace memkv
