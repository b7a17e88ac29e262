// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/file_codings.h"

#include "rocksdb/convenience.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "util/coding.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

Slice SliceOf(std::string_view s) { return {s.data(), s.size()}; }

class FileCoding : public KeyCoding {
 public:
  FileCoding(std::string path, std::string options)
      : path_(std::move(path)), text_(std::move(options)) {}

  ~FileCoding() override {
    iterator_.reset();
    reader_.reset();
    rocksdb::Env::Default()->DeleteFile(path_).PermitUncheckedError();
  }

  bool Build(const std::vector<std::string_view>& keys,
             std::string* reason) override {
    const Status s = BuildFile(keys);
    *reason = s.ToString();
    return s.ok();
  }

  bool Validate(std::string* reason) const override {
    const Status s = reader_->VerifyChecksum();
    *reason = s.ToString();
    return s.ok();
  }

  size_t Bytes() const override { return file_bytes_; }

  uint64_t Find(std::string_view key) const override {
    iterator_->Seek(SliceOf(key));
    return iterator_->Valid() && iterator_->key() == SliceOf(key)
               ? ValueOf(*iterator_)
               : kNotFound;
  }

  uint64_t Rank(std::string_view key) const override {
    iterator_->Seek(SliceOf(key));
    return iterator_->Valid() ? ValueOf(*iterator_) : num_keys_;
  }

  uint64_t Scan(bool forwards) const override {
    uint64_t sum = 0;
    rocksdb::Iterator* const it = iterator_.get();
    auto add = [&] {
      sum += KeySum(std::string_view(it->key().data(), it->key().size()));
    };
    if (forwards) {
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        add();
      }
    } else {
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        add();
      }
    }
    return sum;
  }

 private:
  static uint64_t ValueOf(const rocksdb::Iterator& it) {
    const Slice value = it.value();
    return value.size() == 8 ? ROCKSDB_NAMESPACE::DecodeFixed64(value.data())
                             : kNotFound;
  }

  Status BuildFile(const std::vector<std::string_view>& keys) {
    num_keys_ = keys.size();
    rocksdb::ConfigOptions config;
    config.ignore_unsupported_options = false;
    rocksdb::Options options;
    Status s = rocksdb::GetOptionsFromString(config, options, text_, &options);
    if (!s.ok()) {
      return s;
    }
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    s = writer.Open(path_);
    for (size_t i = 0; i < keys.size() && s.ok(); i++) {
      std::string value;
      ROCKSDB_NAMESPACE::PutFixed64(&value, i);
      s = writer.Put(SliceOf(keys[i]), value);
    }
    rocksdb::ExternalSstFileInfo info;
    if (s.ok()) {
      s = writer.Finish(&info);
    }
    if (!s.ok()) {
      return s;
    }
    file_bytes_ = info.file_size;
    reader_ = std::make_unique<rocksdb::SstFileReader>(options);
    s = reader_->Open(path_);
    if (s.ok()) {
      iterator_.reset(reader_->NewIterator(rocksdb::ReadOptions()));
    }
    return s;
  }

  const std::string path_;
  const std::string text_;
  size_t num_keys_ = 0;
  size_t file_bytes_ = 0;
  std::unique_ptr<rocksdb::SstFileReader> reader_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

std::unique_ptr<KeyCoding> NewFileCoding(const std::string& name,
                                         const std::string& dir) {
  const std::string path = dir + "/" + name + ".sst";
  if (name == "block_based") {
    return std::make_unique<FileCoding>(
        path,
        "compression=kLZ4Compression;"
        "table_factory={id=BlockBasedTable;block_cache=8G}");
  }
  if (name == "fst") {
    return std::make_unique<FileCoding>(
        path,
        "compression=kLZ4Compression;"
        "table_factory={id=fst;block_based={block_cache=8G}}");
  }
  return nullptr;
}

}  // namespace memkv
