// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// key_coding_bench: ways to keep the keys of a table, side by side: bytes a
// key, and nanoseconds of a look-up, of a step and of building.
//
//   key_coding_bench --keys=urls.txt
//   key_coding_bench --keys=apt-contents --codings=key_trie
//   key_coding_bench --keys=gen:hex:5000000
//   key_coding_bench --sets=shapes
//
// All codings get the same keys and the same look-ups in the same order. Each
// repeat builds everything anew and takes one after the other through:
//
//   build       a key or entry, all of the building
//   bytes       a key; of a file, an entry
//   memory      a file's reader and what is in the block cache when all of it
//               was read, an entry
//   hit, miss   a look-up of a key that is there; of a key one byte from one
//   worst_hit   the slowest of the hits: of each the least time of all repeats,
//               and of those the most
//   old         a look-up of a version at random, where keys have several
//   hits        look-ups of 32 keys at once, a key
//   seek        Seek of an iterator to a hit or a miss by turns; of a coding,
//               the rank of a miss
//   next, prev  a key or entry of a whole scan
//   size        ApproximateSize between two random keys
//
// Times are the CPU time of one thread, pinned, but for worst_hit, which is the
// wall's. Every answer is checked, but for ApproximateSize: exit 1 if one is
// wrong.
//
// --sets=shapes: every shape of keys (key_shapes.h) in the key trie beside
// front coding, where keys have no versions; and in FST files, with
// residency=pin (fst) and residency=cache (fst_cache), beside block-based ones,
// all compressed with LZ4, without filters, and read from a block cache that
// everything fits into. Segments of the key trie end where a table's do by
// default.
//
// key_coding_lines is the same program, slower, that shows also how many
// different cache lines a look-up waits for one after the other.

#include <fmt/format.h>
#include <gflags/gflags.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/shape_run.h"
#include "db_bench_ext/common/temp_dir.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/common/walk.h"
#include "db_bench_ext/key_coding_bench/codings.h"
#include "db_bench_ext/key_coding_bench/table_file.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/keys/shape_probes.h"
#include "plugin/memkv.h"
#include "rocksdb/convenience.h"
#include "util/cache_line_counter.h"
#include "util/simd.h"
#include "util/string_util.h"

DEFINE_string(sets, "keys",
              "keys: those of --keys; or shapes: the --shapes, in the codings "
              "front_coding and key_trie and in table files, block-based and "
              "FST, in $TMPDIR or /tmp.");

DEFINE_string(
    keys, "gen:urls:1000000",
    "A file of keys, one a line (- for standard input); apt-contents, "
    "Debian's Contents lists; gen:urls:N[:seed]; gen:hex:N[:seed], 16 random "
    "digits; gen:uint64:N[:seed], 8 random bytes.");
DEFINE_string(codings, "front_coding,key_trie",
              "Which; the first is what the others are compared with.");
DEFINE_uint64(limit, 0, "Lines to read at most, 0: all.");
DEFINE_uint64(queries, 1000000, "Look-ups a repetition.");
DEFINE_uint64(repeat, 5, "Repetitions.");
DEFINE_uint64(seed, 20260101, "Of keys and look-ups.");

namespace memkv {
namespace {

struct Subject {
  std::string name;
  size_t base;
  // Of a file; empty: a coding of that name.
  std::string options = {};
};

std::vector<Subject> SubjectsOfShapes() {
  const std::string lz4 = "compression=kLZ4Compression;table_factory=";
  return {{"front_coding", 0},
          {"key_trie", 0},
          {"block_based", 2, lz4 + "{id=BlockBasedTable;block_cache=8G}"},
          {"fst", 2, lz4 + "{id=fst;default_filter=none;block_cache=8G}"},
          {"fst_cache", 2, lz4 + "{id=fst;residency=cache;block_cache=8G}"}};
}

Comparison MakeReport(const std::vector<Subject>& subjects) {
  std::vector<Comparison::Subject> compared;
  for (const Subject& subject : subjects) {
    compared.push_back({subject.name, subject.base});
  }
  return {compared,
          {"build", "bytes", "memory", "hit", "worst_hit", "old", "miss",
           "hits", "seek", "next", "prev", "size"},
          {{"bytes", Comparison::Unit::kBytes},
           {"memory", Comparison::Unit::kBytes}}};
}

std::string_view View(const Slice& s) { return {s.data(), s.size()}; }

// One set of keys through everything.
class KeyCodingRun : public ShapeRun {
 public:
  // `dir` is an existing folder, for files of fixed names.
  KeyCodingRun(const KeyShape& shape, const std::vector<Subject>& subjects,
               uint64_t seed, size_t probes, const KeyCodingOptions& coding,
               const std::string& dir, Comparison* report)
      : shape_(shape),
        subjects_(subjects),
        coding_options_(coding),
        dir_(dir),
        report_(report),
        probes_(shape, seed, probes),
        keys_(shape.keys.begin(), shape.keys.end()),
        least_(subjects.size()) {
    for (const uint32_t entry : shape.entries) {
      key_sum_ += KeySum(keys_[entry]);
    }
  }

