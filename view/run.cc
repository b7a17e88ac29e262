// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/run.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "db/version_set.h"
#include "table/fst/table_reader.h"

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::FileMetaData;
using ROCKSDB_NAMESPACE::InternalIterator;
using ROCKSDB_NAMESPACE::kMaxSequenceNumber;
using ROCKSDB_NAMESPACE::ParsedInternalKey;
using ROCKSDB_NAMESPACE::SequenceNumber;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::TableReader;
using ROCKSDB_NAMESPACE::ValueType;

namespace {

// The greatest tag that a view at `sequence` sees.
uint64_t NewestTag(SequenceNumber sequence) { return sequence << 8 | 0xff; }

}  // namespace

Run::Run(const RunContext& context, size_t number, InternalIterator* iter)
    : context_(context), number_(number), iter_(iter) {}

Run::Run(const RunContext& context, size_t number, Files files, int level,
         size_t first_file)
    : context_(context),
      number_(number),
      files_(std::move(files)),
      level_(level),
      first_file_(first_file) {}

Run::~Run() {
  if (is_memtable()) {
    iter_->~InternalIterator();
  } else {
    CloseFile();
  }
}

// ---- Files ------------------------------------------------------------------

void Run::CloseFile() {
  delete iter_;
  iter_ = nullptr;
  fst_ = nullptr;
  reader_.reset();
  file_ = kNoFile;
}

bool Run::SharesKey(size_t i) const {
  return i > 0 && i < files_.size() &&
         files_[i - 1]->largest.user_key() == files_[i]->smallest.user_key();
}

bool Run::OpenFile(size_t i) {
  if (file_ == i) return true;
  CloseFile();
  const FileMetaData& file = *files_[i];
  const auto* const sv = context_.pinned->super_version();
  FileReaders::Found found;
  status_ = context_.pinned->readers().Find(*context_.read_options, level_,
                                            first_file_ + i, &reader_, &found);
  if (!status_.ok()) return false;
  TableReader* const reader = found.reader;
  file_ = i;
  if (context_.range_deletions != nullptr &&
      context_.range_deletions->AddFile(file.fd.GetNumber())) {
    context_.range_deletions->Add(
        number_,
        [&] {
          return RangeDeletions::Tombstones(
              reader->NewRangeTombstoneIterator(*context_.read_options));
        },
        &file.smallest, &file.largest);
  }
  iter_ = reader->NewIterator(
      *context_.read_options, sv->mutable_cf_options.prefix_extractor.get(),
      /*arena=*/nullptr, /*skip_filters=*/false,
      ROCKSDB_NAMESPACE::TableReaderCaller::kUserIterator,
      /*compaction_readahead_size=*/0, /*allow_unprepared_value=*/true);
  const FstTableReader* const fst =
      context_.by_entries || SharesKey(i) || SharesKey(i + 1) ? nullptr
                                                              : found.fst;
  if (fst != nullptr && fst->file().order_status().ok() &&
      !fst->file().index().has_continuations()) {
    fst_ = static_cast<FstTableIterator*>(iter_);
    const SequenceNumber sequence = context_.pinned->sequence();
    fst_->WalkKeys(NewestTag(sequence), file.fd.largest_seqno <= sequence);
  }
  return true;
}

bool Run::BeyondBounds(size_t i, bool forward) const {
  const Slice* const bound = forward
                                 ? context_.read_options->iterate_upper_bound
                                 : context_.read_options->iterate_lower_bound;
  if (bound == nullptr) return false;
  return forward ? context_.comparator->Compare(files_[i]->smallest.user_key(),
                                                *bound) >= 0
                 : context_.comparator->Compare(files_[i]->largest.user_key(),
                                                *bound) < 0;
}

bool Run::SkipEmptyFiles(bool forward) {
  if (is_memtable()) return iter_->Valid();
  while (!iter_->Valid()) {
    status_ = iter_->status();
    if (!status_.ok()) return false;
    const size_t i = forward ? file_ + 1 : file_ - 1;
    if (i >= files_.size() || BeyondBounds(i, forward) || !OpenFile(i)) {
      return false;
    }
    forward ? iter_->SeekToFirst() : iter_->SeekToLast();
  }
  return true;
}

size_t Run::FileFor(const Slice& target, bool forward) const {
  // By internal keys: two files may hold entries of one key.
  const auto& order = context_.pinned->cfd()->internal_comparator();
  if (forward) {
    const auto file =
        std::lower_bound(files_.begin(), files_.end(), target,
                         [&order](const FileMetaData* f, const Slice& key) {
                           return order.Compare(f->largest.Encode(), key) < 0;
                         });
    return file == files_.end() ? kNoFile
                                : static_cast<size_t>(file - files_.begin());
  }
  const auto file =
      std::upper_bound(files_.begin(), files_.end(), target,
                       [&order](const Slice& key, const FileMetaData* f) {
                         return order.Compare(key, f->smallest.Encode()) < 0;
                       });
  return file == files_.begin()
             ? kNoFile
             : static_cast<size_t>(file - files_.begin()) - 1;
}

