//! Where the label of a point goes, so that it covers neither the frame, another label nor, mostly, the curve.

use super::super::drawing::Rect;

/// Distance of a label from its point, sideways.
const GAP: f64 = 8.0;

/// The first free place for a label of `width` beside a point: on the sides that the curve leaves free, then higher
/// and higher.
pub(super) fn label_place(
    frame: Rect,
    (x, y): (f64, f64),
    width: f64,
    below: bool,
    taken: &[Rect],
) -> Rect {
    const HEIGHT: f64 = 18.0;
    const DISTANCE: f64 = 16.0;
    let box_at = |left: f64, middle: f64| Rect {
        left,
        top: middle - HEIGHT / 2.0,
        right: left + width,
        bottom: middle + HEIGHT / 2.0,
    };
    let (right, left) = (x + GAP, x - GAP - width);
    let over = |row: i32| y - DISTANCE - f64::from(row) * HEIGHT;
    let under = |row: i32| y + DISTANCE + f64::from(row) * HEIGHT;
    // A falling curve leaves room above right and below left, the foot of a valley below it.
    let first = (0..3).flat_map(|row| match below {
        true => [(right, under(row)), (left, under(row))],
        false => [(right, over(row)), (left, under(row))],
    });
    let then = (0..12).flat_map(|row| [(right, over(row)), (left, over(row))]);
    let fits = |place: &Rect| {
        place.left >= frame.left + 4.0
            && place.right <= frame.right - 4.0
            && place.top >= frame.top + 2.0
            && place.bottom <= frame.bottom - 2.0
            && !taken.iter().any(|other| overlap(place, other))
    };
    let inside = right.min(frame.right - width - 4.0).max(frame.left + 4.0);
    let mut places = first.chain(then).map(|(left, middle)| box_at(left, middle));
    places.find(fits).unwrap_or(box_at(inside, frame.top + 14.0))
}

fn overlap(one: &Rect, other: &Rect) -> bool {
    one.left < other.right
        && other.left < one.right
        && one.top < other.bottom
        && other.top < one.bottom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_inside_and_apart() {
        let frame = Rect { left: 0.0, top: 0.0, right: 300.0, bottom: 200.0 };
        let mut taken = Vec::new();
        for point in [(150.0, 100.0), (155.0, 100.0), (295.0, 150.0), (5.0, 3.0)] {
            let place = label_place(frame, point, 90.0, false, &taken);
            assert!(place.left >= 0.0 && place.right <= 300.0 && place.top >= 0.0, "{place:?}");
            assert!(!taken.iter().any(|other| overlap(&place, other)), "{place:?}");
            taken.push(place);
        }
    }
}
