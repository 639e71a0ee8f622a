// Applying gates that follow each other regularly, and its gradient: no index is read.
#pragma once

#include "laws.h"
#include "layout.h"
#include "loops.h"
#include "stream.h"
#include "tasks.h"

namespace l0gates {

// The gates of one task's tile for the example at hand; slopes only where they are wanted.
template <class Law, class C, bool Slopes>
class GateTile {
 public:
  // `fuses`: multiply and differentiate are all that parts are for, so they may stay bits of noise.
  GateTile(const Law& law, const Layout& layout, const Grid& grid, uint64_t seed, int64_t first, int64_t count,
           bool fuses)
      : layout_(layout), law_(law), drawing_(law, seed, first, count), first_(first), count_(static_cast<int>(count)) {
    fuses_ = fuses && layout.per_example;
    if (grid.spread) width_ = grid.tiles > 1 ? count * layout.inner : grid.line_length;
    copies_ = grid.spread && width_ > count;
  }

  // Draw for an example, unless it is the one drawn for last.
  void of(int64_t example) {
    if (!is_new(example)) return;
    drawing_(drawn_, gates_, Slopes ? slopes_ : nullptr);
    if (!copies_) return;
    spread(gates_, gates_spread_);
    if (Slopes) spread(slopes_, slopes_spread_);
  }

  // Calls body(from, n) for the parts of a line as their gates come, and ask(from, n) before.
  template <class Ask, class Body>
  void for_each_part(int64_t example, int64_t length, const Ask& ask, const Body& body) {
    if (copies_) of(example);
    if (copies_ || !is_new(example)) return body(0, length);
    for (int64_t from = 0; from < length; from += kDraw) {
      const int64_t n = std::min<int64_t>(kDraw, length - from);
      ask(from, n);
      drawing_.draw(drawn_, from, gates_);
      holds_bits_ = fuses_ && n % 16 == 0;
      if (!holds_bits_) drawing_.shape(from, gates_, Slopes ? slopes_ : nullptr);
      body(from, n);
    }
  }

  // The output at `at` = x * gates, of the gates from `from` on.
  template <class T>
  void multiply(int64_t from, const T* x, int64_t n, const Output<T>& output, int64_t at) const {
    if constexpr (kFuses<Law, T>) {
      if (holds_bits_) return law_.multiply(first_ + from, gates_ + from, x, n, output.data + at, output.past_cache);
    }
    const C* gates = this->gates() + from;
    output.write(at, n, [&](int64_t i, int64_t m, T* to) { l0gates::multiply(x + i, gates + i, m, to); });
  }

  // The same for the output = grad * gates and sums += grad * x * slopes.
  template <class T>
  void differentiate(int64_t from, const T* grad, const T* x, int64_t n, const Output<T>& output, int64_t at,
                     C* sums) const {
    if constexpr (kFuses<Law, T>) {
      if (holds_bits_) {
        return law_.differentiate(first_ + from, gates_ + from, grad, x, n, output.data + at, output.past_cache_at_once,
                                  sums);
      }
    }
    const C *gates = this->gates() + from, *slopes = this->slopes() + from;
    output.write(at, n, [&](int64_t i, int64_t m, T* to) {
      multiply_and_accumulate(grad + i, x + i, gates + i, slopes + i, m, to, sums + i);
    });
  }

  // One for each element of a line where the grid spreads, else one for each gate.
  const C* gates() const { return copies_ ? gates_spread_ : gates_; }
  const C* slopes() const { return copies_ ? slopes_spread_ : slopes_; }

  // The sums of each element of a line, moved to its gate.
  void collect(C* sums, double* by_gate) const {
    for (int64_t i = 0; i < width_; ++i) {
      by_gate[copies_ ? i / layout_.inner % count_ : i] += static_cast<double>(sums[i]);
    }
    std::fill_n(sums, width_, C(0));
  }

 private:
  bool is_new(int64_t example) {
    if (!layout_.per_example) example = 0;
    const bool is_new = example != drawn_;
    drawn_ = example;
    return is_new;
  }

  void spread(const C* values, C* result) const {
    int64_t filled = 0;
    for (int gate = 0; gate < count_ && filled < width_; ++gate) {
      for (int64_t k = 0; k < layout_.inner; ++k) result[filled++] = values[gate];
    }
    for (int64_t i = filled; i < width_; ++i) result[i] = result[i - filled];
  }

