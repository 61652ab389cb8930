//! The kinds of things there are in this world, as signed distances within the unit disc.
//!
//! How and where a thing is shown is not decided here.

use super::distance::{
    Point, disc, ellipse, line, polygon, rectangle, ring, sector, union, without,
};

/// A kind of thing: its name and its outline.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Name of the class and of its folder.
    pub name: &'static str,
    /// Distance of a point from the outline, negative inside; the thing fills about the unit disc.
    pub outline: fn(Point) -> f32,
}

/// The kinds that the backbone learns from.
pub const KNOWN: [Kind; 24] = [
    Kind { name: "anchor", outline: anchor },
    Kind { name: "arrow", outline: arrow },
    Kind { name: "bolt", outline: bolt },
    Kind { name: "bottle", outline: bottle },
    Kind { name: "castle", outline: castle },
    Kind { name: "chair", outline: chair },
    Kind { name: "comb", outline: comb },
    Kind { name: "crescent", outline: crescent },
    Kind { name: "cross", outline: cross },
    Kind { name: "cup", outline: cup },
    Kind { name: "drop", outline: drop },
    Kind { name: "dumbbell", outline: dumbbell },
    Kind { name: "gear", outline: gear },
    Kind { name: "glasses", outline: glasses },
    Kind { name: "hammer", outline: hammer },
    Kind { name: "heart", outline: heart },
    Kind { name: "hourglass", outline: hourglass },
    Kind { name: "house", outline: house },
    Kind { name: "ladder", outline: ladder },
    Kind { name: "lamp", outline: lamp },
    Kind { name: "ring", outline: |p| ring(p, [0.0, 0.0], 0.7, 0.22) },
    Kind { name: "star", outline: star },
    Kind { name: "tree", outline: tree },
    Kind { name: "window", outline: window },
];

/// The kinds that the backbone has never seen: those of the lesson.
pub const UNSEEN: [Kind; 6] = [
    Kind { name: "boat", outline: boat },
    Kind { name: "butterfly", outline: butterfly },
    Kind { name: "fish", outline: fish },
    Kind { name: "flower", outline: flower },
    Kind { name: "key", outline: key },
    Kind { name: "mushroom", outline: mushroom },
];

fn anchor(p: Point) -> f32 {
    let bow = ring(p, [0.0, -0.1], 0.72, 0.11).max(p[1] + 0.2);
    union([
        ring(p, [0.0, 0.74], 0.17, 0.09),
        line(p, [0.0, 0.55], [0.0, -0.8], 0.11),
        line(p, [-0.38, 0.36], [0.38, 0.36], 0.09),
        bow,
    ])
}

fn arrow(p: Point) -> f32 {
    let head = polygon(p, &[[0.05, -0.68], [0.95, 0.0], [0.05, 0.68]]);
    union([head, rectangle(p, [-0.4, 0.0], [0.52, 0.24], 0.02)])
}

fn bolt(p: Point) -> f32 {
    let corners =
        [[0.15, 1.0], [-0.6, -0.12], [-0.08, -0.12], [-0.22, -1.0], [0.6, 0.22], [0.06, 0.22]];
    polygon(p, &corners)
}

fn bottle(p: Point) -> f32 {
    let shoulder = polygon(p, &[[-0.42, 0.1], [-0.17, 0.5], [0.17, 0.5], [0.42, 0.1]]);
    let (body, neck) = (([0.0, -0.42], [0.42, 0.56]), ([0.0, 0.6], [0.17, 0.38]));
    union([shoulder, rectangle(p, body.0, body.1, 0.1), rectangle(p, neck.0, neck.1, 0.04)])
}

fn butterfly(p: Point) -> f32 {
    let half = [p[0].abs(), p[1]];
    union([
        ellipse(half, [0.52, 0.34], [0.42, 0.5]),
        ellipse(half, [0.42, -0.46], [0.34, 0.38]),
        line(half, [0.0, -0.5], [0.0, 0.4], 0.1),
        line(half, [0.0, 0.4], [0.24, 0.95], 0.05),
    ])
}

