// Counter-based noise: Philox4x32-10, bit for bit as ops/philox.py has it.
#pragma once

#include <cstdint>

#include "simd.h"

namespace l0gates {

// The gates of one example: what the counter and the key are made of, but for the gate.
struct Draw {
  uint64_t seed;
  uint64_t example;
  uint32_t stream;
};

// The four words of the counter (block, example, stream). Each 32-bit word is in the low half of a 64-bit one, so
// that a product needs one instruction; what is in the high halves is never used.
L0GATES_INLINE void philox(const Draw& draw, uint32_t stream, uint32_t block, uint64_t words[4]) {
  uint64_t c0 = block, c1 = draw.example & 0xFFFFFFFFu, c2 = draw.example >> 32, c3 = stream;
  uint32_t k0 = static_cast<uint32_t>(draw.seed), k1 = static_cast<uint32_t>(draw.seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(static_cast<uint32_t>(c0)) * 0xD2511F53u;
    const uint64_t p1 = static_cast<uint64_t>(static_cast<uint32_t>(c2)) * 0xCD9E8D57u;
    c0 = (p1 >> 32) ^ c1 ^ k0;
    c2 = (p0 >> 32) ^ c3 ^ k1;
    c1 = p1 & 0xFFFFFFFFu;
    c3 = p0 & 0xFFFFFFFFu;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

// Uniform noise of 4 * blocks gates, from gate 4 * first_block on: (k + 1/2) 2^-23 with k the top 23 bits.
L0GATES_LOOP void uniform(const Draw& draw, uint32_t first_block, int blocks, float* __restrict noise) {
  const Draw one = draw;
  for (int i = 0; i < blocks; ++i) {
    uint64_t words[4];
    philox(one, one.stream, first_block + static_cast<uint32_t>(i), words);
    for (int word = 0; word < 4; ++word) {
      const auto top = static_cast<int32_t>(static_cast<uint32_t>(words[word]) >> 9);
      noise[4 * i + word] = (static_cast<float>(top) + 0.5f) * 0x1p-23f;
    }
  }
}

// The same in float64: the 32 bits of the word and the top 20 of the same word of stream + 2.
L0GATES_LOOP void uniform(const Draw& draw, uint32_t first_block, int blocks, double* __restrict noise) {
  const Draw one = draw;
  for (int i = 0; i < blocks; ++i) {
    uint64_t high[4], low[4];
    philox(one, one.stream, first_block + static_cast<uint32_t>(i), high);
    philox(one, one.stream + 2, first_block + static_cast<uint32_t>(i), low);
    for (int word = 0; word < 4; ++word) {
      const uint64_t bits = ((high[word] & 0xFFFFFFFFu) << 20) | ((low[word] & 0xFFFFFFFFu) >> 12);
      noise[4 * i + word] = (static_cast<double>(static_cast<int64_t>(bits)) + 0.5) * 0x1p-52;
    }
  }
}

}  // namespace l0gates
