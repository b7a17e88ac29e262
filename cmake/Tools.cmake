# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# RocksDB's ldb and sst_dump with the plugin inside: memkv_ldb, memkv_sst_dump.
# They link the shared libraries, for they replace one of RocksDB's functions.

memkv_add_objects(memkv_fst_sst_file_dumper tools/fst_sst_file_dumper.cc)
target_link_libraries(memkv_fst_sst_file_dumper PUBLIC memkv_rocksdb)

# The system finds its libraries, and memkv beside them, by itself.
set(memkv_tools_rpath)
if(NOT MEMKV_ROCKSDB STREQUAL "system")
  set(memkv_tools_rpath "$ORIGIN/../lib")
endif()

foreach(tool memkv_ldb memkv_sst_dump)
  memkv_add_objects(${tool}_objects tools/${tool}.cc)
  target_link_libraries(${tool}_objects PUBLIC memkv_rocksdb)
  add_executable(${tool} $<TARGET_OBJECTS:${tool}_objects>
                         $<TARGET_OBJECTS:memkv_fst_sst_file_dumper>)
  set_target_properties(
    ${tool} PROPERTIES LINKER_LANGUAGE CXX ENABLE_EXPORTS ON
                       INSTALL_RPATH "${memkv_tools_rpath}")
  target_link_libraries(
    ${tool} PRIVATE memkv_shared "${MEMKV_ROCKSDB_LIB_DIR}/librocksdb.so"
                    ${CMAKE_DL_LIBS})
endforeach()
