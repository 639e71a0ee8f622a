// Writing outputs that no cache holds until they are read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "simd.h"

namespace l0gates {

// Bytes of output from which it is written past the cache. The processor then need not read a line before it
// writes it, which is a third of what a multiplication moves.
constexpr int64_t kPastCache = 12 << 20;
// The same for an input gradient that goes there from registers, without a copy.
constexpr int64_t kPastCacheAtOnce = 4 << 20;
// Elements that are computed before they are written: so few that memory does not wait for the next.
constexpr int64_t kAhead = 64;

#if defined(__SSE2__)
inline void write_past_cache(const void* from, int64_t bytes, void* to) {
  if (bytes % 16 != 0 || reinterpret_cast<uintptr_t>(to) % 16 != 0) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
    return;
  }
  const auto* source = static_cast<const __m128i*>(from);
  auto* target = static_cast<__m128i*>(to);
  for (int64_t i = 0; i < bytes / 16; ++i) _mm_stream_si128(target + i, _mm_load_si128(source + i));
}

// Before another thread may read what was written.
inline void finish_writing() { _mm_sfence(); }
#else
inline void write_past_cache(const void* from, int64_t bytes, void* to) {
  std::memcpy(to, from, static_cast<size_t>(bytes));
}
inline void finish_writing() {}
#endif

// Where results go.
template <class T>
struct Output {
  T* data;
  bool past_cache, past_cache_at_once;

  Output(T* result, int64_t elements)
      : data(result),
        past_cache(elements * static_cast<int64_t>(sizeof(T)) >= kPastCache),
        past_cache_at_once(elements * static_cast<int64_t>(sizeof(T)) >= kPastCacheAtOnce) {}

  // What is worth asking for before it is written: a null pointer if there is nothing.
  const T* awaited(int64_t at) const { return data == nullptr || past_cache ? nullptr : data + at; }

  // Calls loop(from, n, result) until it has computed the n elements that belong to `at` and what follows.
  template <class Loop>
  void write(int64_t at, int64_t n, const Loop& loop) const {
    if (!past_cache) return loop(0, n, data + at);
    alignas(64) T computed[kAhead];
    for (int64_t from = 0; from < n; from += kAhead) {
      const int64_t length = std::min(kAhead, n - from);
      loop(from, length, computed);
      write_past_cache(computed, length * static_cast<int64_t>(sizeof(T)), data + at + from);
    }
  }
};

}  // namespace l0gates
