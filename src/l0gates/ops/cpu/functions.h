// Elementary functions that a compiler can vectorise, in float32; in float64 those of the standard library.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "simd.h"

namespace l0gates {

template <class To, class From>
L0GATES_INLINE To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

template <class C, int N>
L0GATES_INLINE C polynomial(C x, const C (&coefficients)[N]) {
  C value = coefficients[0];
  for (int i = 1; i < N; ++i) value = value * x + coefficients[i];
  return value;
}

L0GATES_INLINE double natural_log(double x) { return std::log(x); }

// Of a positive, normal number: x = 2^e m with m in [sqrt(1/2), sqrt(2)), and the minimax polynomial of Cephes'
// logf for log m.
L0GATES_INLINE float natural_log(float x) {
  const int32_t bits = bit_cast<int32_t>(x) - 0x3F3504F3;
  const auto exponent = static_cast<float>(bits >> 23);
  const float m = bit_cast<float>((bits & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
  const float coefficients[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  const float square = m * m;
  float tail = m * square * polynomial(m, coefficients);
  tail += exponent * -2.12194440e-4f;
  tail -= 0.5f * square;
  return m + tail + exponent * 0.693359375f;
}

L0GATES_INLINE double exponential(double x) { return std::exp(x); }

// 2^n exp(r) with |r| <= log(2) / 2, and the minimax polynomial of Cephes' expf. Held inside the normal numbers.
L0GATES_INLINE float exponential(float x) {
  x = x > 88.0f ? 88.0f : x;
  x = x < -87.0f ? -87.0f : x;
  // Adding and subtracting 1.5 * 2^23 rounds to an integer.
  const float n = (x * 1.44269504088896341f + 12582912.0f) - 12582912.0f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  const float coefficients[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  const float value = polynomial(r, coefficients) * r * r + r + 1.0f;
  return value * bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

// The inverse of the normal distribution at u in (0, 1): Cephes' ndtri, every interval computed and one taken.
template <class C>
L0GATES_INLINE C normal_quantile(C u) {
  const C p0[] = {-5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1,
                  1.39312609387279679503e1, -1.23916583867381258016e0};
  const C q0[] = {1.0, 1.95448858338141759834e0, 4.67627912898881538453e0,
                  8.63602421390890590575e1, -2.25462687854119370527e2, 2.00260212380060660359e2,
                  -8.20372256168333339912e1, 1.59056225126211695515e1, -1.18331621121330003142e0};
  const C p1[] = {4.05544892305962419923e0, 3.15251094599893866154e1, 5.71628192246421288162e1,
                  4.40805073893200834700e1, 1.46849561928858024014e1, 2.18663306850790267539e0,
                  -1.40256079171354495875e-1, -3.50424626827848203418e-2, -8.57456785154685413611e-4};
  const C q1[] = {1.0, 1.57799883256466749731e1, 4.53907635128879210584e1,
                  4.13172038254672030440e1, 1.50425385692907503408e1, 2.50464946208309415979e0,
                  -1.42182922854787788574e-1, -3.80806407691578277194e-2, -9.33259480895457427372e-4};
  const C p2[] = {3.23774891776946035970e0, 6.91522889068984211695e0, 3.93881025292474443415e0,
                  1.33303460815807542389e0, 2.01485389549179081538e-1, 1.23716634817820021358e-2,
                  3.01581553508235416007e-4, 2.65806974686737550832e-6, 6.23974539184983293730e-9};
  const C q2[] = {1.0, 6.02427039364742014255e0, 3.67983563856160859403e0,
                  1.37702099489081330271e0, 2.16236993594496635890e-1, 1.34204006088543189037e-2,
                  3.28014464682127739104e-4, 2.89247864745380683936e-6, 6.79019408009981274425e-9};
  const C exp_minus_2 = static_cast<C>(0.13533528323661269189);

  const C y = u - static_cast<C>(0.5), square = y * y;
  const C middle =
      (y + y * (square * polynomial(square, p0) / polynomial(square, q0))) * static_cast<C>(2.50662827463100050242);

  const C tail = u > static_cast<C>(0.5) ? 1 - u : u;
  const C x = std::sqrt(-2 * natural_log(tail)), z = 1 / x;
  const C near = z * polynomial(z, p1) / polynomial(z, q1);
  const C far = z * polynomial(z, p2) / polynomial(z, q2);
  const C quantile = x - natural_log(x) / x - (x < 8 ? near : far);
  const C outer = u > static_cast<C>(0.5) ? quantile : -quantile;
  return tail > exp_minus_2 ? middle : outer;
}

}  // namespace l0gates
