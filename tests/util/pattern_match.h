// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The slow, obvious twins of the automata of searches, and random patterns for
// both.
//
// Every function is pure but for the generator that it is given.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "plugin/memkv_search.h"

namespace memkv {

inline bool MatchesGlob(const char* glob, const char* glob_end, const char* key,
                        const char* key_end) {
  if (glob == glob_end) return key == key_end;
  if (*glob == '*') {
    const bool any = glob + 1 != glob_end && glob[1] == '*';
    const char* const rest = glob + (any ? 2 : 1);
    for (;; ++key) {
      if (MatchesGlob(rest, glob_end, key, key_end)) return true;
      if (key == key_end || (!any && *key == '/')) return false;
    }
  }
  if (key == key_end) return false;
  if (*glob == '?') {
    return *key != '/' && MatchesGlob(glob + 1, glob_end, key + 1, key_end);
  }
  if (*glob == '[') {  // of single bytes alone
    const char* close = std::find(glob + 2, glob_end, ']');
    const bool negated = glob[1] == '!';
    const bool found =
        std::find(glob + (negated ? 2 : 1), close, *key) != close;
    return *key != '/' && found != negated &&
           MatchesGlob(close + 1, glob_end, key + 1, key_end);
  }
  if (*glob == '\\') ++glob;
  return *glob == *key && MatchesGlob(glob + 1, glob_end, key + 1, key_end);
}
inline bool MatchesGlob(const std::string& glob, const std::string& key) {
  return MatchesGlob(glob.data(), glob.data() + glob.size(), key.data(),
                     key.data() + key.size());
}

inline size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

inline bool BeginsWithOneOf(const std::vector<std::string>& prefixes,
                            const std::string& key) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) {
                       return key.compare(0, prefix.size(), prefix) == 0;
                     });
}

// A string of up to `most` bytes of `alphabet`.
inline std::string RandomWord(std::mt19937_64* random,
                              const std::string& alphabet, size_t most) {
  std::string word;
  for (size_t n = (*random)() % (most + 1); n > 0; --n) {
    word += alphabet[(*random)() % alphabet.size()];
  }
  return word;
}

// A regular expression that std::regex takes, too.
inline std::string RandomRegex(std::mt19937_64* random,
                               const std::string& letters, int depth) {
  const auto draw = [&](uint64_t n) { return (*random)() % n; };
  const auto letter = [&] {
    return std::string(1, letters[draw(letters.size())]);
  };
  std::string regex;
  for (uint64_t parts = 1 + draw(3); parts > 0; --parts) {
    std::string part;
    switch (depth == 0 ? draw(5) : draw(8)) {
      case 0:
      case 1:
      case 2:
        part = letter();
        break;
      case 3:
        part = ".";
        break;
      case 4:
        part = (draw(2) == 0 ? "[" : "[^") + letter() + letter() + "]";
        break;
      case 5:
        part = "(" + RandomRegex(random, letters, depth - 1) + "|" +
               RandomRegex(random, letters, depth - 1) + ")";
        break;
      default:
        part = "(?:" + RandomRegex(random, letters, depth - 1) + ")";
    }
    static const char* const kTimes[] = {"*",   "+",    "?",    "*?",
                                         "{2}", "{1,}", "{0,2}"};
    if (draw(3) == 0) part += kTimes[draw(7)];
    regex += part;
  }
  return regex;
}

// A glob that MatchesGlob() takes; of `specials`, * and the like.
inline std::string RandomGlob(std::mt19937_64* random,
                              const std::string& letters,
                              const std::vector<std::string>& specials) {
  std::string glob;
  for (uint64_t parts = 1 + (*random)() % 6; parts > 0; --parts) {
    glob += (*random)() % 2 == 0
                ? std::string(1, letters[(*random)() % letters.size()])
                : specials[(*random)() % specials.size()];
  }
  return glob;
}

// What a search looks for, and its twin.
struct RandomPattern {
  std::string description;
  std::unique_ptr<Automaton> automaton;
  std::function<bool(const std::string&)> matches;
  rocksdb::Status status;
};

inline RandomPattern MakeRandomPattern(std::mt19937_64* random,
                                       const std::string& letters) {
  RandomPattern made;
  switch ((*random)() % 4) {
    case 0: {
      const std::string pattern = RandomRegex(random, letters, 2);
      made.description = "regex " + pattern;
      made.status = NewRegexAutomaton(pattern, &made.automaton);
      const auto regex = std::make_shared<std::regex>(pattern);
      made.matches = [regex](const std::string& key) {
        return std::regex_match(key, *regex);
      };
      break;
    }
    case 1: {
      const std::string glob = RandomGlob(random, letters,
                                          {"*", "**", "?", "[" + letters + "]",
                                           "[!" + letters.substr(1) + "]"});
      made.description = "glob " + glob;
      made.status = NewGlobAutomaton(glob, &made.automaton);
      made.matches = [glob](const std::string& key) {
        return MatchesGlob(glob, key);
      };
      break;
    }
    case 2: {
      const std::string word = RandomWord(random, letters, 8);
      const size_t most = (*random)() % 4;
      made.description = std::to_string(most) + " edits of " + word;
      made.status = NewEditDistanceAutomaton(word, most, &made.automaton);
      made.matches = [word, most](const std::string& key) {
        return EditDistance(word, key) <= most;
      };
      break;
    }
    default: {
      std::vector<std::string> prefixes;
      for (uint64_t n = (*random)() % 6; n > 0; --n) {
        prefixes.push_back(RandomWord(random, letters, 6));
        made.description += "prefix " + prefixes.back() + " ";
      }
      made.status = NewPrefixesAutomaton(prefixes, &made.automaton);
      made.matches = [prefixes](const std::string& key) {
        return BeginsWithOneOf(prefixes, key);
      };
    }
  }
  return made;
}

}  // namespace memkv
