// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// kill_writer DIR KILLS SECONDS SEED: writes with a synced WAL, is killed,
// opens the database again and looks for everything that was acknowledged;
// KILLS times, or for SECONDS, whichever ends first (0: no such end).
//
// The process starts a child that opens the database, verifies it and writes in
// four threads, until it is killed with SIGKILL.  What was acknowledged stands
// in memory that parent and children share, which a kill does not undo.
//
// A key is one thread's.  Its versions count up; the store of `begun` comes
// before the write and that of `done` after it was acknowledged.  So a key has
// version `done` or, of the write under way, `begun`; and of a batch under way
// all keys have the one, or all the other.  Every eighth version is a deletion.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "compat/open.h"
#include "plugin/memkv.h"
#include "rocksdb/db.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace {

using rocksdb::DB;
using rocksdb::Options;
using rocksdb::Status;

constexpr uint32_t kThreads = 4;
constexpr uint32_t kKeysPerThread = 4000;
constexpr uint32_t kMaxBatch = 6;

struct Key {
  std::atomic<uint32_t> begun;
  std::atomic<uint32_t> done;
};

struct Writer {
  // The batch under way: its keys, which differ; stored before `begun` of any.
  std::atomic<uint32_t> batch[kMaxBatch];
  std::atomic<uint32_t> batch_size;
  Key keys[kKeysPerThread];
};

// Zero-filled from the start.
struct Shared {
  std::atomic<uint64_t> acknowledged;
  std::atomic<bool> verified;
  Writer writers[kThreads];
};

std::string KeyName(uint32_t writer, uint32_t key) {
  return "https://example.org/tenant-" + std::to_string(writer) + "/table-" +
         std::to_string(key % 17) + "/row/" + std::to_string(key);
}

bool IsDeletion(uint32_t version) { return version % 8 == 0; }

// Of 30 bytes to 5 KB, told apart by its beginning.
std::string Value(uint32_t writer, uint32_t key, uint32_t version) {
  std::string value = std::to_string(version) + " " + KeyName(writer, key);
  value.resize(value.size() + version * 2654435761u % 8 * 600, '.');
  return value;
}

[[noreturn]] void Fail(const std::string& what) {
  fprintf(stderr, "kill_writer: %s\n", what.c_str());
  // As the database is: no destructor writes to it.
  _exit(1);
}

Options DrawOptions(std::mt19937_64* random) {
  const auto draw = [random](uint64_t n) { return (*random)() % n; };
  memkv::FstTableOptions fst;
  using Residency = memkv::FstTableOptions::Residency;
  const Residency residencies[] = {Residency::kAuto, Residency::kPin,
                                   Residency::kCache};
  fst.residency = residencies[draw(3)];
  fst.pinned_keys_limit = draw(2) != 0 ? 0 : 50000;
  fst.segment_size = draw(2) != 0 ? 0 : size_t{1} << (10 + draw(9));
  fst.inline_value_size = draw(3) * 100;
  fst.key_buffer_size = draw(2) != 0 ? 64 << 20 : 0;
  Options options;
  options.create_if_missing = true;
  options.table_factory.reset(memkv::NewFstTableFactory(fst));
  options.memtable_factory.reset(memkv::NewArtMemTableRepFactory());
  // Flushes and compactions are under way most of the time.
  options.write_buffer_size = size_t{64} << (10 + draw(4));
  options.level0_file_num_compaction_trigger = 2;
  options.target_file_size_base = 128 << 10;
  options.max_bytes_for_level_base = 512 << 10;
  options.max_background_jobs = 2;
  options.enable_pipelined_write = draw(2) != 0;
  options.enable_blob_files = draw(4) == 0;
  options.min_blob_size = 1000;
  return options;
}

// The version in the database; 0: none.
uint32_t Found(const Status& s, uint32_t writer, uint32_t key,
               const std::string& value) {
  if (s.IsNotFound()) return 0;
  if (!s.ok()) Fail("Get: " + s.ToString());
  const auto version = static_cast<uint32_t>(std::stoul(value));
  if (value != Value(writer, key, version)) {
    Fail(KeyName(writer, key) + " has no value of its own");
  }
  return version;
}

// Whether `found` is what a key of this version shows.
bool Shows(uint32_t found, uint32_t version) {
  return found == (IsDeletion(version) ? 0 : version);
}

// Verifies one writer's keys, and settles what the write under way came to.
void Verify(DB* db, uint32_t w, Writer* writer) {
  const uint32_t batch_size = writer->batch_size;
  // Of the batch under way: 1 it is there, 0 it is not, -1 not known.
  int there = -1;
  for (uint32_t k = 0; k < kKeysPerThread; ++k) {
    Key& key = writer->keys[k];
    std::string value;
    const Status s = db->Get(rocksdb::ReadOptions(), KeyName(w, k), &value);
    const uint32_t found = Found(s, w, k, value);
    const uint32_t begun = key.begun;
    const uint32_t done = key.done;
    const auto lost = [&] {
      Fail(KeyName(w, k) + " shows version " + std::to_string(found) +
           ", acknowledged was " + std::to_string(done) + ", begun " +
           std::to_string(begun));
    };
    if (begun == done) {
      if (!Shows(found, done)) lost();
      continue;
    }
    bool in_batch = false;
    for (uint32_t i = 0; i < batch_size; ++i) {
      in_batch |= writer->batch[i] == k;
    }
    if (!in_batch) Fail(KeyName(w, k) + " is under way outside a batch");
    const bool is_new = Shows(found, begun);
    if (!is_new && !Shows(found, done)) lost();
    if (there >= 0 && is_new != (there != 0)) {
      Fail("half of a batch is there: " + KeyName(w, k));
    }
    there = is_new ? 1 : 0;
    key.done = is_new ? begun : done;
    key.begun = key.done.load();
  }
}

