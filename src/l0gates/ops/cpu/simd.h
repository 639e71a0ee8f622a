// How inner loops are compiled: plain loops, once for each level of the x86-64 instruction set, chosen when
// the library is loaded.
#pragma once

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
    !defined(L0GATES_NO_CLONES)
#define L0GATES_LOOP __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
// For what only the highest level has an instruction for: compiled for it alone, and called where it is there.
#define L0GATES_V4 __attribute__((target("arch=x86-64-v4")))
#define L0GATES_HAS_V4 __builtin_cpu_supports("x86-64-v4")
#else
#define L0GATES_LOOP
#endif

// What a loop calls must be inlined into it, or it stays scalar.
#define L0GATES_INLINE inline __attribute__((always_inline))

namespace l0gates {

// Gates or elements that are worked on at a time: a few such buffers fit the first-level cache.
constexpr int kTile = 1024;
// Gates that are drawn at a time.
constexpr int kDraw = 256;

}  // namespace l0gates
