// The losses of classifiers, a row of logits a sample: log-softmax with negative log-likelihood, sigmoid with
// binary cross entropy, their gradients, and the probabilities alone. Targets are a class a sample or a
// probability a class. Exponents are never positive, so nothing overflows. A class that does not exist makes
// the sample's loss and gradient not-a-number.
//
// A warp takes a row, 8 rows a block; from some hundred classes on (`wide`) a block of 256 threads takes a
// row. A row is read up to three times, from the first-level cache but for the first time. Sums are of f32 in
// a fixed order. Shared memory: 32 bytes, in the wide kernels. Moves 8 bytes a logit and 4 bytes a target's
// probability, and the gradient 8 more where it accumulates; about 10 FLOPs and one exponential a logit.
// targets: sm_75
#include "common/reduce.cuh"

namespace {

constexpr int THREADS = 256;
constexpr int WARPS = THREADS / WARP_SIZE;

// The numbers of the losses; the host's are in cuda/loss.rs.
enum Loss { CROSS_ENTROPY, BINARY_CROSS_ENTROPY };

// The threads that share a row, and how they join what each has found.
struct WarpTeam {
  static constexpr uint32_t SIZE = WARP_SIZE;
  __device__ __forceinline__ uint32_t row() const { return blockIdx.x * WARPS + threadIdx.x / WARP_SIZE; }
  __device__ __forceinline__ uint32_t rank() const { return threadIdx.x % WARP_SIZE; }
  __device__ __forceinline__ float sum(float value) const { return warp_sum(value); }
  __device__ __forceinline__ float maximum(float value) const { return warp_max(value); }
};

struct BlockTeam {
  static constexpr uint32_t SIZE = THREADS;
  float* scratch;
  __device__ __forceinline__ uint32_t row() const { return blockIdx.x; }
  __device__ __forceinline__ uint32_t rank() const { return threadIdx.x; }
  __device__ __forceinline__ float sum(float value) const { return block_sum<THREADS>(value, scratch); }
  __device__ __forceinline__ float maximum(float value) const { return block_max<THREADS>(value, scratch); }
};

// What a row should have said; exactly one of the two is there.
struct Targets {
  const int* __restrict__ classes;
  const float* __restrict__ probabilities;

  // The targets of one row.
  __device__ __forceinline__ Targets of_row(uint32_t row, uint32_t count) const {
    if (classes) return Targets{classes + row, nullptr};
    return Targets{nullptr, probabilities + row * count};
  }
  __device__ __forceinline__ float of(uint32_t i) const {
    return classes ? (uint32_t(classes[0]) == i ? 1.0f : 0.0f) : probabilities[i];
  }
  __device__ __forceinline__ bool exist(uint32_t count) const {
    return !classes || uint32_t(classes[0]) < count;
  }
};

__device__ __forceinline__ float not_a_number() { return __uint_as_float(0x7FFFFFFFu); }

// e^-x may overflow to infinity, which gives the right 0.
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + expf(-x)); }

// What is subtracted from a row's logits: first the largest, which the exponentials need, then the logarithm
// of their sum.
struct Normaliser {
  float largest, log_sum;
  __device__ __forceinline__ float apply(float logit) const { return (logit - largest) - log_sum; }
};

template <class Team>
__device__ __forceinline__ Normaliser normaliser(const Team& team, const float* logits, uint32_t classes) {
  float largest = Max::identity();
  for (uint32_t i = team.rank(); i < classes; i += Team::SIZE) largest = Max::join(largest, logits[i]);
  largest = team.maximum(largest);
  float sum = 0.0f;
  for (uint32_t i = team.rank(); i < classes; i += Team::SIZE) sum += expf(logits[i] - largest);
  return Normaliser{largest, logf(team.sum(sum))};
}

// Writes the row's log-probabilities; the loss is minus their mean under the targets.
template <class Team>
__device__ __forceinline__ float cross_entropy(const Team& team, const float* logits, const Targets& targets,
                                               float* log_probabilities, uint32_t classes) {
  const Normaliser own = normaliser(team, logits, classes);
  float sum = 0.0f;
  for (uint32_t i = team.rank(); i < classes; i += Team::SIZE) {
    const float log_probability = own.apply(logits[i]), target = targets.of(i);
    log_probabilities[i] = log_probability;
    // A class of no probability counts for nothing, even if its logit is minus infinity.
    if (target != 0.0f) sum += log_probability * target;
  }
  return -team.sum(sum);
}

// The mean over classes of -(t log s(z) + (1 - t) log(1 - s(z))), s being the logistic function, as
// max(z, 0) - t z + log(1 + e^-|z|). Copies the logits, which its gradient begins from.
template <class Team>
__device__ __forceinline__ float binary_cross_entropy(const Team& team, const float* logits,
                                                      const Targets& targets, float* copies,
                                                      uint32_t classes) {
  float sum = 0.0f;
  for (uint32_t i = team.rank(); i < classes; i += Team::SIZE) {
    const float logit = logits[i];
    copies[i] = logit;
    sum += (logit < 0.0f ? 0.0f : logit) - targets.of(i) * logit + log1pf(expf(-fabsf(logit)));
  }
  return team.sum(sum) / float(classes);
}

