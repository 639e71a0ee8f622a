// Counter-based noise: Philox4x32-10, bit for bit as ops/philox.py has it.
#pragma once

#include <cstdint>
#include <cstring>

#include "functions.h"
#include "simd.h"

#ifdef L0GATES_V4
#include <immintrin.h>
#endif

namespace l0gates {

constexpr int kBlocks = kDraw / 4;
constexpr uint64_t kLow = 0xFFFFFFFFu;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;

constexpr uint64_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;

L0GATES_INLINE uint64_t product0(uint64_t word) { return word * kMultiplier0; }
L0GATES_INLINE uint64_t product1(uint64_t word) { return word * kMultiplier1; }

// The four words of a block of gates. Each 32-bit word is in a 64-bit one, so that a product needs one instruction. The
// high halves of c0 and c2, which are multiplied, are 0; those of c1 and c3 are never used.
struct Words {
  uint64_t c0, c1, c2, c3;
};

L0GATES_INLINE Words next_round(const Words& c, uint64_t key0, uint64_t key1) {
  const uint64_t p0 = product0(c.c0), p1 = product1(c.c2);
  return {(p1 >> 32) ^ (c.c1 & kLow) ^ key0, p1, (p0 >> 32) ^ (c.c3 & kLow) ^ key1, p0};
}

// What the first three rounds of a block come to before the example is known: the counter's words `block` and `stream`
// meet the words `example` in round 2, and only by an exclusive or.
struct Prepared {
  alignas(64) uint64_t c2_of_round_2[kBlocks], c0[kBlocks], c2[kBlocks], c3[kBlocks];
};

// `c1` is that of round 1, which depends on the example's high word.
L0GATES_LOOP void prepare(uint64_t seed, uint32_t stream, uint32_t first_block, int blocks, uint64_t c1,
                          Prepared* __restrict prepared) {
  const auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  const uint64_t key01 = key0 + kWeyl0, key02 = key0 + 2 * kWeyl0, key11 = key1 + kWeyl1, key12 = key1 + 2 * kWeyl1;
  for (int i = 0; i < blocks; ++i) {
    const uint64_t p0 = product0(first_block + static_cast<uint32_t>(i));
    const uint64_t p1 = product1((p0 >> 32) ^ stream ^ key1);
    const uint64_t q0 = product0((p1 >> 32) ^ c1 ^ key01);
    prepared->c2_of_round_2[i] = (p0 & kLow) ^ key11;
    prepared->c0[i] = (p1 & kLow) ^ key02;
    prepared->c2[i] = (q0 >> 32) ^ key12;
    prepared->c3[i] = q0;
  }
}

// The words of one example, that of gate g in place g. `Chains` blocks are worked on side by side: while one waits for
// its product, the others multiply. `blocks` is a multiple of it.
template <int Chains>
L0GATES_LOOP void finish(uint64_t seed, uint64_t example, int blocks, const Prepared* __restrict prepared,
                         unsigned char* __restrict words) {
  const auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  const uint64_t p0 = product0((product1(example >> 32) >> 32) ^ (example & kLow) ^ key0);
  const uint64_t high = p0 >> 32, low = p0 & kLow;
  const int part = blocks / Chains;
  for (int i = 0; i < part; ++i) {
    Words c[Chains];
    for (int k = 0; k < Chains; ++k) {
      const int at = i + k * part;
      const uint64_t p1 = product1(prepared->c2_of_round_2[at] ^ high);
      c[k] = {(p1 >> 32) ^ prepared->c0[at], p1, prepared->c2[at] ^ low, prepared->c3[at]};
    }
#pragma GCC unroll 7
    for (uint32_t round = 3; round < 10; ++round) {
      for (int k = 0; k < Chains; ++k) c[k] = next_round(c[k], key0 + round * kWeyl0, key1 + round * kWeyl1);
    }
    for (int k = 0; k < Chains; ++k) {
      const uint64_t first = c[k].c0 | c[k].c1 << 32, second = c[k].c2 | c[k].c3 << 32;
      std::memcpy(words + 16 * (i + k * part), &first, 8);
      std::memcpy(words + 16 * (i + k * part) + 8, &second, 8);
    }
  }
}

#ifdef L0GATES_V4
// As finish, for kBlocks blocks. The instruction that multiplies the lower halves of 64-bit numbers ignores the upper ones,
// which compilers do not know how to use: the other operations are three quarters then.
L0GATES_V4 inline void finish_v4(uint64_t seed, uint64_t example, const Prepared* prepared, unsigned char* words) {
  constexpr int kChains = 4, kWidth = 8, kXor = 0x96;
  constexpr __mmask16 kOdd = 0xAAAA;
  const auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  const uint64_t p0 = product0((product1(example >> 32) >> 32) ^ (example & kLow) ^ key0);
  const __m512i high = _mm512_set1_epi64(static_cast<int64_t>(p0 >> 32));
  const __m512i low = _mm512_set1_epi64(static_cast<int64_t>(p0 & kLow));
  const __m512i by0 = _mm512_set1_epi64(kMultiplier0), by1 = _mm512_set1_epi64(kMultiplier1);
  const __m512i firsts = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), lasts = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
  for (int i = 0; i < kBlocks; i += kChains * kWidth) {
    __m512i c0[kChains], c1[kChains], c2[kChains], c3[kChains];
    for (int k = 0; k < kChains; ++k) {
      const int at = i + k * kWidth;
      c1[k] = _mm512_mul_epu32(_mm512_xor_si512(_mm512_load_si512(prepared->c2_of_round_2 + at), high), by1);
      c0[k] = _mm512_xor_si512(_mm512_srli_epi64(c1[k], 32), _mm512_load_si512(prepared->c0 + at));
      c2[k] = _mm512_xor_si512(_mm512_load_si512(prepared->c2 + at), low);
      c3[k] = _mm512_load_si512(prepared->c3 + at);
    }
#pragma GCC unroll 7
    for (uint32_t round = 3; round < 10; ++round) {
      const __m512i word0 = _mm512_set1_epi64(key0 + round * kWeyl0), word1 = _mm512_set1_epi64(key1 + round * kWeyl1);
#pragma GCC unroll 4
      for (int k = 0; k < kChains; ++k) {
        const __m512i q0 = _mm512_mul_epu32(c0[k], by0), q1 = _mm512_mul_epu32(c2[k], by1);
        c0[k] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(q1, 32), c1[k], word0, kXor);
        c2[k] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(q0, 32), c3[k], word1, kXor);
        c1[k] = q1;
        c3[k] = q0;
      }
    }
    for (int k = 0; k < kChains; ++k) {
      const __m512i first = _mm512_mask_blend_epi32(kOdd, c0[k], _mm512_slli_epi64(c1[k], 32));
      const __m512i second = _mm512_mask_blend_epi32(kOdd, c2[k], _mm512_slli_epi64(c3[k], 32));
      unsigned char* to = words + 16 * (i + k * kWidth);
      _mm512_storeu_si512(to, _mm512_permutex2var_epi64(first, firsts, second));
      _mm512_storeu_si512(to + 64, _mm512_permutex2var_epi64(first, lasts, second));
    }
  }
}
#endif

