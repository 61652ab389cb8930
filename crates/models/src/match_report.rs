//! What fits and what does not between a network's tensors and a file's, as data and as text.
//!
//! The comparison itself is made where state dicts are known: [`match_names`](crate::weights::match_names).

use std::fmt;

/// Names listed per kind of difference before the rest is only counted.
const LISTED: usize = 8;

/// A tensor that is there under the right name with the wrong shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeMismatch {
    /// The tensor's name.
    pub name: String,
    /// What the network expects.
    pub expected: Vec<usize>,
    /// What the file has.
    pub found: Vec<usize>,
}

/// What fits and what does not. The lists of names keep the order of the network, or that of the state dict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchReport {
    /// Expected and there with the right shape.
    pub matched: Vec<String>,
    /// Expected but not there.
    pub missing: Vec<String>,
    /// There but not expected.
    pub unused: Vec<String>,
    /// Expected and there, but of another shape.
    pub wrong_shape: Vec<ShapeMismatch>,
    /// There, not expected, and no fault: a classifier `fc.*` that a new head replaces, and batch counters.
    pub ignored: Vec<String>,
}

impl MatchReport {
    /// Whether nothing is missing, unused or wrongly shaped.
    pub fn fits(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.wrong_shape.is_empty()
    }
}

impl fmt::Display for MatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {} tensors fit", self.matched.len())?;
        list(f, "missing", &self.missing)?;
        list(f, "unused", &self.unused)?;
        let shapes: Vec<String> = self
            .wrong_shape
            .iter()
            .map(|wrong| {
                format!("{} (expected {:?}, found {:?})", wrong.name, wrong.expected, wrong.found)
            })
            .collect();
        list(f, "wrongly shaped", &shapes)?;
        if !self.fits() {
            write!(
                f,
                "\n  is the file for another architecture, or are its names not torchvision's?"
            )?;
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, items: &[String]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    let shown = &items[..items.len().min(LISTED)];
    write!(f, "\n  {} {title}: {}", items.len(), shown.join(", "))?;
    if shown.len() < items.len() {
        write!(f, " and {} more", items.len() - shown.len())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let missing = (0..20).map(|i| format!("t{i}")).collect();
        let message = MatchReport { missing, ..MatchReport::default() }.to_string();
        assert!(message.contains("20 missing: t0") && message.contains("and 12 more"), "{message}");
    }
}
