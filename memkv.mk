# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The one list of memkv's sources.  Three builds read it: RocksDB's Makefile
# (includes this file), RocksDB's CMakeLists.txt and our own CMakeLists.txt
# (both read it with a regular expression: one line per variable, and exactly
# one space on either side of the equals sign).  Which of them are the cores,
# which know no RocksDB type, cmake/Sources.cmake tells by their names.

memkv_SOURCES = memtable/art_arena.cc memtable/art_memtable_iterator.cc memtable/art_memtable_rep.cc memtable/art_memtable_rep_factory.cc memtable/art_node.cc memtable/art_node_search.cc memtable/art_overflow.cc memtable/art_tree.cc memtable/art_tree_count.cc memtable/art_tree_insert.cc memtable/art_tree_iterator.cc memtable/art_tree_validate.cc plugin/memkv_register.cc port/trie_order.cc table/fst_block_store.cc table/fst_count_keys.cc table/fst_entry_block.cc table/fst_filter.cc table/fst_format.cc table/fst_index.cc table/fst_open_dictionaries.cc table/fst_segment.cc table/fst_size_trial.cc table/fst_table_builder.cc table/fst_table_factory.cc table/fst_table_get.cc table/fst_table_iterator.cc table/fst_table_reader.cc table/fst_table_verify.cc table/fst_value_run.cc table/key_trie_bucket_search.cc table/key_trie_builder.cc table/key_trie_cursor.cc table/key_trie_reader.cc table/key_trie_separators.cc table/key_trie_token_encoder.cc table/key_trie_token_trainer.cc table/key_trie_tokens.cc table/key_trie_validate.cc table/packed_array.cc table/pinned_bytes.cc
memkv_HEADERS = plugin/memkv.h
memkv_FUNC = memkv_reg
memkv_CXXFLAGS = -Iplugin/memkv
