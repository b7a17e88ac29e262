# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# memkv_bench, memtable_bench, key_coding_bench, and from RocksDB's own sources db_bench and
# memtablerep_bench with the plugin inside.

find_library(MEMKV_GFLAGS_LIBRARY gflags REQUIRED)
find_package(benchmark REQUIRED)
find_package(fmt REQUIRED)
# These programs run on jemalloc, which they measure memory with; the libraries
# leave the choice of an allocator to the program that they come into.
find_library(MEMKV_JEMALLOC_LIBRARY jemalloc REQUIRED)

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

# Keys, clocks, the machine, folders: what the programs below have in common.
set(memkv_bench_common_sources
    common/comparison.cc
    common/shape_run.cc
    keys/key_shapes.cc
    keys/key_source.cc
    keys/url_generator.cc)
list(TRANSFORM memkv_bench_common_sources
     PREPEND "${memkv_root}/db_bench_ext/")
add_library(memkv_bench_common STATIC ${memkv_bench_common_sources})
target_compile_definitions(
  memkv_bench_common
  PRIVATE
    MEMKV_FETCH_CONTENTS="${memkv_root}/db_bench_ext/keys/fetch_contents.sh")
target_link_libraries(
  memkv_bench_common PUBLIC memkv fmt::fmt "${MEMKV_GFLAGS_LIBRARY}"
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

# All of memkv_bench but its flags, for its test as well.
set(memkv_bench_parts_sources
    database.cc
    figures.cc
    generated_runs.cc
    options.cc
    records.cc
    report.cc
    results.cc
    run.cc
    workloads.cc)
list(TRANSFORM memkv_bench_parts_sources
     PREPEND "${memkv_root}/db_bench_ext/memkv_bench/")
add_library(memkv_bench_parts STATIC ${memkv_bench_parts_sources})
target_link_libraries(memkv_bench_parts PUBLIC memkv_bench_common)
# The page of a report goes into the program as a string.
set(memkv_report_html "${memkv_root}/db_bench_ext/memkv_bench/report.html")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
                                       "${memkv_report_html}")
file(READ "${memkv_report_html}" memkv_report_html)
file(
  CONFIGURE
  OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/generated/memkv_bench_report_html.inc"
  CONTENT "R\"html(@memkv_report_html@)html\""
  @ONLY)
target_include_directories(memkv_bench_parts
                           PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/generated")

# gflags knows NAME_main.cc for --helpshort.
memkv_bench_program(memkv_bench memkv_bench memkv_bench_main.cc)
target_link_libraries(memkv_bench PRIVATE memkv_bench_parts)

# What key_coding_bench compares, for its test as well.
add_library(memkv_key_codings STATIC
            "${memkv_root}/db_bench_ext/key_coding_bench/codings.cc")
target_link_libraries(memkv_key_codings PUBLIC memkv_core)

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
