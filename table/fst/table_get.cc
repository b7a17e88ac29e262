// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Point look-ups of FstTableReader: one by one, and several at once.

#include <array>
#include <optional>

#include "table/fst/table_reader.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Cache;
using ROCKSDB_NAMESPACE::Cleanable;
using ROCKSDB_NAMESPACE::GetContext;
using ROCKSDB_NAMESPACE::MultiGetContext;
using ROCKSDB_NAMESPACE::ParsedInternalKey;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::SliceTransform;
using ROCKSDB_NAMESPACE::Status;

namespace {

// Up to this size copying a value costs less than a reference to its block.
constexpr size_t kCopiedValueSize = 512;
static_assert(kCopiedValueSize >= sizeof(ValueRunView::NumberBytes),
              "numbers lie in no block");

// Whether *pin holds the value from now on.  The caller may keep it beyond the
// file's life only with a reference to its block in the cache; anything else
// it copies.
bool PinsValue(const Slice& value, const ValueEntry& block, Cleanable* pin) {
  if (value.size() <= kCopiedValueSize || block.GetCacheHandle() == nullptr) {
    return false;
  }
  Cache* const cache = block.GetCache();
  cache->Ref(block.GetCacheHandle());
  compat::ReleaseWith(pin, cache, block.GetCacheHandle());
  return true;
}

// A deletion has no value, so none is worth a read.
bool HasValue(uint64_t tag) {
  const auto type = static_cast<ROCKSDB_NAMESPACE::ValueType>(tag & 0xff);
  return type != ROCKSDB_NAMESPACE::kTypeDeletion &&
         type != ROCKSDB_NAMESPACE::kTypeSingleDeletion;
}

}  // namespace

static_assert(FstTableReader::kMostKeys <= KeyTrieReader::kMaxBatch);

// A value block of a segment, by its number in it; empty unless it was read.
struct FstTableReader::Values {
  ValueEntry block;
  uint32_t number = 0;
  Status status;  // why it could not be read
};

// One of several look-ups, and how far it has come.
struct FstTableReader::Lookup {
  const key_trie::SoughtKey* target = nullptr;
  Status* status = nullptr;
  size_t number = 0;  // the caller's
  uint32_t i = 0;     // the segment
  const Segment* segment = nullptr;
  uint32_t k = 0;  // the key's index in it
  uint32_t begin = 0;
  uint32_t end = 0;
  uint64_t tag = 0;          // the newest that is asked for
  Values* values = nullptr;  // what was read of them, with others
};

Status FstTableReader::Get(const ReadOptions& read_options,
                           const Slice& internal_key, GetContext* get_context,
                           const SliceTransform* prefix_extractor,
                           bool skip_filters) {
  if (!file_->order_status().ok()) return file_->order_status();
  const BlockReadContext context{read_options};
  const bool filtered = !skip_filters && file_->filter().GetsAsk();
  const Slice user_key = ROCKSDB_NAMESPACE::ExtractUserKey(internal_key);
  const key_trie::SoughtKey target(user_key.ToStringView());
  Status s;
  Lookup lookup;
  lookup.target = &target;
  lookup.status = &s;
  SegmentEntry entry;
  const bool found =
      Locate(context, filtered, prefix_extractor, &entry, &lookup);
  file_->filter().CountUse(found, !found);
  if (!found) {
    if (s.IsIncomplete()) get_context->MarkKeyMayExist();
    return s;
  }
  return DeliverVersions(context, lookup, internal_key, filtered, get_context);
}

