// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/corruption/hostile_table.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compat/table_iterator.h"
#include "compat/table_reader.h"
#include "db/range_tombstone_fragmenter.h"
#include "rocksdb/convenience.h"
#include "rocksdb/file_system.h"
#include "rocksdb/merge_operator.h"
#include "table/fst/table_reader.h"
#include "table/internal_iterator.h"
#include "tests/corruption/allocation_watch.h"

namespace memkv {

using rocksdb::InternalIterator;
using rocksdb::InternalKey;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;
using rocksdb::TableReader;
using rocksdb::TableReaderCaller;

void HostileAnswer::Add(const Slice& key, const Slice& value) {
  const std::hash<std::string_view> hash;
  rows.push_back(hash(key.ToStringView()) * 31 + hash(value.ToStringView()));
}

HostileAnswer* HostileAnswers::New(const std::string& question, bool scan) {
  answers.emplace_back();
  answers.back().question = question;
  answers.back().scan = scan;
  return &answers.back();
}

size_t HostileLimits::Expansion(const HostileShape& shape) {
  switch (shape.pinned->settings().compression) {
    case rocksdb::kNoCompression:
      return 1;
    case rocksdb::kLZ4Compression:
      return 255;
    default:
      return 32768;
  }
}

size_t HostileLimits::Steps(const HostileShape& shape, size_t file_size) {
  // As many bits, and twice as many for what is read on from an answer.
  return 100 + 16 * Expansion(shape) * file_size;
}

size_t HostileLimits::Allocation(const HostileShape& shape, size_t file_size) {
  // A token of 9 bits may stand for 63 bytes of a key.
  return (size_t{1} << 20) + 64 * Expansion(shape) * file_size;
}

size_t HostileLimits::Memory(const HostileShape& shape, size_t file_size) {
  return (size_t{4} << 20) + 256 * Expansion(shape) * file_size;
}

namespace {

// Takes what a dump writes, and forgets it.
class NoFile : public rocksdb::WritableFile {
 public:
  using WritableFile::Append;
  Status Append(const Slice& data) override {
    size_ += data.size();
    return Status::OK();
  }
  Status Close() override { return Status::OK(); }
  Status Flush() override { return Status::OK(); }
  Status Sync() override { return Status::OK(); }
  uint64_t GetFileSize() override { return size_; }

 private:
  uint64_t size_ = 0;
};

class TableAsker {
 public:
  TableAsker(const HostileShape& shape, const MemoryTable& table,
             size_t file_size, const ReadOptions& read_options,
             HostileAnswers* out)
      : shape_(shape),
        table_(table),
        read_options_(read_options),
        file_size_(file_size),
        steps_(HostileLimits::Steps(shape, file_size)),
        out_(out) {}

  void Ask(TableReader* reader) {
    for (const bool unprepared : {false, true}) {
      for (const auto caller :
           {TableReaderCaller::kUserIterator, TableReaderCaller::kCompaction}) {
        const std::unique_ptr<InternalIterator> iter(reader->NewIterator(
            read_options_, shape_.pinned->settings().prefix_extractor.get(),
            nullptr, /*skip_filters=*/false, caller,
            /*compaction_readahead_size=*/4096, unprepared));
        if (unprepared) Announce(iter.get());
        AskIterator(iter.get());
      }
    }
    AskRangeDeletions(reader);
    for (const auto& [user_key, seq] : shape_.probes) {
      Get(reader, user_key, seq);
    }
    AskSizes(reader);
    out_->New("verify")->status = reader->VerifyChecksum(
        ReadOptions(), TableReaderCaller::kUserVerifyChecksum);
    NoFile file;
    // It shows the footer, too, so that its size says nothing.
    out_->New("dump")->status = reader->DumpTable(&file);
  }

