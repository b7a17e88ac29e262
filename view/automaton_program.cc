// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/automaton_program.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::Status;

// ---- AutomatonProgram -------------------------------------------------------

AutomatonProgram::Place AutomatonProgram::Match() {
  instructions_.emplace_back();
  return static_cast<Place>(instructions_.size() - 1);
}

AutomatonProgram::Place AutomatonProgram::Bytes(const ByteSet& bytes,
                                                Place next) {
  const auto [found, is_new] =
      set_numbers_.emplace(bytes, static_cast<uint32_t>(byte_sets_.size()));
  if (is_new) byte_sets_.push_back(bytes);
  Instruction instruction;
  instruction.kind = Kind::kBytes;
  instruction.next = next;
  instruction.bytes = found->second;
  instructions_.push_back(instruction);
  return static_cast<Place>(instructions_.size() - 1);
}

AutomatonProgram::Place AutomatonProgram::Split(Place next, Place other) {
  Instruction instruction;
  instruction.kind = Kind::kSplit;
  instruction.next = next;
  instruction.other = other;
  instructions_.push_back(instruction);
  return static_cast<Place>(instructions_.size() - 1);
}

// ---- LazyDfa ----------------------------------------------------------------

LazyDfa::LazyDfa(AutomatonProgram program)
    : program_(std::move(program)),
      followed_(program_.instructions().size(), false) {
  MakeClasses();
  Follow(program_.start());
  const uint32_t start = TakeState();
  if (start < kNone) start_ = start;
}

void LazyDfa::MakeClasses() {
  // Of one class are bytes that are in the same sets: each set divides those
  // of the sets before it.
  size_t classes = 1;
  for (const ByteSet& set : program_.byte_sets()) {
    int divided[256][2];
    std::fill_n(&divided[0][0], 2 * classes, -1);
    int made = 0;
    for (unsigned byte = 0; byte < 256; ++byte) {
      int& part = divided[class_of_[byte]][set[byte] ? 1 : 0];
      if (part < 0) part = made++;
      class_of_[byte] = static_cast<uint8_t>(part);
    }
    classes = static_cast<size_t>(made);
  }
  class_bytes_.resize(classes);
  example_.resize(classes);
  for (unsigned byte = 0; byte < 256; ++byte) {
    class_bytes_[class_of_[byte]].set(byte);
    example_[class_of_[byte]] = static_cast<uint8_t>(byte);
  }
  classes_ = class_bytes_.size();
}

void LazyDfa::Follow(Place place) {
  ahead_.push_back(place);
  while (!ahead_.empty()) {
    const Place at = ahead_.back();
    ahead_.pop_back();
    if (followed_[at]) continue;
    followed_[at] = true;
    found_.push_back(at);
    const auto& instruction = program_.instructions()[at];
    if (instruction.kind == AutomatonProgram::Kind::kSplit) {
      ahead_.push_back(instruction.other);
      ahead_.push_back(instruction.next);
    }
  }
}

uint32_t LazyDfa::TakeState() {
  const auto& instructions = program_.instructions();
  DfaState made;
  for (const Place place : found_) followed_[place] = false;
  found_.erase(std::remove_if(found_.begin(), found_.end(),
                              [&](Place place) {
                                return instructions[place].kind ==
                                       AutomatonProgram::Kind::kSplit;
                              }),
               found_.end());
  if (found_.empty()) return kNone;
  std::sort(found_.begin(), found_.end());
  std::string places(found_.size() * sizeof(Place), '\0');
  std::memcpy(places.data(), found_.data(), places.size());
  made.is_match = std::any_of(found_.begin(), found_.end(), [&](Place place) {
    return instructions[place].kind == AutomatonProgram::Kind::kMatch;
  });
  found_.clear();
  const auto known = numbers_.find(places);
  if (known != numbers_.end()) return known->second;

  // What the heap adds to each is counted roughly.
  constexpr size_t kBesides = 128;
  const size_t more =
      places.size() + classes_ * sizeof(uint32_t) + sizeof(DfaState) + kBesides;
  if (bytes_ + more > kMostBytes) {
    status_ = Status::MemoryLimit(
        "the automaton of a search needs more than 32 MiB of states",
        "a simpler pattern, or fewer edits, may do");
    return kNone;
  }
  bytes_ += more;
  const auto number = static_cast<uint32_t>(states_.size());
  made.places = &numbers_.emplace(std::move(places), number).first->first;
  states_.push_back(made);
  steps_.resize(steps_.size() + classes_, uint32_t{kUnknown});
  return number;
}

template <typename Look>
void LazyDfa::ForEachPlace(State state, const Look& look) const {
  const std::string& places = *states_[state].places;
  for (size_t i = 0; i < places.size(); i += sizeof(Place)) {
    Place place;
    std::memcpy(&place, places.data() + i, sizeof(place));
    look(program_.instructions()[place]);
  }
}

Automaton::State LazyDfa::StepSlow(State state, uint8_t byte_class,
                                   uint32_t to) {
  if (to == kNone) return kDead;
  const uint8_t byte = example_[byte_class];
  ForEachPlace(state, [&](const AutomatonProgram::Instruction& instruction) {
    if (instruction.kind == AutomatonProgram::Kind::kBytes &&
        program_.byte_sets()[instruction.bytes][byte]) {
      Follow(instruction.next);
    }
  });
  const uint32_t made = TakeState();
  // Not kept if there was no memory for it.
  if (status_.ok()) steps_[state * classes_ + byte_class] = made;
  return made < kNone ? made : kDead;
}

bool LazyDfa::MatchesAll(State state) {
  if (states_[state].all == DfaState::All::kUnknown) {
    bool all = states_[state].is_match;
    for (size_t i = 0; all && i < classes_; ++i) {
      all = Step(state, example_[i]) == state;
    }
    states_[state].all = all ? DfaState::All::kYes : DfaState::All::kNo;
  }
  return states_[state].all == DfaState::All::kYes;
}

std::bitset<256> LazyDfa::NextBytes(State state) {
  // Every instruction leads to others, so that a byte of its set is no dead
  // end.
  std::bitset<256> bytes;
  ForEachPlace(state, [&](const AutomatonProgram::Instruction& instruction) {
    if (instruction.kind == AutomatonProgram::Kind::kBytes) {
      bytes |= program_.byte_sets()[instruction.bytes];
    }
  });
  return bytes;
}

}  // namespace view
}  // namespace memkv
