//! The parts of a curve that lie inside its frame, in positions from 0 to 1.

/// Whether a position is inside the frame, up to rounding.
pub(super) fn in_unit(position: f64) -> bool {
    (-1e-9..=1.0 + 1e-9).contains(&position)
}

/// The parts of a line through `points` that lie inside the unit square's height, each as its own line.
pub(super) fn runs_inside(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for pair in points.windows(2) {
        match clipped(pair[0], pair[1]) {
            Some((from, to)) => {
                match runs.last_mut() {
                    Some(run) if open => run.push(to),
                    _ => runs.push(vec![from, to]),
                }
                open = to == pair[1];
            }
            None => open = false,
        }
    }
    runs
}

/// The part of a segment with heights in [0, 1].
fn clipped(from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    if ![from.0, from.1, to.0, to.1].iter().all(|value| value.is_finite()) {
        return None;
    }
    let rise = to.1 - from.1;
    let (mut start, mut end) = (0.0_f64, 1.0_f64);
    if rise == 0.0 {
        if !in_unit(from.1) {
            return None;
        }
    } else {
        let (a, b) = (-from.1 / rise, (1.0 - from.1) / rise);
        start = start.max(a.min(b));
        end = end.min(a.max(b));
    }
    let at = |part: f64| {
        if part == 1.0 { to } else { (from.0 + (to.0 - from.0) * part, from.1 + rise * part) }
    };
    (start < end).then(|| (at(start), at(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_frame() {
        let runs = runs_inside(&[
            (0.0, 0.5),
            (0.2, 0.9),
            (0.4, 1.9),
            (0.6, 0.9),
            (0.8, f64::NAN),
            (0.9, 0.1),
            (1.0, 0.2),
        ]);
        assert_eq!(runs.len(), 3);
        assert_eq!(runs[0].len(), 3);
        assert!((runs[0][2].0 - 0.22).abs() < 1e-12 && (runs[0][2].1 - 1.0).abs() < 1e-12);
        assert!((runs[1][0].0 - 0.58).abs() < 1e-12);
        assert_eq!(runs[2], [(0.9, 0.1), (1.0, 0.2)]);
    }
}
