// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "memtable/art_memtable_iterator.h"

#include <random>
#include <string>

#include "util/coding.h"
#include "util/random.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Random;
using ROCKSDB_NAMESPACE::Status;

namespace {

std::string HexInternalKey(const char* entry) {
  return ROCKSDB_NAMESPACE::GetLengthPrefixedSlice(entry).ToString(true);
}

Status Corrupt(std::string msg, const char* from, const char* to, bool forward,
               bool allow_data_in_errors) {
  if (allow_data_in_errors) {
    msg.append(forward ? " prev key: " : " next key: ")
        .append(HexInternalKey(from))
        .append(forward ? " next key: " : " prev key: ")
        .append(HexInternalKey(to));
  }
  return Status::Corruption(msg);
}

}  // namespace

ArtKey ArtMemTableIterator::Target(const Slice& internal_key,
                                   const char* memtable_key) const {
  return memtable_key != nullptr ? ArtKey(memtable_key, tree_->order())
                                 : ToArtKey(internal_key, tree_->order());
}

int ArtMemTableIterator::Compare(const char* a, const char* b) const {
  const ArtKey x(a, tree_->order());
  const ArtKey y(b, tree_->order());
  const ArtDepth depth = x.Diverge(y);
  if (depth == kArtEqualDepth) {
    return 0;
  }
  return x.LessAt(depth, y) ? -1 : 1;
}

bool ArtMemTableIterator::OpenList() {
  ArtOverflow* const overflow = overflow_->load(std::memory_order_acquire);
  if (overflow == nullptr) {
    return false;
  }
  in_list_.reset(overflow->list()->GetIterator());
  return true;
}

void ArtMemTableIterator::StepSlow(bool forward) {
  if (Merges()) {
    StepMerged(forward);
  } else {
    forward ? in_tree_.Next() : in_tree_.Prev();
    SetKey();
  }
}

void ArtMemTableIterator::SetKey() {
  if (on_list_) {
    key_ = in_list_->Valid() ? in_list_->key() : nullptr;
  } else {
    key_ = in_tree_.Valid() ? in_tree_.entry() : nullptr;
  }
}

void ArtMemTableIterator::NoteChanges() {
  tree_changes_ = tree_->Changes();
  list_changes_ = overflow_->load(std::memory_order_acquire)->Changes();
}

void ArtMemTableIterator::Reset() {
  in_tree_.Reset();
  on_list_ = false;
  key_ = nullptr;
  other_ = Beyond::kNeither;
}

void ArtMemTableIterator::Choose(bool forward) {
  other_ = forward ? Beyond::kForward : Beyond::kBackward;
  on_list_ = in_list_->Valid();
  if (on_list_ && in_tree_.Valid()) {
    const int order = Compare(in_tree_.entry(), in_list_->key());
    on_list_ = forward ? order > 0 : order < 0;
    if (order == 0) {
      forward ? in_list_->Next() : in_list_->Prev();
    }
  }
  SetKey();
}

void ArtMemTableIterator::SeekBeyond(const char* from, bool forward) {
  if (on_list_) {
    const ArtKey key(from, tree_->order());
    forward ? in_tree_.Seek(key) : in_tree_.SeekForPrev(key);
    if (in_tree_.Valid() && Compare(in_tree_.entry(), from) == 0) {
      forward ? in_tree_.Next() : in_tree_.Prev();
    }
    return;
  }
  forward ? in_list_->Seek(Slice(), from)
          : in_list_->SeekForPrev(Slice(), from);
  if (in_list_->Valid() && Compare(in_list_->key(), from) == 0) {
    forward ? in_list_->Next() : in_list_->Prev();
  }
}

bool ArtMemTableIterator::OtherStands(bool forward) {
  const uint64_t before = on_list_ ? tree_changes_ : list_changes_;
  NoteChanges();
  return other_ == (forward ? Beyond::kForward : Beyond::kBackward) &&
         before == (on_list_ ? tree_changes_ : list_changes_);
}

void ArtMemTableIterator::StepMerged(bool forward) {
  if (!OtherStands(forward)) {
    SeekBeyond(key(), forward);
  }
  if (on_list_) {
    forward ? in_list_->Next() : in_list_->Prev();
  } else {
    forward ? in_tree_.Next() : in_tree_.Prev();
  }
  Choose(forward);
}

void ArtMemTableIterator::Seek(const Slice& internal_key,
                               const char* memtable_key) {
  if (!Merges()) {
    in_tree_.Seek(Target(internal_key, memtable_key));
    SetKey();
    return;
  }
  NoteChanges();
  in_tree_.Seek(Target(internal_key, memtable_key));
  in_list_->Seek(internal_key, memtable_key);
  Choose(true);
}

void ArtMemTableIterator::SeekForPrev(const Slice& internal_key,
                                      const char* memtable_key) {
  if (!Merges()) {
    in_tree_.SeekForPrev(Target(internal_key, memtable_key));
    SetKey();
    return;
  }
  NoteChanges();
  in_tree_.SeekForPrev(Target(internal_key, memtable_key));
  in_list_->SeekForPrev(internal_key, memtable_key);
  Choose(false);
}

void ArtMemTableIterator::SeekToEdge(bool first) {
  if (!Merges()) {
    first ? in_tree_.SeekToFirst() : in_tree_.SeekToLast();
    SetKey();
    return;
  }
  NoteChanges();
  first ? in_tree_.SeekToFirst() : in_tree_.SeekToLast();
  first ? in_list_->SeekToFirst() : in_list_->SeekToLast();
  Choose(first);
}

