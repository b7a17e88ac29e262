// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What the tests of faults of the machine share: a database of three column
// families on a FaultFileSystem, and a seeded history of what is done with it,
// with what it should hold after each step.  The same history runs any number
// of times, each time with another fault, and on RocksDB's own memtable and
// table as a control.
//
// Thread safety: none; an object belongs to its test's thread.

#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "tests/db/fault_fs.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {

constexpr size_t kFaultFamilies = 3;
// One of them has a filter, of keys and of prefixes of this size.
constexpr size_t kFilteredFamily = 1;
constexpr size_t kFaultPrefix = 11;

// Whether there is time for controls and for more faults of a kind.  Where each
// access to memory is checked they would take minutes, and controls show
// nothing there.
#ifdef NDEBUG
constexpr bool kFaultsAtLength = true;
#else
constexpr bool kFaultsAtLength = false;
#endif

// What each column family should hold.
using FaultState = std::array<Model, kFaultFamilies>;

enum class FaultReads { kBuffered, kMapped, kDirect };

// Which database.
struct FaultVariant {
  bool memkv = true;  // else RocksDB's own memtable and table
  FaultReads reads = FaultReads::kBuffered;
  // Readers are opened for a read, and closed by Chill(); else they stay open.
  bool reopens_files = false;

  std::string Name() const;
};

// Those of `variants` that there is time for.
std::vector<FaultVariant> FaultVariants(
    const std::vector<FaultVariant>& variants);

// One thing that is done with a database.
struct FaultStep {
  enum class Kind { kWrite, kSyncLog, kFlush, kCompact, kIngest, kReopen };
  struct Update {
    enum class Kind { kPut, kDelete, kDeleteRange, kMerge } kind;
    size_t family;
    std::string key;
    std::string value;  // or the range's end
  };

  explicit FaultStep(Kind of_kind, size_t of_family = 0)
      : kind(of_kind), family(of_family) {}

  Kind kind;
  size_t family;                // of a flush, a compaction, an ingestion
  bool synced = false;          // of a write
  std::vector<Update> updates;  // of a write, which are one batch
  size_t file = 0;              // which external file is ingested
  bool link = false;            // instead of a copy
  size_t state = 0;             // after it: an index into FaultHistory::states

  const char* Name() const;
};

struct FaultHistory {
  explicit FaultHistory(uint64_t seed);

  std::vector<FaultStep> steps;
  // Of no step, and after each write and each ingestion.
  std::vector<FaultState> states;
  // Contents of the external files, and the families they are for.
  std::vector<Model> external;
};

// Operations of `trace`, by their places from 1 on, to put a fault at: `each`
// of a kind, where tables and blobs that are written in different steps are of
// different kinds.  Which, the seed says.
std::vector<uint64_t> FaultPoints(const std::vector<FileOperation>& trace,
                                  size_t each, uint64_t seed);

// What RocksDB tells of errors in the background, by name.  Resumes nothing by
// itself, for the test does that.
class FaultListener : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                         rocksdb::Status* error) override;
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/,
                            rocksdb::Status /*error*/,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
  // Those since the last call, each once.
  std::string Take();

 private:
  std::mutex mutex_;
  std::set<std::string> errors_;  // guarded by mutex_
};

// Writes a table file of these records, all steps until one fails.
rocksdb::Status WriteExternalFile(const rocksdb::Options& options,
                                  const Model& model, const std::string& file);

class FaultDatabase {
 public:
  // `families`: the options of each; those of the database are the first's.
  FaultDatabase(std::string path, std::vector<rocksdb::Options> families);
  ~FaultDatabase();
  FaultDatabase(const FaultDatabase&) = delete;
  FaultDatabase& operator=(const FaultDatabase&) = delete;

  // Makes what is missing.
  rocksdb::Status Open();
  void Close();
  bool is_open() const { return db_ != nullptr; }
  // REQUIRES: is_open()
  rocksdb::DB* db() const { return db_.get(); }
  rocksdb::ColumnFamilyHandle* family(size_t i) const { return handles_[i]; }
  const std::string& path() const { return path_; }

  // Writes history.external[i] to ExternalFile(i).
  void WriteExternalFiles(const FaultHistory& history) const;
  std::string ExternalFile(size_t i) const;

  // Does a step; an error may leave the database closed.
  rocksdb::Status Run(const FaultStep& step);

  // In total order.
  rocksdb::Iterator* NewIterator(size_t i) const;
  // All it holds, by a scan of each family.
  rocksdb::Status ReadAll(FaultState* state) const;
  // Scans both ways and look-ups answer as `state` says.
  void ExpectHolds(const FaultState& state) const;
  // Answers as *state says, and goes on: takes writes, is compacted and opened
  // again.  *state follows.
  void ExpectWorks(FaultState* state);
  // The folder holds the live table and blob files, and none beside them.
  void ExpectNoStrayFiles() const;
  // Forgets cached blocks, and closes the files that may be closed.
  void Chill() const;

 private:
  const std::string path_;
  const std::vector<rocksdb::Options> options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

// The fixture.
class FaultTest : public FstDbTest {
 protected:
  // Options of each family: tries in memory, tries in the cache and a filter,
  // and values in blob files.
  std::vector<rocksdb::Options> FamilyOptions(
      const FaultVariant& variant, rocksdb::Env* env,
      const std::shared_ptr<FaultListener>& listener = nullptr) const;
};

}  // namespace memkv
