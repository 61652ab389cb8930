//! Pictures and labels from a table: an id and a label, or several, a line.
//!
//! How the text becomes rows is `table`'s business, which rows are held out `validation`'s.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::ImageData;
use super::labels::{LabelKind, Labels};
use super::pool::Pool;
use super::splits::Split;
use super::table::{Column, Row, Table, TableFormat, fault};
use super::validation::Validation;
use crate::transforms::Transforms;
use crate::{Error, Result};

/// Suffixes that are tried, in this order, for ids that are no files as they stand.
const USUAL_SUFFIXES: [&str; 12] = [
    ".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".tif", ".tiff", ".webp", ".bmp", ".gif",
    ".TIF",
];

/// A table of picture ids and labels, and how it is to be read. What is not said is found out: the
/// separator, whether there is a header, the suffix of the files, and whether pictures have one label or
/// several.
///
/// ```no_run
/// use fastlearn::data::Csv;
/// use fastlearn::{ImageData, Transforms};
///
/// let tags = Csv::new("planet/train_v2.csv").folder("train-jpg");
/// let data = ImageData::from_csv(tags, Transforms::top_down(64).max_zoom(1.05))?;
/// println!("{}: {:?}", data.label_kind(), data.classes());
/// data.notices().iter().for_each(|notice| eprintln!("{notice}"));
/// # Ok::<(), fastlearn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Csv {
    path: PathBuf,
    root: Option<PathBuf>,
    folder: PathBuf,
    suffix: Option<String>,
    format: TableFormat,
    kind: Option<LabelKind>,
    sorted: bool,
    validation: Validation,
}

impl Csv {
    /// The file of ids in the first column and labels in the second; nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Csv {
        let format = TableFormat { delimiter: ' ', ..TableFormat::default() };
        Csv {
            path: path.into(),
            root: None,
            folder: PathBuf::new(),
            suffix: None,
            format,
            kind: None,
            sorted: false,
            validation: Validation::default(),
        }
    }

    /// The data folder; the one that the file is in unless told otherwise.
    pub fn root(self, root: impl Into<PathBuf>) -> Csv {
        Csv { root: Some(root.into()), ..self }
    }

    /// The folder of the pictures, within the data folder; the data folder itself unless told
    /// otherwise.
    pub fn folder(self, folder: impl Into<PathBuf>) -> Csv {
        Csv { folder: folder.into(), ..self }
    }

    /// What makes an id a file name, such as `.jpg`.
    pub fn suffix(self, suffix: impl Into<String>) -> Csv {
        Csv { suffix: Some(suffix.into()), ..self }
    }

    /// The column of ids, by name or by position from 0.
    pub fn id_column(mut self, column: impl Into<Column>) -> Csv {
        self.format.id = Some(column.into());
        self
    }

    /// The column of labels, by name or by position from 0.
    pub fn label_column(mut self, column: impl Into<Column>) -> Csv {
        self.format.label = Some(column.into());
        self
    }

    /// Whether the first line names the columns. Unless told, it does if its id is no picture.
    pub fn header(mut self, has_header: bool) -> Csv {
        self.format.header = Some(has_header);
        self
    }

    /// What separates columns. Unless told: comma, tab or semicolon.
    pub fn separator(mut self, separator: char) -> Csv {
        self.format.separator = Some(separator);
        self
    }

    /// What separates several labels in a cell; a space unless told otherwise.
    pub fn delimiter(mut self, delimiter: char) -> Csv {
        self.format.delimiter = delimiter;
        self
    }

    /// Each picture has any number of labels, even if none has several here; an empty cell is a picture
    /// without any.
    pub fn multi_label(self) -> Csv {
        Csv { kind: Some(LabelKind::Several), ..self }
    }

    /// Each picture has one label: the whole cell, spaces included.
    pub fn single_label(self) -> Csv {
        Csv { kind: Some(LabelKind::One), ..self }
    }

    /// Rows are sorted by id before any are held out, as fastai did until May 2018 and so for the lesson's
    /// own results; else they keep the order of the file.
    pub fn sorted(self) -> Csv {
        Csv { sorted: true, ..self }
    }

    /// What is held out for validation; a fifth of the rows unless told otherwise.
    pub fn validation(self, validation: impl Into<Validation>) -> Csv {
        Csv { validation: validation.into(), ..self }
    }

    /// The pictures with their labels among classes that are known already, and
    /// [what a person should know](ImageData::notices): to judge a model by another table than that it
    /// learned from.
    ///
    /// # Errors
    /// As [`ImageData::from_csv`], and for a label that is none of the classes.
    pub fn pictures(&self, classes: &[String], kind: LabelKind) -> Result<(Split, Vec<String>)> {
        let csv = Csv { kind: Some(kind), ..self.clone() };
        let read = Read::new(&csv, Some(classes))?;
        Ok((read.split, read.notices))
    }

    /// The data folder, as told or found.
    fn data_folder(&self) -> PathBuf {
        let parent = || match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        self.root.clone().unwrap_or_else(parent)
    }
}

