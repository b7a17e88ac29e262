// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "view/key_positions.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "compat/database.h"
#include "compat/trie_order.h"
#include "db/version_set.h"
#include "table/fst/table_reader.h"
#include "view/range_deletions.h"
#include "view/view_iterator.h"

namespace memkv {
namespace view {

using ROCKSDB_NAMESPACE::FileMetaData;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;

namespace {

bool IsDeletion(uint64_t tag) {
  const auto type = static_cast<ROCKSDB_NAMESPACE::ValueType>(tag & 0xff);
  return type == ROCKSDB_NAMESPACE::kTypeDeletion ||
         type == ROCKSDB_NAMESPACE::kTypeSingleDeletion;
}

ReadOptions OptionsOf(const PinnedVersion& pinned) {
  ReadOptions options;
  options.total_order_seek = true;
  options.allow_unprepared_value = true;
  options.snapshot = pinned.snapshot();
  return options;
}

// Whether all that the file holds are distinct keys with a value that the view
// sees.
bool ShowsAllItHas(const FstFile& file, const FileMetaData& meta,
                   const PinnedVersion& pinned) {
  const FileIndex& index = file.index();
  const uint32_t end = index.num_segments();
  return file.order_status().ok() && !index.has_continuations() &&
         index.KeysBefore(end) == index.EntriesBefore(end) &&
         file.properties()->num_deletions == 0 &&
         meta.fd.largest_seqno <= pinned.sequence();
}

}  // namespace

// Keys of the runs that are not the base, each with its newest entry there.
struct KeyPositions::UpperKeys {
  struct Key {
    size_t begin;  // in bytes
    size_t end;
    uint64_t tag;
  };

  Slice KeyOf(const Key& key) const {
    return {bytes.data() + key.begin, key.end - key.begin};
  }

