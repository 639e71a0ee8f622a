// The threads that tasks are given to.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "stream.h"

namespace l0gates {

// Neighbouring tasks, on a cache line of their own.
struct alignas(64) Share {
  std::atomic<int64_t> next;
  int64_t end;
};

// Calls body(task) for every task. A thread has a share of neighbouring tasks: two that wrote side by side would both
// ask the system for the same fresh page. Who has done with its own helps the others, so that a thread that wakes
// late, or shares its core with another program, keeps nobody waiting.
template <class Body>
void for_each(int64_t tasks, const Body& body) {
  const auto threads = std::min<int64_t>(torch::stable::get_num_threads(), tasks);
  std::vector<Share> shares(static_cast<size_t>(threads));
  for (int64_t i = 0; i < threads; ++i) {
    shares[static_cast<size_t>(i)].next = tasks * i / threads;
    shares[static_cast<size_t>(i)].end = tasks * (i + 1) / threads;
  }
  torch::stable::parallel_for(0, threads, 1, [&](int64_t first, int64_t) {
    for (int64_t i = first; i < first + threads; ++i) {
      Share& share = shares[static_cast<size_t>(i % threads)];
      for (int64_t task = share.next++; task < share.end; task = share.next++) body(task);
    }
    finish_writing();
  });
}

}  // namespace l0gates
