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
// All codings get the same keys and the same look-ups in the same order; every
// repetition measures one after the other, and medians are shown, with how many
// times better than the first coding.  CPU time of one thread, pinned.  A miss
// is a key with one byte of its second half changed.
//
// --sets=shapes: see shapes.h. key_coding_lines is the same program, slower,
// that shows instead how many different cache lines a look-up waits for one
// after the other.
//
// Every answer is compared with the sorted keys, and every scan's sum: exit 1
// if one is wrong.  With --repeat=0 that is all.

#include <fmt/format.h>
#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/temp_dir.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/key_coding_bench/codings.h"
#include "db_bench_ext/key_coding_bench/shapes.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/keys/random.h"
#include "plugin/memkv.h"
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
DEFINE_uint64(bucket_keys, 64, "Keys a bucket of the tries.");
DEFINE_uint64(segment_keys, 8192, "Keys a segment of the tries.");
DEFINE_uint64(sample_bytes, 8 << 20,
              "Of suffixes, to train the dictionary with.");
DEFINE_uint64(seed, 20260101, "Of keys and look-ups.");
DEFINE_string(shapes, "all",
              "Which shapes of keys, by commas; --shapes=list names them. All "
              "are those that differ in their keys or versions.");
DEFINE_double(shape_scale, 1,
              "What the numbers of keys of shapes are multiplied with.");
DEFINE_uint64(shape_repeat, 3, "Repeats of a shape.");
DEFINE_double(shape_seconds, 20,
              "A shape that has taken so long is not repeated once more.");
DEFINE_string(fetch_script, memkv::kFetchContents,
              "The script that writes the Contents lists.");

