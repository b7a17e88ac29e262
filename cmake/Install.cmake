# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# `cmake --install build/release --prefix P`: a self-contained, relocatable tree
# with memkv, the RocksDB it was built against, and a CMake package.

include(CMakePackageConfigHelpers)

install(FILES "${memkv_root}/plugin/memkv.h" DESTINATION include/memkv)
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
  install(TARGETS memkv_tool memkv_ldb memkv_sst_dump RUNTIME DESTINATION bin)
  install(FILES "${memkv_root}/docs/memkv.1" DESTINATION share/man/man1)
  install(
    FILES "${memkv_root}/tools/memkv.bash"
    DESTINATION share/bash-completion/completions
    RENAME memkv)
endif()

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
