//! Small tables as text, for terminals and logs.

use crate::metrics::{ClassScore, ConfusionMatrix, ScoredTags};

/// A table with a heading: the first column to the left, the others, numbers, to the right.
///
/// ```
/// let rows = vec![vec!["cat".to_owned(), "0.98".to_owned()], vec!["dogs".to_owned(), "1".to_owned()]];
/// let table = fastlearn::interpret::text_table(&["class", "recall"], &rows);
/// assert_eq!(table, "class  recall\ncat      0.98\ndogs        1\n");
/// ```
pub fn text_table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).chain([heading.len()]).max().unwrap_or(0);
    let cells = |column: usize| {
        heading
            .get(column)
            .copied()
            .into_iter()
            .chain(rows.iter().filter_map(move |row| row.get(column).map(|c| c.as_str())))
    };
    let widths: Vec<_> = (0..columns)
        .map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    let heading = heading.iter().map(|cell| cell.to_string()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        text.push_str(&line(row, &widths));
    }
    text
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let aligned =
        cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
    let line = aligned.collect::<Vec<_>>().join("  ");
    format!("{}\n", line.trim_end())
}

/// The counts, true classes down and predicted classes across, by the names of the classes. Meant for up to a dozen
/// classes; beyond, [`mistake_table`] says more.
pub fn confusion_table(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let heading: Vec<_> =
        std::iter::once("true \\ predicted").chain(names.iter().map(String::as_str)).collect();
    let row = |truth: usize| {
        let counts =
            (0..matrix.classes()).map(|predicted| matrix.count(truth, predicted).to_string());
        std::iter::once(name(names, truth)).chain(counts).collect()
    };
    text_table(&heading, &(0..matrix.classes()).map(row).collect::<Vec<_>>())
}

/// The most frequent mistakes, at most `count`.
pub fn mistake_table(matrix: &ConfusionMatrix, names: &[String], count: usize) -> String {
    let mistakes = matrix.most_confused().into_iter().take(count);
    let rows = mistakes
        .map(|mistake| {
            vec![
                name(names, mistake.truth),
                name(names, mistake.predicted),
                mistake.count.to_string(),
            ]
        })
        .collect::<Vec<_>>();
    text_table(&["true", "predicted", "pictures"], &rows)
}

/// Precision, recall and F1 of every class with its number of pictures; a dash where there is nothing to measure.
pub fn class_table(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let row = |(class, score): (usize, ClassScore)| {
        let support = score.support.to_string();
        vec![name(names, class), part(score.precision), part(score.recall), part(score.f1), support]
    };
    let rows: Vec<_> = matrix.class_scores().into_iter().enumerate().map(row).collect();
    text_table(&["class", "precision", "recall", "f1", "pictures"], &rows)
}

/// Precision, recall and F2 of every class at a threshold, where a picture may have several.
pub fn tag_table(scored: &ScoredTags, names: &[String], threshold: f32) -> String {
    let thresholds = vec![threshold; scored.classes()];
    let scores =
        scored.class_scores(&thresholds).into_iter().zip(scored.class_f_beta(2.0, &thresholds));
    let row = |(class, (score, f2)): (usize, (ClassScore, Option<f64>))| {
        let support = score.support.to_string();
        vec![name(names, class), part(score.precision), part(score.recall), part(f2), support]
    };
    let rows: Vec<_> = scores.enumerate().map(row).collect();
    text_table(&["class", "precision", "recall", "f2", "pictures"], &rows)
}

fn part(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// A class without a name goes by its number.
fn name(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let mut matrix = ConfusionMatrix::new(2);
        for (truth, predicted, count) in [(0, 0, 998), (0, 1, 2), (1, 0, 5), (1, 1, 995)] {
            (0..count).for_each(|_| matrix.add(truth, predicted));
        }
        let names = ["cats".to_owned(), "dogs".to_owned()];
        assert_eq!(
            confusion_table(&matrix, &names),
            "true \\ predicted  cats  dogs\ncats               998     2\ndogs                 5   995\n"
        );
        assert_eq!(
            mistake_table(&matrix, &names, 1),
            "true  predicted  pictures\ndogs       cats         5\n"
        );
        assert_eq!(
            class_table(&matrix, &names),
            "class  precision  recall     f1  pictures\n\
             cats       0.995   0.998  0.997      1000\n\
             dogs       0.998   0.995  0.996      1000\n"
        );
    }

    #[test]
    fn tags_are_scored_class_by_class() {
        let tags = [vec![0], vec![0, 1], vec![]];
        let probabilities = [0.9, 0.3, 0.4, 0.8, 0.6, 0.1];
        let scored = ScoredTags::new(&probabilities, 2, &tags).expect("valid");
        assert_eq!(
            tag_table(&scored, &["sea".to_owned()], 0.5),
            "class  precision  recall     f2  pictures\n\
             sea        0.500   0.500  0.500         2\n\
             1          1.000   1.000  1.000         1\n"
        );
    }
}
