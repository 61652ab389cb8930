//! Signed distances: how far a point lies outside a shape, negative inside.
//!
//! A shape that knows its distance can be filled with smooth edges, given a soft shadow, or joined
//! with others by minimum and maximum. The formulas are those of plane geometry. Which shapes make
//! an object is not decided here.

/// A point of the plane, x to the right and y upwards.
pub type Point = [f32; 2];

/// Of a disc.
pub fn disc(point: Point, centre: Point, radius: f32) -> f32 {
    length(minus(point, centre)) - radius
}

/// Of a ring, a circle drawn with a pen of this half width.
pub fn ring(point: Point, centre: Point, radius: f32, half_width: f32) -> f32 {
    disc(point, centre, radius).abs() - half_width
}

/// Of a line from `start` to `end`, drawn with a round pen of this half width.
pub fn line(point: Point, start: Point, end: Point, half_width: f32) -> f32 {
    let (along, offset) = (minus(end, start), minus(point, start));
    let part = (dot(offset, along) / dot(along, along)).clamp(0.0, 1.0);
    length([offset[0] - part * along[0], offset[1] - part * along[1]]) - half_width
}

/// Of an upright rectangle with corners rounded by `round`.
pub fn rectangle(point: Point, centre: Point, half: Point, round: f32) -> f32 {
    let [x, y] = minus(point, centre);
    let (x, y) = (x.abs() - half[0] + round, y.abs() - half[1] + round);
    length([x.max(0.0), y.max(0.0)]) + x.max(y).min(0.0) - round
}

/// Of an upright ellipse; exact on its edge, close to right beside it.
pub fn ellipse(point: Point, centre: Point, half: Point) -> f32 {
    let [x, y] = minus(point, centre);
    let scaled = length([x / half[0], y / half[1]]);
    let slope = length([x / (half[0] * half[0]), y / (half[1] * half[1])]);
    if slope < 1e-6 { -half[0].min(half[1]) } else { scaled * (scaled - 1.0) / slope }
}

/// Of a simple polygon, its corners in either direction.
pub fn polygon(point: Point, corners: &[Point]) -> f32 {
    let (mut squared, mut inside) = (f32::INFINITY, false);
    for (index, &corner) in corners.iter().enumerate() {
        let previous = corners[(index + corners.len() - 1) % corners.len()];
        let (edge, offset) = (minus(previous, corner), minus(point, corner));
        let part = (dot(offset, edge) / dot(edge, edge)).clamp(0.0, 1.0);
        let nearest = [offset[0] - part * edge[0], offset[1] - part * edge[1]];
        squared = squared.min(dot(nearest, nearest));
        // A ray to the right crosses this edge: an odd number of crossings means inside.
        let crosses = (corner[1] > point[1]) != (previous[1] > point[1]);
        if crosses && offset[0] < edge[0] * offset[1] / edge[1] {
            inside = !inside;
        }
    }
    if inside { -squared.sqrt() } else { squared.sqrt() }
}

/// The point turned into the first of `count` equal sectors about the origin, whose middle is the
/// x axis: what is drawn there is drawn `count` times.
pub fn sector(point: Point, count: usize) -> Point {
    let step = std::f32::consts::TAU / count as f32;
    let angle = point[1].atan2(point[0]);
    let turned = angle - (angle / step).round() * step;
    let radius = length(point);
    [radius * turned.cos(), radius * turned.sin()]
}

/// The union of shapes.
pub fn union<const N: usize>(distances: [f32; N]) -> f32 {
    distances.into_iter().fold(f32::INFINITY, f32::min)
}

/// A shape without another.
pub fn without(shape: f32, hole: f32) -> f32 {
    shape.max(-hole)
}

fn minus(left: Point, right: Point) -> Point {
    [left[0] - right[0], left[1] - right[1]]
}

fn dot(left: Point, right: Point) -> f32 {
    left[0] * right[0] + left[1] * right[1]
}

fn length(vector: Point) -> f32 {
    dot(vector, vector).sqrt()
}
