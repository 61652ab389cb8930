// Batch normalisation over [rows, channels], backward: the sums that are the gradients of beta and
// gamma, and the gradients of the input and of what was added. The forward parts are in norm.cu.
//
// Both large kernels lie over the matrix as common/rows.cuh says: 256 threads a block, a pack of 16
// bytes of channels a thread (one channel where their number is odd). g is the output's gradient, or
// zero where the output's ReLU was not active.
//  - reduce: a block sums g and g (x - mean) over one part of the rows, 4 rows in flight, lanes as a
//    tree in 16 KiB of shared memory; join then adds the parts, 32 columns by 16 lanes a block. Moves
//    2 elements for each of rows * channels, 3 with a ReLU, and 8 bytes a part and channel twice;
//    does 4 FLOPs an element.
//  - apply: dx = direct g + slope (x - mean) + constant, 2 rows in flight, since each is up to five
//    packs. Moves 1 element for g, 1 for the ReLU's output, 1 for x (unless the statistics were
//    running values), 1 for each gradient written and 2 for each added to; does 5 FLOPs an element. No
//    shared memory.
// targets: sm_75 sm_80 sm_90a
#include "common/rows.cuh"

namespace {

// Rows whose loads are in flight together.
constexpr int REDUCE_ROWS = 4;
constexpr int APPLY_ROWS = 2;

constexpr uint32_t JOIN_WIDTH = 32;
constexpr uint32_t JOIN_LANES = 16;
constexpr uint32_t JOIN_THREADS = JOIN_WIDTH * JOIN_LANES;

template <int N>
struct Add {
  __device__ __forceinline__ void operator()(float (&own)[N], const float (&other)[N]) const {
#pragma unroll
    for (int i = 0; i < N; i++) own[i] += other[i];
  }
};

// A lane's sums of g, and behind them those of g (x - mean).
template <class T, int V>
struct Reduce {
  const T* gradient;  // this and the others: the thread's channels of row 0
  const T* output;    // null without a ReLU
  const T* input;
  uint32_t channels;
  uint32_t lanes;
  float mean[V];
  float sums[2 * V];

  template <int N>
  __device__ __forceinline__ void rows(uint32_t row) {
    Pack<T, V> g[N], y[N], x[N];
#pragma unroll
    for (int n = 0; n < N; n++) g[n] = load_pack<V>(gradient + (row + n * lanes) * channels);
#pragma unroll
    for (int n = 0; n < N; n++) x[n] = load_pack<V>(input + (row + n * lanes) * channels);
    if (output) {
#pragma unroll
      for (int n = 0; n < N; n++) y[n] = load_pack<V>(output + (row + n * lanes) * channels);
    }
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int i = 0; i < V; i++) {
        const bool active = !output || to_float(y[n].at[i]) > 0.0f;
        const float value = active ? to_float(g[n].at[i]) : 0.0f;
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
  const T* of_output = output ? output + share.channel : nullptr;
  Reduce<T, V> lane = {gradient + share.channel, of_output,   input + share.channel,
                       tiles.channels,           share.lanes, {}, {}};
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
  const T* gradient;  // this and the others: the thread's channels of row 0
  const T* output;    // null without a ReLU
  const T* input;     // null if nothing comes back through the statistics
  T* input_gradient;  // null if not wanted
  T* addend_gradient;
  uint32_t channels;
  uint32_t lanes;
  bool accumulate_input;
  bool accumulate_addend;
  float direct[V], slope[V], constant[V], mean[V];

  template <int N>
  __device__ __forceinline__ void load(const T* from, uint32_t row, Pack<T, V> (&to)[N]) const {
#pragma unroll
    for (int n = 0; n < N; n++) to[n] = load_pack<V>(from + (row + n * lanes) * channels);
  }

  template <int N>
  __device__ __forceinline__ void rows(uint32_t row) {
    Pack<T, V> g[N], y[N], x[N], to_input[N], to_addend[N];
    load(gradient, row, g);
    if (output) load(output, row, y);
    if (input) load(input, row, x);
    if (accumulate_input) load(input_gradient, row, to_input);
    if (accumulate_addend) load(addend_gradient, row, to_addend);
#pragma unroll
    for (int n = 0; n < N; n++) {
      float of_inputs[V], of_addends[V];
#pragma unroll
      for (int i = 0; i < V; i++) {
        const bool active = !output || to_float(y[n].at[i]) > 0.0f;
        const float value = active ? to_float(g[n].at[i]) : 0.0f;
        float of_input = direct[i] * value;
        if (input) of_input += slope[i] * (to_float(x[n].at[i]) - mean[i]) + constant[i];
        if (accumulate_input) of_input += to_float(to_input[n].at[i]);
        of_inputs[i] = of_input;
        of_addends[i] = accumulate_addend ? value + to_float(to_addend[n].at[i]) : value;
      }
      const uint32_t at = (row + n * lanes) * channels;
      if (input_gradient) store_rounded<V>(input_gradient + at, of_inputs);
      if (addend_gradient) store_rounded<V>(addend_gradient + at, of_addends);
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
  Apply<T, V> work = {gradient + channel,
                      output ? output + channel : nullptr,
                      through_statistics ? input + channel : nullptr,
                      input_gradient ? input_gradient + channel : nullptr,
                      addend_gradient ? addend_gradient + channel : nullptr,
                      channels,
                      share.lanes,
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

KERNEL(ROW_THREADS)
norm_backward_reduce_f32(const float* gradient, const float* output, const float* input, const float* mean,
                         float* workspace, RowTiles tiles) {
  __shared__ float scratch[2 * WIDEST<float> * ROW_THREADS];
  if (tiles.vectors) {
    reduce<float, WIDEST<float>>(gradient, output, input, mean, workspace, tiles, scratch);
  } else {
    reduce<float, 1>(gradient, output, input, mean, workspace, tiles, scratch);
  }
}

KERNEL(ROW_THREADS)
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
KERNEL(ROW_THREADS)
norm_backward_reduce_bf16(const bf16* gradient, const bf16* output, const bf16* input, const float* mean,
                          float* workspace, RowTiles tiles) {
  __shared__ float scratch[2 * WIDEST<bf16> * ROW_THREADS];
  if (tiles.vectors) {
    reduce<bf16, WIDEST<bf16>>(gradient, output, input, mean, workspace, tiles, scratch);
  } else {
    reduce<bf16, 1>(gradient, output, input, mean, workspace, tiles, scratch);
  }
}

KERNEL(ROW_THREADS)
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
