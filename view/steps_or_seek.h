// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// StepsOrSeek: how many keys to step over, on the way to one that is known,
// before that is sought. A seek takes as long as some twenty steps. How far it
// is nobody knows, but what sufficed lately suffices again, mostly: the number
// is doubled where the steps came there and halved where they did not.
//
// Thread safety: none.

#pragma once

#include <algorithm>

namespace memkv {
namespace view {

class StepsOrSeek {
 public:
  // Not less than one, so as to learn when steps suffice again.
  int steps() const { return steps_; }
  void Sufficed() { steps_ = std::min(kMost, 2 * steps_); }
  void DidNot() { steps_ = std::max(1, steps_ / 2); }

 private:
  static constexpr int kMost = 16;

  int steps_ = 1;
};

}  // namespace view
}  // namespace memkv
