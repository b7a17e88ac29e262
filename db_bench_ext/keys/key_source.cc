// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/key_source.h"

#include <fmt/format.h>
#include <stdio.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "db_bench_ext/keys/url_generator.h"
#include "util/coding.h"
#include "util/math.h"
#include "util/string_util.h"

namespace memkv {

using rocksdb::Slice;
using rocksdb::Status;

namespace {

// The lines of a stream, without their newline.
class LineReader {
 public:
  explicit LineReader(FILE* file) : file_(file) {}
  ~LineReader() { std::free(buffer_); }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool Next(Slice* line) {
    ssize_t size = getline(&buffer_, &capacity_, file_);
    if (size < 0) {
      return false;
    }
    if (size > 0 && buffer_[size - 1] == '\n') {
      size--;
    }
    *line = Slice(buffer_, static_cast<size_t>(size));
    return true;
  }

 private:
  FILE* const file_;
  char* buffer_ = nullptr;
  size_t capacity_ = 0;
};

std::string NumberValue(uint64_t number) {
  std::string value;
  rocksdb::PutFixed64(&value, number);
  return value;
}

// A single-quoted word of the shell.
std::string ShellQuote(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return quoted + "'";
}

// Splits `path   packages`. False for a line of another form.
bool SplitContentsLine(const std::string& line, Slice* path, Slice* packages) {
  // Paths may hold blanks, package lists cannot: cut at the last run of them.
  const size_t list = line.find_last_of(" \t") + 1;
  const size_t begin = line.find_first_not_of('/');
  const size_t last = line.find_last_not_of(" \t", list == 0 ? 0 : list - 1);
  if (list == 0 || list == line.size() || last == std::string::npos ||
      begin > last) {
    return false;
  }
  *path = Slice(line.data() + begin, last + 1 - begin);
  *packages = Slice(line.data() + list, line.size() - list);
  return true;
}

Status RequireRecords(const KeySet& input) {
  return input.records.size() > 0
             ? Status::OK()
             : Status::InvalidArgument("the input has no record in it");
}

Status ReadContents(const std::string& fetch_script, uint64_t limit,
                    KeySet* input) {
  const std::string command = "sh " + ShellQuote(fetch_script);
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) {
    return Status::IOError(fetch_script, std::strerror(errno));
  }
  LineReader reader(pipe);
  uint64_t lines = 0;
  uint64_t dropped = 0;
  Slice line;
  bool whole = true;
  while (reader.Next(&line)) {
    if (limit != 0 && lines == limit) {
      whole = false;
      break;
    }
    lines++;
    Slice path;
    Slice packages;
    const std::string text = line.ToString();
    if (text.find('@') != std::string::npos ||
        !SplitContentsLine(text, &path, &packages)) {
      dropped++;
      continue;
    }
    input->records.Add(path, packages);
  }
  const int result = pclose(pipe);
  // A reader that stops early ends the script by SIGPIPE: no failure then.
  if (whole && result != 0) {
    return Status::IOError(
        fetch_script,
        "left with status " +
            std::to_string(WIFEXITED(result) ? WEXITSTATUS(result) : result));
  }
  const size_t merged =
      input->records.SortAndMerge(DuplicateRule::kUnionOfLists);
  input->description = fmt::format(
      "Debian's Contents lists: {} lines, {} dropped, {} merged with another "
      "of the same path",
      lines, dropped, merged);
  return RequireRecords(*input);
}

Status ReadKeyFile(const std::string& path, uint64_t limit, KeySet* input) {
  const bool standard = path == "-";
  FILE* file = standard ? stdin : std::fopen(path.c_str(), "r");
  if (file == nullptr) {
    return Status::IOError("cannot read " + path, std::strerror(errno));
  }
  LineReader reader(file);
  uint64_t lines = 0;
  Slice line;
  errno = 0;
  while ((limit == 0 || lines < limit) && reader.Next(&line)) {
    lines++;
    const void* tab = std::memchr(line.data(), '\t', line.size());
    if (tab == nullptr) {
      input->records.Add(line, NumberValue(lines));
    } else {
      const auto at =
          static_cast<size_t>(static_cast<const char*>(tab) - line.data());
      input->records.Add(Slice(line.data(), at),
                         Slice(line.data() + at + 1, line.size() - at - 1));
    }
  }
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  if (!standard) {
    std::fclose(file);
  }
  if (failed) {
    return Status::IOError("reading " + path, std::strerror(error));
  }
  const size_t merged = input->records.SortAndMerge(DuplicateRule::kLastWins);
  input->description =
      fmt::format("{}: {} lines, {} replaced by a later line of the same key",
                  standard ? "standard input" : path, lines, merged);
  return RequireRecords(*input);
}

Status GenerateKeys(uint64_t seed, uint64_t count, KeySet* input) {
  if (count == 0) {
    return RequireRecords(*input);
  }
  const UrlGenerator urls(seed, count);
  UrlGenerator::SortedStream stream(urls);
  uint64_t made = 0;
  for (std::string key; stream.Next(&key);) {
    input->records.Add(key, NumberValue(++made));
  }
  input->records.SortAndMerge(DuplicateRule::kLastWins);
  input->description = fmt::format(
      "generated URL-like keys of {} hosts, seed {}: {} made, {} repeated",
      urls.num_hosts(), seed, count, count - made);
  return RequireRecords(*input);
}

// Digits and nothing else.
bool ParseNumber(const std::string& text, uint64_t* number) {
  Slice rest(text);
  return rocksdb::ConsumeDecimalNumber(&rest, number) && rest.empty();
}

void GenerateNumbers(bool hexadecimal, uint64_t seed, uint64_t count,
                     KeySet* input) {
  RandomSource random(seed);
  for (uint64_t i = 1; i <= count; i++) {
    const uint64_t number = random.Next();
    std::string key;
    if (hexadecimal) {
      key = fmt::format("{:016x}", number);
    } else {
      rocksdb::PutFixed64(&key, rocksdb::EndianSwapValue(number));
    }
    input->records.Add(key, NumberValue(i));
  }
  input->records.SortAndMerge(DuplicateRule::kLastWins);
  input->description =
      fmt::format("random {}, seed {}",
                  hexadecimal ? "hexadecimal digits" : "numbers", seed);
}

}  // namespace

