//! Folder layouts: vocabularies, what is held out, and which fault names which folder. No picture is
//! decoded here.

use super::*;

/// Makes empty files; nothing is decoded when folders are read.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        let folder = if file.ends_with('/') { &path } else { path.parent().unwrap() };
        fs::create_dir_all(folder).unwrap();
        if !file.ends_with('/') {
            fs::write(&path, b"").unwrap();
        }
    }
    root
}

fn read(root: &tempfile::TempDir) -> Folders {
    read_folders(root.path(), HoldOut::default()).unwrap()
}

/// The message, which must name the folder at fault.
fn fault(files: &[&str], folder: &str) -> String {
    let root = tree(files);
    let message = read_folders(root.path(), HoldOut::default()).unwrap_err().to_string();
    let named = root.path().join(folder).display().to_string();
    assert!(message.starts_with(&format!("{}: ", named.trim_end_matches('/'))), "{message}");
    message
}

#[test]
fn train_and_valid_share_one_sorted_vocabulary() {
    let root = tree(&[
        "train/dogs/2.JPG",
        "train/dogs/10.jpeg",
        "train/dogs/notes.txt",
        "train/dogs/.hidden.jpg",
        "train/cats/1.png",
        "train/ants/x.WebP",
        "train/.ipynb_checkpoints/y.jpg",
        "valid/dogs/b.jpg",
        "valid/ants/a.tiff",
    ]);
    let folders = read(&root);
    assert_eq!(folders.classes, ["ants", "cats", "dogs"]);
    let names = ["train/ants/x.WebP", "train/cats/1.png", "train/dogs/10.jpeg", "train/dogs/2.JPG"];
    assert_eq!(folders.train.file_names(), names);
    assert_eq!(*folders.train.labels(), Labels::One(vec![0, 1, 2, 2]));
    // No cats in valid: the labels of those after them must not shift.
    assert_eq!(folders.valid.file_names(), ["valid/ants/a.tiff", "valid/dogs/b.jpg"]);
    assert_eq!(*folders.valid.labels(), Labels::One(vec![0, 2]));
    assert!(folders.test.is_none());
}

#[test]
fn test_folders_are_flat_or_labelled() {
    let flat = read(&tree(&[
        "train/a/1.jpg",
        "train/b/1.jpg",
        "valid/a/2.jpg",
        "test/9.jpg",
        "test/10.jpg",
    ]));
    let test = flat.test.unwrap();
    assert_eq!(test.file_names(), ["test/10.jpg", "test/9.jpg"]);
    assert_eq!(*test.labels(), Labels::Unknown);
    let labelled =
        read(&tree(&["train/a/1.jpg", "train/b/1.jpg", "valid/a/2.jpg", "test/b/9.jpg"]));
    assert_eq!(*labelled.test.unwrap().labels(), Labels::One(vec![1]));
}

#[test]
fn plain_folders_hold_out_a_fifth() {
    let files: Vec<String> =
        (0..50).map(|i| format!("{}/{i:02}.png", if i < 30 { "a" } else { "b" })).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let folders = read(&tree(&files));
    let mut held = cross_validation_indexes(50, 0, 0.2, 42);
    held.sort_unstable();
    assert_eq!(folders.valid.file_names(), held.iter().map(|&i| files[i]).collect::<Vec<_>>());
    assert_eq!(folders.train.len(), 40);
    assert_eq!(folders.classes, ["a", "b"]);
    assert!(
        folders.train.file_names().iter().all(|name| !folders.valid.file_names().contains(name))
    );
}

#[test]
fn train_without_valid_holds_out_too() {
    let files: Vec<String> = (0..20).map(|i| format!("train/{}/{i:02}.png", i % 2)).collect();
    let folders = read(&tree(&files.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!((folders.train.len(), folders.valid.len()), (16, 4));
}

#[test]
fn faults_name_the_folder() {
    let empty = fault(&["train/a/1.jpg", "train/b/", "valid/a/1.jpg"], "train/b");
    assert!(empty.contains("empty class"), "{empty}");
    let hidden = fault(&["train/a/1.jpg", "train/b/.x.jpg", "valid/a/1.jpg"], "train/b");
    assert!(hidden.contains("empty class"), "{hidden}");
    let only_valid = fault(&["train/a/1.jpg", "valid/a/1.jpg", "valid/b/1.jpg"], "valid/b");
    assert!(only_valid.contains("training folder does not have"), "{only_valid}");
    fault(&["train/a/1.jpg", "valid/a/1.jpg", "test/b/1.jpg"], "test/b");
    assert!(fault(&["notes.txt"], "").contains("no class folders"));
    assert!(fault(&["train/", "valid/a/1.jpg"], "train").contains("no class folders"));
    assert!(fault(&["a/1.jpg", "b/1.jpg"], "").contains("leaves none"));
    let missing = read_folders(Path::new("no/such/folder"), HoldOut::default()).unwrap_err();
    assert_eq!(missing.to_string(), "no/such/folder: there is no such folder");
}

#[test]
fn a_class_must_not_lose_all_its_pictures() {
    // Of ten pictures, those numbered 8 and 1 are held out.
    let files: Vec<String> = (0..10)
        .map(|i| {
            format!(
                "{}/{i}.png",
                if i == 8 {
                    'b'
                } else if i > 8 {
                    'c'
                } else {
                    'a'
                }
            )
        })
        .collect();
    let message = fault(&files.iter().map(String::as_str).collect::<Vec<_>>(), "b");
    assert!(message.contains("held out"), "{message}");
}

#[test]
fn a_fraction_must_leave_something() {
    let root = tree(&["a/1.jpg"]);
    for fraction in [0.0, 1.0, -1.0, f64::NAN] {
        let hold_out = HoldOut { fraction, ..HoldOut::default() };
        assert!(matches!(read_folders(root.path(), hold_out), Err(Error::Setting { .. })));
    }
}

#[cfg(unix)]
#[test]
fn names_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let root = tree(&["train/a/1.jpg", "valid/a/1.jpg"]);
    let class = root.path().join("train").join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&class).unwrap();
    let file = class.join(OsStr::from_bytes(b"\xff.jpg"));
    fs::write(&file, b"").unwrap();
    let folders = read(&root);
    assert_eq!(folders.classes, ["a", "caf\u{fffd}"]);
    assert_eq!(folders.train.files()[1], file);
    assert_eq!(folders.train.name(1), "train/caf\u{fffd}/\u{fffd}.jpg");
}

#[test]
fn pictures_are_found_at_any_depth() {
    let root = tree(&["b/2.jpg", "b/c/3.png", "1.gif", "b/c/readme.md", ".x/4.jpg"]);
    let found = pictures_in(root.path()).unwrap();
    let want: Vec<PathBuf> =
        ["1.gif", "b/2.jpg", "b/c/3.png"].map(|name| root.path().join(name)).into();
    assert_eq!(found, want);
    assert_eq!(pictures_in(&want[0]).unwrap(), want[..1]);
    assert!(pictures_in(&root.path().join(".x/..").join("nothing")).is_err());
    assert!(pictures_in(tree(&["readme.md"]).path()).is_err());
}
