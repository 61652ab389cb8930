//! Tables of every kind and what they come to, and which fault names which line. No picture is decoded
//! here.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::data::{HoldOut, cross_validation_indexes};

/// A folder of empty picture files and a table beside them.
fn world(files: &[&str], table: impl AsRef<[u8]>) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    fs::write(root.path().join("labels.csv"), table).unwrap();
    root
}

/// `count` pictures `p00.jpg` on, and lines of a table made from their numbers.
fn numbered(count: usize, header: &str, line: impl Fn(usize) -> String) -> TempDir {
    let files: Vec<String> = (0..count).map(|i| format!("p{i:02}.jpg")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let lines: Vec<String> = (0..count).map(line).collect();
    world(&files, format!("{header}{}\n", lines.join("\n")))
}

fn csv(root: &TempDir) -> Csv {
    Csv::new(root.path().join("labels.csv"))
}

fn read(csv: Csv) -> ImageData {
    ImageData::from_csv(csv, Transforms::none(16)).unwrap()
}

/// The pool's names and tags: what was read before anything was held out.
fn rows(data: &ImageData) -> Vec<(String, Vec<String>)> {
    let split = &data.pool.split;
    let tags = |index| {
        let labels = split.labels().of(index).iter();
        labels.map(|&class| data.classes()[class as usize].clone()).collect()
    };
    (0..split.len()).map(|index| (split.name(index).into_owned(), tags(index))).collect()
}

fn row(name: &str, tags: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), tags.iter().map(|&tag| tag.to_owned()).collect())
}

/// The message, which must begin with the table's name and this line.
#[track_caller]
fn fault(root: &TempDir, csv: Csv, line: Option<usize>) -> String {
    let message = ImageData::from_csv(csv, Transforms::none(16)).unwrap_err().to_string();
    let name = root.path().join("labels.csv").display().to_string();
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    assert!(message.starts_with(&format!("{name}{line}: ")), "{message}");
    message
}

const FOUR: [&str; 4] = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"];

fn half(csv: Csv) -> Csv {
    csv.validation(vec![3])
}

#[test]
fn rows_in_file_order_are_divided_as_fastai_does() {
    let table = |i: usize| format!("p{i:02},{}", ["x", "y"][i % 2]);
    let root = numbered(50, "id,breed\n", table);
    let data = read(csv(&root));
    assert_eq!(
        (data.classes(), data.label_kind()),
        (["x", "y"].map(str::to_owned).as_slice(), LabelKind::One)
    );
    let mut held = cross_validation_indexes(50, 0, 0.2, 42);
    held.sort_unstable();
    let names: Vec<String> = held.iter().map(|i| format!("p{i:02}.jpg")).collect();
    assert_eq!(data.valid().file_names(), names);
    assert_eq!((data.train().len(), data.valid().len()), (40, 10));
    assert_eq!(data.valid().labels().of(0), [held[0] as u32 % 2]);
    let notice = &data.notices()[0];
    assert!(notice.contains("`.jpg` was added to 50 ids"), "{notice}");
}

#[test]
fn one_row_with_several_tags_makes_them_tags() {
    let root = world(&FOUR, "image_name,tags\na,field trees\nb,field\nc,sea\nd,trees  sea field\n");
    let data = read(half(csv(&root)));
    assert_eq!(data.label_kind(), LabelKind::Several);
    let want = [
        row("a.jpg", &["field", "trees"]),
        row("b.jpg", &["field"]),
        row("c.jpg", &["sea"]),
        row("d.jpg", &["field", "sea", "trees"]),
    ];
    assert_eq!(rows(&data), want);
    assert!(data.notices().iter().any(|notice| notice.contains("up to 3 labels")));
    // The same cells as names with spaces in them.
    let whole = read(half(csv(&root).single_label()).validation(Validation::Nothing));
    assert_eq!(whole.classes(), ["field", "field trees", "sea", "trees  sea field"]);
    assert_eq!(whole.label_kind(), LabelKind::One);
    let other = world(&FOUR, "id,tag\na,x\nb,y\nc,\nd,x\n");
    let data = read(half(csv(&other)).multi_label());
    assert_eq!(data.pool.split.labels(), &Labels::several(vec![vec![0], vec![1], vec![], vec![0]]));
}

