// Batch normalisation over [rows, channels], forward: partial statistics, their joining, the factors
// that follow from them, and the normalisation itself. The backward parts are in norm_backward.cu.
//
// Statistics and apply lie over the matrix as common/rows.cuh says: 256 threads a block, a pack of 16
// bytes of channels a thread (one channel where their number is odd), 4 rows in flight. Three blocks fit a
// multiprocessor, so 48 KiB of loads are in flight there, 96 KiB with an addend.
//  - statistics: a block takes one part of the rows. Four rows at a time give a mean and an M2 in
//    registers, which join those before (Chan, Golub and LeVeque 1979); lanes join as a tree in 17 KiB
//    of shared memory. All distances are from the part's first row, so that data far from zero loses
//    no digits. Moves rows * channels elements in and 12 bytes a part and channel out; does about 7
//    FLOPs an element.
//  - join and finalise: 32 channels by 16 lanes a block; a lane walks every 16th part. Many parts are
//    first joined group by group, lest a few blocks read them all. Moves 12 bytes a part and channel
//    in; 6 KiB of shared memory.
//  - apply: 2 elements moved for each of rows * channels, 3 with an addend; 2 to 4 FLOPs each. No
//    shared memory.
// targets: sm_75 sm_80
#include "common/rows.cuh"

// What norm_apply does, beside its pointers.
struct NormApply {
  RowTiles tiles;
  uint32_t relu;
};

namespace {

// Rows whose loads are in flight together.
constexpr int ROWS = 4;

// Statistics of `V` channels in an array: the count, V means, V times M2.
template <int V>
struct JoinMoments {
  __device__ __forceinline__ void operator()(float (&own)[2 * V + 1],
                                             const float (&other)[2 * V + 1]) const {
    const float count = own[0] + other[0];
    const float weight = count > 0.0f ? other[0] / count : 0.0f;
    const float crossed = own[0] * weight;
#pragma unroll
    for (int i = 0; i < V; i++) {
      const float distance = other[1 + i] - own[1 + i];
      own[1 + i] += distance * weight;
      own[1 + V + i] += other[1 + V + i] + distance * distance * crossed;
    }
    own[0] = count;
  }
};

// The sum of a power of two of values, as a tree.
template <int N>
__device__ __forceinline__ float pairwise_sum(float (&values)[N]) {
#pragma unroll
  for (int half = N / 2; half > 0; half /= 2) {
#pragma unroll
    for (int i = 0; i < half; i++) values[i] += values[i + half];
  }
  return values[0];
}

// A lane's rows and what they gave so far; means are distances from `origin`.
template <class T, int V>
struct Statistics {
  const T* input;
  uint32_t channels;
  uint32_t channel;  // the first of the thread's
  uint32_t lanes;
  float origin[V];
  float moments[2 * V + 1];

  template <int N>
  __device__ __forceinline__ void rows(uint32_t row) {
    Pack<T, V> packs[N];
    load_rows(true, input, row * channels + channel, lanes * channels, packs);
    float joined[2 * V + 1];
    joined[0] = N;
#pragma unroll
    for (int i = 0; i < V; i++) {
      float distance[N], scratch[N];
#pragma unroll
      for (int n = 0; n < N; n++) scratch[n] = distance[n] = to_float(packs[n].at[i]) - origin[i];
      const float mean = pairwise_sum(scratch) * (1.0f / N);
#pragma unroll
      for (int n = 0; n < N; n++) scratch[n] = (distance[n] - mean) * (distance[n] - mean);
      joined[1 + i] = mean;
      joined[1 + V + i] = pairwise_sum(scratch);
    }
    JoinMoments<V>{}(moments, joined);
  }
};

template <class T, int V>
__device__ __forceinline__ void statistics(const T* input, float* partials, const RowTiles& tiles,
                                           float* scratch) {
  const RowShare share = row_share<V>(tiles);
  Statistics<T, V> lane = {input, tiles.channels, share.channel, share.lanes, {}, {}};
  if (share.active) {
    const Pack<T, V> first = load_pack<V>(input + share.start * tiles.channels + share.channel);
#pragma unroll
    for (int i = 0; i < V; i++) lane.origin[i] = to_float(first.at[i]);
  }
  walk_rows<ROWS>(share, lane);
  join_lanes(lane.moments, share.lane, share.lanes, share.width, scratch, JoinMoments<V>{});
  if (share.lane != 0 || !share.active) return;
  float count[V], mean[V];
#pragma unroll
  for (int i = 0; i < V; i++) {
    count[i] = lane.moments[0];
    mean[i] = lane.origin[i] + lane.moments[1 + i];
  }
  float* to = partials + share.part * 3 * tiles.channels + share.channel;
  store_floats<V>(to, count);
  store_floats<V>(to + tiles.channels, mean);
  store_floats<V>(to + 2 * tiles.channels, lane.moments + 1 + V);
}

// One channel's parts `first .. end`, joined into lane 0: count, mean as a distance from `origin`, M2.
__device__ __forceinline__ void join_parts(const float* partials, uint32_t channels, uint32_t channel,
                                           uint32_t first, uint32_t end, float origin, float* scratch,
                                           float (&moments)[3]) {
  const uint32_t lane = threadIdx.x / JOIN_WIDTH;
  moments[0] = moments[1] = moments[2] = 0.0f;
  if (channel < channels) {
#pragma unroll 4
    for (uint32_t part = first + lane; part < end; part += JOIN_LANES) {
      const float* of_part = partials + part * 3 * channels + channel;
      const float found[3] = {of_part[0], of_part[channels] - origin, of_part[2 * channels]};
      JoinMoments<1>{}(moments, found);
    }
  }
  join_lanes(moments, lane, JOIN_LANES, JOIN_WIDTH, scratch, JoinMoments<1>{});
}

// `relu?(input * scale + shift + addend?)` of one thread's rows.
template <class T, int V, bool ADD>
struct Apply {
  const T* input;
  const T* addend;
  T* output;
  uint32_t channels;
  uint32_t channel;  // the first of the thread's
  uint32_t lanes;
  bool relu;
  float scale[V], shift[V];

