// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A program that has never heard of memkv: it takes its options from a string,
// and may be told to load a library first, which it closes again.

#include <dlfcn.h>

#include "round_trip.h"

int main(int argc, char** argv) {
  if (argc > 1) {
    void* const library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr || dlclose(library) != 0) {
      std::fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
  }
  return RoundTrip();
}
