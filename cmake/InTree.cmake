# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# What RocksDB's own build wants from plugin/memkv/CMakeLists.txt.  The sources
# and the registration function are not set here: RocksDB reads them from
# memkv.mk in any case, and a file listed in both is compiled twice.

file(READ "${CMAKE_CURRENT_SOURCE_DIR}/memkv.mk" memkv_mk)
string(REGEX MATCH "SOURCES = ([^\n]*)" memkv_mk_match "${memkv_mk}")
separate_arguments(memkv_mk_sources UNIX_COMMAND "${CMAKE_MATCH_1}")
list(TRANSFORM memkv_mk_sources PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
string(REGEX MATCH "HEADERS = ([^\n]*)" memkv_mk_match "${memkv_mk}")
separate_arguments(memkv_mk_headers UNIX_COMMAND "${CMAKE_MATCH_1}")

# Our sources have local names in common, which a unity build would put together.
set_source_files_properties(
  ${memkv_mk_sources} DIRECTORY "${PROJECT_SOURCE_DIR}"
  PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

# Views are for RocksDB 9.10 and later.  Their sources are on the list that
# RocksDB reads; what is called a header is not compiled.
if(rocksdb_VERSION VERSION_LESS 9.10)
  list(FILTER memkv_mk_sources INCLUDE REGEX "/view/[^/]*$")
  set_source_files_properties(
    ${memkv_mk_sources} DIRECTORY "${PROJECT_SOURCE_DIR}"
    PROPERTIES HEADER_FILE_ONLY ON)
  list(FILTER memkv_mk_headers EXCLUDE REGEX "memkv_(search|view)\\.h$")
endif()

set(memkv_HEADERS
    ${memkv_mk_headers}
    PARENT_SCOPE)
# Our includes are written relative to our own root.
set(memkv_INCLUDE_PATHS
    "${CMAKE_CURRENT_SOURCE_DIR}"
    PARENT_SCOPE)
