# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Obtains RocksDB's sources, and describes the RocksDB that the build makes of
# them (build_tools/build_rocksdb.sh, once for all build trees):
#
#   memkv_rocksdb          the library (release: static, otherwise shared, for the
#                          size of the tests) with RocksDB's internal headers and
#                          the definitions and flags it is itself built with
#   memkv_rocksdb_headers  the same without the library
#   memkv_rocksdb_shared   the shared library alone
#   memkv_rocksdb_build    builds it; all of the above depend on it
#   MEMKV_ROCKSDB_ROOT, MEMKV_ROCKSDB_LIB_DIR, MEMKV_ROCKSDB_VERSION
#   MEMKV_ROCKSDB_DEPENDENCIES   what librocksdb needs, as plain -l names
#
# The definitions are read from RocksDB's own configuration rather than repeated
# here: several change the layout of internal classes.  It takes seconds, and
# happens while we configure.

set(MEMKV_ROCKSDB_SOURCE_DIR
    ""
    CACHE PATH "A RocksDB checkout to build; empty: the release is downloaded")

set(rocksdb_script "${memkv_root}/build_tools/build_rocksdb.sh")
set(rocksdb_options --flavour "${MEMKV_FLAVOUR}" --portable "${MEMKV_PORTABLE}"
                    --compiler "${CMAKE_CXX_COMPILER}")
if(MEMKV_ROCKSDB_SOURCE_DIR)
  list(APPEND rocksdb_options --source "${MEMKV_ROCKSDB_SOURCE_DIR}")
endif()
set(rocksdb_location "${CMAKE_CURRENT_BINARY_DIR}/rocksdb_location.cmake")
execute_process(COMMAND "${rocksdb_script}" describe "${rocksdb_location}"
                        ${rocksdb_options} RESULT_VARIABLE rocksdb_result)
if(NOT rocksdb_result EQUAL 0)
  message(FATAL_ERROR "RocksDB could not be configured; see above")
endif()
include("${rocksdb_location}")
message(STATUS "RocksDB ${MEMKV_ROCKSDB_VERSION}: ${MEMKV_ROCKSDB_LIB_DIR}")

# What we link are links to the libraries in the cache: `make clean` removes what
# a rule has made.
set(rocksdb_links "${CMAKE_CURRENT_BINARY_DIR}/rocksdb/${MEMKV_ROCKSDB_KEY}")
set(rocksdb_shared_library "${rocksdb_links}/librocksdb.so")
set(rocksdb_library memkv_rocksdb_shared)
set(rocksdb_byproducts)
if(MEMKV_FLAVOUR STREQUAL "release")
  set(rocksdb_library "${rocksdb_links}/librocksdb.a")
  # A second OUTPUT would be touched, and so the file in the cache.
  set(rocksdb_byproducts BYPRODUCTS "${rocksdb_library}")
endif()
add_custom_command(
  OUTPUT "${rocksdb_shared_library}"
  ${rocksdb_byproducts}
  COMMAND "${CMAKE_COMMAND}" -E env "MEMKV_CACHE_DIR=${MEMKV_ROCKSDB_CACHE}"
          "${rocksdb_script}" build "${rocksdb_links}" ${rocksdb_options}
  COMMENT "RocksDB ${MEMKV_ROCKSDB_VERSION}"
  USES_TERMINAL VERBATIM)
add_custom_target(memkv_rocksdb_build DEPENDS "${rocksdb_shared_library}")

separate_arguments(rocksdb_defines UNIX_COMMAND "${MEMKV_ROCKSDB_DEFINES}")
separate_arguments(rocksdb_flags UNIX_COMMAND "${MEMKV_ROCKSDB_FLAGS}")

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
  message(FATAL_ERROR "RocksDB's flags (${MEMKV_ROCKSDB_FLAGS}) do not "
                      "agree with the flavour ${MEMKV_FLAVOUR} about NDEBUG")
endif()

# RocksDB after 10.7 needs C++20 in its headers too.
string(REGEX MATCH "-std=[a-z]+\\+\\+([0-9]+)" rocksdb_standard "${rocksdb_flags}")
set(rocksdb_standard ${CMAKE_MATCH_1})

add_library(memkv_rocksdb_headers INTERFACE)
add_dependencies(memkv_rocksdb_headers memkv_rocksdb_build)
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

# Imported, so that it is linked in the same way before it is built and after.
string(REGEX MATCH "^[0-9]+" MEMKV_ROCKSDB_VERSION_MAJOR
             "${MEMKV_ROCKSDB_VERSION}")
add_library(memkv_rocksdb_shared SHARED IMPORTED GLOBAL)
add_dependencies(memkv_rocksdb_shared memkv_rocksdb_build)
set_target_properties(
  memkv_rocksdb_shared
  PROPERTIES IMPORTED_LOCATION "${rocksdb_shared_library}"
             IMPORTED_SONAME "librocksdb.so.${MEMKV_ROCKSDB_VERSION_MAJOR}"
             INTERFACE_LINK_LIBRARIES "${MEMKV_ROCKSDB_DEPENDENCIES}")

add_library(memkv_rocksdb INTERFACE)
target_link_libraries(
  memkv_rocksdb
  INTERFACE memkv_rocksdb_headers "${rocksdb_library}"
            ${MEMKV_ROCKSDB_DEPENDENCIES} Threads::Threads ${CMAKE_DL_LIBS})