  template <int N>
  __device__ __forceinline__ void rows(uint32_t row) {
    const uint32_t at = row * channels + channel, stride = lanes * channels;
    Pack<T, V> packs[N], addends[N];
    load_rows(true, input, at, stride, packs);
    if constexpr (ADD) load_rows(true, addend, at, stride, addends);
#pragma unroll
    for (int n = 0; n < N; n++) {
      float values[V];
#pragma unroll
      for (int i = 0; i < V; i++) {
        float value = fmaf(to_float(packs[n].at[i]), scale[i], shift[i]);
        if constexpr (ADD) value += to_float(addends[n].at[i]);
        // Not-a-number is not below zero: it goes through, so that a diverged run is seen.
        values[i] = relu && value < 0.0f ? 0.0f : value;
      }
      store_rounded<V>(output + at + n * stride, values);
    }
  }
};

template <class T, int V, bool ADD>
__device__ __forceinline__ void apply(const T* input, const float* scale, const float* shift,
                                      const T* addend, T* output, const NormApply& how) {
  const RowShare share = row_share<V>(how.tiles);
  if (!share.active) return;
  Apply<T, V, ADD> rows = {input,         addend,      output,        how.tiles.channels,
                           share.channel, share.lanes, how.relu != 0, {}, {}};
  load_floats(scale + share.channel, rows.scale);
  load_floats(shift + share.channel, rows.shift);
  walk_rows<ROWS>(share, rows);
}

// With or without vectors and an addend: what a thread holds differs.
template <class T>
__device__ __forceinline__ void apply_any(const T* input, const float* scale, const float* shift,
                                          const T* addend, T* output, const NormApply& how) {
  if (how.tiles.vectors) {
    if (addend) {
      apply<T, WIDEST<T>, true>(input, scale, shift, addend, output, how);
    } else {
      apply<T, WIDEST<T>, false>(input, scale, shift, addend, output, how);
    }
  } else if (addend) {
    apply<T, 1, true>(input, scale, shift, addend, output, how);
  } else {
    apply<T, 1, false>(input, scale, shift, addend, output, how);
  }
}

}  // namespace

// Parts of the rows and how they are joined.
struct NormJoin {
  uint32_t parts;
  uint32_t group;  // parts that one block of norm_join joins
  uint32_t channels;
};

// [parts, 3, channels] to [ceil(parts / group), 3, channels]; the group is blockIdx.y.
KERNEL(JOIN_THREADS) norm_join_f32(const float* partials, float* joined, NormJoin shape) {
  __shared__ float scratch[3 * JOIN_THREADS];
  const uint32_t channel = blockIdx.x * JOIN_WIDTH + threadIdx.x % JOIN_WIDTH;
  const uint32_t first = blockIdx.y * shape.group, beyond = first + shape.group;
  const uint32_t end = beyond < shape.parts ? beyond : shape.parts;
  const float* mean = partials + (first * 3 + 1) * shape.channels;
  const float origin = channel < shape.channels ? mean[channel] : 0.0f;
  float moments[3];
  join_parts(partials, shape.channels, channel, first, end, origin, scratch, moments);
  if (threadIdx.x >= JOIN_WIDTH || channel >= shape.channels) return;
  float* to = joined + blockIdx.y * 3 * shape.channels + channel;
  to[0] = moments[0];
  to[shape.channels] = origin + moments[1];
  to[2 * shape.channels] = moments[2];
}