namespace memkv {
namespace {

using rocksdb::Status;

CodingProbes MakeProbes(const std::vector<std::string_view>& keys) {
  CodingProbes probes;
  probes.num_keys = keys.size();
  for (const std::string_view key : keys) {
    probes.key_sum += KeySum(key);
  }
  RandomSource random(FLAGS_seed + 1);
  while (probes.hits.size() < FLAGS_queries) {
    const uint64_t rank = random.Uniform(keys.size());
    probes.ranks.push_back(rank);
    probes.hits.emplace_back(keys[rank]);
    std::string miss(keys[rank]);
    if (!miss.empty()) {
      char& c = miss[miss.size() - 1 - random.Uniform((miss.size() + 1) / 2)];
      c = static_cast<char>(c ^ (1 + random.Uniform(15)));
    }
    while (std::binary_search(keys.begin(), keys.end(), miss)) {
      miss += "\x01";
    }
    probes.miss_ranks.push_back(static_cast<uint64_t>(
        std::lower_bound(keys.begin(), keys.end(), miss) - keys.begin()));
    probes.misses.push_back(std::move(miss));
  }
  return probes;
}

struct Subject {
  std::string name;
  std::unique_ptr<KeyCoding> coding;
  double build = 0;
  std::map<std::string, std::vector<double>> times;  // by operation
};

void Measure(const CodingProbes& probes, Subject* subject) {
  const uint64_t wrong = MeasureCoding(
      *subject->coding, probes, [&](const char* operation, double nanos) {
        subject->times[operation].push_back(nanos);
      });
  if (wrong > 0) {
    Check(Status::Corruption(subject->name,
                             fmt::format("{} wrong answers", wrong)));
  }
}

#if defined(MEMKV_COUNT_LINES)

// Of the cache lines that look-ups wait for.
void PrintLines(const Subject& subject, const CodingProbes& queries) {
  fmt::print("{:<13}", subject.name);
  for (const auto* probes : {&queries.hits, &queries.misses}) {
    std::vector<size_t> lines;
    double sum = 0;
    for (const std::string& key : *probes) {
      CacheLineCounter::Start();
      subject.coding->Find(key);
      lines.push_back(CacheLineCounter::Lines());
      sum += static_cast<double>(lines.back());
    }
    std::sort(lines.begin(), lines.end());
    fmt::print("   {}: mean {:.1f}, median {}, 99% {}, most {}",
               probes == &queries.hits ? "hit" : "miss",
               sum / static_cast<double>(lines.size()), lines[lines.size() / 2],
               lines[lines.size() * 99 / 100], lines.back());
  }
  fmt::print("\n");
}

#endif

KeyCodingOptions CodingOptions() {
  KeyCodingOptions options;
  options.bucket_keys = static_cast<uint32_t>(FLAGS_bucket_keys);
  options.segment_keys = FLAGS_segment_keys;
  options.sample_bytes = FLAGS_sample_bytes;
  return options;
}

void RunKeyShapes() {
  ShapeRunOptions options = {
      {FLAGS_seed, FLAGS_shape_scale}, FLAGS_shape_repeat, FLAGS_shape_seconds};
  // Only by their bytes, as those of a table with the default segment_size.
  KeyCodingOptions coding = CodingOptions();
  coding.segment_keys = UINT32_MAX;
  coding.segment_bytes = size_t{256} << 10;
  if (FLAGS_shape_repeat == 0) {
    Refuse("--shape_repeat: 1 or more");
  }
  std::vector<std::string> shapes;
  std::string reason;
  if (!ParseShapes(FLAGS_shapes, options.shape, &shapes, &reason)) {
    Refuse(reason);
  }
  if (FLAGS_shapes == "all") {
    // Those that differ only in when an entry arrives are the same tables.
    shapes.clear();
    for (const ShapeInfo& info : ListShapes()) {
      if (!info.same_keys || info.versions) {
        shapes.push_back(info.name);
      }
    }
  }
  TempDir dir;
  Check(dir.Create(DefaultTempParent(), "key_coding_bench", false));
  Check(RunKeyCodingShapes(shapes, options, coding, dir.path(), stdout));
}

// Builds all --codings of the keys.
std::vector<Subject> MakeSubjects(const std::vector<std::string_view>& keys) {
  std::vector<Subject> subjects;
  for (const std::string& name : rocksdb::StringSplit(FLAGS_codings, ',')) {
    Subject subject;
    subject.name = name;
    subject.coding = NewKeyCoding(name, CodingOptions());
    if (subject.coding == nullptr) {
      Refuse("no coding is called " + name);
    }
    std::string reason;
    const CpuClock clock;
    if (!subject.coding->Build(keys, &reason)) {
      Refuse(name, reason);
    }
    subject.build = clock.PerOperation(keys.size());
    if (!subject.coding->Validate(&reason)) {
      Check(Status::Corruption(name, reason));
    }
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

[[maybe_unused]] void PrintTable(const std::vector<Subject>& subjects,
                                 double num_keys) {
  constexpr const char* kTimes[] = {"hit", "miss", "next", "prev", "hits"};
  fmt::print("{:13} {:>8} {:>8}", "", "bytes", "build");
  for (const char* what : kTimes) {
    fmt::print(" {:>16}", what);
  }
  fmt::print("\n");
  for (const Subject& subject : subjects) {
    fmt::print("{:<13} {:8.3f} {:8.0f}", subject.name,
               static_cast<double>(subject.coding->Bytes()) / num_keys,
               subject.build);
    for (const char* what : kTimes) {
      if (FLAGS_repeat > 0) {
        const double median = Median(subject.times.at(what));
        fmt::print(" {:8.1f} ({:4.2f}x)", median,
                   Median(subjects[0].times.at(what)) / median);
      }
    }
    fmt::print("  {}\n", subject.coding->Parts());
  }
}

void RunKeys() {
  KeySet input;
  Check(ReadKeys(FLAGS_keys, FLAGS_limit, FLAGS_seed, FLAGS_fetch_script,
                 &input));
  std::vector<std::string_view> keys;
  for (size_t i = 0; i < input.records.size(); ++i) {
    keys.emplace_back(input.records.key(i).data(), input.records.key(i).size());
  }
  const auto n = static_cast<double>(keys.size());
  fmt::print("{}: {} keys, {:.1f} bytes each, {} kernels\n", input.description,
             keys.size(), static_cast<double>(input.records.KeyBytes()) / n,
             SimdName(kSimd));
  std::vector<Subject> subjects = MakeSubjects(keys);
  const CodingProbes probes = MakeProbes(keys);
#if defined(MEMKV_COUNT_LINES)
  for (Subject& subject : subjects) {
    Measure(probes, &subject);
    PrintLines(subject, probes);
  }
#else
  for (uint64_t i = 0; i < std::max<uint64_t>(FLAGS_repeat, 1); ++i) {
    for (Subject& subject : subjects) {
      Measure(probes, &subject);
    }
  }
  PrintTable(subjects, n);
#endif
}

void Run() {
  RememberCpus();
  PinToCpu(0);
  if (FLAGS_shapes == "list") {
    fmt::print("{}", DescribeShapes());
  } else if (FLAGS_sets == "shapes") {
    RegisterMemkv();
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
  try {
    memkv::Run();
  } catch (const memkv::Failure& failure) {
    std::fflush(stdout);
    fmt::print(stderr, "key_coding_bench: FAILED: {}\n", failure.what());
    return 1;
  }
  return 0;
}
