//! How many registers each kernel may use: a committed file, so that a change that costs occupancy is seen
//! in review.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::assemble::Usage;

/// Where the budget lies, from the workspace's root.
pub const FILE: &str = "kernels/registers.json";

/// How a budget is made to hold what the kernels use now.
const REMEDY: &str = "if that is meant, run `cargo xtask ptx --update-budget`";

/// Kernel, chip, registers a thread.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Budget(BTreeMap<String, BTreeMap<String, u32>>);

impl Budget {
    /// The committed budget; an empty one if there is none.
    pub fn read(root: &Path) -> Result<Budget> {
        let path = root.join(FILE);
        if !path.exists() {
            return Ok(Budget::default());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("reading {FILE}"))?;
        serde_json::from_str(&text).map(Budget).with_context(|| format!("reading {FILE}; {REMEDY}"))
    }

    /// The file's text, a line a kernel.
    pub fn to_text(&self) -> String {
        let lines = self.0.iter().map(|(kernel, chips)| {
            let pairs: Vec<String> =
                chips.iter().map(|(chip, registers)| format!("\"{chip}\": {registers}")).collect();
            format!("  \"{kernel}\": {{ {} }}", pairs.join(", "))
        });
        format!("{{\n{}\n}}\n", lines.collect::<Vec<_>>().join(",\n"))
    }

    /// Notes what a kernel uses; the larger number where two assemblers differ.
    pub fn note(&mut self, usage: &Usage) {
        let chips = self.0.entry(usage.kernel.clone()).or_default();
        let registers = chips.entry(usage.chip.clone()).or_default();
        *registers = usage.registers.max(*registers);
    }

    /// What is wrong with the numbers `used`, held against this budget. Kernels of other files than the
    /// chosen ones are not in `used` and are left alone unless `whole`.
    pub fn complaints(&self, used: &Budget, whole: bool) -> Vec<String> {
        let mut complaints = Vec::new();
        for (kernel, chips) in &used.0 {
            for (chip, registers) in chips {
                match self.of(kernel, chip) {
                    Some(allowed) if registers <= allowed => {}
                    Some(allowed) => complaints.push(format!(
                        "{kernel} uses {registers} registers on {chip}, its budget is {allowed}; {REMEDY}"
                    )),
                    None => complaints.push(format!(
                        "{kernel} uses {registers} registers on {chip} and has no budget; {REMEDY}"
                    )),
                }
            }
        }
        let known =
            self.0.iter().flat_map(|(kernel, chips)| chips.keys().map(move |chip| (kernel, chip)));
        for (kernel, chip) in
            known.filter(|(kernel, chip)| whole && used.of(kernel, chip).is_none())
        {
            complaints.push(format!("{FILE} has {kernel} on {chip}, which is gone; {REMEDY}"));
        }
        complaints
    }

    /// Takes over the kernels of `used`.
    pub fn extend(&mut self, used: Budget) {
        self.0.extend(used.0);
    }

    fn of(&self, kernel: &str, chip: &str) -> Option<&u32> {
        self.0.get(kernel)?.get(chip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(rows: &[(&str, &str, u32)]) -> Budget {
        let mut budget = Budget::default();
        for (kernel, chip, registers) in rows {
            let (kernel, chip) = (kernel.to_string(), chip.to_string());
            budget.note(&Usage { kernel, chip, registers: *registers, spills: 0 });
        }
        budget
    }

    #[test]
    fn more_registers_new_kernels_and_gone_kernels_are_told() {
        let allowed = budget(&[("a", "sm_75", 30), ("a", "sm_80", 30), ("gone", "sm_80", 8)]);
        let used = budget(&[("a", "sm_75", 30), ("a", "sm_80", 31), ("new", "sm_80", 8)]);
        let complaints = allowed.complaints(&used, true);
        assert_eq!(complaints.len(), 3, "{complaints:?}");
        assert!(complaints[0].contains("a uses 31") && complaints[0].contains("budget is 30"));
        assert!(complaints[1].contains("new") && complaints[1].contains("no budget"));
        assert!(complaints[2].contains("gone"));
        assert_eq!(allowed.complaints(&used, false).len(), 2);
        assert!(used.complaints(&used, true).is_empty());
    }

    #[test]
    fn the_larger_number_of_two_assemblers_counts() {
        assert_eq!(budget(&[("a", "sm_80", 9), ("a", "sm_80", 7)]), budget(&[("a", "sm_80", 9)]));
    }

    #[test]
    fn the_text_comes_back() {
        let written = budget(&[("a", "sm_75", 30), ("a", "sm_80", 31), ("b", "sm_80", 8)]);
        let text = written.to_text();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(Budget(serde_json::from_str(&text).unwrap()), written);
        let mut updated = budget(&[("a", "sm_75", 1), ("z", "sm_80", 3)]);
        updated.extend(budget(&[("a", "sm_75", 2)]));
        assert_eq!(updated, budget(&[("a", "sm_75", 2), ("z", "sm_80", 3)]));
    }
}