// The twin of cuda/loss.rs.
struct Shape {
  uint32_t n, classes;
  int loss;
};

template <class Team>
__device__ __forceinline__ void forward(const Team& team, const float* logits, const Targets& targets,
                                        float* values, float* log_probabilities, const Shape& shape) {
  const uint32_t row = team.row();
  if (row >= shape.n) return;
  const Targets own = targets.of_row(row, shape.classes);
  const float* from = logits + row * shape.classes;
  float* to = log_probabilities + row * shape.classes;
  const float value = shape.loss == CROSS_ENTROPY ? cross_entropy(team, from, own, to, shape.classes)
                                                  : binary_cross_entropy(team, from, own, to, shape.classes);
  if (team.rank() == 0) values[row] = own.exist(shape.classes) ? value : not_a_number();
}

// Cross entropy: g (softmax sum(t) - t); binary: g (s(z) - t) / classes.
template <class Team>
__device__ __forceinline__ void gradient(const Team& team, const float* log_probabilities,
                                         const Targets& targets, const float* value_gradients,
                                         float* logit_gradient, const Shape& shape, bool accumulate) {
  const uint32_t row = team.row();
  if (row >= shape.n) return;
  const Targets own = targets.of_row(row, shape.classes);
  const float* from = log_probabilities + row * shape.classes;
  float* to = logit_gradient + row * shape.classes;
  const bool cross = shape.loss == CROSS_ENTROPY;
  float total = 1.0f;
  if (cross && !own.classes) {
    float sum = 0.0f;
    for (uint32_t i = team.rank(); i < shape.classes; i += Team::SIZE) sum += own.of(i);
    total = team.sum(sum);
  }
  float factor = cross ? value_gradients[row] : value_gradients[row] / float(shape.classes);
  if (!own.exist(shape.classes)) factor = not_a_number();
  for (uint32_t i = team.rank(); i < shape.classes; i += Team::SIZE) {
    const float said = cross ? expf(from[i]) * total : sigmoid(from[i]);
    const float value = factor * (said - own.of(i));
    to[i] = accumulate ? to[i] + value : value;
  }
}

template <class Team>
__device__ __forceinline__ void softmax_or_sigmoid(const Team& team, const float* logits,
                                                   float* probabilities, const Shape& shape) {
  const uint32_t row = team.row();
  if (row >= shape.n) return;
  const float* from = logits + row * shape.classes;
  float* to = probabilities + row * shape.classes;
  const bool softmax = shape.loss == CROSS_ENTROPY;
  Normaliser own{};
  if (softmax) own = normaliser(team, from, shape.classes);
  for (uint32_t i = team.rank(); i < shape.classes; i += Team::SIZE) {
    to[i] = softmax ? expf(own.apply(from[i])) : sigmoid(from[i]);
  }
}

}  // namespace

KERNEL(256) loss_forward_f32(const float* logits, const int* classes, const float* probabilities,
                             float* values, float* log_probabilities, Shape shape) {
  forward(WarpTeam{}, logits, Targets{classes, probabilities}, values, log_probabilities, shape);
}

KERNEL(256) loss_forward_wide_f32(const float* logits, const int* classes, const float* probabilities,
                                  float* values, float* log_probabilities, Shape shape) {
  __shared__ float scratch[WARPS];
  forward(BlockTeam{scratch}, logits, Targets{classes, probabilities}, values, log_probabilities, shape);
}

KERNEL(256) loss_gradient_f32(const float* log_probabilities, const int* classes, const float* probabilities,
                              const float* value_gradients, float* logit_gradient, Shape shape,
                              int accumulate) {
  gradient(WarpTeam{}, log_probabilities, Targets{classes, probabilities}, value_gradients, logit_gradient,
           shape, accumulate != 0);
}

KERNEL(256) loss_gradient_wide_f32(const float* log_probabilities, const int* classes,
                                   const float* probabilities, const float* value_gradients,
                                   float* logit_gradient, Shape shape, int accumulate) {
  __shared__ float scratch[WARPS];
  gradient(BlockTeam{scratch}, log_probabilities, Targets{classes, probabilities}, value_gradients,
           logit_gradient, shape, accumulate != 0);
}

KERNEL(256) loss_probabilities_f32(const float* logits, float* probabilities, Shape shape) {
  softmax_or_sigmoid(WarpTeam{}, logits, probabilities, shape);
}

KERNEL(256) loss_probabilities_wide_f32(const float* logits, float* probabilities, Shape shape) {
  __shared__ float scratch[WARPS];
  softmax_or_sigmoid(BlockTeam{scratch}, logits, probabilities, shape);
}
