# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# MEMKV_ROCKSDB=system: describes an installed RocksDB, by the targets and
# variables of RocksDB.cmake.  Nothing of RocksDB is compiled.
#
#   MEMKV_ROCKSDB_ROOT         where it is installed, or its package is unpacked;
#                              empty: where CMake looks for libraries
#   MEMKV_ROCKSDB_SOURCE_DIR   sources of the same version, for the internal
#                              headers, which no package has; empty: those of
#                              Debian are downloaded
#
# How the library was built is read from the library itself: memkv must be
# compiled likewise, for its classes' layout depends on it.

include(RocksDBHeaders)

if(NOT MEMKV_FLAVOUR STREQUAL "release")
  message(FATAL_ERROR "MEMKV_ROCKSDB=system is for the flavour release: an "
                      "installed RocksDB is not built for '${MEMKV_FLAVOUR}'")
endif()

set(MEMKV_ROCKSDB_ROOT
    ""
    CACHE PATH "Where RocksDB is installed or unpacked; empty: on the system")
set(MEMKV_ROCKSDB_SOURCE_DIR
    ""
    CACHE PATH "RocksDB's sources, of the version installed; empty: Debian's")

# ---- The library and its headers --------------------------------------------
set(rocksdb_where)
set(rocksdb_place "the system's folders")
if(MEMKV_ROCKSDB_ROOT)
  set(rocksdb_place "'${MEMKV_ROCKSDB_ROOT}'")
  get_filename_component(rocksdb_where "${MEMKV_ROCKSDB_ROOT}" ABSOLUTE)
  set(rocksdb_where PATHS "${rocksdb_where}/usr" "${rocksdb_where}"
                    NO_DEFAULT_PATH)
endif()
# Looked for each time, for where to look may have changed.
unset(MEMKV_ROCKSDB_LIBRARY CACHE)
unset(MEMKV_ROCKSDB_INCLUDE_DIR CACHE)
find_library(
  MEMKV_ROCKSDB_LIBRARY rocksdb ${rocksdb_where}
  PATH_SUFFIXES "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib)
find_path(MEMKV_ROCKSDB_INCLUDE_DIR rocksdb/version.h ${rocksdb_where}
          PATH_SUFFIXES include)
mark_as_advanced(MEMKV_ROCKSDB_LIBRARY MEMKV_ROCKSDB_INCLUDE_DIR)
if(NOT MEMKV_ROCKSDB_LIBRARY MATCHES "\\.so$" OR NOT MEMKV_ROCKSDB_INCLUDE_DIR)
  message(
    FATAL_ERROR
      "No librocksdb.so with its headers in ${rocksdb_place}: install Debian's "
      "librocksdb-dev, or say by -DMEMKV_ROCKSDB_ROOT= where RocksDB is")
endif()

memkv_rocksdb_version("${MEMKV_ROCKSDB_INCLUDE_DIR}" MEMKV_ROCKSDB_VERSION)
if(MEMKV_ROCKSDB_VERSION VERSION_LESS 7.8)
  message(
    FATAL_ERROR "memkv needs RocksDB 7.8 or later, but that in "
                "${rocksdb_place} is ${MEMKV_ROCKSDB_VERSION}: leave "
                "MEMKV_ROCKSDB=system out, and memkv builds a RocksDB of its own")
endif()
# A library is named by its version, in part or in whole.
file(REAL_PATH "${MEMKV_ROCKSDB_LIBRARY}" rocksdb_real_library)
if(rocksdb_real_library MATCHES "\\.so\\.([0-9.]+)$")
  set(rocksdb_library_version "${CMAKE_MATCH_1}")
  string(FIND "${MEMKV_ROCKSDB_VERSION}." "${rocksdb_library_version}."
              rocksdb_same)
  if(NOT rocksdb_same EQUAL 0)
    message(FATAL_ERROR "The headers in ${MEMKV_ROCKSDB_INCLUDE_DIR} are of "
                        "RocksDB ${MEMKV_ROCKSDB_VERSION}, but the library is "
                        "${rocksdb_real_library}")
  endif()
endif()
get_filename_component(MEMKV_ROCKSDB_LIB_DIR "${MEMKV_ROCKSDB_LIBRARY}" DIRECTORY)

# ---- The sources -----------------------------------------------------------
set(rocksdb_sources "${MEMKV_ROCKSDB_SOURCE_DIR}")
if(NOT rocksdb_sources)
  execute_process(
    COMMAND
      sh -c
      "exec \"$0/fetch_rocksdb.sh\" \
\"\${MEMKV_CACHE_DIR:-\${XDG_CACHE_HOME:-$HOME/.cache}/memkv}\" \"$1\""
      "${CMAKE_CURRENT_LIST_DIR}/../build_tools" "${MEMKV_ROCKSDB_VERSION}"
    OUTPUT_VARIABLE rocksdb_sources
    OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE rocksdb_result)
  if(NOT rocksdb_result EQUAL 0)
    message(FATAL_ERROR "The sources of RocksDB ${MEMKV_ROCKSDB_VERSION}, which "
                        "memkv needs headers of, could not be had; see above")
  endif()
endif()
get_filename_component(rocksdb_sources "${rocksdb_sources}" ABSOLUTE)
memkv_rocksdb_version("${rocksdb_sources}/include" rocksdb_source_version)
if(NOT rocksdb_source_version STREQUAL MEMKV_ROCKSDB_VERSION)
  message(
    FATAL_ERROR
      "The sources in '${rocksdb_sources}' are of RocksDB "
      "'${rocksdb_source_version}', but ${MEMKV_ROCKSDB_VERSION} is installed: "
      "give those of ${MEMKV_ROCKSDB_VERSION} by -DMEMKV_ROCKSDB_SOURCE_DIR=")
endif()

# ---- How it was built --------------------------------------------------------
execute_process(
  COMMAND "${CMAKE_NM}" -D --defined-only "${MEMKV_ROCKSDB_LIBRARY}"
  OUTPUT_VARIABLE rocksdb_symbols COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND "${CMAKE_READELF}" -d "${MEMKV_ROCKSDB_LIBRARY}"
  OUTPUT_VARIABLE rocksdb_needed COMMAND_ERROR_IS_FATAL ANY)
if(NOT rocksdb_symbols MATCHES " _ZN7rocksdb6DBImplC1")
  message(FATAL_ERROR "${MEMKV_ROCKSDB_LIBRARY} exports none of the internal "
                      "functions that memkv needs")
endif()

# plugin/rocksdb_fit.cc asks for the same two symbols.
set(rocksdb_asserts "without assertions")
if(rocksdb_symbols MATCHES " _ZN7rocksdb9SyncPoint11GetInstanceEv\n")
  set(rocksdb_asserts "with assertions")
  string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE
                 "${CMAKE_CXX_FLAGS_RELEASE}")
