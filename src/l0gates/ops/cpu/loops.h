// The inner loops: elements times gates, and the sums that the parameter's gradient is made of.
#pragma once

#include <cstdint>
#include <cstring>

#include "numbers.h"

namespace l0gates {

// Additions in a row in the elements' precision, before a sum goes on in float64.
constexpr int64_t kLongSum = 128;
// Sums that a dot product keeps side by side.
constexpr int kLanes = 16;

// Ask for n elements that will be needed, into the second-level cache; a null pointer has none. A request to the first
// would hold one of the few places of those that loads and stores wait in.
template <class T>
L0GATES_INLINE void fetch(const T* elements, int64_t from, int64_t n) {
  constexpr int64_t kLine = 64 / sizeof(T);
  if (elements == nullptr) return;
  for (int64_t i = from; i < from + n; i += kLine) __builtin_prefetch(elements + i, 0, 2);
}

// result = x * gates
template <class T, class C>
L0GATES_LOOP void multiply(const T* __restrict x, const C* __restrict gates, int64_t n, T* __restrict result) {
  using P = Product<T, C>;
  for (int64_t i = 0; i < n; ++i) result[i] = store<T>(static_cast<P>(load(x[i])) * static_cast<P>(gates[i]));
}

// sums += grad * x * slopes
template <class T, class C>
L0GATES_LOOP void accumulate(const T* __restrict grad, const T* __restrict x, const C* __restrict slopes, int64_t n,
                             C* __restrict sums) {
  for (int64_t i = 0; i < n; ++i) sums[i] += static_cast<C>(load(grad[i])) * static_cast<C>(load(x[i])) * slopes[i];
}

// Both in one pass: result = grad * gates, sums += grad * x * slopes
template <class T, class C>
L0GATES_LOOP void multiply_and_accumulate(const T* __restrict grad, const T* __restrict x, const C* __restrict gates,
                                          const C* __restrict slopes, int64_t n, T* __restrict result,
                                          C* __restrict sums) {
  using P = Product<T, C>;
  for (int64_t i = 0; i < n; ++i) {
    const auto g = load(grad[i]);
    result[i] = store<T>(static_cast<P>(g) * static_cast<P>(gates[i]));
    sums[i] += static_cast<C>(g) * static_cast<C>(load(x[i])) * slopes[i];
  }
}

// One gate: result = x * gate
template <class T, class C>
L0GATES_LOOP void multiply_by(const T* __restrict x, C gate, int64_t n, T* __restrict result) {
  using P = Product<T, C>;
  const P factor = gate;
  for (int64_t i = 0; i < n; ++i) result[i] = store<T>(static_cast<P>(load(x[i])) * factor);
}

// One gate: result = grad * gate where it is wanted, and the sum of grad * x, in sixteen lanes so that the order
// of the additions is the same however wide the machine's vectors are.
template <class T, class C, bool Result>
L0GATES_LOOP C dot(const T* __restrict grad, const T* __restrict x, C gate, int64_t n, T* __restrict result) {
  using P = Product<T, C>;
  const P factor = gate;
  C sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const auto g = load(grad[i + lane]);
      if (Result) result[i + lane] = store<T>(static_cast<P>(g) * factor);
      sums[lane] += static_cast<C>(g) * static_cast<C>(load(x[i + lane]));
    }
  }
  C total = 0;
  for (; i < n; ++i) {
    const auto g = load(grad[i]);
    if (Result) result[i] = store<T>(static_cast<P>(g) * factor);
    total += static_cast<C>(g) * static_cast<C>(load(x[i]));
  }
  for (int lane = 0; lane < kLanes; ++lane) total += sums[lane];
  return total;
}

// Whether a table names only gates 0 to n_gates - 1. A negative number is a large one without its sign.
L0GATES_LOOP bool is_within(const int32_t* __restrict table, int64_t n, uint32_t n_gates) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto gate = static_cast<uint32_t>(table[i]);
    largest = gate > largest ? gate : largest;
  }
  return n == 0 || largest < n_gates;
}

// result[i] = values[table[i]]
template <class V>
L0GATES_LOOP void look_up(const V* __restrict values, const int32_t* __restrict table, int64_t n,
                          V* __restrict result) {
  for (int64_t i = 0; i < n; ++i) result[i] = values[table[i]];
}

// Values up to which a table is looked up in registers.
constexpr int64_t kFew = 64;

#ifdef L0GATES_V4
using Sixteen = float __attribute__((vector_size(64)));
using SixteenPlaces = int32_t __attribute__((vector_size(64)));

// result[i] = values[table[i]] with values of kFew numbers: two permutations of 32 each take a quarter of a gather's time.
L0GATES_V4 inline void look_up_few(const float* values, const int32_t* table, int64_t n, float* result) {
  Sixteen part[4], found;
  SixteenPlaces places;
  std::memcpy(part, values, sizeof part);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    std::memcpy(&places, table + i, sizeof places);
    const Sixteen low = __builtin_shuffle(part[0], part[1], places), high = __builtin_shuffle(part[2], part[3], places);
    found = places < 32 ? low : high;
    std::memcpy(result + i, &found, sizeof found);
  }
  for (; i < n; ++i) result[i] = values[table[i]];
}

inline bool has_few(int64_t n_values, const float*) { return n_values <= kFew && L0GATES_HAS_V4; }
#else
inline void look_up_few(const float* values, const int32_t* table, int64_t n, float* result) {
  look_up(values, table, n, result);
}
inline bool has_few(int64_t, const float*) { return false; }
#endif
inline bool has_few(int64_t, const double*) { return false; }
inline void look_up_few(const double* values, const int32_t* table, int64_t n, double* result) {
  look_up(values, table, n, result);
}

// A gate and its slope side by side, so that both are looked up at once.
template <class C>
struct Pair {
  C gate, slope;
};

L0GATES_LOOP void look_up_bits(const unsigned char* __restrict values, const int32_t* __restrict table, int64_t n,
                               unsigned char* __restrict result) {
  for (int64_t i = 0; i < n; ++i) {
    uint64_t bits;
    std::memcpy(&bits, values + 8 * static_cast<int64_t>(table[i]), 8);
    std::memcpy(result + 8 * i, &bits, 8);
  }
}

// Two floats move as one integer: a gather takes its time by the number of values, whatever their size.
inline void look_up(const Pair<float>* values, const int32_t* table, int64_t n, Pair<float>* result) {
  look_up_bits(reinterpret_cast<const unsigned char*>(values), table, n, reinterpret_cast<unsigned char*>(result));
}

// As multiply_and_accumulate, with gates and slopes in pairs.
template <class T, class C>
L0GATES_LOOP void multiply_and_accumulate(const T* __restrict grad, const T* __restrict x,
                                          const Pair<C>* __restrict pairs, int64_t n, T* __restrict result,
                                          C* __restrict sums) {
  using P = Product<T, C>;
  for (int64_t i = 0; i < n; ++i) {
    const auto g = load(grad[i]);
    result[i] = store<T>(static_cast<P>(g) * static_cast<P>(pairs[i].gate));
    sums[i] += static_cast<C>(g) * static_cast<C>(load(x[i])) * pairs[i].slope;
  }
}

}  // namespace l0gates
