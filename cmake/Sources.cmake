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

# tests/docs/layers_test.sh has the same list, and what each folder may include.
set(memkv_core_folders "^(util|memtable/art|table/key_trie|table/segment)/")
set(MEMKV_CORE_SOURCES ${MEMKV_ALL_SOURCES})
list(FILTER MEMKV_CORE_SOURCES INCLUDE REGEX "${memkv_core_folders}")
set(MEMKV_ADAPTER_SOURCES ${MEMKV_ALL_SOURCES})
list(FILTER MEMKV_ADAPTER_SOURCES EXCLUDE REGEX "${memkv_core_folders}")