#ifndef MEMKV_FETCH_CONTENTS
#define MEMKV_FETCH_CONTENTS "db_bench_ext/keys/fetch_contents.sh"
#endif
const char kFetchContents[] = MEMKV_FETCH_CONTENTS;

Status ReadKeys(const std::string& source, uint64_t limit, uint64_t seed,
                const std::string& fetch_script, KeySet* input) {
  if (source == "apt-contents") {
    return ReadContents(fetch_script, limit, input);
  }
  if (source.rfind("gen:", 0) != 0) {
    return ReadKeyFile(source, limit, input);
  }
  const std::vector<std::string> parts = rocksdb::StringSplit(source, ':');
  uint64_t count = 0;
  const bool right = (parts.size() == 3 || parts.size() == 4) &&
                     ParseNumber(parts[2], &count) && count > 0 &&
                     (parts.size() == 3 || ParseNumber(parts[3], &seed));
  if (limit != 0) {
    count = std::min(count, limit);
  }
  if (right && parts[1] == "urls") {
    return GenerateKeys(seed, count, input);
  }
  if (right && (parts[1] == "hex" || parts[1] == "uint64")) {
    GenerateNumbers(parts[1] == "hex", seed, count, input);
    return Status::OK();
  }
  return Status::InvalidArgument(
      "no keys are called " + source,
      "expected gen:urls:N, gen:hex:N or gen:uint64:N, and perhaps :seed");
}

}  // namespace memkv
