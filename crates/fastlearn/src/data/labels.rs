//! What pictures should be recognised as: nothing known, one class each, or several.
//!
//! Class names and how labels are read from folders or tables are other files' business.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether the classes of a data set exclude each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelKind {
    /// One class a picture: softmax and cross entropy.
    #[default]
    One,
    /// Any number of classes a picture: a sigmoid and binary cross entropy for each.
    Several,
}

impl fmt::Display for LabelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LabelKind::One => "one class a picture",
            LabelKind::Several => "several classes a picture",
        })
    }
}

/// The labels of pictures in order, as indexes into the classes.
///
/// ```
/// use fastlearn::data::{LabelKind, Labels};
///
/// let tags = Labels::several(vec![vec![2, 0], vec![]]);
/// assert_eq!(tags.of(0), [0, 2]); // sorted, each class once
/// assert_eq!(Labels::One(vec![1, 4]).of(1), [4]);
/// assert_eq!(tags.kind(), Some(LabelKind::Several));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Labels {
    /// Nothing is known of them.
    #[default]
    Unknown,
    /// The class of each picture.
    One(Vec<u32>),
    /// The classes of each picture, sorted, each once; a picture may have none.
    Several(Vec<Vec<u32>>),
}

impl Labels {
    /// Several classes a picture, in any order.
    pub fn several(mut rows: Vec<Vec<u32>>) -> Labels {
        for row in &mut rows {
            row.sort_unstable();
            row.dedup();
        }
        Labels::Several(rows)
    }

    /// No labels of this kind, to be [added](Labels::extend) to.
    pub fn none_of(kind: LabelKind) -> Labels {
        match kind {
            LabelKind::One => Labels::One(Vec::new()),
            LabelKind::Several => Labels::Several(Vec::new()),
        }
    }

    /// Pictures whose labels are known.
    pub fn len(&self) -> usize {
        match self {
            Labels::Unknown => 0,
            Labels::One(classes) => classes.len(),
            Labels::Several(rows) => rows.len(),
        }
    }

    /// True if no picture's labels are known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a picture has one class or several; `None` if nothing is known.
    pub fn kind(&self) -> Option<LabelKind> {
        match self {
            Labels::Unknown => None,
            Labels::One(_) => Some(LabelKind::One),
            Labels::Several(_) => Some(LabelKind::Several),
        }
    }

    /// The class of each picture, where there is one each.
    pub fn one(&self) -> Option<&[u32]> {
        match self {
            Labels::One(classes) => Some(classes),
            _ => None,
        }
    }

    /// The classes of one picture; none if they are not known.
    ///
    /// # Panics
    /// If labels are known and `index` is not below [`len`](Labels::len).
    pub fn of(&self, index: usize) -> &[u32] {
        match self {
            Labels::Unknown => &[],
            Labels::One(classes) => std::slice::from_ref(&classes[index]),
            Labels::Several(rows) => &rows[index],
        }
    }

    /// These pictures' labels only, in this order.
    ///
    /// # Panics
    /// If labels are known and an index is not below [`len`](Labels::len).
    pub fn select(&self, indexes: &[usize]) -> Labels {
        match self {
            Labels::Unknown => Labels::Unknown,
            Labels::One(classes) => Labels::One(indexes.iter().map(|&i| classes[i]).collect()),
            Labels::Several(rows) => {
                Labels::Several(indexes.iter().map(|&i| rows[i].clone()).collect())
            }
        }
    }

    /// Adds further pictures' labels. What is known and what is not, or different kinds, cannot be
    /// mixed: then nothing is known of any.
    pub fn extend(&mut self, more: &Labels) {
        match (&mut *self, more) {
            (Labels::One(classes), Labels::One(more)) => classes.extend_from_slice(more),
            (Labels::Several(rows), Labels::Several(more)) => rows.extend_from_slice(more),
            _ => *self = Labels::Unknown,
        }
    }

    /// Pictures of each class.
    ///
    /// # Panics
    /// If a label is not below `classes`.
    pub fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for index in 0..self.len() {
            self.of(index).iter().for_each(|&class| counts[class as usize] += 1);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_selected_and_counted() {
        let tags = Labels::several(vec![vec![2, 0, 2], vec![], vec![1, 2]]);
        assert_eq!(tags.counts(4), [1, 1, 2, 0]);
        assert_eq!(tags.select(&[2, 1]), Labels::Several(vec![vec![1, 2], vec![]]));
        let one = Labels::One(vec![3, 1, 3]);
        assert_eq!(one.counts(4), [0, 1, 0, 2]);
        assert_eq!(one.select(&[1, 1]).one(), Some([1, 1].as_slice()));
        assert_eq!(Labels::Unknown.select(&[5]), Labels::Unknown);
        assert!(Labels::Unknown.of(9).is_empty());
    }

    #[test]
    fn what_is_not_known_stays_so() {
        let mut labels = Labels::none_of(LabelKind::Several);
        labels.extend(&Labels::several(vec![vec![1]]));
        labels.extend(&Labels::several(vec![vec![]]));
        assert_eq!(labels.len(), 2);
        labels.extend(&Labels::Unknown);
        assert_eq!(labels, Labels::Unknown);
        let mut unknown = Labels::Unknown;
        unknown.extend(&Labels::One(vec![1]));
        assert_eq!(unknown.kind(), None);
    }
}
