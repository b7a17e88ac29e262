// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/db/fault_fs.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "env/composite_env_wrapper.h"
#include "file/filename.h"
#include "rocksdb/system_clock.h"

namespace memkv {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSRandomAccessFile;
using rocksdb::FSSequentialFile;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

constexpr char kPowerIsLost[] = "injected: power is lost";
// In place of a directory's name.
constexpr char kDirectory[] = "directory";

std::string KindOf(const std::string& path) {
  if (path == kDirectory) return path;
  const std::string name = path.substr(path.rfind('/') + 1);
  uint64_t number = 0;
  rocksdb::FileType type;
  if (!rocksdb::ParseFileName(name, &number, &type)) {
    const std::string suffix = ".sst";
    const bool external =
        name.size() > suffix.size() &&
        name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
    return external ? "external sst" : "other";
  }
  switch (type) {
    case rocksdb::kWalFile:
      return "wal";
    case rocksdb::kTableFile:
      return "sst";
    case rocksdb::kBlobFile:
      return "blob";
    case rocksdb::kDescriptorFile:
      return "manifest";
    case rocksdb::kCurrentFile:
      return "current";
    case rocksdb::kIdentityFile:
      return "identity";
    case rocksdb::kOptionsFile:
      return "options";
    case rocksdb::kTempFile:
      return "temporary";
    default:
      return "other";
  }
}

const char* VerbOf(FaultOp op) {
  switch (op) {
    case FaultOp::kOpen:
      return "open ";
    case FaultOp::kRead:
      return "read ";
    case FaultOp::kMetadata:
      return "ask about ";
    case FaultOp::kCreate:
      return "create ";
    case FaultOp::kAppend:
      return "append to ";
    case FaultOp::kSync:
      return "sync ";
    case FaultOp::kClose:
      return "close ";
    case FaultOp::kRename:
      return "rename to ";
    case FaultOp::kLink:
      return "link to ";
    case FaultOp::kSyncDirectory:
      return "sync ";
  }
  return "";
}

// What is left of the n-th read, which asked for `size` bytes and is cut short.
// Whoever reads whole pages is given whole pages, as by a file system.
void CutShort(uint64_t n, size_t size, size_t page, Slice* result) {
  size_t left = n % 2 == 0 ? 0 : result->size() / 2;
  if (size % page == 0) left = left / page * page;
  *result = Slice(result->data(), left);
}

}  // namespace

const char FaultFileSystem::kInjected[] = "injected error";

std::string FileOperation::Name() const {
  return VerbOf(op) + file + (step.empty() ? "" : " in " + step);
}

// ---- The Env ----------------------------------------------------------------

namespace {

class SleeplessClock : public rocksdb::SystemClockWrapper {
 public:
  using SystemClockWrapper::SystemClockWrapper;
  const char* Name() const override { return "SleeplessClock"; }
  void SleepForMicroseconds(int /*micros*/) override {}
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewFaultEnv(
    const std::shared_ptr<FaultFileSystem>& fs) {
  return std::make_unique<rocksdb::CompositeEnvWrapper>(
      rocksdb::Env::Default(), fs,
      std::make_shared<SleeplessClock>(rocksdb::SystemClock::Default()));
}

// ---- Files ------------------------------------------------------------------

class FaultFileSystem::Reader : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  Reader(FaultFileSystem* fs, std::string name,
         std::unique_ptr<FSRandomAccessFile>&& file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)),
        fs_(fs),
        name_(std::move(name)) {
    const std::lock_guard<std::mutex> lock(fs_->mutex_);
    ++fs_->readers_;
  }
  ~Reader() override {
    const std::lock_guard<std::mutex> lock(fs_->mutex_);
    --fs_->readers_;
  }

  IOStatus Read(uint64_t offset, size_t n, const IOOptions& options,
                Slice* result, char* scratch,
                IODebugContext* dbg) const override {
    IOStatus s;
    const Verdict verdict = fs_->Judge(FaultOp::kRead, name_, &s);
    if (verdict == Verdict::kFails) return s;
    s = target()->Read(offset, n, options, result, scratch, dbg);
    if (s.ok() && verdict == Verdict::kIsCutShort) {
      CutShort(fs_->fault_.at, n, GetRequiredBufferAlignment(), result);
    }
    return s;
  }
  // Each request is a read of its own, and so counted.
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t n,
                     const IOOptions& options, IODebugContext* dbg) override {
    return FSRandomAccessFile::MultiRead(requests, n, options, dbg);
  }
  IOStatus ReadAsync(rocksdb::FSReadRequest& request, const IOOptions& options,
                     std::function<void(rocksdb::FSReadRequest&, void*)> done,
                     void* arg, void** handle,
                     rocksdb::IOHandleDeleter* deleter,
                     IODebugContext* dbg) override {
    return FSRandomAccessFile::ReadAsync(request, options, std::move(done), arg,
                                         handle, deleter, dbg);
  }
  IOStatus Prefetch(uint64_t, size_t, const IOOptions&,
                    IODebugContext*) override {
    return IOStatus::NotSupported("counted reads only");
  }

 private:
  FaultFileSystem* const fs_;
  const std::string name_;
};

