// Applying gates that follow each other regularly, and its gradient: no index is read.
#pragma once

#include <torch/csrc/stable/ops.h>

#include "laws.h"
#include "layout.h"
#include "loops.h"

namespace l0gates {

// The gates of one task's tile for the example at hand; slopes only where they are wanted.
template <class Law, class C, bool Slopes>
class GateTile {
 public:
  GateTile(const Law& law, const Layout& layout, const Grid& grid, uint64_t seed, int64_t first, int64_t count)
      : law_(law), layout_(layout), seed_(seed), first_(first), count_(static_cast<int>(count)) {
    if (grid.spread) width_ = grid.tiles > 1 ? count * layout.inner : grid.line_length;
    copies_ = grid.spread && width_ > count;
  }

  // Draw for an example, unless it is the one drawn for last.
  void of(int64_t example) {
    if (!layout_.per_example) example = 0;
    if (example == drawn_) return;
    drawn_ = example;
    const Draw draw{seed_, static_cast<uint64_t>(example), Law::kStream};
    draw_gates(law_, draw, first_, count_, gates_, Slopes ? slopes_ : nullptr);
    if (!copies_) return;
    spread(gates_, gates_spread_);
    if (Slopes) spread(slopes_, slopes_spread_);
  }

  // One for each element of a line where the grid spreads, else one for each gate.
  const C* gates() const { return copies_ ? gates_spread_ : gates_; }
  const C* slopes() const { return copies_ ? slopes_spread_ : slopes_; }

  // The sums of each element of a line, moved to its gate.
  void collect(C* sums, double* by_gate) const {
    for (int64_t i = 0; i < width_; ++i) by_gate[i / layout_.inner % count_] += static_cast<double>(sums[i]);
    std::fill_n(sums, width_, C(0));
  }

 private:
  void spread(const C* values, C* result) const {
    int64_t filled = 0;
    for (int gate = 0; gate < count_ && filled < width_; ++gate) {
      for (int64_t k = 0; k < layout_.inner; ++k) result[filled++] = values[gate];
    }
    for (int64_t i = filled; i < width_; ++i) result[i] = result[i - filled];
  }

  const Law& law_;
  const Layout& layout_;
  uint64_t seed_;
  int64_t first_, width_ = 0, drawn_ = -1;
  int count_;
  bool copies_;
  // Noise is drawn in fours, so one more four than a tile may be written.
  alignas(64) C gates_[kTile + 4], slopes_[Slopes ? kTile + 4 : 1];
  alignas(64) C gates_spread_[kTile], slopes_spread_[Slopes ? kTile : 1];
};

// Calls body(block, tile, first gate, gates) for every task.
template <class Body>
void for_each_task(const Layout& layout, const Grid& grid, const Body& body) {
  torch::stable::parallel_for(0, grid.blocks * grid.tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % grid.tiles * grid.gates_per_tile;
      body(task / grid.tiles, first, std::min(grid.gates_per_tile, layout.n_gates - first));
    }
  });
}

// Calls body(example, offset, length) for the part of each line of a block that belongs to a tile.
template <class Body>
void for_each_line(const Layout& layout, const Grid& grid, int64_t block, int64_t first, int64_t count,
                   const Body& body) {
  const int64_t last = std::min(grid.lines, (block + 1) * grid.lines_per_block);
  for (int64_t line = block * grid.lines_per_block; line < last; ++line) {
    const int64_t example = line / grid.lines_per_example;
    const int64_t start = line % grid.lines_per_example * grid.line_length;
    const int64_t length =
        grid.tiles > 1 ? count * layout.inner : std::min(grid.line_length, layout.elements - start);
    body(example, example * layout.elements + start + first * layout.inner, length);
  }
}

template <class Law, class T, class C>
void apply_regular(const Law& law, const Layout& layout, uint64_t seed, const T* x, T* result) {
  const Grid grid(layout);
  for_each_task(layout, grid, [&](int64_t block, int64_t first, int64_t count) {
    GateTile<Law, C, false> tile(law, layout, grid, seed, first, count);
    for_each_line(layout, grid, block, first, count, [&](int64_t example, int64_t at, int64_t length) {
      tile.of(example);
      if (grid.spread) return multiply(x + at, tile.gates(), length, result + at);
      for (int64_t gate = 0; gate < count; ++gate) {
        const int64_t from = at + gate * layout.inner;
        multiply_by(x + from, tile.gates()[gate], layout.inner, result + from);
      }
    });
  });
}

// One gate's block of elements: its input gradient where that is wanted, and the sum of grad * x.
template <class T, class C>
double differentiate_block(const T* grad, const T* x, C gate, int64_t n, T* by_input) {
  double total = 0;
  for (int64_t from = 0; from < n; from += kLanes * kLongSum) {
    const int64_t length = std::min(kLanes * kLongSum, n - from);
    total += static_cast<double>(
        by_input == nullptr ? dot<T, C, false>(grad + from, x + from, gate, length, by_input)
                            : dot<T, C, true>(grad + from, x + from, gate, length, by_input + from));
  }
  return total;
}

// The gradients by input and parameter; a null pointer stands for one that is not wanted. `partial` has room for
// blocks_of(layout) * n_gates sums and comes zeroed.
template <class Law, class T, class C>
void differentiate_regular(const Law& law, const Layout& layout, uint64_t seed, const T* grad, const T* x,
                           T* by_input, double* partial) {
  const Grid grid(layout);
  for_each_task(layout, grid, [&](int64_t block, int64_t first, int64_t count) {
    GateTile<Law, C, true> tile(law, layout, grid, seed, first, count);
    double* by_gate = partial == nullptr ? nullptr : partial + block * layout.n_gates + first;
    alignas(64) C sums[kTile] = {};
    int64_t summed = 0;
    for_each_line(layout, grid, block, first, count, [&](int64_t example, int64_t at, int64_t length) {
      tile.of(example);
      const T *g = grad + at, *v = x + at;
      T* to = by_input == nullptr ? nullptr : by_input + at;
      if (grid.spread) {
        if (by_gate != nullptr && ++summed % kLongSum == 0) tile.collect(sums, by_gate);
        if (to == nullptr) return accumulate(g, v, tile.slopes(), length, sums);
        if (by_gate == nullptr) return multiply(g, tile.gates(), length, to);
        return multiply_and_accumulate(g, v, tile.gates(), tile.slopes(), length, to, sums);
      }
      for (int64_t gate = 0; gate < count; ++gate) {
        const int64_t from = gate * layout.inner;
        const C value = tile.gates()[gate];
        if (by_gate == nullptr) {
          multiply_by(g + from, value, layout.inner, to + from);
        } else {
          T* there = to == nullptr ? nullptr : to + from;
          const double sum = differentiate_block(g + from, v + from, value, layout.inner, there);
          by_gate[gate] += sum * static_cast<double>(tile.slopes()[gate]);
        }
      }
    });
    if (grid.spread && by_gate != nullptr) tile.collect(sums, by_gate);
  });
}

}  // namespace l0gates
