//! Predictions as CSV: the id of each picture, what it was taken for, and every probability; or tags
//! alone, as competitions want them.

use std::io::{self, Write};
use std::path::Path;

use fastlearn::Predictions;
use fastlearn::data::LabelKind;

/// Writes `id,[truth,]prediction,CLASS...`: `truth` only where labels are known. Where a picture may have
/// several labels, truth and prediction are those, separated by spaces, with those above the threshold
/// predicted.
pub fn write_csv(
    writer: &mut dyn Write,
    predictions: &Predictions,
    classes: &[String],
    threshold: f32,
) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(writer);
    let is_labelled = predictions.labels.kind().is_some();
    let truth_title = is_labelled.then_some("truth");
    let titles = ["id"].into_iter().chain(truth_title).chain(["prediction"]);
    table.write_record(titles.chain(classes.iter().map(String::as_str)))?;
    for (row, id) in predictions.ids.iter().enumerate() {
        table.write_field(id)?;
        if is_labelled {
            let truth = predictions.labels.of(row).iter().map(|&class| class as usize);
            table.write_field(joined(truth, classes))?;
        }
        table.write_field(predicted(predictions, row, classes, threshold))?;
        for probability in predictions.row(row) {
            table.write_field(probability.to_string())?;
        }
        table.write_record(None::<&[u8]>)?;
    }
    table.flush()
}

/// Writes `image_name,tags`: the file's name without folder and suffix, and what is predicted.
pub fn write_tags(
    writer: &mut dyn Write,
    predictions: &Predictions,
    classes: &[String],
    threshold: f32,
) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(writer);
    table.write_record(["image_name", "tags"])?;
    for (row, id) in predictions.ids.iter().enumerate() {
        let name =
            Path::new(id).file_stem().map_or_else(|| id.into(), |name| name.to_string_lossy());
        let tags = predicted(predictions, row, classes, threshold);
        table.write_record([name.as_ref(), &tags])?;
    }
    table.flush()
}

fn predicted(predictions: &Predictions, row: usize, classes: &[String], threshold: f32) -> String {
    match predictions.kind {
        LabelKind::One => classes[predictions.predicted(row)].clone(),
        LabelKind::Several => joined(predictions.above(row, threshold), classes),
    }
}

fn joined(labels: impl IntoIterator<Item = usize>, classes: &[String]) -> String {
    let names: Vec<&str> = labels.into_iter().map(|class| classes[class].as_str()).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastlearn::data::Labels;

    fn predictions(kind: LabelKind, labels: Labels) -> Predictions {
        Predictions {
            ids: vec!["t/a,b.png".to_owned(), "c.png".to_owned()],
            probabilities: vec![0.25, 0.75, 1.0, 0.0],
            classes: 2,
            kind,
            labels,
        }
    }

    type Writer = fn(&mut dyn Write, &Predictions, &[String], f32) -> io::Result<()>;

    fn text(write: Writer, predictions: &Predictions) -> String {
        let (mut bytes, classes) = (Vec::new(), ["cat".to_owned(), "dog".to_owned()]);
        write(&mut bytes, predictions, &classes, 0.2).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn ids_with_commas_are_quoted() {
        let labelled = predictions(LabelKind::One, Labels::One(vec![1, 1]));
        assert_eq!(
            text(write_csv, &labelled),
            "id,truth,prediction,cat,dog\n\"t/a,b.png\",dog,dog,0.25,0.75\nc.png,dog,cat,1,0\n"
        );
        let unknown = predictions(LabelKind::One, Labels::Unknown);
        assert!(
            text(write_csv, &unknown).starts_with("id,prediction,cat,dog\n\"t/a,b.png\",dog,0.25")
        );
        assert_eq!(text(write_tags, &unknown), "image_name,tags\n\"a,b\",dog\nc,cat\n");
    }

    #[test]
    fn tags_are_joined_by_spaces() {
        let tags = predictions(LabelKind::Several, Labels::several(vec![vec![0, 1], vec![]]));
        assert_eq!(
            text(write_csv, &tags),
            "id,truth,prediction,cat,dog\n\"t/a,b.png\",cat dog,cat dog,0.25,0.75\nc.png,,cat,1,0\n"
        );
        assert_eq!(text(write_tags, &tags), "image_name,tags\n\"a,b\",cat dog\nc,cat\n");
    }
}
