//! The five linear maps of each tile size, one-dimensional; a tile is mapped down and then across.
//!
//! With `m` outputs a tile and `m + 2` points, an output tile is `Aᵀ ((G g Gᵀ) * (Bᵀ d B)) A` of
//! the filter `g` and the input tile `d`; the filter's gradient is `Gᵀ ((A y Aᵀ) * (Bᵀ d B)) G` of the
//! output's gradient `y`. Source: Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural
//! Networks", with the matrices of Toom and Cook for points that round less (see [`four`]).

use crate::cpu::vector::Vector;

/// A linear map of lanes.
pub(super) trait Linear<const FROM: usize, const TO: usize> {
    /// Maps every lane.
    ///
    /// # Safety
    /// The processor has the vector's instructions.
    unsafe fn apply<V: Vector>(from: [V; FROM]) -> [V; TO];
}

/// `Bᵀ`: an input tile at the points.
pub(super) struct Input;
/// `Aᵀ`: products at the points to an output tile.
pub(super) struct Output;
/// `A`: an output's gradient at the points.
pub(super) struct OutputGradient;
/// `G`: a filter at the points.
pub(super) struct Filter;
/// `Gᵀ`: products at the points to a filter's gradient.
pub(super) struct FilterGradient;

/// `left * right`.
#[inline(always)]
unsafe fn times<V: Vector>(left: V, right: f32) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe { V::zero().add_product(left, V::splat(right)) }
}

/// `sum + left * right`.
#[inline(always)]
unsafe fn plus<V: Vector>(sum: V, left: V, right: f32) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe { sum.add_product(left, V::splat(right)) }
}

/// Two outputs from the points 0, 1, -1 and infinity.
mod two {
    use super::*;

    // SAFETY (of all maps): arithmetic on registers alone, for which the caller vouches.
    impl Linear<4, 4> for Input {
        #[inline(always)]
        unsafe fn apply<V: Vector>([d0, d1, d2, d3]: [V; 4]) -> [V; 4] {
            // SAFETY: as said above the maps.
            unsafe { [plus(d2, d0, -1.0), d1.add(d2), plus(d2, d1, -1.0), plus(d3, d1, -1.0)] }
        }
    }

    impl Linear<4, 2> for Output {
        #[inline(always)]
        unsafe fn apply<V: Vector>([m0, m1, m2, m3]: [V; 4]) -> [V; 2] {
            // SAFETY: as said above the maps.
            unsafe { [m0.add(m1.add(m2)), m3.add(plus(m1, m2, -1.0))] }
        }
    }

    impl Linear<2, 4> for OutputGradient {
        #[inline(always)]
        unsafe fn apply<V: Vector>([y0, y1]: [V; 2]) -> [V; 4] {
            // SAFETY: as said above the maps.
            unsafe { [y0, y0.add(y1), plus(y0, y1, -1.0), y1] }
        }
    }

    impl Linear<3, 4> for Filter {
        #[inline(always)]
        unsafe fn apply<V: Vector>([g0, g1, g2]: [V; 3]) -> [V; 4] {
            // SAFETY: as said above the maps.
            unsafe {
                let even = times(g0.add(g2), 0.5);
                [times(g0, -1.0), plus(even, g1, 0.5), plus(even, g1, -0.5), g2]
            }
        }
    }

    impl Linear<4, 3> for FilterGradient {
        #[inline(always)]
        unsafe fn apply<V: Vector>([m0, m1, m2, m3]: [V; 4]) -> [V; 3] {
            // SAFETY: as said above the maps.
            unsafe {
                let even = times(m1.add(m2), 0.5);
                [plus(even, m0, -1.0), times(plus(m1, m2, -1.0), 0.5), m3.add(even)]
            }
        }
    }
}

/// Four outputs from the points 0, 11/16, -11/16, 25/16, -25/16 and infinity.
///
/// The customary points 0, 1, -1, 2, -2 give twice the rounding error. Opposite points share
/// their even and odd parts, and all but the filters' factors are exact in binary.
mod four {
    use super::*;

    /// The positive points, their squares and their cubes.
    const P: f32 = 0.6875;
    const Q: f32 = 1.5625;
    const PP: f32 = P * P;
    const QQ: f32 = Q * Q;
    const PPP: f32 = PP * P;
    const QQQ: f32 = QQ * Q;
    /// One over the products of a point's distances from the others.
    const ZERO_FACTOR: f32 = 1.0 / (PP * QQ);
    const P_FACTOR: f32 = 1.0 / (2.0 * PP * (PP - QQ));
    const Q_FACTOR: f32 = 1.0 / (2.0 * QQ * (QQ - PP));

    // SAFETY (of all maps): arithmetic on registers alone, for which the caller vouches.
    impl Linear<6, 6> for Input {
        #[inline(always)]
        unsafe fn apply<V: Vector>([d0, d1, d2, d3, d4, d5]: [V; 6]) -> [V; 6] {
            // SAFETY: as said above the maps.
            unsafe {
                let (p_even, p_odd) = (plus(d4, d2, -QQ), plus(d3, d1, -QQ));
                let (q_even, q_odd) = (plus(d4, d2, -PP), plus(d3, d1, -PP));
                [
                    plus(plus(d4, d2, -(PP + QQ)), d0, PP * QQ),
                    plus(p_even, p_odd, P),
                    plus(p_even, p_odd, -P),
                    plus(q_even, q_odd, Q),
                    plus(q_even, q_odd, -Q),
                    plus(plus(d5, d3, -(PP + QQ)), d1, PP * QQ),
                ]
            }
        }
    }

