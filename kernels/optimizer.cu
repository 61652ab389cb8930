// Optimiser steps over ranges of the flat buffers, all ranges in one launch, and the factor on the gradients
// that clipping asks for.
//
// A row a range says where it lies; the numbers of the step (rates, corrections) and the factor lie in device
// memory too, so that a captured launch sees those of the step that it replays. A block takes 4096 elements
// of one range and finds which by bisection of the rows; 256 threads, 16 bytes an instruction where a range
// begins at a multiple of 16 bytes, two packs of a thread in flight. A factor that is not a number stands for
// gradients that are not finite: such a step changes nothing. No shared memory in the steps.
//  - sgd moves 20 bytes an element (gradient, value and velocity in; value and velocity out), adam 28; 2 more
//    with the bf16 twin. 6 and 15 FLOPs.
//  - squares reads 4 bytes an element and adds 1 FLOP in f64, so that no sum of finite numbers overflows; a
//    block gives one partial sum, and one block joins them in a fixed order and makes the factor. 64 bytes of
//    shared memory.
//  - commit moves 8 bytes an element.
// targets: sm_75 sm_80
#include "common/reduce.cuh"
#include "common/vectors.cuh"

namespace {

constexpr int THREADS = VECTOR_THREADS;
constexpr int WIDTH = WIDEST<float>;
constexpr int UNROLL = 2;

// Elements of a block; the host's twin is in cuda/optimizer/table.rs, as is that of the row.
constexpr uint32_t BLOCK_ELEMENTS = 4096;

// Where a range lies, which of a launch's blocks is its first, and its place among the numbers of the step.
struct Row {
  uint32_t start, end;
  uint32_t first_block;
  uint32_t place;
};

// The numbers of a step, as backend/optimizer.rs of tensor-core lays them out: those that all ranges share,
// then three a range.
struct Header {
  float beta1;  // SGD: momentum
  float beta2, epsilon;
  float root_scale;  // 1 / sqrt(1 - beta2^step)
  float limit;
};

struct Factors {
  float rate;   // Adam: divided by 1 - beta1^step
  float added;  // share of the value that is added to its gradient
  float kept;   // share of the value that is kept
};

__device__ __forceinline__ Factors factors_of(const Header* numbers, const Row& row) {
  return reinterpret_cast<const Factors*>(numbers + 1)[row.place];
}

// The part of a range that a block takes.
struct Share {
  Row row;
  uint32_t start, len;
};

// Of the last range that begins at this block or before it.
__device__ __forceinline__ Share share_of_block(const Row* rows, uint32_t count) {
  uint32_t low = 0, high = count;
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

// Does `work` on the elements of a block's share, in two steps as in common/vectors.cuh; `vectors` says
// whether the buffers allow packs.
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

// g' = scale g + added w; v = momentum v + g'; w = kept w - rate v.
struct Sgd {
  const float* __restrict__ gradients;
  float* __restrict__ values;
  bf16* __restrict__ twin;
  float* __restrict__ velocities;
  Header header;
  Factors factors;
  float scale;

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
      const float gradient = loaded.gradient[i] * scale + factors.added * loaded.value[i];
      loaded.velocity[i] = header.beta1 * loaded.velocity[i] + gradient;
      loaded.value[i] = loaded.value[i] * factors.kept - factors.rate * loaded.velocity[i];
    }
    store_values(velocities + first, loaded.velocity);
    store_values(values + first, loaded.value);
    store_twin(twin, first, loaded.value);
  }
};

// g' = scale g + added w; m = beta1 m + (1 - beta1) g'; s = beta2 s + (1 - beta2) g'^2;
// w = kept w - rate m / (sqrt(s) root_scale + epsilon).
struct Adam {
  const float* __restrict__ gradients;
  float* __restrict__ values;
  bf16* __restrict__ twin;
  float* __restrict__ means;
  float* __restrict__ squares;
  Header header;
  Factors factors;
  float scale;

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
      const float gradient = loaded.gradient[i] * scale + factors.added * loaded.value[i];
      loaded.mean[i] = header.beta1 * loaded.mean[i] + (1.0f - header.beta1) * gradient;
      loaded.square[i] = header.beta2 * loaded.square[i] + (1.0f - header.beta2) * (gradient * gradient);
      const float root = sqrtf(loaded.square[i]) * header.root_scale + header.epsilon;
      loaded.value[i] = loaded.value[i] * factors.kept - factors.rate * loaded.mean[i] / root;
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

struct Copies {
  const float* __restrict__ from;
  float* __restrict__ to;

  template <int N>
  struct Share {
    float values[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Share<N>& share) const {
    load_values(from + first, share.values);
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t first, const Share<N>& share) const {
    store_values(to + first, share.values);
  }
};

// Whether the step that this factor belongs to is taken.
__device__ __forceinline__ bool is_taken(float scale) { return scale == scale; }

}  // namespace

KERNEL(256) optimizer_sgd_f32(const Row* rows, const Header* numbers, const float* scale,
                              const float* gradients, float* values, bf16* twin, float* velocities,
                              uint32_t count) {
  if (!is_taken(*scale)) return;
  const Share share = share_of_block(rows, count);
  const bool vectors =
      is_aligned(gradients) && is_aligned(values) && is_aligned(twin) && is_aligned(velocities);
  Sgd sgd{gradients, values, twin, velocities, *numbers, factors_of(numbers, share.row), *scale};
  walk_share(share, vectors, sgd);
}

KERNEL(256) optimizer_adam_f32(const Row* rows, const Header* numbers, const float* scale,
                               const float* gradients, float* values, bf16* twin, float* means,
                               float* squares, uint32_t count) {
  if (!is_taken(*scale)) return;
  const Share share = share_of_block(rows, count);
  const bool vectors = is_aligned(gradients) && is_aligned(values) && is_aligned(twin) && is_aligned(means) &&
                       is_aligned(squares);
  Adam adam{gradients, values, twin, means, squares, *numbers, factors_of(numbers, share.row), *scale};
  walk_share(share, vectors, adam);
}

// The sum of squares of each block's share.
KERNEL(256) optimizer_squares_f32(const Row* rows, const float* gradients, double* partials, uint32_t count) {
  __shared__ double scratch[THREADS / WARP_SIZE];
  Squares squares{gradients, 0.0};
  walk_share(share_of_block(rows, count), is_aligned(gradients), squares);
  const double sum = block_sum_f64(squares.sum, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// One block: the factor on the gradients, and their norm. The factor is 1, less where the norm is above the
// limit, and not-a-number where the norm is not finite.
KERNEL(256) optimizer_scale_f32(const double* partials, const float* limit, float* scale, uint32_t count) {
  __shared__ double scratch[THREADS / WARP_SIZE];
  double own = 0.0;
  for (uint32_t i = threadIdx.x; i < count; i += THREADS) own += partials[i];
  const double norm = sqrt(block_sum_f64(own, scratch)), most = *limit;
  if (threadIdx.x != 0) return;
  // The difference is not-a-number for infinities too.
  const bool finite = norm - norm == 0.0;
  scale[0] = !finite ? __uint_as_float(0x7FFFFFFFu) : norm > most ? float(most / norm) : 1.0f;
  scale[1] = float(norm);
}

// Copies, if the step is taken.
KERNEL(256) optimizer_commit_f32(const float* scale, const float* from, float* to, uint32_t len) {
  if (!is_taken(*scale)) return;
  walk_vectors<WIDTH, UNROLL>(len, is_aligned(from) && is_aligned(to), Copies{from, to});
}
