//! Which chips a PTX will run on, and so has to assemble for.
//!
//! A driver takes the best PTX that there is of a source for its chip, so a PTX serves every chip from its target
//! on up to the next target of the same source.

/// A chip that PTX is assembled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chip {
    /// As the assembler calls it.
    pub name: &'static str,
    /// True if the old assembler knows it too, and registers on it are in the budget.
    pub is_budgeted: bool,
}

/// All chips, by what the new assembler knows, and their capabilities.
const CHIPS: [(Chip, u32); 7] = [
    (chip("sm_75", true), 75),
    (chip("sm_80", true), 80),
    (chip("sm_86", false), 86),
    (chip("sm_89", false), 89),
    (chip("sm_90", true), 90),
    (chip("sm_100", false), 100),
    (chip("sm_120", false), 120),
];

const fn chip(name: &'static str, is_budgeted: bool) -> Chip {
    Chip { name, is_budgeted }
}

/// The chips that the PTX of `target` serves, where a source has PTX of `targets`.
pub fn served(target: &'static str, targets: &[&'static str]) -> Vec<Chip> {
    let best = |capability| targets.iter().filter(|target| runs_on(target, capability)).max();
    let own = CHIPS.iter().filter(|(_, capability)| best(*capability) == Some(&target));
    own.map(|(chip, _)| match is_tied(target) {
        true => Chip { name: target, ..*chip },
        false => *chip,
    })
    .collect()
}

/// Whether PTX of this target runs on chips of its own capability alone.
fn is_tied(target: &str) -> bool {
    target.ends_with('a')
}

fn runs_on(target: &str, capability: u32) -> bool {
    let digits = target.trim_start_matches("sm_").trim_end_matches('a');
    digits.parse().is_ok_and(|lowest: u32| match is_tied(target) {
        true => capability == lowest,
        false => capability >= lowest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(target: &'static str, targets: &[&'static str]) -> Vec<&'static str> {
        served(target, targets).iter().map(|chip| chip.name).collect()
    }

    #[test]
    fn a_ptx_serves_the_chips_up_to_the_next_target() {
        let all = ["sm_75", "sm_80", "sm_90a"];
        assert_eq!(names("sm_75", &all), ["sm_75"]);
        assert_eq!(names("sm_80", &all), ["sm_80", "sm_86", "sm_89", "sm_100", "sm_120"]);
        assert_eq!(names("sm_90a", &all), ["sm_90a"]);
        let without_hopper = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"];
        assert_eq!(names("sm_80", &["sm_75", "sm_80"]), without_hopper);
        assert_eq!(names("sm_75", &["sm_75"]).len(), CHIPS.len());
    }
}
