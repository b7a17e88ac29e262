# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# `cmake --install build/release --prefix P`: a relocatable tree with memkv, a
# CMake package and memkv.pc; and, so that it is self-contained, the RocksDB that
# was built for it.  With MEMKV_ROCKSDB=system RocksDB is the system's.
#
# Components, which become packages (Packages.cmake): lib, dev, tools.

include(CMakePackageConfigHelpers)

install(
  FILES "${memkv_root}/plugin/memkv.h"
  DESTINATION include/memkv
  COMPONENT dev)
install(
  FILES "${memkv_root}/plugin/memkv_c.h"
  DESTINATION include/memkv
  RENAME c.h
  COMPONENT dev)
if(MEMKV_HAS_VIEWS)
  install(
    FILES "${memkv_root}/plugin/memkv_view.h"
    DESTINATION include/memkv
    RENAME view.h
    COMPONENT dev)
  install(
    FILES "${memkv_root}/plugin/memkv_search.h"
    DESTINATION include/memkv
    RENAME search.h
    COMPONENT dev)
endif()
install(
  TARGETS memkv memkv_shared
  ARCHIVE DESTINATION "${libdir}" COMPONENT dev
  LIBRARY DESTINATION "${libdir}"
          COMPONENT lib
          NAMELINK_COMPONENT dev)
if(MEMKV_BUILD_BENCHMARKS)
  install(TARGETS memkv_bench RUNTIME DESTINATION bin COMPONENT tools)
  install(
    FILES "${memkv_root}/db_bench_ext/keys/fetch_contents.sh"
    DESTINATION share/memkv
    COMPONENT tools)
endif()
if(MEMKV_BUILD_TOOLS)
  install(
    TARGETS memkv_ldb memkv_sst_dump memkv_run memkv_tool
    RUNTIME DESTINATION bin COMPONENT tools
    LIBRARY DESTINATION "${libdir}" COMPONENT tools)
  install(
    PROGRAMS "${CMAKE_CURRENT_BINARY_DIR}/memkv-run"
    DESTINATION bin
    COMPONENT tools)
  install(
    FILES "${memkv_root}/docs/memkv-run.1"
    DESTINATION share/man/man1
    COMPONENT tools)
  install(
    FILES "${memkv_root}/docs/memkv.1"
    DESTINATION share/man/man1
    COMPONENT tools)
  install(
    FILES "${memkv_root}/tools/memkv.bash"
    DESTINATION share/bash-completion/completions
    RENAME memkv
    COMPONENT tools)
endif()
if(NOT MEMKV_ROCKSDB STREQUAL "system")
  install(
    DIRECTORY "${MEMKV_ROCKSDB_ROOT}/include/rocksdb"
    DESTINATION include
    COMPONENT dev)
  # The folder holds librocksdb.a, librocksdb.so and its versioned names.
  install(
    DIRECTORY "${MEMKV_ROCKSDB_LIB_DIR}/"
    DESTINATION "${libdir}"
    COMPONENT lib
    FILES_MATCHING
    PATTERN "librocksdb.so.*")
  install(
    DIRECTORY "${MEMKV_ROCKSDB_LIB_DIR}/"
    DESTINATION "${libdir}"
    COMPONENT dev
    FILES_MATCHING
    PATTERN "librocksdb.a"
    PATTERN "librocksdb.so")
  if(MEMKV_BUILD_BENCHMARKS)
    install(TARGETS db_bench RUNTIME DESTINATION bin COMPONENT tools)
  endif()
endif()

string(REGEX MATCH "^[0-9]+" MEMKV_ROCKSDB_VERSION_MAJOR
             "${MEMKV_ROCKSDB_VERSION}")
# What RocksDB's headers ask of a compiler.
get_target_property(rocksdb_features memkv_rocksdb_headers
                    INTERFACE_COMPILE_FEATURES)
set(config_dir "${libdir}/cmake/memkv")
configure_package_config_file(
  "${memkv_root}/cmake/memkvConfig.cmake.in"
  "${CMAKE_CURRENT_BINARY_DIR}/memkvConfig.cmake"
  INSTALL_DESTINATION "${config_dir}")
write_basic_package_version_file(
  "${CMAKE_CURRENT_BINARY_DIR}/memkvConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(
  FILES "${CMAKE_CURRENT_BINARY_DIR}/memkvConfig.cmake"
        "${CMAKE_CURRENT_BINARY_DIR}/memkvConfigVersion.cmake"
  DESTINATION "${config_dir}"
  COMPONENT dev)

# An installed RocksDB has a .pc of its own, which knows its version.
set(pc_requires)
set(pc_rocksdb -lrocksdb)
if(MEMKV_ROCKSDB STREQUAL "system")
  set(pc_requires "rocksdb = ${MEMKV_ROCKSDB_VERSION}")
  set(pc_rocksdb)
endif()
file(RELATIVE_PATH prefix_of_pc "/prefix/${libdir}/pkgconfig" "/prefix")
configure_file("${memkv_root}/cmake/memkv.pc.in"
               "${CMAKE_CURRENT_BINARY_DIR}/memkv.pc" @ONLY)
install(
  FILES "${CMAKE_CURRENT_BINARY_DIR}/memkv.pc"
  DESTINATION "${libdir}/pkgconfig"
  COMPONENT dev)

if(memkv_alone)
  include(Packages)
endif()