fn castle(p: Point) -> f32 {
    let merlon = ((p[0] / 0.4).round().clamp(-2.0, 2.0)) * 0.4;
    let wall = rectangle(p, [0.0, -0.3], [0.92, 0.55], 0.0);
    let gate = union([disc(p, [0.0, -0.4], 0.24), rectangle(p, [0.0, -0.7], [0.24, 0.3], 0.0)]);
    without(union([wall, rectangle(p, [merlon, 0.4], [0.12, 0.22], 0.0)]), gate)
}

fn chair(p: Point) -> f32 {
    union([
        rectangle(p, [-0.5, 0.1], [0.1, 0.85], 0.03),
        rectangle(p, [0.0, -0.05], [0.6, 0.12], 0.03),
        rectangle(p, [0.5, -0.45], [0.1, 0.5], 0.03),
        rectangle(p, [-0.5, -0.5], [0.1, 0.45], 0.03),
    ])
}

fn comb(p: Point) -> f32 {
    let back = rectangle(p, [0.0, 0.42], [0.95, 0.2], 0.08);
    let tooth = ((p[0] / 0.36).round().clamp(-2.0, 2.0)) * 0.36;
    union([back, line(p, [tooth, 0.4], [tooth, -0.6], 0.09)])
}

fn crescent(p: Point) -> f32 {
    without(disc(p, [-0.1, 0.0], 0.92), disc(p, [0.36, 0.0], 0.74))
}

fn cross(p: Point) -> f32 {
    let bar = |half| rectangle(p, [0.0, 0.0], half, 0.04);
    union([bar([0.92, 0.28]), bar([0.28, 0.92])])
}

fn cup(p: Point) -> f32 {
    let handle = ring(p, [0.5, 0.02], 0.32, 0.1);
    union([handle, rectangle(p, [-0.18, 0.0], [0.58, 0.68], 0.14)])
}

fn drop(p: Point) -> f32 {
    let tip = polygon(p, &[[-0.53, -0.1], [0.0, 1.0], [0.53, -0.1]]);
    union([tip, disc(p, [0.0, -0.36], 0.6)])
}

fn dumbbell(p: Point) -> f32 {
    let rod = line(p, [-0.6, 0.0], [0.6, 0.0], 0.12);
    union([rod, disc(p, [-0.62, 0.0], 0.36), disc(p, [0.62, 0.0], 0.36)])
}

fn gear(p: Point) -> f32 {
    let tooth = rectangle(sector(p, 8), [0.78, 0.0], [0.18, 0.15], 0.02);
    without(union([disc(p, [0.0, 0.0], 0.7), tooth]), disc(p, [0.0, 0.0], 0.28))
}

fn glasses(p: Point) -> f32 {
    let half = [p[0].abs(), p[1]];
    union([
        ring(half, [0.5, 0.0], 0.36, 0.09),
        line(half, [0.0, 0.1], [0.18, 0.06], 0.07),
        line(half, [0.84, 0.1], [0.98, 0.42], 0.07),
    ])
}

fn hammer(p: Point) -> f32 {
    let handle = rectangle(p, [0.0, -0.22], [0.13, 0.76], 0.06);
    union([handle, rectangle(p, [0.05, 0.58], [0.66, 0.26], 0.05)])
}

fn heart(p: Point) -> f32 {
    let corners = [[0.0, -0.95], [0.83, 0.12], [0.4, 0.6], [0.0, 0.4], [-0.4, 0.6], [-0.83, 0.12]];
    union([polygon(p, &corners), disc(p, [-0.43, 0.36], 0.47), disc(p, [0.43, 0.36], 0.47)])
}

fn hourglass(p: Point) -> f32 {
    let corners =
        [[-0.68, 0.92], [0.68, 0.92], [0.1, 0.0], [0.68, -0.92], [-0.68, -0.92], [-0.1, 0.0]];
    polygon(p, &corners)
}

fn ladder(p: Point) -> f32 {
    let rung = ((p[1] / 0.42).round().clamp(-2.0, 2.0)) * 0.42;
    union([
        line(p, [-0.38, -0.95], [-0.38, 0.95], 0.1),
        line(p, [0.38, -0.95], [0.38, 0.95], 0.1),
        line(p, [-0.38, rung], [0.38, rung], 0.08),
    ])
}

