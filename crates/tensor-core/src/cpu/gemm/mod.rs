//! The engine below convolution and matrix multiplication: two micro-kernels and the loops that
//! feed them. It knows matrices and windows of pixels; what a convolution makes of them is
//! `cpu/conv`'s business.
//!
//! - [`RowProduct`]: rows read where they lie (a pixel's channels, once for each tap of a kernel)
//!   times packed panels: the forward pass, the input gradient, `A B` and `A Bᵀ`.
//! - [`OuterProduct`]: the sum over pixels of outer products: the weight gradient and `Aᵀ B`.
//! - [`PanelProduct`] and [`PackedOuter`]: the same two of matrices that one task has in its caches.

mod dense;
mod outer;
mod panels;
mod rows;
mod tile;
mod window;

pub(super) use dense::{PackedOuter, PanelProduct};
pub(super) use outer::{OuterProduct, join_partials, outer_workspace};
pub(super) use panels::{PanelSource, panels_len};
pub(super) use rows::{FinishPart, RowProduct};
pub(super) use tile::Kernels;
pub(super) use window::{Grid, Window};

/// A place that several tasks write into, each its own elements.
#[derive(Clone, Copy)]
pub(super) struct SharedTarget {
    first: *mut f32,
    len: usize,
}

// SAFETY: only a pointer; whoever writes through it vouches that tasks do not meet.
unsafe impl Send for SharedTarget {}
// SAFETY: as above.
unsafe impl Sync for SharedTarget {}

impl SharedTarget {
    /// A place over these elements, which stay borrowed by the caller as long as tasks run.
    pub(super) fn new(elements: &mut [f32]) -> SharedTarget {
        SharedTarget { first: elements.as_mut_ptr(), len: elements.len() }
    }

    /// Where element `index` lies.
    pub(super) fn at(self, index: usize) -> *mut f32 {
        debug_assert!(index <= self.len, "element {index} of {}", self.len);
        self.first.wrapping_add(index)
    }

    /// `len` elements from `index` on.
    ///
    /// # Safety
    /// The place is still borrowed, and no other task touches these elements for `'a`.
    pub(super) unsafe fn range<'a>(self, index: usize, len: usize) -> &'a mut [f32] {
        assert!(index + len <= self.len, "elements {index}..{} of {}", index + len, self.len);
        // SAFETY: inside the place, and the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(self.at(index), len) }
    }
}