bool FstTableReader::Locate(const BlockReadContext& context, bool filtered,
                            const SliceTransform* prefix_extractor,
                            SegmentEntry* entry, Lookup* lookup) const {
  const FileFilter& filter = file_->filter();
  FileFilter::Question question;
  bool answered = !filtered;
  if (filtered) {
    *lookup->status = filter.Ask(context, prefix_extractor,
                                 lookup->target->view(), &question);
    if (!lookup->status->ok()) return false;
    // Else the line of the filter comes while the segment is looked for.
    answered = filter.GetsWait();
    if (answered && !filter.MayMatch(&question)) return false;
  }
  lookup->i = file_->index().SegmentFor(*lookup->target);
  if (!answered && !filter.MayMatch(&question)) return false;
  if (lookup->i == FileIndex::kCorrupt) {
    *lookup->status = file_->CorruptIndex();
    return false;
  }
  if (lookup->i == file_->index().num_segments()) return false;
  *lookup->status =
      file_->store().GetSegment(context, file_->index(), lookup->i, entry);
  if (!lookup->status->ok()) return false;
  lookup->segment = &entry->GetValue()->segment();
  lookup->k = lookup->segment->FindKey(*lookup->target);
  if (lookup->k == Segment::kNotFound) return false;
  if (lookup->k == Segment::kCorrupt ||
      !lookup->segment->EntriesOf(lookup->k, &lookup->begin, &lookup->end)) {
    *lookup->status =
        file_->CorruptSegment(lookup->i, "damaged trie or entries");
    return false;
  }
  return true;
}

Status FstTableReader::MultiGetFilter(const ReadOptions& read_options,
                                      const SliceTransform* prefix_extractor,
                                      MultiGetContext::Range* mget_range) {
  // What Get() would answer, MultiGet() says.
  if (!file_->order_status().ok() || !file_->filter().GetsAsk())
    return Status::OK();
  std::array<bool, kMostKeys> may_match;
  const Status s =
      AskFilter(read_options, prefix_extractor, mget_range, &may_match);
  if (!s.ok()) return s;
  size_t i = 0;
  size_t missed = 0;
  for (auto key = mget_range->begin(); key != mget_range->end(); ++key, ++i) {
    if (may_match[i]) continue;
    mget_range->SkipKey(key);
    ++missed;
  }
  file_->filter().CountUse(/*found=*/0, missed);
  return s;
}

Status FstTableReader::AskFilter(const ReadOptions& read_options,
                                 const SliceTransform* prefix_extractor,
                                 const MultiGetContext::Range* mget_range,
                                 std::array<bool, kMostKeys>* may_match) const {
  std::array<Slice*, kMostKeys> keys;
  int n = 0;
  for (auto key = mget_range->begin(); key != mget_range->end(); ++key) {
    keys[static_cast<size_t>(n++)] = &key->ukey_without_ts;
  }
  may_match->fill(true);
  return file_->filter().KeysMayMatch(BlockReadContext{read_options},
                                      prefix_extractor, n, keys.data(),
                                      may_match->data());
}

void FstTableReader::MultiGet(const ReadOptions& read_options,
                              const MultiGetContext::Range* mget_range,
                              const SliceTransform* prefix_extractor,
                              bool skip_filters) {
  const BlockReadContext context{read_options};
  const bool filtered = !skip_filters && file_->filter().GetsAsk();
  std::array<bool, kMostKeys> may_match;
  may_match.fill(true);
  Status s = file_->order_status();
  if (s.ok() && filtered) {
    s = AskFilter(read_options, prefix_extractor, mget_range, &may_match);
  }
  std::array<std::optional<key_trie::SoughtKey>, kMostKeys> targets;
  std::array<ROCKSDB_NAMESPACE::KeyContext*, kMostKeys> key_of = {};
  std::array<Lookup, kMostKeys> lookups;
  size_t n = 0;
  size_t i = 0;
  for (auto key = mget_range->begin(); key != mget_range->end(); ++key, ++i) {
    if (!s.ok()) {
      *key->s = s;
    } else if (may_match[i]) {
      const Slice user_key = ROCKSDB_NAMESPACE::ExtractUserKey(key->ikey);
      key_of[n] = &*key;
      lookups[n].target = &targets[n].emplace(user_key.ToStringView());
      lookups[n].status = key->s;
      lookups[n].number = n;
      lookups[n].tag = ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(key->ikey);
      ++n;
    }
  }
  SegmentEntries entries;
  const size_t found = LocateAll(context, lookups.data(), n, &entries);
  file_->filter().CountUse(found, i - found);
  for (size_t j = 0; j < n; ++j) {
    if (key_of[j]->s->IsIncomplete()) {
      key_of[j]->get_context->MarkKeyMayExist();
    }
  }
  std::optional<std::array<Values, kMostKeys>> values;
  ReadValuesTogether(context, lookups.data(), found, &values);
  for (size_t j = 0; j < found; ++j) {
    const auto* const key = key_of[lookups[j].number];
    *key->s = DeliverVersions(context, lookups[j], key->ikey, filtered,
                              key->get_context);
  }
}

