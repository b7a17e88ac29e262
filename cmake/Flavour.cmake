# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# MEMKV_FLAVOUR chooses, once and for a whole build tree, the flags of our own
# code and the RocksDB that goes with them.  It takes the place of
# CMAKE_BUILD_TYPE because the two sides must agree: NDEBUG changes the layout of
# RocksDB's classes, and a sanitizer is worth little on one side only.
#
#   release   -O3 -DNDEBUG; everything
#   sanitize  ASan + UBSan + assertions, RocksDB likewise; tests
#   debug     assertions, RocksDB likewise; to run RocksDB's own tests
#   tsan      ThreadSanitizer on the cores; no RocksDB at all
#   quick     ASan + UBSan + assertions on the cores; no RocksDB at all
#   fuzz      clang's libFuzzer, ASan and UBSan on the cores; no RocksDB at all

set(MEMKV_FLAVOUR
    release
    CACHE STRING "release, sanitize, debug, tsan, quick or fuzz")
set_property(CACHE MEMKV_FLAVOUR PROPERTY STRINGS release sanitize debug tsan
                                          quick fuzz)

if(MEMKV_FLAVOUR STREQUAL "release")
  set(memkv_build_type Release)
  set(MEMKV_SANITIZER_FLAGS)
elseif(MEMKV_FLAVOUR MATCHES "^(sanitize|quick)$")
  set(memkv_build_type None)
  # The first undefined behaviour ends the program: a test that goes on after a
  # printed diagnostic would pass.
  set(MEMKV_SANITIZER_FLAGS -fsanitize=address,undefined
                            -fno-sanitize-recover=undefined)
elseif(MEMKV_FLAVOUR STREQUAL "debug")
  set(memkv_build_type None)
  set(MEMKV_SANITIZER_FLAGS)
elseif(MEMKV_FLAVOUR STREQUAL "tsan")
  set(memkv_build_type None)
  set(MEMKV_SANITIZER_FLAGS -fsanitize=thread)
elseif(MEMKV_FLAVOUR STREQUAL "fuzz")
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "libFuzzer needs clang, but the compiler is "
                        "'${CMAKE_CXX_COMPILER}': use --preset fuzz")
  endif()
  set(memkv_build_type None)
  set(MEMKV_SANITIZER_FLAGS -fsanitize=fuzzer-no-link,address,undefined
                            -fno-sanitize-recover=undefined)
else()
  message(FATAL_ERROR "MEMKV_FLAVOUR is '${MEMKV_FLAVOUR}'; expected release, "
                      "sanitize, debug, tsan, quick or fuzz")
endif()

# A project that has memkv below it chooses its own, and not memkv's.
if(memkv_alone
   AND CMAKE_BUILD_TYPE
   AND NOT CMAKE_BUILD_TYPE STREQUAL memkv_build_type)
  message(
    FATAL_ERROR
      "CMAKE_BUILD_TYPE is '${CMAKE_BUILD_TYPE}', but the flavour "
      "'${MEMKV_FLAVOUR}' is built as '${memkv_build_type}': leave "
      "CMAKE_BUILD_TYPE out and choose by -DMEMKV_FLAVOUR=")
endif()
set(CMAKE_BUILD_TYPE "${memkv_build_type}")

# In the flavour quick kernels are called, as on any machine, and not inlined.
# Beside a RocksDB that is there memkv runs on the machines that it runs on.
set(memkv_default_portable 1)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$"
   AND NOT MEMKV_FLAVOUR STREQUAL "quick"
   AND NOT MEMKV_ROCKSDB MATCHES "^(system|headers)$")
  set(memkv_default_portable haswell)
endif()
set(MEMKV_PORTABLE
    "${memkv_default_portable}"
    CACHE STRING
          "Least CPU to run on, as RocksDB's PORTABLE: -march=<this>, 1 = the \
compiler's baseline, 0 = this machine's CPU")

if(MEMKV_PORTABLE STREQUAL "1")
  set(MEMKV_ARCH_FLAGS)
elseif(MEMKV_PORTABLE STREQUAL "0")
  set(MEMKV_ARCH_FLAGS -march=native)
else()
  set(MEMKV_ARCH_FLAGS -march=${MEMKV_PORTABLE})
endif()

# For our own targets.  Levels are chosen so that tests stay quick to compile.
set(MEMKV_COMPILE_OPTIONS
    ${MEMKV_ARCH_FLAGS}
    -fno-omit-frame-pointer
    -Wall
    -Wextra
    -Wshadow
    -Wnon-virtual-dtor
    -Woverloaded-virtual
    ${MEMKV_SANITIZER_FLAGS})
if(NOT MEMKV_FLAVOUR STREQUAL "release")
  # GCC's -Wmaybe-uninitialized is documented to err below sanitizers; the
  # release flavour keeps it.
  list(APPEND MEMKV_COMPILE_OPTIONS -O1 -g1
       $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
if(MEMKV_WERROR)
  list(APPEND MEMKV_COMPILE_OPTIONS -Werror)
endif()
