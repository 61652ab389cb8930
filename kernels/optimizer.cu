// Optimiser steps over the trainable segments of the flat buffers, all segments in one launch, and the sum of squares
// of the gradients.
//
// What a step needs to know lies in device memory: a head with the numbers that all segments share, then one row a
// segment in the order of their ranges. So a captured launch sees the rates and corrections of the step that it
// replays. A block takes 4096 elements of one segment and finds which by bisection of the rows; 256 threads, 16 bytes
// an instruction where a segment begins at a multiple of 16 bytes, two packs of a thread in flight. If the word at
// `skip` is not 0 the step changes nothing. No shared memory in the steps.
//  - sgd moves 20 bytes an element (gradient, value and velocity in; value and velocity out), adam 28; 2 more with
//    the bf16 twin. 5 and 14 FLOPs.
//  - squares reads 4 bytes an element and adds 1 FLOP in f64, so that no sum of finite numbers overflows; a block
//    gives one partial sum, and one block joins them in a fixed order and says whether the sum is finite.
// targets: sm_75 sm_80 sm_90a
#include "common/reduce.cuh"
#include "common/vectors.cuh"

namespace {

constexpr int THREADS = VECTOR_THREADS;
constexpr int WIDTH = WIDEST<float>;
constexpr int UNROLL = 2;

// Elements of a block; the host's twin is in cuda/optimizer/table.rs, as are those of the three structs.
constexpr uint32_t BLOCK_ELEMENTS = 4096;

// The numbers that all segments share.
struct Head {
  float gradient_scale;
  float momentum;  // SGD
  float beta1, beta2, epsilon;
  float root_scale;  // 1 / sqrt(1 - beta2^step)
  uint32_t segments;
  uint32_t unused;
};

// A segment and what its layer group asks for.
struct Row {
  uint32_t start, end;
  uint32_t first_block;
  float rate;   // Adam: divided by 1 - beta1^step
  float added;  // share of the value that is added to its gradient
  float kept;   // share of the value that is kept
  uint32_t unused[2];
};

// The part of a segment that a block takes.
struct Share {
  Row row;
  uint32_t start, len;
};

__device__ __forceinline__ const Row* rows_of(const Head* head) { return reinterpret_cast<const Row*>(head + 1); }

// The last segment that begins at this block or before it.
__device__ __forceinline__ Share share_of_block(const Head* head) {
  const Row* rows = rows_of(head);
  uint32_t low = 0, high = head->segments;
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    if (rows[middle].first_block <= blockIdx.x) low = middle;
    else high = middle;
  }
  Share share{rows[low], 0, 0};
  share.start = share.row.start + (blockIdx.x - share.row.first_block) * BLOCK_ELEMENTS;
  const uint32_t rest = share.row.end - share.start;
  share.len = rest < BLOCK_ELEMENTS ? rest : BLOCK_ELEMENTS;
  return share;
}

// Does `work` on the elements of a block's share, in two steps as in common/vectors.cuh; `vectors` says whether the
// buffers allow packs.
template <class Work>
__device__ __forceinline__ void walk_share(const Share& share, bool vectors, Work& work) {
  const uint32_t packs = vectors && share.start % WIDTH == 0 ? share.len / WIDTH : 0;
  for (uint32_t pack = threadIdx.x; pack < packs; pack += UNROLL * THREADS) {
    typename Work::template Loaded<WIDTH> loaded[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const uint32_t own = pack + u * THREADS;
      if (own < packs) work.load(share.start + own * WIDTH, loaded[u]);
    }
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const uint32_t own = pack + u * THREADS;
      if (own < packs) work.finish(share.start + own * WIDTH, loaded[u]);
    }
  }
  for (uint32_t i = packs * WIDTH + threadIdx.x; i < share.len; i += THREADS) {
    typename Work::template Loaded<1> loaded;
    work.load(share.start + i, loaded);
    work.finish(share.start + i, loaded);
  }
}

// Four values of the twin fill 8 bytes, which are aligned where four floats are.
template <int N>
__device__ __forceinline__ void store_twin(bf16* twin, uint32_t first, const float (&values)[N]) {
  if (twin) store_values(twin + first, values);
}

// v = momentum v + g; w -= rate v.
struct Sgd {
  const float* __restrict__ gradients;
  float* __restrict__ values;
  bf16* __restrict__ twin;
  float* __restrict__ velocities;
  Head head;
  Row row;

