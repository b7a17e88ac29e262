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
// --sets=shapes runs every shape of keys that could be a cliff instead, and
// table files as well; see key_coding_shapes.h.
//
// key_coding_lines is the same program, slower, that shows instead how many
// different cache lines a look-up waits for one after the other.
//
// Every answer is compared with the sorted keys before anything is timed, and
// every scan's sum.  With --repeat=0 that is all: exit 1 if one is wrong.

#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "db_bench_ext/common/machine.h"
#include "db_bench_ext/common/temp_dir.h"
#include "db_bench_ext/common/timing.h"
#include "db_bench_ext/key_coding_bench/codings.h"
#include "db_bench_ext/key_coding_bench/shapes.h"
#include "db_bench_ext/keys/key_shapes.h"
#include "db_bench_ext/keys/key_source.h"
#include "db_bench_ext/keys/random_source.h"
#include "plugin/memkv.h"
#include "table/line_count.h"

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

struct Queries {
  std::vector<std::string> hits;
  std::vector<uint64_t> ranks;
  std::vector<std::string> misses;
};

Queries MakeQueries(const std::vector<std::string_view>& keys) {
  Queries queries;
  RandomSource random(FLAGS_seed + 1);
  while (queries.hits.size() < FLAGS_queries) {
    const uint64_t rank = random.Uniform(keys.size());
    queries.ranks.push_back(rank);
    queries.hits.emplace_back(keys[rank]);
    std::string miss(keys[rank]);
    if (!miss.empty()) {
      char& c = miss[miss.size() - 1 - random.Uniform((miss.size() + 1) / 2)];
      c = static_cast<char>(c ^ (1 + random.Uniform(15)));
    }
    while (std::binary_search(keys.begin(), keys.end(), miss)) {
      miss += "\x01";
    }
    queries.misses.push_back(std::move(miss));
  }
  return queries;
}

struct Subject {
  std::string name;
  std::unique_ptr<KeyCoding> coding;
  double build = 0;
  std::vector<double> times[5];
};

// "hits": a key of as many as a batch takes.
enum Time { kHit, kMiss, kNext, kPrev, kHits };
constexpr const char* kTimes[] = {"hit", "miss", "next", "prev", "hits"};

// Calls f with the first of a batch and how many it has.
template <class F>
void ForEachBatch(size_t n, F f) {
  for (size_t i = 0; i < n; i += KeyCoding::kMaxBatch) {
    f(i, std::min(KeyCoding::kMaxBatch, n - i));
  }
}

bool AnswersRight(const Subject& subject, const Queries& queries,
                  uint64_t key_sum) {
  uint64_t wrong = 0;
  for (size_t i = 0; i < queries.hits.size(); ++i) {
    wrong += subject.coding->Find(queries.hits[i]) != queries.ranks[i];
    wrong += subject.coding->Find(queries.misses[i]) != KeyCoding::kNotFound;
  }
  ForEachBatch(queries.hits.size(), [&](size_t begin, size_t n) {
    uint64_t ranks[KeyCoding::kMaxBatch];
    subject.coding->FindAll(&queries.hits[begin], n, ranks);
    for (size_t i = 0; i < n; ++i) {
      wrong += ranks[i] != queries.ranks[begin + i];
    }
  });
  std::string reason;
  if (!subject.coding->Validate(&reason)) {
    fprintf(stderr, "%s: %s\n", subject.name.c_str(), reason.c_str());
    return false;
  }
  wrong += subject.coding->Scan(true) != key_sum;
  wrong += subject.coding->Scan(false) != key_sum;
  if (wrong > 0) {
    fprintf(stderr, "%s: %llu wrong answers\n", subject.name.c_str(),
            static_cast<unsigned long long>(wrong));
  }
  return wrong == 0;
}

void Measure(Subject* subject, const Queries& queries, double num_keys) {
  uint64_t sum = 0;
  for (const Time what : {kHit, kMiss, kNext, kPrev, kHits}) {
    const double start = ThreadCpuNanos();
    double operations = num_keys;
    if (what == kHit || what == kMiss) {
      const auto& probes = what == kHit ? queries.hits : queries.misses;
      for (const std::string& key : probes) {
        sum += subject->coding->Find(key);
      }
      operations = static_cast<double>(probes.size());
    } else if (what == kHits) {
      ForEachBatch(queries.hits.size(), [&](size_t begin, size_t n) {
        uint64_t ranks[KeyCoding::kMaxBatch];
        subject->coding->FindAll(&queries.hits[begin], n, ranks);
        sum += ranks[n - 1];
      });
      operations = static_cast<double>(queries.hits.size());
    } else {
      sum += subject->coding->Scan(what == kNext);
    }
    subject->times[what].push_back((ThreadCpuNanos() - start) / operations);
  }
  volatile uint64_t used = sum;
  (void)used;
}

#if defined(MEMKV_COUNT_LINES)

// Of the cache lines that look-ups wait for.
void PrintLines(const Subject& subject, const Queries& queries) {
  printf("%-13s", subject.name.c_str());
  for (const auto* probes : {&queries.hits, &queries.misses}) {
    std::vector<size_t> lines;
    double sum = 0;
    for (const std::string& key : *probes) {
      LineCount::Start();
      subject.coding->Find(key);
      lines.push_back(LineCount::Lines());
      sum += static_cast<double>(lines.back());
    }
    std::sort(lines.begin(), lines.end());
    printf("   %s: mean %.1f, median %zu, 99%% %zu, most %zu",
           probes == &queries.hits ? "hit" : "miss",
           sum / static_cast<double>(lines.size()), lines[lines.size() / 2],
           lines[lines.size() * 99 / 100], lines.back());
  }
  printf("\n");
}

