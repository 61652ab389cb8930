//! How large the pictures of a split are, before anything is trained: what fits in memory, what size the
//! network should see, and which files are no pictures.

use rayon::prelude::*;

use super::splits::Split;
use crate::picture::{PictureSize, open_picture};
use crate::{Error, Result};

/// Sizes that networks are commonly trained at.
const SIZES: [usize; 10] = [32, 48, 64, 96, 128, 160, 192, 224, 256, 299];
/// Bars of a histogram, about.
const BARS: usize = 12;

/// What the files of a split turned out to be.
#[derive(Debug)]
pub struct Inspection {
    /// Name and size of each picture, in the order of the split.
    pub sizes: Vec<(String, PictureSize)>,
    /// Name of each file that cannot be read, and why.
    pub unreadable: Vec<(String, Error)>,
}

impl Inspection {
    /// Reads the headers of all files, in parallel.
    pub fn of_headers(split: &Split) -> Inspection {
        Inspection::new(split, split.sizes())
    }

    /// Decodes all files, in parallel: slow, but finds files that are damaged further on.
    pub fn of_pictures(split: &Split) -> Inspection {
        let size = |file: &std::path::PathBuf| {
            let picture = open_picture(file)?;
            Ok(PictureSize { width: picture.width, height: picture.height })
        };
        Inspection::new(split, split.files().par_iter().map(size).collect())
    }

    fn new(split: &Split, found: Vec<Result<PictureSize>>) -> Inspection {
        let (mut sizes, mut unreadable) = (Vec::new(), Vec::new());
        for (index, size) in found.into_iter().enumerate() {
            let name = split.name(index).into_owned();
            match size {
                Ok(size) => sizes.push((name, size)),
                Err(error) => unreadable.push((name, error)),
            }
        }
        Inspection { sizes, unreadable }
    }

    /// Width of each picture that can be read.
    pub fn widths(&self) -> Vec<usize> {
        self.sizes.iter().map(|(_, size)| size.width).collect()
    }

    /// Height of each picture that can be read.
    pub fn heights(&self) -> Vec<usize> {
        self.sizes.iter().map(|(_, size)| size.height).collect()
    }

    /// The largest common size that three of four pictures have without being enlarged, 32 to 299; `None`
    /// without pictures.
    pub fn suggested_size(&self) -> Option<usize> {
        let mut sides: Vec<usize> = self.sizes.iter().map(|(_, size)| size.short_side()).collect();
        sides.sort_unstable();
        let quarter = *sides.get(sides.len() / 4)?;
        SIZES.into_iter().rev().find(|&size| size <= quarter).or(Some(SIZES[0]))
    }
}

/// Values from `from` to `to`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Bin {
    /// The lowest value.
    pub from: usize,
    /// The highest value.
    pub to: usize,
    /// How many there are.
    pub count: usize,
}

/// How often values come, in bins of equal width.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Histogram {
    /// About a dozen, rising, without gaps; none without values.
    pub bins: Vec<Bin>,
    /// Values that were left out because they are too large.
    pub beyond: usize,
}

impl Histogram {
    /// Counts values; with a bound only those below it, in narrower bins.
    ///
    /// ```
    /// use fastlearn::data::Histogram;
    ///
    /// let histogram = Histogram::new(&[10, 11, 12, 500], Some(100));
    /// assert_eq!((histogram.bins.len(), histogram.beyond), (3, 1));
    /// ```
    pub fn new(values: &[usize], below: Option<usize>) -> Histogram {
        let is_shown = |value: &&usize| below.is_none_or(|below| **value < below);
        let shown: Vec<usize> = values.iter().filter(is_shown).copied().collect();
        let beyond = values.len() - shown.len();
        let (Some(&low), Some(&high)) = (shown.iter().min(), shown.iter().max()) else {
            return Histogram { bins: Vec::new(), beyond };
        };
        let width = nice((high - low) / BARS + 1);
        let first = low / width * width;
        let bins = (first..=high).step_by(width).map(|from| Bin {
            from,
            to: from + width - 1,
            count: shown.iter().filter(|&&value| (from..from + width).contains(&value)).count(),
        });
        Histogram { bins: bins.collect(), beyond }
    }
}

/// The next of 1, 2, 5, 10, 20, 50 and so on.
fn nice(width: usize) -> usize {
    let steps = (0..).flat_map(|power| [1, 2, 5].map(|step| step * 10usize.pow(power)));
    steps.into_iter().find(|&step| step >= width).unwrap_or(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection(sides: &[(usize, usize)]) -> Inspection {
        let size = |&(width, height)| (String::new(), PictureSize { width, height });
        Inspection { sizes: sides.iter().map(size).collect(), unreadable: Vec::new() }
    }

    #[test]
    fn three_of_four_pictures_are_not_enlarged() {
        let suggested = |sides| inspection(sides).suggested_size();
        assert_eq!(suggested(&[(256, 256); 5]), Some(256));
        assert_eq!(suggested(&[(100, 500), (240, 500), (500, 240), (900, 900)]), Some(224));
        assert_eq!(suggested(&[(20, 20)]), Some(32));
        assert_eq!(suggested(&[(4000, 3000)]), Some(299));
        assert_eq!(suggested(&[]), None);
    }

    #[test]
    fn bins_hold_every_value_once() {
        let values: Vec<usize> = (0..500).map(|i| 97 + i * i % 1811).collect();
        for below in [None, Some(1000), Some(97)] {
            let histogram = Histogram::new(&values, below);
            let counted: usize = histogram.bins.iter().map(|bin| bin.count).sum();
            let want = values.iter().filter(|&&v| below.is_none_or(|below| v < below)).count();
            assert_eq!((counted, counted + histogram.beyond), (want, values.len()));
            assert!(histogram.bins.len() <= BARS + 2, "{below:?}");
            assert!(histogram.bins.windows(2).all(|pair| pair[0].to + 1 == pair[1].from));
        }
        assert_eq!(Histogram::new(&[7; 9], None).bins, [Bin { from: 7, to: 7, count: 9 }]);
        assert_eq!([1, 2, 3, 7, 11, 60].map(nice), [1, 2, 5, 10, 20, 100]);
    }

    #[test]
    fn headers_and_decoding_tell_apart_what_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        image::RgbImage::new(40, 30).save(file("a.png")).unwrap();
        let whole = std::fs::read(file("a.png")).unwrap();
        std::fs::write(file("b.png"), &whole[..whole.len() / 2]).unwrap();
        std::fs::write(file("c.png"), "Dear reader").unwrap();
        let split = Split::unlabelled(["a.png", "b.png", "c.png"].map(file).to_vec());
        let (headers, pictures) = (Inspection::of_headers(&split), Inspection::of_pictures(&split));
        let faulty = |inspection: &Inspection| inspection.unreadable.len();
        assert_eq!((faulty(&headers), faulty(&pictures)), (1, 2));
        assert_eq!((headers.widths()[0], headers.heights()[0]), (40, 30));
        assert!(headers.unreadable[0].0.ends_with("c.png"));
    }
}