  std::string bytes;
  std::vector<Key> keys;
};

Status KeyPositions::Make(std::shared_ptr<const PinnedVersion> pinned,
                          std::shared_ptr<std::atomic<uint64_t>> handed_over,
                          std::shared_ptr<const KeyPositions>* out,
                          bool by_walk) {
  if (pinned->cfd()->user_comparator()->timestamp_size() > 0) {
    return Status::NotSupported(
        "keys by number in a column family with user-defined timestamps");
  }
  std::shared_ptr<KeyPositions> made(
      new KeyPositions(std::move(pinned), std::move(handed_over)));
  Status s;
  if (!by_walk) s = made->MakeByRank();
  if (s.ok() && !made->by_rank()) s = made->MakeByWalk();
  if (s.ok()) *out = std::move(made);
  return s;
}

// ---- By rank ----------------------------------------------------------------

Status KeyPositions::LookAtRun(const Run::Files& files,
                               std::vector<BaseFile>* base, uint64_t* num_keys,
                               uint64_t* num_entries,
                               bool* deletes_ranges) const {
  const auto* const order = pinned_->cfd()->user_comparator();
  bool whole = true;
  *num_keys = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    const FileMetaData& meta = *files[i];
    compat::LiveReader reader(pinned_->cfd());
    const Status s =
        reader.Find(OptionsOf(*pinned_),
                    pinned_->super_version()->mutable_cf_options, meta);
    if (!s.ok()) return s;
    const auto properties = reader.get()->GetTableProperties();
    *num_entries += properties->num_entries;
    *deletes_ranges = *deletes_ranges || properties->num_range_deletions != 0;
    const FstTableReader* const fst = FstTableReader::From(*reader.get());
    whole = whole && fst != nullptr &&
            ShowsAllItHas(fst->file(), meta, *pinned_) &&
            (i == 0 || !order->Equal(files[i - 1]->largest.user_key(),
                                     meta.smallest.user_key()));
    if (!whole) continue;
    base->push_back({&meta, *num_keys});
    const FileIndex& index = fst->file().index();
    *num_keys += index.KeysBefore(index.num_segments());
  }
  if (!whole) base->clear();
  return Status::OK();
}

Status KeyPositions::MakeByRank() {
  if (TrieOrderOf(pinned_->cfd()->user_comparator()) ==
      TrieOrder::kUnsupported) {
    return Status::OK();
  }
  const ReadOptions options = OptionsOf(*pinned_);
  RunContext context;
  context.pinned = pinned_.get();
  context.read_options = &options;
  context.comparator = pinned_->cfd()->user_comparator();
  ROCKSDB_NAMESPACE::Arena arena;
  RangeDeletions deletions(pinned_->cfd()->internal_comparator(),
                           pinned_->sequence());
  Status s = deletions.AddMemTables(*pinned_->super_version(), options, &arena);
  bool deletes_ranges = !deletions.empty();
  std::vector<std::unique_ptr<Run>> runs;
  MakeRuns(context, /*prefix_extractor=*/nullptr, &arena, &runs);
  size_t base_run = 0;
  uint64_t entries = 0;
  for (size_t i = 0; i < runs.size() && s.ok(); ++i) {
    if (runs[i]->is_memtable()) continue;
    std::vector<BaseFile> base;
    uint64_t num_keys = 0;
    s = LookAtRun(runs[i]->files(), &base, &num_keys, &entries,
                  &deletes_ranges);
    if (num_keys > base_keys_ && !base.empty()) {
      base_ = std::move(base);
      base_keys_ = num_keys;
      base_run = i;
    }
  }
  if (!s.ok()) return s;
  bool few = !deletes_ranges &&
             entries - base_keys_ <= std::min(kMostChanges, base_keys_ / 16);
  if (few && by_rank()) s = CollectChanges(runs, base_run, &few);
  if (!few) {
    base_.clear();
    base_keys_ = 0;
    bytes_.clear();
    changes_.clear();
  }
  num_keys_ = base_keys_ + static_cast<uint64_t>(ShiftBefore(changes_.size()));
  return s;
}

Status KeyPositions::CollectChanges(
    const std::vector<std::unique_ptr<Run>>& runs, size_t base_run, bool* few) {
  UpperKeys upper;
  const uint64_t most = std::min(kMostChanges, base_keys_ / 16);
  for (size_t i = 0; i < runs.size(); ++i) {
    if (i == base_run) continue;
    Run* const run = runs[i].get();
    for (run->SeekToEnd(/*forward=*/true); run->Valid();
         run->Step(/*forward=*/true)) {
      const Slice key = run->key();
      const size_t begin = upper.bytes.size();
      *few = upper.keys.size() < most && begin + key.size() <= kMostBytes;
      if (!*few) return Status::OK();
      upper.bytes.append(key.data(), key.size());
      upper.keys.push_back({begin, upper.bytes.size(), run->tag()});
    }
    if (!run->status().ok()) return run->status();
  }
  const auto* const order = pinned_->cfd()->user_comparator();
  std::sort(upper.keys.begin(), upper.keys.end(),
            [&](const UpperKeys::Key& a, const UpperKeys::Key& b) {
              const int c = order->Compare(upper.KeyOf(a), upper.KeyOf(b));
              return c != 0 ? c < 0 : a.tag > b.tag;
            });
  // Of a key, the newest entry.
  const auto end =
      std::unique(upper.keys.begin(), upper.keys.end(),
                  [&](const UpperKeys::Key& a, const UpperKeys::Key& b) {
                    return upper.KeyOf(a) == upper.KeyOf(b);
                  });
  upper.keys.erase(end, upper.keys.end());
  return AddChanges(upper);
}

Status KeyPositions::AddChanges(const UpperKeys& upper) {
  int64_t shift = 0;
  for (const UpperKeys::Key& key : upper.keys) {
    const Slice user_key = upper.KeyOf(key);
    uint64_t before = 0;
    bool present = false;
    uint64_t tag = 0;
    const Status s = RankInBase(user_key, &before, &present, &tag);
    if (!s.ok()) return s;
    const bool shown = !IsDeletion(key.tag) || (present && tag > key.tag);
    if (shown == present) continue;
    shift += shown ? 1 : -1;
    changes_.push_back({bytes_.size(), before, shift, shown});
    bytes_.append(user_key.data(), user_key.size());
  }
  return Status::OK();
}

Status KeyPositions::RankInBase(const Slice& user_key, uint64_t* before,
                                bool* present, uint64_t* tag) const {
  const auto* const order = pinned_->cfd()->user_comparator();
  *before = base_keys_;
  *present = false;
  // The first file that does not end before the key.
  const auto file = std::lower_bound(
      base_.begin(), base_.end(), user_key,
      [order](const BaseFile& f, const Slice& key) {
        return order->Compare(f.file->largest.user_key(), key) < 0;
      });
  if (file == base_.end()) return Status::OK();
  compat::LiveReader reader(pinned_->cfd());
  const ReadOptions options = OptionsOf(*pinned_);
  Status s = reader.Find(options, pinned_->super_version()->mutable_cf_options,
                         *file->file);
  if (!s.ok()) return s;
  FstTableReader::KeyPosition position;
  s = static_cast<const FstTableReader*>(reader.get())
          ->PositionOf(options, user_key, &position);
  *before = file->before + position.before;
  *present = position.present;
  *tag = position.tag;
  return s;
}

Status KeyPositions::KeyOfBase(uint64_t ordinal, std::string* user_key) const {
  const auto behind = std::upper_bound(
      base_.begin(), base_.end(), ordinal,
      [](uint64_t n, const BaseFile& f) { return n < f.before; });
  assert(behind != base_.begin());
  const BaseFile& file = *(behind - 1);
  compat::LiveReader reader(pinned_->cfd());
  const ReadOptions options = OptionsOf(*pinned_);
  const Status s = reader.Find(
      options, pinned_->super_version()->mutable_cf_options, *file.file);
  return s.ok() ? static_cast<const FstTableReader*>(reader.get())
                      ->KeyAt(options, ordinal - file.before, user_key)
                : s;
}

// ---- By walk ----------------------------------------------------------------

Status KeyPositions::MakeByWalk() {
  ViewIterator it(pinned_, OptionsOf(*pinned_), handed_over_,
                  /*by_entries=*/false);
  num_keys_ = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    if (num_keys_ % interval_ == 0) AddMark(it.key());
    ++num_keys_;
  }
  return it.status();
}

