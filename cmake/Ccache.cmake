# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Compiles by way of ccache where it is installed and no launcher is named:
# another checkout, a folder made anew and the tests that build memkv for
# other RocksDBs do not compile again what was compiled before.
#
# The cache is beside RocksDB's, below MEMKV_CACHE_DIR, and takes at most 2 GB of
# disk.  A file is known by its content, its flags and what it includes, with
# paths relative to the checkout: a path inside of the checkout that a program
# needs at run time is given to it by a definition, not by __FILE__.
#
# -DCMAKE_CXX_COMPILER_LAUNCHER= goes without ccache; CCACHE_DIR and the other
# variables of ccache hold where they are set.

if(DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  return()
endif()
find_program(MEMKV_CCACHE ccache)
if(NOT MEMKV_CCACHE)
  return()
endif()

set(memkv_cache "$ENV{MEMKV_CACHE_DIR}")
if(NOT memkv_cache AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(memkv_cache "$ENV{XDG_CACHE_HOME}/memkv")
elseif(NOT memkv_cache)
  set(memkv_cache "$ENV{HOME}/.cache/memkv")
endif()
get_filename_component(memkv_cache "${memkv_cache}" ABSOLUTE)

# Depend mode takes the names of included files from the compiler, which saves a
# run of the preprocessor for each file that is compiled.
set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env)
# Who has a cache has a size for it.
set(memkv_cache_settings)
if(NOT DEFINED ENV{CCACHE_DIR})
  set(memkv_cache_settings "CCACHE_DIR=${memkv_cache}/ccache"
                           "CCACHE_MAXSIZE=2G")
endif()
foreach(
  setting
  ${memkv_cache_settings}
  "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}"
  "CCACHE_NOHASHDIR=1"
  "CCACHE_DEPEND=1")
  string(REGEX MATCH "^[^=]+" name "${setting}")
  if(NOT DEFINED ENV{${name}})
    list(APPEND CMAKE_CXX_COMPILER_LAUNCHER "${setting}")
  endif()
endforeach()
list(APPEND CMAKE_CXX_COMPILER_LAUNCHER "${MEMKV_CCACHE}")
