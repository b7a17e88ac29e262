// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/keys/key_source.h"

#include <fmt/format.h>
#include <gflags/gflags.h>
#include <stdio.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/existing_database.h"
#include "db_bench_ext/keys/url_generator.h"
#include "rocksdb/db.h"
#include "util/coding.h"
#include "util/math.h"
#include "util/string_util.h"

DEFINE_string(fetch_script, "",
              "The script that writes the Contents lists; by default "
              "share/memkv/fetch_contents.sh beside the program, or beside its "
              "folder.");

namespace memkv {

using rocksdb::ColumnFamilyHandle;
using rocksdb::DB;

namespace {

// Calls take(line) for at most `limit` lines (0: all), without their newline.
// Returns how many.
uint64_t ForEachLine(FILE* file, uint64_t limit,
                     const std::function<void(const std::string&)>& take) {
  char* buffer = nullptr;
  size_t capacity = 0;
  uint64_t lines = 0;
  while (limit == 0 || lines < limit) {
    const ssize_t size = getline(&buffer, &capacity, file);
    if (size < 0) {
      break;
    }
    const auto end = static_cast<size_t>(size);
    take(std::string(buffer, buffer[end - 1] == '\n' ? end - 1 : end));
    lines++;
  }
  std::free(buffer);
  return lines;
}

std::string NumberValue(uint64_t number) {
  std::string value;
  rocksdb::PutFixed64(&value, number);
  return value;
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

std::string FetchScript() {
  if (!FLAGS_fetch_script.empty()) return FLAGS_fetch_script;
  const std::string script = "share/memkv/fetch_contents.sh";
  std::error_code error;
  const std::filesystem::path folder =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& at : {folder / script, folder.parent_path() / script}) {
    if (std::filesystem::exists(at, error)) return at.string();
  }
  Refuse("there is no " + script + " beside this program or its folder",
         "--fetch_script=FILE names it");
}

void ReadContents(uint64_t limit, KeySet* input) {
  const std::string script = FetchScript();
  // By a variable, so that no character of its name means anything to a shell.
  setenv("MEMKV_FETCH_SCRIPT", script.c_str(), 1);
  FILE* pipe = popen("sh \"$MEMKV_FETCH_SCRIPT\"", "r");
  if (pipe == nullptr) {
    Check(Status::IOError(script, std::strerror(errno)));
  }
  uint64_t dropped = 0;
  const uint64_t lines = ForEachLine(pipe, limit, [&](const std::string& line) {
    Slice path;
    Slice packages;
    if (line.find('@') == std::string::npos &&
        SplitContentsLine(line, &path, &packages)) {
      input->records.Add(path, packages);
    } else {
      dropped++;
    }
  });
  const bool whole = std::feof(pipe) != 0;
  const int result = pclose(pipe);
  // A reader that stops early ends the script by SIGPIPE: no failure then.
  if (whole && result != 0) {
    Check(Status::IOError(
        script, fmt::format("left with status {}",
                            WIFEXITED(result) ? WEXITSTATUS(result) : result)));
  }
  const size_t merged =
      input->records.SortAndMerge(DuplicateRule::kUnionOfLists);
  input->description = fmt::format(
      "Debian's Contents lists: {} lines, {} dropped, {} merged with another "
      "of the same path",
      lines, dropped, merged);
}

void ReadKeyFile(const std::string& path, uint64_t limit, KeySet* input) {
  const bool standard = path == "-";
  FILE* file = standard ? stdin : std::fopen(path.c_str(), "r");
  if (file == nullptr) {
    Check(Status::IOError("cannot read " + path, std::strerror(errno)));
  }
  uint64_t number = 0;
  const uint64_t lines = ForEachLine(file, limit, [&](const std::string& line) {
    number++;
    const size_t tab = line.find('\t');
    input->records.Add(line.substr(0, tab), tab == std::string::npos
                                                ? NumberValue(number)
                                                : line.substr(tab + 1));
  });
  const int error = std::ferror(file) != 0 ? errno : 0;
  if (!standard) {
    std::fclose(file);
  }
  if (error != 0) {
    Check(Status::IOError("reading " + path, std::strerror(error)));
  }
  const size_t merged = input->records.SortAndMerge(DuplicateRule::kLastWins);
  input->description =
      fmt::format("{}: {} lines, {} replaced by a later line of the same key",
                  standard ? "standard input" : path, lines, merged);
}

void GenerateUrls(uint64_t seed, uint64_t count, KeySet* input) {
  const UrlGenerator urls(seed, count);
  UrlGenerator::SortedStream stream(urls);
  uint64_t made = 0;
  for (std::string key; stream.Next(&key);) {
    input->records.Add(key, NumberValue(++made));
  }
  input->description = fmt::format(
      "generated URL-like keys of {} hosts, seed {}: {} made, {} repeated",
      urls.num_hosts(), seed, count, count - made);
}

void GenerateNumbers(bool hexadecimal, uint64_t seed, uint64_t count,
                     KeySet* input) {
  RandomSource random(seed);
  for (uint64_t i = 1; i <= count; i++) {
    const uint64_t number = random.Next();
    std::string key = fmt::format("{:016x}", number);
    if (!hexadecimal) {
      key = NumberValue(rocksdb::EndianSwapValue(number));
    }
    input->records.Add(key, NumberValue(i));
  }
  input->description =
      fmt::format("random {}, seed {}",
                  hexadecimal ? "hexadecimal digits" : "numbers", seed);
}

// Digits and nothing else.
bool ParseNumber(const std::string& text, uint64_t* number) {
  Slice rest(text);
  return rocksdb::ConsumeDecimalNumber(&rest, number) && rest.empty();
}

void GenerateKeys(const std::string& source, uint64_t limit, uint64_t seed,
                  KeySet* input) {
  const std::vector<std::string> parts = rocksdb::StringSplit(source, ':');
  uint64_t count = 0;
  const bool right = (parts.size() == 3 || parts.size() == 4) &&
                     ParseNumber(parts[2], &count) && count > 0 &&
                     (parts.size() == 3 || ParseNumber(parts[3], &seed));
  if (limit != 0) {
    count = std::min(count, limit);
  }
  if (right && parts[1] == "urls") {
    GenerateUrls(seed, count, input);
  } else if (right && (parts[1] == "hex" || parts[1] == "uint64")) {
    GenerateNumbers(parts[1] == "hex", seed, count, input);
  } else {
    Refuse("no keys are called " + source,
           "expected gen:urls:N, gen:hex:N or gen:uint64:N, and perhaps :seed");
  }
  input->records.SortAndMerge(DuplicateRule::kLastWins);
}

// ---- Databases -------------------------------------------------------------

// Calls take(key, value) for each record.
template <typename Take>
void ForEachRecord(DB* db, ColumnFamilyHandle* family, const Take& take) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  read.total_order_seek = true;
  read.readahead_size = size_t{2} << 20;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read, family));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    take(it->key(), it->value());
  }
  Check(it->status());
}

