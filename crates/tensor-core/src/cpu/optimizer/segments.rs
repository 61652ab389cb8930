//! Cuts the flat buffers into the segments' ranges.

use crate::backend::optimizer::Segment;

/// The segments in the order of their ranges.
pub(super) fn in_order(segments: &[Segment]) -> Vec<&Segment> {
    let mut segments: Vec<&Segment> = segments.iter().collect();
    segments.sort_by_key(|segment| segment.range.start);
    segments
}

/// Elements of all segments.
pub(super) fn elements(segments: &[&Segment]) -> usize {
    segments.iter().map(|segment| segment.range.len()).sum()
}

/// The ranges of ordered segments within a flat buffer.
///
/// # Panics
/// If ranges overlap or reach beyond the buffer: a fault of the caller's code.
pub(super) fn ranges_mut<'a>(buffer: &'a mut [f32], segments: &[&Segment]) -> Vec<&'a mut [f32]> {
    let (mut rest, mut position) = (buffer, 0);
    let mut ranges = Vec::with_capacity(segments.len());
    for segment in segments {
        let range = &segment.range;
        assert!(position <= range.start, "segment {range:?} begins before element {position}");
        let (found, after) = rest[range.start - position..].split_at_mut(range.len());
        ranges.push(found);
        (rest, position) = (after, range.end);
    }
    ranges
}
