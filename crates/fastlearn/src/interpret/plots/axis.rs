//! An axis: its range, its ticks and how numbers read on it.

/// Ticks closer than this many logical pixels would crowd.
const TICK_DISTANCE: f64 = 56.0;
/// Room beyond the values at each end, in parts of their range.
const MARGIN: f64 = 0.06;

/// A range of values along a length of the picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// A marked value and what is written beside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

impl Axis {
    /// From `low` to `high`; an empty range is widened.
    pub fn linear(low: f64, high: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        Self { low, high, logarithmic: false }
    }

    /// Equal ratios take equal lengths; both ends are positive. An empty range is widened.
    pub fn logarithmic(low: f64, high: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low / 2.0, low * 2.0) };
        Self { low, high, logarithmic: true }
    }

    /// A linear axis over the finite values, with a margin, but not below `floor` if no value is.
    pub fn around(values: impl Iterator<Item = f64>, floor: Option<f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return Self::linear(0.0, 1.0);
        }
        let is_point = high - low <= high.abs() * 1e-6;
        let margin = MARGIN * if is_point { high.abs().max(1e-3) } else { high - low };
        let lowest = match floor {
            Some(floor) if low >= floor => (low - margin).max(floor),
            _ => low - margin,
        };
        Self::linear(lowest, high + margin)
    }

    /// Where a value lies, from 0 at the low end to 1 at the high end; outside for values outside.
    pub fn position(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Round values inside the range that do not crowd on `length` logical pixels.
    pub fn ticks(&self, length: f64) -> Vec<Tick> {
        let most = (length / TICK_DISTANCE).max(2.0);
        if self.logarithmic { self.decade_ticks(most) } else { self.even_ticks(most) }
    }

    fn even_ticks(&self, most: f64) -> Vec<Tick> {
        let step = round_step((self.high - self.low) / most);
        let places = -step.log10().floor() + if is_quarter(step) { 1.0 } else { 0.0 };
        let decimals = places.clamp(0.0, 12.0) as usize;
        let slack = step * 1e-6;
        let first = ((self.low - slack) / step).ceil() as i64;
        let last = ((self.high + slack) / step).floor() as i64;
        // Labels with many leading zeros would run into the axis's name.
        let is_tiny = self.low.abs().max(self.high.abs()) < 1e-3;
        let label = |value| if is_tiny { scientific(value) } else { plain(value, decimals) };
        (first..=last)
            .map(|index| index as f64 * step)
            .map(|value| Tick { value, label: label(value) })
            .collect()
    }

    fn decade_ticks(&self, most: f64) -> Vec<Tick> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = (self.high / self.low).log10();
        let factors: &[f64] = match () {
            () if decades * 3.0 <= most => &[1.0, 2.0, 5.0],
            () if decades * 2.0 <= most => &[1.0, 3.0],
            () => &[1.0],
        };
        let every = (decades / most).ceil().max(1.0) as i32;
        let inside = |value: &f64| (-1e-9..=1.0 + 1e-9).contains(&self.position(*value));
        (first..=last)
            .filter(|exponent| exponent.rem_euclid(every) == 0)
            .flat_map(|exponent| factors.iter().map(move |factor| factor * 10.0_f64.powi(exponent)))
            .filter(inside)
            .map(|value| Tick { value, label: number(value) })
            .collect()
    }
}

/// The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is no smaller than `least`.
fn round_step(least: f64) -> f64 {
    let power = 10.0_f64.powf(least.log10().floor());
    let multiple =
        [1.0, 2.0, 2.5, 5.0].into_iter().find(|multiple| multiple * power >= least * (1.0 - 1e-9));
    multiple.unwrap_or(10.0) * power
}

fn is_quarter(step: f64) -> bool {
    let leading = step / 10.0_f64.powf(step.log10().floor());
    (leading - 2.5).abs() < 1e-6
}

fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.trim_start_matches('-').chars().all(|letter| matches!(letter, '0' | '.')) {
        return text.trim_start_matches('-').to_owned();
    }
    text
}

/// A tick's value in scientific form without idle zeros: 0, 5e-5, 1.25e-4.
fn scientific(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{value:.2e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    format!("{mantissa}e{exponent}")
}

/// A number with two significant digits as people write it: 1e-5, 0.0032, 0.25, 1, 1200.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    // Through the scientific form, so that 0.0999 is 0.1 and not 0.10.
    let scientific = format!("{value:.1e}");
    let rounded: f64 = scientific.parse().unwrap_or(value);
    if (1e-3..1e5).contains(&rounded.abs()) {
        rounded.to_string()
    } else {
        scientific.replace(".0e", "e")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, length: f64) -> Vec<String> {
        axis.ticks(length).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            labels(Axis::linear(0.0, 1.0), 300.0),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(Axis::linear(0.0, 0.01), 250.0),
            ["0.0000", "0.0025", "0.0050", "0.0075", "0.0100"]
        );
        assert_eq!(
            labels(Axis::linear(0.0, 1e-4), 250.0),
            ["0", "2.5e-5", "5e-5", "7.5e-5", "1e-4"]
        );
        assert_eq!(labels(Axis::linear(-30.0, 1000.0), 250.0), ["0", "250", "500", "750", "1000"]);
        assert_eq!(labels(Axis::linear(0.88, 0.93), 170.0), ["0.88", "0.90", "0.92"]);
        assert_eq!(
            labels(Axis::logarithmic(1e-5, 10.0), 500.0),
            ["1e-5", "1e-4", "0.001", "0.01", "0.1", "1", "10"]
        );
        assert_eq!(labels(Axis::logarithmic(0.15, 3.0), 300.0), ["0.2", "0.5", "1", "2"]);
    }

    #[test]
    fn positions_run_from_zero_to_one() {
        let axis = Axis::logarithmic(1e-4, 1e2);
        assert!((axis.position(1e-4)).abs() < 1e-12 && (axis.position(1e-1) - 0.5).abs() < 1e-12);
        let axis = Axis::around([2.0, f64::NAN, 4.0].into_iter(), Some(0.0));
        assert!(axis.low > 1.8 && axis.high < 4.2 && axis.position(3.0) == 0.5);
        assert_eq!(Axis::around([].into_iter(), None), Axis::linear(0.0, 1.0));
        assert!(Axis::around([1.0].into_iter(), None).position(1.0).is_finite());
    }

    #[test]
    fn numbers_read_well() {
        for (value, text) in [
            (1e-5, "1e-5"),
            (3.16e-4, "3.2e-4"),
            (0.003162, "0.0032"),
            (0.0999, "0.1"),
            (0.1, "0.1"),
            (10.0, "10"),
            (1234.0, "1200"),
            (0.0, "0"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
