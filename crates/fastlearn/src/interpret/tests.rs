//! Whole drawings: that they decode, keep to their size, say what they must and refuse what does not fit.
//! `FASTLEARN_PLOTS=folder` keeps them to be looked at.

use std::path::Path;

use super::*;
use crate::metrics::{ConfusionMatrix, ThresholdCurve, ThresholdScore};
use crate::schedule::{Cycles, FinderCurve, OneCycle, Ramp};

/// Draws both forms, checks what every drawing must hold, and returns the SVG.
fn drawn(name: &str, drawing: &impl Drawing) -> String {
    let png = drawing.to_png().expect("draws");
    let picture = image::load_from_memory(&png).expect("decodes").to_rgb8();
    let svg = drawing.to_svg().expect("draws");
    let nominal = format!("width=\"{}\" height=\"{}\"", picture.width() / 2, picture.height() / 2);
    assert!(svg.contains(&nominal) && svg.trim_end().ends_with("</svg>"), "{name}");
    let border = |(x, y, _): &(u32, u32, &image::Rgb<u8>)| {
        *x == 0 || *y == 0 || *x == picture.width() - 1 || *y == picture.height() - 1
    };
    let white = picture.enumerate_pixels().filter(border).all(|(_, _, pixel)| pixel.0 == [255; 3]);
    assert!(white, "{name} runs over its edge");
    assert!(picture.pixels().any(|pixel| pixel.0 != [255; 3]), "{name} is blank");
    if let Some(folder) = std::env::var_os("FASTLEARN_PLOTS") {
        drawing.save(&Path::new(&folder).join(format!("{name}.png"))).expect("writes");
        drawing.save(&Path::new(&folder).join(format!("{name}.svg"))).expect("writes");
    }
    svg
}

/// A number in [0, 1) that looks random and is the same everywhere.
fn noise(index: usize) -> f32 {
    let mixed = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 24) as f32
}

fn finder(steps: usize, loss: impl Fn(f32) -> f32) -> FinderCurve {
    let ramp = Ramp { steps, ..Ramp::default() };
    let mut curve = FinderCurve::new("group 3 of 3 (head)");
    for step in 0..steps {
        let rate = ramp.rate(step);
        if curve.push(rate, loss(rate) * (0.9 + 0.2 * noise(step))).is_break() {
            break;
        }
    }
    curve
}

#[test]
fn finder_plots_name_the_group_and_mark_the_suggestion() {
    let curve = finder(100, |rate| 3.1 - 2.8 * rate / (rate + 1e-3) + 4.0 * rate * rate);
    let svg = drawn("finder_loss", &FinderLossPlot(&curve));
    for text in
        ["learning rate of group 3 of 3 (head)", "suggested", "steepest", "lowest", "training loss"]
    {
        assert!(svg.contains(text), "{text}");
    }
    assert!(
        drawn("finder_rate", &FinderRatePlot(&curve))
            .contains("learning rate of group 3 of 3 (head)")
    );
    let long = finder(360, |rate| 3.1 - 2.8 * rate / (rate + 1e-2) + 2.0 * rate * rate);
    drawn("finder_loss_360", &FinderLossPlot(&long));
    let flat = finder(100, |rate| 0.9 - 0.5 * rate / (rate + 1.0));
    assert!(drawn("finder_falls", &FinderLossPlot(&flat)).contains("never turns up"));
    drawn("finder_rises", &FinderLossPlot(&finder(100, |rate| 1.0 + rate)));
    drawn(
        "finder_short",
        &FinderLossPlot(&FinderCurve::from_losses(&[0.1], &[1.0], "group 1 of 1")),
    );
    let empty = FinderCurve::new("group 1 of 1");
    assert!(matches!(FinderLossPlot(&empty).to_png(), Err(InterpretError::Input { .. })));
    assert!(FinderRatePlot(&empty).to_svg().is_err());
}

