//! Copies of weights that outlive the steps after them: in memory, or as model files in a folder. When
//! one is made is `keeper`'s business, what they are good for that of `snapshots`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autograd::ParameterStore;
use models::StateDict;
use models::exchange::{Part, export, import};

use crate::model_file::ModelDescription;
use crate::{Error, Result};

/// Named weights. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<Place>>);

/// Where weights are put.
enum Place {
    /// On the host, whatever the device.
    Memory(BTreeMap<String, StateDict>),
    /// As model files that predict by themselves.
    Folder { folder: PathBuf, description: Box<ModelDescription> },
}

impl Default for Place {
    fn default() -> Place {
        Place::Memory(BTreeMap::new())
    }
}

impl Shelf {
    /// From now on in files of this folder.
    pub fn move_to(&self, folder: PathBuf, description: ModelDescription) {
        *self.lock() = Place::Folder { folder, description: Box::new(description) };
    }

    /// What is written beside weights from now on.
    pub fn describe(&self, new: ModelDescription) {
        if let Place::Folder { description, .. } = &mut *self.lock() {
            **description = new;
        }
    }

    /// Forgets what is in memory; files stay.
    pub fn forget(&self) {
        if let Place::Memory(kept) = &mut *self.lock() {
            kept.clear();
        }
    }

    /// Keeps the weights of now under a name, instead of what has it.
    pub fn put(&self, name: &str, store: &ParameterStore) -> Result<()> {
        let mut state = export(store)?;
        match &mut *self.lock() {
            Place::Memory(kept) => {
                kept.insert(name.to_owned(), state);
            }
            Place::Folder { folder, description } => {
                state.metadata_mut().extend(description.metadata()?);
                state.write(folder.join(format!("{name}.safetensors")))?;
            }
        }
        Ok(())
    }

    /// Whether something has this name.
    pub fn has(&self, name: &str) -> bool {
        match &*self.lock() {
            Place::Memory(kept) => kept.contains_key(name),
            Place::Folder { folder, .. } => folder.join(format!("{name}.safetensors")).is_file(),
        }
    }

    /// The weights of a name.
    pub fn get(&self, name: &str) -> Result<StateDict> {
        match &*self.lock() {
            Place::Memory(kept) => kept.get(name).cloned().ok_or_else(|| {
                let rule = "nothing is kept under that name";
                Error::setting("the name of the weights", name, rule)
            }),
            Place::Folder { folder, .. } => {
                Ok(StateDict::read(folder.join(format!("{name}.safetensors")))?)
            }
        }
    }

    /// Brings the weights of a name back.
    pub fn restore(&self, name: &str, store: &mut ParameterStore) -> Result<()> {
        Ok(import(store, &self.get(name)?, Part::Whole, name)?)
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
