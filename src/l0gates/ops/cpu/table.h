// Applying gates in no order, and its gradient: a table says which gate an element uses.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <vector>

#include "laws.h"
#include "layout.h"
#include "loops.h"

namespace l0gates {

// All gates of one example, drawn in tiles.
template <class Law, class C>
class GateRow {
 public:
  GateRow(const Law& law, const Layout& layout, uint64_t seed, bool slopes)
      : law_(law), layout_(layout), seed_(seed), gates_(layout.n_gates + 4), slopes_(slopes ? layout.n_gates + 4 : 0) {}

  void of(int64_t example) {
    if (!layout_.per_example) example = 0;
    if (example == drawn_) return;
    drawn_ = example;
    const Draw draw{seed_, static_cast<uint64_t>(example), Law::kStream};
    for (int64_t first = 0; first < layout_.n_gates; first += kTile) {
      const int n = static_cast<int>(std::min<int64_t>(kTile, layout_.n_gates - first));
      draw_gates(law_, draw, first, n, gates_.data() + first, slopes_.empty() ? nullptr : slopes_.data() + first);
    }
  }

  const C* gates() const { return gates_.data(); }
  const C* slopes() const { return slopes_.data(); }

 private:
  const Law& law_;
  const Layout& layout_;
  uint64_t seed_;
  int64_t drawn_ = -1;
  std::vector<C> gates_, slopes_;
};

// Calls body(block, first example, one past the last) for every task.
template <class Body>
void for_each_block(const Layout& layout, const Body& body) {
  const int64_t size = examples_per_block(layout), blocks = ceil_div(layout.batch, size);
  torch::stable::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      body(block, block * size, std::min(layout.batch, (block + 1) * size));
    }
  });
}

// Calls body(offset in the example, length) for tiles of an example.
template <class Body>
void for_each_tile(const Layout& layout, const Body& body) {
  for (int64_t from = 0; from < layout.elements; from += kTile) {
    body(from, std::min<int64_t>(kTile, layout.elements - from));
  }
}

template <class Law, class T, class C>
void apply_table(const Law& law, const Layout& layout, uint64_t seed, const T* x, T* result) {
  for_each_block(layout, [&](int64_t, int64_t begin, int64_t end) {
    GateRow<Law, C> row(law, layout, seed, false);
    alignas(64) C gates[kTile];
    for (int64_t example = begin; example < end; ++example) {
      row.of(example);
      const int32_t* table = layout.table + example * layout.table_stride;
      const int64_t start = example * layout.elements;
      for_each_tile(layout, [&](int64_t from, int64_t length) {
        look_up(row.gates(), table + from, length, gates);
        multiply(x + start + from, gates, length, result + start + from);
      });
    }
  });
}

// The gradients by input and parameter; a null pointer stands for one that is not wanted. `partial` has room for
// blocks_of(layout) * n_gates sums and comes zeroed.
template <class Law, class T, class C>
void differentiate_table(const Law& law, const Layout& layout, uint64_t seed, const T* grad, const T* x, T* by_input,
                         double* partial) {
  // Sums for each element need no index but at the end; they need one table, and pay over some examples.
  const bool by_element = layout.table_stride == 0 && examples_per_block(layout) >= 8;
  for_each_block(layout, [&](int64_t block, int64_t begin, int64_t end) {
    GateRow<Law, C> row(law, layout, seed, true);
    double* by_gate = partial == nullptr ? nullptr : partial + block * layout.n_gates;
    std::vector<C> sums(by_element && by_gate != nullptr ? layout.elements : 0);
    alignas(64) C gates[kTile], slopes[kTile];
    for (int64_t example = begin; example < end; ++example) {
      row.of(example);
      const int32_t* table = layout.table + example * layout.table_stride;
      const int64_t start = example * layout.elements;
      for_each_tile(layout, [&](int64_t from, int64_t length) {
        const T *g = grad + start + from, *v = x + start + from;
        if (by_input != nullptr) look_up(row.gates(), table + from, length, gates);
        if (by_gate == nullptr) return multiply(g, gates, length, by_input + start + from);
        look_up(row.slopes(), table + from, length, slopes);
        alignas(64) C single[kTile];
        C* to = by_element ? sums.data() + from : single;
        if (!by_element) std::fill_n(single, length, C(0));
        if (by_input == nullptr) {
          accumulate(g, v, slopes, length, to);
        } else {
          multiply_and_accumulate(g, v, gates, slopes, length, by_input + start + from, to);
        }
        if (by_element) return;
        for (int64_t i = 0; i < length; ++i) by_gate[table[from + i]] += static_cast<double>(single[i]);
      });
      if (by_element && by_gate != nullptr && (example + 1 == end || (example - begin + 1) % kLongSum == 0)) {
        for (int64_t i = 0; i < layout.elements; ++i) by_gate[layout.table[i]] += static_cast<double>(sums[i]);
        std::fill(sums.begin(), sums.end(), C(0));
      }
    }
  });
}

}  // namespace l0gates