#[test]
fn schedule_plots_show_rate_and_momentum() {
    let svg = drawn("schedule_cycles", &SchedulePlot::new(Cycles::new(3).multiplier(2), 360, 0.01));
    assert!(svg.contains("1 + 2 + 4 epochs, 360 batches an epoch") && !svg.contains("momentum"));
    assert!(
        drawn("schedule_one_cycle", &SchedulePlot::new(OneCycle::new(5), 100, 0.1))
            .contains("momentum")
    );
    drawn("schedule_constant", &SchedulePlot::new(3, 1, 0.1));
    assert!(SchedulePlot::new(0, 10, 0.1).to_png().is_err());
}

#[test]
fn history_plots_show_stages() {
    let stages =
        ["A  precomputed", "", "B  augmented", "", "", "C  unfrozen", "", "", "", "", "", ""];
    let epochs = stages.iter().enumerate().map(|(index, stage)| HistoryEpoch {
        batch_losses: (0..80)
            .map(|batch| {
                0.05 + 2.5 * (-(index as f32 + batch as f32 / 80.0)).exp()
                    + 0.02 * noise(index * 80 + batch)
            })
            .collect(),
        valid_loss: Some(0.06 + 1.2 * (-(index as f64) - 0.8).exp()),
        metrics: vec![0.97 - 0.4 * (-(index as f64)).exp(), 0.99 - 0.2 * (-(index as f64)).exp()],
        stage: (!stage.is_empty()).then(|| stage.to_string()),
    });
    let plot = HistoryPlot {
        title: "ResNet-34, 224 pixels".into(),
        metrics: vec!["accuracy".into(), "top-5 accuracy".into()],
        epochs: epochs.collect(),
    };
    let svg = drawn("history", &plot);
    for text in ["validation", "accuracy", "C  unfrozen"] {
        assert!(svg.contains(text), "{text}");
    }
    let single = HistoryEpoch {
        batch_losses: vec![f32::NAN, 1.0],
        valid_loss: None,
        metrics: vec![],
        stage: None,
    };
    drawn("history_short", &HistoryPlot { epochs: vec![single], ..HistoryPlot::default() });
    assert!(HistoryPlot::default().to_png().is_err());
}

#[test]
fn threshold_plots_mark_the_best() {
    let score = |threshold: f32| 0.9 - f64::from(threshold - 0.3).powi(2);
    let points = (1..=99).map(|i| f32::from(i as u8) / 100.0);
    let points = points.map(|threshold| ThresholdScore { threshold, score: score(threshold) });
    let curve = ThresholdCurve { beta: 2.0, points: points.collect() };
    let svg = drawn("thresholds", &ThresholdPlot(&curve));
    for text in ["best 0.30", "0.2", "F2 over the threshold"] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(ThresholdPlot(&ThresholdCurve { points: vec![], ..curve }).to_png().is_err());
}

fn matrix(classes: usize, rows: usize, accuracy: f32) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(classes);
    for row in 0..rows {
        let truth = row % classes;
        let near = (truth + 1 + (noise(row * 3) * 4.0) as usize) % classes;
        matrix.add(truth, if noise(row * 7 + 1) < accuracy { truth } else { near });
    }
    matrix
}

fn names(classes: usize) -> Vec<String> {
    let words = [
        "agricultural",
        "airplane",
        "beach",
        "storagetanks",
        "mobilehomepark",
        "golfcourse",
        "river",
    ];
    (0..classes)
        .map(|class| format!("{}{}", words[class % words.len()], class / words.len()))
        .collect()
}