class FaultFileSystem::SequentialReader
    : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  SequentialReader(FaultFileSystem* fs, std::string name,
                   std::unique_ptr<FSSequentialFile>&& file)
      : FSSequentialFileOwnerWrapper(std::move(file)),
        fs_(fs),
        name_(std::move(name)) {
    const std::lock_guard<std::mutex> lock(fs_->mutex_);
    ++fs_->readers_;
  }
  ~SequentialReader() override {
    const std::lock_guard<std::mutex> lock(fs_->mutex_);
    --fs_->readers_;
  }

  // A short read would be the file's end: it is an error here.
  IOStatus Read(size_t n, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* dbg) override {
    IOStatus s;
    if (fs_->Judge(FaultOp::kRead, name_, &s) == Verdict::kFails) return s;
    return target()->Read(n, options, result, scratch, dbg);
  }

 private:
  FaultFileSystem* const fs_;
  const std::string name_;
};

class FaultFileSystem::Writer : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  Writer(FaultFileSystem* fs, std::string name,
         std::unique_ptr<FSWritableFile>&& file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        fs_(fs),
        name_(std::move(name)),
        kind_(KindOf(name_)) {
    const std::lock_guard<std::mutex> lock(fs_->mutex_);
    fs_->writers_.insert(this);
  }
  ~Writer() override { Forget(); }

  const std::string& kind() const { return kind_; }

  IOStatus Append(const Slice& data, const IOOptions& options,
                  IODebugContext* dbg) override {
    return Do(FaultOp::kAppend, [&] {
      const IOStatus s = target()->Append(data, options, dbg);
      if (s.ok()) appended_ += data.size();
      return s;
    });
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const DataVerificationInfo& /*info*/,
                  IODebugContext* dbg) override {
    return Append(data, options, dbg);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset,
                            const IOOptions& options,
                            IODebugContext* dbg) override {
    return Do(FaultOp::kAppend, [&] {
      return target()->PositionedAppend(data, offset, options, dbg);
    });
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset,
                            const IOOptions& options,
                            const DataVerificationInfo& /*info*/,
                            IODebugContext* dbg) override {
    return PositionedAppend(data, offset, options, dbg);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
    // How much a sync that is interrupted writes, LosePower() decides.
    const IOStatus s = fs_->Check(FaultOp::kSync, name_);
    if (!s.ok()) return s;
    const uint64_t size = appended_;
    IOStatus synced = target()->Sync(options, dbg);
    if (synced.ok()) synced_ = size;
    return synced;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    return Sync(options, dbg);
  }
  IOStatus RangeSync(uint64_t offset, uint64_t n, const IOOptions& options,
                     IODebugContext* dbg) override {
    const IOStatus s = fs_->Check(FaultOp::kSync, name_);
    return s.ok() ? target()->RangeSync(offset, n, options, dbg) : s;
  }
  IOStatus Close(const IOOptions& options, IODebugContext* dbg) override {
    Forget();
    const IOStatus s = fs_->Check(FaultOp::kClose, name_);
    return s.ok() ? target()->Close(options, dbg) : s;
  }

  // Of what is not synced, writes a part, or nothing, or all.
  void WritePart(std::mt19937_64* rng) {
    const uint64_t unsynced = appended_ - synced_;
    const uint64_t kept[] = {0, unsynced, (*rng)() % (unsynced + 1)};
    const uint64_t n = kept[(*rng)() % 3];
    if (n == 0) return;
    target()
        ->RangeSync(synced_, n, IOOptions(), nullptr)
        .PermitUncheckedError();
  }

 private:
  IOStatus Do(FaultOp op, const std::function<IOStatus()>& operation) {
    const IOStatus s =
        fs_->Check(op, name_, [&] { operation().PermitUncheckedError(); });
    return s.ok() ? operation() : s;
  }
  void Forget() {
    const std::lock_guard<std::mutex> lock(fs_->mutex_);
    fs_->writers_.erase(this);
  }

  FaultFileSystem* const fs_;
  const std::string name_;
  const std::string kind_;
  std::atomic<uint64_t> appended_{0};
  std::atomic<uint64_t> synced_{0};
};

