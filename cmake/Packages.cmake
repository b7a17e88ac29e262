# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# `cpack` in the build folder makes Debian packages: libmemkv0, libmemkv-dev and
# memkv-tools.  With MEMKV_ROCKSDB=system they go beside the distribution's
# RocksDB of the version that memkv was built for, and need exactly that;
# otherwise they bring their RocksDB along, and keep it apart in /opt/memkv.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME memkv)
set(CPACK_PACKAGE_CONTACT "The memkv authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${memkv_root}/LICENSE")
set(CPACK_COMPONENTS_ALL lib dev)
if(MEMKV_BUILD_TOOLS OR MEMKV_BUILD_BENCHMARKS)
  list(APPEND CPACK_COMPONENTS_ALL tools)
endif()
set(CPACK_STRIP_FILES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${MEMKV_ROCKSDB_LIB_DIR}"
                                                "${PROJECT_BINARY_DIR}")
set(CPACK_DEBIAN_LIB_PACKAGE_NAME "libmemkv${PROJECT_VERSION_MAJOR}")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libmemkv-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME memkv-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION database)
set(CPACK_COMPONENT_LIB_DESCRIPTION
    "libmemkv.so, for RocksDB ${MEMKV_ROCKSDB_VERSION}")
set(CPACK_COMPONENT_DEV_DESCRIPTION
    "Headers, static library, CMake package and memkv.pc")
set(CPACK_COMPONENT_TOOLS_DESCRIPTION
    "memkv, memkv-run, RocksDB's ldb and sst_dump with FST files, and benchmarks")

# Sets `out` to a dependency on one upstream version, of any Debian revision.
function(memkv_exactly package version out)
  string(REGEX MATCH "[0-9]+$" last "${version}")
  string(REGEX REPLACE "[0-9]+$" "" rest "${version}")
  math(EXPR next "${last} + 1")
  set(${out}
      "${package} (>= ${version}), ${package} (<< ${rest}${next}~)"
      PARENT_SCOPE)
endfunction()

memkv_exactly("libmemkv${PROJECT_VERSION_MAJOR}" "${PROJECT_VERSION}"
              package_of_memkv)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${package_of_memkv}")
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "${package_of_memkv}")
if(MEMKV_ROCKSDB STREQUAL "system")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  # Debian's name of the library's package says its version's first two numbers.
  string(REGEX MATCH "^[0-9]+\\.[0-9]+" rocksdb_soversion
               "${MEMKV_ROCKSDB_VERSION}")
  memkv_exactly("librocksdb${rocksdb_soversion}" "${MEMKV_ROCKSDB_VERSION}"
                CPACK_DEBIAN_LIB_PACKAGE_DEPENDS)
  memkv_exactly(librocksdb-dev "${MEMKV_ROCKSDB_VERSION}"
                package_of_rocksdb_headers)
  string(APPEND CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
         ", ${package_of_rocksdb_headers}")
  string(APPEND CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS
         ", ${CPACK_DEBIAN_LIB_PACKAGE_DEPENDS}")
else()
  set(CPACK_PACKAGING_INSTALL_PREFIX /opt/memkv)
  # What librocksdb.a is linked with.
  string(APPEND CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
         ", libsnappy-dev, liblz4-dev, libzstd-dev")
endif()
include(CPack)