endif()
set(rocksdb_rtti OFF)
if(rocksdb_symbols MATCHES " _ZTIN7rocksdb22BlockBasedTableFactoryE\n")
  set(rocksdb_rtti ON)
endif()

# What its library depends on, and what RocksDB's build defines for each.
set(MEMKV_ROCKSDB_DEPENDENCIES)
set(rocksdb_defines)
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
  if(rocksdb_needed MATCHES "\\[lib${library}\\.so")
    list(APPEND MEMKV_ROCKSDB_DEPENDENCIES ${library})
    list(APPEND rocksdb_defines ${define})
  endif()
endforeach()

message(STATUS "RocksDB ${MEMKV_ROCKSDB_VERSION}, ${rocksdb_asserts}: "
               "${MEMKV_ROCKSDB_LIBRARY}")

# ---- The targets -----------------------------------------------------------
# Of the sources the internal headers; the public ones are the package's.
memkv_rocksdb_headers(
  SOURCES "${rocksdb_sources}" PUBLIC "${MEMKV_ROCKSDB_INCLUDE_DIR}"
  RTTI ${rocksdb_rtti} DEFINES ${rocksdb_defines})

add_library(memkv_rocksdb_shared SHARED IMPORTED GLOBAL)
set_target_properties(memkv_rocksdb_shared
                      PROPERTIES IMPORTED_LOCATION "${MEMKV_ROCKSDB_LIBRARY}")
add_library(memkv_rocksdb INTERFACE)
target_link_libraries(
  memkv_rocksdb
  INTERFACE memkv_rocksdb_headers memkv_rocksdb_shared
            ${MEMKV_ROCKSDB_DEPENDENCIES} Threads::Threads ${CMAKE_DL_LIBS})
if(MEMKV_ROCKSDB_ROOT)
  # Those of an unpacked package may be newer than this machine's C library.
  link_directories("${MEMKV_ROCKSDB_LIB_DIR}")
  add_link_options(LINKER:--allow-shlib-undefined)
endif()

# From here on, as in RocksDB.cmake, the sources: not where it is installed.
set(MEMKV_ROCKSDB_ROOT "${rocksdb_sources}")
