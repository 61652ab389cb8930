//! Transformed filters in panels `[panel, point, depth, panel columns]`, with room between points.

use rayon::prelude::*;

use super::kernels::{Patch, Transform};
use super::{Shared, TAPS, spread};
use crate::backend::conv::{ConvDirection, ConvShape};

/// Input channels that are brought together at a time: their filters stay in the first-level cache.
const LINE: usize = 32;

/// `[k, 3, 3, c]` weights as the filters of one direction.
#[derive(Clone, Copy)]
pub(super) struct Filters<'a> {
    pub shared: &'a Shared,
    pub shape: &'a ConvShape,
    pub direction: ConvDirection,
}

impl Filters<'_> {
    /// Channels that are summed, and channels that are computed.
    fn sides(&self) -> [usize; 2] {
        match self.direction {
            ConvDirection::InputGradient => [self.shape.k, self.shape.c],
            _ => [self.shape.c, self.shape.k],
        }
    }

    /// Elements from a panel's filters at a point to those at the next.
    pub fn point_len(&self) -> usize {
        spread(self.sides()[0] * self.shared.gemm.columns)
    }

    /// Elements of a panel.
    pub fn panel_len(&self) -> usize {
        self.shared.tile.points() * self.point_len()
    }

    /// How many panels there are.
    pub fn panels(&self) -> usize {
        self.sides()[1].div_ceil(self.shared.gemm.columns)
    }

    /// Elements of all panels.
    pub fn len(&self) -> usize {
        self.panels() * self.panel_len()
    }

    /// Transforms all panels, several at a time.
    pub fn transform_all(&self, weights: &[f32], panels: &mut [f32]) {
        let panels = panels.par_chunks_exact_mut(self.panel_len()).enumerate();
        panels.for_each(|(index, panel)| self.transform_panel(weights, index, panel));
    }

    /// Transforms one panel.
    pub fn transform_panel(&self, weights: &[f32], index: usize, panel: &mut [f32]) {
        let width = self.shared.gemm.columns;
        let first = index * width;
        let columns = first..(first + width).min(self.sides()[1]);
        if columns.len() < width {
            panel.fill(0.0);
        }
        match self.direction {
            ConvDirection::InputGradient => self.transform_turned(weights, columns, panel),
            _ => self.transform_gathered(weights, columns, panel),
        }
    }

    /// Columns are input channels, which lie side by side; filters are turned by half a turn.
    fn transform_turned(&self, weights: &[f32], columns: Columns, panel: &mut [f32]) {
        let channels = self.shape.c as isize;
        for k in 0..self.shape.k {
            let last = (k * TAPS + TAPS - 1) * self.shape.c;
            let filter = &weights[last + columns.start..last + columns.end];
            let source = Patch::whole(filter.as_ptr(), [-3 * channels, -channels]);
            self.transform_row(source, k, columns.len(), panel);
        }
    }

    /// Columns are output channels, which lie far apart: they are brought together first.
    fn transform_gathered(&self, weights: &[f32], columns: Columns, panel: &mut [f32]) {
        let width = self.shared.gemm.columns;
        let tap_len = LINE * width;
        let mut gathered = vec![0.0; TAPS * tap_len];
        for first in (0..self.shape.c).step_by(LINE) {
            let count = LINE.min(self.shape.c - first);
            for (column, k) in columns.clone().enumerate() {
                for (tap, gathered) in gathered.chunks_exact_mut(tap_len).enumerate() {
                    let from = (k * TAPS + tap) * self.shape.c + first;
                    let to = gathered[column..].iter_mut().step_by(width);
                    for (to, weight) in to.zip(&weights[from..from + count]) {
                        *to = *weight;
                    }
                }
            }
            let tap = tap_len as isize;
            for channel in 0..count {
                let filter = gathered[channel * width..].as_ptr();
                let source = Patch::whole(filter, [3 * tap, tap]);
                self.transform_row(source, first + channel, columns.len(), panel);
            }
        }
    }

    /// One row of a panel, at all points.
    fn transform_row(
        &self,
        source: Patch<*const f32>,
        depth: usize,
        columns: usize,
        panel: &mut [f32],
    ) {
        let first = &mut panel[depth * self.shared.gemm.columns..];
        let point = self.point_len() as isize;
        let strides = [point * self.shared.tile.side() as isize, point];
        let transform = Transform {
            source,
            target: Patch::whole(first.as_mut_ptr(), strides),
            channels: columns,
            accumulate: false,
            ahead: None,
        };
        // SAFETY: the source is a 3x3 filter of that many columns within the weights or their copy;
        // the panel has this row at each point.
        unsafe { (self.shared.kernels.filter)(&transform) };
    }
}

/// Channels that a panel computes.
type Columns = std::ops::Range<usize>;
