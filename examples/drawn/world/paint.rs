//! A canvas of colours with smooth edges. What is painted on it is not decided here.

use tensor_core::random::RandomStream;

use super::distance::Point;

/// Red, green and blue in 0..1.
pub type Colour = [f32; 3];

/// A square canvas whose coordinates go from -1 to 1, x to the right and y upwards.
pub struct Canvas {
    size: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    /// A black canvas of `size` by `size` pixels.
    pub fn new(size: usize) -> Canvas {
        Canvas { size, pixels: vec![[0.0; 3]; size * size] }
    }

    /// Gives every pixel a new colour from its place and its old colour.
    pub fn repaint(&mut self, colour: impl Fn(Point, Colour) -> Colour) {
        let (size, half) = (self.size, self.size as f32 / 2.0);
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            let (row, column) = ((index / size) as f32 + 0.5, (index % size) as f32 + 0.5);
            *pixel = colour([column / half - 1.0, 1.0 - row / half], *pixel);
        }
    }

    /// Fills a shape. `distance` is its signed distance on the canvas; `softness` blurs its edge over
    /// that distance, and an edge is never sharper than a pixel.
    pub fn fill(
        &mut self,
        distance: impl Fn(Point) -> f32,
        softness: f32,
        opacity: f32,
        colour: impl Fn(Point) -> Colour,
    ) {
        let edge = softness.max(2.0 / self.size as f32);
        self.repaint(|place, old| {
            let cover = (0.5 - distance(place) / edge).clamp(0.0, 1.0) * opacity;
            if cover > 0.0 { mix(old, colour(place), cover) } else { old }
        });
    }

    /// Disturbs every channel of every pixel by about this much.
    pub fn add_noise(&mut self, amount: f32, random: &mut RandomStream) {
        for channel in self.pixels.iter_mut().flatten() {
            // The sum of two uniform numbers: close enough to a bell, and quick.
            *channel += amount * 2.45 * (random.unit() + random.unit() - 1.0);
        }
    }

    /// The pixels as RGB bytes, row after row.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pixels
            .iter()
            .flatten()
            .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
            .collect()
    }
}

/// From one colour (`part` 0) to another (`part` 1).
pub fn mix(from: Colour, to: Colour, part: f32) -> Colour {
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * part)
}

/// How bright a colour looks (ITU-R BT.601).
pub fn brightness([red, green, blue]: Colour) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// Any colour.
pub fn any_colour(random: &mut RandomStream) -> Colour {
    std::array::from_fn(|_| random.uniform(0.05, 0.95))
}

/// A colour whose brightness differs from that of `other` by at least `difference` (below 0.5),
/// darker as likely as brighter where both are possible.
pub fn contrasting_colour(other: Colour, difference: f32, random: &mut RandomStream) -> Colour {
    let distance = |colour: Colour| (brightness(colour) - brightness(other)).abs();
    let mut colour = any_colour(random);
    while distance(colour) < difference {
        colour = any_colour(random);
    }
    colour
}
