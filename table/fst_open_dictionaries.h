// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// The dictionaries of the files that a table factory has open, by the keys they
// are of.  A compaction replaces files by others of the same keys; what it
// writes can mostly be written in a dictionary that one of its inputs has, and
// to train another takes as long as writing the keys (decision 0008).
//
// Thread safety: all methods are safe from any thread.

#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "table/key_trie_tokens.h"

namespace memkv {

// A dictionary, and what it was made for.
struct Dictionary {
  std::shared_ptr<const key_trie::Tokens> tokens;
  // The bits a byte of its keys' suffixes took, in the file that it was trained
  // for; see key_trie::TokenBitsAByte().
  double bits_a_byte = 0;
};

class OpenDictionaries {
 public:
  OpenDictionaries() = default;
  OpenDictionaries(const OpenDictionaries&) = delete;
  OpenDictionaries& operator=(const OpenDictionaries&) = delete;

  // The dictionary is of a file with keys from `first` to `last`, bytewise, and
  // can be found for as long as somebody else holds it.
  void Add(const Dictionary& dictionary, std::string first, std::string last);

  // The dictionary whose file has most of `keys` between its first and its last
  // one, and at least half of them; of equal ones the one added last.  Without
  // tokens if there is none.  REQUIRES: keys ascend bytewise
  Dictionary Find(const std::vector<std::string>& keys) const;

 private:
  struct Entry {
    std::weak_ptr<const key_trie::Tokens> tokens;
    double bits_a_byte;
    std::string first;
    std::string last;
  };

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;  // guarded by mutex_
};

}  // namespace memkv