#[test]
fn tables_of_every_make_are_read_alike() {
    let want = [
        row("a.jpg", &["x y", "z"]),
        row("b.jpg", &["z"]),
        row("c.jpg", &["x y"]),
        row("d.jpg", &["z"]),
    ];
    let tables: [(&str, &[u8]); 7] = [
        ("plain", b"id,tags\na.jpg,z|x y\nb.jpg,z\nc.jpg,x y\nd.jpg,z\n"),
        ("windows", b"\xef\xbb\xbfid,tags\r\na.jpg,z|x y\r\nb.jpg,z\r\nc.jpg,x y\r\nd.jpg,z\r\n"),
        ("quoted", b"\"id\",\"tags\"\n\"a.jpg\",\"z|x y\"\n\"b.jpg\",z\nc.jpg, x y \nd.jpg,z"),
        ("semicolons", b"id;tags\na;z|x y\nb;z\nc;x y\nd;z\n"),
        ("tabs", b"id\ttags\na\tz|x y\nb\tz\n\nc\tx y\nd\tz\n"),
        ("headless", b"a,z|x y\nb,z\nc,x y\nd,z\n"),
        ("more columns", b"id,tags,by\na,z|x y,me\nb,z,\"you, too\"\nc,x y,me\nd,z,me\n"),
    ];
    for (name, table) in tables {
        let root = world(&FOUR, table);
        let data = read(half(csv(&root)).delimiter('|'));
        assert_eq!(rows(&data), want, "{name}");
        let said = data.notices().iter().any(|notice| notice.contains("first line"));
        assert_eq!(said, name == "headless", "{name}");
    }
}

#[test]
fn columns_go_by_name_or_position() {
    let root = world(&FOUR, "n,breed,file\n1,x,a\n2,y,b\n3,x,c\n4,y,d\n");
    let want =
        [row("a.jpg", &["x"]), row("b.jpg", &["y"]), row("c.jpg", &["x"]), row("d.jpg", &["y"])];
    assert_eq!(rows(&read(half(csv(&root)).id_column("file").label_column("breed"))), want);
    assert_eq!(rows(&read(half(csv(&root)).id_column(2).label_column(1))), want);
    let root = world(&FOUR, "x,a\ny,b\nx,c\ny,d\n");
    assert_eq!(rows(&read(half(csv(&root)).id_column(1))), want);
    assert_eq!(rows(&read(half(csv(&root)).label_column(0).header(false))), want);
    let message = fault(&root, csv(&root).id_column("file"), Some(1));
    assert!(message.contains("no column `file`") && message.contains("x, a"), "{message}");
    fault(&root, csv(&root).label_column(2), Some(1));
    fault(&root, csv(&root).label_column(1).id_column(1), Some(1));
}

#[test]
fn pictures_are_found_by_folder_and_suffix() {
    let files = ["img/a.jpg", "img/b.PNG", "img/sub/c.jpeg", "img/a.png"];
    let root = world(&files, "id,label\na,x\nb,y\nsub/c,x\na.png,y\n");
    let data = read(half(csv(&root)).folder("img"));
    let names: Vec<String> = rows(&data).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["img/a.jpg", "img/b.PNG", "img/sub/c.jpeg", "img/a.png"]);
    assert_eq!(data.notices().len(), 3, "{:?}", data.notices());
    let named = read(half(csv(&root)).folder(root.path().join("img")));
    assert_eq!(rows(&named), rows(&data));
    // Elsewhere than the pictures.
    let tables = world(&[], "id,label\na,x\nb,y\nsub/c,x\na.png,y\n");
    let away = read(half(csv(&tables)).root(root.path()).folder("img"));
    assert_eq!((rows(&away), away.root()), (rows(&data), root.path()));
    let message = fault(&root, csv(&root).folder("img").suffix(".jpg"), Some(3));
    assert!(message.contains("`b`") && message.contains("one other row"), "{message}");
}

#[test]
fn faults_name_the_line() {
    let check = |table: &[u8], line: Option<usize>, words: &str| {
        let root = world(&FOUR, table);
        let message = fault(&root, csv(&root), line);
        assert!(message.contains(words), "{words} in {message}");
    };
    check(b"", None, "empty");
    check(b"\n \n", None, "empty");
    check(b"id,label\n", None, "no row");
    check(b"id,label\na,x\nb,y\nzebra,x\nd,y\n", Some(4), "`zebra`");
    check(b"id,label\na,x\nb,y\na,y\n", Some(4), "on line 2");
    check(b"id,label\na,x\nb,y\na.jpg,y\n", Some(4), "on line 2");
    check(b"id,label\na,x\nb,\n", Some(3), "label is empty");
    check(b"id,label\r\na,x\r\n\r\nb,y\r\nzebra,x\r\n", Some(5), "`zebra`");
    check(b"\n\nid,label\na,x\n\n\nzebra,x\n", Some(7), "`zebra`");
    check(b"id,label\na,x\n,y\n", Some(3), "id is empty");
    check(b"id,label\na,x\nb\n", Some(3), "one column");
    check(b"id,label\na,x\nb,\"y\nc,x\nd,y\n", Some(3), "quote is not closed");
    check(b"id,label\na,x\nb,caf\xe9\n", Some(3), "0xe9 is not UTF-8");
    check(b"\xff\xfei\0d\0", Some(1), "UTF-16");
    check(b"id|label\na|x\nb|y\n", Some(1), "one column");
    check(b"a.jpg\nb.jpg\n", Some(1), "one column");
    let root = world(&FOUR, "id;label\na;x\nb;y\n");
    let message = fault(&root, csv(&root).separator(','), Some(1));
    assert!(message.contains("tried `,`"), "{message}");
    let missing = ImageData::from_csv(Csv::new("no/such.csv"), Transforms::none(16)).unwrap_err();
    assert!(missing.to_string().starts_with("no/such.csv: "), "{missing}");
}

