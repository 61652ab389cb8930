//! How a learner behaves: what each call changes, what it leaves alone, and that the same seed gives the same bits.
//!
//! Every test trains a slim network on a few drawn pictures of 32 pixels; how well it learns is not asked here.

mod calibration;
mod determinism;
mod divergence;
mod export;
mod files;
mod finder;
mod groups;
mod kept;
mod kept_resume;
mod listeners;
mod memory;
mod memory_full;
mod optimizer;
mod precompute;
mod resume;
mod sizes;
#[path = "../slim/mod.rs"]
mod slim;
mod soften;
mod tags;
mod tta;
mod world;
