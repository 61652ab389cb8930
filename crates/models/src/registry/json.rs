//! An architecture as a line of JSON, so that a weights or model file can say which network it belongs to.

use serde_json::{Value, json};

use super::{Arch, Architecture, BlockKind, Normalisation};
use crate::error::{Error, Result};

impl Architecture {
    /// The row as JSON, without its weight sources: what a file needs to say to be built again.
    ///
    /// ```
    /// use models::{Arch, Architecture};
    ///
    /// let row = Arch::ResNet34.architecture();
    /// assert_eq!(&Architecture::from_json(&row.to_json())?, row);
    /// # Ok::<(), models::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        json!({
            "name": self.name,
            "block": match self.block {
                BlockKind::Basic => "basic",
                BlockKind::Bottleneck => "bottleneck",
            },
            "layers": self.layers,
            "stem_width": self.stem_width,
            "groups": self.groups,
            "width_per_group": self.width_per_group,
            "mean": self.normalisation.mean,
            "std": self.normalisation.std,
            "stages_in_first_group": self.stages_in_first_group,
        })
        .to_string()
    }

    /// The row that [`Architecture::to_json`] wrote. A row that equals a built-in one gets its weight sources back.
    ///
    /// # Errors
    /// [`Error::InvalidArchitecture`] names the field that is missing or out of range.
    pub fn from_json(text: &str) -> Result<Self> {
        let fields: Value = serde_json::from_str(text)
            .map_err(|error| invalid(text, format!("its description is not JSON: {error}")))?;
        let reader = Reader { fields: &fields };
        let mut row = Self {
            name: reader.text("name")?.to_owned().into(),
            block: match reader.text("block")? {
                "basic" => BlockKind::Basic,
                "bottleneck" => BlockKind::Bottleneck,
                other => return Err(reader.wrong("block", &format!("not `{other}`"))),
            },
            layers: reader.list("layers", as_count)?,
            stem_width: reader.count("stem_width")?,
            groups: reader.count("groups")?,
            width_per_group: reader.count("width_per_group")?,
            normalisation: Normalisation {
                mean: reader.list("mean", as_f32)?,
                std: reader.list("std", as_f32)?,
            },
            stages_in_first_group: reader.count("stages_in_first_group")?,
            sources: [].as_slice().into(),
        };
        row.check()?;
        if let Some(arch) = Arch::ALL.into_iter().find(|arch| arch.name() == row.name) {
            let published = arch.architecture();
            let same = Self { sources: published.sources.clone(), ..row.clone() };
            if same == *published {
                row = same;
            }
        }
        Ok(row)
    }
}

/// Largest count accepted: far above any network, far below what overflows a product of a few.
const LARGEST: u64 = 1 << 14;

fn as_count(value: &Value) -> Option<usize> {
    value.as_u64().filter(|count| *count <= LARGEST).map(|count| count as usize)
}

fn as_f32(value: &Value) -> Option<f32> {
    value.as_f64().map(|number| number as f32).filter(|number| number.is_finite())
}

fn invalid(name: &str, problem: String) -> Error {
    Error::InvalidArchitecture { name: name.to_owned(), problem }
}

/// Takes fields out of a JSON object and names the one that is wrong.
struct Reader<'a> {
    fields: &'a Value,
}

impl<'a> Reader<'a> {
    fn wrong(&self, field: &str, problem: &str) -> Error {
        let name = self.fields["name"].as_str().unwrap_or("unnamed");
        invalid(name, format!("its description needs another `{field}`: {problem}"))
    }

    fn text(&self, field: &str) -> Result<&'a str> {
        self.fields[field].as_str().ok_or_else(|| self.wrong(field, "a text"))
    }

    fn count(&self, field: &str) -> Result<usize> {
        as_count(&self.fields[field])
            .ok_or_else(|| self.wrong(field, &format!("a number from 0 to {LARGEST}")))
    }

    fn list<T, const N: usize>(
        &self,
        field: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<[T; N]> {
        self.fields[field]
            .as_array()
            .and_then(|values| values.iter().map(read).collect::<Option<Vec<T>>>())
            .and_then(|values| <[T; N]>::try_from(values).ok())
            .ok_or_else(|| self.wrong(field, &format!("a list of {N} numbers in range")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_comes_back_with_its_sources_and_a_changed_one_without() {
        for arch in Arch::ALL {
            let row = arch.architecture();
            assert_eq!(&Architecture::from_json(&row.to_json()).unwrap(), row);
        }
        let narrow = Architecture { stem_width: 16, ..Arch::ResNet18.into() };
        let back = Architecture::from_json(&narrow.to_json()).unwrap();
        assert_eq!(back, Architecture { sources: [].as_slice().into(), ..narrow });
    }

    #[test]
    fn a_wrong_field_is_named() {
        let text = Arch::ResNet18.architecture().to_json();
        for (from, to, field) in [
            ("\"stem_width\":64", "\"stem_width\":-1", "stem_width"),
            ("\"stem_width\":64", "\"stem_width\":99999999999999", "stem_width"),
            ("[2,2,2,2]", "[2,2,2]", "layers"),
            ("[2,2,2,2]", "[2,2,2,0]", "layers"),
            ("\"basic\"", "\"other\"", "block"),
            ("\"groups\":1", "\"group\":1", "groups"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from}");
            let message = Architecture::from_json(&changed).unwrap_err().to_string();
            assert!(message.contains(field) && message.contains("resnet18"), "{message}");
        }
        assert!(Architecture::from_json("not JSON").is_err());
    }
}
