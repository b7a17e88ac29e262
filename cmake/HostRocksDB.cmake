# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# MEMKV_ROCKSDB=headers: memkv for a program that has a RocksDB of its own linked
# in and exports it, as ceph-osd does.  Nothing of RocksDB is compiled, and no
# library of it is needed: libmemkv.so takes it from its process, and refuses
# another one than it was built for (plugin/rocksdb_fit.h).
#
#   MEMKV_ROCKSDB_SOURCE_DIR   the program's RocksDB: its sources, for the headers
#   MEMKV_ROCKSDB_ASSERTIONS   how it was compiled: with assertions (no NDEBUG),
#   MEMKV_ROCKSDB_RTTI         with run-time type information,
#   MEMKV_ROCKSDB_ZSTD         with ZSTD
#   MEMKV_LIBRARY_NAME         memkv-ceph for libmemkv-ceph.so; memkv by default

include(RocksDBHeaders)

if(NOT MEMKV_FLAVOUR STREQUAL "release")
  message(FATAL_ERROR "MEMKV_ROCKSDB=headers is for the flavour release, not "
                      "'${MEMKV_FLAVOUR}'")
endif()
foreach(part BUILD_TESTS BUILD_BENCHMARKS BUILD_TOOLS INSTALL)
  if(MEMKV_${part})
    message(FATAL_ERROR "With MEMKV_ROCKSDB=headers there is no RocksDB for programs, "
                        "nor to install: -DMEMKV_${part}=OFF, or --preset headers")
  endif()
endforeach()
set(MEMKV_ROCKSDB_SOURCE_DIR
    ""
    CACHE PATH "The sources of the program's RocksDB, for their headers")
option(MEMKV_ROCKSDB_ASSERTIONS "The program's RocksDB has assertions" OFF)
option(MEMKV_ROCKSDB_RTTI "The program's RocksDB has run-time type information" ON)
option(MEMKV_ROCKSDB_ZSTD "The program's RocksDB has ZSTD" OFF)

get_filename_component(MEMKV_ROCKSDB_ROOT "${MEMKV_ROCKSDB_SOURCE_DIR}" ABSOLUTE)
memkv_rocksdb_version("${MEMKV_ROCKSDB_ROOT}/include" MEMKV_ROCKSDB_VERSION)
if(NOT MEMKV_ROCKSDB_SOURCE_DIR OR NOT MEMKV_ROCKSDB_VERSION)
  message(FATAL_ERROR "MEMKV_ROCKSDB=headers needs the sources of the program's "
                      "RocksDB: -DMEMKV_ROCKSDB_SOURCE_DIR=, but in "
                      "'${MEMKV_ROCKSDB_SOURCE_DIR}' are none")
endif()
if(MEMKV_ROCKSDB_VERSION VERSION_LESS 7.8)
  message(FATAL_ERROR "memkv needs RocksDB 7.8 or later, but that in "
                      "'${MEMKV_ROCKSDB_SOURCE_DIR}' is ${MEMKV_ROCKSDB_VERSION}")
endif()

if(MEMKV_ROCKSDB_ASSERTIONS)
  string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE
                 "${CMAKE_CXX_FLAGS_RELEASE}")
endif()
# Of the compressions, ZSTD alone changes the layout of classes.  All are called
# by RocksDB.
set(MEMKV_ROCKSDB_DEPENDENCIES)
set(rocksdb_defines)
if(MEMKV_ROCKSDB_ZSTD)
  set(MEMKV_ROCKSDB_DEPENDENCIES zstd)
  set(rocksdb_defines ZSTD)
endif()
memkv_rocksdb_headers(SOURCES "${MEMKV_ROCKSDB_ROOT}" RTTI ${MEMKV_ROCKSDB_RTTI}
                      DEFINES ${rocksdb_defines})
add_library(memkv_rocksdb INTERFACE)
target_link_libraries(memkv_rocksdb INTERFACE memkv_rocksdb_headers
                                              ${MEMKV_ROCKSDB_DEPENDENCIES})
message(STATUS "RocksDB ${MEMKV_ROCKSDB_VERSION}, its headers: "
               "${MEMKV_ROCKSDB_ROOT}")