// The factors of one channel. Once a channel, so in double: nothing is lost beside a large mean.
__device__ __forceinline__ void set_factors(uint32_t channel, double mean, double variance, float epsilon,
                                            const float* gamma, const float* beta, float* new_mean,
                                            float* inv_std, float* scale, float* shift) {
  const double inverse = 1.0 / sqrt(variance + double(epsilon));
  const double slope = double(gamma[channel]) * inverse;
  new_mean[channel] = float(mean);
  inv_std[channel] = float(inverse);
  scale[channel] = float(slope);
  shift[channel] = float(double(beta[channel]) - mean * slope);
}

// Numbers of norm_finalise.
struct NormFinalise {
  uint32_t parts;
  uint32_t channels;
  float epsilon;
  float momentum;  // share of the batch in the new running values
};

KERNEL(JOIN_THREADS)
norm_finalise_f32(const float* partials, const float* running_mean, const float* running_var,
                  const float* gamma, const float* beta, float* new_mean, float* new_var, float* mean,
                  float* inv_std, float* scale, float* shift, NormFinalise shape) {
  __shared__ float scratch[3 * JOIN_THREADS];
  const uint32_t channel = blockIdx.x * JOIN_WIDTH + threadIdx.x % JOIN_WIDTH;
  const float origin = channel < shape.channels ? partials[shape.channels + channel] : 0.0f;
  float moments[3];
  join_parts(partials, shape.channels, channel, 0, shape.parts, origin, scratch, moments);
  if (threadIdx.x >= JOIN_WIDTH || channel >= shape.channels) return;
  const double count = moments[0], m2 = moments[2], found = double(origin) + double(moments[1]);
  const double momentum = shape.momentum;
  // A single row has no unbiased variance; its M2 of 0 stands for it.
  const double unbiased = m2 / (count > 2.0 ? count - 1.0 : 1.0);
  new_mean[channel] = float((1.0 - momentum) * double(running_mean[channel]) + momentum * found);
  new_var[channel] = float((1.0 - momentum) * double(running_var[channel]) + momentum * unbiased);
  set_factors(channel, found, m2 / count, shape.epsilon, gamma, beta, mean, inv_std, scale, shift);
}

// The factors from running values, a thread a channel.
KERNEL(256)
norm_finalise_running_f32(const float* running_mean, const float* running_var, const float* gamma,
                          const float* beta, float* mean, float* inv_std, float* scale, float* shift,
                          uint32_t channels, float epsilon) {
  const uint32_t channel = blockIdx.x * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  const double found = running_mean[channel], variance = running_var[channel];
  set_factors(channel, found, variance, epsilon, gamma, beta, mean, inv_std, scale, shift);
}

KERNEL(ROW_THREADS) norm_statistics_f32(const float* input, float* partials, RowTiles tiles) {
  __shared__ float scratch[(2 * WIDEST<float> + 1) * ROW_THREADS];
  if (tiles.vectors) {
    statistics<float, WIDEST<float>>(input, partials, tiles, scratch);
  } else {
    statistics<float, 1>(input, partials, tiles, scratch);
  }
}

RESIDENT_KERNEL(ROW_THREADS, 3)
norm_apply_f32(const float* input, const float* scale, const float* shift, const float* addend,
               float* output, NormApply how) {
  apply_any(input, scale, shift, addend, output, how);
}

#if HAS_BF16
KERNEL(ROW_THREADS) norm_statistics_bf16(const bf16* input, float* partials, RowTiles tiles) {
  __shared__ float scratch[(2 * WIDEST<bf16> + 1) * ROW_THREADS];
  if (tiles.vectors) {
    statistics<bf16, WIDEST<bf16>>(input, partials, tiles, scratch);
  } else {
    statistics<bf16, 1>(input, partials, tiles, scratch);
  }
}

RESIDENT_KERNEL(ROW_THREADS, 3)
norm_apply_bf16(const bf16* input, const float* scale, const float* shift, const bf16* addend,
                bf16* output, NormApply how) {
  apply_any(input, scale, shift, addend, output, how);
}
#endif
