// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The automata of globs, edit distances and prefixes.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugin/memkv_search.h"
#include "view/automaton_program.h"
#include "view/pattern_reader.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using view::AutomatonProgram;
using view::ByteSet;
using view::LazyDfa;
using view::PatternReader;

namespace {

Status TooLong(const std::string& what) {
  return Status::InvalidArgument(
      what, "it needs more than " +
                std::to_string(AutomatonProgram::kMostInstructions) +
                " instructions");
}

// ---- Globs ------------------------------------------------------------------

struct GlobPart {
  ByteSet bytes;
  bool repeats = false;
};

bool ReadGlob(PatternReader* reader, std::vector<GlobPart>* parts) {
  ByteSet but_slash;
  but_slash.set();
  but_slash.reset('/');
  while (!reader->done()) {
    GlobPart part;
    if (reader->Take("**")) {
      part.bytes.set();
      part.repeats = true;
    } else if (reader->Take("*")) {
      part.bytes = but_slash;
      part.repeats = true;
    } else if (reader->Take("?")) {
      part.bytes = but_slash;
    } else if (reader->Take("[")) {
      if (!reader->Brackets(/*escapes=*/false, /*either_case=*/false,
                            &part.bytes)) {
        return false;
      }
      part.bytes &= but_slash;
    } else {
      if (reader->Take("\\") && reader->done()) {
        return reader->Fail("nothing is behind the last \\");
      }
      part.bytes.set(reader->Next());
    }
    parts->push_back(part);
  }
  return true;
}

// ---- Prefixes ---------------------------------------------------------------

// A state is the number of the first prefix that may still match, and the depth
// up to which it does: those that share it lie behind that one, for prefixes
// are sorted and none begins with another one.
class PrefixesAutomaton final : public Automaton {
 public:
  explicit PrefixesAutomaton(std::vector<std::string> prefixes) {
    std::sort(prefixes.begin(), prefixes.end());
    for (std::string& prefix : prefixes) {
      if (prefixes_.empty() ||
          prefix.compare(0, prefixes_.back().size(), prefixes_.back()) != 0) {
        prefixes_.push_back(std::move(prefix));
      }
    }
  }

  State Start() override {
    if (prefixes_.empty()) return kDead;
    return prefixes_[0].empty() ? kAll : StateOf(0, 0);
  }
  State Step(State state, uint8_t byte) override {
    if (state == kAll) return kAll;
    const size_t depth = DepthOf(state);
    const size_t first = FirstOf(state);
    const size_t end = EndOf(first, depth);
    const size_t found = FirstFrom(first, end, depth, byte);
    if (found == end || ByteAt(found, depth) != byte) return kDead;
    return prefixes_[found].size() == depth + 1 ? kAll
                                                : StateOf(found, depth + 1);
  }
  bool IsMatch(State state) override { return state == kAll; }
  bool MatchesAll(State state) override { return state == kAll; }
  std::bitset<256> NextBytes(State state) override {
    std::bitset<256> bytes;
    if (state == kAll) return bytes.set();
    const size_t depth = DepthOf(state);
    size_t at = FirstOf(state);
    const size_t end = EndOf(at, depth);
    while (at < end) {
      const uint8_t byte = ByteAt(at, depth);
      bytes.set(byte);
      if (byte == UINT8_MAX) break;
      at = FirstFrom(at, end, depth, byte + 1U);
    }
    return bytes;
  }

 private:
  static constexpr State kAll = kDead - 1;

  static State StateOf(size_t first, size_t depth) {
    return static_cast<State>(depth) << 32 | first;
  }
  static size_t DepthOf(State state) { return state >> 32; }
  static size_t FirstOf(State state) { return state & UINT32_MAX; }

