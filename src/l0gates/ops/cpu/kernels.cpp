// The CPU kernels of l0gates' ops, on PyTorch's stable ABI: reading arguments, choosing types, registration. The
// schemas, and what the arguments mean, are in ops/library.py and ops/noise.py.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "regular.h"
#include "table.h"

namespace l0gates {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

struct Arguments {
  Tensor input, parameter;
  std::optional<Tensor> table;
  int64_t inner;
  Tensor seed;
  bool per_example;
  std::vector<Tensor> constants;
};

Tensor as_type(const Tensor& tensor, ScalarType type) {
  const Tensor cast = tensor.scalar_type() == type ? tensor : torch::stable::to(tensor, type);
  return cast.is_contiguous() ? cast : torch::stable::contiguous(cast);
}

double number(const Tensor& tensor) {
  return *static_cast<const double*>(as_type(tensor, ScalarType::Double).const_data_ptr());
}

template <class T>
const T* read(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <class T>
T* write(Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

// Channels last: dimension 1 varies fastest, then the last, and so on to the first.
bool is_channels_last(const Tensor& tensor) {
  if (tensor.dim() < 3 || tensor.stride(1) != 1) return false;
  int64_t stride = tensor.size(1);
  for (int64_t d = tensor.dim() - 1; d >= 2; --d) {
    if (tensor.stride(d) != stride) return false;
    stride *= tensor.size(d);
  }
  return tensor.size(0) == 1 || tensor.stride(0) == stride;
}

bool same_strides(const Tensor& a, const Tensor& b) {
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  }
  return true;
}

// A tensor of the given strides' owner's format with the same values.
Tensor in_format_of(const Tensor& tensor, const Tensor& model) {
  if (same_strides(tensor, model)) return tensor;
  Tensor result = torch::stable::empty_like(model);
  torch::stable::copy_(result, tensor);
  return result;
}

// The arguments with the input in a format that the loops can read in memory order, and the layout in that order.
struct Problem {
  Tensor input;
  Layout layout;
  Tensor table;  // keeps the layout's table alive

  explicit Problem(const Arguments& arguments) : input(arguments.input) {
    int64_t elements = 1, space = 1;
    for (int64_t d = 1; d < input.dim(); ++d) elements *= input.size(d);
    for (int64_t d = 2; d < input.dim(); ++d) space *= input.size(d);
    const int64_t n_gates = arguments.parameter.size(0);
    // With a single gate any period will do; the longest is the fastest.
    int64_t inner = n_gates == 1 && !arguments.table ? std::max<int64_t>(elements, 1) : arguments.inner;
    const bool follows = !arguments.table && space > 0 && inner % space == 0 && is_channels_last(input);
    if (!input.is_contiguous()) {
      if (follows) {
        inner /= space;
      } else {
        input = torch::stable::contiguous(input);
      }
    }
    layout = {input.size(0), elements, n_gates, inner, arguments.table.has_value(), nullptr, 0, arguments.per_example};
    if (!layout.has_table) return;
    table = as_type(*arguments.table, ScalarType::Int);
    layout.table = read<int32_t>(table);
    // A mask that a recorded program was given later has not been checked; nothing may be read beyond the gates.
    STD_TORCH_CHECK(is_within(layout.table, table.numel(), static_cast<uint32_t>(n_gates)),
                    "mask: expected values 0 to n_gates - 1 = ", n_gates - 1, "; received others; number the gates from 0");
    layout.table_stride = table.dim() == 2 ? elements : 0;
  }
};

template <class C>
std::vector<C> values_of(const Tensor& parameter) {
  const Tensor cast = as_type(parameter, sizeof(C) == 8 ? ScalarType::Double : ScalarType::Float);
  return {read<C>(cast), read<C>(cast) + parameter.size(0)};
}

template <template <class> class Law, class C>
Law<C> law_of(const Arguments& arguments) {
  std::vector<double> constants;
  for (const Tensor& constant : arguments.constants) constants.push_back(number(constant));
  return Law<C>(values_of<C>(arguments.parameter), constants);
}

// Calls body(element type, computing type) as the input's and the parameter's types ask for.
template <class Body>
void with_types(const Arguments& arguments, const Body& body) {
  const auto compute = [&](auto element) {
    if (arguments.parameter.scalar_type() == ScalarType::Double) return body(element, double{});
    return body(element, float{});
  };
  switch (arguments.input.scalar_type()) {
    case ScalarType::Float:
      return compute(float{});
    case ScalarType::Double:
      return compute(double{});
    case ScalarType::BFloat16:
      return compute(BFloat16{});
    case ScalarType::Half:
      return compute(Half{});
    default:
      STD_TORCH_CHECK(false, "l0gates: expected an input of float16, bfloat16, float32 or float64");
  }
}

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

// The sums of all blocks, in their order.
Tensor reduce(const std::vector<double>& partial, const Tensor& parameter) {
  const int64_t n_gates = parameter.size(0);
  Tensor sums = torch::stable::empty({n_gates}, ScalarType::Double);
  auto* total = write<double>(sums);
  std::fill_n(total, n_gates, 0.0);
  for (auto block = partial.begin(); block != partial.end(); block += n_gates) {
    for (int64_t gate = 0; gate < n_gates; ++gate) total[gate] += block[gate];
  }
  return as_type(sums, parameter.scalar_type());
}

template <template <class> class Law>
std::tuple<Tensor, Tensor> differentiate(const Tensor& grad, const Arguments& arguments, bool input_grad,
                                         bool parameter_grad) {
  const Problem problem(arguments);
  const Layout& layout = problem.layout;
  const Tensor given = in_format_of(grad.scalar_type() == problem.input.scalar_type()
                                        ? grad
                                        : torch::stable::to(grad, problem.input.scalar_type()),
                                    problem.input);
  Tensor by_input = input_grad ? torch::stable::empty_like(problem.input)
                               : torch::stable::new_empty(arguments.input, {0});
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
  });
  if (input_grad) by_input = in_format_of(by_input, arguments.input);
  Tensor by_parameter = parameter_grad ? reduce(partial, arguments.parameter)
                                       : torch::stable::new_empty(arguments.parameter, {0});
  return {by_input, by_parameter};
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
                                 parameter_grad);
}

template <class C>
void fill_uniform(const Tensor& seeds, int64_t batch_size, int64_t n_gates, int64_t stream, C* noise) {
  const auto* seed = read<int64_t>(seeds);
  const int64_t parts = ceil_div(n_gates, kDraw), rows = ceil_div(kTask, std::min<int64_t>(kDraw, n_gates));
  const int64_t blocks = ceil_div(batch_size, rows);
  torch::stable::parallel_for(0, seeds.numel() * blocks * parts, 1, [&](int64_t begin, int64_t end) {
    alignas(64) C bits[kDraw];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % parts * kDraw, block = task / parts % blocks, which = task / parts / blocks;
      const int n = static_cast<int>(std::min<int64_t>(kDraw, n_gates - first));
      Noise<C> draw(static_cast<uint64_t>(seed[which]), static_cast<uint32_t>(stream), first, n);
      for (int64_t example = block * rows; example < std::min(batch_size, (block + 1) * rows); ++example) {
        draw(static_cast<uint64_t>(example), bits);
        convert(n, bits);
        std::copy_n(bits, n, noise + (which * batch_size + example) * n_gates + first);
      }
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
  library.impl("gaussian_apply", TORCH_BOX(&l0gates::gaussian_apply));
  library.impl("gaussian_apply_backward", TORCH_BOX(&l0gates::gaussian_apply_backward));
}