#endif

KeyCodingOptions CodingOptions() {
  KeyCodingOptions options;
  options.bucket_keys = static_cast<uint32_t>(FLAGS_bucket_keys);
  options.segment_keys = FLAGS_segment_keys;
  options.sample_bytes = FLAGS_sample_bytes;
  return options;
}

Status RunShapes() {
  KeyCodingShapeOptions options;
  options.shape.seed = FLAGS_seed;
  options.shape.scale = FLAGS_shape_scale;
  options.coding = CodingOptions();
  // Only by their bytes, as those of a table with the default segment_size.
  options.coding.segment_keys = UINT32_MAX;
  options.coding.segment_bytes = size_t{256} << 10;
  options.repeats = FLAGS_shape_repeat;
  options.seconds = FLAGS_shape_seconds;
  if (FLAGS_shape_repeat == 0) {
    return Status::InvalidArgument("--shape_repeat: 1 or more");
  }
  std::vector<std::string> shapes;
  std::string reason;
  if (!ParseShapes(FLAGS_shapes, options.shape, &shapes, &reason)) {
    return Status::InvalidArgument(reason);
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
  const Status s = dir.Create(DefaultTempParent(), "key_coding_bench", false);
  if (!s.ok()) {
    return s;
  }
  options.dir = dir.path();
  RememberCpus();
  PinToCpu(0);
  return RunKeyCodingShapes(shapes, options, stdout);
}

int Run() {
  if (FLAGS_shapes == "list") {
    printf("%s", DescribeShapes().c_str());
    return 0;
  }
  if (FLAGS_sets == "shapes") {
    RegisterMemkv();
    const Status s = RunShapes();
    if (!s.ok()) {
      fprintf(stderr, "key_coding_bench: FAILED: %s\n", s.ToString().c_str());
    }
    return s.ok() ? 0 : 1;
  }
  if (FLAGS_sets != "keys") {
    fprintf(stderr, "--sets: there is no set %s\n", FLAGS_sets.c_str());
    return 1;
  }
  KeySet input;
  const Status s =
      ReadKeys(FLAGS_keys, FLAGS_limit, FLAGS_seed, FLAGS_fetch_script, &input);
  if (!s.ok()) {
    fprintf(stderr, "%s\n", s.ToString().c_str());
    return 1;
  }
  std::vector<std::string_view> keys;
  uint64_t key_sum = 0;
  for (size_t i = 0; i < input.records.size(); ++i) {
    keys.emplace_back(input.records.key(i).data(), input.records.key(i).size());
    key_sum += KeySum(keys.back());
  }
  const auto n = static_cast<double>(keys.size());
  printf("%s: %zu keys, %.1f bytes each\n", input.description.c_str(),
         keys.size(), static_cast<double>(input.records.KeyBytes()) / n);
  RememberCpus();
  PinToCpu(0);

  const KeyCodingOptions options = CodingOptions();
  std::vector<Subject> subjects;
  std::istringstream names(FLAGS_codings);
  for (std::string name; std::getline(names, name, ',');) {
    Subject subject;
    subject.name = name;
    subject.coding = NewKeyCoding(name, options);
    if (subject.coding == nullptr) {
      fprintf(stderr, "no coding is called %s\n", name.c_str());
      return 1;
    }
    std::string reason;
    const double start = ThreadCpuNanos();
    if (!subject.coding->Build(keys, &reason)) {
      fprintf(stderr, "%s: %s\n", name.c_str(), reason.c_str());
      return 1;
    }
    subject.build = (ThreadCpuNanos() - start) / n;
    subjects.push_back(std::move(subject));
  }
  const Queries queries = MakeQueries(keys);
  for (const Subject& subject : subjects) {
    if (!AnswersRight(subject, queries, key_sum)) {
      return 1;
    }
  }
#if defined(MEMKV_COUNT_LINES)
  for (const Subject& subject : subjects) {
    PrintLines(subject, queries);
  }
  return 0;
#endif
  for (uint64_t i = 0; i < FLAGS_repeat; ++i) {
    for (Subject& subject : subjects) {
      Measure(&subject, queries, n);
    }
  }
  printf("%-13s %8s %8s", "", "bytes", "build");
  for (const char* what : kTimes) {
    printf(" %16s", what);
  }
  printf("\n");
  for (const Subject& subject : subjects) {
    printf("%-13s %8.3f %8.0f", subject.name.c_str(),
           static_cast<double>(subject.coding->Bytes()) / n, subject.build);
    for (const Time what : {kHit, kMiss, kNext, kPrev, kHits}) {
      if (FLAGS_repeat == 0) {
        break;
      }
      const double median = Median(subject.times[what]);
      printf(" %8.1f (%4.2fx)", median,
             Median(subjects[0].times[what]) / median);
    }
    printf("  %s\n", subject.coding->Parts().c_str());
  }
  return 0;
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) {
  gflags::SetUsageMessage("Compares ways to keep the keys of a table.");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return memkv::Run();
}