class FaultFileSystem::Directory : public FSDirectory {
 public:
  Directory(FaultFileSystem* fs, std::unique_ptr<FSDirectory>&& directory)
      : fs_(fs), target_(std::move(directory)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    const IOStatus s = Check();
    return s.ok() ? target_->Fsync(options, dbg) : s;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* dbg,
                               const rocksdb::DirFsyncOptions& how) override {
    const IOStatus s = Check();
    return s.ok() ? target_->FsyncWithDirOptions(options, dbg, how) : s;
  }
  IOStatus Close(const IOOptions& options, IODebugContext* dbg) override {
    return target_->Close(options, dbg);
  }
  size_t GetUniqueId(char* id, size_t max_size) const override {
    return target_->GetUniqueId(id, max_size);
  }

 private:
  // Power may be lost just before a directory is synced, or just after.
  IOStatus Check() {
    return fs_->Check(FaultOp::kSyncDirectory, kDirectory, [&] {
      if (fs_->fault_.seed % 2 == 0) {
        target_->Fsync(IOOptions(), nullptr).PermitUncheckedError();
      }
    });
  }

  FaultFileSystem* const fs_;
  const std::unique_ptr<FSDirectory> target_;
};

// ---- The file system --------------------------------------------------------

FaultFileSystem::FaultFileSystem(
    const std::shared_ptr<rocksdb::FileSystem>& real, bool loses_data)
    : FileSystemWrapper(std::make_shared<rocksdb::FaultInjectionTestFS>(real)),
      below_(std::static_pointer_cast<rocksdb::FaultInjectionTestFS>(target_)) {
  below_->SetInjectUnsyncedDataLoss(loses_data);
}

FaultFileSystem::~FaultFileSystem() = default;

void FaultFileSystem::Arm(const Fault& fault) {
  const std::lock_guard<std::mutex> lock(mutex_);
  fault_ = fault;
  healed_ = false;
  fired_ = false;
  trace_.clear();
}

void FaultFileSystem::Heal() {
  const std::lock_guard<std::mutex> lock(mutex_);
  healed_ = true;
}

bool FaultFileSystem::fired() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return fired_;
}

FileOperation FaultFileSystem::where() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return where_;
}

std::vector<FileOperation> FaultFileSystem::trace() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return trace_;
}

void FaultFileSystem::SetStep(const std::string& step) {
  const std::lock_guard<std::mutex> lock(mutex_);
  step_ = step;
}

IOStatus FaultFileSystem::RestorePower(bool directory_too) {
  Heal();
  below_->SetFilesystemActive(true);
  IOStatus s = below_->DropUnsyncedFileData();
  if (s.ok() && directory_too) {
    s = below_->DeleteFilesCreatedAfterLastDirSync(IOOptions(), nullptr);
  }
  below_->ResetState();
  return s;
}

size_t FaultFileSystem::OpenForWriting(const std::string& kind) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<size_t>(
      std::count_if(writers_.begin(), writers_.end(),
                    [&](const Writer* w) { return w->kind() == kind; }));
}

size_t FaultFileSystem::OpenFiles() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return writers_.size() + readers_;
}

FaultFileSystem::Verdict FaultFileSystem::Judge(
    FaultOp op, const std::string& name, IOStatus* error,
    const std::function<void()>& begun) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (healed_) return Verdict::kGoesOn;
  FileOperation operation{op, KindOf(name), step_};
  if (!fault_.counts(operation)) return Verdict::kGoesOn;
  trace_.push_back(operation);
  if (trace_.size() == fault_.at) {
    fired_ = true;
    where_ = std::move(operation);
  } else if (!fired_ || !fault_.lasts) {
    return Verdict::kGoesOn;
  }
  switch (fault_.what) {
    case What::kError:
      break;
    case What::kShortRead:
      if (op == FaultOp::kRead) return Verdict::kIsCutShort;
      break;
    case What::kPowerLoss:
      lock.unlock();
      if (begun != nullptr) begun();
      LosePower();
      *error = IOStatus::IOError(kPowerIsLost);
      return Verdict::kFails;
  }
  *error = fault_.error;
  return Verdict::kFails;
}

IOStatus FaultFileSystem::Check(FaultOp op, const std::string& name,
                                const std::function<void()>& begun) {
  IOStatus s;
  Judge(op, name, &s, begun);
  return s;
}

