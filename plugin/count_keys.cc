// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// CountKeys: how many keys a range of a column family has, from the ranks of
// its ends in FST files.
//
// A column family is a set of *sorted runs*: each memtable, each file of level
// 0, each other level.  What is known of a run alone are bounds on the keys it
// would have if there were no other, and how many keys it can delete of others.
// Any key is in some run, so there are at most as many as in all together; and
// at least as many as in any one, less what the others can delete.  Where one
// run alone has something in the range, and deletes nothing, the two meet.

#include <algorithm>
#include <string>
#include <vector>

#include "compat/database.h"
#include "db/db_impl/db_impl.h"
#include "db/range_del_aggregator.h"
#include "db/version_set.h"
#include "plugin/memkv.h"
#include "rocksdb/db.h"
#include "table/fst/format.h"
#include "table/fst/table_reader.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Arena;
using ROCKSDB_NAMESPACE::ColumnFamilyData;
using ROCKSDB_NAMESPACE::ColumnFamilyHandle;
using ROCKSDB_NAMESPACE::ColumnFamilyHandleImpl;
using ROCKSDB_NAMESPACE::Comparator;
using ROCKSDB_NAMESPACE::DB;
using ROCKSDB_NAMESPACE::DBImpl;
using ROCKSDB_NAMESPACE::FileMetaData;
using ROCKSDB_NAMESPACE::InternalIterator;
using ROCKSDB_NAMESPACE::InternalKey;
using ROCKSDB_NAMESPACE::kMaxSequenceNumber;
using ROCKSDB_NAMESPACE::RangePtr;
using ROCKSDB_NAMESPACE::ReadOptions;
using ROCKSDB_NAMESPACE::ReadRangeDelAggregator;
using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using ROCKSDB_NAMESPACE::SuperVersion;
using ROCKSDB_NAMESPACE::TableProperties;
using ROCKSDB_NAMESPACE::TableReader;

namespace {

// What a sorted run has in the range.
struct Run {
  uint64_t at_least = 0;
  uint64_t at_most = 0;
  uint64_t deletes = 0;  // keys it may delete of other runs, at most
};

class Counter {
 public:
  Counter(const ReadOptions& read_options, const RangePtr& range,
          ColumnFamilyData* cfd, SuperVersion* sv)
      : read_options_(read_options),
        range_(range),
        cfd_(cfd),
        sv_(sv),
        comparator_(cfd->user_comparator()) {}

  Status Count(KeyCount* count) {
    Status s = CountMemTables();
    if (s.ok()) {
      s = CountFiles();
    }
    if (!s.ok()) {
      return s;
    }
    uint64_t deletes = 0;
    for (const Run& run : runs_) {
      deletes += run.deletes;
    }
    *count = KeyCount();
    for (const Run& run : runs_) {
      count->at_most += run.at_most;
      const uint64_t deleted = deletes - run.deletes;
      if (!deletes_ranges_ && run.at_least > deleted) {
        count->at_least = std::max(count->at_least, run.at_least - deleted);
      }
    }
    return s;
  }

 private:
  Status CountMemTables() {
    Arena arena;
    ReadRangeDelAggregator range_dels(&cfd_->internal_comparator(),
                                      kMaxSequenceNumber);
    std::unique_ptr<ROCKSDB_NAMESPACE::FragmentedRangeTombstoneIterator> dels(
        sv_->mem->NewRangeTombstoneIterator(read_options_, kMaxSequenceNumber,
                                            /*immutable_memtable=*/false));
    deletes_ranges_ = deletes_ranges_ || dels != nullptr;
    Status s = sv_->imm->AddRangeTombstoneIterators(read_options_, &arena,
                                                    &range_dels);
    deletes_ranges_ = deletes_ranges_ || !range_dels.IsEmpty();

    for (InternalIterator* iter : compat::MemTableIterators(
             read_options_, *sv_,
             sv_->mutable_cf_options.prefix_extractor.get(), &arena)) {
      if (s.ok()) {
        s = CountMemTable(iter);
      }
      iter->~InternalIterator();  // Its memory is the arena's.
    }
    return s;
  }

  Status CountMemTable(InternalIterator* iter) {
    if (range_.start == nullptr) {
      iter->SeekToFirst();
    } else {
      InternalKey start;
      start.SetMinPossibleForUserKey(*range_.start);
      iter->Seek(start.Encode());
    }
    Run run;
    std::string before;
    for (bool first = true; iter->Valid(); iter->Next(), first = false) {
      const Slice user_key = ROCKSDB_NAMESPACE::ExtractUserKey(iter->key());
      if (range_.limit != nullptr &&
          comparator_->Compare(user_key, *range_.limit) >= 0) {
        break;
      }
      if (!first && comparator_->Equal(user_key, before)) {
        continue;  // Its newest entry came first.
      }
      before.assign(user_key.data(), user_key.size());
      const auto type = ROCKSDB_NAMESPACE::ExtractValueType(iter->key());
      const bool deletes =
          type == ROCKSDB_NAMESPACE::kTypeDeletion ||
          type == ROCKSDB_NAMESPACE::kTypeSingleDeletion ||
          type == ROCKSDB_NAMESPACE::kTypeDeletionWithTimestamp;
      ++(deletes ? run.deletes : run.at_most);
    }
    run.at_least = run.at_most;
    runs_.push_back(run);
    return iter->status();
  }