  uint8_t ByteAt(size_t prefix, size_t depth) const {
    return static_cast<uint8_t>(prefixes_[prefix][depth]);
  }
  bool Shares(size_t a, size_t b, size_t depth) const {
    return prefixes_[a].compare(0, depth, prefixes_[b], 0, depth) == 0;
  }
  // Behind the prefixes that share `depth` bytes with the first one.  They are
  // looked for in growing steps, for mostly they are few.
  size_t EndOf(size_t first, size_t depth) const {
    size_t step = 1;
    size_t low = first;
    while (low + step < prefixes_.size() && Shares(low + step, first, depth)) {
      low += step;
      step *= 2;
    }
    const size_t high = std::min(low + step, prefixes_.size());
    return PartitionPoint(low, high,
                          [&](size_t i) { return Shares(i, first, depth); });
  }
  // The first in [begin, end) that has no less than `byte` at the depth.
  size_t FirstFrom(size_t begin, size_t end, size_t depth,
                   unsigned byte) const {
    return PartitionPoint(begin, end,
                          [&](size_t i) { return ByteAt(i, depth) < byte; });
  }
  template <typename Holds>
  static size_t PartitionPoint(size_t low, size_t high, const Holds& holds) {
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (holds(middle)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  std::vector<std::string> prefixes_;
};

}  // namespace

Status NewGlobAutomaton(const Slice& pattern,
                        std::unique_ptr<Automaton>* automaton) {
  PatternReader reader("glob", pattern);
  std::vector<GlobPart> parts;
  if (!ReadGlob(&reader, &parts)) return reader.status();
  AutomatonProgram program;
  AutomatonProgram::Place place = program.Match();
  for (size_t i = parts.size(); i > 0; --i) {
    if (program.full()) return TooLong("glob '" + pattern.ToString() + "'");
    const GlobPart& part = parts[i - 1];
    if (part.repeats) {
      place = program.Split(0, place);
      program.Join(place, program.Bytes(part.bytes, place));
    } else {
      place = program.Bytes(part.bytes, place);
    }
  }
  program.set_start(place);
  *automaton = std::make_unique<LazyDfa>(std::move(program));
  return Status::OK();
}

Status NewEditDistanceAutomaton(const Slice& word, size_t most,
                                std::unique_ptr<Automaton>* automaton) {
  // An instruction for each byte of the word and number of edits, four times.
  if (most > word.size() + AutomatonProgram::kMostInstructions ||
      (word.size() + 1) * (most + 1) * 5 >
          AutomatonProgram::kMostInstructions) {
    return TooLong("edit distance of " + std::to_string(most) +
                   " from a word of " + std::to_string(word.size()) + " bytes");
  }
  ByteSet any;
  any.set();
  AutomatonProgram program;
  const AutomatonProgram::Place match = program.Match();
  // Where `i` bytes of the word are read by `edits` edits, from the last on.
  std::vector<AutomatonProgram::Place> more;  // by one more edit
  for (size_t edits = most + 1; edits > 0; --edits) {
    std::vector<AutomatonProgram::Place> at(word.size() + 1);
    for (size_t i = word.size() + 1; i > 0; --i) {
      const size_t read = i - 1;
      AutomatonProgram::Place place = match;
      if (read < word.size()) {
        ByteSet byte;
        byte.set(static_cast<uint8_t>(word[read]));
        place = program.Bytes(byte, at[read + 1]);
      }
      if (!more.empty()) {
        // Inserted, replaced, removed.
        place = program.Split(program.Bytes(any, more[read]), place);
        if (read < word.size()) {
          place = program.Split(program.Bytes(any, more[read + 1]), place);
          place = program.Split(more[read + 1], place);
        }
      }
      at[read] = place;
    }
    more = std::move(at);
  }
  program.set_start(more[0]);
  *automaton = std::make_unique<LazyDfa>(std::move(program));
  return Status::OK();
}

Status NewPrefixesAutomaton(std::vector<std::string> prefixes,
                            std::unique_ptr<Automaton>* automaton) {
  if (prefixes.size() >= UINT32_MAX) {
    return Status::InvalidArgument("more prefixes than a search can have");
  }
  *automaton = std::make_unique<PrefixesAutomaton>(std::move(prefixes));
  return Status::OK();
}

}  // namespace memkv
