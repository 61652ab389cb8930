//! Classes from the names of files that lie in one folder.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use super::ImageData;
use super::folders::pictures_in;
use super::labels::{LabelKind, Labels};
use super::pool::Pool;
use super::splits::Split;
use super::validation::Validation;
use crate::transforms::Transforms;
use crate::{Error, Result};

/// The group that is the class if a pattern has several.
const CLASS: &str = "class";

impl ImageData {
    /// Pictures whose names say what they are, such as Kaggle's `train/cat.0.jpg`: `pattern` is a regular
    /// expression on the path within `folder`, and its one group, or the group named `class`, is the
    /// class. Files are sorted by name, a fifth is held out; see
    /// [`validate_on`](ImageData::validate_on) for another choice.
    ///
    /// ```no_run
    /// use fastlearn::{ImageData, Transforms};
    /// let data = ImageData::from_names("dogscats/train", r"^(\w+)\.", Transforms::side_on(224))?;
    /// assert_eq!(data.classes(), ["cat", "dog"]);
    /// # Ok::<(), fastlearn::Error>(())
    /// ```
    ///
    /// # Errors
    /// For a pattern that is none, has no group or several unnamed ones; names the first file that it does
    /// not match.
    pub fn from_names(
        folder: impl AsRef<Path>,
        pattern: &str,
        transforms: Transforms,
    ) -> Result<ImageData> {
        ImageData::from_names_holding_out(folder, pattern, transforms, Validation::default())
    }

    /// As [`from_names`](ImageData::from_names), with a choice of what is held out.
    ///
    /// # Errors
    /// As [`from_names`](ImageData::from_names).
    pub fn from_names_holding_out(
        folder: impl AsRef<Path>,
        pattern: &str,
        transforms: Transforms,
        validation: impl Into<Validation>,
    ) -> Result<ImageData> {
        transforms.training()?;
        let folder = folder.as_ref();
        let (regex, group) = pattern_of(pattern)?;
        let split = Split::new(folder, pictures_in(folder)?, Labels::Unknown);
        let names = split.file_names();
        let class_of = |name: &String| -> Option<String> {
            let found = regex.captures(name)?.get(group)?;
            Some(found.as_str().to_owned()).filter(|class| !class.is_empty())
        };
        let found: Vec<Option<String>> = names.iter().map(class_of).collect();
        if let Some(first) = found.iter().position(Option::is_none) {
            let count = found.iter().filter(|class| class.is_none()).count();
            let reason =
                format!("`{pattern}` finds no class in its name, nor in {} others", count - 1);
            return Err(Error::picture(&split.files()[first], reason));
        }
        let classes: BTreeSet<String> = found.iter().flatten().cloned().collect();
        let classes: Vec<String> = classes.into_iter().collect();
        let label = |class: &String| classes.partition_point(|other| other < class) as u32;
        let labels = Labels::One(found.iter().flatten().map(label).collect());
        let pool = Pool::of_names(Split::new(folder, split.files().to_vec(), labels));
        let root = folder.to_owned();
        ImageData::of_pool(root, classes, LabelKind::One, pool, transforms)
            .validate_on(validation)
            .map_err(|error| match error {
                Error::Split(reason) => Error::folder(folder, reason),
                other => other,
            })
    }
}

/// A pattern and the number of its group that is the class.
fn pattern_of(pattern: &str) -> Result<(Regex, usize)> {
    let wrong = |rule| Err(Error::setting("the pattern of names", pattern, rule));
    let regex = match Regex::new(pattern) {
        Ok(regex) => regex,
        Err(error) => return Err(Error::Pattern(error.to_string())),
    };
    let named = regex.capture_names().position(|name| name == Some(CLASS));
    match (named, regex.captures_len()) {
        (Some(group), _) => Ok((regex, group)),
        (None, 2) => Ok((regex, 1)),
        (None, 1) => wrong("it needs a group for the class, in parentheses"),
        (None, _) => wrong("of several groups one must be named: (?<class>...)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[&str], pattern: &str) -> Result<ImageData> {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let every = Validation::Nothing;
        ImageData::from_names_holding_out(root.path(), pattern, Transforms::none(16), every)
    }

    const KAGGLE: [&str; 4] = ["dog.1.jpg", "cat.10.jpg", "cat.2.jpg", "dog.0.jpg"];

    #[test]
    fn the_group_is_the_class() {
        let data = read(&KAGGLE, r"^(\w+)\.").unwrap();
        assert_eq!(data.classes(), ["cat", "dog"]);
        assert_eq!(
            data.train().file_names(),
            ["cat.10.jpg", "cat.2.jpg", "dog.0.jpg", "dog.1.jpg"]
        );
        assert_eq!(*data.train().labels(), Labels::One(vec![0, 0, 1, 1]));
        let files = ["2017/x_pug_1.jpg", "2018/y_boxer_2.png"];
        let data = read(&files, r"^(\d+)/._(?<class>[a-z]+)").unwrap();
        assert_eq!(data.classes(), ["boxer", "pug"]);
        assert_eq!(*data.train().labels(), Labels::One(vec![1, 0]));
    }

    #[test]
    fn patterns_and_names_that_do_not_fit_are_refused() {
        let fault = |pattern| read(&KAGGLE, pattern).unwrap_err().to_string();
        assert!(fault(r"(\w+").contains("regular expression"));
        assert!(fault(r"^\w+\.").contains("group"));
        assert!(fault(r"(\w+)\.(\d+)").contains("(?<class>...)"));
        let message = fault(r"^(dog)\.");
        assert!(message.contains("cat.10.jpg: ") && message.contains("1 others"), "{message}");
    }

    #[test]
    fn a_class_must_not_be_held_out_whole() {
        let root = tempfile::tempdir().unwrap();
        KAGGLE.iter().for_each(|file| std::fs::write(root.path().join(file), b"").unwrap());
        let ids = Validation::Ids(vec!["cat.2".to_owned(), "cat.10.jpg".to_owned()]);
        let transforms = Transforms::none(16);
        let held = ImageData::from_names_holding_out(root.path(), r"^(\w+)\.", transforms, ids);
        let error = held.unwrap_err().to_string();
        assert!(error.contains(&root.path().display().to_string()) && error.contains("`cat`"));
    }
}
