//! Where tiles lie: pictures cut into squares of outputs, and the inputs that each square reads.

use std::ops::Range;

use super::Tile;
use super::kernels::Patch;
use crate::backend::conv::ConvShape;
use crate::cpu::gemm::SharedTarget;

/// Pictures of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pictures {
    pub rows: usize,
    pub columns: usize,
    pub channels: usize,
}

impl Pictures {
    fn strides(&self) -> [isize; 2] {
        [(self.columns * self.channels) as isize, self.channels as isize]
    }

    fn picture_len(&self) -> usize {
        self.rows * self.columns * self.channels
    }
}

/// A 3x3 convolution of stride 1 from `source` to `target` pictures, cut into tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiling {
    tile: Tile,
    pictures: usize,
    pub source: Pictures,
    pub target: Pictures,
    /// How far above and left of a target position the source position is that it reads first.
    padding: [usize; 2],
}

impl Tiling {
    /// Outputs from inputs.
    pub fn forward(tile: Tile, shape: &ConvShape) -> Tiling {
        Tiling {
            tile,
            pictures: shape.n,
            source: Pictures { rows: shape.h, columns: shape.w, channels: shape.c },
            target: Pictures { rows: shape.p(), columns: shape.q(), channels: shape.k },
            padding: shape.padding,
        }
    }

    /// The input's gradient from the output's: the same with turned filters, and with what the
    /// padding leaves of the two rows and columns that a filter reaches beyond its middle.
    pub fn input_gradient(tile: Tile, shape: &ConvShape) -> Tiling {
        let forward = Tiling::forward(tile, shape);
        let padding = shape.padding.map(|padding| 2 - padding);
        Tiling { source: forward.target, target: forward.source, padding, ..forward }
    }

    /// Rows and columns of tiles in a picture.
    pub fn grid(&self) -> [usize; 2] {
        let outputs = self.tile.outputs();
        [self.target.rows.div_ceil(outputs), self.target.columns.div_ceil(outputs)]
    }

    /// Tiles in a picture.
    pub fn picture_tiles(&self) -> usize {
        self.grid().iter().product()
    }

    /// Tiles over all pictures.
    pub fn tiles(&self) -> usize {
        self.pictures * self.picture_tiles()
    }

    /// Pixels of the target before tile `tile`, which begins a row of tiles, or after the last.
    pub fn pixels_before(&self, tile: usize) -> usize {
        let (picture, [row, _]) = self.place(tile);
        (picture * self.target.rows + row) * self.target.columns
    }

    /// Tile `index`: its picture, and its first row and column of the target.
    fn place(&self, index: usize) -> (usize, [usize; 2]) {
        let (in_picture, [_, columns]) = (index % self.picture_tiles(), self.grid());
        let outputs = self.tile.outputs();
        let first = [in_picture / columns * outputs, in_picture % columns * outputs];
        (index / self.picture_tiles(), first)
    }

    /// Floats from what a tile reads to what its neighbour reads.
    pub fn source_step(&self) -> isize {
        (self.tile.outputs() * self.source.channels) as isize
    }

    /// Floats from a tile's outputs to its neighbour's.
    pub fn target_step(&self) -> isize {
        (self.tile.outputs() * self.target.channels) as isize
    }

    /// What tile `index` reads, from this channel on.
    pub fn source_patch(&self, source: &[f32], index: usize, channel: usize) -> Patch<*const f32> {
        let (picture, target) = self.place(index);
        let Pictures { rows, columns, .. } = self.source;
        let strides = self.source.strides();
        let first = [0, 1].map(|axis| target[axis] as isize - self.padding[axis] as isize);
        let at = (picture * self.source.picture_len() + channel) as isize;
        let at = at + first[0] * strides[0] + first[1] * strides[1];
        Patch {
            first: source.as_ptr().wrapping_offset(at),
            strides,
            begin: first.map(|first| (-first).max(0) as usize),
            end: [rows as isize - first[0], columns as isize - first[1]]
                .map(|end| end.max(0) as usize),
        }
    }

    /// The outputs of tile `index`, from this channel on, to be read.
    pub fn read_target(&self, target: &[f32], index: usize, channel: usize) -> Patch<*const f32> {
        self.target_patch(index, channel, |at| target.as_ptr().wrapping_add(at))
    }

    /// The outputs of tile `index`, from this channel on, to be written.
    pub fn write_target(
        &self,
        target: SharedTarget,
        index: usize,
        channel: usize,
    ) -> Patch<*mut f32> {
        self.target_patch(index, channel, |at| target.at(at))
    }

    fn target_patch<P>(
        &self,
        index: usize,
        channel: usize,
        pointer: impl Fn(usize) -> P,
    ) -> Patch<P> {
        let (picture, [row, column]) = self.place(index);
        let Pictures { rows, columns, channels } = self.target;
        let pixel = (picture * rows + row) * columns + column;
        Patch {
            first: pointer(pixel * channels + channel),
            strides: self.target.strides(),
            begin: [0, 0],
            end: [rows - row, columns - column],
        }
    }
}

/// Tiles that are computed together: rows of tiles or whole pictures, so that their outputs lie
/// side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Tiles of a block; the last may have fewer.
    pub tiles: usize,
    /// How many there are.
    pub count: usize,
    /// Pixels of a block, if those of all but the last are as many.
    pub pixels: Option<usize>,
}

/// Tiles of a block: as few as fill the micro-kernel where all filters stay in the second-level cache
/// beside them, else as many as share what is fetched of the filters.
const FEW_TILES: usize = 24;
const MANY_TILES: usize = 48;
/// Elements of filters that stay in the second-level cache.
const FEW_FILTERS: usize = 160 << 10;

impl Blocks {
    /// A function of the tiling alone.
    pub fn of(tiling: &Tiling) -> Blocks {
        let ([rows, columns], in_picture) = (tiling.grid(), tiling.picture_tiles());
        let Pictures { rows: pixel_rows, columns: pixel_columns, .. } = tiling.target;
        let picture_pixels = pixel_rows * pixel_columns;
        let filters = tiling.tile.points() * tiling.source.channels * tiling.target.channels;
        let wanted = if filters <= FEW_FILTERS { FEW_TILES } else { MANY_TILES };
        let (tiles, pixels) = if in_picture <= wanted + wanted / 8 {
            let pictures = (wanted / in_picture).clamp(1, tiling.pictures);
            (pictures * in_picture, Some(pictures * picture_pixels))
        } else {
            let fits = |strips: &usize| rows.is_multiple_of(*strips) && strips * columns <= wanted;
            let strips = (1..=rows).rev().find(fits).unwrap_or(1);
            let even = pixel_rows.is_multiple_of(tiling.tile.outputs());
            let pixels = strips * tiling.tile.outputs() * pixel_columns;
            (strips * columns, even.then_some(pixels))
        };
        Blocks { tiles, count: tiling.tiles().div_ceil(tiles), pixels }
    }

    /// The tiles of a block.
    pub fn range(&self, tiling: &Tiling, block: usize) -> Range<usize> {
        let first = block * self.tiles;
        first..(first + self.tiles).min(tiling.tiles())
    }
}
