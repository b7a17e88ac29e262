# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# For a RocksDB that memkv does not build (SystemRocksDB, HostRocksDB): what its
# sources say.

# Sets `out` to the version that the folder's rocksdb/version.h names; to nothing
# if there is none.
function(memkv_rocksdb_version folder out)
  set(version)
  if(EXISTS "${folder}/rocksdb/version.h")
    file(STRINGS "${folder}/rocksdb/version.h" lines
         REGEX "^#define ROCKSDB_(MAJOR|MINOR|PATCH) ")
    string(REGEX REPLACE "[^0-9;]" "" version "${lines}")
    string(REPLACE ";" "." version "${version}")
  endif()
  set(${out}
      "${version}"
      PARENT_SCOPE)
endfunction()

# memkv_rocksdb_headers(SOURCES folder [PUBLIC folder] RTTI on|off
#                       [DEFINES name...])
#
# Adds the target memkv_rocksdb_headers: the internal headers of the sources, and
# the public ones of the folder PUBLIC, or of the sources too.  RTTI: whether the
# library has it.  Assertions are the build type's.
function(memkv_rocksdb_headers)
  cmake_parse_arguments(PARSE_ARGV 0 H "" "SOURCES;PUBLIC;RTTI" "DEFINES")
  if(NOT H_PUBLIC)
    set(H_PUBLIC "${H_SOURCES}/include")
  endif()
  # What RocksDB is compiled with by default: C++20 from 10.7 on.  Further down
  # the file has what a build with coroutines wants.
  file(STRINGS "${H_SOURCES}/CMakeLists.txt" standards
       REGEX "set\\(CMAKE_CXX_STANDARD [0-9]+\\)")
  list(GET standards 0 standard)
  string(REGEX REPLACE "[^0-9]" "" standard "${standard}")
  add_library(memkv_rocksdb_headers INTERFACE)
  # SYSTEM: RocksDB's headers do not live by our warnings.
  target_include_directories(memkv_rocksdb_headers SYSTEM
                             INTERFACE "${H_PUBLIC}" "${H_SOURCES}")
  # What RocksDB's build defines on every Linux.
  target_compile_definitions(
    memkv_rocksdb_headers
    INTERFACE OS_LINUX
              ROCKSDB_AUXV_GETAUXVAL_PRESENT
              ROCKSDB_FALLOCATE_PRESENT
              ROCKSDB_LIB_IO_POSIX
              ROCKSDB_MALLOC_USABLE_SIZE
              ROCKSDB_PLATFORM_POSIX
              ROCKSDB_PTHREAD_ADAPTIVE_MUTEX
              ROCKSDB_RANGESYNC_PRESENT
              ROCKSDB_SCHED_GETCPU_PRESENT
              ${H_DEFINES})
  if(H_RTTI)
    target_compile_options(memkv_rocksdb_headers INTERFACE -frtti
                                                           -DROCKSDB_USE_RTTI)
  else()
    target_compile_options(memkv_rocksdb_headers INTERFACE -fno-rtti)
  endif()
  target_compile_features(memkv_rocksdb_headers INTERFACE cxx_std_${standard})
endfunction()
