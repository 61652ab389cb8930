//! From a wish to a file: a path, the cache folder, a download, in this order.

use std::path::{Path, PathBuf};

use super::{DownloadObserver, Downloader, cache_folder, cached_weights, weights_path};
use crate::error::{Error, Result};
use crate::registry::Architecture;

/// Which weights are wanted and where they may be.
#[derive(Debug, Clone)]
pub struct WeightsRequest {
    /// The network they are for.
    pub architecture: Architecture,
    /// A file, which is then the only place looked at.
    pub path: Option<PathBuf>,
    /// A name in the cache folder, for example `quickstart`; only looked up there, never fetched.
    pub name: Option<String>,
    /// The cache folder, if not the usual one (see [`cache_folder`]).
    pub cache_dir: Option<PathBuf>,
    /// How a download is carried out.
    pub downloader: Downloader,
}

/// Where a file was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was named with its path.
    Path,
    /// It lay in the cache folder.
    Cache,
    /// It has just been fetched into the cache folder.
    Download,
}

/// A weights file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedWeights {
    /// The file.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
}

impl WeightsRequest {
    /// The preferred published weights of an architecture, with the usual cache folder.
    pub fn new(architecture: impl Into<Architecture>) -> Self {
        Self {
            architecture: architecture.into(),
            path: None,
            name: None,
            cache_dir: None,
            downloader: Downloader::default(),
        }
    }

    /// The same request for what a user wrote after `--weights`: anything that looks like a file (it has a folder or
    /// an extension) is a path, any other word a name in the cache folder.
    ///
    /// ```
    /// use models::{Arch, WeightsRequest};
    ///
    /// let request = WeightsRequest::new(Arch::ResNet34);
    /// assert_eq!(request.clone().choosing("quickstart").name.as_deref(), Some("quickstart"));
    /// assert!(request.choosing("mine.safetensors").path.is_some());
    /// ```
    pub fn choosing(self, text: impl AsRef<Path>) -> Self {
        let text = text.as_ref();
        let word =
            text.to_str().filter(|_| text.extension().is_none() && text.components().count() == 1);
        Self {
            path: word.is_none().then(|| text.to_owned()),
            name: word.map(str::to_owned),
            ..self
        }
    }

    /// Finds the file: `path` if given; else `name` in the cache folder if given; else any published file of the
    /// architecture that lies in the cache folder; else the preferred one, which is fetched into it.
    ///
    /// # Errors
    /// [`Error::ReadFile`] for a `path` that is not there, [`Error::UnknownWeights`] for a `name` that is not,
    /// [`Error::NoWeights`] with three remedies if nothing is public or the network is closed, and the errors of
    /// [`Downloader::fetch`] for a download that fails later.
    pub fn resolve(&self, observer: &mut dyn DownloadObserver) -> Result<ResolvedWeights> {
        if let Some(path) = &self.path {
            return existing(path.clone());
        }
        let cache = cache_folder(self.cache_dir.as_deref())?;
        if let Some(name) = &self.name {
            let path = weights_path(&cache, name)?;
            if path.is_file() {
                return Ok(ResolvedWeights { path, origin: Origin::Cache });
            }
            let present = cached_weights(&cache);
            return Err(Error::UnknownWeights {
                name: name.clone(),
                folder: path.parent().map(PathBuf::from).unwrap_or(cache),
                present: if present.is_empty() { "none".to_owned() } else { present.join(", ") },
            });
        }
        self.published(cache, observer)
    }

    /// A published file that lies in the cache folder, or the preferred one fetched into it.
    fn published(
        &self,
        cache: PathBuf,
        observer: &mut dyn DownloadObserver,
    ) -> Result<ResolvedWeights> {
        let architecture = &self.architecture;
        for source in architecture.sources.iter() {
            let path = weights_path(&cache, &source.file_name)?;
            if path.is_file() {
                return Ok(ResolvedWeights { path, origin: Origin::Cache });
            }
        }
        let source = architecture.preferred_source();
        let file_name = source.map_or(&architecture.name, |source| &source.file_name);
        let path = weights_path(&cache, file_name)?;
        if path.is_file() {
            return Ok(ResolvedWeights { path, origin: Origin::Cache });
        }
        let without = |reason: String, download: Option<Error>| Error::NoWeights {
            architecture: architecture.name.to_string(),
            reason,
            cache_file: path.clone(),
            download: download.map(Box::new),
        };
        let source = source.ok_or_else(|| without("none are published".to_owned(), None))?;
        match self.downloader.fetch(source, &path, observer) {
            Ok(_) => Ok(ResolvedWeights { path, origin: Origin::Download }),
            Err(error @ (Error::Unreachable { .. } | Error::HttpStatus { .. })) => {
                Err(without(error.to_string(), Some(error)))
            }
            Err(error) => Err(error),
        }
    }
}

fn existing(path: PathBuf) -> Result<ResolvedWeights> {
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(ResolvedWeights { path, origin: Origin::Path }),
        Ok(_) => Err(Error::ReadFile { path, source: std::io::ErrorKind::IsADirectory.into() }),
        Err(source) => Err(Error::ReadFile { path, source }),
    }
}
