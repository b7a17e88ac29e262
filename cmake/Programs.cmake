# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# memkv_bench, memtable_bench, view_bench, key_coding_bench, and from RocksDB's own sources db_bench and
# memtablerep_bench with the plugin inside.

find_package(benchmark REQUIRED)

set(memkv_rocksdb_tools "${MEMKV_ROCKSDB_ROOT}/tools")
# Newer versions have this source of db_bench, too.
file(GLOB memkv_db_bench_hooks "${memkv_rocksdb_tools}/tool_hooks.cc")
add_executable(
  db_bench
  ${memkv_db_bench_hooks}
  "${memkv_rocksdb_tools}/db_bench.cc"
  "${memkv_rocksdb_tools}/db_bench_tool.cc"
  "${memkv_rocksdb_tools}/simulated_hybrid_file_system.cc"
  "${memkv_root}/db_bench_ext/rocksdb/db_bench_register.cc")
target_compile_definitions(db_bench PRIVATE GFLAGS=1)
# Mostly RocksDB's sources, whose warnings are RocksDB's.
target_compile_options(db_bench PRIVATE -w)
target_link_libraries(db_bench PRIVATE memkv "${MEMKV_GFLAGS_LIBRARY}"
                                       "${MEMKV_JEMALLOC_LIBRARY}")

add_executable(
  memtablerep_bench "${MEMKV_ROCKSDB_ROOT}/memtable/memtablerep_bench.cc"
                    "${memkv_root}/db_bench_ext/rocksdb/db_bench_register.cc")
target_compile_definitions(memtablerep_bench PRIVATE GFLAGS=1)
target_compile_options(memtablerep_bench PRIVATE -w)
target_link_libraries(memtablerep_bench PRIVATE memkv "${MEMKV_GFLAGS_LIBRARY}"
                                                "${MEMKV_JEMALLOC_LIBRARY}")

# A program of the folder db_bench_ext/FOLDER:
# memkv_bench_program(NAME FOLDER source...)
function(memkv_bench_program name folder)
  list(TRANSFORM ARGN PREPEND "${memkv_root}/db_bench_ext/${folder}/")
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE memkv_bench_common)
endfunction()

# The shapes of memtable_bench, for its test as well.
add_library(
  memkv_memtable_shapes STATIC
  "${memkv_root}/db_bench_ext/memtable_bench/cases.cc")
target_link_libraries(memkv_memtable_shapes PUBLIC memkv_bench_common)

memkv_bench_program(memtable_bench memtable_bench memtable_bench_main.cc)
target_link_libraries(memtable_bench PRIVATE memkv_memtable_shapes
                                             benchmark::benchmark)

# gflags knows NAME_main.cc for --helpshort.
memkv_bench_program(memkv_bench memkv_bench memkv_bench_main.cc)
target_link_libraries(memkv_bench PRIVATE memkv_bench_parts)

# What key_coding_bench compares, for its test as well.
add_library(memkv_key_codings STATIC
            "${memkv_root}/db_bench_ext/key_coding_bench/codings.cc")
target_link_libraries(memkv_key_codings PUBLIC memkv_core)

memkv_bench_program(view_bench view_bench searches.cc view_bench_main.cc)

memkv_bench_program(key_coding_bench key_coding_bench key_coding_bench_main.cc)
target_link_libraries(key_coding_bench PRIVATE memkv_key_codings)

# The same, with a key trie that counts the cache lines it waits for; its objects
# come before those of the library.
set(memkv_key_trie_sources ${MEMKV_CORE_SOURCES})
list(FILTER memkv_key_trie_sources INCLUDE REGEX "^(table/key_trie|util)/")
list(TRANSFORM memkv_key_trie_sources PREPEND "${memkv_root}/")
memkv_bench_program(key_coding_lines key_coding_bench key_coding_bench_main.cc
                    codings.cc)
target_sources(key_coding_lines PRIVATE ${memkv_key_trie_sources})
target_compile_definitions(key_coding_lines PRIVATE MEMKV_COUNT_LINES)
