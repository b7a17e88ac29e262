# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The one list of memkv's sources.  Three builds read it: RocksDB's Makefile
# (includes this file), RocksDB's CMakeLists.txt and our own CMakeLists.txt
# (both read it with a regular expression: one line per variable, and exactly
# one space on either side of the equals sign).  Which of them are the cores,
# which know no RocksDB type, cmake/Sources.cmake tells by their folders.  Views
# are for RocksDB 9.10 and later; cmake/Targets.cmake, cmake/InTree.cmake and the
# end of this file leave them out below.

memkv_SOURCES = compat/trie_order.cc memtable/art/arena.cc memtable/art/node.cc memtable/art/node_search.cc memtable/art/tree.cc memtable/art/tree_count.cc memtable/art/tree_insert.cc memtable/art/tree_insert_together.cc memtable/art/tree_iterator.cc memtable/art/tree_validate.cc memtable/art_memtable_iterator.cc memtable/art_memtable_rep.cc memtable/art_memtable_rep_factory.cc memtable/art_overflow.cc plugin/count_keys.cc plugin/memkv_c.cc plugin/memkv_register.cc plugin/rocksdb_fit.cc table/fst/announced_scans.cc table/fst/block_pipeline.cc table/fst/block_store.cc table/fst/block_writer.cc table/fst/blocks.cc table/fst/blocks_together.cc table/fst/entry_block.cc table/fst/file.cc table/fst/file_open.cc table/fst/file_verify.cc table/fst/filter.cc table/fst/filter_builder.cc table/fst/format.cc table/fst/iterator_reads.cc table/fst/pin_budget.cc table/fst/pinned_segments.cc table/fst/table_builder.cc table/fst/table_factory.cc table/fst/table_factory_open.cc table/fst/table_get.cc table/fst/table_iterator.cc table/fst/table_reader.cc table/fst/token_table_registry.cc table/fst/waiting_segments.cc table/key_trie/bucket_search.cc table/key_trie/builder.cc table/key_trie/cursor.cc table/key_trie/reader.cc table/key_trie/separators.cc table/key_trie/suffix_run.cc table/key_trie/symbol_encoder.cc table/key_trie/token_choice.cc table/key_trie/token_encoder.cc table/key_trie/token_trainer.cc table/key_trie/tokens.cc table/key_trie/validate.cc table/segment/file_index.cc table/segment/segment.cc table/segment/segment_values.cc table/segment/size_trial.cc table/segment/value_run.cc util/ordered_jobs.cc util/packed_array.cc util/pinned_bytes.cc util/simd.cc view/automata.cc view/automaton_program.cc view/automaton_regex.cc view/file_readers.cc view/key_positions.cc view/pattern_reader.cc view/pinned_version.cc view/point_reads.cc view/range_deletions.cc view/run.cc view/search_iterator.cc view/view.cc view/view_iterator.cc view/view_reads.cc
memkv_HEADERS = plugin/memkv.h plugin/memkv_c.h plugin/memkv_search.h plugin/memkv_view.h
memkv_FUNC = memkv_reg
memkv_CXXFLAGS = -Iplugin/memkv

# For RocksDB's Makefile, in whose folder this is read.
ifeq ($(shell awk '/define ROCKSDB_M(AJ|IN)OR/ {v = 100 * v + $$3} END {print v < 910}' include/rocksdb/version.h),1)
memkv_SOURCES := $(filter-out view/%,$(memkv_SOURCES))
memkv_HEADERS := $(filter-out plugin/memkv_search.h plugin/memkv_view.h,$(memkv_HEADERS))
endif
