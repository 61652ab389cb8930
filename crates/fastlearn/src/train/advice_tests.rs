//! Advice on the epoch tables of the lesson's own notebooks (training loss, validation loss), held
//! against what the lecturer did next.

use std::slice::from_ref;

use super::*;

/// A fit whose epochs are cut into cycles of these lengths.
fn fit(cycles: &[usize], losses: &[(f32, f32)]) -> Vec<EpochRow> {
    assert_eq!(cycles.iter().sum::<usize>(), losses.len());
    let cycle_of = cycles.iter().enumerate().flat_map(|(cycle, &n)| std::iter::repeat_n(cycle, n));
    let rows = cycle_of.zip(losses).enumerate();
    rows.map(|(epoch, (cycle, &(train_loss, valid_loss)))| EpochRow {
        epoch,
        cycle,
        train_loss,
        valid_loss: Some(valid_loss),
        ..EpochRow::default()
    })
    .collect()
}

fn advice(fits: &[Vec<EpochRow>]) -> Option<Advice> {
    advise(&History { epochs: fits.concat(), ..History::default() })
}

#[track_caller]
fn assert_says(fits: &[Vec<EpochRow>], beginning: &str) {
    let said = advice(fits).map_or_else(String::new, |advice| advice.to_string());
    assert!(said.starts_with(beginning) && said.is_empty() == beginning.is_empty(), "{said:?}");
}

/// Dogs and cats, 2017-11: cached activations; augmented; the whole network.
fn dogs() -> [Vec<EpochRow>; 3] {
    [
        fit(&[3], &[(0.04726, 0.02807), (0.04413, 0.02372), (0.03454, 0.02609)]),
        fit(&[1, 1, 1], &[(0.03597, 0.01879), (0.02605, 0.01836), (0.02189, 0.0196)]),
        fit(
            &[1, 2, 4],
            &[
                (0.04538, 0.01965),
                (0.03385, 0.01807),
                (0.03194, 0.01714),
                (0.0358, 0.0166),
                (0.02157, 0.01504),
                (0.0196, 0.0151),
                (0.01356, 0.01518),
            ],
        ),
    ]
}

#[test]
fn dogs_and_cats() {
    let [cached, frozen, unfrozen] = dogs();
    // Each time the lecturer trained on, the last time with cycles that grow.
    assert_says(from_ref(&cached), "under-fitting");
    assert_says(&[cached.clone(), frozen.clone()], "under-fitting");
    // Now training is below validation, and validation still better at every cycle's end.
    assert_says(&[cached, frozen, unfrozen], "go on");
}

#[test]
fn breeds_over_fit_on_cached_activations() {
    // The notebook went on with a new head that drops out half.
    let cached = fit(
        &[5],
        &[
            (0.956455, 0.400646),
            (0.439589, 0.301357),
            (0.297356, 0.274035),
            (0.236814, 0.258365),
            (0.18122, 0.252791),
        ],
    );
    assert_says(&[cached], "over-fitting: the validation loss 0.2528 is far above");
}

#[test]
fn breeds_under_fit_at_the_larger_size_until_cycles_grow() {
    // "My validation loss is a lot lower than my training loss": then came the multiplier.
    let three = fit(&[1, 1], &[(0.35614, 0.22239), (0.28341, 0.2274)]);
    let grown = fit(
        &[1, 2, 4],
        &[
            (0.27171, 0.2118),
            (0.28743, 0.21008),
            (0.25328, 0.20953),
            (0.23716, 0.20868),
            (0.23306, 0.20557),
            (0.22175, 0.205),
            (0.2067, 0.20275),
        ],
    );
    assert_says(from_ref(&three), "under-fitting");
    assert!(advice(from_ref(&three)).expect("advice").to_string().contains("multiplier of 2"));
    // 0.2067 against 0.20275 is balance, and the last cycle brought another three per cent.
    assert_says(&[three, grown], "go on");
}