// ---- Entries ----------------------------------------------------------------

void Run::StepEntry(bool forward) {
  forward ? iter_->Next() : iter_->Prev();
  SkipEmptyFiles(forward);
}

void Run::SeekEntry(const Slice& user_key, SequenceNumber seq, ValueType type,
                    bool forward) {
  // Which may be a view of what a seek moves.
  target_.clear();
  ROCKSDB_NAMESPACE::AppendInternalKey(&target_,
                                       ParsedInternalKey(user_key, seq, type));
  if (!is_memtable()) {
    const size_t i = FileFor(target_, forward);
    if (i == kNoFile) {
      CloseFile();
      return;
    }
    if (!OpenFile(i)) return;
  }
  forward ? iter_->Seek(target_) : iter_->SeekForPrev(target_);
  SkipEmptyFiles(forward);
}

bool Run::ParseEntry(ParsedInternalKey* parsed) {
  if (iter_ == nullptr || !status_.ok()) return false;
  if (!iter_->Valid()) {
    status_ = iter_->status();
    return false;
  }
  const Status s = ROCKSDB_NAMESPACE::ParseInternalKey(iter_->key(), parsed,
                                                       /*log_err_key=*/false);
  // As DBIter says it.
  if (!s.ok()) status_ = Status::Corruption("In DBIter: ", s.getState());
  return s.ok();
}

// ---- Keys -------------------------------------------------------------------

void Run::End() {
  valid_ = false;
  behind_ = false;
}

void Run::SeekToEnd(bool forward) {
  status_ = Status::OK();
  End();
  if (!is_memtable() && !OpenFile(forward ? 0 : files_.size() - 1)) return;
  forward ? iter_->SeekToFirst() : iter_->SeekToLast();
  SkipEmptyFiles(forward);
  Settle(forward, /*passed=*/false);
}

void Run::Seek(const Slice& user_key, bool forward, bool inclusive) {
  status_ = Status::OK();
  End();
  const SequenceNumber sequence = context_.pinned->sequence();
  if (forward) {
    if (!inclusive) passed_.assign(user_key.data(), user_key.size());
    SeekEntry(user_key, inclusive ? sequence : 0,
              inclusive ? ROCKSDB_NAMESPACE::kValueTypeForSeek
                        : ROCKSDB_NAMESPACE::kTypeDeletion,
              /*forward=*/true);
  } else {
    SeekEntry(user_key, inclusive ? 0 : kMaxSequenceNumber,
              ROCKSDB_NAMESPACE::kValueTypeForSeekForPrev, /*forward=*/false);
  }
  const bool passed = forward && !inclusive;
  // The last entry of a key may be the one that was sought.
  if (passed && fst_ != nullptr && fst_->Valid() &&
      fst_->user_key() == passed_) {
    fst_->StepVisible(/*forward=*/true);
  }
  Settle(forward, passed);
}

FstTableIterator* Run::BeginSeek(const Slice& target) {
  status_ = Status::OK();
  End();
  if (!is_memtable()) {
    const size_t i = FileFor(target, /*forward=*/true);
    if (i == kNoFile || BeyondBounds(i, /*forward=*/true)) {
      CloseFile();
      return nullptr;
    }
    if (!OpenFile(i)) return nullptr;
    if (fst_ != nullptr) return fst_;
  }
  iter_->Seek(target);
  FinishSeek();
  return nullptr;
}

void Run::FinishSeek() {
  SkipEmptyFiles(/*forward=*/true);
  Settle(/*forward=*/true, /*passed=*/false);
}

void Run::Step(bool forward) {
  assert(valid_);
  if (behind_) {
    behind_ = false;
    Settle(forward, /*passed=*/false);
  } else if (fst_ != nullptr) {
    if (fst_->simple() && fst_->StepSimple(forward)) {
      TakeKey();
      return;
    }
    if (fst_->Valid()) fst_->StepVisible(forward);
    Settle(forward, /*passed=*/false);
  } else {
    assert(forward);
    passed_.assign(key_.data(), key_.size());
    StepEntry(/*forward=*/true);
    Settle(forward, /*passed=*/true);
  }
}

void Run::Settle(bool forward, bool passed) {
  valid_ = false;
  for (;;) {
    if (iter_ == nullptr || !status_.ok()) return;
    if (fst_ == nullptr) {
      if (forward ? SettleForward(passed) : SettleBackward()) {
        valid_ = true;
        return;
      }
      if (fst_ == nullptr) return;
      passed = false;  // Files walked by keys share none.
    } else {
      fst_->SettleVisible(forward);
      if (fst_->Valid()) {
        valid_ = true;
        TakeKey();
        return;
      }
      if (!SkipEmptyFiles(forward)) return;
    }
  }
}

