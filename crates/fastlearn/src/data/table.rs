//! A table of ids and labels as it stands in a text file: encoding, separator, header and columns.
//!
//! What the cells mean, which files they name and which classes, is `csv`'s business.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::{Error, Result};

/// Separators that are tried if none is named, in this order.
const SEPARATORS: [char; 3] = [',', '\t', ';'];
/// Records that decide on the separator.
const LOOKED_AT: usize = 50;
/// A table of labels is no larger than this, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// A column, by the name in the header or by its position from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// As it stands in the header.
    Name(String),
    /// Counted from 0.
    Position(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Column {
        Column::Name(name.to_owned())
    }
}

impl From<String> for Column {
    fn from(name: String) -> Column {
        Column::Name(name)
    }
}

impl From<usize> for Column {
    fn from(position: usize) -> Column {
        Column::Position(position)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Name(name) => write!(f, "`{name}`"),
            Column::Position(position) => write!(f, "number {position} (from 0)"),
        }
    }
}

/// How a file is to be read; what is not said is found out.
#[derive(Debug, Clone, Default)]
pub(super) struct TableFormat {
    pub separator: Option<char>,
    /// Separator of tags in a cell, which is none of columns.
    pub delimiter: char,
    pub header: Option<bool>,
    pub id: Option<Column>,
    pub label: Option<Column>,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Line of the file, from 1.
    pub line: usize,
    pub id: String,
    pub label: String,
}

/// Ids and labels in the order of the file.
#[derive(Debug)]
pub(super) struct Table {
    pub path: PathBuf,
    pub rows: Vec<Row>,
    /// Whether the first record was taken for data although nobody said so.
    pub headless: bool,
}

/// An error that names the file and, where it is one line's, the line.
pub(super) fn fault(
    path: &Path,
    line: impl Into<Option<usize>>,
    reason: impl Into<String>,
) -> Error {
    Error::Table { path: path.to_owned(), line: line.into(), reason: reason.into() }
}

/// The text of a file that must be UTF-8, without its byte order mark.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let size = fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if size > MAX_BYTES {
        return Err(fault(
            path,
            None,
            format!("it is {size} bytes long, which is no table of labels"),
        ));
    }
    let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(fault(path, 1, "the file is UTF-16; save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map_or(bytes.as_slice(), |rest| rest);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let at = error.valid_up_to();
            let line = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
            let reason = format!(
                "the byte {:#04x} is not UTF-8 (the file may be Latin-1); save it as UTF-8",
                bytes[at]
            );
            Err(fault(path, line, reason))
        }
    }
}

impl Table {
    /// Reads a table. `is_picture` says whether an id names a picture: it decides whether the first
    /// record is a header, if nobody says.
    pub fn read(
        path: &Path,
        format: &TableFormat,
        is_picture: impl Fn(&str) -> bool,
    ) -> Result<Table> {
        let text = read_text(path)?;
        let separator = match format.separator {
            Some(separator) => separator,
            None => sniffed(&text, format.delimiter),
        };
        let records = records(path, &text, separator)?;
        let Some((_, first)) = records.first() else {
            return Err(fault(path, None, "the table is empty; expected an id and a label a line"));
        };
        let named = |column: &Option<Column>| matches!(column, Some(Column::Name(_)));
        let says_so = named(&format.id) || named(&format.label);
        let (id, label) = columns(path, format, first, separator)?;
        let has_header = match format.header {
            Some(has_header) => has_header || says_so,
            None => says_so || !first.get(id).is_some_and(is_picture),
        };
        let headless = format.header.is_none() && !has_header;
        let skipped = usize::from(has_header);
        let rows: Result<Vec<Row>> =
            records.iter().skip(skipped).map(|one| row(path, one, id, label, separator)).collect();
        let rows = rows?;
        match rows.is_empty() {
            true => Err(fault(path, None, "there is a header and no row below it")),
            false => Ok(Table { path: path.to_owned(), rows, headless }),
        }
    }
}

