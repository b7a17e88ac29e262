// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Damages FST files without an end, and drives tables and databases over them;
// tests/corruption/hostile_files_test.cc says what is demanded of them, and
// tries each kind of damage once.
//
//   fuzz_files [--seconds=60] [--seed=1] [--shape=NAME] [--keep=FOLDER]
//   fuzz_files --shape=NAME [--not-repaired] FILE...
//
// The first form runs new inputs, of one shape or of all in turn, from a seeded
// generator.  An input that crashes, hangs, breaks a limit or is answered with
// a lie is kept in FOLDER, and the command that runs it again is printed: the
// second form, which runs files in every way.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/corruption/hostile_database.h"
#include "tests/corruption/hostile_edits.h"
#include "tests/corruption/hostile_shapes.h"
#include "tests/corruption/hostile_table.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace memkv {
namespace {

// An input takes a few milliseconds, a hundred below the sanitizers.
constexpr unsigned kHangSeconds = 60;
constexpr int kUses = 32;

struct Flags {
  uint64_t seconds = 60;
  uint64_t seed = 1;
  std::string shape;
  std::string keep = "failed";
  bool repaired = true;
  std::vector<std::string> files;
};

// The input that is being run, as a signal handler can write it.
struct UnderWay {
  const char* bytes = nullptr;
  size_t size = 0;
  char path[512];
  char message[1536];
};
UnderWay under_way;

void WriteAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, bytes, size);
    if (n <= 0) return;
    bytes += n;
    size -= static_cast<size_t>(n);
  }
}

