// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Which comparators a trie serves is decided by what they do, not by what they
// are called.

#include "compat/trie_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"
#include "tests/util/fst_db_fixture.h"

namespace memkv {
namespace {

using rocksdb::BytewiseComparator;
using rocksdb::Comparator;
using rocksdb::Options;
using rocksdb::ReverseBytewiseComparator;
using rocksdb::Slice;

// An order of its own with another's name.
class Named : public Comparator {
 public:
  using Order = std::function<int(const Slice&, const Slice&)>;
  Named(const Comparator* as, Order order)
      : name_(as->Name()), order_(std::move(order)) {}
  const char* Name() const override { return name_; }
  int Compare(const Slice& a, const Slice& b) const override {
    return order_(a, b);
  }
  void FindShortestSeparator(std::string*, const Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}

 private:
  const char* const name_;
  const Order order_;
};

int Sign(int n) { return n < 0 ? -1 : n > 0 ? 1 : 0; }

struct Impostor {
  const char* what;
  Named::Order order;
  // False: some different keys are equal.
  bool total = true;
};

const std::vector<Impostor>& Impostors() {
  // Compares the strings that a function makes of the keys, and then, so that
  // different keys differ, the keys.
  const auto by = [](std::function<std::string(std::string)> f) {
    return [f](const Slice& a, const Slice& b) {
      const int n = f(a.ToString()).compare(f(b.ToString()));
      return Sign(n != 0 ? n : a.compare(b));
    };
  };
  static const std::vector<Impostor> impostors = {
      {"by length first",
       [](const Slice& a, const Slice& b) {
         return a.size() != b.size() ? (a.size() < b.size() ? -1 : 1)
                                     : Sign(a.compare(b));
       }},
      {"by signed bytes", by([](std::string s) {
         for (char& c : s) c = static_cast<char>(c ^ 0x80);
         return s;
       })},
      {"without regard to case", by([](std::string s) {
         for (char& c : s) {
           c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
         }
         return s;
       })},
      {"from the end", by([](std::string s) {
         std::reverse(s.begin(), s.end());
         return s;
       })},
      {"numbers by their values", by([](std::string s) {
         const size_t digits = s.find_first_not_of("0123456789");
         const size_t n = digits == std::string::npos ? s.size() : digits;
         return std::string(n < 20 ? 20 - n : 0, '0') + s;
       })},
      {"up to the first zero byte",
       [](const Slice& a, const Slice& b) {
         return Sign(strcmp(a.ToString().c_str(), b.ToString().c_str()));
       },
       /*total=*/false},
      {"longer keys first",
       [](const Slice& a, const Slice& b) {
         if (a.starts_with(b) || b.starts_with(a)) {
           return a.size() == b.size() ? 0 : (a.size() > b.size() ? -1 : 1);
         }
         return Sign(a.compare(b));
       }},
      {"the other way round",
       [](const Slice& a, const Slice& b) { return -Sign(a.compare(b)); }},
      {"all keys are equal", [](const Slice&, const Slice&) { return 0; },
       false},
      {"by the first eight bytes",
       [](const Slice& a, const Slice& b) {
         return Sign(
             Slice(a.data(), std::min<size_t>(a.size(), 8))
                 .compare(Slice(b.data(), std::min<size_t>(b.size(), 8))));
       },
       /*total=*/false},
  };
  return impostors;
}

TEST(TrieOrderTest, RocksDbsOwnComparatorsAreServed) {
  EXPECT_EQ(TrieOrderOf(BytewiseComparator()), TrieOrder::kBytewise);
  EXPECT_EQ(TrieOrderOf(ReverseBytewiseComparator()), TrieOrder::kMirrored);
  EXPECT_EQ(TrieOrderOf(rocksdb::BytewiseComparatorWithU64Ts()),
            TrieOrder::kUnsupported);
}

TEST(TrieOrderTest, TheSameOrderAtAnotherAddressIsServed) {
  const Named bytewise(
      BytewiseComparator(),
      [](const Slice& a, const Slice& b) { return a.compare(b); });
  EXPECT_EQ(TrieOrderOf(&bytewise), TrieOrder::kBytewise);
  const Named reverse(
      ReverseBytewiseComparator(),
      [](const Slice& a, const Slice& b) { return -a.compare(b); });
  EXPECT_EQ(TrieOrderOf(&reverse), TrieOrder::kMirrored);
}

TEST(TrieOrderTest, ANameAloneProvesNothing) {
  for (const Impostor& impostor : Impostors()) {
    const Named bytewise(BytewiseComparator(), impostor.order);
    EXPECT_EQ(TrieOrderOf(&bytewise), TrieOrder::kUnsupported) << impostor.what;
    const Named reverse(
        ReverseBytewiseComparator(),
        [&](const Slice& a, const Slice& b) { return -impostor.order(a, b); });
    EXPECT_EQ(TrieOrderOf(&reverse), TrieOrder::kUnsupported)
        << "reversed " << impostor.what;
  }
}

class TrieOrderDbTest : public FstDbTest {};

TEST_F(TrieOrderDbTest, ADatabaseKeepsTheOrderOfItsComparator) {
  for (const Impostor& impostor : Impostors()) {
    if (!impostor.total) continue;
    SCOPED_TRACE(impostor.what);
    Destroy();
    const Named comparator(BytewiseComparator(), impostor.order);
    Options options = MemkvOptions();
    options.comparator = &comparator;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    std::vector<std::string> keys;
    for (const char* key : {"b", "aa", "B", "C", "c", "10", "9", "100", "\xff",
                            "\x01", "ab", "abc", "zz", "z"}) {
      keys.push_back(key);
      ASSERT_NO_FATAL_FAILURE(Put(key, std::string("value of ") + key));
    }
    std::sort(keys.begin(), keys.end(),
              [&](const std::string& a, const std::string& b) {
                return comparator.Compare(a, b) < 0;
              });
    for (int flushed = 0; flushed < 2; ++flushed) {
      std::unique_ptr<rocksdb::Iterator> iter(
          db()->NewIterator(rocksdb::ReadOptions()));
      size_t n = 0;
      for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++n) {
        ASSERT_LT(n, keys.size());
        EXPECT_EQ(iter->key().ToString(), keys[n]);
      }
      EXPECT_TRUE(iter->status().ok()) << iter->status().ToString();
      EXPECT_EQ(n, keys.size());
      for (const std::string& key : keys) {
        EXPECT_EQ(Get(key), "value of " + key);
      }
      if (flushed == 0) {
        ASSERT_NO_FATAL_FAILURE(Flush());
        ASSERT_NO_FATAL_FAILURE(CompactAll());
      }
    }
    EXPECT_EQ(Kinds().fst, 0u);
    Close();
  }
}

}  // namespace
}  // namespace memkv
