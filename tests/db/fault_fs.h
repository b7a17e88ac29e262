// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// FaultFileSystem: a file system that counts what a database asks of it, and
// at one of these operations fails, answers with too few bytes, or loses power.
//
// Below it is RocksDB's FaultInjectionTestFS, which keeps what is not synced,
// and knows which files the directory would not have after a crash; below that
// is the real file system, which need not wait for the disk.  What RocksDB's
// class leaves out is here: the n-th operation of all threads together, short
// reads, errors of sync and close, and a loss of power that leaves a part of
// what was not synced.
//
// Neither counted nor failed are locks, deletions, and what a database only
// asks in order to make a folder.
//
// Thread safety: as FileSystem says.  Arm() and what follows it up to Heal()
// come from one thread, while no operation is under way.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "utilities/fault_injection_fs.h"

namespace memkv {

enum class FaultOp {
  kOpen,      // for reading
  kRead,      // from any offset, or the next bytes
  kMetadata,  // sizes, times, existence, children of a directory
  kCreate,    // and open again for writing
  kAppend,
  kSync,
  kClose,  // of a written file
  kRename,
  kLink,
  kSyncDirectory,
};

struct FileOperation {
  FaultOp op;
  std::string file;  // its kind: "sst", "wal", "manifest" ...
  std::string step;  // of the test; see SetStep()

  // "append to sst in flush".
  std::string Name() const;
};

class FaultFileSystem : public rocksdb::FileSystemWrapper {
 public:
  // All errors it makes up say so.
  static const char kInjected[];

  // `loses_data`: what is not synced is kept from the real file system, so that
  // a loss of power can take it, and so does closing a file.
  explicit FaultFileSystem(const std::shared_ptr<rocksdb::FileSystem>& real,
                           bool loses_data = false);
  ~FaultFileSystem() override;

  const char* Name() const override { return "FaultFileSystem"; }

  enum class What {
    kError,
    kShortRead,  // of a kRead; half of what is there, or nothing
    kPowerLoss,
  };
  struct Fault {
    What what = What::kError;
    rocksdb::IOStatus error = rocksdb::IOStatus::IOError(kInjected);
    // The operations that count, and that a lasting fault may fail.
    std::function<bool(const FileOperation&)> counts;
    // The fault comes at this one of them, from 1 on; at none if it is 0.
    uint64_t at = 0;
    // Later ones fail, too, until Heal().
    bool lasts = false;
    // Of how much is left of what was not synced.
    uint64_t seed = 0;
  };

  // Counts anew.
  void Arm(const Fault& fault);
  // All goes well from now on.  Power comes back only with RestorePower().
  void Heal();
  bool fired() const;
  // Where the fault came.
  FileOperation where() const;
  // What counted since Arm().
  std::vector<FileOperation> trace() const;

  // A name for what the test does, for later operations.
  void SetStep(const std::string& step);

  // After a loss of power, when all is closed: what was not synced is gone, and
  // so are, if `directory_too`, files and names since the last time their
  // directory was synced.
  rocksdb::IOStatus RestorePower(bool directory_too);

  // Files of this kind that are open for writing.
  size_t OpenForWriting(const std::string& kind) const;
  // Files that are open for reading or writing.
  size_t OpenFiles() const;

  rocksdb::IOStatus NewSequentialFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSSequentialFile>* result,
      rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus NewRandomAccessFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
      rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus NewWritableFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* result,
      rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus ReopenWritableFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* result,
      rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus NewDirectory(const std::string& name,
                                 const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus FileExists(const std::string& name,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus GetChildren(const std::string& name,
                                const rocksdb::IOOptions& options,
                                std::vector<std::string>* result,
                                rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus GetFileSize(const std::string& name,
                                const rocksdb::IOOptions& options,
                                uint64_t* size,
                                rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus GetFileModificationTime(
      const std::string& name, const rocksdb::IOOptions& options,
      uint64_t* time, rocksdb::IODebugContext* dbg) override;

 private:
  class Reader;
  class SequentialReader;
  class Writer;
  class Directory;

  // What becomes of an operation.
  enum class Verdict { kGoesOn, kFails, kIsCutShort };
  // Counts it, and loses power if that is what is to happen; then, and if it
  // fails, *error says how.  `begun` does what the operation would do, for
  // power is lost in its midst; it may be null.
  Verdict Judge(FaultOp op, const std::string& name, rocksdb::IOStatus* error,
                const std::function<void()>& begun = nullptr);
  // The same for what cannot be cut short; OK if it goes on.
  rocksdb::IOStatus Check(FaultOp op, const std::string& name,
                          const std::function<void()>& begun = nullptr);
  void LosePower();

  const std::shared_ptr<rocksdb::FaultInjectionTestFS> below_;

  mutable std::mutex mutex_;  // guards what follows
  Fault fault_;
  bool healed_ = true;
  bool fired_ = false;
  FileOperation where_;
  std::vector<FileOperation> trace_;
  std::string step_;
  std::set<Writer*> writers_;
  size_t readers_ = 0;
};

// An Env of this file system in which nobody sleeps: RocksDB gives a broken
// machine a second after each error in the background.
std::unique_ptr<rocksdb::Env> NewFaultEnv(
    const std::shared_ptr<FaultFileSystem>& fs);

}  // namespace memkv
