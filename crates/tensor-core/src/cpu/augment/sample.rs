//! Bilinear sampling, colour, clipping and normalisation of some output rows.
//!
//! A row is cut into blocks of [`BLOCK`] pixels. A block's first place is computed in f64 and split
//! into a whole and a fractional part, the others follow in f32 from the fraction: so places are as
//! exact on the right of a wide picture as on the left, and a translation by whole pixels copies
//! them exactly.

use super::COLOURS;
use crate::backend::augment::{AugmentPicture, AugmentShape, Border};
use crate::cpu::vector::dispatch;

/// Output pixels that are computed together.
const BLOCK: usize = 32;

/// Places and steps are kept below this, so that the sum of two fits an `i32`.
const FAR: f64 = 1e9;

/// What happens to a colour after sampling.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    /// Row-major 3x4, from bytes to colours in 0..1.
    colour: [f32; 12],
    mean: [f32; 3],
    inverse_std: [f32; 3],
}

impl Finish {
    pub(super) fn new(colour: &[f32; 12], shape: &AugmentShape) -> Finish {
        let mut colour = *colour;
        for row in colour.chunks_exact_mut(COLOURS + 1) {
            row[..COLOURS].iter_mut().for_each(|factor| *factor /= 255.0);
        }
        Finish { colour, mean: shape.mean, inverse_std: shape.std.map(|std| 1.0 / std) }
    }

    /// The normalised channel of one pixel's colours in 0..255.
    #[inline(always)]
    fn channel(&self, channel: usize, [red, green, blue]: [f32; 3]) -> f32 {
        let row = &self.colour[channel * (COLOURS + 1)..][..COLOURS + 1];
        let mixed = row[0] * red + row[1] * green + row[2] * blue + row[3];
        (mixed.clamp(0.0, 1.0) - self.mean[channel]) * self.inverse_std[channel]
    }
}

/// The places of a block along one axis: the pixel before each, and how far beyond its centre.
struct Places {
    pixel: [i32; BLOCK],
    fraction: [f32; BLOCK],
}

impl Places {
    /// `first`, `first + step`, `first + 2 step` ...
    #[inline(always)]
    fn new(first: f64, step: f32) -> Places {
        let first = first.clamp(-FAR, FAR);
        let whole = first.floor();
        let (rest, whole) = ((first - whole) as f32, whole as i32);
        let mut places = Places { pixel: [0; BLOCK], fraction: [0.0; BLOCK] };
        for i in 0..BLOCK {
            let place = (rest + step * i as f32).clamp(-FAR as f32, FAR as f32);
            let truncated = place as i32;
            let floor = truncated - i32::from((truncated as f32) > place);
            places.pixel[i] = whole + floor;
            places.fraction[i] = place - floor as f32;
        }
        places
    }

    /// Whether the first `count` pixels and their successors lie in `0..len`. Places go one way, so
    /// the outermost decide.
    #[inline(always)]
    fn are_inside(&self, count: usize, len: usize) -> bool {
        let (first, last) = (self.pixel[0], self.pixel[count - 1]);
        first.min(last) >= 0 && (first.max(last) as usize) < len - 1
    }

    /// The largest of the first `count` pixels.
    #[inline(always)]
    fn largest(&self, count: usize) -> usize {
        self.pixel[0].max(self.pixel[count - 1]) as usize
    }
}

/// The four pixels around each place of a block; red, green and blue are the lowest bytes.
struct Taps {
    corner: [[u32; BLOCK]; 4],
}

dispatch! {
    /// Computes the output rows from `first_row` on, each of `row_len` floats, as many as `output`
    /// holds. `bytes` begins with the picture.
    pub(super) fn rows(
        picture: &AugmentPicture,
        bytes: &[u8],
        finish: &Finish,
        first_row: usize,
        row_len: usize,
        output: &mut [f32],
    ) {
        let [xx, xy, x0, yx, yy, y0] = picture.geometry.map(f64::from);
        let mut taps = Taps { corner: [[0; BLOCK]; 4] };
        for (row, output) in output.chunks_exact_mut(row_len).enumerate() {
            let y = (first_row + row) as f64 + 0.5;
            for (block, output) in output.chunks_mut(BLOCK * COLOURS).enumerate() {
                let x = (block * BLOCK) as f64 + 0.5;
                let count = output.len() / COLOURS;
                let across = Places::new(xx * x + xy * y + x0 - 0.5, picture.geometry[0]);
                let down = Places::new(yx * x + yy * y + y0 - 0.5, picture.geometry[3]);
                if !load_inside(picture, bytes, &across, &down, count, &mut taps) {
                    load_any(picture, bytes, &across, &down, count, &mut taps);
                }
                blend(&taps, &across, &down, finish, output);
            }
        }
    }
}