// Counts what an iterator shows beside what there must be.
void VerifyScan(DB* db, const Shared& shared) {
  uint64_t expected = 0;
  for (const Writer& writer : shared.writers) {
    for (const Key& key : writer.keys) {
      expected += IsDeletion(key.done) ? 0 : 1;
    }
  }
  std::unique_ptr<rocksdb::Iterator> it(
      db->NewIterator(rocksdb::ReadOptions()));
  uint64_t seen = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++seen;
  if (!it->status().ok()) Fail("scan: " + it->status().ToString());
  if (seen != expected) {
    Fail("a scan shows " + std::to_string(seen) + " keys of " +
         std::to_string(expected));
  }
}

[[noreturn]] void WriteForever(DB* db, uint32_t w, uint64_t seed,
                               Shared* shared) {
  Writer& writer = shared->writers[w];
  std::mt19937_64 random(seed);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  for (;;) {
    const uint32_t size = 1 + random() % kMaxBatch;
    const uint32_t first = random() % kKeysPerThread;
    writer.batch_size = size;
    for (uint32_t i = 0; i < size; ++i) {
      writer.batch[i] = (first + i * 601) % kKeysPerThread;
    }
    rocksdb::WriteBatch batch;
    for (uint32_t i = 0; i < size; ++i) {
      const uint32_t k = writer.batch[i];
      const uint32_t version = writer.keys[k].done + 1;
      Status s = IsDeletion(version)
                     ? batch.Delete(KeyName(w, k))
                     : batch.Put(KeyName(w, k), Value(w, k, version));
      if (!s.ok()) Fail("batch: " + s.ToString());
      writer.keys[k].begun = version;
    }
    const Status s = db->Write(synced, &batch);
    if (!s.ok()) Fail("Write: " + s.ToString());
    for (uint32_t i = 0; i < size; ++i) {
      Key& key = writer.keys[writer.batch[i]];
      key.done = key.begun.load();
    }
    shared->acknowledged += size;
  }
}

// Opens and verifies; with `write` goes on until it is killed.
void RunChild(const std::string& dir, uint64_t seed, bool write,
              Shared* shared) {
  std::mt19937_64 random(seed);
  DB* db = nullptr;
  const Status s =
      DB::Open(DrawOptions(&random), dir, memkv::compat::Into(&db));
  if (!s.ok()) Fail("Open: " + s.ToString());
  for (uint32_t w = 0; w < kThreads; ++w) {
    Verify(db, w, &shared->writers[w]);
  }
  VerifyScan(db, *shared);
  shared->verified = true;
  if (!write) {
    delete db;
    return;
  }
  std::vector<std::thread> threads;
  for (uint32_t w = 0; w < kThreads; ++w) {
    threads.emplace_back(WriteForever, db, w, random(), shared);
  }
  for (std::thread& thread : threads) thread.join();
}

// Starts a child.  True if it did as it should.
bool Round(const std::string& dir, uint64_t seed, bool write, Shared* shared) {
  shared->verified = false;
  const pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child == 0) {
    RunChild(dir, seed, write, shared);
    _exit(0);
  }
  int status = 0;
  if (write) {
    while (!shared->verified) {
      if (waitpid(child, &status, WNOHANG) == child) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::mt19937_64 random(~seed);
    // Mostly when something has been written, however slow the machine is.
    const uint64_t before = shared->acknowledged;
    const bool waits = random() % 4 != 0;
    while (waits && shared->acknowledged == before) {
      if (waitpid(child, &status, WNOHANG) == child) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 300));
    kill(child, SIGKILL);
  }
  if (waitpid(child, &status, 0) != child) Fail("waitpid");
  return write ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
               : WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: kill_writer DIR KILLS SECONDS SEED\n");
    return 2;
  }
  const std::string dir = std::string(argv[1]) + "/db";
  const uint64_t kills = strtoull(argv[2], nullptr, 10);
  const auto seconds = std::chrono::seconds(strtoull(argv[3], nullptr, 10));
  const uint64_t seed = strtoull(argv[4], nullptr, 10);
  if (kills == 0 && seconds.count() == 0) Fail("neither KILLS nor SECONDS");
  // Not DestroyDB(): the threads that RocksDB starts for it would be missing in
  // the children, which would wait for them in vain.
  std::filesystem::remove_all(dir);

  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Fail("mmap");
  auto* const shared = new (memory) Shared;

  const auto begin = std::chrono::steady_clock::now();
  uint64_t killed = 0;
  while ((kills == 0 || killed < kills) &&
         (seconds.count() == 0 ||
          std::chrono::steady_clock::now() - begin < seconds)) {
    if (!Round(dir, seed + killed, true, shared)) {
      Fail("failed after " + std::to_string(killed) + " kills; seed " +
           std::to_string(seed) + ", database " + dir);
    }
    ++killed;
  }
  if (!Round(dir, seed + killed, false, shared)) {
    Fail("the last verification failed; database " + dir);
  }
  printf("kill_writer: %llu kills, %llu acknowledged writes, 0 lost\n",
         static_cast<unsigned long long>(killed),
         static_cast<unsigned long long>(shared->acknowledged.load()));
  std::filesystem::remove_all(dir);
  // Nothing to find.
  return shared->acknowledged == 0 ? 1 : 0;
}