 private:
  // Ranges between all keys that are asked for, if it is an FST file's.
  void Announce(InternalIterator* iter) {
    auto* const own = dynamic_cast<compat::TableIteratorBase*>(iter);
    if (own == nullptr) return;
    const auto* const comparator = table_.comparator().user_comparator();
    std::vector<std::string> keys;
    for (const auto& [user_key, seq] : shape_.probes) keys.push_back(user_key);
    std::sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
      return comparator->Compare(a, b) < 0;
    });
    std::vector<compat::ScanRange> ranges;
    for (size_t i = 0; i + 1 < keys.size(); ++i) {
      ranges.push_back({keys[i], keys[i + 1]});
    }
    own->AnnounceScans(std::move(ranges), /*most_bytes=*/0);
  }

  void Scan(InternalIterator* iter, bool forwards, HostileAnswer* answer) {
    size_t steps = 0;
    std::string before;
    for (; iter->Valid(); forwards ? iter->Next() : iter->Prev()) {
      if (++steps > steps_) {
        out_->broken = answer->question + ": more than " +
                       std::to_string(steps_) + " steps";
        return;
      }
      if (!before.empty()) {
        const int order = table_.comparator().Compare(iter->key(), before);
        if (order == 0 || (order > 0) != forwards) {
          out_->broken = answer->question + ": entries out of order";
          return;
        }
      }
      before = iter->key().ToString();
      if (!iter->PrepareValue()) break;
      answer->Add(iter->key(), iter->value());
    }
    answer->status = iter->status();
  }

  void AskIterator(InternalIterator* iter) {
    HostileAnswer* answer = out_->New("scan forwards", /*scan=*/true);
    iter->SeekToFirst();
    Scan(iter, /*forwards=*/true, answer);
    answer = out_->New("scan backwards", /*scan=*/true);
    iter->SeekToLast();
    Scan(iter, /*forwards=*/false, answer);
    for (const auto& [user_key, seq] : shape_.probes) {
      const InternalKey target(user_key, seq, rocksdb::kValueTypeForSeek);
      answer = out_->New("seek " + user_key, /*scan=*/true);
      iter->Seek(target.Encode());
      Look(iter, /*forwards=*/false, answer);
      answer = out_->New("seek for prev " + user_key, /*scan=*/true);
      iter->SeekForPrev(target.Encode());
      Look(iter, /*forwards=*/true, answer);
    }
  }

  // Where it is, and where it is after a few steps.
  static void Look(InternalIterator* iter, bool forwards,
                   HostileAnswer* answer) {
    for (int i = 0; i < 4 && iter->Valid(); ++i) {
      if (!iter->PrepareValue()) break;
      answer->Add(iter->key(), iter->value());
      if (forwards) {
        iter->Next();
      } else {
        iter->Prev();
      }
    }
    answer->status = iter->status();
  }

