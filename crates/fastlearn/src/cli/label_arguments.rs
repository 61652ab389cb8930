//! Where labels come from if not from class folders: a table, or the names of the files.

use std::path::{Path, PathBuf};

use clap::Args;
use fastlearn::data::{Column, Csv};

/// Labels from a table or from names.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Labels")]
pub struct LabelArguments {
    /// Labels from a table in DIR (or anywhere): an id and a label, or several, a line
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Column of ids, by name or by position from 0 [default: the first]
    #[arg(long, value_name = "COLUMN", requires = "csv", value_parser = parse_column)]
    pub id_column: Option<Column>,
    /// Column of labels, by name or by position from 0 [default: the first but the ids]
    #[arg(long, value_name = "COLUMN", requires = "csv", value_parser = parse_column)]
    pub label_column: Option<Column>,
    /// The table's first line is data [default: it is if its id is a picture]
    #[arg(long, requires = "csv")]
    pub no_header: bool,
    /// What separates columns [default: comma, tab or semicolon, whichever there is]
    #[arg(long, value_name = "CHARACTER", requires = "csv", value_parser = parse_character)]
    pub separator: Option<char>,
    /// What separates several labels of a picture
    #[arg(long, value_name = "CHARACTER", requires = "csv", default_value = " ",
          value_parser = parse_character)]
    pub delimiter: char,
    /// The folder in DIR that ids are file names in [default: DIR]
    #[arg(long, value_name = "FOLDER", requires = "csv")]
    pub images: Option<PathBuf>,
    /// What makes an id a file name [default: the usual suffixes are tried]
    #[arg(long, value_name = ".SUFFIX", requires = "csv")]
    pub suffix: Option<String>,
    /// Pictures have any number of labels [default: if any has several]
    #[arg(long, requires = "csv", conflicts_with = "single_label")]
    pub multi_label: bool,
    /// Pictures have one label, spaces included [default: if none has several]
    #[arg(long, requires = "csv")]
    pub single_label: bool,
    /// Labels from file names: a regular expression on the path within DIR whose group, or whose group
    /// named `class`, is the label, such as '^(\w+)\.' for cat.0.jpg
    #[arg(long, value_name = "REGEX", conflicts_with = "csv")]
    pub names: Option<String>,
}

impl LabelArguments {
    /// The table, if there is one.
    pub fn table(&self, folder: &Path) -> Option<Csv> {
        self.csv.as_ref().map(|file| self.table_of(folder, file, self.images.as_deref()))
    }

    /// Another table of the same make, with its pictures in this folder.
    pub fn table_of(&self, folder: &Path, file: &Path, images: Option<&Path>) -> Csv {
        let within = folder.join(file);
        let file = if within.is_file() { within } else { file.to_owned() };
        let mut csv = Csv::new(file).root(folder).delimiter(self.delimiter);
        csv = images.into_iter().fold(csv, |csv, images| csv.folder(images));
        csv = self.suffix.iter().fold(csv, |csv, suffix| csv.suffix(suffix));
        csv = self.id_column.iter().fold(csv, |csv, column| csv.id_column(column.clone()));
        csv = self.label_column.iter().fold(csv, |csv, column| csv.label_column(column.clone()));
        csv = self.separator.iter().fold(csv, |csv, separator| csv.separator(*separator));
        if self.no_header {
            csv = csv.header(false);
        }
        match (self.multi_label, self.single_label) {
            (true, _) => csv.multi_label(),
            (_, true) => csv.single_label(),
            _ => csv,
        }
    }
}

/// A position where it is a number, else a name.
fn parse_column(text: &str) -> Result<Column, String> {
    Ok(text.parse::<usize>().map_or_else(|_| Column::from(text), Column::from))
}

fn parse_character(text: &str) -> Result<char, String> {
    match (text, text.chars().next(), text.chars().count()) {
        ("\\t" | "tab", _, _) => Ok('\t'),
        (_, Some(character), 1) => Ok(character),
        _ => Err("expected one character, or tab".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_characters_are_told_apart() {
        assert_eq!(parse_column("2"), Ok(Column::Position(2)));
        assert_eq!(parse_column("breed"), Ok(Column::Name("breed".to_owned())));
        assert_eq!(parse_character("\\t"), Ok('\t'));
        assert_eq!(parse_character("|"), Ok('|'));
        assert!(parse_character("").is_err() && parse_character("||").is_err());
    }
}