void Run::TakeKey() {
  if (fst_->Valid()) {
    key_ = fst_->user_key();
  } else {
    valid_ = false;
    status_ = fst_->status();
  }
}

bool Run::SettleForward(bool passed) {
  const SequenceNumber sequence = context_.pinned->sequence();
  int steps = 0;
  ParsedInternalKey entry;
  while (fst_ == nullptr && ParseEntry(&entry)) {
    const bool older = passed && entry.user_key == passed_;
    if (!older && entry.sequence <= sequence) {
      key_ = entry.user_key;
      tag_ = ROCKSDB_NAMESPACE::PackSequenceAndType(entry.sequence, entry.type);
      return true;
    }
    if (++steps <= kMostSteps) {
      StepEntry(/*forward=*/true);
      continue;
    }
    steps = 0;
    if (older) {
      SeekEntry(entry.user_key, 0, ROCKSDB_NAMESPACE::kTypeDeletion, true);
    } else {
      SeekEntry(entry.user_key, sequence, ROCKSDB_NAMESPACE::kValueTypeForSeek,
                true);
    }
  }
  return false;
}

bool Run::SettleBackward() {
  ParsedInternalKey entry;
  while (fst_ == nullptr && ParseEntry(&entry)) {
    passed_.assign(entry.user_key.data(), entry.user_key.size());
    const bool found = CopyNewest();
    // Those that are newer than the view.
    for (int steps = 0; ParseEntry(&entry) && entry.user_key == passed_;) {
      if (++steps <= kMostSteps) {
        StepEntry(/*forward=*/false);
      } else {
        steps = 0;
        SeekEntry(passed_, kMaxSequenceNumber,
                  ROCKSDB_NAMESPACE::kValueTypeForSeekForPrev, false);
      }
    }
    if (!status_.ok()) return false;
    if (found) {
      key_ = passed_;
      behind_ = true;
      return true;
    }
  }
  return false;
}

bool Run::CopyNewest() {
  const SequenceNumber sequence = context_.pinned->sequence();
  bool found = false;
  ParsedInternalKey entry;
  for (int steps = 0; ParseEntry(&entry) && entry.user_key == passed_ &&
                      entry.sequence <= sequence;
       StepEntry(/*forward=*/false)) {
    if (++steps > kMostSteps) {
      // The rest of them need not be looked at.
      SeekEntry(passed_, sequence, ROCKSDB_NAMESPACE::kValueTypeForSeek, true);
      if (!ParseEntry(&entry)) return false;
      found = CopyEntry(entry);
      SeekEntry(passed_, kMaxSequenceNumber,
                ROCKSDB_NAMESPACE::kValueTypeForSeekForPrev, false);
      return found;
    }
    if (!CopyEntry(entry)) return false;
    found = true;
  }
  return found;
}

bool Run::CopyEntry(const ParsedInternalKey& entry) {
  tag_ = ROCKSDB_NAMESPACE::PackSequenceAndType(entry.sequence, entry.type);
  if (!iter_->PrepareValue()) {
    status_ = iter_->status();
    return false;
  }
  const Slice value = iter_->value();
  copied_value_.assign(value.data(), value.size());
  return true;
}

bool Run::PrepareValue() {
  assert(valid_);
  if (behind_) return true;
  if (!iter_->PrepareValue()) {
    valid_ = false;
    status_ = iter_->status();
    return false;
  }
  if (fst_ == nullptr) key_ = ROCKSDB_NAMESPACE::ExtractUserKey(iter_->key());
  return true;
}

Slice Run::value() const {
  return behind_ ? Slice(copied_value_) : iter_->value();
}

void MakeRuns(const RunContext& context,
              const ROCKSDB_NAMESPACE::SliceTransform* prefix_extractor,
              ROCKSDB_NAMESPACE::Arena* arena,
              std::vector<std::unique_ptr<Run>>* runs) {
  const auto* const sv = context.pinned->super_version();
  for (InternalIterator* iter : compat::MemTableIterators(
           *context.read_options, *sv, prefix_extractor, arena)) {
    runs->push_back(std::make_unique<Run>(context, runs->size(), iter));
  }
  const auto* const storage = sv->current->storage_info();
  for (int level = 0; level < storage->num_non_empty_levels(); ++level) {
    const auto& files = storage->LevelFiles(level);
    if (level > 0 && !files.empty()) {
      runs->push_back(std::make_unique<Run>(context, runs->size(), files, level,
                                            /*first_file=*/0));
      continue;
    }
    for (size_t i = 0; i < files.size(); ++i) {
      runs->push_back(std::make_unique<Run>(context, runs->size(),
                                            Run::Files{files[i]}, level, i));
    }
  }
}

}  // namespace view
}  // namespace memkv
