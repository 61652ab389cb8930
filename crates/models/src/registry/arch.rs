//! The names of the built-in architectures: parsing, printing and the way to their rows.

use std::fmt;
use std::str::FromStr;

use super::{Architecture, rows};
use crate::error::{Error, Result};

/// A built-in architecture, named as torchvision names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Arch {
    /// `resnet18` (He et al. 2015).
    ResNet18,
    /// `resnet34` (He et al. 2015).
    ResNet34,
    /// `resnet50` (He et al. 2015; stride in the 3x3 convolution).
    ResNet50,
    /// `resnet101` (He et al. 2015; stride in the 3x3 convolution).
    ResNet101,
    /// `resnet152` (He et al. 2015; stride in the 3x3 convolution).
    ResNet152,
    /// `wide_resnet50_2` (Zagoruyko & Komodakis 2016).
    WideResNet50_2,
    /// `resnext50_32x4d` (Xie et al. 2016).
    ResNeXt50_32x4d,
    /// `resnext101_32x4d` (Xie et al. 2016).
    ResNeXt101_32x4d,
    /// `resnext101_32x8d` (Xie et al. 2016).
    ResNeXt101_32x8d,
    /// `resnext101_64x4d` (Xie et al. 2016).
    ResNeXt101_64x4d,
}

impl Arch {
    /// All built-in architectures.
    pub const ALL: [Self; 10] = [
        Self::ResNet18,
        Self::ResNet34,
        Self::ResNet50,
        Self::ResNet101,
        Self::ResNet152,
        Self::WideResNet50_2,
        Self::ResNeXt50_32x4d,
        Self::ResNeXt101_32x4d,
        Self::ResNeXt101_32x8d,
        Self::ResNeXt101_64x4d,
    ];

    /// The row of data behind the name.
    pub fn architecture(self) -> &'static Architecture {
        match self {
            Self::ResNet18 => &rows::RESNET18,
            Self::ResNet34 => &rows::RESNET34,
            Self::ResNet50 => &rows::RESNET50,
            Self::ResNet101 => &rows::RESNET101,
            Self::ResNet152 => &rows::RESNET152,
            Self::WideResNet50_2 => &rows::WIDE_RESNET50_2,
            Self::ResNeXt50_32x4d => &rows::RESNEXT50_32X4D,
            Self::ResNeXt101_32x4d => &rows::RESNEXT101_32X4D,
            Self::ResNeXt101_32x8d => &rows::RESNEXT101_32X8D,
            Self::ResNeXt101_64x4d => &rows::RESNEXT101_64X4D,
        }
    }

    /// torchvision's name.
    pub fn name(self) -> &'static str {
        &self.architecture().name
    }
}

impl From<Arch> for Architecture {
    fn from(arch: Arch) -> Self {
        arch.architecture().clone()
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Arch {
    type Err = Error;

    /// Reads torchvision's name; capitals and `-` for `_` are accepted.
    ///
    /// # Errors
    /// [`Error::UnknownArchitecture`] lists all names and suggests the nearest.
    fn from_str(text: &str) -> Result<Self> {
        let wanted = text.trim().to_lowercase().replace('-', "_");
        if let Some(arch) = Self::ALL.into_iter().find(|arch| arch.name() == wanted) {
            return Ok(arch);
        }
        let names = Self::ALL.map(Self::name);
        Err(Error::UnknownArchitecture {
            name: text.to_owned(),
            known: names.join(", "),
            suggestion: nearest(&wanted, &names).map(str::to_owned),
        })
    }
}

/// The name that needs the fewest edits, unless more than half of its letters would change.
fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    names
        .iter()
        .map(|name| (edit_distance(wanted, name), *name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| distance * 2 <= name.len())
        .map(|(_, name)| name)
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse::<Arch>().unwrap(), arch);
        }
        assert_eq!("ResNeXt50-32x4d".parse::<Arch>().unwrap(), Arch::ResNeXt50_32x4d);
        assert_eq!(format!("{:>10}", Arch::ResNet34), "  resnet34");
    }

    #[test]
    fn unknown_name_lists_names_and_suggests_the_nearest() {
        let message = "resnet35".parse::<Arch>().unwrap_err().to_string();
        assert!(message.contains("did you mean `resnet34`?"), "{message}");
        for arch in Arch::ALL {
            assert!(message.contains(arch.name()), "{message}");
        }
        let message = "transformer".parse::<Arch>().unwrap_err().to_string();
        assert!(!message.contains("did you mean"), "{message}");
    }

    #[test]
    fn edit_distance_matches_known_values() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("flaw", "lawn"), 2);
    }
}