  void Repeat() override {
    for (subject_ = 0; subject_ < subjects_.size(); subject_++) {
      wrong_ = 0;
      if (!subjects_[subject_].options.empty()) {
        RunFile();
      } else if (shape_.entries.size() == keys_.size()) {
        RunCoding();
      }
      if (wrong_ > 0) {
        Fail(fmt::format("{} wrong answers", wrong_));
      }
    }
  }

  void Finish() override {
    for (size_t i = 0; i < subjects_.size(); i++) {
      if (!least_[i].empty()) {
        report_->Add(shape_.name, "worst_hit", i, least_[i].Worst());
      }
    }
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw Failure(Status::Corruption(
        subjects_[subject_].name + ", " + shape_.name, what));
  }
  void Add(const char* operation, double figure) {
    report_->Add(shape_.name, operation, subject_, figure);
  }
  // A number of bytes, of which each key or entry has its part.
  void AddSize(const char* operation, size_t bytes) {
    Add(operation, static_cast<double>(bytes) /
                       static_cast<double>(shape_.entries.size()));
  }
  // Measures what each of `count` operations takes that run() does together.
  template <typename Run>
  void Time(const char* operation, size_t count, const Run& run) {
    const CpuClock clock;
    run();
    Add(operation, clock.PerOperation(count));
  }
  // The same of is_right(i) for each i of `count`, unless there are none.
  template <typename IsRight>
  void TimeAll(const char* operation, size_t count, const IsRight& is_right) {
    if (count > 0) {
      Time(operation, count, [&] {
        for (size_t i = 0; i < count; i++) {
          wrong_ += is_right(i) ? 0 : 1;
        }
      });
    }
  }
  // Calls is_right(i) for each hit, and keeps the least time of each.
  template <typename IsRight>
  void TimeEachHit(const IsRight& is_right) {
    LeastTimes& least = least_[subject_];
    least.SetSize(probes_.hits.size());
    uint64_t last = WallNanos();
    for (size_t i = 0; i < probes_.hits.size(); i++) {
      wrong_ += is_right(i) ? 0 : 1;
      const uint64_t now = WallNanos();
      least.Add(i, static_cast<double>(now - last));
      last = now;
    }
  }
  // Scans, of which each returns the sum of all keys.
  template <typename Scan>
  void TimeScans(const Scan& scan) {
    for (const bool forwards : {true, false}) {
      Time(forwards ? "next" : "prev", probes_.rounds * shape_.entries.size(),
           [&] {
             for (size_t round = 0; round < probes_.rounds; round++) {
               wrong_ += scan(forwards) != key_sum_ ? 1 : 0;
             }
           });
    }
  }