// Adds all records, or if `sample` is less those that lie evenly, in runs of
// `run`, of which the first begins with the first. Returns the number of all.
uint64_t ReadRecords(DB* db, ColumnFamilyHandle* family, uint64_t sample,
                     uint64_t run, RecordSet* records) {
  uint64_t count = 0;
  ForEachRecord(db, family, [&](const Slice& key, const Slice& value) {
    count++;
    if (sample == 0) {
      records->Add(key, value);
    }
  });
  const uint64_t wanted = std::min(sample, count);
  uint64_t at = 0;
  uint64_t taken = 0;
  if (wanted > 0) {
    ForEachRecord(db, family, [&](const Slice& key, const Slice& value) {
      const uint64_t before = taken % run;
      if (taken < wanted &&
          at++ == (taken - before) * count / wanted + before) {
        records->Add(key, value);
        taken++;
      }
    });
  }
  return count;
}

}  // namespace

void ReadKeys(const std::string& source, uint64_t limit, uint64_t seed,
              KeySet* input) {
  if (source == "apt-contents") {
    ReadContents(limit, input);
  } else if (source.rfind("gen:", 0) == 0) {
    GenerateKeys(source, limit, seed, input);
  } else {
    ReadKeyFile(source, limit, input);
  }
  if (input->records.size() == 0) {
    Refuse("the input has no record in it");
  }
}

void ReadDatabase(const std::string& path, const std::string& column_family,
                  uint64_t sample, uint64_t run, KeySet* input) {
  const ExistingDatabase database(path);
  const uint64_t count =
      ReadRecords(database.db(), database.Family(column_family), sample, run,
                  &input->records);
  input->records.SortAndMerge(DuplicateRule::kLastWins);
  input->description =
      fmt::format("{}, column family {}: {} of {} records", path, column_family,
                  input->records.size(), count);
  if (input->records.size() == 0) {
    Refuse(input->description);
  }
}

}  // namespace memkv
