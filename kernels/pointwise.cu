// Functions of one and two elements, their gradients, and casts between f32 and bf16.
//
// 256 threads a block, walked as common/vectors.cuh says: 16 bytes an instruction where all pointers are
// aligned, single elements at the end and elsewhere. Arithmetic is in f32 whatever the type. No shared
// memory; at most 2^31 - 1 elements.
//  - unary: moves 2 elements for each of the output; gradient: 3, and 4 if it accumulates.
//  - binary: 3 elements if `right` is as long as `left`, about 2 if it is repeated; 1 more if it accumulates.
//  - cast: 6 bytes an element.
// FLOPs: one function an element, at most about 20 instructions, which is below what the memory leaves time
// for.
// targets: sm_75 sm_80
#include "common/vectors.cuh"

namespace {

// The numbers of the functions; the host's are in cuda/pointwise.rs.
enum Unary { RELU, EXP, LOG, SIGMOID, SQUARE, SQRT, ABS, AFFINE };
enum Binary { ADD, SUBTRACT, MULTIPLY, DIVIDE };

// Each function of one element has its value, and its slope at x times the gradient g; not-a-number goes
// through all values. PACKS is how many packs of a thread are in flight: one where the function is long.
struct Relu {
  static constexpr int PACKS = 2;
  __device__ __forceinline__ float value(float x) const { return x < 0.0f ? 0.0f : x; }
  __device__ __forceinline__ float slope(float x, float g) const { return x > 0.0f ? g : 0.0f; }
};
struct Exp {
  static constexpr int PACKS = 1;
  __device__ __forceinline__ float value(float x) const { return expf(x); }
  __device__ __forceinline__ float slope(float x, float g) const { return expf(x) * g; }
};
struct Log {
  static constexpr int PACKS = 1;
  __device__ __forceinline__ float value(float x) const { return logf(x); }
  __device__ __forceinline__ float slope(float x, float g) const { return g / x; }
};
struct Sigmoid {
  static constexpr int PACKS = 1;
  // e^-x may overflow to infinity, which gives the right 0.
  __device__ __forceinline__ float value(float x) const { return __fdividef(1.0f, 1.0f + expf(-x)); }
  __device__ __forceinline__ float slope(float x, float g) const {
    const float tail = expf(-fabsf(x));
    return __fdividef(tail, (1.0f + tail) * (1.0f + tail)) * g;
  }
};
struct Square {
  static constexpr int PACKS = 2;
  __device__ __forceinline__ float value(float x) const { return x * x; }
  __device__ __forceinline__ float slope(float x, float g) const { return 2.0f * x * g; }
};
struct Sqrt {
  static constexpr int PACKS = 1;
  __device__ __forceinline__ float value(float x) const { return sqrtf(x); }
  __device__ __forceinline__ float slope(float x, float g) const { return 0.5f * rsqrtf(x) * g; }
};
struct Abs {
  static constexpr int PACKS = 2;
  __device__ __forceinline__ float value(float x) const { return fabsf(x); }
  __device__ __forceinline__ float slope(float x, float g) const {
    return x > 0.0f ? g : x < 0.0f ? -g : 0.0f;
  }
};
struct Affine {
  static constexpr int PACKS = 2;
  float scale, shift;
  __device__ __forceinline__ float value(float x) const { return scale * x + shift; }
  __device__ __forceinline__ float slope(float, float g) const { return scale * g; }
};

struct Add {
  static constexpr int PACKS = 2;
  static __device__ __forceinline__ float join(float a, float b) { return a + b; }
};
struct Subtract {
  static constexpr int PACKS = 2;
  static __device__ __forceinline__ float join(float a, float b) { return a - b; }
};
struct Multiply {
  static constexpr int PACKS = 2;
  static __device__ __forceinline__ float join(float a, float b) { return a * b; }
};
struct Divide {
  static constexpr int PACKS = 1;
  static __device__ __forceinline__ float join(float a, float b) { return a / b; }
};

// Calls `run` with the function of this number.
template <class Run>
__device__ __forceinline__ void with_unary(int function, float scale, float shift, const Run& run) {
  switch (function) {
    case RELU: return run(Relu{});
    case EXP: return run(Exp{});
    case LOG: return run(Log{});
    case SIGMOID: return run(Sigmoid{});
    case SQUARE: return run(Square{});
    case SQRT: return run(Sqrt{});
    case ABS: return run(Abs{});
    case AFFINE: return run(Affine{scale, shift});
  }
}

template <class Run>
__device__ __forceinline__ void with_binary(int function, const Run& run) {
  switch (function) {
    case ADD: return run(Add{});
    case SUBTRACT: return run(Subtract{});
    case MULTIPLY: return run(Multiply{});
    case DIVIDE: return run(Divide{});
  }
}

template <class T, class Function>
struct Values {
  const T* __restrict__ input;
  T* __restrict__ output;
  Function function;

  template <int N>
  struct Share {
    float input[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Share<N>& share) const {
    load_values(input + first, share.input);
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t first, const Share<N>& share) const {
    float values[N];
#pragma unroll
    for (int i = 0; i < N; i++) values[i] = function.value(share.input[i]);
    store_values(output + first, values);
  }
};

// What a gradient is added to, or zeros.
template <int N, class T>
__device__ __forceinline__ void load_old(const T* from, bool accumulate, float (&to)[N]) {
  if (accumulate) {
    load_values(from, to);
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = 0.0f;
  }
}

template <class T, class Function>
struct Slopes {
  const T* __restrict__ input;
  const T* __restrict__ output_gradient;
  T* __restrict__ input_gradient;
  Function function;
  bool accumulate;