#[test]
fn planet_is_left_alone_where_it_is_balanced() {
    let frozen = fit(
        &[1, 2, 4],
        &[
            (0.14643, 0.13145),
            (0.14142, 0.12669),
            (0.13457, 0.12442),
            (0.13709, 0.12475),
            (0.13404, 0.12197),
            (0.13095, 0.12115),
            (0.13381, 0.12053),
        ],
    );
    let large = fit(
        &[1, 2, 4],
        &[
            (0.08932, 0.08218),
            (0.08654, 0.08195),
            (0.08468, 0.08024),
            (0.08596, 0.08141),
            (0.08211, 0.08152),
            (0.07971, 0.08001),
            (0.07928, 0.0792),
        ],
    );
    assert_says(&[frozen], "go on");
    // The last fit of the notebook: a gain of 1.3 per cent over the cycle before is the end.
    assert_says(&[large], "");
}

#[test]
fn resnext_under_fits_to_the_end() {
    let unfrozen = [(0.03577, 0.01557), (0.03684, 0.01287), (0.02823, 0.01572)];
    assert_says(&[fit(&[1, 1, 1], &unfrozen)], "under-fitting");
}

#[test]
fn rising_while_training_falls_is_over_fitting() {
    let rising = [(0.5, 0.40), (0.4, 0.37), (0.36, 0.38), (0.33, 0.41)];
    assert_says(
        &[fit(&[4], &rising)],
        "over-fitting: the validation loss has risen from 0.3700 (epoch 2)",
    );
    // The same rise with training that rises too is the rate, not the pictures.
    let both = [(0.5, 0.40), (0.4, 0.37), (0.43, 0.41)];
    assert_says(&[fit(&[3], &both)], "");
    // Within a cycle the rate is high: only its end counts.
    let within = [(0.5, 0.40), (0.45, 0.47), (0.38, 0.39)];
    assert_says(&[fit(&[1, 2], &within)], "go on");
}

#[test]
fn losses_that_ran_away_want_a_tenth_of_the_rate() {
    let good = fit(&[1], &[(0.3, 0.28)]);
    let bad = fit(&[2], &[(2.1, 1.6), (1.9, 1.4)]);
    let said = advice(&[good, bad]).expect("advice");
    assert_eq!(said, Advice::Diverged { before: 0.28, valid: 1.4 });
    assert!(said.to_string().contains("a tenth"));
    assert_says(&[fit(&[3], &[(0.6, 0.5), (1.1, 0.9), (1.5, 1.3)])], "diverged");
    // With dropout on, the training loss runs away first.
    let head = fit(&[1, 1, 1], &[(0.38, 0.17), (0.45, 0.24), (0.36, 0.19)]);
    assert_says(&[head, fit(&[1, 2], &[(0.15, 0.23), (0.34, 0.22), (0.9, 0.35)])], "diverged");
    // A validation loss alone is the fault of something else: batch norms, too few pictures.
    assert_says(&[fit(&[3], &[(0.6, 0.5), (0.5, 0.9), (0.4, 1.3)])], "over-fitting");
}

#[test]
fn softened_targets_are_not_held_against_plain_ones() {
    let soften = |mut rows: Vec<EpochRow>| {
        rows.iter_mut().for_each(|row| row.soft_targets = true);
        rows
    };
    assert_says(&[soften(fit(&[2], &[(0.9, 0.31), (0.8, 0.307)]))], "");
    // What validation does by itself still counts.
    assert_says(&[soften(fit(&[3], &[(0.9, 0.4), (0.8, 0.3), (0.7, 0.4)]))], "over-fitting");
    let plain = fit(&[1], &[(0.3, 0.2)]);
    assert_says(&[plain, soften(fit(&[1], &[(0.9, 0.6)]))], "");
}

#[test]
fn nothing_is_said_of_nothing() {
    assert_says(&[], "");
    assert_says(&[fit(&[1], &[(0.3, 0.3)])], "");
}