impl ImageData {
    /// Pictures and labels from a table; a fifth of its rows is held out unless the table says
    /// otherwise. Rows keep the order of the file unless they are to be sorted.
    ///
    /// # Errors
    /// Names the file and the line: a table that is empty, not UTF-8 or without the column; a row without
    /// its picture, without a label, or of an id that was there already; a class that is left without a
    /// training picture.
    pub fn from_csv(csv: Csv, transforms: Transforms) -> Result<ImageData> {
        transforms.training()?;
        let read = Read::new(&csv, None)?;
        let pool = Pool::new(read.split, read.ids);
        let data = ImageData::of_pool(csv.data_folder(), read.classes, read.kind, pool, transforms);
        let data = data.validate_on(csv.validation).map_err(|error| at_table(error, &csv.path))?;
        Ok(data.noticing(read.notices))
    }

    /// A test set with labels of the same classes, from a table.
    ///
    /// # Errors
    /// As [`from_csv`](ImageData::from_csv), and for a label that is none of the classes.
    pub fn with_test_csv(mut self, csv: Csv) -> Result<ImageData> {
        let (split, notices) = csv.pictures(self.classes(), self.kind)?;
        self.test = Some(split);
        Ok(self.noticing(notices))
    }
}

/// An error of the split that names no file is the table's.
fn at_table(error: Error, path: &Path) -> Error {
    match error {
        Error::Split(reason) => fault(path, None, reason),
        other => other,
    }
}

/// What a table comes to.
struct Read {
    split: Split,
    ids: Vec<String>,
    classes: Vec<String>,
    kind: LabelKind,
    notices: Vec<String>,
}

impl Read {
    /// Reads a table; with a vocabulary, every label must be in it.
    fn new(csv: &Csv, vocabulary: Option<&[String]>) -> Result<Read> {
        let root = csv.data_folder();
        let mut files = Files::new(root.join(&csv.folder), csv.suffix.as_deref());
        let is_picture = |id: &str| files.clone().find(id).is_some();
        let mut table = Table::read(&csv.path, &csv.format, is_picture)?;
        if csv.sorted {
            table.rows.sort_by(|one, other| one.id.cmp(&other.id));
        }
        let paths = paths(&table, &mut files)?;
        let mut notices = files.notice(&csv.path);
        if table.headless {
            let notice = "the first line names a picture and is taken for data, not for a header";
            notices.push(format!("{}: {notice}", csv.path.display()));
        }
        let cells = Cells::new(&table, csv)?;
        if csv.kind.is_none() && cells.kind == LabelKind::Several {
            notices.push(cells.notice(csv));
        }
        let classes = match vocabulary {
            Some(classes) => classes.to_vec(),
            None => cells.classes(),
        };
        let labels = cells.labels(&table, &classes)?;
        let ids = table.rows.into_iter().map(|row| row.id).collect();
        let split = Split::new(&root, paths, labels);
        Ok(Read { split, ids, classes, kind: cells.kind, notices })
    }
}

/// The picture of every row.
fn paths(table: &Table, files: &mut Files) -> Result<Vec<PathBuf>> {
    let mut seen: HashMap<PathBuf, usize> = HashMap::new();
    let (mut paths, mut missing) = (Vec::with_capacity(table.rows.len()), Vec::new());
    for row in &table.rows {
        let Some(path) = files.find(&row.id) else {
            missing.push(row);
            continue;
        };
        if let Some(line) = seen.insert(path.clone(), row.line) {
            let reason = format!("`{}` is there already, on line {line}", row.id);
            return Err(fault(&table.path, row.line, reason));
        }
        paths.push(path);
    }
    match missing.split_first() {
        None => Ok(paths),
        Some((first, others)) => Err(no_picture(table, files, first, others.len())),
    }
}

fn no_picture(table: &Table, files: &Files, row: &Row, others: usize) -> Error {
    let more = match others {
        0 => String::new(),
        1 => "; one other row has none either".to_owned(),
        others => format!("; {others} other rows have none either"),
    };
    let tried = match &files.suffix {
        Some(suffix) => format!("with and without `{suffix}`"),
        None => "as it stands and with the usual suffixes".to_owned(),
    };
    let folder = files.folder.display();
    let reason = format!("there is no picture `{}` in {folder} ({tried}){more}", row.id);
    fault(&table.path, row.line, reason)
}

