# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# What tests need of RocksDB: FILE VERSION WHAT.  Below VERSION RocksDB has not
# WHAT, and FILE, of tests/, is not compiled; a test that is left without cases or
# without a part of itself is skipped, and says so (tests/CMakeLists.txt).

set(memkv_test_needs
    "corruption/hostile_database.cc 9.5 IngestExternalFileOptions::allow_db_generated_files"
    "db/art_memtable_rep_test.cc 9.6 MemTableRep::Iterator::NextAndValidate()"
    "db/art_overflow_test.cc 9.6 MemTableRep::Iterator::NextAndValidate()"
    "db/fault_database.cc 9.7 IngestExternalFileOptions::link_files"
    "db/fst_any_prefix_test.cc 8.3 counters of seeks by level"
    "db/fst_async_reads_test.cc 9.0 FSRandomAccessFile::ReadAsync(answer)"
    "db/fst_block_based_fallback_test.cc 8.8 EncodeU64Ts()"
    "db/fst_block_based_options_live_test.cc 9.8 live changes of a table's options"
    "db/fst_compactions_compression_test.cc 8.3 counters of compression in bytes"
    "db/fst_compactions_test.cc 9.9 TableProperties::newest_key_time"
    "db/fst_file_size_bound_test.cc 10.9 target_file_size_is_upper_bound"
    "db/fst_files_test.cc 9.1 kTypeValuePreferredSeqno"
    "db/fst_multi_scan_test.cc 10.6 MultiScanArgs"
    "db/fst_parallel_build_test.cc 8.0 rocksdb/advanced_cache.h"
    "db/fst_prefix_filter_test.cc 8.3 counters of seeks by level"
    "db/fst_reads_files_test.cc 9.1 PerfContext::block_cache_read_byte"
    "db/fst_reads_records_test.cc 9.2 rocksdb/utilities/types_util.h"
    "db/fst_reads_test.cc 8.8 Iterator::Refresh(snapshot)"
    "db/fst_trimmed_readahead_test.cc 8.11 buffers whose readahead can be trimmed"
    "db/fst_versions_test.cc 9.1 GetContext::SaveValue(status)"
    "db/timestamps_test.cc 8.8 EncodeU64Ts()"
    "db/trie_order_test.cc 8.6 BytewiseComparatorWithU64Ts()")

# Takes the files of `files`, a list's name, that RocksDB is too old for out of it,
# and sets `missing` to what the last of them needs; to nothing if none is taken.
function(memkv_take_out files missing)
  set(left ${${files}})
  set(what)
  foreach(need ${memkv_test_needs})
    string(REGEX MATCH "^([^ ]+) ([^ ]+) (.+)$" match "${need}")
    if(CMAKE_MATCH_1 IN_LIST left AND MEMKV_ROCKSDB_VERSION VERSION_LESS
                                      CMAKE_MATCH_2)
      list(REMOVE_ITEM left "${CMAKE_MATCH_1}")
      set(what "${CMAKE_MATCH_1}: RocksDB ${MEMKV_ROCKSDB_VERSION} has no \
${CMAKE_MATCH_3}, ${CMAKE_MATCH_2} has")
      message(STATUS "not compiled: ${what}")
    endif()
  endforeach()
  set(${files}
      "${left}"
      PARENT_SCOPE)
  set(${missing}
      "${what}"
      PARENT_SCOPE)
endfunction()