void KeyPositions::AddMark(const Slice& user_key) {
  marks_.push_back(bytes_.size());
  bytes_.append(user_key.data(), user_key.size());
  while (marks_.size() > kMostMarks ||
         (bytes_.size() > kMostBytes && marks_.size() > 1)) {
    // Every other one goes.
    std::string bytes;
    std::vector<uint64_t> marks;
    for (size_t i = 0; i < marks_.size(); i += 2) {
      const Slice key = KeptKey(i);
      marks.push_back(bytes.size());
      bytes.append(key.data(), key.size());
    }
    bytes_.swap(bytes);
    marks_.swap(marks);
    interval_ *= 2;
  }
}

// ---- Questions --------------------------------------------------------------

Slice KeyPositions::KeptKey(size_t i) const {
  const auto begin = [this](size_t k) {
    return k == num_kept() ? bytes_.size()
           : base_.empty() ? marks_[k]
                           : changes_[k].begin;
  };
  return {bytes_.data() + begin(i), begin(i + 1) - begin(i)};
}

size_t KeyPositions::KeptBefore(const Slice& user_key, bool inclusive) const {
  const auto* const order = pinned_->cfd()->user_comparator();
  size_t low = 0;
  for (size_t high = num_kept(); low < high;) {
    const size_t middle = low + (high - low) / 2;
    const int c = order->Compare(KeptKey(middle), user_key);
    if (c < 0 || (inclusive && c == 0)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Status KeyPositions::Rank(const Slice& user_key, uint64_t* rank) const {
  *rank = 0;
  if (by_rank()) {
    uint64_t before = 0;
    bool present = false;
    uint64_t tag = 0;
    const Status s = RankInBase(user_key, &before, &present, &tag);
    const size_t i = KeptBefore(user_key, /*inclusive=*/false);
    *rank = before + static_cast<uint64_t>(ShiftBefore(i));
    return s;
  }
  const size_t marks = KeptBefore(user_key, /*inclusive=*/true);
  if (marks == 0) return Status::OK();
  const auto* const order = pinned_->cfd()->user_comparator();
  ReadOptions options = OptionsOf(*pinned_);
  ViewIterator it(pinned_, options, handed_over_, /*by_entries=*/false);
  *rank = (marks - 1) * interval_;
  for (it.Seek(KeptKey(marks - 1));
       it.Valid() && order->Compare(it.key(), user_key) < 0; it.Next()) {
    ++*rank;
  }
  return it.status();
}

Status KeyPositions::KeysAt(const std::vector<uint64_t>& numbers,
                            std::vector<std::string>* keys) const {
  keys->resize(numbers.size());
  if (by_rank()) {
    Status s;
    for (size_t i = 0; i < numbers.size() && s.ok(); ++i) {
      s = KeyByRank(numbers[i], &(*keys)[i]);
    }
    return s;
  }
  ViewIterator it(pinned_, OptionsOf(*pinned_), handed_over_,
                  /*by_entries=*/false);
  uint64_t at = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint64_t mark = numbers[i] / interval_;
    if (i == 0 || mark != at / interval_) {
      it.Seek(KeptKey(mark));
      at = mark * interval_;
    }
    for (; at < numbers[i] && it.Valid(); ++at) it.Next();
    if (!it.Valid()) break;
    (*keys)[i].assign(it.key().data(), it.key().size());
  }
  return it.status();
}

Status KeyPositions::KeyByRank(uint64_t number, std::string* user_key) const {
  // The last change whose key has that number, or a smaller one (K1).
  size_t changes = 0;
  for (size_t high = changes_.size(); changes < high;) {
    const size_t middle = changes + (high - changes) / 2;
    const uint64_t of_key =
        changes_[middle].before + static_cast<uint64_t>(ShiftBefore(middle));
    if (of_key <= number) {
      changes = middle + 1;
    } else {
      high = middle;
    }
  }
  if (changes > 0) {
    const Change& last = changes_[changes - 1];
    const uint64_t of_key =
        last.before + static_cast<uint64_t>(ShiftBefore(changes - 1));
    if (last.added && of_key == number) {
      const Slice key = KeptKey(changes - 1);
      user_key->assign(key.data(), key.size());
      return Status::OK();
    }
  }
  return KeyOfBase(number - static_cast<uint64_t>(ShiftBefore(changes)),
                   user_key);
}

}  // namespace view
}  // namespace memkv
