// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// AutomatonProgram: a set of byte strings as a nondeterministic automaton of
// few instructions (Thompson's construction), which the makers of automata
// write; and LazyDfa, which runs one as a deterministic automaton whose states
// are built when they are first stepped into.
//
// A state of LazyDfa is a set of instructions, those that a byte or the end of
// the key may come to.  Bytes that no instruction tells apart are one byte
// class, so a state has a step for each class and not for each byte.
//
// Bounds: a program has at most kMostInstructions, so a state takes at most 4
// bytes for each of them and for each of 256 classes, and a step looks at each
// once; all states together take at most kMostBytes, or the next one is
// Status::MemoryLimit().
//
// Thread safety: none.

#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugin/memkv_search.h"

namespace memkv {
namespace view {

using ByteSet = std::bitset<256>;

class AutomatonProgram {
 public:
  // An instruction's number.
  using Place = uint32_t;
  static constexpr size_t kMostInstructions = 20000;

  enum class Kind : uint8_t {
    kBytes,  // one of a set of bytes, then next
    kSplit,  // next, or other
    kMatch,  // the end of a key
  };
  struct Instruction {
    Kind kind = Kind::kMatch;
    Place next = 0;
    Place other = 0;     // of kSplit
    uint32_t bytes = 0;  // of kBytes: which set
  };

  // Programs are written from their end: what an instruction leads to is there
  // already, or is told by Join().  All return the instruction's number.
  // REQUIRES: !full()
  Place Match();
  Place Bytes(const ByteSet& bytes, Place next);
  Place Split(Place next, Place other);
  // Lets a Split() go on to what was written behind it, so as to repeat it.
  void Join(Place split, Place next) { instructions_[split].next = next; }

  bool full() const { return instructions_.size() >= kMostInstructions; }
  void set_start(Place start) { start_ = start; }
  Place start() const { return start_; }
  const std::vector<Instruction>& instructions() const { return instructions_; }
  const std::vector<ByteSet>& byte_sets() const { return byte_sets_; }

 private:
  std::vector<Instruction> instructions_;
  std::vector<ByteSet> byte_sets_;
  std::unordered_map<ByteSet, uint32_t> set_numbers_;
  Place start_ = 0;
};

class LazyDfa final : public Automaton {
 public:
  static constexpr size_t kMostBytes = size_t{32} << 20;

  explicit LazyDfa(AutomatonProgram program);

  State Start() override { return start_; }
  State Step(State state, uint8_t byte) override {
    const uint32_t to = steps_[state * classes_ + class_of_[byte]];
    return to < kNone ? to : StepSlow(state, class_of_[byte], to);
  }
  bool IsMatch(State state) override { return states_[state].is_match; }
  bool MatchesAll(State state) override;
  std::bitset<256> NextBytes(State state) override;
  ROCKSDB_NAMESPACE::Status status() const override { return status_; }

  size_t states() const { return states_.size(); }

 private:
  using Place = AutomatonProgram::Place;
  // Of a step: there is no state, and it is not known yet.
  static constexpr uint32_t kNone = UINT32_MAX - 1;
  static constexpr uint32_t kUnknown = UINT32_MAX;

  struct DfaState {
    const std::string* places = nullptr;  // the key in numbers_
    bool is_match = false;
    enum class All : uint8_t { kUnknown, kNo, kYes } all = All::kUnknown;
  };

  // Calls look() with each instruction of the state.
  template <typename Look>
  void ForEachPlace(State state, const Look& look) const;
  State StepSlow(State state, uint8_t byte_class, uint32_t to);
  void MakeClasses();
  // Adds what the instruction leads to without a byte.
  void Follow(Place place);
  // The state of what was followed, and forgets that.
  uint32_t TakeState();

  const AutomatonProgram program_;
  uint8_t class_of_[256] = {};
  std::vector<ByteSet> class_bytes_;
  std::vector<uint8_t> example_;  // a byte of each class
  size_t classes_ = 0;

  std::vector<DfaState> states_;
  std::vector<uint32_t> steps_;  // by state and class
  // States by their instructions, sorted, 4 bytes each.
  std::unordered_map<std::string, uint32_t> numbers_;
  size_t bytes_ = 0;
  State start_ = kDead;
  ROCKSDB_NAMESPACE::Status status_;

  // What Follow() found, and what it has still to look at.
  std::vector<bool> followed_;
  std::vector<Place> found_;
  std::vector<Place> ahead_;
};

}  // namespace view
}  // namespace memkv