void FstTableReader::ReadValuesTogether(
    const BlockReadContext& context, Lookup* lookups, size_t n,
    std::optional<std::array<Values, kMostKeys>>* values) const {
  std::array<const Segment*, kMostKeys> segments = {};
  std::array<uint32_t, kMostKeys> blocks;
  size_t m = 0;
  for (size_t j = 0; j < n; ++j) {
    Lookup* const lookup = &lookups[j];
    const Segment* const segment = lookup->segment;
    if (segment->values_inline()) continue;
    const uint32_t e =
        file_->SeekEntry(*segment, lookup->begin, lookup->end, lookup->tag);
    if (e == lookup->end || !HasValue(segment->Tag(e))) continue;
    const uint32_t b = segment->ValueBlockOf(e);
    // Keys go one way, so those of a block are neighbours.
    if (m == 0 || segments[m - 1] != segment || blocks[m - 1] != b) {
      segments[m] = segment;
      blocks[m++] = b;
    }
    if (!values->has_value()) values->emplace();
    lookup->values = &(**values)[m - 1];
    lookup->values->number = b;
  }
  if (m < 2) return;
  std::array<ValueEntry, kMostKeys> entries;
  std::array<Status, kMostKeys> statuses;
  file_->store().GetValuesTogether(context, segments.data(), blocks.data(), m,
                                   entries.data(), statuses.data());
  for (size_t k = 0; k < m; ++k) {
    (**values)[k].block = std::move(entries[k]);
    (**values)[k].status = statuses[k];
  }
}

size_t FstTableReader::LocateAll(const BlockReadContext& context,
                                 Lookup* lookups, size_t n,
                                 SegmentEntries* entries) const {
  const FileIndex& index = file_->index();
  // Goes on with those that step() returns true for.
  const auto go_on = [&](const auto& step) {
    size_t left = 0;
    for (size_t j = 0; j < n; ++j) {
      if (step(j, &lookups[j])) lookups[left++] = lookups[j];
    }
    n = left;
  };
  std::array<const key_trie::SoughtKey*, kMostKeys> targets = {};
  std::array<uint32_t, kMostKeys> found;
  for (size_t j = 0; j < n; ++j) targets[j] = lookups[j].target;
  index.SegmentsFor(targets.data(), n, found.data());

  // Keys go one way, so those of a segment are neighbours.
  std::array<uint32_t, kMostKeys> numbers;
  size_t m = 0;
  go_on([&](size_t j, Lookup* lookup) {
    lookup->i = found[j];
    if (lookup->i == FileIndex::kCorrupt) {
      *lookup->status = file_->CorruptIndex();
      return false;
    }
    if (lookup->i == index.num_segments()) return false;
    if (m == 0 || numbers[m - 1] != lookup->i) numbers[m++] = lookup->i;
    return true;
  });
  std::array<Status, kMostKeys> statuses;
  file_->store().GetSegments(context, index, numbers.data(), m, entries->data(),
                             statuses.data());
  m = 0;
  go_on([&](size_t /*j*/, Lookup* lookup) {
    if (numbers[m] != lookup->i) ++m;
    if (!statuses[m].ok()) {
      *lookup->status = statuses[m];
      return false;
    }
    lookup->segment = &(*entries)[m].GetValue()->segment();
    PrefetchObject(lookup->segment);
    return true;
  });

  std::array<const KeyTrieReader*, kMostKeys> tries = {};
  for (size_t j = 0; j < n; ++j) {
    targets[j] = lookups[j].target;
    tries[j] = &lookups[j].segment->trie();
  }
  KeyTrieReader::FindAll(tries.data(), targets.data(), n, found.data());
  go_on([&](size_t j, Lookup* lookup) {
    lookup->k = lookup->segment->IndexOf(found[j]);
    if (lookup->k == Segment::kCorrupt) {
      *lookup->status = file_->CorruptSegment(lookup->i, "damaged trie");
    }
    if (lookup->k >= Segment::kCorrupt) return false;
    lookup->segment->PrefetchEntriesOf(lookup->k);
    return true;
  });
  go_on([&](size_t /*j*/, Lookup* lookup) {
    if (!lookup->segment->EntriesOf(lookup->k, &lookup->begin, &lookup->end)) {
      *lookup->status = file_->CorruptSegment(lookup->i, "damaged entries");
      return false;
    }
    lookup->segment->PrefetchEntry(lookup->begin);
    return true;
  });
  for (size_t j = 0; j < n; ++j) {
    const Lookup& lookup = lookups[j];
    lookup.segment->PrefetchInlineValue(lookup.begin);
  }
  return n;
}

