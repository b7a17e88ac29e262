# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
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
