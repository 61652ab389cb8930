//! Writing the third container: a zip archive of stored entries, as `torch.save` writes a state dict.
//!
//! Names and shapes lie in a pickle of protocol 2 that makes nothing but an ordered dictionary of tensors, so
//! `torch.load(..., weights_only=True)` takes it.

use std::path::Path;

use super::zip::Archive;
use crate::error::Result;
use crate::weights::entry::{Entry, Values};
use crate::weights::write_atomically;

/// Writes all entries under the names they have.
pub(in super::super) fn write(entries: &[Entry<'_>], path: &Path) -> Result<()> {
    write_atomically(path, |writer| {
        let mut archive = Archive::new(writer);
        archive.entry("archive/data.pkl", |writer| writer.write_all(&pickle(entries)))?;
        archive.entry("archive/byteorder", |writer| writer.write_all(b"little"))?;
        for (index, entry) in entries.iter().enumerate() {
            let name = format!("archive/data/{index}");
            archive.entry(&name, |writer| entry.values.write(writer))?;
        }
        archive.entry("archive/version", |writer| writer.write_all(b"3\n"))?;
        archive.finish()
    })
}

/// `OrderedDict([(name, tensor), ...])`; the storage of each tensor is called by its place in the list.
fn pickle(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut pickle = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    for (index, entry) in entries.iter().enumerate() {
        text(&mut pickle, &entry.name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(match entry.values {
            Values::Floats(_) => b"ctorch\nFloatStorage\n".as_slice(),
            Values::Integer(_) => b"ctorch\nLongStorage\n",
        });
        text(&mut pickle, &index.to_string());
        text(&mut pickle, "cpu");
        number(&mut pickle, entry.values.len());
        // The persistent id ends; the tensor begins at its storage's first element.
        pickle.extend(b"tQ");
        number(&mut pickle, 0);
        numbers(&mut pickle, entry.shape);
        numbers(&mut pickle, &row_major(entry.shape));
        // requires_grad and backward hooks: none.
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(b"u.");
    pickle
}

/// Steps of the dimensions of a tensor whose last one lies one after the other.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; shape.len()];
    for dimension in (1..shape.len()).rev() {
        steps[dimension - 1] = steps[dimension] * shape[dimension].max(1);
    }
    steps
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn numbers(pickle: &mut Vec<u8>, values: &[usize]) {
    pickle.push(b'(');
    values.iter().for_each(|&value| number(pickle, value));
    pickle.push(b't');
}

/// LONG1 with eight bytes takes every length.
fn number(pickle: &mut Vec<u8>, value: usize) {
    pickle.extend([0x8a, 8]);
    pickle.extend((value as i64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dimension_has_step_one() {
        assert_eq!(row_major(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(row_major(&[5]), [1]);
        assert_eq!(row_major(&[]), [0; 0]);
    }
}