// The 32-bit words of up to kDraw gates from `first` on, a multiple of 4, for any example.
class Stream {
 public:
  Stream(uint64_t seed, uint32_t stream, int64_t first, int n)
      : seed_(seed), stream_(stream), first_block_(static_cast<uint32_t>(first / 4)), blocks_((n + 3) / 4) {}

  // `words` has room for n of them, rounded up to a multiple of 4.
  void operator()(uint64_t example, unsigned char* words) {
    if (example >> 32 != high_) {
      high_ = example >> 32;
      prepare(seed_, stream_, first_block_, blocks_, product1(high_) & kLow, &prepared_);
    }
#ifdef L0GATES_V4
    if (blocks_ == kBlocks && L0GATES_HAS_V4) return finish_v4(seed_, example, &prepared_, words);
#endif
    return blocks_ == kBlocks ? finish<4>(seed_, example, blocks_, &prepared_, words)
                              : finish<1>(seed_, example, blocks_, &prepared_, words);
  }

 private:
  uint64_t seed_, high_ = ~uint64_t{0};
  uint32_t stream_, first_block_;
  int blocks_;
  Prepared prepared_;
};

// The bits of noise that a float or double is made of, still in its place as an integer.
L0GATES_INLINE float as_noise(float bits) {
  // k 2^-23 in the fraction of a number in [1, 2), less 1 - 2^-24: (k + 1/2) 2^-23 with k the top 23 bits, exactly.
  return bit_cast<float>(bit_cast<uint32_t>(bits) >> 9 | 0x3F800000u) - 0x1.fffffep-1f;
}

// (k + 1/2) 2^-52 with k the lower 52 bits.
L0GATES_INLINE double as_noise(double bits) {
  return (static_cast<double>(bit_cast<int64_t>(bits)) + 0.5) * 0x1p-52;
}

// The 32 bits of the word and the top 20 of the same word of stream + 2.
L0GATES_LOOP void join(const uint32_t* __restrict high, const uint32_t* __restrict low, int n, double* __restrict bits) {
  for (int i = 0; i < n; ++i) bits[i] = bit_cast<double>(static_cast<uint64_t>(high[i]) << 20 | low[i] >> 12);
}

// Noise of up to kDraw gates, as the bits of C.
template <class C>
class Noise;

template <>
class Noise<float> {
 public:
  Noise(uint64_t seed, uint32_t stream, int64_t first, int n) : words_(seed, stream, first, n) {}

  void operator()(uint64_t example, float* bits) { words_(example, reinterpret_cast<unsigned char*>(bits)); }

 private:
  Stream words_;
};

template <>
class Noise<double> {
 public:
  Noise(uint64_t seed, uint32_t stream, int64_t first, int n)
      : n_(n), high_(seed, stream, first, n), low_(seed, stream + 2, first, n) {}

  void operator()(uint64_t example, double* bits) {
    alignas(64) uint32_t high[kDraw], low[kDraw];
    high_(example, reinterpret_cast<unsigned char*>(high));
    low_(example, reinterpret_cast<unsigned char*>(low));
    join(high, low, n_, bits);
  }

 private:
  int n_;
  Stream high_, low_;
};

// Bits become the noise that they stand for.
template <class C>
L0GATES_LOOP void convert(int n, C* __restrict bits) {
  for (int i = 0; i < n; ++i) bits[i] = as_noise(bits[i]);
}

}  // namespace l0gates
