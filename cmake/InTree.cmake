# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# What RocksDB's own build wants from plugin/memkv/CMakeLists.txt.  The sources
# and the registration function are not set here: RocksDB reads them from
# memkv.mk in any case, and a file listed in both is compiled twice.

file(READ "${CMAKE_CURRENT_SOURCE_DIR}/memkv.mk" memkv_mk)
string(REGEX MATCH "HEADERS = ([^\n]*)" memkv_mk_match "${memkv_mk}")
separate_arguments(memkv_mk_headers UNIX_COMMAND "${CMAKE_MATCH_1}")
set(memkv_HEADERS
    ${memkv_mk_headers}
    PARENT_SCOPE)
# Our includes are written relative to our own root.
set(memkv_INCLUDE_PATHS
    "${CMAKE_CURRENT_SOURCE_DIR}"
    PARENT_SCOPE)
