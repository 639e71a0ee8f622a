// Binary concrete gates at temperature 2/3 in the instructions of x86-64-v4, with nothing between noise and result but
// registers. A compiler finds neither the approximate root nor the mask of slopes.
#pragma once

#include <cstdint>

#include "simd.h"

#ifdef L0GATES_V4
#include <immintrin.h>

namespace l0gates {

// Noise in float32 keeps so far from 0 and 1 by itself.
constexpr double kLeastNoise = 0x1p-24;

// As two_thirds, of sixteen gates' bits of noise and half their c. The root is w / sqrt(w), an approximation and a
// Newton step, whose factor of a half is in c: at the multipliers, which everything here waits for, it takes as long as
// the division beside it.
L0GATES_V4 L0GATES_INLINE __m512 sigmoid_v4(__m512i bits, __m512 half_c) {
  // As as_noise has it.
  const __m512i one = _mm512_set1_epi32(0x3F800000);
  const __m512 shifted = _mm512_castsi512_ps(_mm512_or_si512(_mm512_srli_epi32(bits, 9), one));
  const __m512 u = _mm512_sub_ps(shifted, _mm512_set1_ps(0x1.fffffep-1f));
  const __m512 rest = _mm512_sub_ps(_mm512_set1_ps(1), u);
  const __m512 square = _mm512_mul_ps(u, u), w = _mm512_mul_ps(u, rest);
  const __m512 inverse = _mm512_maskz_rsqrt14_ps(0xFFFF, w), root = _mm512_mul_ps(w, inverse);
  const __m512 twice = _mm512_fnmadd_ps(root, inverse, _mm512_set1_ps(3));
  const __m512 other = _mm512_mul_ps(_mm512_mul_ps(rest, half_c), root);
  return _mm512_div_ps(square, _mm512_fmadd_ps(other, twice, square));
}

// Where sigmoids are stretched to, and what stretched gates are folded onto.
struct Stretch {
  float lower, range;

  L0GATES_V4 L0GATES_INLINE __m512 operator()(__m512 s) const {
    return _mm512_fmadd_ps(s, _mm512_set1_ps(range), _mm512_set1_ps(lower));
  }
};

// The first operand of these is given up where the second is not a number.
L0GATES_V4 L0GATES_INLINE __m512 fold_v4(__m512 gate) {
  return _mm512_min_ps(_mm512_set1_ps(1), _mm512_max_ps(_mm512_setzero_ps(), gate));
}

// The lanes of elements from i on that are there.
L0GATES_V4 L0GATES_INLINE __mmask16 lanes_v4(int64_t i, int64_t n) {
  return n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
}

// Bits of noise in `gates` become gates; `slopes` may be null.
L0GATES_V4 inline void concrete_gates_v4(Stretch stretch, const float* half_c, int64_t n, float* gates, float* slopes) {
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes_v4(i, n);
    const __m512i bits = _mm512_maskz_loadu_epi32(lanes, gates + i);
    const __m512 s = sigmoid_v4(bits, _mm512_maskz_loadu_ps(lanes, half_c + i));
    const __m512 gate = stretch(s), folded = fold_v4(gate);
    _mm512_mask_storeu_ps(gates + i, lanes, folded);
    if (slopes == nullptr) continue;
    const __m512 slope = _mm512_maskz_fnmadd_ps(_mm512_cmpeq_ps_mask(gate, folded), s, s, s);
    _mm512_mask_storeu_ps(slopes + i, lanes, slope);
  }
}

// Past the cache if `past`, which takes an address of whole lines.
L0GATES_V4 L0GATES_INLINE void store_v4(float* to, __m512 values, bool past) {
  past ? _mm512_stream_ps(to, values) : _mm512_storeu_ps(to, values);
}

inline bool is_whole_line(const float* address) { return reinterpret_cast<uintptr_t>(address) % 64 == 0; }

// result = x * gates, of bits of noise; n is a multiple of 16.
L0GATES_V4 inline void multiply_v4(Stretch stretch, const float* half_c, const float* bits, const float* x, int64_t n,
                                   float* result, bool past_cache) {
  const bool past = past_cache && is_whole_line(result);
  for (int64_t i = 0; i < n; i += 16) {
    const __m512 gate = stretch(sigmoid_v4(_mm512_loadu_si512(bits + i), _mm512_loadu_ps(half_c + i)));
    store_v4(result + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), fold_v4(gate)), past);
  }
}

// result = grad * gates, sums += grad * x * slopes, of bits of noise; n is a multiple of 16.
L0GATES_V4 inline void differentiate_v4(Stretch stretch, const float* half_c, const float* bits, const float* grad,
                                        const float* x, int64_t n, float* result, bool past_cache, float* sums) {
  const bool past = past_cache && is_whole_line(result);
  for (int64_t i = 0; i < n; i += 16) {
    const __m512 s = sigmoid_v4(_mm512_loadu_si512(bits + i), _mm512_loadu_ps(half_c + i));
    const __m512 gate = stretch(s), folded = fold_v4(gate), g = _mm512_loadu_ps(grad + i);
    store_v4(result + i, _mm512_mul_ps(g, folded), past);
    const __m512 product = _mm512_mul_ps(g, _mm512_loadu_ps(x + i)), slope = _mm512_fnmadd_ps(s, s, s);
    const __mmask16 inside = _mm512_cmpeq_ps_mask(gate, folded);
    _mm512_storeu_ps(sums + i, _mm512_mask3_fmadd_ps(product, slope, _mm512_loadu_ps(sums + i), inside));
  }
}

}  // namespace l0gates
#endif
