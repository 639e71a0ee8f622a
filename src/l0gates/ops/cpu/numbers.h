// Element types: how each is read and written, and what it is computed in.
#pragma once

#include <cstdint>
#include <type_traits>

#include "functions.h"

namespace l0gates {

struct BFloat16 {
  uint16_t bits;
};
struct Half {
  uint16_t bits;
};

L0GATES_INLINE float load(float x) { return x; }
L0GATES_INLINE double load(double x) { return x; }
L0GATES_INLINE float load(BFloat16 x) { return bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

// The bits of a half number, shifted into a float's place, are 2^-112 of it, subnormal numbers included.
L0GATES_INLINE float load(Half x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16, rest = x.bits & 0x7FFFu;
  const float finite = bit_cast<float>(rest << 13) * 0x1p112f;
  const uint32_t bits = rest >= 0x7C00u ? (0x7F800000u | (rest << 13)) : bit_cast<uint32_t>(finite);
  return bit_cast<float>(sign | bits);
}

template <class T>
L0GATES_INLINE T store(double x) {
  return static_cast<T>(x);
}

// Round to nearest, ties to even; NaN stays NaN.
template <>
L0GATES_INLINE BFloat16 store<BFloat16>(double x) {
  const auto bits = bit_cast<uint32_t>(static_cast<float>(x));
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  return {static_cast<uint16_t>((bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : rounded)};
}

template <>
L0GATES_INLINE Half store<Half>(double x) {
  const auto bits = bit_cast<uint32_t>(static_cast<float>(x));
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  // Normal: rebias the exponent and round. Subnormal: adding 1/2 leaves the rounded fraction in the low bits.
  const uint32_t normal = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
  const uint32_t subnormal = bit_cast<uint32_t>(bit_cast<float>(magnitude) + 0.5f) - 0x3F000000u;
  uint32_t rounded = magnitude < 0x38800000u ? subnormal : normal;
  rounded = magnitude >= 0x477FF000u ? 0x7C00u : rounded;
  rounded = magnitude > 0x7F800000u ? 0x7E00u : rounded;
  return {static_cast<uint16_t>(sign | rounded)};
}

// What an element and a gate are multiplied in.
template <class T, class C>
using Product = std::conditional_t<std::is_same_v<T, double> || std::is_same_v<C, double>, double, float>;

}  // namespace l0gates