/// Records with the lines that they begin on.
fn records(path: &Path, text: &str, separator: char) -> Result<Vec<(usize, StringRecord)>> {
    let Ok(separator) = u8::try_from(separator) else {
        let rule = "it must be one ASCII character";
        return Err(Error::setting("the separator", separator, rule));
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let (mut records, mut lines) = (Vec::new(), Lines { text: text.as_bytes(), at: 0, line: 1 });
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map(|position| lines.at(position.byte() as usize));
            fault(path, line, error.to_string())
        })?;
        let line = record.position().map_or(0, |position| lines.at(position.byte() as usize));
        if record.iter().all(str::is_empty) {
            continue;
        }
        records.push((line, record));
    }
    Ok(records)
}

/// Counts lines up to rising places: the reader's own count is one short where lines end in `\r\n`.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line, from 1, of the first text from this byte on.
    fn at(&mut self, byte: usize) -> usize {
        let is_break = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let rest = self.text.get(byte..).unwrap_or_default();
        let start = byte + rest.iter().take_while(is_break).count();
        let passed = self.text.get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at = self.at.max(start);
        self.line
    }
}

/// The separator with which all the first records have the same number of columns, more than one; else
/// the first that is in the first line at all; else the comma.
fn sniffed(text: &str, delimiter: char) -> char {
    let candidates = || SEPARATORS.into_iter().filter(move |&separator| separator != delimiter);
    let is_even = |separator: char| {
        let mut reader = ReaderBuilder::new()
            .delimiter(separator as u8)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let records: Vec<_> = reader.records().take(LOOKED_AT).flatten().collect();
        let columns = records.first().map_or(0, StringRecord::len);
        columns > 1 && records.iter().all(|record| record.len() == columns)
    };
    let first_line = text.lines().next().unwrap_or_default();
    candidates()
        .find(|&separator| is_even(separator))
        .or_else(|| candidates().find(|&separator| first_line.contains(separator)))
        .unwrap_or(SEPARATORS[0])
}

/// Positions of id and label: the first column and the first of the others, unless told otherwise.
fn columns(
    path: &Path,
    format: &TableFormat,
    first: &StringRecord,
    separator: char,
) -> Result<(usize, usize)> {
    let find = |column: &Column| -> Result<usize> {
        let found = match column {
            Column::Name(name) => first.iter().position(|cell| cell == name),
            Column::Position(position) => (*position < first.len()).then_some(*position),
        };
        found.ok_or_else(|| {
            let cells: Vec<&str> = first.iter().collect();
            let reason = format!(
                "there is no column {column}; with {} as separator the columns are {}",
                shown(separator),
                cells.join(", ")
            );
            fault(path, 1, reason)
        })
    };
    let named_label = format.label.as_ref().map(find).transpose()?;
    let id = match &format.id {
        Some(column) => find(column)?,
        None => usize::from(named_label == Some(0)),
    };
    let label = named_label.unwrap_or(usize::from(id == 0));
    if id == label {
        return Err(fault(path, 1, "id and label are the same column"));
    }
    match id.max(label) < first.len() {
        true => Ok((id, label)),
        false => {
            let reason = format!(
                "there is one column; expected an id and a label, separated by comma, semicolon or \
                 tab, or by another separator that is named (tried {})",
                shown(separator)
            );
            Err(fault(path, 1, reason))
        }
    }
}

fn row(
    path: &Path,
    (line, record): &(usize, StringRecord),
    id: usize,
    label: usize,
    separator: char,
) -> Result<Row> {
    let cell = |position: usize| match record.get(position) {
        Some(cell) if cell.contains('\n') => {
            Err(fault(path, *line, "a cell goes over several lines: a quote is not closed"))
        }
        Some(cell) => Ok(cell.to_owned()),
        None => {
            let reason = format!(
                "it has {} and no column {position} (from 0); the separator is {}",
                match record.len() {
                    1 => "one column".to_owned(),
                    columns => format!("{columns} columns"),
                },
                shown(separator)
            );
            Err(fault(path, *line, reason))
        }
    };
    let (id, label) = (cell(id)?, cell(label)?);
    match id.is_empty() {
        true => Err(fault(path, *line, "the id is empty")),
        false => Ok(Row { line: *line, id, label }),
    }
}

fn shown(separator: char) -> String {
    match separator {
        '\t' => "a tab".to_owned(),
        other => format!("`{other}`"),
    }
}
