//! All PTX of this crate. Made by `cargo xtask ptx`; not to be edited.

/// Stem of the .cu file, target, text: what `cuda/modules.rs` chooses from.
pub const TABLE: &[(&str, &str, &str)] = &[
    ("dropout", "sm_75", include_str!("sm_75/dropout.ptx")),
    ("dropout", "sm_80", include_str!("sm_80/dropout.ptx")),
    ("dropout", "sm_90a", include_str!("sm_90a/dropout.ptx")),
    ("loss", "sm_75", include_str!("sm_75/loss.ptx")),
    ("loss", "sm_80", include_str!("sm_80/loss.ptx")),
    ("loss", "sm_90a", include_str!("sm_90a/loss.ptx")),
    ("optimizer", "sm_75", include_str!("sm_75/optimizer.ptx")),
    ("optimizer", "sm_80", include_str!("sm_80/optimizer.ptx")),
    ("optimizer", "sm_90a", include_str!("sm_90a/optimizer.ptx")),
    ("pointwise", "sm_75", include_str!("sm_75/pointwise.ptx")),
    ("pointwise", "sm_80", include_str!("sm_80/pointwise.ptx")),
    ("pointwise", "sm_90a", include_str!("sm_90a/pointwise.ptx")),
    ("reduce", "sm_75", include_str!("sm_75/reduce.ptx")),
    ("reduce", "sm_80", include_str!("sm_80/reduce.ptx")),
    ("reduce", "sm_90a", include_str!("sm_90a/reduce.ptx")),
];
