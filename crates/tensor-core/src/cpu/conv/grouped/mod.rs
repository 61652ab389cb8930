//! Convolutions of many narrow groups: a register's lanes are neighbouring output channels of one or
//! several groups, and the channels that they see are spread over the lanes as pixels are read.
//!
//! A pixel of a block (as many channels as a register has lanes) becomes `depth` registers, the `i`-th
//! with channel `i` of each lane's group, so that a tap is `depth` multiply-adds without any shuffle.
//! Pixels are spread once and used by all taps, a strip of a few columns at a time, so that the rows
//! that a kernel covers stay in the nearest cache. A group as wide as a register or wider needs no
//! spreading: all its lanes see the same channels, which are read as scalars.

mod product;
mod rows;
mod tile;
mod weight_gradient;

use super::super::InstructionSet;
use super::super::gemm::{Grid, Window};
use super::GROUPED;
use super::term::{self, Slices, Term};
use crate::DType;
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvShape};
use crate::memory::WriteMode;
use tile::Tiles;

/// Groups beyond this width fill the registers of the dense product well.
const WIDEST_BEST: usize = 16;

/// Output pixels of a strip, side by side.
const STRIP: usize = 14;

/// Most output rows of a band.
const MOST_ROWS: usize = 14;

/// Bytes of a strip's source pixels in a band, which stay in the second-level cache while its blocks of
/// channels are computed one after the other.
const BAND_BYTES: usize = 256 << 10;

/// With fewer tasks than this, a band's blocks are split as well.
const ENOUGH_TASKS: usize = 32;

/// A grouped convolution on one instruction set.
pub(super) struct Grouped<'a> {
    shape: &'a ConvShape,
    tiles: &'static Tiles,
}

impl<'a> Grouped<'a> {
    /// `None` unless registers divide into groups, or groups into registers.
    pub fn new(instruction_set: InstructionSet, shape: &'a ConvShape) -> Option<Grouped<'a>> {
        let tiles = Tiles::of(instruction_set);
        let (width, lanes) = (shape.group_c(), tiles.lanes);
        let fits = shape.groups > 1
            && width == shape.group_k()
            && shape.c.is_multiple_of(lanes)
            && (width.is_multiple_of(lanes) || lanes.is_multiple_of(width));
        fits.then_some(Grouped { shape, tiles })
    }

    /// Whether this is the fastest way.
    pub fn is_best(&self) -> bool {
        self.shape.group_c() <= WIDEST_BEST
    }

    /// The plan of a direction.
    pub fn plan(&self, dtype: DType, direction: ConvDirection) -> Plan {
        Plan {
            variant: GROUPED,
            dtype,
            workspace: self.workspace(direction),
            prepared: self.prepared(direction),
            reads_twin: false,
            fuses_input: false,
            fuses_statistics: None,
            flops: self.shape.flops(),
            bytes: self.shape.bytes(dtype),
        }
    }

    /// Elements of scratch space.
    fn workspace(&self, direction: ConvDirection) -> usize {
        match direction {
            ConvDirection::WeightGradient => self.weight_gradient_parts() * self.shape.weight_len(),
            _ => 0,
        }
    }

    /// Elements of the prepared weights.
    fn prepared(&self, direction: ConvDirection) -> usize {
        match direction {
            ConvDirection::WeightGradient => 0,
            _ => self.shape.weight_len(),
        }
    }

    /// Brings `[k, r, s, c / groups]` weights to `[block, tap, depth, lane]`: a lane is an output
    /// channel of this direction, depth the channels that it sees.
    pub fn prepare(&self, direction: ConvDirection, weights: &[f32], prepared: &mut [f32]) {
        let (width, lanes, taps) = (self.shape.group_c(), self.tiles.lanes, self.taps());
        for (block, prepared) in prepared.chunks_exact_mut(taps * width * lanes).enumerate() {
            for (index, lane_weights) in prepared.chunks_exact_mut(lanes).enumerate() {
                let (tap, depth) = (index / width, index % width);
                for (lane, to) in lane_weights.iter_mut().enumerate() {
                    let channel = block * lanes + lane;
                    let (k, c) = match direction {
                        ConvDirection::InputGradient => {
                            (channel / width * width + depth, channel % width)
                        }
                        _ => (channel, depth),
                    };
                    *to = weights[(k * taps + tap) * width + c];
                }
            }
        }
    }

    /// The forward pass or the input gradient, from prepared weights.
    pub fn product(
        &self,
        direction: ConvDirection,
        source: &[f32],
        weights: &[f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        let all = Slices { count: 1, groups: self.shape.groups, c: self.shape.c, k: self.shape.k };
        let passes = match direction {
            ConvDirection::InputGradient => term::input_gradient_of(self.shape, &all),
            _ => term::forward_of(self.shape, &all, false),
        };
        for pass in passes.iter().map(|term| Pass::new(term, self.shape)) {
            self.run(&pass, source, weights, target, mode);
        }
    }

    /// Elements of the kernel's window.
    fn taps(&self) -> usize {
        self.shape.r * self.shape.s
    }

    /// Blocks of channels.
    fn blocks(&self) -> usize {
        self.shape.c / self.tiles.lanes
    }

    /// Output rows of a band.
    fn band_rows(&self, window: &Window) -> usize {
        let row_bytes = 4 * STRIP * window.step[1] * window.step[0] * self.shape.c;
        (BAND_BYTES / row_bytes).clamp(2, MOST_ROWS)
    }

    /// Whether groups are so wide that lanes share their channels.
    fn shares_channels(&self) -> bool {
        self.shape.group_c() >= self.tiles.lanes
    }
}

/// One strided grid of output pixels, the pixels it reads, and which filter element belongs to a tap.
struct Pass {
    window: Window,
    target: Grid,
    filters: Vec<usize>,
}

impl Pass {
    fn new(term: &Term, shape: &ConvShape) -> Pass {
        Pass {
            window: term.window.clone(),
            target: term.target,
            filters: term.taps().iter().map(|first| first / shape.group_c()).collect(),
        }
    }
}
