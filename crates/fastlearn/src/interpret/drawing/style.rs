//! Colours shared by all plots.

use plotters_backend::BackendColor;

/// A colour with opacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colour {
    pub red: u8,
    pub green: u8,
    pub blue: u8,
    /// From 0, invisible, to 1.
    pub opacity: f64,
}

impl Colour {
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue, opacity: 1.0 }
    }

    pub const fn opacity(mut self, opacity: f64) -> Self {
        self.opacity = opacity;
        self
    }

    /// The colour a part of the way from `self` to `other`.
    pub fn towards(self, other: Self, part: f64) -> Self {
        let mix = |from: u8, to: u8| {
            (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u8
        };
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
            opacity: self.opacity + (other.opacity - self.opacity) * part,
        }
    }

    /// How light the colour looks, from 0 to 1.
    pub fn lightness(self) -> f64 {
        (0.299 * f64::from(self.red) + 0.587 * f64::from(self.green) + 0.114 * f64::from(self.blue))
            / 255.0
    }

    pub(super) fn backend(self) -> BackendColor {
        BackendColor { alpha: self.opacity, rgb: (self.red, self.green, self.blue) }
    }
}

/// The colours, by their role.
pub mod palette {
    use super::Colour;

    pub const PAPER: Colour = Colour::rgb(255, 255, 255);
    pub const INK: Colour = Colour::rgb(31, 41, 55);
    pub const MUTED: Colour = Colour::rgb(107, 114, 128);
    pub const FRAME: Colour = Colour::rgb(203, 209, 217);
    pub const GRID: Colour = Colour::rgb(235, 238, 242);
    pub const EMPTY: Colour = Colour::rgb(247, 248, 250);
    pub const BLUE: Colour = Colour::rgb(29, 95, 166);
    pub const ORANGE: Colour = Colour::rgb(217, 108, 31);
    pub const GREEN: Colour = Colour::rgb(31, 137, 92);
    pub const RED: Colour = Colour::rgb(192, 57, 52);

    /// Series in order, distinguishable with the common colour vision deficiencies.
    pub const SERIES: [Colour; 6] = [
        BLUE,
        ORANGE,
        GREEN,
        Colour::rgb(136, 86, 167),
        Colour::rgb(178, 132, 20),
        Colour::rgb(23, 150, 170),
    ];
}
