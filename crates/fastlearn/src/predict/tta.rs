//! Test-time augmentation: which views of each picture are taken, and one opinion from them all.

use std::fmt;
use std::str::FromStr;

use crate::transforms::{Frame, Transforms, View};
use crate::{Error, Result};

use super::Predictions;

/// How many times a picture is enlarged for its corners where training zooms not.
const CORNER_ZOOM: f64 = 1.1;

/// Which views of a picture are predicted and averaged.
///
/// A number stands for [`random`](Tta::random). Each view costs as much as a plain prediction; on the command
/// line it is written as it displays, such as `4`, `crops3` or `crops5+flip`.
///
/// ```
/// use fastlearn::predict::Tta;
/// assert_eq!(Tta::from(4), Tta::random(4));
/// assert_eq!("crops5+flip".parse(), Ok(Tta::crops(5).flip()));
/// assert_eq!(Tta::crops(3).flip().lighting().to_string(), "crops3+flip+lighting");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tta {
    base: Base,
    flip: bool,
    lighting: bool,
    rotation: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Random(usize),
    Crops(usize),
}

impl Tta {
    /// The plain view and so many as training sees them, as fastai 0.7 does: the plain one weighs as much
    /// as a quarter of the others.
    pub fn random(passes: usize) -> Tta {
        Tta::of(Base::Random(passes))
    }

    /// Windows that together see the whole picture. 3: the start, the middle and the end of the long side,
    /// so that no head is cut off. 5: the corners and the middle of the picture enlarged by the largest
    /// zoom of training (by 1.1 if it has none). Other numbers are refused when they are used.
    pub fn crops(count: usize) -> Tta {
        Tta::of(Base::Crops(count))
    }

    /// Every view a second time, mirrored: twice as many.
    pub fn flip(self) -> Tta {
        Tta { flip: true, ..self }
    }

    /// Brightness and contrast of every view but the plain one drawn within 5 %.
    pub fn lighting(self) -> Tta {
        Tta { lighting: true, ..self }
    }

    /// Every view but the plain one turned by an angle drawn within 10 degrees, three times out of four.
    pub fn rotation(self) -> Tta {
        Tta { rotation: true, ..self }
    }

    /// True if the plain view is the only one.
    pub fn is_plain(&self) -> bool {
        self.base == Base::Random(0) && !self.flip
    }

    /// How many views are predicted.
    pub fn len(&self) -> usize {
        let base = match self.base {
            Base::Random(passes) => passes + 1,
            Base::Crops(count) => count,
        };
        if self.flip { 2 * base } else { base }
    }

    /// Never true: at least the plain view is predicted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In words: "4 random views and the plain one", "3 crops, mirrored too".
    pub fn label(&self) -> String {
        let mut label = match self.base {
            Base::Random(0) => "the plain view".to_owned(),
            Base::Random(1) => "a random view and the plain one".to_owned(),
            Base::Random(passes) => format!("{passes} random views and the plain one"),
            Base::Crops(count) => format!("{count} crops"),
        };
        let extras = [
            (self.flip, ", mirrored too"),
            (self.lighting, ", light drawn"),
            (self.rotation, ", turned"),
        ];
        extras.iter().filter(|(is_on, _)| *is_on).for_each(|(_, words)| label.push_str(words));
        label
    }

    fn of(base: Base) -> Tta {
        Tta { base, flip: false, lighting: false, rotation: false }
    }

    /// The views, each with how often it counts.
    pub(crate) fn views(&self, transforms: &Transforms) -> Result<Vec<(View, usize)>> {
        let drawn = View { lighting: self.lighting, rotation: self.rotation, ..View::PLAIN };
        let frames: Vec<(View, usize)> = match self.base {
            Base::Random(passes) => {
                let plain = (View::PLAIN, passes.div_ceil(4).max(1));
                let random = |pass| (View { frame: Frame::Training, pass, ..drawn }, 1);
                std::iter::once(plain).chain((0..passes).map(random)).collect()
            }
            Base::Crops(count) => {
                let windows = windows(count, transforms)?.into_iter().enumerate();
                windows.map(|(pass, frame)| (View { frame, pass, ..drawn }, 1)).collect()
            }
        };
        if !self.flip {
            return Ok(frames);
        }
        let both = |(view, weight)| [(view, weight), (View { mirrored: true, ..view }, weight)];
        Ok(frames.into_iter().flat_map(both).collect())
    }
}