/// Loads the taps of a block that lies inside the picture: two neighbours in one load. Returns false,
/// having loaded nothing, if the block does not, or lies so near the end of all bytes that the loads
/// would go beyond.
#[inline(always)]
fn load_inside(
    picture: &AugmentPicture,
    bytes: &[u8],
    across: &Places,
    down: &Places,
    count: usize,
    taps: &mut Taps,
) -> bool {
    if !across.are_inside(count, picture.width) || !down.are_inside(count, picture.height) {
        return false;
    }
    let line = picture.width * COLOURS;
    let last = (down.largest(count) + 1) * line + across.largest(count) * COLOURS;
    if last + size_of::<u64>() > bytes.len() {
        return false;
    }
    for i in 0..count {
        let top = down.pixel[i] as usize * line + across.pixel[i] as usize * COLOURS;
        // SAFETY: all pixels of the block lie between its outermost, which were just checked to
        // leave eight bytes, one line further down.
        let (upper, lower) = unsafe { (load(bytes, top), load(bytes, top + line)) };
        taps.corner[0][i] = upper as u32;
        taps.corner[1][i] = (upper >> 24) as u32;
        taps.corner[2][i] = lower as u32;
        taps.corner[3][i] = (lower >> 24) as u32;
    }
    true
}

/// Eight bytes from `offset` on, the first lowest.
///
/// # Safety
/// `offset + 8 <= bytes.len()`.
#[inline(always)]
unsafe fn load(bytes: &[u8], offset: usize) -> u64 {
    debug_assert!(offset + size_of::<u64>() <= bytes.len());
    // SAFETY: the caller vouches for the bytes; they need no alignment.
    u64::from_le(unsafe { bytes.as_ptr().add(offset).cast::<u64>().read_unaligned() })
}

/// Loads the taps of a block that crosses the picture's edge.
#[inline(always)]
fn load_any(
    picture: &AugmentPicture,
    bytes: &[u8],
    across: &Places,
    down: &Places,
    count: usize,
    taps: &mut Taps,
) {
    for i in 0..count {
        let columns = [across.pixel[i], across.pixel[i] + 1]
            .map(|pixel| bordered(pixel, picture.width, picture.border));
        let rows = [down.pixel[i], down.pixel[i] + 1]
            .map(|pixel| bordered(pixel, picture.height, picture.border));
        for corner in 0..4 {
            taps.corner[corner][i] = match (rows[corner / 2], columns[corner % 2]) {
                (Some(row), Some(column)) => {
                    let place = (row * picture.width + column) * COLOURS;
                    let pixel = &bytes[place..place + COLOURS];
                    u32::from(pixel[0]) | u32::from(pixel[1]) << 8 | u32::from(pixel[2]) << 16
                }
                _ => 0,
            };
        }
    }
}

/// The pixel that stands for one that may lie outside `0..len`; `None`: black.
#[inline(always)]
fn bordered(pixel: i32, len: usize, border: Border) -> Option<usize> {
    if pixel >= 0 && (pixel as usize) < len {
        return Some(pixel as usize);
    }
    match border {
        Border::Zero => None,
        Border::Edge => Some(if pixel < 0 { 0 } else { len - 1 }),
        Border::Reflect => {
            let place = i64::from(pixel).rem_euclid(2 * len as i64) as usize;
            Some(if place < len { place } else { 2 * len - 1 - place })
        }
    }
}

/// Blends the taps, applies the colour matrix, clips and normalises.
#[inline(always)]
fn blend(taps: &Taps, across: &Places, down: &Places, finish: &Finish, output: &mut [f32]) {
    let mut channels = [[0.0; BLOCK]; COLOURS];
    for i in 0..BLOCK {
        let (fx, fy) = (across.fraction[i], down.fraction[i]);
        let colours = std::array::from_fn(|colour| {
            let tap =
                |corner: usize| ((taps.corner[corner][i] >> (8 * colour)) & 0xff) as i32 as f32;
            let upper = tap(0) + fx * (tap(1) - tap(0));
            let lower = tap(2) + fx * (tap(3) - tap(2));
            upper + fy * (lower - upper)
        });
        for channel in 0..COLOURS {
            channels[channel][i] = finish.channel(channel, colours);
        }
    }
    let [red, green, blue] = &channels;
    for (i, pixel) in output.chunks_exact_mut(COLOURS).enumerate() {
        pixel[0] = red[i];
        pixel[1] = green[i];
        pixel[2] = blue[i];
    }
}
