// Elements times few gates that a table names, in the instructions of x86-64-v4: gates are looked up in registers and
// go from there into the product.
#pragma once

#include <cstdint>

#include "loops.h"
#include "simd.h"

#ifdef L0GATES_V4
#include <immintrin.h>

namespace l0gates {

// kFew numbers in four registers.
struct FewV4 {
  __m512 part[4];

  L0GATES_V4 L0GATES_INLINE explicit FewV4(const float* values) {
    for (int i = 0; i < 4; ++i) part[i] = _mm512_loadu_ps(values + 16 * i);
  }

  // The numbers in sixteen places.
  L0GATES_V4 L0GATES_INLINE __m512 operator[](__m512i places) const {
    const __m512 low = _mm512_permutex2var_ps(part[0], places, part[1]);
    const __m512 high = _mm512_permutex2var_ps(part[2], places, part[3]);
    return _mm512_mask_blend_ps(_mm512_cmpgt_epi32_mask(places, _mm512_set1_epi32(31)), low, high);
  }
};

// Sixteen results to an address that is not that of a line: past the cache in halves, which the processor puts together.
L0GATES_V4 L0GATES_INLINE void store_halves_v4(float* to, __m512 values) {
  _mm256_stream_ps(to, _mm512_castps512_ps256(values));
  _mm256_stream_ps(to + 8, _mm512_extractf32x8_ps(values, 1));
}

// How results are written: past the cache as far as their address allows.
enum class Store { kCached, kHalves, kLines };

inline Store store_for(const float* to, bool past_cache) {
  const auto place = reinterpret_cast<uintptr_t>(to);
  if (!past_cache || place % 32 != 0) return Store::kCached;
  return place % 64 == 0 ? Store::kLines : Store::kHalves;
}

L0GATES_V4 L0GATES_INLINE void store_v4(float* to, __m512 values, Store how) {
  if (how == Store::kCached) return _mm512_storeu_ps(to, values);
  how == Store::kLines ? _mm512_stream_ps(to, values) : store_halves_v4(to, values);
}

// result = x * gates[table]
L0GATES_V4 inline void multiply_few_v4(const float* gates, const int32_t* table, const float* x, int64_t n, float* result,
                                       bool past_cache) {
  const FewV4 gate(gates);
  const Store how = store_for(result, past_cache);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    store_v4(result + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), gate[_mm512_loadu_si512(table + i)]), how);
  }
  if (i + 8 <= n && how != Store::kCached) {
    const __m512i places = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(table + i)));
    _mm256_stream_ps(result + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm512_castps512_ps256(gate[places])));
    i += 8;
  }
  for (; i < n; ++i) result[i] = x[i] * gates[table[i]];
}

// result = grad * gates[table], sums += grad * x * slopes[table]
L0GATES_V4 inline void differentiate_few_v4(const float* gates, const float* slopes, const int32_t* table,
                                            const float* grad, const float* x, int64_t n, float* result,
                                            bool past_cache, float* sums) {
  const FewV4 gate(gates), slope(slopes);
  const Store how = store_for(result, past_cache);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m512i places = _mm512_loadu_si512(table + i);
    const __m512 g = _mm512_loadu_ps(grad + i), product = _mm512_mul_ps(g, _mm512_loadu_ps(x + i));
    store_v4(result + i, _mm512_mul_ps(g, gate[places]), how);
    _mm512_storeu_ps(sums + i, _mm512_fmadd_ps(product, slope[places], _mm512_loadu_ps(sums + i)));
  }
  if (i + 8 <= n && how != Store::kCached) {
    const __m512i places = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(table + i)));
    const __m256 g = _mm256_loadu_ps(grad + i), product = _mm256_mul_ps(g, _mm256_loadu_ps(x + i));
    _mm256_stream_ps(result + i, _mm256_mul_ps(g, _mm512_castps512_ps256(gate[places])));
    _mm256_storeu_ps(sums + i, _mm256_fmadd_ps(product, _mm512_castps512_ps256(slope[places]), _mm256_loadu_ps(sums + i)));
    i += 8;
  }
  for (; i < n; ++i) {
    result[i] = grad[i] * gates[table[i]];
    sums[i] += grad[i] * x[i] * slopes[table[i]];
  }
}

}  // namespace l0gates
#endif