#[test]
fn confusion_plots_fit_any_number_of_classes() {
    let two = [String::from("cats"), String::from("dogs & <wolves>")];
    let svg = drawn("confusion_2", &ConfusionPlot::new(&matrix(2, 2000, 0.97), &two));
    assert!(svg.contains("dogs &amp; &lt;wolves&gt;") && svg.contains("2000 pictures"));
    drawn("confusion_5", &ConfusionPlot::new(&matrix(5, 1234, 0.8), &names(5)));
    drawn("confusion_21", &ConfusionPlot::new(&matrix(21, 2100, 0.92), &names(21)));
    let many = drawn("confusion_120", &ConfusionPlot::new(&matrix(120, 10_000, 0.85), &names(120)));
    assert!(names(120).iter().all(|name| many.contains(name)));
    drawn("confusion_1", &ConfusionPlot::new(&matrix(1, 3, 1.0), &names(1)));
    assert!(ConfusionPlot::new(&matrix(3, 9, 1.0), &names(2)).to_png().is_err());
    assert!(ConfusionPlot::new(&ConfusionMatrix::new(0), &[]).to_png().is_err());
}

fn tile(index: usize) -> Tile {
    let (width, height) = [(64, 64), (120, 80), (50, 200), (1, 1)][index % 4];
    let pixel = |at: u32| [(at * 3) as u8, (index * 40) as u8, (at / width * 5) as u8];
    Tile::new((0..width * height).flat_map(pixel).collect(), width, height).expect("fits")
}

#[test]
fn grids_hold_pictures_of_any_shape() {
    let tiles = (0..10).map(|index| {
        let truth = if index % 3 == 0 { "airplane" } else { "a class with a name that has no end" };
        tile(index)
            .prediction("airplane", 0.999 - index as f32 * 0.07)
            .truth(truth)
            .file(format!("images/airplane/{index:060}.jpg"))
    });
    let grid = PictureGrid::new("Most incorrect pictures", tiles.collect());
    let picture =
        image::load_from_memory(&grid.to_png().expect("draws")).expect("decodes").to_rgb8();
    // The first pixel of the first picture, in the corner of its square.
    assert_eq!(picture.get_pixel(48, 100).0, [0, 0, 0]);
    if let Some(folder) = std::env::var_os("FASTLEARN_PLOTS") {
        grid.save(&Path::new(&folder).join("grid.png")).expect("writes");
        let one =
            PictureGrid::new("One picture and a long heading", vec![tile(1).caption("zoomed")]);
        one.save(&Path::new(&folder).join("grid_1.png")).expect("writes");
    }
    assert!(PictureGrid::new("", vec![]).to_png().is_err());
    assert!(Tile::new(vec![0; 10], 2, 2).is_err());
    assert!(Tile::new(vec![], 0, 0).is_err());
}

#[test]
fn files_are_replaced_whole_and_errors_name_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let plot = SchedulePlot::new(2, 10, 0.1);
    let path = folder.path().join("rate.png");
    std::fs::write(&path, "old").expect("writes");
    plot.save(&path).expect("replaces");
    assert_eq!(std::fs::read(&path).expect("reads"), plot.to_png().expect("draws"));
    plot.save(&folder.path().join("rate.SVG")).expect("any case");
    let grid = PictureGrid::new("", vec![tile(0)]);
    let missing = folder.path().join("missing").join("rate.png");
    for (error, path) in [
        (plot.save(&missing), missing.clone()),
        (plot.save(&folder.path().join("rate.jpg")), folder.path().join("rate.jpg")),
        (plot.save(&folder.path().join("rate")), folder.path().join("rate")),
        (grid.save(&missing), missing.clone()),
        (grid.save(&folder.path().join("grid.svg")), folder.path().join("grid.svg")),
    ] {
        let message = error.expect_err("refused").to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
    let files = std::fs::read_dir(folder.path()).expect("reads").count();
    assert_eq!(files, 2, "nothing half-written is left");
}

#[test]
fn drawings_are_the_same_every_time() {
    let plot = SchedulePlot::new(Cycles::new(2), 50, 0.1);
    assert_eq!(plot.to_png().expect("draws"), plot.to_png().expect("draws"));
}