  template <int N>
  struct Loaded {
    float gradient[N], value[N], velocity[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Loaded<N>& loaded) const {
    load_values(gradients + first, loaded.gradient);
    load_values(values + first, loaded.value);
    load_values(velocities + first, loaded.velocity);
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t first, Loaded<N>& loaded) const {
#pragma unroll
    for (int i = 0; i < N; i++) {
      const float gradient = loaded.gradient[i] * head.gradient_scale + row.added * loaded.value[i];
      loaded.velocity[i] = head.momentum * loaded.velocity[i] + gradient;
      loaded.value[i] = loaded.value[i] * row.kept - row.rate * loaded.velocity[i];
    }
    store_values(velocities + first, loaded.velocity);
    store_values(values + first, loaded.value);
    store_twin(twin, first, loaded.value);
  }
};

// m = beta1 m + (1 - beta1) g; s = beta2 s + (1 - beta2) g^2; w -= rate' m / (sqrt(s) root_scale + epsilon).
struct Adam {
  const float* __restrict__ gradients;
  float* __restrict__ values;
  bf16* __restrict__ twin;
  float* __restrict__ means;
  float* __restrict__ squares;
  Head head;
  Row row;

  template <int N>
  struct Loaded {
    float gradient[N], value[N], mean[N], square[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Loaded<N>& loaded) const {
    load_values(gradients + first, loaded.gradient);
    load_values(values + first, loaded.value);
    load_values(means + first, loaded.mean);
    load_values(squares + first, loaded.square);
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t first, Loaded<N>& loaded) const {
#pragma unroll
    for (int i = 0; i < N; i++) {
      const float gradient = loaded.gradient[i] * head.gradient_scale + row.added * loaded.value[i];
      loaded.mean[i] = head.beta1 * loaded.mean[i] + (1.0f - head.beta1) * gradient;
      loaded.square[i] = head.beta2 * loaded.square[i] + (1.0f - head.beta2) * (gradient * gradient);
      const float root = sqrtf(loaded.square[i]) * head.root_scale + head.epsilon;
      loaded.value[i] = loaded.value[i] * row.kept - row.rate * loaded.mean[i] / root;
    }
    store_values(means + first, loaded.mean);
    store_values(squares + first, loaded.square);
    store_values(values + first, loaded.value);
    store_twin(twin, first, loaded.value);
  }
};

struct Squares {
  const float* __restrict__ gradients;
  double sum;

  template <int N>
  struct Loaded {
    float gradient[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Loaded<N>& loaded) const {
    load_values(gradients + first, loaded.gradient);
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t, const Loaded<N>& loaded) {
#pragma unroll
    for (int i = 0; i < N; i++) sum += double(loaded.gradient[i]) * double(loaded.gradient[i]);
  }
};

// Over the block's threads in a fixed order; thread 0 gets the sum.
__device__ __forceinline__ double block_sum_f64(double value, double* scratch) {
  const int lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE;
#pragma unroll
  for (int distance = WARP_SIZE / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(ALL_LANES, value, distance);
  }
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  double total = 0.0;
  if (threadIdx.x == 0) {
    for (int i = 0; i < THREADS / WARP_SIZE; i++) total += scratch[i];
  }
  return total;
}

__device__ __forceinline__ bool skipped(const uint32_t* skip) { return skip && *skip != 0; }

}  // namespace

KERNEL(256) optimizer_sgd_f32(const Head* head, const uint32_t* skip, const float* gradients, float* values,
                              bf16* twin, float* velocities) {
  if (skipped(skip)) return;
  const Share share = share_of_block(head);
  const bool vectors = is_aligned(gradients) && is_aligned(values) && is_aligned(twin) && is_aligned(velocities);
  Sgd sgd{gradients, values, twin, velocities, *head, share.row};
  walk_share(share, vectors, sgd);
}

KERNEL(256) optimizer_adam_f32(const Head* head, const uint32_t* skip, const float* gradients, float* values,
                               bf16* twin, float* means, float* squares) {
  if (skipped(skip)) return;
  const Share share = share_of_block(head);
  const bool vectors = is_aligned(gradients) && is_aligned(values) && is_aligned(twin) && is_aligned(means) &&
                       is_aligned(squares);
  Adam adam{gradients, values, twin, means, squares, *head, share.row};
  walk_share(share, vectors, adam);
}

// The sum of squares of each block's share.
KERNEL(256) optimizer_squares_f32(const Head* head, const float* gradients, double* partials) {
  __shared__ double scratch[THREADS / WARP_SIZE];
  Squares squares{gradients, 0.0};
  walk_share(share_of_block(head), is_aligned(gradients), squares);
  const double sum = block_sum_f64(squares.sum, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// One block: the sum of all, and 1 at `not_finite` if it is not a finite number, else 0.
KERNEL(256) optimizer_join_squares_f32(const double* partials, double* sum, uint32_t* not_finite,
                                       uint32_t count) {
  __shared__ double scratch[THREADS / WARP_SIZE];
  double own = 0.0;
  for (uint32_t i = threadIdx.x; i < count; i += THREADS) own += partials[i];
  const double total = block_sum_f64(own, scratch);
  if (threadIdx.x != 0) return;
  *sum = total;
  *not_finite = total - total == 0.0 ? 0u : 1u;
}
