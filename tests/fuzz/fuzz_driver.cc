// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// A main for a fuzz target where there is no libFuzzer:
//   TARGET N        runs N inputs of a seeded generator
//   TARGET FILE...  runs the files, e.g. one that either main has left behind
// No coverage guides it: an input is random bytes, or an earlier one changed.
// One whose check fails is written to failed-input in the working folder.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/util/key_trie_test_util.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace memkv {

namespace {

constexpr size_t kKept = 64;
constexpr const char* kFailedInput = "failed-input";

std::string NewInput(std::mt19937_64* rng) {
  std::string s = RandomBytes(rng, (*rng)() % (1ull << (3 + (*rng)() % 9)));
  const uint64_t letters = (*rng)() % 3;
  for (char& c : s) {
    // Also of few different bytes, and of small ones.
    if (letters == 1 || (letters == 2 && (*rng)() % 2 == 0)) {
      c = static_cast<char>(c & 3);
    }
  }
  return s;
}

void Change(std::string* s, std::mt19937_64* rng) {
  for (uint64_t n = 1 + (*rng)() % 4; n > 0; --n) {
    const size_t at = (*rng)() % (s->size() + 1);
    switch ((*rng)() % 4) {
      case 0:
        s->insert(at, RandomBytes(rng, 1 + (*rng)() % 8));
        break;
      case 1:
        s->erase(at, 1 + (*rng)() % 8);
        break;
      case 2:
        s->insert(at, s->substr((*rng)() % (s->size() + 1), 16));
        break;
      default:
        if (at < s->size()) {
          (*s)[at] = static_cast<char>((*rng)());
        }
        break;
    }
  }
}

bool Run(const std::string& input) {
  // Exactly as long as it is, for AddressSanitizer.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  try {
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    return true;
  } catch (const std::exception& e) {
    std::ofstream(kFailedInput, std::ios::binary) << input;
    fprintf(stderr, "FAILED: %s\nThe input is in %s\n", e.what(), kFailedInput);
    return false;
  }
}

int RunFiles(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      fprintf(stderr, "%s: cannot be read\n", argv[i]);
      return 2;
    }
    const std::string input((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    if (!Run(input)) {
      return 1;
    }
  }
  printf("fuzz: OK, %d files\n", argc - 1);
  return 0;
}

int RunGenerated(uint64_t executions) {
  std::mt19937_64 rng(TestSeed());
  fflush(stdout);  // A crash must not take the seed with it.
  std::vector<std::string> kept(kKept);
  for (uint64_t i = 0; i < executions; ++i) {
    std::string input = kept[rng() % kKept];
    if (rng() % 2 == 0) {
      input = NewInput(&rng);
    } else {
      Change(&input, &rng);
    }
    input.resize(std::min(input.size(), size_t{4096}));
    if (!Run(input)) {
      return 1;
    }
    kept[rng() % kKept] = std::move(input);
  }
  printf("fuzz: OK, %llu inputs\n",
         static_cast<unsigned long long>(executions));
  return 0;
}

}  // namespace

}  // namespace memkv

int main(int argc, char** argv) {
  char* end = nullptr;
  const uint64_t n = argc == 2 ? strtoull(argv[1], &end, 10) : 0;
  if (n > 0 && *end == '\0') {
    return memkv::RunGenerated(n);
  }
  if (argc < 2) {
    fprintf(stderr, "usage: %s N | FILE...\n", argv[0]);
    return 2;
  }
  return memkv::RunFiles(argc, argv);
}
