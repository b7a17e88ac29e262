# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The program memkv (its target is memkv_tool); RocksDB's ldb and sst_dump with
# the plugin inside: memkv_ldb, memkv_sst_dump, which link the shared libraries,
# for they replace one of RocksDB's functions.

memkv_add_objects(memkv_fst_sst_file_dumper tools/fst_sst_file_dumper.cc)
target_link_libraries(memkv_fst_sst_file_dumper PUBLIC memkv_rocksdb)

# The system finds its libraries, and memkv beside them, by itself.
set(memkv_tools_rpath)
if(NOT MEMKV_ROCKSDB STREQUAL "system")
  set(memkv_tools_rpath "$ORIGIN/../${libdir}")
endif()

foreach(tool memkv_ldb memkv_sst_dump)
  memkv_add_objects(${tool}_objects tools/${tool}.cc)
  target_link_libraries(${tool}_objects PUBLIC memkv_rocksdb)
  add_executable(${tool} $<TARGET_OBJECTS:${tool}_objects>
                         $<TARGET_OBJECTS:memkv_fst_sst_file_dumper>)
  set_target_properties(
    ${tool} PROPERTIES LINKER_LANGUAGE CXX ENABLE_EXPORTS ON
                       INSTALL_RPATH "${memkv_tools_rpath}")
  target_link_libraries(${tool} PRIVATE memkv_shared memkv_rocksdb_shared
                                        ${CMAKE_DL_LIBS})
endforeach()

set(memkv_tool_sources
    command.cc
    key_walk.cc
    memkv.cc
    memkv_advise.cc
    memkv_count.cc
    memkv_inspect.cc
    memkv_migrate.cc
    memkv_scan.cc
    memkv_search.cc
    memkv_verify.cc
    own_options.cc
    table_file.cc)
if(MEMKV_HAS_VIEWS)
  list(APPEND memkv_tool_sources view_walks.cc)
else()
  list(APPEND memkv_tool_sources no_view_walks.cc)
endif()
list(TRANSFORM memkv_tool_sources PREPEND "${memkv_root}/tools/")
add_executable(memkv_tool ${memkv_tool_sources})
# The library has the name already.
set_target_properties(memkv_tool PROPERTIES OUTPUT_NAME memkv)
target_compile_definitions(memkv_tool
                           PRIVATE MEMKV_VERSION="${PROJECT_VERSION}")
target_link_libraries(memkv_tool PRIVATE memkv_bench_parts)
