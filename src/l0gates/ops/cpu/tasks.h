// The threads that tasks are given to.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <atomic>
#include <cstdint>

#include "stream.h"

namespace l0gates {

// Calls body(task) for every task. Whichever thread is free takes the next: one that wakes late, or shares its core with
// another program, leaves them to the others.
template <class Body>
void for_each(int64_t tasks, const Body& body) {
  std::atomic<int64_t> next{0};
  torch::stable::parallel_for(0, tasks, 1, [&](int64_t, int64_t) {
    for (int64_t task = next++; task < tasks; task = next++) body(task);
    finish_writing();
  });
}

}  // namespace l0gates
