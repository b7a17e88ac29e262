# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The program memkv (its target is memkv_tool); RocksDB's ldb and sst_dump with
# the plugin inside: memkv_ldb, memkv_sst_dump, which link the shared libraries,
# for they replace one of RocksDB's functions; and memkv-run.

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

# memkv-run, a script, and libmemkv_run.so, which it preloads beside libmemkv.so.
set(memkv_run_sources tools/memkv_run.cc plugin/rocksdb_fit.cc
                      compat/trie_order.cc)
if(MEMKV_HAS_VIEWS)
  list(APPEND memkv_run_sources tools/memkv_run_views.cc)
endif()
memkv_add_objects(memkv_run_objects ${memkv_run_sources})
target_link_libraries(memkv_run_objects PUBLIC memkv_rocksdb)
set(memkv_run_object "${CMAKE_CURRENT_BINARY_DIR}/memkv_run.o")
memkv_weaken("${memkv_run_object}" memkv_run_objects)
add_library(memkv_run MODULE "${memkv_run_object}")
set(memkv_run_exports "${CMAKE_CURRENT_LIST_DIR}/libmemkv_run.map")
set_target_properties(
  memkv_run PROPERTIES OUTPUT_NAME "${MEMKV_LIBRARY_NAME}_run" LINKER_LANGUAGE CXX
                       # memkv-run loads the library that it needs.
                       SKIP_BUILD_RPATH ON LINK_DEPENDS "${memkv_run_exports}")
target_link_options(memkv_run PRIVATE LINKER:-z,defs
                    "LINKER:--version-script=${memkv_run_exports}")
target_link_libraries(memkv_run PRIVATE memkv_shared ${CMAKE_DL_LIBS})
configure_file("${memkv_root}/tools/memkv-run.in"
               "${CMAKE_CURRENT_BINARY_DIR}/memkv-run" @ONLY)

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
