//! The shapes: functions of a position in [0, 1], and a way to put one after the other.

use serde::{Deserialize, Serialize};

use super::error::{ScheduleError, check_range};

/// How far the fractions of a sequence may be from 1 in sum, for decimals written by hand.
const FRACTION_TOLERANCE: f64 = 1e-6;

/// A value moving from one number to another while the position goes from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
pub enum Curve {
    /// Half a cosine wave: flat at both ends.
    Cosine {
        /// Value at 0.
        from: f64,
        /// Value at 1.
        to: f64,
    },
    /// A straight line.
    Linear {
        /// Value at 0.
        from: f64,
        /// Value at 1.
        to: f64,
    },
    /// The same ratio over the same distance; both ends positive.
    Exponential {
        /// Value at 0.
        from: f64,
        /// Value at 1.
        to: f64,
    },
}

impl Curve {
    /// Half a cosine wave.
    pub fn cosine(from: f64, to: f64) -> Self {
        Self::Cosine { from, to }
    }

    /// A straight line.
    pub fn linear(from: f64, to: f64) -> Self {
        Self::Linear { from, to }
    }

    /// A geometric ramp; both ends must be positive.
    pub fn exponential(from: f64, to: f64) -> Self {
        Self::Exponential { from, to }
    }

    /// One value throughout.
    pub fn constant(value: f64) -> Self {
        Self::linear(value, value)
    }

    /// The value at `position`, which is held within [0, 1].
    ///
    /// ```
    /// use fastlearn::schedule::Curve;
    /// assert_eq!(Curve::linear(1.0, 3.0).at(0.5), 2.0);
    /// assert!((Curve::exponential(1e-5, 10.0).at(0.5) - 1e-2).abs() < 1e-9);
    /// assert!((Curve::cosine(1.0, 0.0).at(0.25) - 0.853_553).abs() < 1e-6);
    /// ```
    pub fn at(&self, position: f64) -> f64 {
        let position = position.clamp(0.0, 1.0);
        match *self {
            Self::Cosine { from, to } => {
                to + (from - to) * (1.0 + (std::f64::consts::PI * position).cos()) / 2.0
            }
            Self::Linear { from, to } => from + (to - from) * position,
            Self::Exponential { from, to } => from * (to / from).powf(position),
        }
    }

    fn validate(&self) -> Result<(), ScheduleError> {
        match *self {
            Self::Cosine { from, to } | Self::Linear { from, to } => {
                check_range("a curve's first value", from, from >= 0.0, "finite and at least 0")?;
                check_range("a curve's last value", to, to >= 0.0, "finite and at least 0")
            }
            Self::Exponential { from, to } => {
                check_range(
                    "an exponential curve's first value",
                    from,
                    from > 0.0,
                    "finite and above 0",
                )?;
                check_range("an exponential curve's last value", to, to > 0.0, "finite and above 0")
            }
        }
    }
}

/// Curves one after the other, each over a fraction of the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Piece {
    fraction: f64,
    #[serde(flatten)]
    curve: Curve,
}

impl Sequence {
    /// Curves with the fraction of the whole that each takes; the fractions add up to 1.
    ///
    /// # Errors
    /// [`ScheduleError`] when a fraction is negative, their sum is not 1, or a curve's value is unusable.
    pub fn new(pieces: impl IntoIterator<Item = (f64, Curve)>) -> Result<Self, ScheduleError> {
        let sequence = Self::of(pieces);
        sequence.validate()?;
        Ok(sequence)
    }

    /// As [`Sequence::new`], for pieces that are checked elsewhere.
    pub(super) fn of(pieces: impl IntoIterator<Item = (f64, Curve)>) -> Self {
        Self {
            pieces: pieces.into_iter().map(|(fraction, curve)| Piece { fraction, curve }).collect(),
        }
    }

    /// The value at `position`, which is held within [0, 1]. A boundary belongs to the later curve.
    pub fn at(&self, position: f64) -> f64 {
        let position = position.clamp(0.0, 1.0);
        let mut start = 0.0;
        for piece in &self.pieces {
            let end = start + piece.fraction;
            if position < end {
                return piece.curve.at((position - start) / piece.fraction);
            }
            start = end;
        }
        self.pieces.last().map_or(1.0, |piece| piece.curve.at(1.0))
    }

    /// Checks fractions and curves; a deserialised sequence has not been through [`Sequence::new`].
    pub(super) fn validate(&self) -> Result<(), ScheduleError> {
        for piece in &self.pieces {
            let fraction = piece.fraction;
            check_range(
                "a fraction of a sequence",
                fraction,
                (0.0..=1.0).contains(&fraction),
                "between 0 and 1",
            )?;
            piece.curve.validate()?;
        }
        let sum: f64 = self.pieces.iter().map(|piece| piece.fraction).sum();
        if (sum - 1.0).abs() <= FRACTION_TOLERANCE {
            Ok(())
        } else {
            Err(ScheduleError::Fractions { sum })
        }
    }
}
