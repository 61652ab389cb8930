//! All labelled pictures before they are divided into those to learn from and those to judge by.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::splits::Split;

/// Pictures in the order of their table or folders, with the ids that they go by there. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub split: Split,
    ids: Arc<[String]>,
}

impl Pool {
    pub fn new(split: Split, ids: Vec<String>) -> Pool {
        debug_assert_eq!(split.len(), ids.len());
        Pool { split, ids: ids.into() }
    }

    /// Pictures that go by their names.
    pub fn of_names(split: Split) -> Pool {
        let ids = split.file_names();
        Pool::new(split, ids)
    }

    /// Finds pictures by id, with or without the suffix of the file.
    pub fn finder(&self) -> impl Fn(&str) -> Option<usize> {
        // `None`: several pictures are alike but for their suffixes.
        let mut found: HashMap<&str, Option<usize>> = HashMap::new();
        for (index, id) in self.ids.iter().enumerate() {
            found.insert(id, Some(index));
        }
        for (index, id) in self.ids.iter().enumerate() {
            let bare = without_suffix(id);
            if bare != id {
                found.entry(bare).and_modify(|other| *other = None).or_insert(Some(index));
            }
        }
        move |id| {
            let exact = found.get(id).copied().flatten();
            exact.or_else(|| found.get(without_suffix(id)).copied().flatten())
        }
    }
}

/// An id without the suffix that makes it a picture's file name.
fn without_suffix(id: &str) -> &str {
    match super::folders::is_picture_name(Path::new(id)) {
        true => id.rsplit_once('.').map_or(id, |(bare, _)| bare),
        false => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn ids_are_found_with_and_without_suffix() {
        let ids = ["a.jpg", "b", "c.v2.png", "d.jpg", "d.png"].map(str::to_owned);
        let files = ids.iter().map(PathBuf::from).collect();
        let pool = Pool::new(Split::unlabelled(files), ids.to_vec());
        let find = pool.finder();
        for (id, index) in [("a", 0), ("a.jpg", 0), ("b.JPG", 1), ("c.v2", 2), ("d.png", 4)] {
            assert_eq!(find(id), Some(index), "{id}");
        }
        assert_eq!((find("d"), find("c"), find("a.b")), (None, None, None));
    }
}