void FstTableReader::FindNewest(const ReadOptions& read_options,
                                const SliceTransform* prefix_extractor,
                                uint64_t newest, Sought* const* keys,
                                size_t n) const {
  const BlockReadContext context{read_options};
  Status s = file_->order_status();
  std::array<bool, kMostKeys> may_match;
  may_match.fill(true);
  const bool filtered = file_->filter().GetsAsk();
  if (s.ok() && filtered) {
    std::array<Slice, kMostKeys> user_keys;
    std::array<Slice*, kMostKeys> asked;
    for (size_t j = 0; j < n; ++j) {
      user_keys[j] = keys[j]->key->view();
      asked[j] = &user_keys[j];
    }
    s = file_->filter().KeysMayMatch(context, prefix_extractor,
                                     static_cast<int>(n), asked.data(),
                                     may_match.data());
  }
  std::array<Lookup, kMostKeys> lookups;
  size_t m = 0;
  for (size_t j = 0; j < n; ++j) {
    keys[j]->newest = Newest();
    keys[j]->status = s;
    if (!s.ok() || !may_match[j]) continue;
    lookups[m].target = keys[j]->key;
    lookups[m].status = &keys[j]->status;
    lookups[m].number = j;
    lookups[m].tag = newest;
    ++m;
  }
  SegmentEntries entries;
  m = LocateAll(context, lookups.data(), m, &entries);
  file_->filter().CountUse(m, n - m);
  std::optional<std::array<Values, kMostKeys>> values;
  ReadValuesTogether(context, lookups.data(), m, &values);
  for (size_t j = 0; j < m; ++j) {
    Sought* const sought = keys[lookups[j].number];
    sought->status = TakeNewest(context, lookups[j], sought);
    if (filtered && sought->newest.found) file_->filter().CountTruePositive();
  }
}

void FstTableReader::FindNewest(const ReadOptions& read_options,
                                const SliceTransform* prefix_extractor,
                                uint64_t newest, Sought* key) const {
  const BlockReadContext context{read_options};
  key->newest = Newest();
  key->status = file_->order_status();
  if (!key->status.ok()) return;
  const bool filtered = file_->filter().GetsAsk();
  Lookup lookup;
  lookup.target = key->key;
  lookup.status = &key->status;
  SegmentEntry entry;
  const bool found =
      Locate(context, filtered, prefix_extractor, &entry, &lookup);
  file_->filter().CountUse(found, !found);
  if (!found) return;
  lookup.tag = newest;
  key->status = TakeNewest(context, lookup, key);
  if (filtered && key->newest.found) file_->filter().CountTruePositive();
}

Status FstTableReader::ReadValue(const BlockReadContext& context, uint32_t i,
                                 const Segment& segment, uint32_t e,
                                 Values* values,
                                 ValueRunView::NumberBytes* number,
                                 Slice* value) const {
  if (!values->status.ok()) return values->status;
  return file_->ReadValue(context, i, segment, e, &values->block,
                          &values->number, /*pinner=*/nullptr, number, value);
}

