// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// SearchIterator: of the keys that another iterator shows, those that an
// automaton matches.  It keeps the automaton's state behind each byte of the
// key it stands on; of the next key only what that does not share is read.
//
// Where the state is dead behind a byte, no key that begins so matches.  The
// next key that may match begins with a shorter part of this one and then a
// greater byte (a smaller one backwards; then also that part alone may be a
// key).  The iterator is moved there: by a few steps if that has sufficed
// lately, otherwise by a seek.  Where every continuation matches, keys are
// shown without being read, as long as they begin so.
//
// "Ascending" is meant bytewise: by the reverse bytewise comparator that is
// backwards.
//
// Thread safety: as rocksdb::Iterator's.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugin/memkv_search.h"
#include "rocksdb/iterator.h"
#include "view/steps_or_seek.h"

namespace memkv {
namespace view {

class SearchIterator final : public ROCKSDB_NAMESPACE::Iterator {
 public:
  using Slice = ROCKSDB_NAMESPACE::Slice;
  using Status = ROCKSDB_NAMESPACE::Status;

  // `keys` shows its keys in bytewise order, or in the reverse of it if
  // `mirrored`, and obeys seeks of any key.  `prepares_values`: value() needs
  // no PrepareValue(), as that of `keys` does.
  SearchIterator(std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> keys,
                 bool mirrored, bool prepares_values,
                 std::unique_ptr<Automaton> automaton);

  bool Valid() const override { return valid_; }
  Slice key() const override { return keys_->key(); }
  Slice value() const override { return keys_->value(); }
  const ROCKSDB_NAMESPACE::WideColumns& columns() const override {
    return keys_->columns();
  }
  Status status() const override {
    return status_.ok() ? keys_->status() : status_;
  }
  Slice timestamp() const override { return keys_->timestamp(); }
  Status GetProperty(std::string name, std::string* value) override {
    return keys_->GetProperty(std::move(name), value);
  }
  bool PrepareValue() override;

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(const Slice& target) override;
  void SeekForPrev(const Slice& target) override;
  void Next() override { Step(!mirrored_); }
  void Prev() override { Step(mirrored_); }

  using ROCKSDB_NAMESPACE::Iterator::Refresh;
  Status Refresh(const ROCKSDB_NAMESPACE::Snapshot* snapshot) override;

  // Of the iterator below; for tests and measurements.
  uint64_t steps() const { return steps_; }
  uint64_t seeks() const { return seeks_; }

 private:
  void Step(bool ascending);
  // From where the iterator below stands to a key that matches.
  void Find(bool ascending);
  // Reads the key at hand as far as its state is not dead; true if it is read
  // whole.
  bool Read();
  // What may match beyond the key at hand, which is dead; false if nothing.
  bool MakeTarget(bool ascending);
  void MoveToTarget(bool ascending);
  // Whether the key comes before what may match.
  bool IsBefore(const Slice& key, bool ascending) const;
  void StepKeys(bool ascending);
  // Shows the key at hand, which matches.
  void Show() { valid_ = !prepares_values_ || keys_->PrepareValue(); }
  void Restart() {
    valid_ = false;
    status_ = Status::OK();
    all_from_ = SIZE_MAX;
  }
  // Also where the automaton has given up.
  void End() {
    valid_ = false;
    status_ = automaton_->status();
  }

  const std::unique_ptr<ROCKSDB_NAMESPACE::Iterator> keys_;
  const bool mirrored_;
  const bool prepares_values_;
  const std::unique_ptr<Automaton> automaton_;

  bool valid_ = false;
  Status status_;
  // What was read last, and the state before its first byte and behind each.
  std::string read_;
  std::vector<Automaton::State> states_;
  // All keys that share so many bytes with read_ match; SIZE_MAX: not known.
  size_t all_from_ = SIZE_MAX;

  // What may match next begins with this, or is this alone.
  std::string target_;
  bool target_is_key_ = false;
  StepsOrSeek worth_;
  uint64_t steps_ = 0;
  uint64_t seeks_ = 0;
};

}  // namespace view
}  // namespace memkv
