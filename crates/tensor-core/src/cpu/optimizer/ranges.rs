//! Cuts the flat buffers into ranges.

use std::ops::Range;

/// The ranges in order, each with the place it was given in.
pub(super) fn in_order(ranges: &[Range<usize>]) -> Vec<(usize, &Range<usize>)> {
    let mut ranges: Vec<_> = ranges.iter().enumerate().collect();
    ranges.sort_by_key(|(_, range)| range.start);
    ranges
}

/// Elements of all ranges.
pub(super) fn elements(ranges: &[(usize, &Range<usize>)]) -> usize {
    ranges.iter().map(|(_, range)| range.len()).sum()
}

/// Ordered ranges of a flat buffer.
///
/// # Panics
/// If ranges overlap or reach beyond the buffer: a fault of the caller's code.
pub(super) fn ranges_mut<'a>(
    buffer: &'a mut [f32],
    ranges: &[(usize, &Range<usize>)],
) -> Vec<&'a mut [f32]> {
    let (mut rest, mut position) = (buffer, 0);
    let mut cut = Vec::with_capacity(ranges.len());
    for (_, range) in ranges {
        assert!(position <= range.start, "the range {range:?} begins before element {position}");
        let (found, after) = rest[range.start - position..].split_at_mut(range.len());
        cut.push(found);
        (rest, position) = (after, range.end);
    }
    cut
}
