//! Schedules against the values of fastai 0.7 and against formulas worked out by hand.

use super::*;

fn factors(cycles: Cycles, batches_per_epoch: usize, expected: &[(usize, f64, f64)]) {
    let schedule = Schedule::from(cycles);
    for &(batch, value, tolerance) in expected {
        let got = f64::from(schedule.at(batch, batches_per_epoch).factor);
        assert!((got - value).abs() <= tolerance, "batch {batch}: {got} against {value}");
    }
}

#[test]
fn cosine_restarts_are_fastais() {
    let warm: Vec<_> = (0..18).map(|batch| (batch, 0.01, 1e-9)).collect();
    factors(Cycles::new(3).length(1), 360, &warm);
    let annealed = [
        (18, 0.993_844, 5e-7),
        (19, 0.993_143, 5e-7),
        (180, 0.5, 1e-7),
        (358, 7.6e-5, 5e-7),
        (359, 1.9e-5, 5e-7),
        (360, 1.0, 0.0),
        (361, 0.999_981, 5e-7),
        (378, 0.993_844, 5e-7),
    ];
    factors(Cycles::new(3).length(1), 360, &annealed);
    let doubled = [
        (359, 1.9e-5, 5e-7),
        (360, 1.0, 0.0),
        (361, 0.999_995, 5e-7),
        (720, 0.5, 1e-7),
        (1079, 5e-6, 5e-7),
        (1080, 1.0, 0.0),
        (2519, 1e-6, 5e-7),
    ];
    factors(Cycles::new(3).length(1).multiplier(2), 360, &doubled);
}

#[test]
fn warm_start_lasts_a_twentieth_rounded_up() {
    for (batches, warm) in [(360, 18), (506, 26), (822, 42), (141, 8), (20, 1), (21, 2), (2, 1)] {
        let schedule = Schedule::from(Cycles::new(2));
        let got =
            (0..2 * batches).filter(|&batch| schedule.at(batch, batches).factor == 0.01).count();
        assert_eq!(got, warm, "{batches} batches");
        assert_ne!(schedule.at(warm, batches).factor, 0.01);
    }
    // It follows the first cycle's batches, not the epoch's.
    let long = Schedule::from(Cycles::new(1).length(2));
    assert_eq!((long.at(35, 360).factor, long.at(36, 360).factor == 0.01), (0.01, false));
}

#[test]
fn one_batch_cycles_run_at_the_base_rate() {
    let schedule = Schedule::from(Cycles::new(3));
    for batch in 0..3 {
        assert_eq!(schedule.at(batch, 1).factor, 1.0);
        assert!(schedule.is_cycle_end(batch));
    }
    factors(Cycles::new(2).multiplier(2), 1, &[(0, 1.0, 0.0), (1, 1.0, 0.0), (2, 0.5, 1e-7)]);
    assert!(schedule.at(0, 0).factor.is_finite());
}

#[test]
fn epochs_and_cycles_add_up() {
    for (count, length, multiplier, epochs) in
        [(3, 1, 1, 3), (3, 1, 2, 7), (1, 2, 1, 2), (3, 2, 2, 14), (2, 3, 3, 12), (5, 1, 2, 31)]
    {
        let schedule = Schedule::from(Cycles::new(count).length(length).multiplier(multiplier));
        assert_eq!(schedule.epochs(), epochs);
        let ends = (0..epochs).filter(|&epoch| schedule.is_cycle_end(epoch)).count();
        assert_eq!(ends, count);
        assert_eq!(schedule.cycle_of(epochs - 1), count - 1);
    }
    let schedule = Schedule::from(Cycles::new(3).multiplier(2));
    let cycles: Vec<_> = (0..9).map(|epoch| schedule.cycle_of(epoch)).collect();
    assert_eq!(cycles, [0, 1, 1, 2, 2, 2, 2, 2, 2]);
    let ends: Vec<_> = (0..9).filter(|&epoch| schedule.is_cycle_end(epoch)).collect();
    assert_eq!(ends, [0, 2, 6]);
    assert_eq!(Schedule::from(Cycles::new(3)).cycle_of(10), 2);
}

#[test]
fn constant_is_constant() {
    let schedule = Schedule::from(5);
    assert_eq!(schedule.at(999, 7), Settings { factor: 1.0, momentum: None });
    assert_eq!((schedule.epochs(), schedule.cycle_of(4)), (5, 0));
    assert_eq!((0..5).filter(|&epoch| schedule.is_cycle_end(epoch)).collect::<Vec<_>>(), [4]);
}

#[test]
fn one_cycle_rises_and_falls() {
    let schedule = Schedule::from(OneCycle::new(4));
    let at = |batch| schedule.at(batch, 100);
    assert!((at(0).factor - 0.04).abs() < 1e-7);
    assert!((at(50).factor - 0.52).abs() < 1e-6); // half way up a cosine is the mean of its ends
    assert_eq!((at(100).factor, at(100).momentum), (1.0, Some(0.85)));
    assert!((at(250).factor - 0.500_000_2).abs() < 1e-6);
    assert!(at(399).factor < 1e-4);
    assert_eq!(at(0).momentum, Some(0.95));
    assert!((at(250).momentum.unwrap_or(0.0) - 0.9).abs() < 1e-6);
    assert_eq!(at(10_000), at(399));
}

