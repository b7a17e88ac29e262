# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# `cmake --install build/release --prefix P`: a self-contained, relocatable tree
# with memkv, the RocksDB it was built against, a CMake package and memkv.pc.

include(CMakePackageConfigHelpers)

install(FILES "${memkv_root}/plugin/memkv.h" DESTINATION include/memkv)
install(
  FILES "${memkv_root}/plugin/memkv_c.h"
  DESTINATION include/memkv
  RENAME c.h)
install(DIRECTORY "${MEMKV_ROCKSDB_ROOT}/include/rocksdb" DESTINATION include)
install(
  TARGETS memkv memkv_shared
  ARCHIVE DESTINATION lib
  LIBRARY DESTINATION lib)
# The folder holds librocksdb.a, librocksdb.so and its versioned names.
install(DIRECTORY "${MEMKV_ROCKSDB_LIB_DIR}/" DESTINATION lib)
if(MEMKV_BUILD_BENCHMARKS)
  install(TARGETS memkv_bench db_bench RUNTIME DESTINATION bin)
endif()
if(MEMKV_BUILD_TOOLS)
  install(TARGETS memkv_ldb memkv_sst_dump RUNTIME DESTINATION bin)
endif()

string(REGEX MATCH "^[0-9]+" MEMKV_ROCKSDB_VERSION_MAJOR
             "${MEMKV_ROCKSDB_VERSION}")
configure_package_config_file(
  "${memkv_root}/cmake/memkvConfig.cmake.in"
  "${CMAKE_CURRENT_BINARY_DIR}/memkvConfig.cmake"
  INSTALL_DESTINATION lib/cmake/memkv)
write_basic_package_version_file(
  "${CMAKE_CURRENT_BINARY_DIR}/memkvConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/memkvConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/memkvConfigVersion.cmake"
        DESTINATION lib/cmake/memkv)

set(CMAKE_INSTALL_LIBDIR lib)
set(prefix_of_pc ../..)
set(pc_requires)
set(pc_rocksdb -lrocksdb)
configure_file("${memkv_root}/cmake/memkv.pc.in"
               "${CMAKE_CURRENT_BINARY_DIR}/memkv.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/memkv.pc" DESTINATION lib/pkgconfig)