Status FstTableReader::TakeNewest(const BlockReadContext& context,
                                  const Lookup& lookup, Sought* sought) const {
  const uint32_t e =
      file_->SeekEntry(*lookup.segment, lookup.begin, lookup.end, lookup.tag);
  if (e == lookup.end) return Status::OK();
  sought->newest.tag = file_->EffectiveTag(*lookup.segment, e);
  if (!FstFile::HasValueType(sought->newest.tag)) {
    return file_->CorruptSegment(lookup.i, "unknown value type");
  }
  sought->newest.found = true;
  if ((sought->newest.tag & 0xff) != ROCKSDB_NAMESPACE::kTypeValue) {
    return Status::OK();
  }
  Values alone;
  Values* const values = lookup.values != nullptr ? lookup.values : &alone;
  ValueRunView::NumberBytes number;
  Slice value;
  const Status s =
      ReadValue(context, lookup.i, *lookup.segment, e, values, &number, &value);
  if (!s.ok()) return s;
  Cleanable pin;
  if (PinsValue(value, values->block, &pin)) {
    sought->value->PinSlice(value, &pin);
  } else {
    sought->value->PinSelf(value);
  }
  return s;
}

Status FstTableReader::DeliverVersions(const BlockReadContext& context,
                                       const Lookup& lookup,
                                       const Slice& internal_key, bool filtered,
                                       GetContext* get_context) const {
  const uint32_t i = lookup.i;
  const Segment& segment = *lookup.segment;
  // Only the last key of a segment may have continuations.
  const uint32_t limit =
      lookup.k + 1 == segment.num_keys() ? file_->index().NextGroup(i) : i + 1;
  uint32_t at = i;
  if (limit != i + 1) {
    at = file_->Continue(
        i, ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(internal_key));
  }
  bool matched = false;
  bool more = true;
  Status s;
  if (at == i) {
    s = AnswerFrom(context, i, segment, lookup.begin, lookup.end, internal_key,
                   lookup.values, get_context, &matched, &more);
    ++at;
  }
  for (; s.ok() && more && at < limit; ++at) {
    SegmentEntry entry;
    s = file_->GetContinuation(
        context, at, ROCKSDB_NAMESPACE::ExtractUserKey(internal_key), &entry);
    if (!s.ok()) {
      if (s.IsIncomplete()) get_context->MarkKeyMayExist();
      return s;
    }
    const Segment& continuation = entry.GetValue()->segment();
    s = AnswerFrom(context, at, continuation, 0, continuation.num_entries(),
                   internal_key, /*values=*/nullptr, get_context, &matched,
                   &more);
  }
  if (s.ok() && matched && filtered) file_->filter().CountTruePositive();
  return s;
}

Status FstTableReader::AnswerFrom(const BlockReadContext& context, uint32_t i,
                                  const Segment& segment, uint32_t begin,
                                  uint32_t end, const Slice& internal_key,
                                  Values* values, GetContext* get_context,
                                  bool* matched, bool* more) const {
  const uint64_t target =
      ROCKSDB_NAMESPACE::ExtractInternalKeyFooter(internal_key);
  Values alone;
  if (values == nullptr) values = &alone;
  for (uint32_t e = file_->SeekEntry(segment, begin, end, target); e < end;
       ++e) {
    ParsedInternalKey parsed;
    parsed.user_key = ROCKSDB_NAMESPACE::ExtractUserKey(internal_key);
    const uint64_t tag = file_->EffectiveTag(segment, e);
    if (!FstFile::HasValueType(tag))
      return file_->CorruptSegment(i, "unknown value type");
    ROCKSDB_NAMESPACE::UnPackSequenceAndType(tag, &parsed.sequence,
                                             &parsed.type);
    ValueRunView::NumberBytes number;
    Slice value;
    if (HasValue(tag)) {
      const Status s =
          ReadValue(context, i, segment, e, values, &number, &value);
      if (!s.ok()) {
        if (s.IsIncomplete()) get_context->MarkKeyMayExist();
        return s;
      }
    }
    Cleanable pin;
    const bool pinned = PinsValue(value, values->block, &pin);
    Status read_status;
    *more = compat::SaveValue(get_context, parsed, value, matched, &read_status,
                              pinned ? &pin : nullptr);
    if (!read_status.ok()) return read_status;
    if (!*more) break;
  }
  return Status::OK();
}

}  // namespace memkv
