// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// ArtMemTableIterator: RocksDB's MemTableRep::Iterator over an ArtTree and,
// once it is opened, the memtable's ArtOverflow, merged in the order of
// internal keys.
//
// While there is no overflow, it is an ArtIterator, and each operation costs
// one load more. The overflow may be opened at any time; the operation that
// begins behind that takes it in.
//
// It gives the guarantees (G1) to (G3) of memtable/art/tree_iterator.h for both
// together. In particular, entries that were inserted into either before a step
// began are not stepped over (G2). So that this holds, a position in the
// structure that the current entry is not of is used only if nothing has been
// inserted into that structure since the position was found; else it is sought
// again from the current entry. If both have an entry of the same user key and
// sequence, that of the tree is shown.
//
// Thread safety: as ArtIterator.

#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <memory>

#include "compat/memtable_rep.h"
#include "memtable/art/tree_iterator.h"
#include "memtable/art_overflow.h"

namespace memkv {

// REQUIRES: internal_key has a tag.
inline ArtKey ToArtKey(const ROCKSDB_NAMESPACE::Slice& internal_key,
                       ArtOrder order) {
  assert(internal_key.size() >= 8);
  const size_t user_size = internal_key.size() - 8;
  const uint64_t tag = LoadFixed64(
      reinterpret_cast<const uint8_t*>(internal_key.data() + user_size));
  return ArtKey(internal_key.data(), user_size, tag >> 8, order);
}

class ArtMemTableIterator : public compat::MemTableIteratorBase {
 public:
  using Slice = ROCKSDB_NAMESPACE::Slice;
  using Status = ROCKSDB_NAMESPACE::Status;

  // Not valid until sought. `overflow` is nullptr as long as there is none; it
  // is read with acquire. REQUIRES: both outlive the iterator.
  ArtMemTableIterator(const ArtTree* tree,
                      const std::atomic<ArtOverflow*>* overflow)
      : tree_(tree), overflow_(overflow), in_tree_(tree) {}

  bool Valid() const override { return key_ != nullptr; }
  const char* key() const override { return key_; }

  void Next() override { Step(true); }
  void Prev() override { Step(false); }

  // These see that the order is kept and that the entry belongs where it hangs.
  // On Corruption the iterator is not valid.
  Status NextAndValidate(bool allow_data_in_errors) override;
  Status PrevAndValidate(bool allow_data_in_errors) override;
  // Of the entries on the way only the one it ends at is checked by itself.
  Status SeekChecked(const Slice& internal_key, const char* memtable_key,
                     const compat::EntryChecks& checks) override;

  // Of internal_key and memtable_key the latter counts, if it is not nullptr:
  // callers that have both may pass an empty internal_key.
  void Seek(const Slice& internal_key, const char* memtable_key) override;
  void SeekForPrev(const Slice& internal_key,
                   const char* memtable_key) override;

  // Some entry. Of the two structures each is as likely as it has entries.
  void RandomSeek() override;
  void SeekToFirst() override { SeekToEdge(true); }
  void SeekToLast() override { SeekToEdge(false); }

 private:
  enum class Beyond : int8_t { kNeither, kForward, kBackward };

  bool HasOverflow() const {
    return overflow_->load(std::memory_order_acquire) != nullptr;
  }
  // True if there is an overflow; then in_list_ is an iterator of it.
  bool Merges() { return in_list_ != nullptr || OpenList(); }
  bool OpenList();
  void Step(bool forward) {
    if (!HasOverflow() && in_tree_.StepEasily(forward)) {
      key_ = in_tree_.entry();
    } else {
      StepSlow(forward);
    }
  }
  void StepSlow(bool forward);
  ArtKey Target(const Slice& internal_key, const char* memtable_key) const;
  // Less than 0, 0 or more, in the order of the memtable.
  int Compare(const char* a, const char* b) const;
  // What both structures have grown to; read before they are sought.
  void NoteChanges();
  // Both iterators stand where they were sought. Chooses the one that comes
  // first, or last.
  void Choose(bool forward);
  void SeekToEdge(bool first);
  void StepMerged(bool forward);
  // NoteChanges, and whether the iterator that is not on the current entry
  // stands on what comes next beyond it, that way.
  bool OtherStands(bool forward);
  // Puts it there. `from` is the current entry.
  void SeekBeyond(const char* from, bool forward);

  Status StepAndValidate(bool forward, bool allow_data_in_errors);
  Status StepMergedAndValidate(bool forward, bool allow_data_in_errors);
  Status SeekBeyondAndValidate(const char* from, bool forward,
                               bool allow_data_in_errors);
  Status StepListAndValidate(bool forward, bool allow_data_in_errors);
  Status StepTreeAndValidate(bool forward, bool allow_data_in_errors);
  // That the tree's iterator, which came from `from`, is on an entry that
  // belongs there.
  Status CheckPlace(const char* from, bool forward, bool allow_data_in_errors);
  Status SeekTreeAndValidate(const ArtKey& key, bool allow_data_in_errors);
  void Reset();
  // Both iterators stand where they shall.
  void SetKey();

  const ArtTree* const tree_;
  const std::atomic<ArtOverflow*>* const overflow_;
  ArtIterator in_tree_;
  std::unique_ptr<ROCKSDB_NAMESPACE::MemTableRep::Iterator> in_list_;
  // The current entry; nullptr if there is none.
  const char* key_ = nullptr;
  // Which of the two stands on it.
  bool on_list_ = false;
  // Where the other one stands: on the first entry beyond the current one in
  // this direction, as far as there were entries when the numbers below were
  // read.
  Beyond other_ = Beyond::kNeither;
  uint64_t tree_changes_ = 0;
  uint64_t list_changes_ = 0;
};

}  // namespace memkv
