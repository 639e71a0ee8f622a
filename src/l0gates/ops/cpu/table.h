// Applying gates in no order, and its gradient: a table says which gate an element uses.
#pragma once

#include <type_traits>
#include <vector>

#include "laws.h"
#include "layout.h"
#include "loops.h"
#include "stream.h"
#include "table_v4.h"
#include "tasks.h"

namespace l0gates {

// Whether few gates may go from registers into the product.
#ifdef L0GATES_V4
template <class T, class C>
constexpr bool kFusesFew = std::is_same_v<T, float> && std::is_same_v<C, float>;
#else
template <class T, class C>
constexpr bool kFusesFew = false;
#endif

// Elements of a tile where gates, slopes and sums share the first-level cache with what they meet.
constexpr int64_t kShortTile = 256;

// All gates of one example.
template <class Law, class C>
class GateRow {
 public:
  GateRow(const Law& law, const Layout& layout, uint64_t seed, bool slopes)
      : drawing_(law, seed, 0, layout.n_gates),
        per_example_(layout.per_example),
        few_(has_few(layout.n_gates, static_cast<const C*>(nullptr))),
        gates_(static_cast<size_t>(few_ ? kFew : ceil_div(layout.n_gates, 4) * 4)),
        slopes_(slopes ? gates_.size() : 0),
        pairs_(few_ ? 0 : slopes_.size()) {}

  void of(int64_t example) {
    if (!per_example_) example = 0;
    if (example == drawn_) return;
    drawn_ = example;
    drawing_(example, gates_.data(), slopes_.empty() ? nullptr : slopes_.data());
    for (size_t gate = 0; gate < pairs_.size(); ++gate) pairs_[gate] = {gates_[gate], slopes_[gate]};
  }

  void gates(const int32_t* table, int64_t n, C* result) const { find(gates_, table, n, result); }
  void slopes(const int32_t* table, int64_t n, C* result) const { find(slopes_, table, n, result); }
  // The output at `at` = x * gates.
  template <class T>
  void multiply(const int32_t* table, const T* x, int64_t n, const Output<T>& output, int64_t at) const {
#ifdef L0GATES_V4
    if constexpr (kFusesFew<T, C>) {
      if (few_) return multiply_few_v4(gates_.data(), table, x, n, output.data + at, output.past_cache);
    }
#endif
    alignas(64) C gates[kTile];
    this->gates(table, n, gates);
    output.write(at, n, [&](int64_t i, int64_t m, T* to) { l0gates::multiply(x + i, gates + i, m, to); });
  }

  // The same for the output = grad * gates and sums += grad * x * slopes.
  template <class T>
  void differentiate(const int32_t* table, const T* grad, const T* x, int64_t n, const Output<T>& output, int64_t at,
                     C* sums) const {
#ifdef L0GATES_V4
    if constexpr (kFusesFew<T, C>) {
      if (few_) {
        return differentiate_few_v4(gates_.data(), slopes_.data(), table, grad, x, n, output.data + at,
                                    output.past_cache_at_once, sums);
      }
    }
#endif
    if (few_) {
      alignas(64) C gates[kShortTile], slopes[kShortTile];
      this->gates(table, n, gates);
      this->slopes(table, n, slopes);
      return output.write(at, n, [&](int64_t i, int64_t m, T* to) {
        multiply_and_accumulate(grad + i, x + i, gates + i, slopes + i, m, to, sums + i);
      });
    }
    alignas(64) Pair<C> pairs[kShortTile];
    look_up(pairs_.data(), table, n, pairs);
    output.write(at, n, [&](int64_t i, int64_t m, T* to) {
      multiply_and_accumulate(grad + i, x + i, pairs + i, m, to, sums + i);
    });
  }

 private:
  void find(const std::vector<C>& values, const int32_t* table, int64_t n, C* result) const {
    few_ ? look_up_few(values.data(), table, n, result) : look_up(values.data(), table, n, result);
  }

