// The two distributions: folded gates, and their slopes by the parameter, from uniform noise.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "functions.h"
#include "philox.h"

namespace l0gates {

template <class C>
L0GATES_INLINE C fold(C gate) {
  gate = gate < 0 ? 0 : gate;
  return gate > 1 ? 1 : gate;
}

template <class C>
struct Concrete {
  C temperature, lower, upper, least, most;
};

// From s = sigmoid((logit(u) + log_alpha) / temperature).
template <class C>
L0GATES_INLINE void stretch(C s, const Concrete<C>& law, C scale, int i, C* gates, C* slopes) {
  const C gate = s * (law.upper - law.lower) + law.lower;
  gates[i] = fold(gate);
  if (slopes != nullptr) {
    const C slope = (gate - law.lower) * (law.upper - gate) * scale;
    slopes[i] = gate >= 0 && gate <= 1 ? slope : 0;
  }
}

template <class C>
L0GATES_INLINE C clamp_noise(C u, const Concrete<C>& law) {
  u = u < law.least ? law.least : u;
  return u > law.most ? law.most : u;
}

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

// Uniform noise in `gates` becomes gates. Which of the two formulas, and whether slopes are wanted, is decided outside of the loop.
template <class C, bool IsTwoThirds, bool Slopes>
L0GATES_LOOP void concrete_gates(const Concrete<C>& constants, const C* __restrict prepared, int n,
                                 C* __restrict gates, C* __restrict slopes) {
  const Concrete<C> law = constants;
  const C inverse = 1 / law.temperature, scale = inverse / (law.upper - law.lower);
  for (int i = 0; i < n; ++i) {
    const C u = clamp_noise(gates[i], law);
    const C s = IsTwoThirds ? two_thirds(u, prepared[i]) : any_temperature(u, prepared[i], inverse);
    stretch(s, law, scale, i, gates, Slopes ? slopes : nullptr);
  }
}

template <class C, bool Slopes>
L0GATES_LOOP void normal_gates(C std, const C* __restrict mu, int n, C* __restrict gates, C* __restrict slopes) {
  for (int i = 0; i < n; ++i) {
    const C gate = mu[i] + std * normal_quantile(gates[i]);
    gates[i] = fold(gate);
    if (Slopes) slopes[i] = gate >= 0 && gate <= 1 ? 1 : 0;
  }
}

template <class C>
class BinaryConcrete {
 public:
  static constexpr uint32_t kStream = 0;

  BinaryConcrete(const std::vector<C>& log_alpha, const std::vector<double>& constants) : prepared_(log_alpha) {
    const double temperature = constants[0], eps = constants[3];
    constants_ = {static_cast<C>(temperature), static_cast<C>(constants[1]), static_cast<C>(constants[2]),
                  static_cast<C>(eps), 1 - static_cast<C>(eps)};
    is_two_thirds_ = std::fabs(1.5 * temperature - 1) < (sizeof(C) == 4 ? 1e-7 : 1e-15);
    if (!is_two_thirds_) return;
    for (C& value : prepared_) value = static_cast<C>(std::exp(-static_cast<double>(value) / temperature));
  }

  // Uniform noise of the gates from `first` on, in `gates`, becomes gates; `slopes` may be null.
  void operator()(int64_t first, int n, C* gates, C* slopes) const {
    const C* prepared = prepared_.data() + first;
    if (is_two_thirds_ && slopes != nullptr) concrete_gates<C, true, true>(constants_, prepared, n, gates, slopes);
    if (is_two_thirds_ && slopes == nullptr) concrete_gates<C, true, false>(constants_, prepared, n, gates, slopes);
    if (!is_two_thirds_ && slopes != nullptr) concrete_gates<C, false, true>(constants_, prepared, n, gates, slopes);
    if (!is_two_thirds_ && slopes == nullptr) concrete_gates<C, false, false>(constants_, prepared, n, gates, slopes);
  }

 private:
  std::vector<C> prepared_;
  Concrete<C> constants_;
  bool is_two_thirds_;
};

template <class C>
class Gaussian {
 public:
  static constexpr uint32_t kStream = 1;

  Gaussian(const std::vector<C>& mu, const std::vector<double>& constants)
      : mu_(mu), std_(static_cast<C>(constants[0])) {}

  void operator()(int64_t first, int n, C* gates, C* slopes) const {
    if (slopes != nullptr) return normal_gates<C, true>(std_, mu_.data() + first, n, gates, slopes);
    normal_gates<C, false>(std_, mu_.data() + first, n, gates, slopes);
  }

 private:
  std::vector<C> mu_;
  C std_;
};

// The gates `first` to `first + n - 1` of an example, and their slopes if wanted; `first` a multiple of 4, and room
// for n rounded up to one.
template <class Law, class C>
void draw_gates(const Law& law, const Draw& draw, int64_t first, int n, C* gates, C* slopes) {
  uniform(draw, static_cast<uint32_t>(first / 4), (n + 3) / 4, gates);
  law(first, n, gates, slopes);
}

}  // namespace l0gates