  void RunCoding() {
    const std::unique_ptr<KeyCoding> coding =
        NewKeyCoding(subjects_[subject_].name, coding_options_);
    std::string reason;
    bool built = false;
    Time("build", keys_.size(), [&] { built = coding->Build(keys_, &reason); });
    if (!built || !coding->Validate(&reason)) {
      Fail(reason);
    }
    AddSize("bytes", coding->Bytes());
    const ShapeProbes::Gets& hits = probes_.hits;
    const ShapeProbes::Gets& misses = probes_.misses;
    const auto is_hit = [&](size_t i) {
      return coding->Find(View(hits.keys[i])) == hits.ranks[i];
    };
    TimeAll("hit", hits.size(), is_hit);
    Time("hits", hits.size(), [&] { FindAllHits(*coding); });
    TimeAll("miss", misses.size(), [&](size_t i) {
      return coding->Find(View(misses.keys[i])) == KeyCoding::kNotFound;
    });
    TimeAll("seek", misses.size(), [&](size_t i) {
      return coding->Rank(View(misses.keys[i])) == misses.ranks[i];
    });
    TimeScans([&](bool forwards) { return coding->Scan(forwards); });
    TimeEachHit(is_hit);
    PrintLines(*coding);
  }
  void FindAllHits(const KeyCoding& coding) {
    constexpr size_t kBatch = KeyCoding::kMaxBatch;
    for (size_t i = 0; i < probes_.hits.size(); i += kBatch) {
      std::string_view keys[kBatch];
      uint64_t ranks[kBatch];
      const size_t n = std::min(kBatch, probes_.hits.size() - i);
      for (size_t j = 0; j < n; j++) {
        keys[j] = View(probes_.hits.keys[i + j]);
      }
      coding.FindAll(keys, n, ranks);
      for (size_t j = 0; j < n; j++) {
        wrong_ += ranks[j] != probes_.hits.ranks[i + j] ? 1 : 0;
      }
    }
  }

  // Of the cache lines that look-ups wait for, where they are counted.
  void PrintLines([[maybe_unused]] const KeyCoding& coding) const {
#if defined(MEMKV_COUNT_LINES)
    fmt::print("{:<13}", subjects_[subject_].name);
    for (const auto* gets : {&probes_.hits, &probes_.misses}) {
      std::vector<size_t> lines;
      double sum = 0;
      for (size_t i = 0; i < gets->size(); i++) {
        CacheLineCounter::Start();
        coding.Find(View(gets->keys[i]));
        lines.push_back(CacheLineCounter::Lines());
        sum += static_cast<double>(lines.back());
      }
      std::sort(lines.begin(), lines.end());
      fmt::print("   {}: mean {:.1f}, median {}, 99% {}, most {}",
                 gets == &probes_.hits ? "hit" : "miss",
                 sum / static_cast<double>(lines.size()),
                 lines[lines.size() / 2], lines[lines.size() * 99 / 100],
                 lines.back());
    }
    fmt::print("\n");
#endif
  }

  void RunFile() {
    const Subject& subject = subjects_[subject_];
    rocksdb::ConfigOptions config;
    config.ignore_unsupported_options = false;
    rocksdb::Options options;
    Check(rocksdb::GetOptionsFromString(config, rocksdb::Options(),
                                        subject.options, &options));
    std::unique_ptr<BenchFile> file;
    Time("build", shape_.entries.size(), [&] {
      file = std::make_unique<BenchFile>(
          options, dir_ + "/" + subject.name + ".sst", shape_, probes_.sorted);
    });
    file->VerifyChecksum();
    AddSize("bytes", file->bytes());
    const std::unique_ptr<rocksdb::InternalIterator> it = file->NewIterator();
    // The sum of all keys, each entry's value read.
    const auto scan = [&](bool forwards) {
      uint64_t sum = 0;
      WalkAll(it.get(), forwards, [&] {
        sum += it->value().size() == 8 ? KeySum(View(it->user_key())) : 0;
      });
      return sum;
    };
    const auto get = [&](const ShapeProbes::Gets& gets) {
      return [&](size_t i) {
        return file->Get(gets.keys[i], gets.read_at[i]) == gets.found[i];
      };
    };
    const ShapeProbes::Gets& hits = probes_.hits;
    const ShapeProbes::Gets& misses = probes_.misses;
    // Everything is in memory before anything is timed.
    wrong_ += scan(true) != key_sum_ ? 1 : 0;
    TimeEachHit(get(hits));
    AddSize("memory", file->MemoryUsage());
    TimeAll("hit", hits.size(), get(hits));
    TimeAll("old", probes_.old.size(), get(probes_.old));
    TimeAll("miss", misses.size(), get(misses));
    TimeAll("seek", 2 * misses.size(), [&](size_t i) {
      return SeekFinds(it.get(), i % 2 == 0 ? hits : misses, i / 2);
    });
    TimeScans(scan);
    TimeAll("size", probes_.ranges.size(), [&](size_t i) {
      file->ApproximateSize(probes_.ranges[i].begin, probes_.ranges[i].end);
      return true;
    });
    TimeEachHit(get(hits));
    Check(it->status());
  }

