// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A program of somebody else's: installed headers, the compiler's default
// flags, one call into memkv.

#include "memkv/memkv.h"
#include "round_trip.h"

int main() {
  memkv::RegisterMemkv();
  return RoundTrip();
}