void FaultFileSystem::LosePower() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::mt19937_64 rng(fault_.seed);
  for (Writer* const writer : writers_) writer->WritePart(&rng);
  below_->SetFilesystemActive(false, IOStatus::IOError(kPowerIsLost));
}

IOStatus FaultFileSystem::NewSequentialFile(
    const std::string& name, const FileOptions& options,
    std::unique_ptr<FSSequentialFile>* result, IODebugContext* dbg) {
  IOStatus s = Check(FaultOp::kOpen, name);
  if (s.ok()) s = target()->NewSequentialFile(name, options, result, dbg);
  if (s.ok()) {
    *result =
        std::make_unique<SequentialReader>(this, name, std::move(*result));
  }
  return s;
}

IOStatus FaultFileSystem::NewRandomAccessFile(
    const std::string& name, const FileOptions& options,
    std::unique_ptr<FSRandomAccessFile>* result, IODebugContext* dbg) {
  IOStatus s = Check(FaultOp::kOpen, name);
  if (s.ok()) s = target()->NewRandomAccessFile(name, options, result, dbg);
  if (s.ok()) {
    *result = std::make_unique<Reader>(this, name, std::move(*result));
  }
  return s;
}

IOStatus FaultFileSystem::NewWritableFile(
    const std::string& name, const FileOptions& options,
    std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) {
  const auto create = [&] {
    return target()->NewWritableFile(name, options, result, dbg);
  };
  IOStatus s = Check(FaultOp::kCreate, name, [&] {
    create().PermitUncheckedError();
    result->reset();
  });
  if (s.ok()) s = create();
  if (s.ok()) {
    *result = std::make_unique<Writer>(this, name, std::move(*result));
  }
  return s;
}

IOStatus FaultFileSystem::ReopenWritableFile(
    const std::string& name, const FileOptions& options,
    std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) {
  IOStatus s = Check(FaultOp::kCreate, name);
  if (s.ok()) s = target()->ReopenWritableFile(name, options, result, dbg);
  if (s.ok()) {
    *result = std::make_unique<Writer>(this, name, std::move(*result));
  }
  return s;
}

IOStatus FaultFileSystem::NewDirectory(const std::string& name,
                                       const IOOptions& options,
                                       std::unique_ptr<FSDirectory>* result,
                                       IODebugContext* dbg) {
  IOStatus s = target()->NewDirectory(name, options, result, dbg);
  if (s.ok()) {
    *result = std::make_unique<Directory>(this, std::move(*result));
  }
  return s;
}

IOStatus FaultFileSystem::RenameFile(const std::string& from,
                                     const std::string& to,
                                     const IOOptions& options,
                                     IODebugContext* dbg) {
  const auto rename = [&] {
    return target()->RenameFile(from, to, options, dbg);
  };
  const IOStatus s =
      Check(FaultOp::kRename, to, [&] { rename().PermitUncheckedError(); });
  return s.ok() ? rename() : s;
}

IOStatus FaultFileSystem::LinkFile(const std::string& from,
                                   const std::string& to,
                                   const IOOptions& options,
                                   IODebugContext* dbg) {
  const auto link = [&] { return target()->LinkFile(from, to, options, dbg); };
  const IOStatus s =
      Check(FaultOp::kLink, to, [&] { link().PermitUncheckedError(); });
  return s.ok() ? link() : s;
}

IOStatus FaultFileSystem::FileExists(const std::string& name,
                                     const IOOptions& options,
                                     IODebugContext* dbg) {
  const IOStatus s = Check(FaultOp::kMetadata, name);
  return s.ok() ? target()->FileExists(name, options, dbg) : s;
}

IOStatus FaultFileSystem::GetChildren(const std::string& name,
                                      const IOOptions& options,
                                      std::vector<std::string>* result,
                                      IODebugContext* dbg) {
  const IOStatus s = Check(FaultOp::kMetadata, kDirectory);
  return s.ok() ? target()->GetChildren(name, options, result, dbg) : s;
}

IOStatus FaultFileSystem::GetFileSize(const std::string& name,
                                      const IOOptions& options, uint64_t* size,
                                      IODebugContext* dbg) {
  const IOStatus s = Check(FaultOp::kMetadata, name);
  return s.ok() ? target()->GetFileSize(name, options, size, dbg) : s;
}

IOStatus FaultFileSystem::GetFileModificationTime(const std::string& name,
                                                  const IOOptions& options,
                                                  uint64_t* time,
                                                  IODebugContext* dbg) {
  const IOStatus s = Check(FaultOp::kMetadata, name);
  return s.ok() ? target()->GetFileModificationTime(name, options, time, dbg)
                : s;
}

}  // namespace memkv
