//! Pooling, window by window.

use super::{Reference, store};
use crate::Result;
use crate::backend::pool::{GlobalPool, GlobalPoolShape, MaxPoolShape, PoolKernels};
use crate::memory::{Destination, Slice, SliceMut};

impl PoolKernels for Reference {
    fn max_pool(&self, shape: &MaxPoolShape, input: Slice, output: SliceMut) -> Result<()> {
        let (input, output) = (input.host::<f64>(), output.host::<f64>());
        for (i, element) in output.iter_mut().enumerate() {
            *element = input[window_maximum(shape, input, i)];
        }
        Ok(())
    }

    fn max_pool_gradient(
        &self,
        shape: &MaxPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        let (input, output_gradient) = (input.host::<f64>(), output_gradient.host::<f64>());
        let mut sums = vec![0.0; shape.input_len()];
        for (i, gradient) in output_gradient.iter().enumerate() {
            sums[window_maximum(shape, input, i)] += gradient;
        }
        store(input_gradient, &sums);
        Ok(())
    }

    fn global_pool(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let (input, output) = (input.host::<f64>(), output.host::<f64>());
        let columns = kind.columns(shape.c);
        for n in 0..shape.n {
            for c in 0..shape.c {
                let mean = pixels(shape, n, c).map(|i| input[i]).sum::<f64>() / shape.pixels as f64;
                let maximum = input[first_maximum(input, pixels(shape, n, c))];
                match kind {
                    GlobalPool::Average => output[n * columns + c] = mean,
                    GlobalPool::Maximum => output[n * columns + c] = maximum,
                    GlobalPool::MaximumAverage => {
                        output[n * columns + c] = maximum;
                        output[n * columns + shape.c + c] = mean;
                    }
                }
            }
        }
        Ok(())
    }

    fn global_pool_gradient(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        let (input, output_gradient) = (input.host::<f64>(), output_gradient.host::<f64>());
        let columns = kind.columns(shape.c);
        let mut sums = vec![0.0; shape.n * shape.pixels * shape.c];
        for n in 0..shape.n {
            for c in 0..shape.c {
                let first = output_gradient[n * columns + c];
                let (of_maximum, of_mean) = match kind {
                    GlobalPool::Average => (0.0, first),
                    GlobalPool::Maximum => (first, 0.0),
                    GlobalPool::MaximumAverage => {
                        (first, output_gradient[n * columns + shape.c + c])
                    }
                };
                sums[first_maximum(input, pixels(shape, n, c))] += of_maximum;
                for i in pixels(shape, n, c) {
                    sums[i] += of_mean / shape.pixels as f64;
                }
            }
        }
        store(input_gradient, &sums);
        Ok(())
    }
}

/// Indices of one channel of one picture.
fn pixels(shape: &GlobalPoolShape, n: usize, c: usize) -> impl Iterator<Item = usize> {
    let GlobalPoolShape { pixels, c: channels, .. } = *shape;
    (0..pixels).map(move |pixel| (n * pixels + pixel) * channels + c)
}

/// Index of the input that output element `i` of a maximum pool takes.
fn window_maximum(shape: &MaxPoolShape, input: &[f64], i: usize) -> usize {
    let (c, q) = (i % shape.c, i / shape.c % shape.q());
    let (p, n) = (i / shape.c / shape.q() % shape.p(), i / shape.c / shape.q() / shape.p());
    let covered = |output: usize, dimension: usize, length: usize| {
        let start = output * shape.stride[dimension];
        let padding = shape.padding[dimension];
        (start..start + shape.window[dimension])
            .filter(move |&at| at >= padding && at - padding < length)
            .map(move |at| at - padding)
    };
    let window = covered(p, 0, shape.h).flat_map(|h| {
        covered(q, 1, shape.w).map(move |w| ((n * shape.h + h) * shape.w + w) * shape.c + c)
    });
    first_maximum(input, window)
}

/// The first of these indices with the largest element, or with not-a-number.
fn first_maximum(input: &[f64], indices: impl Iterator<Item = usize>) -> usize {
    indices
        .reduce(|best, i| {
            let first_nan = input[i].is_nan() && !input[best].is_nan();
            if input[i] > input[best] || first_nan { i } else { best }
        })
        .expect("padding is at most half a window, so every window covers a pixel")
}
