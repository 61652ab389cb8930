//! Predictions as CSV: the id of each picture, what it was taken for, and every probability.

use std::io::{self, Write};

use fastlearn::Predictions;

/// Writes `id,[truth,]prediction,CLASS...`: `truth` only where labels are known.
pub fn write_csv(
    writer: impl Write,
    predictions: &Predictions,
    classes: &[String],
) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(writer);
    let is_labelled = predictions.labels.kind().is_some();
    let truth_title = is_labelled.then_some("truth");
    let titles = ["id"].into_iter().chain(truth_title).chain(["prediction"]);
    table.write_record(titles.chain(classes.iter().map(String::as_str)))?;
    for (row, id) in predictions.ids.iter().enumerate() {
        table.write_field(id)?;
        if is_labelled {
            table.write_field(&classes[predictions.labels.of(row)[0] as usize])?;
        }
        table.write_field(&classes[predictions.predicted(row)])?;
        for probability in predictions.row(row) {
            table.write_field(probability.to_string())?;
        }
        table.write_record(None::<&[u8]>)?;
    }
    table.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastlearn::data::{LabelKind, Labels};

    #[test]
    fn ids_with_commas_are_quoted() {
        let mut predictions = Predictions {
            ids: vec!["a,b.png".to_owned(), "c.png".to_owned()],
            probabilities: vec![0.25, 0.75, 1.0, 0.0],
            classes: 2,
            labels: Labels::One(vec![1, 1]),
            kind: LabelKind::One,
        };
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let text = |predictions: &Predictions| {
            let mut bytes = Vec::new();
            write_csv(&mut bytes, predictions, &classes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            text(&predictions),
            "id,truth,prediction,cat,dog\n\"a,b.png\",dog,dog,0.25,0.75\nc.png,dog,cat,1,0\n"
        );
        predictions.labels = Labels::Unknown;
        assert!(text(&predictions).starts_with("id,prediction,cat,dog\n\"a,b.png\",dog,0.25"));
    }
}
