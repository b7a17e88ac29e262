// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/search_iterator.h"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

#include "util/common_prefix.h"

namespace memkv {
namespace view {

SearchIterator::SearchIterator(
    std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> keys, bool mirrored,
    bool prepares_values, std::unique_ptr<Automaton> automaton)
    : keys_(std::move(keys)),
      mirrored_(mirrored),
      prepares_values_(prepares_values),
      automaton_(std::move(automaton)) {
  states_.push_back(automaton_->Start());
  status_ = automaton_->status();
}

// ---- Movement ---------------------------------------------------------------

void SearchIterator::SeekToFirst() {
  Restart();
  keys_->SeekToFirst();
  Find(!mirrored_);
}

void SearchIterator::SeekToLast() {
  Restart();
  keys_->SeekToLast();
  Find(mirrored_);
}

void SearchIterator::Seek(const Slice& target) {
  Restart();
  keys_->Seek(target);
  Find(!mirrored_);
}

void SearchIterator::SeekForPrev(const Slice& target) {
  Restart();
  keys_->SeekForPrev(target);
  Find(mirrored_);
}

void SearchIterator::Step(bool ascending) {
  assert(valid_);
  StepKeys(ascending);
  if (all_from_ != SIZE_MAX && keys_->Valid() &&
      keys_->key().starts_with(Slice(read_.data(), all_from_))) {
    Show();
    return;
  }
  all_from_ = SIZE_MAX;
  Find(ascending);
}

bool SearchIterator::PrepareValue() {
  if (keys_->PrepareValue()) return true;
  valid_ = false;
  return false;
}

ROCKSDB_NAMESPACE::Status SearchIterator::Refresh(
    const ROCKSDB_NAMESPACE::Snapshot* snapshot) {
  Restart();
  return keys_->Refresh(snapshot);
}

void SearchIterator::StepKeys(bool ascending) {
  ++steps_;
  ascending != mirrored_ ? keys_->Next() : keys_->Prev();
}

// ---- The automaton ----------------------------------------------------------

bool SearchIterator::Read() {
  const std::string_view key = keys_->key().ToStringView();
  const size_t same = std::min(CommonPrefix(key, read_), states_.size() - 1);
  // What was dead is so again.
  if (same < states_.size() - 1) states_.resize(same + 1);
  read_.replace(same, std::string::npos, key.substr(same));
  Automaton::State state = states_.back();
  while (state != Automaton::kDead && states_.size() <= key.size()) {
    state =
        automaton_->Step(state, static_cast<uint8_t>(key[states_.size() - 1]));
    states_.push_back(state);
  }
  return state != Automaton::kDead;
}

void SearchIterator::Find(bool ascending) {
  valid_ = false;
  while (keys_->Valid()) {
    if (Read()) {
      const Automaton::State state = states_.back();
      if (automaton_->IsMatch(state)) {
        Show();
        if (automaton_->MatchesAll(state)) {
          all_from_ = states_.size() - 1;
          while (all_from_ > 0 && states_[all_from_ - 1] == state) --all_from_;
        }
        return;
      }
      StepKeys(ascending);
    } else if (automaton_->status().ok() && MakeTarget(ascending)) {
      MoveToTarget(ascending);
    } else {
      break;
    }
  }
  End();
}

bool SearchIterator::MakeTarget(bool ascending) {
  // The last state is the dead one.
  for (size_t depth = states_.size() - 1; depth > 0; --depth) {
    const Automaton::State state = states_[depth - 1];
    const std::bitset<256> next = automaton_->NextBytes(state);
    if (!automaton_->status().ok()) return false;
    int byte = static_cast<uint8_t>(read_[depth - 1]);
    const int way = ascending ? 1 : -1;
    do {
      byte += way;
    } while (byte >= 0 && byte <= UINT8_MAX &&
             !next[static_cast<size_t>(byte)]);
    target_.assign(read_, 0, depth - 1);
    target_is_key_ = byte < 0;
    if (byte >= 0 && byte <= UINT8_MAX) {
      target_.push_back(static_cast<char>(byte));
      return true;
    }
    // A key comes before those that it begins.
    if (!ascending && automaton_->IsMatch(state)) return true;
  }
  return false;
}

bool SearchIterator::IsBefore(const Slice& key, bool ascending) const {
  const int order = key.compare(target_);
  if (ascending) return order < 0;
  return order > 0 && (target_is_key_ || !key.starts_with(target_));
}

void SearchIterator::MoveToTarget(bool ascending) {
  for (int i = worth_.steps(); i > 0; --i) {
    StepKeys(ascending);
    if (!keys_->Valid()) return;
    if (!IsBefore(keys_->key(), ascending)) {
      worth_.Sufficed();
      return;
    }
  }
  worth_.DidNot();
  ++seeks_;
  if (!ascending && !target_is_key_) {
    // To the last key that begins with it: before what is behind all of them.
    // Its last byte is smaller than one of the key's.
    ++target_.back();
  }
  ascending != mirrored_ ? keys_->Seek(target_) : keys_->SeekForPrev(target_);
  if (!ascending && !target_is_key_ && keys_->Valid() &&
      keys_->key() == target_) {
    StepKeys(ascending);
  }
}

}  // namespace view
}  // namespace memkv
