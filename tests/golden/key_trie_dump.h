// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A decoder of key tries and token tables that is written from the text of
// table/FORMAT.md alone, without the reader's code.  It explains every byte,
// and fails the test where bytes are not as the text says.
//
// Thread safety: may be called from any thread.

#pragma once

#include <string>
#include <vector>

namespace memkv {

struct KeyTrieDump {
  std::string text;
  std::vector<std::string> keys;
};

// What the text makes of a key trie; token_bytes is empty if it has none.
KeyTrieDump DumpKeyTrie(const std::string& bytes,
                        const std::string& token_bytes);

// What it makes of a token table.
std::string DumpTokens(const std::string& bytes);

}  // namespace memkv