fn windows(count: usize, transforms: &Transforms) -> Result<Vec<Frame>> {
    let zoom = transforms.largest_zoom().unwrap_or(CORNER_ZOOM);
    let frame = |zoom| move |(down, across)| Frame::Window { zoom, down, across };
    match count {
        3 => Ok([0.0, 0.5, 1.0].map(|place| (place, place)).map(frame(1.0)).to_vec()),
        5 => {
            let places = [(0.0, 0.0), (0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (1.0, 1.0)];
            Ok(places.map(frame(zoom)).to_vec())
        }
        _ => Err(Error::setting("the number of crops", count, "it must be 3 or 5")),
    }
}

impl Default for Tta {
    /// Four random views, as in the lesson.
    fn default() -> Tta {
        Tta::random(4)
    }
}

impl From<usize> for Tta {
    fn from(passes: usize) -> Tta {
        Tta::random(passes)
    }
}

impl fmt::Display for Tta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.base {
            Base::Random(passes) => write!(f, "{passes}")?,
            Base::Crops(count) => write!(f, "crops{count}")?,
        }
        for (is_on, name) in
            [(self.flip, "flip"), (self.lighting, "lighting"), (self.rotation, "rotation")]
        {
            if is_on {
                write!(f, "+{name}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Tta {
    type Err = String;

    fn from_str(text: &str) -> Result<Tta, String> {
        let expected = || "expected a number of random views, crops3 or crops5, and +flip, +lighting or +rotation";
        let mut parts = text.split('+');
        let base = parts.next().unwrap_or_default();
        let tta = match (base.parse(), base) {
            (Ok(passes), _) => Tta::random(passes),
            (_, "crops3") => Tta::crops(3),
            (_, "crops5") => Tta::crops(5),
            _ => return Err(expected().to_owned()),
        };
        parts.try_fold(tta, |tta, part| match part {
            "flip" => Ok(tta.flip()),
            "lighting" => Ok(tta.lighting()),
            "rotation" => Ok(tta.rotation()),
            _ => Err(expected().to_owned()),
        })
    }
}

/// The predictions of each view, one that counts several times as often as it counts. With random views:
/// the plain one, repeated once for every four augmented ones (as fastai 0.7 weighs them), then those.
#[derive(Debug, Clone, PartialEq)]
pub struct TestTimeAugmentation {
    /// One a view, all of the same pictures in the same order; never empty.
    pub views: Vec<Predictions>,
}

impl TestTimeAugmentation {
    /// Predicts each view with `predict`.
    pub(crate) fn collect(
        tta: &Tta,
        transforms: &Transforms,
        mut predict: impl FnMut(&View) -> Result<Predictions>,
    ) -> Result<TestTimeAugmentation> {
        let mut views = Vec::new();
        for (view, weight) in tta.views(transforms)? {
            views.extend(std::iter::repeat_n(predict(&view)?, weight));
        }
        Ok(TestTimeAugmentation { views })
    }

    /// The mean of the views' probabilities.
    pub fn mean(&self) -> Predictions {
        mean(&self.views)
    }
}

/// The mean of several opinions on the same pictures. `opinions` is not empty.
pub(crate) fn mean(opinions: &[Predictions]) -> Predictions {
    let mut mean = opinions[0].clone();
    let share = 1.0 / opinions.len() as f64;
    for (index, value) in mean.probabilities.iter_mut().enumerate() {
        let sum: f64 = opinions.iter().map(|one| f64::from(one.probabilities[index])).sum();
        *value = (sum * share) as f32;
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_row(probabilities: [f32; 2]) -> Predictions {
        Predictions { probabilities: probabilities.to_vec(), classes: 2, ..Predictions::default() }
    }

    fn collect(tta: Tta) -> TestTimeAugmentation {
        let predict = |view: &View| {
            let plain = view.frame == Frame::Plain;
            Ok(one_row(if plain { [1.0, 0.0] } else { [0.0, 1.0] }))
        };
        TestTimeAugmentation::collect(&tta, &Transforms::side_on(32), predict).expect("views")
    }

    #[test]
    fn the_plain_view_counts_once_for_every_four() {
        for (passes, views) in [(0, 1), (1, 2), (4, 5), (5, 7), (8, 10)] {
            for (tta, views) in
                [(Tta::random(passes), views), (Tta::random(passes).flip(), 2 * views)]
            {
                let stack = collect(tta);
                assert_eq!(stack.views.len(), views);
                let plain_share = if passes == 0 { 1.0 } else { passes.div_ceil(4) as f32 }
                    / if tta.flip { views as f32 / 2.0 } else { views as f32 };
                assert!((stack.mean().probabilities[0] - plain_share).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn flipping_doubles_and_the_plain_view_stays_plain() {
        let transforms = Transforms::side_on(32);
        let views = Tta::random(2).flip().lighting().rotation().views(&transforms).expect("views");
        assert_eq!(views.len(), Tta::random(2).flip().len());
        assert!(views[0].0.is_plain());
        assert_eq!(views[1].0, View { mirrored: true, ..View::PLAIN });
        assert!(views[2..].iter().all(|(view, _)| view.lighting && view.rotation));
        assert_eq!(views[2].0.pass, views[3].0.pass);
        assert_ne!(views[3].0.pass, views[4].0.pass);
    }

    #[test]
    fn crops_lie_at_the_ends_and_in_the_middle() {
        let transforms = Transforms::side_on(32).max_zoom(1.25);
        let zooms = |count| -> Vec<f64> {
            let views = Tta::crops(count).views(&transforms).expect("views");
            let zoom = |(view, _): &(View, usize)| match view.frame {
                Frame::Window { zoom, .. } => zoom,
                _ => f64::NAN,
            };
            views.iter().map(zoom).collect()
        };
        assert_eq!((zooms(3), zooms(5)), (vec![1.0; 3], vec![1.25; 5]));
        let error = Tta::crops(4).views(&transforms).expect_err("four");
        assert!(error.to_string().contains("3 or 5"), "{error}");
    }

    #[test]
    fn words_come_back() {
        for text in ["0", "4", "4+flip", "crops3", "crops5+flip", "crops3+flip+lighting+rotation"] {
            assert_eq!(text.parse::<Tta>().expect("known").to_string(), text);
        }
        for text in ["", "crops", "crops4", "-1", "4+", "flip", "crops3+zoom"] {
            assert!(text.parse::<Tta>().is_err(), "{text}");
        }
    }
}