fn lamp(p: Point) -> f32 {
    let shade = polygon(p, &[[-0.35, 0.95], [0.35, 0.95], [0.72, 0.15], [-0.72, 0.15]]);
    let stand = line(p, [0.0, 0.2], [0.0, -0.8], 0.09);
    union([shade, stand, rectangle(p, [0.0, -0.83], [0.45, 0.12], 0.05)])
}

fn star(p: Point) -> f32 {
    // One ray and what lies behind it, so that the rays meet without a seam.
    let ray = [[1.0, 0.0], [0.33, 0.24], [-1.0, 0.9], [-1.0, -0.9], [0.33, -0.24]];
    polygon(sector([p[1], p[0]], 5), &ray)
}

fn tree(p: Point) -> f32 {
    let layer =
        |low: f32, high: f32, half: f32| polygon(p, &[[-half, low], [0.0, high], [half, low]]);
    union([
        layer(0.3, 1.0, 0.44),
        layer(-0.15, 0.6, 0.6),
        layer(-0.65, 0.2, 0.76),
        rectangle(p, [0.0, -0.8], [0.13, 0.2], 0.0),
    ])
}

fn window(p: Point) -> f32 {
    let frame = rectangle(p, [0.0, 0.0], [0.72, 0.86], 0.0);
    let quarter = [p[0].abs(), p[1].abs()];
    without(frame, rectangle(quarter, [0.34, 0.41], [0.25, 0.32], 0.0))
}

fn boat(p: Point) -> f32 {
    union([
        polygon(p, &[[-0.95, -0.35], [0.95, -0.35], [0.55, -0.85], [-0.6, -0.85]]),
        line(p, [-0.06, -0.4], [-0.06, 0.95], 0.06),
        polygon(p, &[[0.08, -0.2], [0.08, 0.9], [0.72, -0.2]]),
        polygon(p, &[[-0.2, -0.2], [-0.2, 0.6], [-0.66, -0.2]]),
    ])
}

fn fish(p: Point) -> f32 {
    let tail = polygon(p, &[[0.35, 0.0], [0.98, 0.5], [0.82, 0.0], [0.98, -0.5]]);
    let fin = polygon(p, &[[-0.3, 0.3], [0.2, 0.72], [0.28, 0.25]]);
    let body = union([ellipse(p, [-0.2, 0.0], [0.76, 0.42]), tail, fin]);
    without(body, disc(p, [-0.62, 0.1], 0.09))
}

fn flower(p: Point) -> f32 {
    let bloom = [p[0], p[1] - 0.3];
    let petals = disc(sector(bloom, 6), [0.42, 0.0], 0.23);
    let leaf = ellipse(p, [0.28, -0.55], [0.3, 0.13]);
    let stem = line(p, [0.0, -0.2], [0.0, -0.95], 0.08);
    union([
        without(petals, disc(bloom, [0.0, 0.0], 0.2)),
        disc(bloom, [0.0, 0.0], 0.13),
        stem,
        leaf,
    ])
}

fn house(p: Point) -> f32 {
    let walls = rectangle(p, [0.0, -0.4], [0.62, 0.5], 0.0);
    let roof = polygon(p, &[[-0.9, 0.05], [0.0, 0.85], [0.9, 0.05]]);
    let chimney = rectangle(p, [0.5, 0.55], [0.12, 0.3], 0.0);
    let door = rectangle(p, [-0.2, -0.62], [0.16, 0.3], 0.0);
    without(union([walls, roof, chimney]), door)
}

fn key(p: Point) -> f32 {
    union([
        ring(p, [-0.58, 0.0], 0.29, 0.12),
        line(p, [-0.2, 0.0], [0.92, 0.0], 0.09),
        rectangle(p, [0.82, -0.2], [0.09, 0.2], 0.0),
        rectangle(p, [0.52, -0.16], [0.09, 0.16], 0.0),
    ])
}

fn mushroom(p: Point) -> f32 {
    let cap = ellipse(p, [0.0, 0.1], [0.9, 0.78]).max(-p[1] + 0.05);
    union([cap, rectangle(p, [0.0, -0.4], [0.22, 0.52], 0.12)])
}
