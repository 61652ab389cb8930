//! Trains with fastlearn alone, without its command.

use fastlearn::schedule::Cycles;
use fastlearn::{Arch, ImageData, Learner, Result, Transforms};

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "data".to_string());
    let data = ImageData::from_folders(folder, Transforms::side_on(64).max_zoom(1.1))?;
    let mut learner = Learner::pretrained(Arch::ResNet18, data)?;
    learner.fit(1e-2, Cycles::new(1))?;
    println!("{:?}", learner.history().last());
    Ok(())
}
