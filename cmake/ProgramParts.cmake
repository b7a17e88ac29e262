# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# What benchmarks (Programs.cmake) and tools (Tools.cmake) share.

find_library(MEMKV_GFLAGS_LIBRARY gflags REQUIRED)
find_package(fmt REQUIRED)
# These programs run on jemalloc, which they measure memory with; the libraries
# leave the choice of an allocator to the program that they come into.
find_library(MEMKV_JEMALLOC_LIBRARY jemalloc REQUIRED)

# GCC 12 errs about fmt's buffers where assertions are compiled.
set(memkv_fmt_options)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(memkv_fmt_options -Wno-stringop-overflow)
endif()

# Keys, clocks, the machine, folders: what programs have in common.
set(memkv_bench_common_sources
    common/comparison.cc
    common/existing_database.cc
    common/shape_run.cc
    keys/key_shapes.cc
    keys/key_source.cc
    keys/url_generator.cc)
list(TRANSFORM memkv_bench_common_sources
     PREPEND "${memkv_root}/db_bench_ext/")
add_library(memkv_bench_common STATIC ${memkv_bench_common_sources})
# Where programs look for it, as they do where they are installed.
configure_file("${memkv_root}/db_bench_ext/keys/fetch_contents.sh"
               "${CMAKE_CURRENT_BINARY_DIR}/share/memkv/fetch_contents.sh"
               COPYONLY)
target_compile_options(memkv_bench_common PUBLIC ${memkv_fmt_options})
target_link_libraries(
  memkv_bench_common PUBLIC memkv fmt::fmt "${MEMKV_GFLAGS_LIBRARY}"
                            "${MEMKV_JEMALLOC_LIBRARY}")

# All of memkv_bench but its flags, for its test and for `memkv advise` as well.
set(memkv_bench_parts_sources
    database.cc
    figures.cc
    generated_runs.cc
    memory_run.cc
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