void ArtMemTableIterator::RandomSeek() {
  const uint64_t seed = Random::GetTLSInstance()->Next();
  if (!Merges()) {
    in_tree_.SeekToRandom(seed);
    SetKey();
    return;
  }
  Reset();
  const uint64_t in_list =
      overflow_->load(std::memory_order_acquire)->NumEntries();
  const uint64_t in_tree = tree_->NumEntries();
  std::mt19937_64 random(seed);
  on_list_ = in_list > 0 && random() % (in_list + in_tree) < in_list;
  if (on_list_) {
    in_list_->RandomSeek();
  } else {
    in_tree_.SeekToRandom(random());
  }
  SetKey();
}

// ---- With checks ----

Status ArtMemTableIterator::SeekTreeAndValidate(const ArtKey& key,
                                                bool allow_data_in_errors) {
  ArtIterator::Disagreement found;
  if (in_tree_.SeekAndCheck(key, &found)) {
    return Status::OK();
  }
  std::string msg =
      "Misplaced key found in ART memtable: " + found.reason + ".";
  if (allow_data_in_errors) {
    msg.append(" key: ").append(HexInternalKey(found.entry));
  }
  return Status::Corruption(msg);
}

Status ArtMemTableIterator::StepTreeAndValidate(bool forward,
                                                bool allow_data_in_errors) {
  const char* from = in_tree_.entry();
  if (forward) {
    in_tree_.Next();
  } else {
    in_tree_.Prev();
  }
  if (!in_tree_.Valid()) {
    return Status::OK();
  }
  const int order = Compare(from, in_tree_.entry());
  if (forward ? order >= 0 : order <= 0) {
    return Corrupt("Out-of-order keys found in ART memtable.", from,
                   in_tree_.entry(), forward, allow_data_in_errors);
  }
  return CheckPlace(from, forward, allow_data_in_errors);
}

Status ArtMemTableIterator::CheckPlace(const char* from, bool forward,
                                       bool allow_data_in_errors) {
  std::string reason;
  if (in_tree_.AgreesWithPath(&reason)) {
    return Status::OK();
  }
  return Corrupt("Misplaced key found in ART memtable: " + reason + ".", from,
                 in_tree_.entry(), forward, allow_data_in_errors);
}

Status ArtMemTableIterator::SeekBeyondAndValidate(const char* from,
                                                  bool forward,
                                                  bool allow_data_in_errors) {
  Status s;
  if (on_list_) {
    const ArtKey key(from, tree_->order());
    if (forward) {
      s = SeekTreeAndValidate(key, allow_data_in_errors);
    } else {
      in_tree_.SeekForPrev(key);
    }
    if (s.ok() && in_tree_.Valid()) {
      s = Compare(in_tree_.entry(), from) == 0
              ? StepTreeAndValidate(forward, allow_data_in_errors)
              : CheckPlace(from, forward, allow_data_in_errors);
    }
    return s;
  }
  if (forward) {
    s = compat::SeekChecked(in_list_.get(), Slice(), from,
                            {allow_data_in_errors, /*order=*/true, nullptr});
  } else {
    in_list_->SeekForPrev(Slice(), from);
  }
  if (s.ok() && in_list_->Valid() && Compare(in_list_->key(), from) == 0) {
    s = StepListAndValidate(forward, allow_data_in_errors);
  }
  return s;
}

Status ArtMemTableIterator::StepListAndValidate(bool forward,
                                                bool allow_data_in_errors) {
  return compat::StepChecked(in_list_.get(), forward, allow_data_in_errors);
}

Status ArtMemTableIterator::StepMergedAndValidate(bool forward,
                                                  bool allow_data_in_errors) {
  const char* const from = key();
  Status s;
  if (!OtherStands(forward)) {
    s = SeekBeyondAndValidate(from, forward, allow_data_in_errors);
  }
  if (s.ok()) {
    s = on_list_ ? StepListAndValidate(forward, allow_data_in_errors)
                 : StepTreeAndValidate(forward, allow_data_in_errors);
  }
  if (!s.ok()) {
    return s;
  }
  Choose(forward);
  if (Valid()) {
    const int order = Compare(from, key());
    if (forward ? order >= 0 : order <= 0) {
      return Corrupt("Out-of-order keys found in ART memtable.", from, key(),
                     forward, allow_data_in_errors);
    }
  }
  return s;
}

Status ArtMemTableIterator::StepAndValidate(bool forward,
                                            bool allow_data_in_errors) {
  const Status s = Merges()
                       ? StepMergedAndValidate(forward, allow_data_in_errors)
                       : StepTreeAndValidate(forward, allow_data_in_errors);
  if (s.ok()) {
    SetKey();
  } else {
    Reset();
  }
  return s;
}

Status ArtMemTableIterator::NextAndValidate(bool allow_data_in_errors) {
  return StepAndValidate(true, allow_data_in_errors);
}

Status ArtMemTableIterator::PrevAndValidate(bool allow_data_in_errors) {
  return StepAndValidate(false, allow_data_in_errors);
}

Status ArtMemTableIterator::SeekChecked(const Slice& internal_key,
                                        const char* memtable_key,
                                        const compat::EntryChecks& checks) {
  const bool merges = Merges();
  if (merges) {
    NoteChanges();
  }
  Status s;
  const ArtKey key = Target(internal_key, memtable_key);
  if (checks.order) {
    s = SeekTreeAndValidate(key, checks.allow_data_in_errors);
  } else {
    in_tree_.Seek(key);
  }
  if (s.ok() && merges) {
    s = compat::SeekChecked(in_list_.get(), internal_key, memtable_key, checks);
  }
  if (s.ok() && merges) {
    Choose(true);
  } else if (s.ok()) {
    SetKey();
  }
  if (s.ok() && Valid()) {
    s = checks.Check(this->key());
  }
  if (!s.ok()) {
    Reset();
  }
  return s;
}

}  // namespace memkv
