// The two distributions: folded gates, and their slopes by the parameter but for a factor that all share, from uniform
// noise.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "concrete_v4.h"
#include "functions.h"
#include "philox.h"

namespace l0gates {

// The value, or the bound that it is beyond; what is not a number stays so.
template <class C>
struct Interval {
  C least, most;

  L0GATES_INLINE C clamp(C value) const {
    value = value < least ? least : value;
    return value > most ? most : value;
  }
};

// Where gates are folded onto. As constants, whose order the compiler knows, they would make four comparisons of what is
// two instructions.
template <class C>
Interval<C> unit_interval() {
  static const volatile C zero = 0, one = 1;
  return {zero, one};
}

template <class C>
struct Concrete {
  C temperature, lower, upper;
  Interval<C> noise, unit;
};

// At temperature 2/3, s = u^2 / (u^2 + (1 - u) sqrt(u (1 - u)) c) with c = exp(-log_alpha / temperature): neither
// exp nor log for an element.
template <class C>
L0GATES_INLINE C two_thirds(C u, C c) {
  const C rest = 1 - u, square = u * u;
  return square / (square + rest * std::sqrt(u * rest) * c);
}

template <class C>
L0GATES_INLINE C any_temperature(C u, C log_alpha, C inverse) {
  const C logit = natural_log(u) - natural_log(1 - u);
  return 1 / (1 + exponential(-(logit + log_alpha) * inverse));
}

// Bits of noise in `gates` become gates. Which of the two formulas, and whether slopes are wanted, is decided outside of
// the loop.
template <class C, bool IsTwoThirds, bool Slopes>
L0GATES_LOOP void concrete_gates(const Concrete<C>& constants, const C* __restrict prepared, int n,
                                 C* __restrict gates, C* __restrict slopes) {
  const Concrete<C> law = constants;
  const C inverse = 1 / law.temperature, range = law.upper - law.lower;
  for (int i = 0; i < n; ++i) {
    const C u = law.noise.clamp(as_noise(gates[i]));
    const C s = IsTwoThirds ? two_thirds(u, prepared[i]) : any_temperature(u, prepared[i], inverse);
    const C gate = s * range + law.lower, folded = law.unit.clamp(gate);
    gates[i] = folded;
    if (Slopes) slopes[i] = gate - folded == 0 ? s * (1 - s) : 0;
  }
}

template <class C, bool Slopes>
L0GATES_LOOP void normal_gates(C std, const Interval<C>& interval, const C* __restrict mu, int n, C* __restrict gates,
                               C* __restrict slopes) {
  const Interval<C> unit = interval;
  for (int i = 0; i < n; ++i) {
    const C gate = mu[i] + std * normal_quantile(as_noise(gates[i])), folded = unit.clamp(gate);
    gates[i] = folded;
    if (Slopes) slopes[i] = gate - folded == 0 ? 1 : 0;
  }
}

template <class C>
class BinaryConcrete {
 public:
  static constexpr uint32_t kStream = 0;

  BinaryConcrete(const std::vector<C>& log_alpha, const std::vector<double>& constants) : prepared_(log_alpha) {
    const double temperature = constants[0], eps = constants[3];
    constants_ = {static_cast<C>(temperature),
                  static_cast<C>(constants[1]),
                  static_cast<C>(constants[2]),
                  {static_cast<C>(eps), 1 - static_cast<C>(eps)},
                  unit_interval<C>()};
    is_two_thirds_ = std::fabs(1.5 * temperature - 1) < (sizeof(C) == 4 ? 1e-7 : 1e-15);
    if (!is_two_thirds_) return;
#ifdef L0GATES_V4
    fuses_ = std::is_same_v<C, float> && eps <= kLeastNoise && L0GATES_HAS_V4;
#endif
    for (C& value : prepared_) {
      const double c = std::exp(-static_cast<double>(value) / temperature);
      value = static_cast<C>(fuses_ ? c / 2 : c);
    }
  }

  // What slopes are to be multiplied by.
  double slope_factor() const {
    return (static_cast<double>(constants_.upper) - static_cast<double>(constants_.lower)) /
           static_cast<double>(constants_.temperature);
  }

