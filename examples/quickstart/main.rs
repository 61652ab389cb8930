//! The lesson in a world of its own: no data set, no download, a few minutes on two cores.
//!
//! `cargo run --release --example quickstart` draws pictures, trains a small backbone on some kinds
//! of things, and then learns six kinds that it has never seen from 30 pictures each, the way a
//! reader would learn them from photographs. Run it with `--help` for its options.

#[path = "../drawn/mod.rs"]
#[allow(dead_code, reason = "every example uses a part of it")]
pub mod drawn;
mod options;
mod outcome;
mod report;
mod yardsticks;

use std::process::ExitCode;

use fastlearn::schedule::{Cycles, FinderCurve, Rates};
use fastlearn::{Device, ImageData, Learner, Transforms};
use models::StateDict;
use models::weights::cache_folder;
use tensor_core::device::DeviceChoice;

pub use drawn::{Result, Table, backbone, world};
pub use options::{Amount, Options};
pub use outcome::{Outcome, Score, Stopwatch};
use report::say;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--help") {
        println!("{}", options::USAGE);
        return ExitCode::SUCCESS;
    }
    match Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(outcome) => {
            println!("\n{outcome}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What FASTLEARN_DEVICE names, or the best there is; options of the CPU ask for the CPU.
fn device(options: &Options) -> Result<Device> {
    let wants_cpu = options.cpu.threads.is_some() || options.cpu.instruction_set.is_some();
    Ok(match DeviceChoice::from_environment()? {
        DeviceChoice::Auto if wants_cpu => Device::cpu_with(options.cpu)?,
        DeviceChoice::Cpu => Device::cpu_with(options.cpu)?,
        named => named.open()?,
    })
}

/// The whole way, from an empty folder to a trained classifier and what it is worth.
pub fn run(options: &Options) -> Result<Outcome> {
    let (amount, watch) = (options.amount, Stopwatch::start());
    let device = device(options)?;
    println!("{}", device.description());
    world::clear(&options.world())?;

    say("1. A backbone. It stands for the networks that others have trained on millions of \
         photographs; its pictures are drawn by code: two dozen kinds of things, in any pose, light \
         and colour.");
    let cache = cache_folder(options.cache.as_deref())?;
    let known = options.world().join("known");
    let file = backbone::pretrain(&known, &cache, options.schooling(), &device)?;

    say(&format!(
        "2. The data: six kinds that the backbone has never seen, {} pictures of each to \
         learn from and {} to judge by. Each class is a folder.",
        amount.unseen.train, amount.unseen.valid
    ));
    let folder = options.world().join("unseen");
    world::draw(&folder, &world::shapes::UNSEEN, amount.unseen, amount.size, options.seed)?;
    let transforms = Transforms::side_on(amount.size).max_zoom(1.1);
    let data = ImageData::from_folders(&folder, transforms)?.batch_size(16).seed(options.seed);
    println!("   {} with {}", folder.display(), data.classes().join(", "));
    let lesson = Stopwatch::start();
    let mut learner = Learner::builder(backbone::architecture(), data.clone())
        .state(StateDict::read(&file)?, backbone::NAME)
        .cache_folder(options.world())
        .device(&device)
        .seed(options.seed)
        .listener(Table::default())
        .build()?;

    say(
        "3. Which learning rate? The finder raises it from batch to batch until the loss explodes, \
         and advises a tenth of the rate at the lowest loss. From batches of 16 pictures the curve \
         is rough: a third of that is safer.",
    );
    let curve = learner.lr_find()?;
    let rate = careful_rate(&curve);
    println!("   rate {rate:.1e}");

    say("4. The backbone stays as it is. A new head learns, on activations computed once.");
    learner.set_stage("precomputed");
    learner.precompute()?.fit(rate, amount.precomputed_epochs)?;

    say(
        "5. Now the pictures change a little each time they are seen, so that the head cannot learn \
         them by heart. In each cycle the rate falls to zero and starts again.",
    );
    learner.set_stage("augmented");
    learner.fit(rate, Cycles::new(3).length(1))?;

    say(
        "6. Unfreeze: all layers learn, but the earliest, which know edges and corners, a hundred \
         times slower than the head. Batch norms keep the statistics of the many pictures that the \
         backbone saw. The cycles grow longer.",
    );
    learner.unfreeze()?;
    learner.freeze_norms(true);
    learner.set_stage("unfrozen");
    learner.fit(Rates::spread(rate, 10.0), Cycles::new(3).multiplier(2))?;
    let plain = Score::new("the lesson, plain pictures", &learner.predict()?, &lesson)?;

    say(
        "7. Test-time augmentation: the mean opinion on a picture and on four changed copies of it.",
    );
    let predictions = learner.tta(4)?;
    let transfer = Score::new("the lesson, test-time augmentation", &predictions, &lesson)?;
    let linear = yardsticks::linear_on_pixels(&data, amount.linear_steps, &device)?;
    let random = yardsticks::from_random_weights(&data, options, &device)?;
    outcome::print_scores(&[linear, random, plain, transfer]);

    say("Plots, and the pictures that the model gets wrong:");
    for file in report::write(&options.out, &learner, &curve, &predictions)? {
        println!("   {}", file.display());
    }
    say(&format!("{:.0} s in all.", watch.seconds()));
    Ok(Outcome { linear, random, transfer, backbone: file, command: options.command() })
}

/// A third of what a finder's curve advises; of the lesson's 0.01 if it has no point.
pub fn careful_rate(curve: &FinderCurve) -> f32 {
    curve.suggest().map_or(1e-2, |suggestion| suggestion.rate) / 3.0
}
