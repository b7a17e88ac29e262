# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# libmemkv.so, which works with the RocksDB that its process has and brings none
# along: two RocksDBs in one process define the same objects and destroy them
# twice.  So it does not depend on librocksdb.so; what it refers to of RocksDB
# is weak, so that a process without RocksDB can load it; and it exports its
# interface alone, for what inline functions of RocksDB's headers became in it
# must not come before the program's own.  plugin/rocksdb_fit.h is the check.

# memkv_weaken(OUT PART...): the objects of the parts as one, OUT, in which what
# they refer to of RocksDB is weak.
function(memkv_weaken out)
  set(inputs)
  foreach(part ${ARGN})
    list(APPEND inputs $<TARGET_OBJECTS:${part}>)
  endforeach()
  add_custom_command(
    OUTPUT "${out}"
    COMMAND "${CMAKE_CXX_COMPILER}" -r -nostdlib -o "${out}" ${inputs}
    COMMAND "${CMAKE_OBJCOPY}" --wildcard --weaken-symbol=*7rocksdb* "${out}"
    DEPENDS ${ARGN} ${inputs}
    COMMENT "Weakening what ${out} refers to of RocksDB"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties("${out}" PROPERTIES EXTERNAL_OBJECT ON GENERATED
                                                                  ON)
endfunction()

set(memkv_shared_object "${CMAKE_CURRENT_BINARY_DIR}/memkv_shared.o")
memkv_weaken("${memkv_shared_object}" memkv_core_objects memkv_adapter_objects
             memkv_autoload_objects)

add_library(memkv_shared SHARED "${memkv_shared_object}")
add_library(memkv::memkv_shared ALIAS memkv_shared)
set(memkv_exports "${CMAKE_CURRENT_LIST_DIR}/libmemkv.map")
set_target_properties(
  memkv_shared
  PROPERTIES OUTPUT_NAME "${MEMKV_LIBRARY_NAME}"
             VERSION ${PROJECT_VERSION}
             SOVERSION ${PROJECT_VERSION_MAJOR}
             LINKER_LANGUAGE CXX
             # It is for any process, and finds its libraries where that does.
             SKIP_BUILD_RPATH ON
             LINK_DEPENDS "${memkv_exports}")
# RocksDB keeps what is registered, so it stays in a process that closes it.
target_link_options(memkv_shared PRIVATE LINKER:-z,defs,-z,nodelete
                    "LINKER:--version-script=${memkv_exports}")
target_link_libraries(
  memkv_shared
  PRIVATE ${MEMKV_ROCKSDB_DEPENDENCIES}
  PUBLIC memkv_common)
