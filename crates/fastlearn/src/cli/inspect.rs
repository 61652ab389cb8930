//! `fastlearn inspect`: what pictures there are, before anything is trained.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fastlearn::data::{Histogram, Inspection, LabelKind, Split, Validation, pictures_in};
use fastlearn::interpret::text_table;
use fastlearn::{Error, ImageData, Transforms};
use models::weights::write_atomically;
use serde_json::{Value, json};

use super::arguments::at_least_one;
use super::error::Result;
use super::label_arguments::LabelArguments;
use super::output::{Console, counted};
use super::progress::Busy;
use super::run_folder::refuse_inside;

/// Characters of the longest bar.
const BAR: usize = 40;
/// Unreadable files that are listed.
const LISTED: usize = 20;

/// Tells what pictures there are: their sizes, classes and faults. Nothing is trained.
///
/// Sizes are read from the files' headers, in parallel, and written into sizes.csv (file, width, height).
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// The folder of pictures, as for `train`; or any folder of pictures
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Show only heights and widths below this many pixels, in finer steps
    #[arg(long, value_name = "PIXELS", value_parser = at_least_one())]
    below: Option<usize>,
    /// Decode every picture, which finds files that are damaged further on
    #[arg(long)]
    decode: bool,
    /// The table of sizes
    #[arg(long, value_name = "FILE", default_value = "sizes.csv")]
    out: PathBuf,
    /// Print one JSON document to standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    labels: LabelArguments,
}

/// What there is to look at.
struct Pictures {
    all: Split,
    /// Pictures held out by default.
    valid: usize,
    /// Classes with their pictures, most first.
    classes: Vec<(String, usize)>,
    kind: Option<LabelKind>,
}

pub fn run(arguments: &InspectArguments) -> Result<()> {
    let console = Console::new(arguments.json);
    refuse_inside(&arguments.out, &arguments.folder)?;
    let pictures = find(arguments, console)?;
    let busy = Busy::new("reading pictures");
    let inspection = match arguments.decode {
        true => Inspection::of_pictures(&pictures.all),
        false => Inspection::of_headers(&pictures.all),
    };
    drop(busy);
    write_atomically(&arguments.out, |writer| write_sizes(writer, &inspection))?;
    let heights = Histogram::new(&inspection.heights(), arguments.below);
    let widths = Histogram::new(&inspection.widths(), arguments.below);
    if !console.is_json() {
        console.line(report(&pictures, &inspection, &heights, &widths));
        console.line(format!("sizes: {}", arguments.out.display()));
    }
    console.document(&document(&pictures, &inspection, &heights, &widths, arguments))
}

/// The labelled pictures, divided as `train` would; where they cannot be, the note says why.
fn find(arguments: &InspectArguments, console: Console) -> Result<Pictures> {
    let data = match open(arguments, Validation::default()) {
        Err(error @ (Error::Split(_) | Error::Folder { .. } | Error::Table { line: None, .. })) => {
            console.note(&error);
            open(arguments, Validation::Nothing)
        }
        other => other,
    };
    let data = match data {
        Err(Error::Folder { .. }) if arguments.labels.csv.is_none() => {
            let all = Split::unlabelled(pictures_in(&arguments.folder)?);
            return Ok(Pictures { all, valid: 0, classes: Vec::new(), kind: None });
        }
        other => other?,
    };
    data.notices().iter().for_each(|notice| console.note(notice));
    let all = data.labelled();
    let counts = all.labels().counts(data.classes().len());
    let mut classes: Vec<(String, usize)> = data.classes().iter().cloned().zip(counts).collect();
    classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let (valid, kind) = (data.valid().len(), Some(data.label_kind()));
    Ok(Pictures { all: all.clone(), valid, classes, kind })
}

fn open(
    arguments: &InspectArguments,
    validation: Validation,
) -> std::result::Result<ImageData, Error> {
    let (folder, labels) = (&arguments.folder, &arguments.labels);
    // No picture is transformed: any size will do.
    let transforms = Transforms::none(16);
    match (labels.table(folder), &labels.names) {
        (Some(csv), _) => ImageData::from_csv(csv.validation(validation), transforms),
        (None, Some(pattern)) => {
            ImageData::from_names_holding_out(folder, pattern, transforms, validation)
        }
        (None, None) => ImageData::holding_out(folder, transforms, validation),
    }
}

