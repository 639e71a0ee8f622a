// Counter-based noise: Philox4x32-10, bit for bit as ops/philox.py has it.
#pragma once

#include <cstdint>
#include <cstring>

#include "functions.h"
#include "simd.h"

namespace l0gates {

constexpr int kBlocks = kDraw / 4;
constexpr uint64_t kLow = 0xFFFFFFFFu;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;

L0GATES_INLINE uint64_t product0(uint64_t word) { return word * 0xD2511F53u; }
L0GATES_INLINE uint64_t product1(uint64_t word) { return word * 0xCD9E8D57u; }

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
