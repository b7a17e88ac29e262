// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What segments that wait for their token table will take in the file: found by
// writing a part of each in a token table made for the purpose, and
// compressing it.  RocksDB cuts a compaction's outputs by such an estimate, for
// every key, and one part of a file may compress ten times as well as the next.
//
// A token table of a small sample does worse than the file's will.  How much
// better that will be is extrapolated: what codes take falls by about the same
// factor with every doubling of the sample (measured: URLs 0.94, random keys
// 1.0), and two small samples, of which one has four times the other's size,
// tell the factor.
//
// If asked, it also finds out whether a compressor makes segments smaller: with
// every token table some are written whole.  If it does not save an eighth of
// them all, the file's segments shall stay uncompressed, and the trial counts
// so.
//
// It knows no RocksDB type.  Thread safety: none; one thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "table/key_trie/token_encoder.h"
#include "table/segment/segment.h"

namespace memkv {

class SizeTrial {
 public:
  // What a block takes in the file.
  using StoredSize = std::function<size_t(std::string_view)>;

  // tries_compression: find out what compression() says.
  SizeTrial(StoredSize stored, bool tries_compression)
      : stored_(std::move(stored)), tries_compression_(tries_compression) {}

  // Measures a sealed segment that waits; now and then again all that do, with
  // another token table: when they have become many times as many.
  // The segment must outlive the trial's last Add().  found() gives the encoder
  // of a token table that they may be written in, null if none is known; it
  // stays as long as the trial.
  void Add(const SegmentBuilder* added,
           const std::function<const key_trie::TokenEncoder*()>& found);

  // What the segments will take, and the token table, if it is not a found one.
  uint64_t stored_bytes() const { return stored_bytes_; }
  uint64_t token_table_bytes() const { return token_table_bytes_; }
  bool uses_found() const { return uses_found_; }
  // Stored bytes of the last segment by SegmentBuilder::EstimatedSize();
  // kUntried until there is one.
  double ratio() const { return last_ratio_ * better_part(last_code_share_); }
  enum class Compression { kUntried, kPays, kDoesNotPay };
  Compression compression() const { return compression_; }

  // How many times it looked for a token table: O(log(bytes)).
  int trainings() const { return trainings_; }

  // What tokens leave of front-coded keys beside tiny values.
  static constexpr double kUntried = 0.6;

 private:
  // Until there is so much, nothing is measured.
  static constexpr uint64_t kFirst = uint64_t{384} << 10;
  // Small segments are measured now and then, for those before them.
  static constexpr uint64_t kEvery = uint64_t{48} << 10;
  static constexpr uint64_t kShare = 32;
  // Segments that are written whole to see whether they are compressed.
  static constexpr size_t kTried = 3;

  void MeasureAdded(
      const SegmentBuilder& added,
      const std::function<const key_trie::TokenEncoder*()>& found);
  void Train();
  bool IsDue(const SegmentBuilder& segment) const;
  void Measure(const SegmentBuilder& segment);
  void TryCompression();
  // What is left of a size of which so much are codes, in the file's
  // token table.
  double better_part(double code_share) const {
    return 1 - (1 - better_) * code_share;
  }

  const StoredSize stored_;
  const bool tries_compression_;
  std::vector<const SegmentBuilder*> segments_;  // all that wait
  uint64_t estimates_ = 0;                       // of all segments
  uint64_t suffix_bytes_ = 0;                    // of all segments
  uint64_t pending_ = 0;                         // of estimates_, not measured
  double sum_ = 0;       // of what the measured ones take
  double code_sum_ = 0;  // of that, codes
  Compression compression_ = Compression::kUntried;
  double last_ratio_ = kUntried;
  double last_code_share_ = 0;

  uint64_t next_training_ = kFirst;  // estimates_ that it comes at
  int trainings_ = 0;
  bool uses_found_ = false;
  const key_trie::TokenEncoder* encoder_ = nullptr;  // null: symbols
  std::unique_ptr<key_trie::TokenEncoder> trained_;
  uint64_t sample_ = 1;  // bytes that it was trained on
  uint64_t stored_tokens_ = 0;
  double a_doubling_ = 1;  // of the sample leaves that of the codes
  double growth_ = 1;      // of the sample, until the file's
  double better_ = 1;      // a_doubling_ of all that

  uint64_t stored_bytes_ = 0;
  uint64_t token_table_bytes_ = 0;
};

}  // namespace memkv
