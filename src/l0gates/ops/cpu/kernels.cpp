// The CPU kernels of l0gates' ops, on PyTorch's stable ABI: from arguments to loops, and registration. The
// schemas, and what the arguments mean, are in ops/library.py and ops/noise.py.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "penalty.h"
#include "problem.h"
#include "regular.h"
#include "table.h"
#include "tasks.h"

namespace l0gates {
namespace {

template <template <class> class Law>
Tensor apply(const Arguments& arguments) {
  const Problem problem(arguments);
  Tensor result = torch::stable::empty_like(problem.input);
  const auto seed = static_cast<uint64_t>(*read<int64_t>(arguments.seed));
  with_types(arguments, [&](auto element, auto computed) {
    using T = decltype(element);
    using C = decltype(computed);
    const Law<C> law = law_of<Law, C>(arguments);
    const auto loop = problem.layout.has_table ? apply_table<Law<C>, T, C> : apply_regular<Law<C>, T, C>;
    if (result.numel() > 0) loop(law, problem.layout, seed, read<T>(problem.input), write<T>(result));
  });
  return in_format_of(result, arguments.input);
}

// The sums of all blocks, in their order, times a factor, and the gradient of a penalty on top.
Tensor add_up(const std::vector<double>& partial, double factor, std::vector<double> total, const Tensor& parameter) {
  const int64_t n_gates = parameter.size(0);
  for (auto block = partial.begin(); block != partial.end(); block += n_gates) {
    for (int64_t gate = 0; gate < n_gates; ++gate) total[static_cast<size_t>(gate)] += factor * block[gate];
  }
  Tensor sums = torch::stable::new_empty(parameter, {n_gates}, wide(parameter));
  if (sums.scalar_type() == ScalarType::Double) {
    std::copy(total.begin(), total.end(), write<double>(sums));
  } else {
    std::transform(total.begin(), total.end(), write<float>(sums), [](double x) { return static_cast<float>(x); });
  }
  return as_type(sums, parameter.scalar_type());
}

// `total` is what every gate's gradient starts from.
template <template <class> class Law>
std::tuple<Tensor, Tensor> differentiate(const Tensor& grad, const Arguments& arguments, bool input_grad,
                                         bool parameter_grad, const std::vector<double>& total) {
  const Problem problem(arguments);
  const Layout& layout = problem.layout;
  const Tensor given = in_format_of(grad.scalar_type() == problem.input.scalar_type()
                                        ? grad
                                        : torch::stable::to(grad, problem.input.scalar_type()),
                                    problem.input);
  Tensor by_input = input_grad ? torch::stable::empty_like(problem.input)
                               : torch::stable::new_empty(arguments.input, {0});
  double factor = 1;
  std::vector<double> partial(parameter_grad ? static_cast<size_t>(blocks_of(layout) * layout.n_gates) : 0);
  const auto seed = static_cast<uint64_t>(*read<int64_t>(arguments.seed));
  with_types(arguments, [&](auto element, auto computed) {
    using T = decltype(element);
    using C = decltype(computed);
    const Law<C> law = law_of<Law, C>(arguments);
    const T *g = read<T>(given), *x = read<T>(problem.input);
    T* dx = input_grad ? write<T>(by_input) : nullptr;
    double* sums = parameter_grad ? partial.data() : nullptr;
    if (problem.input.numel() == 0 || (dx == nullptr && sums == nullptr)) return;
    const auto loop =
        layout.has_table ? differentiate_table<Law<C>, T, C> : differentiate_regular<Law<C>, T, C>;
    loop(law, layout, seed, g, x, dx, sums);
    factor = law.slope_factor();
  });
  if (input_grad) by_input = in_format_of(by_input, arguments.input);
  Tensor by_parameter = parameter_grad ? add_up(partial, factor, total, arguments.parameter)
                                       : torch::stable::new_empty(arguments.parameter, {0});
  return {by_input, by_parameter};
}

std::vector<double> zeros(const Tensor& parameter) { return std::vector<double>(static_cast<size_t>(parameter.size(0))); }

// The penalty: 0-d, or a number for each gate.
template <template <class> class Law>
Tensor penalty(const Arguments& arguments, bool is_sum, double factor) {
  const Tensor& parameter = arguments.parameter;
  Tensor result = is_sum ? torch::stable::new_empty(parameter, {}, wide(parameter))
                         : torch::stable::new_empty(parameter, {parameter.size(0)}, wide(parameter));
  const auto fill = [&](auto computed) {
    using C = decltype(computed);
    const Law<C>* law = nullptr;
    const auto probs = active(law, values_of<C>(parameter), constants_of(arguments), false);
    C* to = write<C>(result);
    if (is_sum) {
      *to = static_cast<C>(factor * std::accumulate(probs.begin(), probs.end(), 0.0));
    } else {
      for (const C prob : probs) *to++ = static_cast<C>(factor) * prob;
    }
  };
  parameter.scalar_type() == ScalarType::Double ? fill(double{}) : fill(float{});
  return result;
}

// The penalty's gradient by the parameter.
template <template <class> class Law>
std::vector<double> penalty_backward(const Tensor& grad, const Arguments& arguments, double factor) {
  const Tensor& parameter = arguments.parameter;
  const Tensor given = as_type(grad, ScalarType::Double);
  const auto* upstream = read<double>(given);
  const bool is_sum = grad.dim() == 0;
  auto result = zeros(parameter);
  const auto fill = [&](auto computed) {
    using C = decltype(computed);
    const Law<C>* law = nullptr;
    const auto slopes = active(law, values_of<C>(parameter), constants_of(arguments), true);
    for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<double>(slopes[i]) * upstream[is_sum ? 0 : i] * factor;
  };
  parameter.scalar_type() == ScalarType::Double ? fill(double{}) : fill(float{});
  return result;
}

template <template <class> class Law>
std::tuple<Tensor, Tensor> apply_with_penalty(const Arguments& arguments, bool is_sum, double factor) {
  return {apply<Law>(arguments), penalty<Law>(arguments, is_sum, factor)};
}

template <template <class> class Law>
std::tuple<Tensor, Tensor> differentiate_with_penalty(const std::optional<Tensor>& grad,
                                                      const std::optional<Tensor>& penalty_grad,
                                                      const Arguments& arguments, double factor, bool input_grad,
                                                      bool parameter_grad) {
  const bool has_penalty = penalty_grad.has_value() && parameter_grad;
  const auto total =
      has_penalty ? penalty_backward<Law>(*penalty_grad, arguments, factor) : zeros(arguments.parameter);
  if (grad.has_value()) return differentiate<Law>(*grad, arguments, input_grad, parameter_grad, total);
  const Tensor none = torch::stable::new_empty(arguments.input, {0});
  return {none, parameter_grad ? add_up({}, 1, total, arguments.parameter) : none};
}

Tensor binary_concrete_apply(const Tensor& input, const Tensor& log_alpha, const std::optional<Tensor>& table,
                             int64_t inner, const Tensor& seed, bool per_example, const Tensor& temperature,
                             const Tensor& lower_bound, const Tensor& upper_bound, const Tensor& eps) {
  return apply<BinaryConcrete>(
      {input, log_alpha, table, inner, seed, per_example, {temperature, lower_bound, upper_bound, eps}});
}

std::tuple<Tensor, Tensor> binary_concrete_apply_backward(
    const Tensor& grad, const Tensor& input, const Tensor& log_alpha, const std::optional<Tensor>& table,
    int64_t inner, const Tensor& seed, bool per_example, bool input_grad, bool parameter_grad,
    const Tensor& temperature, const Tensor& lower_bound, const Tensor& upper_bound, const Tensor& eps) {
  return differentiate<BinaryConcrete>(
      grad, {input, log_alpha, table, inner, seed, per_example, {temperature, lower_bound, upper_bound, eps}},
      input_grad, parameter_grad, zeros(log_alpha));
}

std::tuple<Tensor, Tensor> binary_concrete_apply_with_penalty(
    const Tensor& input, const Tensor& log_alpha, const std::optional<Tensor>& table, int64_t inner,
    const Tensor& seed, bool per_example, bool is_sum, double factor, const Tensor& temperature,
    const Tensor& lower_bound, const Tensor& upper_bound, const Tensor& eps) {
  return apply_with_penalty<BinaryConcrete>(
      {input, log_alpha, table, inner, seed, per_example, {temperature, lower_bound, upper_bound, eps}}, is_sum,
      factor);
}

std::tuple<Tensor, Tensor> binary_concrete_apply_with_penalty_backward(
    const std::optional<Tensor>& grad, const std::optional<Tensor>& penalty_grad, const Tensor& input,
    const Tensor& log_alpha, const std::optional<Tensor>& table, int64_t inner, const Tensor& seed, bool per_example,
    bool is_sum, double factor, bool input_grad, bool parameter_grad, const Tensor& temperature,
    const Tensor& lower_bound, const Tensor& upper_bound, const Tensor& eps) {
  return differentiate_with_penalty<BinaryConcrete>(
      grad, penalty_grad,
      {input, log_alpha, table, inner, seed, per_example, {temperature, lower_bound, upper_bound, eps}}, factor,
      input_grad, parameter_grad);
}

Tensor gaussian_apply(const Tensor& input, const Tensor& mu, const std::optional<Tensor>& table, int64_t inner,
                      const Tensor& seed, bool per_example, const Tensor& std) {
  return apply<Gaussian>({input, mu, table, inner, seed, per_example, {std}});
}

std::tuple<Tensor, Tensor> gaussian_apply_backward(const Tensor& grad, const Tensor& input, const Tensor& mu,
                                                   const std::optional<Tensor>& table, int64_t inner,
                                                   const Tensor& seed, bool per_example, bool input_grad,
                                                   bool parameter_grad, const Tensor& std) {
  return differentiate<Gaussian>(grad, {input, mu, table, inner, seed, per_example, {std}}, input_grad,
                                 parameter_grad, zeros(mu));
}

std::tuple<Tensor, Tensor> gaussian_apply_with_penalty(const Tensor& input, const Tensor& mu,
                                                       const std::optional<Tensor>& table, int64_t inner,
                                                       const Tensor& seed, bool per_example, bool is_sum,
                                                       double factor, const Tensor& std) {
  return apply_with_penalty<Gaussian>({input, mu, table, inner, seed, per_example, {std}}, is_sum, factor);
}

std::tuple<Tensor, Tensor> gaussian_apply_with_penalty_backward(
    const std::optional<Tensor>& grad, const std::optional<Tensor>& penalty_grad, const Tensor& input,
    const Tensor& mu, const std::optional<Tensor>& table, int64_t inner, const Tensor& seed, bool per_example,
    bool is_sum, double factor, bool input_grad, bool parameter_grad, const Tensor& std) {
  return differentiate_with_penalty<Gaussian>(grad, penalty_grad,
                                              {input, mu, table, inner, seed, per_example, {std}}, factor,
                                              input_grad, parameter_grad);
}

template <class C>
void fill_uniform(const Tensor& seeds, int64_t batch_size, int64_t n_gates, int64_t stream, C* noise) {
  const auto* seed = read<int64_t>(seeds);
  const int64_t parts = ceil_div(n_gates, kDraw), rows = ceil_div(kTask, std::min<int64_t>(kDraw, n_gates));
  const int64_t blocks = ceil_div(batch_size, rows);
  for_each(seeds.numel() * blocks * parts, [&](int64_t task) {
    alignas(64) C bits[kDraw];
    const int64_t first = task % parts * kDraw, block = task / parts % blocks, which = task / parts / blocks;
    const int n = static_cast<int>(std::min<int64_t>(kDraw, n_gates - first));
    Noise<C> draw(static_cast<uint64_t>(seed[which]), static_cast<uint32_t>(stream), first, n);
    for (int64_t example = block * rows; example < std::min(batch_size, (block + 1) * rows); ++example) {
      draw(static_cast<uint64_t>(example), bits);
      convert(n, bits);
      std::copy_n(bits, n, noise + (which * batch_size + example) * n_gates + first);
    }
  });
}

Tensor uniform_noise(const Tensor& seed, int64_t batch_size, int64_t n_gates, int64_t stream, ScalarType dtype) {
  std::vector<int64_t> shape;
  for (int64_t d = 0; d < seed.dim(); ++d) shape.push_back(seed.size(d));
  shape.push_back(batch_size);
  shape.push_back(n_gates);
  Tensor noise = torch::stable::empty(shape, dtype);
  if (noise.numel() == 0) return noise;
  const Tensor seeds = torch::stable::contiguous(seed);
  if (dtype == ScalarType::Double) {
    fill_uniform(seeds, batch_size, n_gates, stream, write<double>(noise));
  } else {
    fill_uniform(seeds, batch_size, n_gates, stream, write<float>(noise));
  }
  return noise;
}

}  // namespace
}  // namespace l0gates

STABLE_TORCH_LIBRARY_IMPL(l0gates, CPU, library) {
  library.impl("uniform", TORCH_BOX(&l0gates::uniform_noise));
  library.impl("binary_concrete_apply", TORCH_BOX(&l0gates::binary_concrete_apply));
  library.impl("binary_concrete_apply_backward", TORCH_BOX(&l0gates::binary_concrete_apply_backward));
  library.impl("binary_concrete_apply_with_penalty", TORCH_BOX(&l0gates::binary_concrete_apply_with_penalty));
  library.impl("binary_concrete_apply_with_penalty_backward",
               TORCH_BOX(&l0gates::binary_concrete_apply_with_penalty_backward));
  library.impl("gaussian_apply_with_penalty", TORCH_BOX(&l0gates::gaussian_apply_with_penalty));
  library.impl("gaussian_apply_with_penalty_backward", TORCH_BOX(&l0gates::gaussian_apply_with_penalty_backward));
  library.impl("gaussian_apply", TORCH_BOX(&l0gates::gaussian_apply));
  library.impl("gaussian_apply_backward", TORCH_BOX(&l0gates::gaussian_apply_backward));
}
