// Where the gate of an element is found, and how the work is cut into tasks. The cut depends on sizes alone, so
// results are the same for any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd.h"

namespace l0gates {

// Element j of an example uses gate (j / inner) % n_gates, or, with a table, table[j]; a table of the whole batch
// has a row for each example, `table_stride` apart.
struct Layout {
  int64_t batch, elements, n_gates, inner;
  bool has_table;
  const int32_t* table;
  int64_t table_stride;
  bool per_example;
};

// Elements that make a task worth a thread.
constexpr int64_t kTask = 32768;
// From so many elements a gate on, gates are applied one by one.
constexpr int64_t kWide = 256;

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A regular layout as a grid: an example is cut into lines that hold whole periods of the pattern of gates, or one;
// a task is a block of lines and a tile of gates.
struct Grid {
  int64_t line_length, lines_per_example, lines, lines_per_block, gates_per_tile, blocks, tiles;
  bool spread;  // the tile holds the gate of every element of a line

  explicit Grid(const Layout& layout) {
    const int64_t period = layout.n_gates * layout.inner;
    line_length = period < kTile ? kTile / period * period : period;
    line_length = std::min(line_length, std::max<int64_t>(layout.elements, 1));
    lines_per_example = ceil_div(layout.elements, line_length);
    lines = layout.batch * lines_per_example;
    spread = period < kTile || layout.inner < kWide;
    // Gates are drawn in fours. A tile of wide gates is as long as a task, since a task that keeps to a few gates would
    // leap through memory.
    const int64_t tile = spread ? kTile : std::min(kTask, kTile * layout.inner);
    gates_per_tile = std::max<int64_t>(4, tile / layout.inner / 4 * 4);
    if (period < kTile) gates_per_tile = layout.n_gates;
    tiles = ceil_div(layout.n_gates, gates_per_tile);
    const int64_t width = std::min(line_length, gates_per_tile * layout.inner);
    lines_per_block = std::max({kTask / width, 64 / layout.inner, static_cast<int64_t>(1)});
    blocks = ceil_div(lines, lines_per_block);
  }
};

// A general layout: a task is a block of examples. Their number keeps the partial sums, one for each gate and task,
// well below the size of the input.
inline int64_t examples_per_block(const Layout& layout) {
  const int64_t elements = std::max<int64_t>(layout.elements, 1);
  return std::max({kTask / elements, std::min<int64_t>(32, ceil_div(layout.batch, 4)),
                   ceil_div(8 * layout.n_gates, elements), static_cast<int64_t>(1)});
}

// Tasks that each make a partial sum for every gate.
inline int64_t blocks_of(const Layout& layout) {
  return layout.has_table ? ceil_div(layout.batch, examples_per_block(layout)) : Grid(layout).blocks;
}

}  // namespace l0gates
