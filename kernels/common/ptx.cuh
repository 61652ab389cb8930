// PTX instructions that C++ has no words for: one wrapper each, and beside its assembly what it does under
// the emulator. No other file has inline assembly. What they are combined to lives with each kernel.
#pragma once
#include "common/types.cuh"

// The block's dynamic shared memory as `unsigned char* name`, aligned to 128 bytes.
#ifdef FASTLEARN_EMULATED
#define DYNAMIC_SHARED(name) unsigned char* name = emulator::dynamic_shared
#else
#define DYNAMIC_SHARED(name)                                       \
  extern __shared__ __align__(128) unsigned char dynamic_shared_[]; \
  unsigned char* name = dynamic_shared_
#endif

#ifndef FASTLEARN_EMULATED
// An address in shared memory as instructions take it.
__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return uint32_t(__cvta_generic_to_shared(pointer));
}
#endif

// ---- Asynchronous copies from device to shared memory (sm_80 and later) -----------------------------------

// Copies the first `source_bytes` of BYTES (4, 8 or 16) and fills the rest with zeros; with none, `from` is not
// read, but must still be aligned. Copies of 16 bytes pass by the first-level cache.
template <int BYTES>
__device__ __forceinline__ void cp_async(void* to, const void* from, int source_bytes = BYTES) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
#ifdef FASTLEARN_EMULATED
  emulator::issue_copy(to, from, BYTES, source_bytes);
#else
  if constexpr (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(source_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from),
                 "n"(BYTES), "r"(source_bytes)
                 : "memory");
  }
#endif
}

// Makes one group of the copies issued since the last commit.
__device__ __forceinline__ void cp_async_commit() {
#ifdef FASTLEARN_EMULATED
  emulator::thread->copy_group++;
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most PENDING of this thread's latest groups are still on their way. Other threads see the
// copies after a barrier.
template <int PENDING>
__device__ __forceinline__ void cp_async_wait() {
#ifdef FASTLEARN_EMULATED
  emulator::finish_copies(PENDING);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}

// ---- Matrices of 8 x 8 two-byte elements from shared memory (sm_75 and later) ------------------------------

// Lane l gives the address of row l % 8 of matrix l / 8, 16 bytes aligned to 16. Of each matrix, lane l gets the
// elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4; transposed, the same elements of column l / 4.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&matrices)[4], const void* row) {
#ifdef FASTLEARN_EMULATED
  emulator::load_matrices<4>(matrices, row, false);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}

__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&matrices)[4], const void* row) {
#ifdef FASTLEARN_EMULATED
  emulator::load_matrices<4>(matrices, row, true);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}

// As above with two matrices; the addresses are taken from lanes 0 to 15.
__device__ __forceinline__ void ldmatrix_x2(uint32_t (&matrices)[2], const void* row) {
#ifdef FASTLEARN_EMULATED
  emulator::load_matrices<2>(matrices, row, false);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(matrices[0]), "=r"(matrices[1])
               : "r"(shared_address(row))
               : "memory");
#endif
}

__device__ __forceinline__ void ldmatrix_x2_trans(uint32_t (&matrices)[2], const void* row) {
#ifdef FASTLEARN_EMULATED
  emulator::load_matrices<2>(matrices, row, true);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(matrices[0]), "=r"(matrices[1])
               : "r"(shared_address(row))
               : "memory");
#endif
}

// ---- Products of matrices held by a warp (sm_80 and later) -------------------------------------------------
// With g = lane / 4 and t = lane % 4, the accumulators are rows g (first two) and g + 8 (last two), columns 2t
// and 2t + 1 of the 16 x 8 product.

// d += a b, a 16 x 16 and b 16 x 8 of bf16. Two elements a register, the lower in the lower half:
// a[0], a[1]: rows g, g + 8, columns 2t, 2t + 1; a[2], a[3]: the same with columns 2t + 8, 2t + 9;
// b[0], b[1]: column g, rows 2t, 2t + 1 and 2t + 8, 2t + 9.
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef FASTLEARN_EMULATED
  emulator::multiply_bf16(d, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// d += a b, a 16 x 8 and b 8 x 8 of tf32: a[0], a[1]: rows g, g + 8, column t; a[2], a[3]: the same with column
// t + 4; b[0], b[1]: column g, rows t and t + 4.
__device__ __forceinline__ void mma_m16n8k8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef FASTLEARN_EMULATED
  emulator::multiply_tf32(d, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// ---- Conversions (sm_80 and later) -------------------------------------------------------------------------

// Two values as bf16, rounded to nearest even, `low` in the lower half.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
#ifdef FASTLEARN_EMULATED
  return from_float<bf16>(low).bits | uint32_t(from_float<bf16>(high).bits) << 16;
#else
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#endif
}

// The nearest tf32, ties away from zero, in a float's place.
__device__ __forceinline__ uint32_t to_tf32(float value) {
#ifdef FASTLEARN_EMULATED
  uint32_t bits = __float_as_uint(value);
  bool finite = (bits & 0x7F800000u) != 0x7F800000u;
  return (finite ? bits + 0x1000u : bits) & ~0x1FFFu;
#else
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(value));
  return rounded;
#endif
}
