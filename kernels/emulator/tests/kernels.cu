// Kernels for the emulator's own tests: some that are right, and each wrong in one way. Not part of the library.
#include "common/ptx.cuh"
#include "common/reduce.cuh"
#include "common/types.cuh"

// ---- Right ---------------------------------------------------------------------------------------------------

KERNEL(256) block_sums(const float* input, float* sums, int count) {
  __shared__ float partials[8];
  int at = blockIdx.x * 256 + threadIdx.x;
  float sum = block_sum<256>(at < count ? input[at] : 0.0f, partials);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// One warp: product = left (16 x 16) right^T (8 x 16), both bf16, by way of shared memory.
KERNEL(32) product_bf16(const bf16* left, const bf16* right, float* product) {
  DYNAMIC_SHARED(memory);
  bf16* tile = reinterpret_cast<bf16*>(memory);
  const int lane = threadIdx.x, row = lane % 16, half = lane / 16 * 8;
  cp_async<16>(tile + row * 16 + half, left + row * 16 + half);
  if (row < 8) cp_async<16>(tile + (16 + row) * 16 + half, right + row * 16 + half);
  cp_async_commit();
  cp_async_wait<0>();
  __syncwarp();
  uint32_t a[4], b[2];
  ldmatrix_x4(a, tile + row * 16 + half);
  ldmatrix_x2(b, tile + (16 + lane % 8) * 16 + lane / 8 % 2 * 8);
  float d[4] = {};
  mma_m16n8k16(d, a, b);
  for (int i = 0; i < 4; i++) product[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

// One warp: product = left (16 x 8) right (8 x 8) in tf32.
KERNEL(32) product_tf32(const float* left, const float* right, float* product) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  uint32_t a[4], b[2];
  for (int i = 0; i < 4; i++) a[i] = to_tf32(left[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
  for (int i = 0; i < 2; i++) b[i] = to_tf32(right[(t + i * 4) * 8 + g]);
  float d[4] = {};
  mma_m16n8k8(d, a, b);
  for (int i = 0; i < 4; i++) product[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = d[i];
}

// One warp: the transpose of an 8 x 8 matrix of two-byte elements, and a partial copy filled with zeros.
KERNEL(32) transpose(const bf16* input, bf16* output, bf16* padded) {
  __shared__ __align__(16) bf16 tile[9][8];
  if (threadIdx.x < 8) cp_async<16>(tile[threadIdx.x], input + threadIdx.x * 8);
  if (threadIdx.x == 8) cp_async<16>(tile[8], input, 6);
  cp_async_commit();
  cp_async_wait<0>();
  __syncwarp();
  uint32_t columns[2];
  ldmatrix_x2_trans(columns, tile[threadIdx.x % 8]);
  bf16* to = output + threadIdx.x / 4 * 8 + threadIdx.x % 4 * 2;
  to[0].bits = uint16_t(columns[0]);
  to[1].bits = uint16_t(columns[0] >> 16);
  if (threadIdx.x < 8) padded[threadIdx.x] = tile[8][threadIdx.x];
}

struct Scaling {
  float factor;
  int count, stride;
};

KERNEL(64) scale(const float* input, float* output, Scaling scaling) {
  int at = blockIdx.x * 64 + threadIdx.x;
  if (at < scaling.count) output[at] = scaling.factor * input[at * scaling.stride];
}

// ---- Wrong ---------------------------------------------------------------------------------------------------

// Reverses a block through shared memory with no barrier in between.
KERNEL(128) missing_barrier(const float* input, float* output) {
  __shared__ float shared[128];
  shared[threadIdx.x] = input[threadIdx.x];
  output[threadIdx.x] = shared[127 - threadIdx.x];
}

KERNEL(32) missing_wait(const float* input, float* output) {
  __shared__ float shared[32];
  cp_async<4>(&shared[threadIdx.x], &input[threadIdx.x]);
  cp_async_commit();
  output[threadIdx.x] = shared[threadIdx.x];
}

// What one block leaves in shared memory is not there for the next.
KERNEL(32) unwritten_shared(const float* input, float* output) {
  __shared__ float shared[32];
  if (blockIdx.x == 0) shared[threadIdx.x] = input[threadIdx.x];
  output[blockIdx.x * 32 + threadIdx.x] = shared[threadIdx.x];
}

KERNEL(64) divergent_barrier(const float* input, float* output) {
  if (threadIdx.x == 0) __syncthreads();
  output[threadIdx.x] = __shfl_xor_sync(ALL_LANES, input[threadIdx.x], 1);
}

KERNEL(32) diverging_warp(const float* input, float* output) {
  if (threadIdx.x < 16) {
    output[threadIdx.x] = __shfl_xor_sync(ALL_LANES, input[threadIdx.x], 1);
  } else {
    output[threadIdx.x] = float(__ballot_sync(ALL_LANES, 1));
  }
}

KERNEL(32) absent_lane(const float* input, float* output) {
  output[threadIdx.x] = __shfl_sync(0xFFFFu, input[threadIdx.x], 0);
}

KERNEL(32) read_behind(const float* input, float* output) { output[threadIdx.x] = input[threadIdx.x + 1]; }

KERNEL(32) read_before(const float* input, float* output) { output[threadIdx.x] = input[int(threadIdx.x) - 1024]; }

KERNEL(32) misaligned_pack(const float* input, float* output) {
  output[threadIdx.x] = load_pack<2>(input + threadIdx.x).at[0];
}

KERNEL(32) shared_index(const float* input, float* output) {
  __shared__ float shared[16];
  shared[threadIdx.x] = input[threadIdx.x];
  output[threadIdx.x] = shared[0];
}

KERNEL(32) dynamic_shared_index(const float* input, float* output) {
  DYNAMIC_SHARED(memory);
  float* shared = reinterpret_cast<float*>(memory);
  shared[threadIdx.x] = input[threadIdx.x];
  output[threadIdx.x] = shared[threadIdx.x];
}

KERNEL(32) misaligned_row(const float* input, float* output) {
  __shared__ __align__(16) float shared[40];
  shared[threadIdx.x] = input[threadIdx.x];
  __syncwarp();
  uint32_t matrices[2];
  ldmatrix_x2(matrices, shared + threadIdx.x);
  output[threadIdx.x] = float(matrices[0]);
}
