// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/corruption/allocation_watch.h"

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
// Of sanitizer/allocator_interface.h, which GCC does not install.
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void*, size_t),
    void (*on_free)(const volatile void*));
size_t __sanitizer_get_allocated_size(const volatile void* p);
}
#endif

namespace memkv {

namespace {

std::atomic<int64_t> held{0};
std::atomic<int64_t> most_held_since{0};
std::atomic<int64_t> held_at_begin{0};
std::atomic<size_t> largest_since{0};

template <class T>
void Raise(std::atomic<T>* most, T value) {
  T before = most->load(std::memory_order_relaxed);
  while (before < value && !most->compare_exchange_weak(
                               before, value, std::memory_order_relaxed)) {
  }
}

void Allocated(size_t asked_for, size_t size) {
  const auto bytes = static_cast<int64_t>(size);
  const int64_t now = held.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  Raise(&most_held_since, now);
  Raise(&largest_since, asked_for);
}

void Freed(size_t size) {
  held.fetch_sub(static_cast<int64_t>(size), std::memory_order_relaxed);
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__)

namespace {

void OnMalloc(const volatile void* p, size_t size) {
  if (p != nullptr) Allocated(size, size);
}

void OnFree(const volatile void* p) {
  if (p != nullptr) {
    Freed(__sanitizer_get_allocated_size(p));
  }
}

void Install() {
  static const bool installed =
      __sanitizer_install_malloc_and_free_hooks(OnMalloc, OnFree) != 0;
  (void)installed;
}

}  // namespace

#else

namespace {

void Install() {}

void* Allocate(size_t size, size_t alignment) {
  void* const p =
      alignment == 0 ? std::malloc(size == 0 ? 1 : size)
                     : std::aligned_alloc(alignment, (size + alignment - 1) /
                                                         alignment * alignment);
  Allocated(size, p == nullptr ? 0 : malloc_usable_size(p));
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

void Free(void* p) {
  if (p != nullptr) Freed(malloc_usable_size(p));
  std::free(p);
}

}  // namespace

#endif

AllocationWatch::AllocationWatch() {
  Install();
  const int64_t now = held.load(std::memory_order_relaxed);
  held_at_begin.store(now, std::memory_order_relaxed);
  most_held_since.store(now, std::memory_order_relaxed);
  largest_since.store(0, std::memory_order_relaxed);
}

size_t AllocationWatch::largest() const {
  return largest_since.load(std::memory_order_relaxed);
}

size_t AllocationWatch::most_held() const {
  return static_cast<size_t>(most_held_since.load(std::memory_order_relaxed) -
                             held_at_begin.load(std::memory_order_relaxed));
}

}  // namespace memkv

#if !defined(__SANITIZE_ADDRESS__)

void* operator new(size_t size) { return memkv::Allocate(size, 0); }
void* operator new[](size_t size) { return memkv::Allocate(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) {
  return memkv::Allocate(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return memkv::Allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* p) noexcept { memkv::Free(p); }
void operator delete[](void* p) noexcept { memkv::Free(p); }
void operator delete(void* p, size_t) noexcept { memkv::Free(p); }
void operator delete[](void* p, size_t) noexcept { memkv::Free(p); }
void operator delete(void* p, std::align_val_t) noexcept { memkv::Free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { memkv::Free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept {
  memkv::Free(p);
}
void operator delete[](void* p, size_t, std::align_val_t) noexcept {
  memkv::Free(p);
}

#endif