  template <int N>
  struct Share {
    float input[N], gradient[N], old[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Share<N>& share) const {
    load_values(input + first, share.input);
    load_values(output_gradient + first, share.gradient);
    load_old(input_gradient + first, accumulate, share.old);
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t first, const Share<N>& share) const {
    float values[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
      const float slope = function.slope(share.input[i], share.gradient[i]);
      values[i] = accumulate ? share.old[i] + slope : slope;
    }
    store_values(input_gradient + first, values);
  }
};

// `right` has `period` elements and is repeated along `left`.
template <class T, class Function>
struct Pairs {
  const T* __restrict__ left;
  const T* __restrict__ right;
  T* __restrict__ output;
  uint32_t period;
  bool accumulate;

  template <int N>
  struct Share {
    float left[N], right[N], old[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Share<N>& share) const {
    load_values(left + first, share.left);
    load_old(output + first, accumulate, share.old);
    if (period == 1) {
      const float value = to_float(right[0]);
#pragma unroll
      for (int i = 0; i < N; i++) share.right[i] = value;
    } else {
      load_values(right + (first < period ? first : first % period), share.right);
    }
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t first, const Share<N>& share) const {
    float values[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
      const float value = Function::join(share.left[i], share.right[i]);
      values[i] = accumulate ? share.old[i] + value : value;
    }
    store_values(output + first, values);
  }
};

template <class From, class To>
struct Cast {
  const From* __restrict__ input;
  To* __restrict__ output;

  template <int N>
  struct Share {
    float values[N];
  };
  template <int N>
  __device__ __forceinline__ void load(uint32_t first, Share<N>& share) const {
    load_values(input + first, share.values);
  }
  template <int N>
  __device__ __forceinline__ void finish(uint32_t first, const Share<N>& share) const {
    store_values(output + first, share.values);
  }
};

// What `with_unary` calls. (A lambda would have to be marked for the device, which is not standard C++.)
template <class T>
struct RunValues {
  const T* input;
  T* output;
  uint32_t len;

  template <class Function>
  __device__ __forceinline__ void operator()(Function function) const {
    const bool vectors = is_aligned(input) && is_aligned(output);
    walk_vectors<WIDEST<T>, Function::PACKS>(len, vectors, Values<T, Function>{input, output, function});
  }
};

template <class T>
struct RunSlopes {
  const T* input;
  const T* output_gradient;
  T* input_gradient;
  uint32_t len;
  bool accumulate;

  template <class Function>
  __device__ __forceinline__ void operator()(Function function) const {
    const bool vectors = is_aligned(input) && is_aligned(output_gradient) && is_aligned(input_gradient);
    const Slopes<T, Function> slopes{input, output_gradient, input_gradient, function, accumulate};
    walk_vectors<WIDEST<T>, Function::PACKS>(len, vectors, slopes);
  }
};

template <class T>
struct RunPairs {
  const T* left;
  const T* right;
  T* output;
  uint32_t len;
  uint32_t period;
  bool accumulate;

  template <class Function>
  __device__ __forceinline__ void operator()(Function) const {
    // A pack of `right` must neither be unaligned nor go round its end.
    const bool whole = period == 1 || period == len || period % WIDEST<T> == 0;
    const bool vectors = whole && is_aligned(left) && is_aligned(right) && is_aligned(output);
    const Pairs<T, Function> pairs{left, right, output, period, accumulate};
    walk_vectors<WIDEST<T>, Function::PACKS>(len, vectors, pairs);
  }
};

}  // namespace

KERNEL(256) pointwise_unary_f32(const float* input, float* output, uint32_t len, int function, float scale,
                                float shift) {
  with_unary(function, scale, shift, RunValues<float>{input, output, len});
}

KERNEL(256) pointwise_unary_gradient_f32(const float* input, const float* output_gradient,
                                         float* input_gradient, uint32_t len, int function, float scale,
                                         int accumulate) {
  with_unary(function, scale, 0.0f,
             RunSlopes<float>{input, output_gradient, input_gradient, len, accumulate != 0});
}

KERNEL(256) pointwise_binary_f32(const float* left, const float* right, float* output, uint32_t len,
                                 uint32_t period, int function, int accumulate) {
  with_binary(function, RunPairs<float>{left, right, output, len, period, accumulate != 0});
}

#if HAS_BF16

KERNEL(256) pointwise_unary_bf16(const bf16* input, bf16* output, uint32_t len, int function, float scale,
                                 float shift) {
  with_unary(function, scale, shift, RunValues<bf16>{input, output, len});
}

KERNEL(256) pointwise_unary_gradient_bf16(const bf16* input, const bf16* output_gradient,
                                          bf16* input_gradient, uint32_t len, int function, float scale,
                                          int accumulate) {
  with_unary(function, scale, 0.0f,
             RunSlopes<bf16>{input, output_gradient, input_gradient, len, accumulate != 0});
}

KERNEL(256) pointwise_binary_bf16(const bf16* left, const bf16* right, bf16* output, uint32_t len,
                                  uint32_t period, int function, int accumulate) {
  with_binary(function, RunPairs<bf16>{left, right, output, len, period, accumulate != 0});
}

// To f32.
KERNEL(256) pointwise_cast_f32(const bf16* input, float* output, uint32_t len) {
  walk_vectors<8, 2>(len, is_aligned(input) && is_aligned(output), Cast<bf16, float>{input, output});
}

// To bf16.
KERNEL(256) pointwise_cast_bf16(const float* input, bf16* output, uint32_t len) {
  walk_vectors<8, 2>(len, is_aligned(input) && is_aligned(output), Cast<float, bf16>{input, output});
}

#endif
