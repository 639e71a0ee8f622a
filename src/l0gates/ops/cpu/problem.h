// What an op is given, read and made ready for the loops: types, formats, the layout.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <vector>

#include "layout.h"
#include "loops.h"
#include "numbers.h"

namespace l0gates {

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

inline Tensor as_type(const Tensor& tensor, ScalarType type) {
  const Tensor cast = tensor.scalar_type() == type ? tensor : torch::stable::to(tensor, type);
  return cast.is_contiguous() ? cast : torch::stable::contiguous(cast);
}

// float64 for a float64 tensor, else float32: what gates are computed in.
inline ScalarType wide(const Tensor& tensor) {
  return tensor.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

inline double number(const Tensor& tensor) {
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
inline bool is_channels_last(const Tensor& tensor) {
  if (tensor.dim() < 3 || tensor.stride(1) != 1) return false;
  int64_t stride = tensor.size(1);
  for (int64_t d = tensor.dim() - 1; d >= 2; --d) {
    if (tensor.stride(d) != stride) return false;
    stride *= tensor.size(d);
  }
  return tensor.size(0) == 1 || tensor.stride(0) == stride;
}

inline bool same_strides(const Tensor& a, const Tensor& b) {
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  }
  return true;
}

// A tensor of the given strides' owner's format with the same values.
inline Tensor in_format_of(const Tensor& tensor, const Tensor& model) {
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

inline std::vector<double> constants_of(const Arguments& arguments) {
  std::vector<double> constants;
  for (const Tensor& constant : arguments.constants) constants.push_back(number(constant));
  return constants;
}

template <template <class> class Law, class C>
Law<C> law_of(const Arguments& arguments) {
  return Law<C>(values_of<C>(arguments.parameter), constants_of(arguments));
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

}  // namespace l0gates
