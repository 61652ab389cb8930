//! All PTX of this crate: `(stem, target, text)`. Written by `cargo xtask ptx`; not to be edited.

/// What `cuda/modules.rs` chooses from.
pub const TABLE: &[(&str, &str, &str)] = &[];