  const Layout& layout_;
  const Law& law_;
  Gates<Law, C> drawing_;
  int64_t first_, width_ = 0, drawn_ = -1;
  int count_;
  bool copies_, fuses_, holds_bits_ = false;
  alignas(64) C gates_[kTile], slopes_[Slopes ? kTile : 1];
  alignas(64) C gates_spread_[kTile], slopes_spread_[Slopes ? kTile : 1];
};

// Calls body(block, tile, first gate, gates) for every task.
template <class Body>
void for_each_task(const Layout& layout, const Grid& grid, const Body& body) {
  for_each(grid.blocks * grid.tiles, [&](int64_t task) {
    const int64_t first = task % grid.tiles * grid.gates_per_tile;
    body(task / grid.tiles, first, std::min(grid.gates_per_tile, layout.n_gates - first));
  });
}

// Calls body(example, offset, length, offset in the next line) for the part of each line of a block that belongs to a
// tile. The last line has no next one but itself.
template <class Body>
void for_each_line(const Layout& layout, const Grid& grid, int64_t block, int64_t first, int64_t count,
                   const Body& body) {
  const int64_t end = std::min(grid.lines, (block + 1) * grid.lines_per_block);
  const auto offset = [&](int64_t line) {
    return line / grid.lines_per_example * layout.elements + line % grid.lines_per_example * grid.line_length +
           first * layout.inner;
  };
  for (int64_t line = block * grid.lines_per_block; line < end; ++line) {
    const int64_t start = line % grid.lines_per_example * grid.line_length;
    const int64_t length =
        grid.tiles > 1 ? count * layout.inner : std::min(grid.line_length, layout.elements - start);
    body(line / grid.lines_per_example, offset(line), length, offset(std::min(line + 1, end - 1)));
  }
}

template <class Law, class T, class C>
void apply_regular(const Law& law, const Layout& layout, uint64_t seed, const T* x, T* result) {
  const Grid grid(layout);
  const Output<T> output(result, layout.batch * layout.elements);
  for_each_task(layout, grid, [&](int64_t block, int64_t first, int64_t count) {
    GateTile<Law, C, false> tile(law, layout, grid, seed, first, count, fuses<T>(law));
    for_each_line(layout, grid, block, first, count, [&](int64_t example, int64_t at, int64_t length, int64_t) {
      if (grid.spread) {
        const auto ask_nothing = [](int64_t, int64_t) {};
        return tile.for_each_part(example, length, ask_nothing, [&](int64_t from, int64_t n) {
          tile.multiply(from, x + at + from, n, output, at + from);
        });
      }
      tile.of(example);
      for (int64_t gate = 0; gate < count; ++gate) {
        const T* elements = x + at + gate * layout.inner;
        const C value = tile.gates()[gate];
        output.write(at + gate * layout.inner, layout.inner,
                     [&](int64_t from, int64_t n, T* to) { multiply_by(elements + from, value, n, to); });
      }
    });
  });
}

// A block of elements with one gate, whose output starts at `at`: the sum of grad * x, and the input gradient where it
// is wanted.
template <class T, class C>
double differentiate_block(const T* grad, const T* x, C gate, int64_t n, const Output<T>& output, int64_t at) {
  double total = 0;
  const int64_t step = output.past_cache ? kLanes * kAhead / 4 : kLanes * kLongSum;
  for (int64_t from = 0; from < n; from += step) {
    const T *g = grad + from, *v = x + from;
    const int64_t length = std::min(step, n - from);
    if (output.awaited(at) != nullptr) {
      total += static_cast<double>(dot<T, C, true>(g, v, gate, length, output.data + at + from));
      continue;
    }
    total += static_cast<double>(dot<T, C, false>(g, v, gate, length, nullptr));
    if (output.data == nullptr) continue;
    output.write(at + from, length, [&](int64_t i, int64_t m, T* to) { multiply_by(g + i, gate, m, to); });
  }
  return total;
}

// The part of a line from `from` on, whose output starts at `at`: the input gradients where they are wanted, and where the
// sums are, grad * x * slopes.
template <class Law, class T, class C>
void differentiate_part(const GateTile<Law, C, true>& tile, int64_t from, const T* grad, const T* x, int64_t n,
                        const Output<T>& output, int64_t at, C* sums) {
  if (output.data == nullptr) return accumulate(grad, x, tile.slopes() + from, n, sums);
  if (sums == nullptr) return tile.multiply(from, grad, n, output, at);
  tile.differentiate(from, grad, x, n, output, at, sums);
}

// The gradients by input and parameter; a null pointer stands for one that is not wanted. `partial` has room for
// blocks_of(layout) * n_gates sums and comes zeroed.
template <class Law, class T, class C>
void differentiate_regular(const Law& law, const Layout& layout, uint64_t seed, const T* grad, const T* x,
                           T* by_input, double* partial) {
  const Grid grid(layout);
  const Output<T> output(by_input, layout.batch * layout.elements);
  for_each_task(layout, grid, [&](int64_t block, int64_t first, int64_t count) {
    GateTile<Law, C, true> tile(law, layout, grid, seed, first, count, by_input != nullptr && fuses<T>(law));
    double* by_gate = partial == nullptr ? nullptr : partial + block * layout.n_gates + first;
    alignas(64) C sums[kTile] = {};
    int64_t summed = 0;
    for_each_line(layout, grid, block, first, count, [&](int64_t example, int64_t at, int64_t length, int64_t next) {
      if (grid.spread) {
        if (by_gate != nullptr && ++summed % kLongSum == 0) tile.collect(sums, by_gate);
        // Memory would rest while gates are drawn, so what those of the next line will meet is asked for before.
        const auto ask = [&](int64_t from, int64_t n) {
          fetch(grad + next, from, n);
          fetch(x + next, from, n);
        };
        return tile.for_each_part(example, length, ask, [&](int64_t from, int64_t n) {
          differentiate_part(tile, from, grad + at + from, x + at + from, n, output, at + from,
                             by_gate == nullptr ? nullptr : sums + from);
        });
      }
      tile.of(example);
      for (int64_t gate = 0; gate < count; ++gate) {
        const int64_t start = at + gate * layout.inner;
        const T* g = grad + start;
        const C value = tile.gates()[gate];
        if (by_gate == nullptr) {
          output.write(start, layout.inner,
                       [&](int64_t from, int64_t n, T* to) { multiply_by(g + from, value, n, to); });
        } else {
          const double sum = differentiate_block(g, x + start, value, layout.inner, output, start);
          by_gate[gate] += sum * static_cast<double>(tile.slopes()[gate]);
        }
      }
    });
    if (grid.spread && by_gate != nullptr) tile.collect(sums, by_gate);
  });
}

}  // namespace l0gates