fn write_sizes(writer: &mut dyn Write, inspection: &Inspection) -> std::io::Result<()> {
    let mut table = csv::Writer::from_writer(writer);
    table.write_record(["file", "width", "height"])?;
    for (name, size) in &inspection.sizes {
        table.write_record([name, &size.width.to_string(), &size.height.to_string()])?;
    }
    table.flush()
}

fn report(
    pictures: &Pictures,
    inspection: &Inspection,
    heights: &Histogram,
    widths: &Histogram,
) -> String {
    let mut text = format!("{}{}\n", counted(pictures.all.len(), "picture"), division(pictures));
    if !pictures.classes.is_empty() {
        let row = |(class, count): &(String, usize)| vec![class.clone(), count.to_string()];
        let rows: Vec<Vec<String>> = pictures.classes.iter().map(row).collect();
        text.push_str(&format!("\n{}", text_table(&["class", "pictures"], &rows)));
    }
    text.push_str(&format!("\nheights\n{}", bars(heights)));
    text.push_str(&format!("\nwidths\n{}", bars(widths)));
    if let Some(size) = inspection.suggested_size() {
        text.push_str(&format!(
            "\nsuggested: --size {size}, the largest common size that three of four pictures have \
             without being enlarged\n"
        ));
    }
    text.push_str(&faults(inspection));
    text
}

fn division(pictures: &Pictures) -> String {
    let Some(kind) = pictures.kind else { return ", without labels".to_owned() };
    let mut text = format!(" of {} classes, {kind}", pictures.classes.len());
    match (pictures.valid, kind) {
        (0, _) => {}
        (valid, LabelKind::One) => text.push_str(&format!(
            "; {valid} to judge by: one point of accuracy is {:.1} of them",
            point(valid)
        )),
        (valid, LabelKind::Several) => text.push_str(&format!("; {valid} to judge by")),
    }
    text
}

/// How many pictures one hundredth is.
fn point(valid: usize) -> f64 {
    valid as f64 / 100.0
}

fn bars(histogram: &Histogram) -> String {
    let most = histogram.bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let width = histogram.bins.last().map_or(1, |bin| bin.to.to_string().len());
    let mut text = String::new();
    for bin in &histogram.bins {
        // Something that is there is seen.
        let length = (bin.count * BAR / most).max(usize::from(bin.count > 0));
        let bar = "#".repeat(length);
        text.push_str(&format!("  {:>width$} to {:>width$}  ", bin.from, bin.to));
        text.push_str(&format!("{bar:<BAR$}  {}\n", bin.count));
    }
    if histogram.beyond > 0 {
        text.push_str(&format!("  {} above\n", histogram.beyond));
    }
    text
}

fn faults(inspection: &Inspection) -> String {
    let faults = &inspection.unreadable;
    if faults.is_empty() {
        return "every file can be read\n".to_owned();
    }
    let verb = if faults.len() == 1 { "file cannot" } else { "files cannot" };
    let mut text = format!("\n{} {verb} be read:\n", faults.len());
    for (_, error) in faults.iter().take(LISTED) {
        text.push_str(&format!("  {error}\n"));
    }
    if faults.len() > LISTED {
        text.push_str(&format!("  and {} more\n", faults.len() - LISTED));
    }
    text
}

fn document(
    pictures: &Pictures,
    inspection: &Inspection,
    heights: &Histogram,
    widths: &Histogram,
    arguments: &InspectArguments,
) -> Value {
    let class = |(name, count): &(String, usize)| json!({ "name": name, "pictures": count });
    let fault =
        |(name, error): &(String, Error)| json!({ "file": name, "reason": error.to_string() });
    json!({
        "pictures": pictures.all.len(),
        "validation_pictures": pictures.valid,
        "pictures_a_point": point(pictures.valid),
        "labels": pictures.kind,
        "classes": pictures.classes.iter().map(class).collect::<Vec<_>>(),
        "below": arguments.below,
        "heights": heights,
        "widths": widths,
        "suggested_size": inspection.suggested_size(),
        "unreadable": inspection.unreadable.iter().map(fault).collect::<Vec<_>>(),
        "sizes": arguments.out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastlearn::data::Bin;

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        let bin = |from, to, count| Bin { from, to, count };
        let bins = vec![bin(90, 99, 400), bin(100, 109, 0), bin(110, 119, 1)];
        let text = bars(&Histogram { bins, beyond: 3 });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("   90 to  99  {}  400", "#".repeat(BAR)));
        assert!(lines[1].ends_with("  0") && !lines[1].contains('#'), "{text}");
        assert_eq!(lines[2].matches('#').count(), 1);
        assert_eq!(lines[3], "  3 above");
    }
}