#[test]
fn validation_goes_by_ids_files_of_ids_or_nothing() {
    let root = world(&FOUR, "id,label\na,x\nb,y\nc,x\nd,y\n");
    let ids = |ids: &[&str]| Validation::Ids(ids.iter().map(|&id| id.to_owned()).collect());
    let valid = |validation| read(csv(&root).validation(validation)).valid().file_names();
    assert_eq!(valid(ids(&["d", "a.jpg"])), ["a.jpg", "d.jpg"]);
    let list = root.path().join("valid.txt");
    fs::write(&list, "\u{feff}c\r\n\r\n\"b.jpg\",y\r\n").unwrap();
    assert_eq!(valid(Validation::IdFile(list.clone())), ["b.jpg", "c.jpg"]);
    let all = read(csv(&root).validation(Validation::Nothing));
    assert_eq!((all.train().len(), all.valid().len()), (4, 0));

    let message = fault(&root, csv(&root).validation(ids(&["a", "zebra"])), None);
    assert!(message.contains("`zebra`"), "{message}");
    fs::write(&list, "a\nzebra\n").unwrap();
    let unknown = csv(&root).validation(Validation::IdFile(list.clone()));
    let message = ImageData::from_csv(unknown, Transforms::none(16)).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}:2: ", list.display())), "{message}");
    assert!(fault(&root, csv(&root).validation(ids(&["a", "c"])), None).contains("class `x`"));
    assert!(
        fault(&root, csv(&root).validation(ids(&["a", "b", "c", "d"])), None).contains("fewer")
    );
    assert!(
        fault(&root, csv(&root).validation(HoldOut { fraction: 0.1, ..HoldOut::default() }), None)
            .contains("none is held out")
    );
    let outside = ImageData::from_csv(csv(&root).validation(vec![4]), Transforms::none(16));
    assert!(outside.unwrap_err().to_string().contains("index is 4"));
}

#[test]
fn sorted_rows_are_held_out_by_their_new_places() {
    let root = world(&FOUR, "id,label\nd,x\nc,y\nb,x\na,y\n");
    let held = |csv: Csv| read(csv.validation(vec![0])).valid().file_names();
    assert_eq!(
        (held(csv(&root)), held(csv(&root).sorted())),
        (vec!["d.jpg".into()], vec!["a.jpg".into()])
    );
}

#[test]
fn a_tag_that_cannot_be_learned_is_only_noticed() {
    let root = world(&FOUR, "id,tags\na,x y\nb,y\nc,x\nd,z\n");
    let data = read(half(csv(&root)));
    assert!(data.notices().iter().any(|notice| notice.contains("no training picture has z")));
}

#[test]
fn folds_judge_every_picture_once() {
    let root = numbered(23, "id,label\n", |i| format!("p{i:02},{}", ["x", "y"][i % 2]));
    let data = read(csv(&root));
    let mut judged = Vec::new();
    for fold in 0..4 {
        let part = data.clone().fold(fold, 4).unwrap();
        assert_eq!(part.train().len() + part.valid().len(), 23);
        judged.extend(part.valid().file_names());
    }
    judged.sort();
    assert_eq!(judged, (0..23).map(|i| format!("p{i:02}.jpg")).collect::<Vec<_>>());
    let fifth = data.clone().fold(0, 5).unwrap();
    assert_eq!(fifth.valid().file_names(), data.valid().file_names());
    assert!(data.clone().fold(4, 4).is_err() && data.clone().fold(0, 1).is_err());
    let alone = world(&FOUR, "id,label\na,x\nb,x\nc,x\nd,lonely\n");
    let error = read(csv(&alone).validation(vec![0])).fold(0, 2).unwrap_err().to_string();
    assert!(error.contains("`lonely` has one picture"), "{error}");
}

#[test]
fn a_test_table_shares_the_vocabulary() {
    let root =
        world(&["a.jpg", "b.jpg", "c.jpg", "t/1.jpg", "t/2.jpg"], "id,label\na,x\nb,y\nc,z\n");
    let data = read(csv(&root).validation(Validation::Nothing));
    let table = root.path().join("test.csv");
    fs::write(&table, "id,label\n2,z\n1,y\n").unwrap();
    let with = data.clone().with_test_csv(Csv::new(&table).folder("t")).unwrap();
    let test = with.test().unwrap();
    assert_eq!(
        (test.file_names(), test.labels()),
        (["t/2.jpg", "t/1.jpg"].map(str::to_owned).to_vec(), &Labels::One(vec![2, 1]))
    );
    fs::write(&table, "id,label\n1,x\n2,zebra\n").unwrap();
    let error = data.clone().with_test_csv(Csv::new(&table).folder("t")).unwrap_err().to_string();
    assert!(error.contains("test.csv:3: `zebra`"), "{error}");
    let flat = data.with_test("t").unwrap();
    assert_eq!(flat.test().unwrap().file_names(), ["1.jpg", "2.jpg"]);
    assert_eq!(flat.test().unwrap().labels(), &Labels::Unknown);
}