#[test]
fn triangle_has_two_legs_and_a_tail() {
    let schedule = Schedule::from(OneCycle::triangle(1, 10.0, 0.2).momentum(0.95, 0.8));
    let at = |batch| schedule.at(batch, 100);
    for (batch, factor, momentum) in [
        (0, 0.1, 0.95),
        (20, 0.55, 0.875),
        (40, 1.0, 0.8),
        (60, 0.55, 0.875),
        (80, 0.1, 0.95),
        (90, 0.0505, 0.95),
    ] {
        assert!((at(batch).factor - factor).abs() < 1e-6, "batch {batch}: {}", at(batch).factor);
        assert!((at(batch).momentum.unwrap_or(0.0) - momentum).abs() < 1e-6, "batch {batch}");
    }
    assert_eq!(Schedule::from(OneCycle::triangle(1, 10.0, 0.2)).at(3, 100).momentum, None);
}

#[test]
fn ramp_is_geometric() {
    let ramp = Ramp { start: 1e-5, end: 10.0, steps: 360 };
    for step in 1..360 {
        assert!((ramp.rate(step) / ramp.rate(step - 1) - 1.039_12).abs() < 1e-5);
    }
    assert_eq!(ramp.rate(0), 1e-5);
    assert!(Ramp { steps: 0, ..ramp }.validate().is_err());
    assert!(Ramp { end: 1e-6, ..ramp }.validate().is_err());
    assert!(ramp.validate().is_ok());
}

#[test]
fn rates_are_expanded_or_refused() {
    assert_eq!(Rates::from(vec![0.1]).expand(3), Ok(vec![0.1; 3]));
    assert_eq!(Rates::spread(0.2, 3.0).expand(3), Ok(vec![0.2_f32 / 9.0, 0.2 / 3.0, 0.2]));
    assert_eq!(
        Rates::from([0.1, 0.2]).expand(3),
        Err(ScheduleError::RateCount { given: 2, groups: 3 })
    );
    assert_eq!(
        Rates::from(vec![]).expand(3),
        Err(ScheduleError::RateCount { given: 0, groups: 3 })
    );
    assert_eq!(
        Rates::from([0.1, -0.2]).expand(2),
        Err(ScheduleError::Rate { group: 1, rate: -0.2 })
    );
    assert!(Rates::from(f32::NAN).expand(2).is_err());
    assert!(Rates::spread(0.1, 0.0).expand(2).is_err());
}

#[test]
fn unusable_schedules_are_refused() {
    let refused: [Schedule; 8] = [
        0.into(),
        Cycles::new(0).into(),
        Cycles::new(1).length(0).into(),
        Cycles::new(1).multiplier(0).into(),
        Cycles::new(10_000).multiplier(2).into(),
        OneCycle::new(0).into(),
        OneCycle::new(1).peak_at(1.5).into(),
        OneCycle::new(1).divisors(f64::NAN, 1.0).into(),
    ];
    for schedule in refused {
        assert!(schedule.validate().is_err(), "{schedule:?}");
        assert!(schedule.at(3, 2).factor >= 0.0 || schedule.at(3, 2).factor.is_nan());
    }
    assert!(Sequence::new([(0.5, Curve::linear(0.0, 1.0))]).is_err());
    assert!(Sequence::new([(1.0, Curve::exponential(0.0, 1.0))]).is_err());
    assert!(Schedule::from(Cycles::new(3).multiplier(2)).validate().is_ok());
}

#[test]
fn labels_read_well() {
    assert_eq!(Schedule::from(1).label(), "constant rate, 1 epoch");
    assert_eq!(Schedule::from(Cycles::new(3)).label(), "3 cycles of 1 epoch");
    assert_eq!(Schedule::from(Cycles::new(3).multiplier(2)).label(), "3 cycles, 1 + 2 + 4 epochs");
    assert_eq!(Schedule::from(OneCycle::new(4)).label(), "one cycle, 4 epochs");
}

#[test]
fn schedules_survive_json() {
    let rate = Sequence::new([(0.25, Curve::constant(0.5)), (0.75, Curve::cosine(1.0, 0.0))])
        .expect("valid");
    let schedules: [Schedule; 4] = [
        3.into(),
        Cycles::new(3).length(2).multiplier(2).into(),
        OneCycle::new(4).into(),
        Phased { epochs: 2, rate, momentum: None }.into(),
    ];
    for schedule in schedules {
        let text = serde_json::to_string(&schedule).expect("serialises");
        assert_eq!(serde_json::from_str::<Schedule>(&text).expect("deserialises"), schedule);
    }
    let short: Schedule = serde_json::from_str(r#"{"kind":"cycles","count":3}"#).expect("defaults");
    assert_eq!(short, Cycles::new(3).into());
}
