// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The sealed segments of a file that wait until the token table of their keys
// is known, as RocksDB's blocks wait for a compression dictionary; and the
// choice of that table: another open file's, a trained one, or none.
//
// What waits is charged to the block cache, as the buffer of RocksDB's
// compression dictionaries is, until the object is destroyed.
//
// Thread safety: none; one thread at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/cache_reservation_manager.h"
#include "rocksdb/table.h"
#include "table/fst/token_table_registry.h"
#include "table/key_trie/token_encoder.h"
#include "table/segment/segment.h"
#include "table/segment/size_trial.h"

namespace memkv {

class WaitingSegments {
 public:
  // `token_tables`: of open files.  `stored`: what a block takes in the file.
  // `tries_compression`: find out what compression() says.
  WaitingSegments(const ROCKSDB_NAMESPACE::BlockBasedTableOptions& block_based,
                  std::shared_ptr<const TokenTableRegistry> token_tables,
                  uint64_t limit, bool mirrored, SizeTrial::StoredSize stored,
                  bool tries_compression);

  // Takes a sealed segment.  False if no more should wait: there are `limit`
  // bytes of them, or the cache has no room for more.
  bool Add(std::unique_ptr<SegmentBuilder> segment);

  // What the file's keys are written in.
  struct Choice {
    std::unique_ptr<key_trie::TokenEncoder> encoder;  // null: symbols
    std::string block;          // the token table, empty if there is none
    uint64_t stored_bytes = 0;  // of the block
    double bits_a_byte = 0;     // of codes
  };
  // Makes the file's token table that of another file of these keys, or trains
  // one on them, if that pays.  False, with a reason, if what it has trained
  // cannot be read.  This ends the wait: what remains is to write segments().
  bool ChooseTokens(Choice* choice, std::string* reason);

  // The segments, in the file's order.  Who writes one may let go of it.
  std::vector<std::unique_ptr<SegmentBuilder>>& segments() { return segments_; }

  // What they will take in the file, by a trial; and their token table.
  uint64_t EstimatedBytes() const { return trial_.stored_bytes(); }
  uint64_t EstimatedTokenBytes() const;
  // Whether compression makes them smaller.
  SizeTrial::Compression compression() const { return trial_.compression(); }
  // See SizeTrial::ratio().
  double ratio() const { return trial_.ratio(); }

 private:
  std::vector<const KeyTrieBuilder*> Keys() const;
  // The encoder of the token table of another file of these keys, if there is
  // one of about as many that does as well here as there, and pays; else null.
  // may_make_encoder: which takes some milliseconds
  const key_trie::TokenEncoder* FindTokens(
      const std::vector<const KeyTrieBuilder*>& keys, bool may_make_encoder);

  // Null if the cache is not to be charged.
  const std::unique_ptr<ROCKSDB_NAMESPACE::CacheReservationManager>
      reservation_;
  const std::shared_ptr<const TokenTableRegistry> token_tables_;
  const uint64_t limit_;
  const bool mirrored_;
  const SizeTrial::StoredSize stored_;
  std::vector<std::unique_ptr<SegmentBuilder>> segments_;
  uint64_t bytes_ = 0;  // that they hold
  SizeTrial trial_;
  // A token table that was found, and its encoder, which a trial may use.
  TokenTable found_;
  std::unique_ptr<key_trie::TokenEncoder> found_encoder_;
};

}  // namespace memkv
