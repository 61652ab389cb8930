//! The lesson in a world of its own: no data set, no download, a few minutes on two cores.
//!
//! `cargo run --release --example quickstart` draws pictures, trains a small backbone on some kinds
//! of things, and then learns six kinds that it has never seen from 25 pictures each, the way a
//! reader would learn them from photographs. Run it with `--help` for its options.

mod backbone;
mod options;
mod outcome;
mod report;
pub mod world;
mod yardsticks;

use std::process::ExitCode;

use fastlearn::schedule::{Cycles, FinderCurve, Rates};
use fastlearn::{Device, ImageData, Learner, Transforms};
use models::StateDict;
use models::weights::cache_folder;

pub use options::{Amount, Options};
pub use outcome::{Outcome, Score, Stopwatch};

/// What this example calls its results: any error ends it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--help") {
        println!("{}", options::USAGE);
        return ExitCode::SUCCESS;
    }
    match Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole way, from an empty folder to a trained classifier and what it is worth.
pub fn run(options: &Options) -> Result<Outcome> {
    let (amount, watch) = (options.amount, Stopwatch::start());
    let device = Device::cpu_with(options.cpu)?;
    println!("{}\n", device.description());
    world::clear(&options.world())?;

    println!(
        "1. A backbone. Its pictures are drawn by code: {} kinds of things in any colour, pose",
        world::shapes::KNOWN.len()
    );
    println!("   and light. It stands for the networks that others have trained on ImageNet.\n");
    let cache = cache_folder(options.cache.as_deref())?;
    let (file, known) = backbone::pretrain(options, &cache, &device)?;
    println!(
        "\n   {:.1} % of its held-out pictures are right after {:.0} s. Stored as",
        known * 100.0,
        watch.seconds()
    );
    println!("   {}\n", file.display());

    println!(
        "2. Your data: {} kinds that the backbone has never seen, {} pictures of each to learn",
        world::shapes::UNSEEN.len(),
        amount.unseen.train
    );
    println!("   from and {} to judge by. Each class is a folder:", amount.unseen.valid);
    let folder = options.world().join("unseen");
    world::draw(&folder, &world::shapes::UNSEEN, amount.unseen, amount.size, options.seed)?;
    println!("   {}\n", folder.join("train").join("CLASS").display());
    let transforms = Transforms::side_on(amount.size).max_zoom(1.1);
    let data = ImageData::from_folders(&folder, transforms)?.batch_size(16).seed(options.seed);
    let lesson = Stopwatch::start();
    let mut learner = Learner::builder(backbone::architecture(), data.clone())
        .state(StateDict::read(&file)?, backbone::NAME)
        .cache_folder(options.world())
        .device(&device)
        .seed(options.seed)
        .listener(report::Table)
        .build()?;

    println!(
        "3. Which learning rate? Raise it from batch to batch until the loss explodes, and take a"
    );
    println!("   tenth of the rate where the loss was lowest.\n");
    let curve = learner.lr_find()?;
    let rate = suggested_rate(&curve);
    println!("   rate {rate:.2e}\n");

    println!(
        "4. The backbone stays as it is; only a new head learns, on activations computed once.\n"
    );
    learner.set_stage("precomputed");
    learner.precompute()?.fit(rate, amount.precomputed_epochs)?;

    println!(
        "\n5. Pictures that change a little each time they are seen (augmentation), so that the head"
    );
    println!(
        "   cannot learn them by heart; the rate falls to zero in each cycle and starts again.\n"
    );
    learner.set_stage("augmented");
    learner.fit(rate, Cycles::new(3).length(1))?;

    println!(
        "\n6. Unfreeze: all layers learn, the early ones, which know edges, a hundred times slower"
    );
    println!("   than the head; the cycles grow longer.\n");
    learner.unfreeze()?;
    learner.set_stage("unfrozen");
    learner.fit(Rates::spread(rate, 10.0), Cycles::new(3).multiplier(2))?;
    let plain = learner.predict()?.scored()?.accuracy();

    println!(
        "\n7. Test-time augmentation: the mean opinion on a picture and four changed copies of it.\n"
    );
    let predictions = learner.tta(4)?;
    let transfer = Score::new(
        "the lesson, with test-time augmentation",
        predictions.scored()?.accuracy(),
        &lesson,
    );
    let plain = Score { name: "the lesson, plain pictures", accuracy: plain, ..transfer };

    let watch_linear = Stopwatch::start();
    let linear = yardsticks::linear_on_pixels(&data, amount.linear_steps, &device)?;
    let linear = Score::new("a linear classifier on pixels", linear, &watch_linear);
    let watch_random = Stopwatch::start();
    let random = yardsticks::from_random_weights(&data, options, &device)?;
    let random = Score::new("the same recipe from random weights", random, &watch_random);
    outcome::print_scores(&[linear, random, plain, transfer]);

    println!("\nPlots, and a grid of the mistakes to look at:");
    for file in report::write(&options.out, &learner, &curve, &predictions)? {
        println!("   {}", file.display());
    }
    println!("{:.0} s in all\n", watch.seconds());
    Ok(Outcome { linear, random, transfer, backbone: file, command: options.command() })
}

/// The rate that a finder's curve advises, or the lesson's 0.01 for a curve without a point.
pub fn suggested_rate(curve: &FinderCurve) -> f32 {
    curve.suggest().map_or(1e-2, |suggestion| suggestion.rate)
}
