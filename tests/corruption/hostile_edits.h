// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What a hostile hand would do to a file: each field of each part set to the
// values that arithmetic trips over, arrays and bytes cut, grown and exchanged,
// blocks that lie elsewhere or are other blocks, compressed sizes that are
// lies.
//
// Thread safety: none; a const HostileEdits may be read from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/corruption/fst_file_fields.h"

namespace memkv {

enum class Damage {
  // Of numbers.
  kZero,
  kOne,
  kOneLess,
  kOneMore,
  kTwice,
  kLargest,  // of its size
  kHostile,  // some power of two, the file's size, or one beside these
  kLongVarint,
  // Of arrays and of bits.
  kWidth,
  kBase,
  kElementLargest,
  kElementHostile,
  kElementNear,  // one less or one more
  kAllEqual,
  kExchange,
  kDropElement,
  // Of bytes.
  kFlip,
  kCut,
  kInsert,
  kFillZeros,
  kFillOnes,
  // Of whole parts.
  kOtherContents,
  kElsewhere,
  kCutStored,
  kGrowStored,
  kFlipStored,
  kCompression,
  kClaim,
};

// A field by its name, or a kind of part, and where such ones are.
struct Spot {
  struct At {
    size_t part;
    size_t field;  // FileField::kNone: the whole part
  };
  std::string name;
  std::vector<At> at;
  std::vector<Damage> damages;  // that can be done to it
};

class HostileEdits {
 public:
  // `file` must outlive this.
  explicit HostileEdits(const FileFields& file);

  const std::vector<Spot>& spots() const { return spots_; }

  // The damage at one of the spot's places.
  FileEdit Make(const Spot& spot, Damage damage, std::mt19937_64* rng) const;
  // Any damage anywhere.
  FileEdit Any(std::mt19937_64* rng) const;

 private:
  uint64_t HostileNumber(std::mt19937_64* rng) const;

  // Each makes *edit of the damage if it is one of its kinds, at edit->at, and
  // says whether it is.
  bool DamageNumber(const FileField& field, Damage damage, std::mt19937_64* rng,
                    FileEdit* edit) const;
  bool DamageArray(const FileField& field, Damage damage, std::mt19937_64* rng,
                   FileEdit* edit) const;
  bool DamageBytes(Damage damage, std::mt19937_64* rng, FileEdit* edit) const;
  bool DamagePart(Damage damage, std::mt19937_64* rng, FileEdit* edit) const;

  const FileFields& file_;
  std::vector<Spot> spots_;
};

// A damaged file, and what was done to it.
struct HostileInput {
  std::string bytes;
  std::string what;
  // Whether its checksums are right; else memkv must find the damage or answer
  // as if there were none.
  bool repaired = true;
};

// Writes `file` with the edits.  False if that is no file to try: it does not
// fit into file_size (0: any size), or it is RocksDB's to defend.  RocksDB
// reads what says that it is a block-based file; and built with assertions, its
// LZ4 aborts over a block that has not the size that it says.
bool MakeHostileInput(const FileFields& file,
                      const std::vector<FileEdit>& edits, bool repair,
                      bool agree, size_t file_size, HostileInput* input);

}  // namespace memkv