  Gates<Law, C> drawing_;
  bool per_example_, few_;
  int64_t drawn_ = -1;
  std::vector<C> gates_, slopes_;
  std::vector<Pair<C>> pairs_;
};

// Calls body(block, first example, one past the last) for every task.
template <class Body>
void for_each_block(const Layout& layout, const Body& body) {
  const int64_t size = examples_per_block(layout), blocks = ceil_div(layout.batch, size);
  for_each(blocks, [&](int64_t block) { body(block, block * size, std::min(layout.batch, (block + 1) * size)); });
}

// Calls body(offset in the example, length) for tiles of an example.
template <class Body>
void for_each_tile(const Layout& layout, int64_t size, const Body& body) {
  for (int64_t from = 0; from < layout.elements; from += size) body(from, std::min(size, layout.elements - from));
}

template <class Law, class T, class C>
void apply_table(const Law& law, const Layout& layout, uint64_t seed, const T* x, T* result) {
  const Output<T> output(result, layout.batch * layout.elements);
  for_each_block(layout, [&](int64_t, int64_t begin, int64_t end) {
    GateRow<Law, C> row(law, layout, seed, false);
    for (int64_t example = begin; example < end; ++example) {
      row.of(example);
      const int32_t* table = layout.table + example * layout.table_stride;
      for_each_tile(layout, kTile, [&](int64_t from, int64_t length) {
        const int64_t at = example * layout.elements + from;
        row.multiply(table + from, x + at, length, output, at);
      });
    }
  });
}

// Elements of a tile, whose output starts at `at`, with the gates that the table names: the input gradients where they
// are wanted, and where the sums are, grad * x * slopes.
template <class Law, class T, class C>
void differentiate_tile(const GateRow<Law, C>& row, const int32_t* table, const T* grad, const T* x, int64_t n,
                        const Output<T>& output, int64_t at, C* sums) {
  alignas(64) C values[kShortTile];
  if (sums == nullptr) {
    row.gates(table, n, values);
    return output.write(at, n, [&](int64_t i, int64_t m, T* to) { multiply(grad + i, values + i, m, to); });
  }
  if (output.data == nullptr) {
    row.slopes(table, n, values);
    return accumulate(grad, x, values, n, sums);
  }
  row.differentiate(table, grad, x, n, output, at, sums);
}

// The gradients by input and parameter; a null pointer stands for one that is not wanted. `partial` has room for
// blocks_of(layout) * n_gates sums and comes zeroed.
template <class Law, class T, class C>
void differentiate_table(const Law& law, const Layout& layout, uint64_t seed, const T* grad, const T* x, T* by_input,
                         double* partial) {
  // Sums for each element need no index but at the end; they need one table, and pay over some examples.
  const bool by_element = layout.table_stride == 0 && examples_per_block(layout) >= 8;
  const Output<T> output(by_input, layout.batch * layout.elements);
  for_each_block(layout, [&](int64_t block, int64_t begin, int64_t end) {
    GateRow<Law, C> row(law, layout, seed, true);
    double* by_gate = partial == nullptr ? nullptr : partial + block * layout.n_gates;
    std::vector<C> sums(by_gate == nullptr ? 0 : by_element ? layout.elements : kShortTile);
    for (int64_t example = begin; example < end; ++example) {
      row.of(example);
      const int32_t* table = layout.table + example * layout.table_stride;
      for_each_tile(layout, kShortTile, [&](int64_t from, int64_t length) {
        const int64_t at = example * layout.elements + from;
        C* to = by_gate == nullptr ? nullptr : sums.data() + (by_element ? from : 0);
        differentiate_tile(row, table + from, grad + at, x + at, length, output, at, to);
        if (by_gate == nullptr || by_element) return;
        for (int64_t i = 0; i < length; ++i) by_gate[table[from + i]] += static_cast<double>(to[i]);
        std::fill_n(to, length, C(0));
      });
      if (by_element && by_gate != nullptr && (example + 1 == end || (example - begin + 1) % kLongSum == 0)) {
        for (int64_t i = 0; i < layout.elements; ++i) by_gate[layout.table[i]] += static_cast<double>(sums[i]);
        std::fill(sums.begin(), sums.end(), C(0));
      }
    }
  });
}

}  // namespace l0gates