  Status CountFiles() {
    const ROCKSDB_NAMESPACE::VersionStorageInfo* const storage =
        sv_->current->storage_info();
    for (int level = 0; level < storage->num_non_empty_levels(); ++level) {
      const FileMetaData* before = nullptr;
      for (const FileMetaData* file : storage->LevelFiles(level)) {
        if (!Overlaps(*file)) {
          before = nullptr;
          continue;
        }
        Run run;
        Status s = CountFile(*file, &run);
        if (!s.ok()) {
          return s;
        }
        if (level == 0 || before == nullptr) {
          runs_.push_back(run);
        } else {
          // The key where two files of a level meet may be in both.
          const bool meet = comparator_->Equal(before->largest.user_key(),
                                               file->smallest.user_key());
          Run& whole = runs_.back();
          whole.at_least += run.at_least;
          whole.at_least -= meet && whole.at_least > 0 ? 1 : 0;
          whole.at_most += run.at_most;
          whole.deletes += run.deletes;
        }
        before = file;
      }
    }
    return Status::OK();
  }

  bool Overlaps(const FileMetaData& file) const {
    return (range_.limit == nullptr ||
            comparator_->Compare(file.smallest.user_key(), *range_.limit) <
                0) &&
           (range_.start == nullptr ||
            comparator_->Compare(file.largest.user_key(), *range_.start) >= 0);
  }

  Status CountFile(const FileMetaData& file, Run* run) {
    compat::LiveReader reader(cfd_);
    const Status s = reader.Find(read_options_, sv_->mutable_cf_options, file);
    return s.ok() ? CountTable(*reader.get(), run) : s;
  }

  Status CountTable(const TableReader& reader, Run* run) {
    const std::shared_ptr<const TableProperties> properties =
        reader.GetTableProperties();
    deletes_ranges_ = deletes_ranges_ || properties->num_range_deletions > 0;
    const uint64_t deletions =
        properties->num_deletions - properties->num_range_deletions;
    if (properties->user_collected_properties.count(kDirectoryProperty) == 0) {
      // A block-based file knows its entries, but not which are of one key.
      run->at_most = properties->num_entries - properties->num_range_deletions;
      run->deletes = deletions;
      return Status::OK();
    }
    const FstTableReader* const fst = FstTableReader::From(reader);
    if (fst == nullptr) {
      return Status::Corruption(
          "CountKeys: an FST file was opened by a table factory that cannot "
          "read it",
          "open the database with table_factory=fst");
    }
    uint64_t keys = 0;
    Status s = fst->CountKeys(read_options_, range_, &keys);
    run->at_most = keys;
    run->deletes = std::min(deletions, keys);
    run->at_least = keys - run->deletes;
    return s;
  }

  const ReadOptions& read_options_;
  const RangePtr& range_;
  ColumnFamilyData* const cfd_;
  SuperVersion* const sv_;
  const Comparator* const comparator_;
  std::vector<Run> runs_;
  bool deletes_ranges_ = false;
};

}  // namespace

Status CountKeys(DB* db, ColumnFamilyHandle* column_family,
                 const ReadOptions& read_options, const RangePtr& range,
                 KeyCount* count) {
  if (std::string misfit; !RegisterMemkv(&misfit)) {
    return Status::NotSupported(misfit);
  }
  if (read_options.snapshot != nullptr || read_options.timestamp != nullptr) {
    return Status::InvalidArgument(
        "CountKeys counts what is there now: no snapshot, no timestamp");
  }
  auto* const impl =
      ROCKSDB_NAMESPACE::static_cast_with_check<DBImpl>(db->GetRootDB());
  ColumnFamilyData* const cfd =
      ROCKSDB_NAMESPACE::static_cast_with_check<ColumnFamilyHandleImpl>(
          column_family)
          ->cfd();
  if (cfd->user_comparator()->timestamp_size() > 0) {
    return Status::NotSupported(
        "CountKeys of a column family with user-defined timestamps");
  }
  // Of all keys of the range, whatever prefixes they have.
  ReadOptions options(read_options);
  options.total_order_seek = true;
  options.auto_prefix_mode = false;
  options.prefix_same_as_start = false;
  SuperVersion* const sv = impl->GetAndRefSuperVersion(cfd);
  Status s = Counter(options, range, cfd, sv).Count(count);
  impl->ReturnAndCleanupSuperVersion(cfd, sv);
  return s;
}

}  // namespace memkv
