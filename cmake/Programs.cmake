# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# memkv_demo, memtable_bench, and db_bench from RocksDB's own sources with the
# plugin inside.

find_library(MEMKV_GFLAGS_LIBRARY gflags REQUIRED)
find_package(benchmark REQUIRED)

set(memkv_rocksdb_tools "${MEMKV_ROCKSDB_ROOT}/tools")
add_executable(
  db_bench
  "${memkv_rocksdb_tools}/db_bench.cc"
  "${memkv_rocksdb_tools}/db_bench_tool.cc"
  "${memkv_rocksdb_tools}/simulated_hybrid_file_system.cc"
  "${memkv_root}/db_bench_ext/db_bench_register.cc")
target_compile_definitions(db_bench PRIVATE GFLAGS=1)
# Mostly RocksDB's sources, whose warnings are RocksDB's.
target_compile_options(db_bench PRIVATE -w)
target_link_libraries(db_bench PRIVATE memkv "${MEMKV_GFLAGS_LIBRARY}")

set(memkv_demo_sources
    memkv_demo.cc
    demo_database.cc
    demo_measure.cc
    demo_questions.cc
    demo_report.cc
    demo_verify.cc
    jemalloc_stats.cc
    key_source.cc
    progress_bar.cc
    record_set.cc
    temp_dir.cc
    url_generator.cc)
list(TRANSFORM memkv_demo_sources PREPEND "${memkv_root}/db_bench_ext/")
add_executable(memkv_demo ${memkv_demo_sources})
target_compile_definitions(
  memkv_demo
  PRIVATE MEMKV_FETCH_CONTENTS="${memkv_root}/db_bench_ext/fetch_contents.sh")
target_link_libraries(memkv_demo PRIVATE memkv "${MEMKV_GFLAGS_LIBRARY}")

set(memkv_memtable_bench_sources
    memtable_bench.cc
    memtable_bench_cases.cc
    memtable_bench_keys.cc
    memtable_bench_machine.cc
    memtable_bench_report.cc
    memtable_bench_table.cc
    key_source.cc
    progress_bar.cc
    record_set.cc
    url_generator.cc)
list(TRANSFORM memkv_memtable_bench_sources
     PREPEND "${memkv_root}/db_bench_ext/")
add_executable(memtable_bench ${memkv_memtable_bench_sources})
target_link_libraries(
  memtable_bench PRIVATE memkv benchmark::benchmark "${MEMKV_GFLAGS_LIBRARY}")
