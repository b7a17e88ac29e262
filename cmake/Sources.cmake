# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Reads memkv.mk, the one list of sources, by the regular expression RocksDB's
# own CMakeLists.txt uses, so that what one build sees the other sees too.
#
# Sets MEMKV_CORE_SOURCES (no RocksDB type in them) and MEMKV_ADAPTER_SOURCES,
# both relative to the repository's root.

set(memkv_mk_file "${CMAKE_CURRENT_LIST_DIR}/../memkv.mk")
set_property(
  DIRECTORY
  APPEND
  PROPERTY CMAKE_CONFIGURE_DEPENDS "${memkv_mk_file}")
file(READ "${memkv_mk_file}" memkv_mk)
string(REGEX MATCH "SOURCES = ([^\n]*)" memkv_mk_match "${memkv_mk}")
separate_arguments(MEMKV_ALL_SOURCES UNIX_COMMAND "${CMAKE_MATCH_1}")

set(MEMKV_CORE_NAME_REGEX "(^|/)(art_(arena|key|node|path|tree)|key_trie|packed_array|pinned_bytes|fst_(segment|size_trial|value_run|index))[^/]*$")
set(MEMKV_CORE_SOURCES ${MEMKV_ALL_SOURCES})
list(FILTER MEMKV_CORE_SOURCES INCLUDE REGEX "${MEMKV_CORE_NAME_REGEX}")
set(MEMKV_ADAPTER_SOURCES ${MEMKV_ALL_SOURCES})
list(FILTER MEMKV_ADAPTER_SOURCES EXCLUDE REGEX "${MEMKV_CORE_NAME_REGEX}")
