//! The PTX that this program carries, packed by `build.rs`. What runs on which device is decided in
//! `modules.rs`.

/// Stem of the .cu file, target, packed text.
const TABLE: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/ptx.rs"));

/// The PTX of a stem for a target, if it was made for that.
pub fn find(stem: &str, target: &str) -> Option<String> {
    let row = TABLE.iter().find(|row| row.0 == stem && row.1 == target)?;
    Some(unpack(row.2))
}

/// # Panics
/// If the program's own bytes are damaged.
fn unpack(packed: &[u8]) -> String {
    let bytes = miniz_oxide::inflate::decompress_to_vec(packed).expect("build.rs packed it");
    String::from_utf8(bytes).expect("PTX is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_for_its_target_and_for_drivers_from_525_on() {
        assert!(!TABLE.is_empty());
        for (stem, target, packed) in TABLE {
            let text = unpack(packed);
            assert!(text.contains(&format!(".target {target}")), "{stem}: not for {target}");
            assert!(text.contains(".version 8.0"), "{stem}: an older driver would refuse it");
        }
    }

    #[test]
    fn what_was_not_made_is_not_found() {
        assert!(find("pointwise", "sm_75").is_some());
        assert!(find("pointwise", "sm_20").is_none() && find("nonsense", "sm_75").is_none());
    }
}