/// Finds the files of ids.
#[derive(Clone)]
struct Files {
    folder: PathBuf,
    suffix: Option<String>,
    /// Suffixes that were found to be needed, and by how many ids.
    added: Vec<(&'static str, usize)>,
}

impl Files {
    fn new(folder: PathBuf, suffix: Option<&str>) -> Files {
        Files { folder, suffix: suffix.map(str::to_owned), added: Vec::new() }
    }

    fn find(&mut self, id: &str) -> Option<PathBuf> {
        let file = |name: String| Some(self.folder.join(name)).filter(|path| path.is_file());
        if let Some(suffix) = &self.suffix {
            return file(format!("{id}{suffix}")).or_else(|| file(id.to_owned()));
        }
        if let Some(path) = file(id.to_owned()) {
            return Some(path);
        }
        // What served before will most likely serve again.
        let before = self.added.iter().map(|(suffix, _)| *suffix);
        let (suffix, path) = before
            .chain(USUAL_SUFFIXES)
            .find_map(|suffix| Some((suffix, file(format!("{id}{suffix}"))?)))?;
        match self.added.iter_mut().find(|(added, _)| *added == suffix) {
            Some((_, count)) => *count += 1,
            None => self.added.push((suffix, 1)),
        }
        Some(path)
    }

    fn notice(&self, table: &Path) -> Vec<String> {
        let line = |(suffix, count): &(&str, usize)| {
            let ids = if *count == 1 { "id".to_owned() } else { format!("{count} ids") };
            format!("{}: `{suffix}` was added to {ids} to find the pictures", table.display())
        };
        self.added.iter().map(line).collect()
    }
}

/// The label cells, taken apart.
struct Cells {
    kind: LabelKind,
    /// Labels of each row.
    rows: Vec<Vec<String>>,
}

impl Cells {
    fn new(table: &Table, csv: &Csv) -> Result<Cells> {
        let split = |row: &Row| -> Vec<String> {
            let labels = row.label.split(csv.format.delimiter).map(str::trim);
            labels.filter(|label| !label.is_empty()).map(str::to_owned).collect()
        };
        let rows: Vec<Vec<String>> = match csv.kind {
            Some(LabelKind::One) => {
                let whole = |row: &Row| Some(row.label.clone()).filter(|label| !label.is_empty());
                table.rows.iter().map(|row| whole(row).into_iter().collect()).collect()
            }
            _ => table.rows.iter().map(split).collect(),
        };
        let has_several = rows.iter().any(|labels| labels.len() > 1);
        let found = if has_several { LabelKind::Several } else { LabelKind::One };
        let may_be_empty = csv.kind == Some(LabelKind::Several);
        let empty = rows.iter().position(Vec::is_empty).filter(|_| !may_be_empty);
        if let Some(row) = empty {
            let reason = "the label is empty; a picture without any is accepted where several labels \
                          are asked for";
            return Err(fault(&table.path, table.rows[row].line, reason));
        }
        Ok(Cells { kind: csv.kind.unwrap_or(found), rows })
    }

    /// All labels, sorted, each once.
    fn classes(&self) -> Vec<String> {
        let classes: BTreeSet<&String> = self.rows.iter().flatten().collect();
        classes.into_iter().cloned().collect()
    }

    fn labels(&self, table: &Table, classes: &[String]) -> Result<Labels> {
        let index: HashMap<&str, u32> =
            classes.iter().zip(0..).map(|(class, index)| (class.as_str(), index)).collect();
        let row = |(labels, row): (&Vec<String>, &Row)| -> Result<Vec<u32>> {
            let find = |label: &String| {
                index.get(label.as_str()).copied().ok_or_else(|| {
                    let reason =
                        format!("`{label}` is none of the classes: {}", classes.join(", "));
                    fault(&table.path, row.line, reason)
                })
            };
            labels.iter().map(find).collect()
        };
        let rows: Vec<Vec<u32>> =
            self.rows.iter().zip(&table.rows).map(row).collect::<Result<_>>()?;
        Ok(match self.kind {
            LabelKind::One => Labels::One(rows.into_iter().flatten().collect()),
            LabelKind::Several => Labels::several(rows),
        })
    }

    fn notice(&self, csv: &Csv) -> String {
        let most = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        format!(
            "{}: pictures have up to {most} labels each, separated by `{}` (ask for single labels if \
             that is part of their names)",
            csv.path.display(),
            csv.format.delimiter
        )
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