  // Whether a seek meets the first key that is not less, or the end.
  bool SeekFinds(rocksdb::InternalIterator* it, const ShapeProbes::Gets& gets,
                 size_t i) const {
    const rocksdb::InternalKey key(gets.keys[i], rocksdb::kMaxSequenceNumber,
                                   rocksdb::kValueTypeForSeek);
    const size_t rank = gets.ranks[i];
    it->Seek(key.Encode());
    return it->Valid()
               ? rank < keys_.size() && View(it->user_key()) == keys_[rank] &&
                     it->value().size() == 8
               : rank == keys_.size();
  }

  const KeyShape& shape_;
  const std::vector<Subject> subjects_;
  const KeyCodingOptions coding_options_;
  const std::string dir_;
  Comparison* const report_;
  const ShapeProbes probes_;
  const std::vector<std::string_view> keys_;
  uint64_t key_sum_ = 0;           // of all entries
  std::vector<LeastTimes> least_;  // by subject, of the hits
  size_t subject_ = 0;             // what is measured now
  uint64_t wrong_ = 0;             // answers of it
};

void RunKeyShapes() {
  RegisterMemkv();
  // Only by their bytes, as those of a table with the default segment_size.
  KeyCodingOptions coding;
  coding.segment_keys = UINT32_MAX;
  coding.segment_bytes = size_t{256} << 10;
  // Those that differ only in when an entry arrives are the same tables.
  std::vector<std::string> different;
  for (const ShapeInfo& info : ListShapes()) {
    if (!info.same_keys || info.versions) {
      different.push_back(info.name);
    }
  }
  const ShapeRunOptions options = ShapeRunOfFlags(FLAGS_seed, different);
  const std::vector<Subject> subjects = SubjectsOfShapes();
  Comparison report = MakeReport(subjects);
  const TempDir dir(DefaultTempParent(), "key_coding_bench", false, nullptr);
  RunShapes(
      options,
      [&](const KeyShape& shape) {
        return std::make_unique<KeyCodingRun>(shape, subjects, FLAGS_seed + 2,
                                              ShapeProbes::kProbes, coding,
                                              dir.path(), &report);
      },
      &report, stdout);
}

void RunKeys() {
  KeySet input;
  ReadKeys(FLAGS_keys, FLAGS_limit, FLAGS_seed, &input);
  const KeyShape shape = ShapeOfKeys("keys", KeysOf(input.records), false, 0);
  fmt::print("{}: {} keys, {:.1f} bytes each, {} kernels\n", input.description,
             shape.keys.size(), shape.MeanEntryKeySize(), SimdName(kSimd));
  std::vector<Subject> subjects;
  for (const std::string& name : rocksdb::StringSplit(FLAGS_codings, ',')) {
    if (NewKeyCoding(name, KeyCodingOptions()) == nullptr) {
      Refuse("no coding is called " + name);
    }
    subjects.push_back({name, 0});
  }
  Comparison report = MakeReport(subjects);
  report.AddRow(shape.name);
  KeyCodingRun run(shape, subjects, FLAGS_seed + 1, FLAGS_queries,
                   KeyCodingOptions(), "", &report);
  for (uint64_t i = 0; i < std::max<uint64_t>(FLAGS_repeat, 1); i++) {
    run.Repeat();
  }
  run.Finish();
  report.PrintFigures(stdout);
}

void Run() {
  PinToCpu(0);
  if (ListShapesIfAsked()) {
    return;
  }
  if (FLAGS_sets == "shapes") {
    RunKeyShapes();
  } else if (FLAGS_sets == "keys") {
    RunKeys();
  } else {
    Refuse("--sets: there is no set " + FLAGS_sets);
  }
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) {
  gflags::SetUsageMessage("Compares ways to keep the keys of a table.");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return memkv::RunProgram("key_coding_bench", argc, argv, memkv::Run);
}
