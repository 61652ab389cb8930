//! All PTX of this crate. Made by `cargo xtask ptx`; not to be edited.

/// Stem of the .cu file, target, text: what `cuda/modules.rs` chooses from.
pub const TABLE: &[(&str, &str, &str)] = &[];