    impl Linear<6, 4> for Output {
        #[inline(always)]
        unsafe fn apply<V: Vector>([m0, m1, m2, m3, m4, m5]: [V; 6]) -> [V; 4] {
            // SAFETY: as said above the maps.
            unsafe {
                let (p_even, p_odd) = (m1.add(m2), plus(m1, m2, -1.0));
                let (q_even, q_odd) = (m3.add(m4), plus(m3, m4, -1.0));
                [
                    m0.add(p_even.add(q_even)),
                    plus(times(p_odd, P), q_odd, Q),
                    plus(times(p_even, PP), q_even, QQ),
                    plus(plus(m5, p_odd, PPP), q_odd, QQQ),
                ]
            }
        }
    }

    impl Linear<4, 6> for OutputGradient {
        #[inline(always)]
        unsafe fn apply<V: Vector>([y0, y1, y2, y3]: [V; 4]) -> [V; 6] {
            // SAFETY: as said above the maps.
            unsafe {
                let (p_even, p_odd) = (plus(y0, y2, PP), plus(y1, y3, PP));
                let (q_even, q_odd) = (plus(y0, y2, QQ), plus(y1, y3, QQ));
                [
                    y0,
                    plus(p_even, p_odd, P),
                    plus(p_even, p_odd, -P),
                    plus(q_even, q_odd, Q),
                    plus(q_even, q_odd, -Q),
                    y3,
                ]
            }
        }
    }

    impl Linear<3, 6> for Filter {
        #[inline(always)]
        unsafe fn apply<V: Vector>([g0, g1, g2]: [V; 3]) -> [V; 6] {
            // SAFETY: as said above the maps.
            unsafe {
                let p_even = times(plus(g0, g2, PP), P_FACTOR);
                let q_even = times(plus(g0, g2, QQ), Q_FACTOR);
                [
                    times(g0, ZERO_FACTOR),
                    plus(p_even, g1, P * P_FACTOR),
                    plus(p_even, g1, -P * P_FACTOR),
                    plus(q_even, g1, Q * Q_FACTOR),
                    plus(q_even, g1, -Q * Q_FACTOR),
                    g2,
                ]
            }
        }
    }

    impl Linear<6, 3> for FilterGradient {
        #[inline(always)]
        unsafe fn apply<V: Vector>([m0, m1, m2, m3, m4, m5]: [V; 6]) -> [V; 3] {
            // SAFETY: as said above the maps.
            unsafe {
                let (p_even, p_odd) = (times(m1.add(m2), P_FACTOR), plus(m1, m2, -1.0));
                let (q_even, q_odd) = (times(m3.add(m4), Q_FACTOR), plus(m3, m4, -1.0));
                [
                    plus(p_even.add(q_even), m0, ZERO_FACTOR),
                    plus(times(p_odd, P * P_FACTOR), q_odd, Q * Q_FACTOR),
                    plus(plus(m5, p_even, PP), q_even, QQ),
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::vector::Portable;

    /// Maps one number in each place.
    fn apply<L: Linear<F, T>, const F: usize, const T: usize>(from: [f32; F]) -> [f32; T] {
        // SAFETY: portable lanes need no instructions; arrays of eight floats are read and written.
        unsafe {
            let mapped = L::apply(from.map(|value| Portable::splat(value)));
            mapped.map(|lanes| {
                let mut floats = [0.0; 8];
                lanes.store(floats.as_mut_ptr());
                floats[0]
            })
        }
    }

    /// A map's matrix `[TO][FROM]`, from what it makes of unit vectors.
    fn matrix<L: Linear<F, T>, const F: usize, const T: usize>() -> [[f32; F]; T] {
        let mut matrix = [[0.0; F]; T];
        for column in 0..F {
            let unit = std::array::from_fn(|row| f32::from(u8::from(row == column)));
            for (row, value) in apply::<L, F, T>(unit).into_iter().enumerate() {
                matrix[row][column] = value;
            }
        }
        matrix
    }

    /// The sum over points of `output * filter * input` is 1 where an output meets an input through
    /// that tap of the filter, else 0.
    fn check<const M: usize, const A: usize>()
    where
        Input: Linear<A, A>,
        Output: Linear<A, M>,
        OutputGradient: Linear<M, A>,
        Filter: Linear<3, A>,
        FilterGradient: Linear<A, 3>,
    {
        let input = matrix::<Input, A, A>();
        let output = matrix::<Output, A, M>();
        let filter = matrix::<Filter, 3, A>();
        for y in 0..M {
            for tap in 0..3 {
                for x in 0..A {
                    let product = |point: usize| {
                        let factors = [output[y][point], filter[point][tap], input[point][x]];
                        factors.into_iter().map(f64::from).product::<f64>()
                    };
                    let sum: f64 = (0..A).map(product).sum();
                    let expected = if y + tap == x { 1.0 } else { 0.0 };
                    assert!((sum - expected).abs() < 2e-6, "{y} {tap} {x}: {sum}");
                }
            }
        }
        let (gradient, transposed) = (matrix::<OutputGradient, M, A>(), output);
        for (point, row) in gradient.iter().enumerate() {
            assert!(row.iter().enumerate().all(|(y, value)| *value == transposed[y][point]));
        }
        let gradient = matrix::<FilterGradient, A, 3>();
        for (tap, row) in gradient.iter().enumerate() {
            let difference = |point: usize| (row[point] - filter[point][tap]).abs();
            assert!((0..A).all(|point| difference(point) < 1e-6), "tap {tap}");
        }
    }

    #[test]
    fn two_outputs_are_those_of_a_convolution() {
        check::<2, 4>();
    }

    #[test]
    fn four_outputs_are_those_of_a_convolution() {
        check::<4, 6>();
    }
}