// Async-signal-safe.
void Keep() {
  if (under_way.bytes == nullptr) return;
  const int fd = open(under_way.path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
  if (fd >= 0) {
    WriteAll(fd, under_way.bytes, under_way.size);
    close(fd);
  }
  WriteAll(STDERR_FILENO, under_way.message, strlen(under_way.message));
  under_way.bytes = nullptr;
}

void OnSignal(int signal_number) {
  Keep();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void KeepWhatFails() {
  // A stack that ran over cannot hold a handler's frame.
  static char stack[64 << 10];
  stack_t alternative = {};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof(stack);
  sigaltstack(&alternative, nullptr);
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_ONSTACK;
  for (const int number : {SIGABRT, SIGALRM}) {
    sigaction(number, &action, nullptr);
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(Keep);
#else
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    sigaction(number, &action, nullptr);
  }
#endif
}

HostileDatabase::Use UseOf(int bits) {
  HostileDatabase::Use use;
  using Residency = FstTableOptions::Residency;
  use.residency = (bits & 1) != 0    ? Residency::kPin
                  : (bits & 16) != 0 ? Residency::kAuto
                                     : Residency::kCache;
  use.mapped = (bits & 2) != 0;
  use.few_open_files = (bits & 4) != 0;
  use.verify_checksums = (bits & 8) != 0;
  return use;
}

// A shape, its database and what they answer undamaged.
class Subject {
 public:
  static std::unique_ptr<Subject> New(const std::string& name,
                                      std::string* reason) {
    auto subject = std::make_unique<Subject>();
    subject->shape_ = MakeHostileShape(name, reason);
    if (subject->shape_ == nullptr) return nullptr;
    const HostileShape& shape = *subject->shape_;
    subject->edits_ = std::make_unique<HostileEdits>(shape.fields);
    subject->database_ = std::make_unique<HostileDatabase>(shape);
    if (!subject->database_->Prepare(reason)) return nullptr;
    AskHostileTable(shape, false, shape.bytes, rocksdb::ReadOptions(),
                    &subject->table_truth_);
    subject->database_->Ask(subject->database_->bytes(), HostileDatabase::Use(),
                            &subject->database_truth_);
    return subject;
  }

  const HostileShape& shape() const { return *shape_; }
  const HostileDatabase& database() const { return *database_; }

  HostileInput NewInput(std::mt19937_64* rng, bool for_database) const {
    for (;;) {
      std::vector<FileEdit> edits;
      do {
        edits.push_back(edits_->Any(rng));
      } while ((*rng)() % 3 == 0);
      HostileInput input;
      if (MakeHostileInput(shape_->fields, edits, (*rng)() % 4 != 0,
                           (*rng)() % 2 == 0,
                           for_database ? database_->file_size() : 0, &input)) {
        return input;
      }
    }
  }

  // What is wrong with the answers, or empty.
  std::string RunTable(const HostileInput& input, bool cached,
                       bool verify) const {
    rocksdb::ReadOptions read_options;
    read_options.verify_checksums = verify || !input.repaired;
    HostileAnswers answers;
    AskHostileTable(*shape_, cached, input.bytes, read_options, &answers);
    return Judge(answers, table_truth_, input.repaired);
  }
  std::string RunDatabase(const HostileInput& input,
                          HostileDatabase::Use use) const {
    use.verify_checksums |= !input.repaired;
    HostileAnswers answers;
    database_->Ask(input.bytes, use, &answers);
    return Judge(answers, database_truth_, input.repaired);
  }

 private:
  static std::string Judge(const HostileAnswers& answers,
                           const HostileAnswers& truth, bool repaired) {
    if (!answers.broken.empty() || repaired) return answers.broken;
    return FirstLie(answers, truth);
  }

  std::unique_ptr<HostileShape> shape_;
  std::unique_ptr<HostileEdits> edits_;
  std::unique_ptr<HostileDatabase> database_;
  HostileAnswers table_truth_;
  HostileAnswers database_truth_;
};

class Runner {
 public:
  Runner(const Flags& flags, const char* program)
      : flags_(flags), program_(program) {}

  // False if something failed; it has been said then.
  bool RunNew(const std::vector<std::unique_ptr<Subject>>& subjects) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(flags_.seconds);
    std::mt19937_64 rng(flags_.seed);
    uint64_t inputs = 0;
    uint64_t databases = 0;
    // Each shape has its turn, however slow the machine is.
    for (; inputs < subjects.size() || std::chrono::steady_clock::now() < end;
         ++inputs) {
      const Subject& subject = *subjects[inputs % subjects.size()];
      const bool for_database = rng() % 4 == 0;
      const HostileInput input = subject.NewInput(&rng, for_database);
      Begin(subject, input, std::to_string(inputs));
      std::string wrong;
      if (for_database) {
        ++databases;
        wrong =
            subject.RunDatabase(input, UseOf(static_cast<int>(rng() % kUses)));
      } else {
        wrong = subject.RunTable(input, rng() % 2 == 0, rng() % 4 != 0);
      }
      if (!End(wrong)) return false;
    }
    std::printf("fuzz_files: OK, %llu inputs, %llu of them in databases\n",
                static_cast<unsigned long long>(inputs),
                static_cast<unsigned long long>(databases));
    return true;
  }

  bool RunFile(const Subject& subject, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    HostileInput input;
    input.bytes.assign(std::istreambuf_iterator<char>(file),
                       std::istreambuf_iterator<char>());
    input.what = path;
    input.repaired = flags_.repaired;
    Begin(subject, input, "again");
    for (const bool cached : {false, true}) {
      for (const bool verify : {false, true}) {
        const std::string wrong = subject.RunTable(input, cached, verify);
        if (!wrong.empty()) return End(wrong);
      }
    }
    for (int use = 0; use < kUses; ++use) {
      if (input.bytes.size() != subject.database().file_size()) break;
      const std::string wrong = subject.RunDatabase(input, UseOf(use));
      if (!wrong.empty()) return End(wrong);
    }
    std::printf("fuzz_files: OK, %s\n", path.c_str());
    return End("");
  }

 private:
  void Begin(const Subject& subject, const HostileInput& input,
             const std::string& number) {
    std::string name = subject.shape().name;
    for (char& c : name) c = c == ' ' ? '-' : c;
    const std::string path = flags_.keep + "/" + name + "-" +
                             std::to_string(flags_.seed) + "-" + number +
                             ".sst";
    std::snprintf(under_way.path, sizeof(under_way.path), "%s", path.c_str());
    std::snprintf(under_way.message, sizeof(under_way.message),
                  "FAILED: %.900s\nTo run it again:\n  %s --shape='%s' %s%s\n",
                  input.what.c_str(), program_, subject.shape().name.c_str(),
                  input.repaired ? "" : "--not-repaired ", path.c_str());
    under_way.size = input.bytes.size();
    under_way.bytes = input.bytes.data();
    alarm(kHangSeconds);
  }

  static bool End(const std::string& wrong) {
    alarm(0);
    if (!wrong.empty()) {
      std::fprintf(stderr, "%s\n", wrong.c_str());
      Keep();
    }
    under_way.bytes = nullptr;
    return wrong.empty();
  }

  const Flags& flags_;
  const char* const program_;
};

bool ParseFlags(int argc, char** argv, Flags* flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const size_t equals = arg.find('=');
    const std::string name = arg.substr(0, equals);
    const std::string value =
        equals == std::string::npos ? "" : arg.substr(equals + 1);
    if (name == "--seconds") {
      flags->seconds = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--seed") {
      flags->seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--shape") {
      flags->shape = value;
    } else if (name == "--keep") {
      flags->keep = value;
    } else if (arg == "--not-repaired") {
      flags->repaired = false;
    } else if (arg.compare(0, 2, "--") != 0) {
      flags->files.push_back(arg);
    } else {
      return false;
    }
  }
  return flags->files.empty() || !flags->shape.empty();
}

int Run(int argc, char** argv) {
  Flags flags;
  if (!ParseFlags(argc, argv, &flags)) {
    std::fprintf(stderr,
                 "usage: %s [--seconds=N] [--seed=N] [--shape=NAME] "
                 "[--keep=FOLDER]\n"
                 "       %s --shape=NAME [--not-repaired] FILE...\n"
                 "shapes:",
                 argv[0], argv[0]);
    for (const std::string& name : HostileShapeNames()) {
      std::fprintf(stderr, " '%s'", name.c_str());
    }
    std::fprintf(stderr, "\n");
    return 2;
  }
  std::vector<std::unique_ptr<Subject>> subjects;
  for (const std::string& name : flags.shape.empty()
                                     ? HostileShapeNames()
                                     : std::vector<std::string>{flags.shape}) {
    std::string reason;
    subjects.push_back(Subject::New(name, &reason));
    if (subjects.back() == nullptr) {
      std::fprintf(stderr, "%s\n", reason.c_str());
      return 2;
    }
  }
  std::error_code error;
  std::filesystem::create_directories(flags.keep, error);
  KeepWhatFails();
  Runner runner(flags, argv[0]);
  if (flags.files.empty()) return runner.RunNew(subjects) ? 0 : 1;
  for (const std::string& file : flags.files) {
    if (!runner.RunFile(*subjects.front(), file)) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace memkv

int main(int argc, char** argv) { return memkv::Run(argc, argv); }
