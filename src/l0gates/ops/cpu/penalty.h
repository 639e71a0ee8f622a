// P(z > 0) of every gate, its slope by the parameter, and the penalty that they make.
#pragma once

#include <cmath>
#include <vector>

#include "functions.h"
#include "laws.h"

namespace l0gates {

constexpr double kPi = 3.14159265358979323846;

template <class C>
L0GATES_LOOP void sigmoids(const C* __restrict log_alpha, int64_t n, C offset, C* __restrict probs) {
  for (int64_t i = 0; i < n; ++i) probs[i] = 1 / (1 + exponential(offset - log_alpha[i]));
}

// P(z > 0), or its slopes.
template <class C>
std::vector<C> active(const BinaryConcrete<C>*, const std::vector<C>& log_alpha, const std::vector<double>& constants,
                      bool slopes) {
  std::vector<C> probs(log_alpha.size());
  const double offset = constants[0] * std::log(-constants[1] / constants[2]);
  sigmoids(log_alpha.data(), static_cast<int64_t>(probs.size()), static_cast<C>(offset), probs.data());
  for (C& prob : probs) prob = slopes ? prob * (1 - prob) : prob;
  return probs;
}

template <class C>
std::vector<C> active(const Gaussian<C>*, const std::vector<C>& mu, const std::vector<double>& constants, bool slopes) {
  std::vector<C> probs(mu);
  const double deviation = constants[0], density = 1 / (deviation * std::sqrt(2 * kPi));
  for (C& prob : probs) {
    const double x = static_cast<double>(prob) / deviation;
    prob = static_cast<C>(slopes ? density * std::exp(-0.5 * x * x) : 0.5 * std::erfc(-x * std::sqrt(0.5)));
  }
  return probs;
}

}  // namespace l0gates
