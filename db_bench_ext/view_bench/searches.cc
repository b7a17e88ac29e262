// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "db_bench_ext/view_bench/searches.h"

#include <fmt/format.h>

#include <cctype>
#include <utility>

#include "db_bench_ext/common/check.h"
#include "db_bench_ext/common/walk.h"
#include "db_bench_ext/keys/random.h"

namespace memkv {

using rocksdb::Iterator;
using rocksdb::ReadOptions;

namespace {

constexpr char kSeparator = '/';

// For a regular expression, each byte as itself.
std::string Quoted(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 &&
        static_cast<unsigned char>(c) < 0x80) {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted;
}

bool Matches(Automaton* automaton, const Slice& key) {
  Automaton::State state = automaton->Start();
  for (size_t i = 0; i < key.size() && state != Automaton::kDead; ++i) {
    state = automaton->Step(state, static_cast<uint8_t>(key[i]));
  }
  return state != Automaton::kDead && automaton->IsMatch(state);
}

Slice UpToSeparator(const Slice& key, size_t from) {
  const size_t at = key.ToStringView().find(kSeparator, from);
  return {key.data(), at == std::string_view::npos ? key.size() : at + 1};
}

bool EndsInSeparator(const Slice& entry) {
  return entry.ends_with(Slice(&kSeparator, 1));
}

}  // namespace

Searches::Searches(const RecordSet& records, uint64_t seed, uint64_t n,
                   uint64_t most_edits, const std::string& listed)
    : most_edits_(most_edits), listed_(listed) {
  RandomSource random(seed);
  for (uint64_t i = 0; i < n; ++i) {
    prefixes_.push_back(
        ExamplePrefix(records.key(random.Uniform(records.size()))));
    words_.push_back(records.key(random.Uniform(records.size())).ToString());
    ChangeAByte(&random, &words_.back());
  }
  if (listed_.empty()) ChooseListed(records);
  const std::string end = PrefixEnd(listed_);
  listed_keys_ = (end.empty() ? records.size() : records.LowerBound(end)) -
                 records.LowerBound(listed_);
}

void Searches::ChooseListed(const RecordSet& records) {
  for (;;) {
    std::string longer;
    uint64_t keys = 0;
    size_t at = records.LowerBound(listed_);
    while (at < records.size() && records.key(at).starts_with(listed_)) {
      const Slice entry = UpToSeparator(records.key(at), listed_.size());
      const std::string end = PrefixEnd(entry.ToString());
      const size_t next =
          end.empty() ? records.size() : records.LowerBound(end);
      if (next - at > keys && EndsInSeparator(entry)) {
        keys = next - at;
        longer = entry.ToString();
      }
      at = next;
    }
    if (keys * 3 < records.size()) break;
    listed_ = longer;
  }
}

uint64_t Searches::Operations(const std::string& walk) const {
  return walk == "list" ? 1 : words_.size();
}

std::string Searches::Description() const {
  return fmt::format(
      "regex, below: {}.*[0-9]; distance {} of {}; list: '{}' with {} keys",
      prefixes_.empty() ? "" : Quoted(prefixes_[0]), most_edits_,
      words_.empty() ? "" : words_[0], listed_, listed_keys_);
}

void Searches::Automata(
    const std::string& walk,
    std::vector<std::unique_ptr<Automaton>>* automata) const {
  for (size_t i = 0; i < words_.size(); ++i) {
    automata->emplace_back();
    if (walk == "distance") {
      Check(
          NewEditDistanceAutomaton(words_[i], most_edits_, &automata->back()));
    } else {
      Check(NewRegexAutomaton(Quoted(prefixes_[i]) + ".*[0-9].*",
                              &automata->back()));
    }
  }
}

Found Searches::ByView(const std::string& walk, const View& view) const {
  Found found;
  if (walk == "list") {
    Check(view.DistinctPrefixes(listed_, kSeparator, [&](const Slice& entry) {
      ++found.records;
      found.bytes += entry.size();
      return true;
    }));
    return found;
  }
  std::vector<std::unique_ptr<Automaton>> automata;
  Automata(walk, &automata);
  for (std::unique_ptr<Automaton>& automaton : automata) {
    const std::unique_ptr<Iterator> it(
        view.Search(ReadOptions(), std::move(automaton)));
    WalkAll(it.get(), /*forwards=*/true, [&] { found.Take(*it); });
    Check(it->status());
  }
  return found;
}

Found Searches::ByIterator(const std::string& walk, const Make& make) const {
  Found found;
  std::vector<std::unique_ptr<Automaton>> automata;
  Automata(walk, &automata);
  for (size_t i = 0; i < Operations(walk); ++i) {
    std::string begin;
    if (walk == "list") begin = listed_;
    if (walk == "below") begin = prefixes_[i];
    const std::string end = PrefixEnd(begin);
    const Slice bound(end);
    ReadOptions options;
    if (!end.empty()) options.iterate_upper_bound = &bound;
    const std::unique_ptr<Iterator> it(make(options));
    std::string last;
    for (it->Seek(begin); it->Valid(); it->Next()) {
      if (walk != "list") {
        if (Matches(automata[i].get(), it->key())) found.Take(*it);
        continue;
      }
      if (!last.empty() && it->key().starts_with(last)) continue;
      const Slice entry = UpToSeparator(it->key(), begin.size());
      ++found.records;
      found.bytes += entry.size();
      // A key without a separator is no prefix of others.
      last = EndsInSeparator(entry) ? entry.ToString() : "";
    }
    Check(it->status());
  }
  return found;
}

}  // namespace memkv
