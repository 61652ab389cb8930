// Batch normalisation over [rows, channels], backward: the sums that are the gradients of beta and
// gamma, and the gradients of the input and of what was added. The forward parts are in norm.cu.
//
// Both large kernels lie over the matrix as common/rows.cuh says: 256 threads a block, a pack of 16
// bytes of channels a thread (one channel where their number is odd). Two blocks fit a multiprocessor, which
// is 32 to 96 KiB of loads in flight there. g is the output's gradient, or zero where the output's ReLU was
// not active.
//  - reduce: a block sums g and g (x - mean) over one part of the rows, 4 rows in flight, lanes as a
//    tree in 16 KiB of shared memory; join then adds the parts, 32 columns by 16 lanes a block. Moves
//    2 elements for each of rows * channels, 3 with a ReLU, and 8 bytes a part and channel twice;
//    does 4 FLOPs an element.
//  - apply: dx = direct g + slope (x - mean) + constant, 2 rows in flight, since each is up to five
//    packs. Moves 1 element for g, 1 for the ReLU's output, 1 for x (unless the statistics were
//    running values), 1 for each gradient written and 2 for each added to; does 5 FLOPs an element. No
//    shared memory.
// targets: sm_75 sm_80
#include "common/rows.cuh"

namespace {

// Rows whose loads are in flight together.
constexpr int REDUCE_ROWS = 4;
constexpr int APPLY_ROWS = 2;

template <int N>
struct Add {
  __device__ __forceinline__ void operator()(float (&own)[N], const float (&other)[N]) const {
#pragma unroll
    for (int i = 0; i < N; i++) own[i] += other[i];
  }
};

// An output that lets its gradient through, for where there was no ReLU.
constexpr float ACTIVE = 1.0f;

// The gradient behind the output's ReLU.
__device__ __forceinline__ float gated(float gradient, float output) {
  return output > 0.0f ? gradient : 0.0f;
}

// A lane's sums of g, and behind them those of g (x - mean).
template <class T, int V>
struct Reduce {
  const T* gradient;
  const T* output;  // null without a ReLU
  const T* input;
  uint32_t channels;
  uint32_t channel;  // the first of the thread's
  uint32_t lanes;
  float mean[V];
  float sums[2 * V];

  template <int N>
  __device__ __forceinline__ void rows(uint32_t row) {
    const uint32_t at = row * channels + channel, stride = lanes * channels;
    Pack<T, V> g[N], y[N], x[N];
    load_rows(true, gradient, at, stride, g);
    load_rows(true, input, at, stride, x);
    load_rows(output != nullptr, output, at, stride, y, ACTIVE);
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int i = 0; i < V; i++) {
        const float value = gated(to_float(g[n].at[i]), to_float(y[n].at[i]));
        sums[i] += value;
        sums[V + i] += value * (to_float(x[n].at[i]) - mean[i]);
      }
    }
  }
};

template <class T, int V>
__device__ __forceinline__ void reduce(const T* gradient, const T* output, const T* input,
                                       const float* mean, float* workspace, const RowTiles& tiles,
                                       float* scratch) {
  const RowShare share = row_share<V>(tiles);
  Reduce<T, V> lane = {gradient,      output,      input, tiles.channels,
                       share.channel, share.lanes, {},    {}};
  if (share.active) load_floats(mean + share.channel, lane.mean);
  walk_rows<REDUCE_ROWS>(share, lane);
  join_lanes(lane.sums, share.lane, share.lanes, share.width, scratch, Add<2 * V>{});
  if (share.lane != 0 || !share.active) return;
  float* to = workspace + share.part * 2 * tiles.channels + share.channel;
  store_floats<V>(to, lane.sums);
  store_floats<V>(to + tiles.channels, lane.sums + V);
}

// What one thread's rows take and give.
template <class T, int V>
struct Apply {
  const T* gradient;
  const T* output;  // null without a ReLU
  const T* input;
  T* input_gradient;  // null if not wanted
  T* addend_gradient;
  uint32_t channels;
  uint32_t channel;  // the first of the thread's
  uint32_t lanes;
  bool through_statistics;
  bool accumulate_input;
  bool accumulate_addend;
  float direct[V], slope[V], constant[V], mean[V];  // all but the first zero without statistics

  template <int N>
  __device__ __forceinline__ void rows(uint32_t row) {
    const uint32_t at = row * channels + channel, stride = lanes * channels;
    Pack<T, V> g[N], y[N], x[N], of_input[N], of_addend[N];
    load_rows(true, gradient, at, stride, g);
    load_rows(output != nullptr, output, at, stride, y, ACTIVE);
    load_rows(through_statistics, input, at, stride, x);
    load_rows(accumulate_input, input_gradient, at, stride, of_input);
    load_rows(accumulate_addend, addend_gradient, at, stride, of_addend);
    float inputs[N][V], addends[N][V];
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int i = 0; i < V; i++) {
        const float value = gated(to_float(g[n].at[i]), to_float(y[n].at[i]));
        const float through = fmaf(slope[i], to_float(x[n].at[i]) - mean[i], constant[i]);
        inputs[n][i] = to_float(of_input[n].at[i]) + fmaf(direct[i], value, through);
        addends[n][i] = to_float(of_addend[n].at[i]) + value;
      }
    }
    if (input_gradient) {
#pragma unroll
      for (int n = 0; n < N; n++) store_rounded<V>(input_gradient + at + n * stride, inputs[n]);
    }
    if (addend_gradient) {
#pragma unroll
      for (int n = 0; n < N; n++) store_rounded<V>(addend_gradient + at + n * stride, addends[n]);
    }
  }
};

}  // namespace