  // Bits of noise of the gates from `first` on, in `gates`, become gates; `slopes` may be null.
  void operator()(int64_t first, int n, C* gates, C* slopes) const {
    const C* prepared = prepared_.data() + first;
#ifdef L0GATES_V4
    if constexpr (std::is_same_v<C, float>) {
      if (fuses_) return concrete_gates_v4(stretch(), prepared, n, gates, slopes);
    }
#endif
    if (is_two_thirds_ && slopes != nullptr) concrete_gates<C, true, true>(constants_, prepared, n, gates, slopes);
    if (is_two_thirds_ && slopes == nullptr) concrete_gates<C, true, false>(constants_, prepared, n, gates, slopes);
    if (!is_two_thirds_ && slopes != nullptr) concrete_gates<C, false, true>(constants_, prepared, n, gates, slopes);
    if (!is_two_thirds_ && slopes == nullptr) concrete_gates<C, false, false>(constants_, prepared, n, gates, slopes);
  }

  // Whether multiply and differentiate may be called.
  bool fuses() const { return fuses_; }

#ifdef L0GATES_V4
  // result = x * gates, of the bits of noise of the gates from `first` on; n is a multiple of 16.
  void multiply(int64_t first, const C* bits, const C* x, int64_t n, C* result, bool past_cache) const {
    multiply_v4(stretch(), prepared_.data() + first, bits, x, n, result, past_cache);
  }
  // The same for result = grad * gates and sums += grad * x * slopes.
  void differentiate(int64_t first, const C* bits, const C* grad, const C* x, int64_t n, C* result, bool past_cache,
                     C* sums) const {
    differentiate_v4(stretch(), prepared_.data() + first, bits, grad, x, n, result, past_cache, sums);
  }
#endif

 private:
#ifdef L0GATES_V4
  Stretch stretch() const { return {constants_.lower, constants_.upper - constants_.lower}; }
#endif

  std::vector<C> prepared_;
  Concrete<C> constants_;
  bool is_two_thirds_, fuses_ = false;
};

template <class C>
class Gaussian {
 public:
  static constexpr uint32_t kStream = 1;

  Gaussian(const std::vector<C>& mu, const std::vector<double>& constants)
      : mu_(mu), std_(static_cast<C>(constants[0])), unit_(unit_interval<C>()) {}

  double slope_factor() const { return 1; }

  void operator()(int64_t first, int n, C* gates, C* slopes) const {
    if (slopes != nullptr) return normal_gates<C, true>(std_, unit_, mu_.data() + first, n, gates, slopes);
    normal_gates<C, false>(std_, unit_, mu_.data() + first, n, gates, slopes);
  }

 private:
  std::vector<C> mu_;
  C std_;
  Interval<C> unit_;
};

// Whether a law has the loops that take elements of type T from bits of noise to result.
template <class Law, class T>
constexpr bool kFuses = false;
#ifdef L0GATES_V4
template <>
inline constexpr bool kFuses<BinaryConcrete<float>, float> = true;
#endif

// Whether they may be called.
template <class T, class Law>
bool fuses(const Law& law) {
  if constexpr (kFuses<Law, T>) return law.fuses();
  return false;
}

// The gates of a range from `first` on, a multiple of 4, of any example, in parts of kDraw.
template <class Law, class C>
class Gates {
 public:
  Gates(const Law& law, uint64_t seed, int64_t first, int64_t n) : law_(law), first_(first), n_(n) {
    noise_.reserve(static_cast<size_t>((n + kDraw - 1) / kDraw));
    for (int64_t at = 0; at < n; at += kDraw) noise_.emplace_back(seed, Law::kStream, first + at, length(at));
  }

  // The part at `at`, a multiple of kDraw, in two steps: its noise, and gates from it, with slopes if they are wanted.
  void draw(int64_t example, int64_t at, C* gates) {
    noise_[static_cast<size_t>(at / kDraw)](static_cast<uint64_t>(example), gates + at);
  }
  void shape(int64_t at, C* gates, C* slopes) const {
    law_(first_ + at, length(at), gates + at, slopes == nullptr ? nullptr : slopes + at);
  }

  // All parts; there is room for n rounded up to a multiple of 4.
  void operator()(int64_t example, C* gates, C* slopes) {
    for (int64_t at = 0; at < n_; at += kDraw) {
      draw(example, at, gates);
      shape(at, gates, slopes);
    }
  }

 private:
  int length(int64_t at) const { return static_cast<int>(std::min<int64_t>(kDraw, n_ - at)); }

  const Law& law_;
  int64_t first_, n_;
  std::vector<Noise<C>> noise_;
};

}  // namespace l0gates