  void AskRangeDeletions(TableReader* reader) {
    HostileAnswer* const answer = out_->New("range deletions", /*scan=*/true);
    const std::unique_ptr<rocksdb::FragmentedRangeTombstoneIterator> iter(
        reader->NewRangeTombstoneIterator(read_options_));
    if (iter == nullptr) return;
    size_t steps = 0;
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
      if (++steps > steps_) {
        out_->broken = "range deletions without end";
        return;
      }
      answer->Add(iter->key(), iter->value());
    }
    answer->status = iter->status();
    for (const auto& [user_key, seq] : shape_.probes) {
      answer->rows.push_back(iter->MaxCoveringTombstoneSeqnum(user_key));
    }
  }

  void Get(TableReader* reader, const std::string& user_key, uint64_t seq) {
    HostileAnswer* const answer = out_->New("get " + user_key);
    const InternalKey target(user_key, seq, rocksdb::kValueTypeForSeek);
    const MemoryTable::LookUpResult found =
        table_.LookUp(user_key, [&](rocksdb::GetContext* context) {
          return reader->Get(read_options_, target.Encode(), context,
                             shape_.pinned->settings().prefix_extractor.get(),
                             false);
        });
    answer->status = found.status;
    answer->Add(std::to_string(found.state), found.value);
    for (const std::string& operand : found.operands) {
      answer->Add("operand", operand);
    }
    if (found.state == rocksdb::GetContext::kCorrupt && answer->status.ok()) {
      answer->status = Status::Corruption("GetContext");
    }
  }

  void AskSizes(TableReader* reader) {
    // A damaged footer may be that of a block-based file, in which RocksDB does
    // not expect to meet the poison.
    const FstTableReader* const fst = FstTableReader::From(*reader);
    std::string before;
    for (const auto& [user_key, seq] : shape_.probes) {
      if (fst == nullptr) break;
      const std::string key =
          InternalKey(user_key, seq, rocksdb::kTypeValue).Encode().ToString();
      const uint64_t offset = compat::OffsetOf(reader, read_options_, key);
      const uint64_t size =
          before.empty()
              ? 0
              : compat::SizeBetween(reader, read_options_, before, key);
      // RocksDB asserts that.
      if (offset > file_size_ || size > file_size_) {
        out_->broken = "an estimate of " + std::to_string(offset) + " and " +
                       std::to_string(size) + " bytes in a file of " +
                       std::to_string(file_size_);
      }
      before = key;
    }
    // These are estimates, and name no error.
    HostileAnswer* answer = out_->New("anchors");
    std::vector<TableReader::Anchor> anchors;
    answer->status = reader->ApproximateKeyAnchors(read_options_, anchors);
    reader->ApproximateMemoryUsage();
    for (size_t i = 0; i + 1 < shape_.probes.size(); ++i) {
      answer = out_->New("count from " + shape_.probes[i].first);
      const Slice begin = shape_.probes[i].first;
      const Slice end = shape_.probes[i + 1].first;
      uint64_t count = 0;
      answer->status =
          fst == nullptr
              ? Status::Corruption("no FST file")
              : fst->CountKeys(read_options_, rocksdb::RangePtr(&begin, &end),
                               &count);
      if (answer->status.ok()) answer->rows.push_back(count);
    }
  }

  const HostileShape& shape_;
  const MemoryTable& table_;
  const ReadOptions& read_options_;
  const size_t file_size_;
  const size_t steps_;
  HostileAnswers* const out_;
};

}  // namespace

void AskHostileTable(const HostileShape& shape, bool cached,
                     const std::string& bytes, const ReadOptions& read_options,
                     HostileAnswers* out) {
  const MemoryTable& table = cached ? *shape.cached : *shape.pinned;
  const AllocationWatch watch;
  {
    std::unique_ptr<TableReader> reader;
    const Status s = table.Open(bytes, read_options, &reader);
    out->New("open")->status = s;
    if (s.ok()) {
      TableAsker(shape, table, bytes.size(), read_options, out)
          .Ask(reader.get());
    }
  }
  const size_t allocation = HostileLimits::Allocation(shape, bytes.size());
  const size_t memory = HostileLimits::Memory(shape, bytes.size());
  if (watch.largest() > allocation || watch.most_held() > memory) {
    out->broken = "a file of " + std::to_string(bytes.size()) +
                  " bytes made memkv allocate " +
                  std::to_string(watch.largest()) + " bytes at once and hold " +
                  std::to_string(watch.most_held()) + "; the limits are " +
                  std::to_string(allocation) + " and " + std::to_string(memory);
  }
}

std::string FirstLie(const HostileAnswers& answers,
                     const HostileAnswers& truth) {
  for (size_t i = 0; i < answers.answers.size(); ++i) {
    const HostileAnswer& answer = answers.answers[i];
    // A file that does not open is asked nothing else.
    if (i >= truth.answers.size() ||
        truth.answers[i].question != answer.question) {
      return "a question that was not asked before: " + answer.question;
    }
    const HostileAnswer& right = truth.answers[i];
    const bool honest =
        answer.status.ok()
            ? answer.rows == right.rows
            : !answer.scan ||
                  (answer.rows.size() <= right.rows.size() &&
                   std::equal(answer.rows.begin(), answer.rows.end(),
                              right.rows.begin()));
    if (!honest) {
      return answer.question + ": " + std::to_string(answer.rows.size()) +
             " rows, " + std::to_string(right.rows.size()) +
             " are right, and " + answer.status.ToString();
    }
  }
  return "";
}

}  // namespace memkv
