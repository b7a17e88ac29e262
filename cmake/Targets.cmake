# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
#   memkv_core            the RocksDB-free cores; links without librocksdb
#   memkv::memkv          static: cores, adapters, registration by RegisterMemkv()
#   memkv::memkv_shared   libmemkv.so: the same, registered by being loaded
#   memkv_tool, memkv_bench, db_bench, ...  programs (release only), if they are
#                         asked for: MEMKV_BUILD_BENCHMARKS, MEMKV_BUILD_TOOLS
#
# Every source is compiled once, as position-independent objects that all the
# libraries share.

set(memkv_root "${CMAKE_CURRENT_LIST_DIR}/..")
get_filename_component(memkv_root "${memkv_root}" ABSOLUTE)

# Half of the time goes into RocksDB's headers.  What is shipped is compiled source
# by source.
set(memkv_default_unity OFF)
if(MEMKV_FLAVOUR STREQUAL "sanitize")
  set(memkv_default_unity ON)
endif()
option(MEMKV_UNITY "Compile eight sources of the adapters at a time, for tests"
       ${memkv_default_unity})

add_link_options(${MEMKV_SANITIZER_FLAGS})

# What every target of ours has in common.
add_library(memkv_common INTERFACE)
target_include_directories(memkv_common INTERFACE "${memkv_root}")
target_compile_options(memkv_common INTERFACE ${MEMKV_COMPILE_OPTIONS})
target_link_libraries(memkv_common INTERFACE Threads::Threads)

function(memkv_add_objects name)
  list(TRANSFORM ARGN PREPEND "${memkv_root}/")
  add_library(${name} OBJECT ${ARGN})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${name} PUBLIC memkv_common)
endfunction()

# Position-independent functions that a shared library could export are not
# inlined, unless GCC is told that no other definition will take their place; and
# libmemkv.so exports its interface alone.  That helps the table, and costs the
# memtable: docs/decisions/measurements/0007-reading-tables.md.
# What only tests is not told: an option of its own would keep a source out of a
# unity build.
if(MEMKV_FLAVOUR STREQUAL "release")
  set(memkv_table_sources ${MEMKV_ALL_SOURCES})
  if(MEMKV_UNITY)
    set(memkv_table_sources ${MEMKV_CORE_SOURCES})
  endif()
  list(FILTER memkv_table_sources INCLUDE REGEX "^table/")
  list(TRANSFORM memkv_table_sources PREPEND "${memkv_root}/")
  set_property(
    SOURCE ${memkv_table_sources}
    APPEND
    PROPERTY COMPILE_OPTIONS -fno-semantic-interposition)
endif()

memkv_add_objects(memkv_core_objects ${MEMKV_CORE_SOURCES})
add_library(memkv_core STATIC $<TARGET_OBJECTS:memkv_core_objects>)
target_link_libraries(memkv_core PUBLIC memkv_common)

if(MEMKV_FLAVOUR MATCHES "^(tsan|quick|fuzz)$")
  return()
endif()

if(MEMKV_ROCKSDB STREQUAL "system")
  include(SystemRocksDB)
elseif(MEMKV_ROCKSDB STREQUAL "headers")
  include(HostRocksDB)
else()
  include(RocksDB)
endif()

# Views are for RocksDB 9.10 and later.
set(MEMKV_HAS_VIEWS ON)
if(MEMKV_ROCKSDB_VERSION VERSION_LESS 9.10)
  set(MEMKV_HAS_VIEWS OFF)
  list(FILTER MEMKV_ADAPTER_SOURCES EXCLUDE REGEX "^view/")
endif()

memkv_add_objects(memkv_adapter_objects ${MEMKV_ADAPTER_SOURCES})
target_link_libraries(memkv_adapter_objects PUBLIC memkv_rocksdb)
set_target_properties(
  memkv_adapter_objects PROPERTIES UNITY_BUILD ${MEMKV_UNITY}
                                   UNITY_BUILD_BATCH_SIZE 8)
# It has names that clash with what others say `using` of.
set_property(SOURCE "${memkv_root}/table/fst/format.cc"
             PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)

add_library(memkv STATIC $<TARGET_OBJECTS:memkv_core_objects>
                         $<TARGET_OBJECTS:memkv_adapter_objects>)
add_library(memkv::memkv ALIAS memkv)
target_link_libraries(memkv PUBLIC memkv_common memkv_rocksdb)

if(NOT MEMKV_FLAVOUR STREQUAL "release")
  return()
endif()

memkv_add_objects(memkv_autoload_objects plugin/memkv_autoload.cc)
target_link_libraries(memkv_autoload_objects PUBLIC memkv_rocksdb)

# Beside an installed RocksDB memkv goes where that is: Debian has a folder for
# each architecture.
set(default_libdir lib)
if(MEMKV_ROCKSDB STREQUAL "system" AND CMAKE_LIBRARY_ARCHITECTURE)
  set(default_libdir "lib/${CMAKE_LIBRARY_ARCHITECTURE}")
endif()
# Below another project, as that has it.
if(memkv_alone)
  set(CMAKE_INSTALL_LIBDIR
      "${default_libdir}"
      CACHE STRING "Where libraries go, below the prefix")
elseif(NOT CMAKE_INSTALL_LIBDIR)
  set(CMAKE_INSTALL_LIBDIR "${default_libdir}")
endif()
set(libdir "${CMAKE_INSTALL_LIBDIR}")

include(SharedLibrary)

# Benchmarks are for RocksDB 9.10 and later.
if(MEMKV_ROCKSDB_VERSION VERSION_LESS 9.10)
  set(MEMKV_BUILD_BENCHMARKS OFF)
endif()
if(MEMKV_BUILD_BENCHMARKS OR MEMKV_BUILD_TOOLS)
  include(ProgramParts)
endif()
if(MEMKV_BUILD_BENCHMARKS)
  include(Programs)
endif()
if(MEMKV_BUILD_TOOLS)
  include(Tools)
endif()
# It needs no RocksDB but its process's.
if(MEMKV_BUILD_TOOLS OR MEMKV_ROCKSDB STREQUAL "headers")
  include(MemkvRun)
endif()
if(MEMKV_INSTALL)
  include(Install)
endif()
