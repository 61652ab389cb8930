//! Where the first maximum of some pixels lies, channel by channel.

/// Pixels that are compared in registers: a window of three by three.
pub(super) const GROUP: usize = 9;

/// Goes on with `best` (`[c]`) and its `place`: pixel `index` of the group has place `first + index`.
/// Equal values and not-a-numbers take nobody's place.
#[inline(always)]
pub(super) fn extend(mut group: [&[f32]; GROUP], first: u32, best: &mut [f32], place: &mut [u32]) {
    let channels = best.len();
    for pixel in &mut group {
        *pixel = &pixel[..channels];
    }
    let place = &mut place[..channels];
    for i in 0..channels {
        let (mut largest, mut at) = (best[i], place[i]);
        for index in 0..GROUP {
            let value = group[index][i];
            let larger = value > largest;
            largest = if larger { value } else { largest };
            at = if larger { first + index as u32 } else { at };
        }
        best[i] = largest;
        place[i] = at;
    }
}