// What norm_backward_apply does, beside its pointers.
struct NormBackwardApply {
  RowTiles tiles;
  uint32_t accumulate_input;
  uint32_t accumulate_addend;
};

namespace {

template <class T, int V>
__device__ __forceinline__ void apply(const T* gradient, const T* output, const T* input,
                                      const float* mean, const float* inv_std, const float* gamma,
                                      const float* sums, T* input_gradient, T* addend_gradient,
                                      const NormBackwardApply& how) {
  const RowShare share = row_share<V>(how.tiles);
  if (!share.active) return;
  const uint32_t channels = how.tiles.channels, channel = share.channel;
  const bool through_statistics = sums && input_gradient;
  Apply<T, V> work = {gradient,
                      output,
                      input,
                      input_gradient,
                      addend_gradient,
                      channels,
                      channel,
                      share.lanes,
                      through_statistics,
                      how.accumulate_input != 0,
                      how.accumulate_addend != 0,
                      {}, {}, {}, {}};
  float inverse[V], scale[V];
  load_floats(inv_std + channel, inverse);
  load_floats(gamma + channel, scale);
#pragma unroll
  for (int i = 0; i < V; i++) work.direct[i] = scale[i] * inverse[i];
  if (through_statistics) {
    const float share_of_row = 1.0f / float(how.tiles.rows);
    load_floats(mean + channel, work.mean);
    load_floats(sums + channel, work.constant);
    load_floats(sums + channels + channel, work.slope);
#pragma unroll
    for (int i = 0; i < V; i++) {
      work.constant[i] *= -work.direct[i] * share_of_row;
      work.slope[i] *= -work.direct[i] * share_of_row * inverse[i];
    }
  }
  walk_rows<APPLY_ROWS>(share, work);
}

}  // namespace

// Adds the parts' sums, [parts, 2, channels] to [2, channels]; a thread's column runs over both.
KERNEL(JOIN_THREADS)
norm_backward_join_f32(const float* workspace, const float* inv_std, float* sums, uint32_t parts,
                       uint32_t channels) {
  __shared__ float scratch[JOIN_THREADS];
  const uint32_t column = blockIdx.x * JOIN_WIDTH + threadIdx.x % JOIN_WIDTH;
  const uint32_t lane = threadIdx.x / JOIN_WIDTH;
  float sum[1] = {0.0f};
  if (column < 2 * channels) {
#pragma unroll 8
    for (uint32_t part = lane; part < parts; part += JOIN_LANES) {
      sum[0] += workspace[part * 2 * channels + column];
    }
  }
  join_lanes(sum, lane, JOIN_LANES, JOIN_WIDTH, scratch, Add<1>{});
  if (lane != 0 || column >= 2 * channels) return;
  sums[column] = column < channels ? sum[0] : sum[0] * inv_std[column - channels];
}

RESIDENT_KERNEL(ROW_THREADS, 2)
norm_backward_reduce_f32(const float* gradient, const float* output, const float* input, const float* mean,
                         float* workspace, RowTiles tiles) {
  __shared__ float scratch[2 * WIDEST<float> * ROW_THREADS];
  if (tiles.vectors) {
    reduce<float, WIDEST<float>>(gradient, output, input, mean, workspace, tiles, scratch);
  } else {
    reduce<float, 1>(gradient, output, input, mean, workspace, tiles, scratch);
  }
}

RESIDENT_KERNEL(ROW_THREADS, 2)
norm_backward_apply_f32(const float* gradient, const float* output, const float* input, const float* mean,
                        const float* inv_std, const float* gamma, const float* sums,
                        float* input_gradient, float* addend_gradient, NormBackwardApply how) {
  if (how.tiles.vectors) {
    apply<float, WIDEST<float>>(gradient, output, input, mean, inv_std, gamma, sums, input_gradient,
                                addend_gradient, how);
  } else {
    apply<float, 1>(gradient, output, input, mean, inv_std, gamma, sums, input_gradient,
                    addend_gradient, how);
  }
}

#if HAS_BF16
RESIDENT_KERNEL(ROW_THREADS, 2)
norm_backward_reduce_bf16(const bf16* gradient, const bf16* output, const bf16* input, const float* mean,
                          float* workspace, RowTiles tiles) {
  __shared__ float scratch[2 * WIDEST<bf16> * ROW_THREADS];
  if (tiles.vectors) {
    reduce<bf16, WIDEST<bf16>>(gradient, output, input, mean, workspace, tiles, scratch);
  } else {
    reduce<bf16, 1>(gradient, output, input, mean, workspace, tiles, scratch);
  }
}

RESIDENT_KERNEL(ROW_THREADS, 2)
norm_backward_apply_bf16(const bf16* gradient, const bf16* output, const bf16* input, const float* mean,
                         const float* inv_std, const float* gamma, const float* sums,
                         bf16* input_gradient, bf16* addend_gradient, NormBackwardApply how) {
  if (how.tiles.vectors) {
    apply<bf16, WIDEST<bf16>>(gradient, output, input, mean, inv_std, gamma, sums, input_gradient,
                              addend_gradient, how);
  } else {
    apply<bf16, 1>(gradient, output, input, mean, inv_std, gamma, sums, input_gradient, addend_gradient,
                   how);
  }
}
#endif
