# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Obtains and builds RocksDB (build_tools/build_rocksdb.sh, at configure time,
# once for all build trees) and describes it:
#
#   memkv_rocksdb          the library (release: static, otherwise shared, for the
#                          size of the tests) with RocksDB's internal headers and
#                          the definitions and flags it was itself built with
#   memkv_rocksdb_headers  the same without the library
#   MEMKV_ROCKSDB_ROOT, MEMKV_ROCKSDB_LIB_DIR, MEMKV_ROCKSDB_VERSION
#   MEMKV_ROCKSDB_DEPENDENCIES   what librocksdb needs, as plain -l names
#
# The definitions are read from RocksDB's own build rather than repeated here:
# several change the layout of internal classes.

set(MEMKV_ROCKSDB_SOURCE_DIR
    ""
    CACHE PATH "A RocksDB checkout to build; empty: the release is downloaded")

set(rocksdb_out "${CMAKE_CURRENT_BINARY_DIR}/rocksdb_location.cmake")
set(rocksdb_command
    "${CMAKE_CURRENT_LIST_DIR}/../build_tools/build_rocksdb.sh"
    --flavour "${MEMKV_FLAVOUR}"
    --portable "${MEMKV_PORTABLE}"
    --compiler "${CMAKE_CXX_COMPILER}"
    --out "${rocksdb_out}")
if(MEMKV_ROCKSDB_SOURCE_DIR)
  list(APPEND rocksdb_command --source "${MEMKV_ROCKSDB_SOURCE_DIR}")
endif()
execute_process(COMMAND ${rocksdb_command} RESULT_VARIABLE rocksdb_result)
if(NOT rocksdb_result EQUAL 0)
  message(FATAL_ERROR "RocksDB could not be built; see above")
endif()
include("${rocksdb_out}")
message(STATUS "RocksDB ${MEMKV_ROCKSDB_VERSION}: ${MEMKV_ROCKSDB_LIB_DIR}")

# Sets `out` to the words of variable `name` in RocksDB's flags.make.
function(memkv_read_rocksdb_flags name out)
  file(STRINGS "${MEMKV_ROCKSDB_FLAGS_FILE}" line REGEX "^${name} =")
  string(REGEX REPLACE "^${name} = *" "" line "${line}")
  separate_arguments(words UNIX_COMMAND "${line}")
  set(${out}
      "${words}"
      PARENT_SCOPE)
endfunction()

memkv_read_rocksdb_flags(CXX_DEFINES rocksdb_defines)
memkv_read_rocksdb_flags(CXX_FLAGS rocksdb_flags)

# Of the flags, what both sides must share.  Warnings, optimisation and the
# language level are ours to choose; NDEBUG comes with the flavour.
set(rocksdb_shared_flags ${rocksdb_flags})
list(FILTER rocksdb_shared_flags INCLUDE REGEX
     "^(-DROCKSDB_.*|-march=.*|-mcpu=.*|-f(no-)?rtti)$")

if("-DNDEBUG" IN_LIST rocksdb_flags)
  set(rocksdb_build_type Release)
else()
  set(rocksdb_build_type None)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL rocksdb_build_type)
  message(FATAL_ERROR "RocksDB's flags (${MEMKV_ROCKSDB_FLAGS_FILE}) do not "
                      "agree with the flavour ${MEMKV_FLAVOUR} about NDEBUG")
endif()

# RocksDB after 10.7 needs C++20 in its headers too.
string(REGEX MATCH "-std=[a-z]+\\+\\+([0-9]+)" rocksdb_standard "${rocksdb_flags}")
set(rocksdb_standard ${CMAKE_MATCH_1})

set(MEMKV_ROCKSDB_DEPENDENCIES)
foreach(
  define_and_library
  SNAPPY=snappy
  LZ4=lz4
  ZSTD=zstd
  ZLIB=z
  BZIP2=bz2
  NUMA=numa
  TBB=tbb
  ROCKSDB_IOURING_PRESENT=uring)
  string(REPLACE "=" ";" define_and_library "${define_and_library}")
  list(GET define_and_library 0 define)
  list(GET define_and_library 1 library)
  if("-D${define}" IN_LIST rocksdb_defines)
    list(APPEND MEMKV_ROCKSDB_DEPENDENCIES ${library})
  endif()
endforeach()

set(rocksdb_library "${MEMKV_ROCKSDB_LIB_DIR}/librocksdb.a")
if(NOT MEMKV_FLAVOUR STREQUAL "release")
  set(rocksdb_library "${MEMKV_ROCKSDB_LIB_DIR}/librocksdb.so")
endif()

add_library(memkv_rocksdb_headers INTERFACE)
# SYSTEM: RocksDB's headers do not live by our warnings.
target_include_directories(
  memkv_rocksdb_headers SYSTEM INTERFACE "${MEMKV_ROCKSDB_ROOT}"
                                         "${MEMKV_ROCKSDB_ROOT}/include")
target_compile_options(memkv_rocksdb_headers INTERFACE ${rocksdb_defines}
                                                       ${rocksdb_shared_flags})
target_compile_features(memkv_rocksdb_headers
                        INTERFACE cxx_std_${rocksdb_standard})
# GCC 12 errs about std::string in C++20 (its bug 105651).
if(rocksdb_standard GREATER_EQUAL 20
   AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU"
   AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(memkv_rocksdb_headers INTERFACE -Wno-restrict)
endif()

add_library(memkv_rocksdb INTERFACE)
target_link_libraries(
  memkv_rocksdb
  INTERFACE memkv_rocksdb_headers "${rocksdb_library}"
            ${MEMKV_ROCKSDB_DEPENDENCIES} Threads::Threads ${CMAKE_DL_LIBS})
