//! The cache folder: where it is and which weights it holds.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The environment variable that names the cache folder.
const VARIABLE: &str = "FASTLEARN_CACHE";
/// Folder of the weights inside the cache folder.
const WEIGHTS: &str = "weights";
/// How files with weights end.
const SUFFIXES: [&str; 2] = [".safetensors", ".pth"];

/// The cache folder: `chosen` (the option `--cache-dir`), else the environment variable `FASTLEARN_CACHE`, else the
/// platform's: `$XDG_CACHE_HOME/fastlearn` or `~/.cache/fastlearn`, on macOS `~/Library/Caches/fastlearn`, on
/// Windows `%LOCALAPPDATA%\fastlearn`. It need not exist.
///
/// # Errors
/// [`Error::NoCacheFolder`] if none of these is known.
pub fn cache_folder(chosen: Option<&Path>) -> Result<PathBuf> {
    folder_from(chosen, |variable| env::var_os(variable))
}

/// Where weights of that name live in a cache folder: `CACHE/weights/NAME.safetensors`. A name that already ends in
/// `.safetensors` or `.pth` is taken as it is.
///
/// # Errors
/// [`Error::InvalidWeightsName`] for a name that is not a plain file name.
pub fn weights_path(cache: &Path, name: &str) -> Result<PathBuf> {
    let plain = name.starts_with(|c: char| c.is_alphanumeric())
        && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    if !plain {
        return Err(Error::InvalidWeightsName { name: name.to_owned() });
    }
    let is_whole = SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    let file = if is_whole { name.to_owned() } else { format!("{name}.safetensors") };
    Ok(cache.join(WEIGHTS).join(file))
}

/// Names of the weights that a cache folder holds, sorted, without `.safetensors`; none if the folder cannot be read.
pub fn cached_weights(cache: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(cache.join(WEIGHTS))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_weights = SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
            is_weights.then(|| name.strip_suffix(".safetensors").unwrap_or(&name).to_owned())
        })
        .collect();
    names.sort();
    names
}

fn folder_from(
    chosen: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf> {
    let named = |key| variable(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = chosen.map(Path::to_owned).or_else(|| named(VARIABLE)) {
        return Ok(folder);
    }
    // The XDG specification has relative paths ignored.
    let xdg = named("XDG_CACHE_HOME").filter(|folder| folder.is_absolute());
    let platform = if cfg!(windows) {
        named("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        named("HOME").map(|home| home.join("Library/Caches"))
    } else {
        xdg.or_else(|| named("HOME").map(|home| home.join(".cache")))
    };
    platform.map(|folder| folder.join("fastlearn")).ok_or(Error::NoCacheFolder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(chosen: Option<&str>, variables: &[(&str, &str)]) -> Result<PathBuf> {
        folder_from(chosen.map(Path::new), |key| {
            variables.iter().find(|(name, _)| *name == key).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_option_comes_before_the_variable_before_the_platform() {
        let all = [(VARIABLE, "/env"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/me")];
        assert_eq!(folder(Some("/option"), &all).unwrap(), Path::new("/option"));
        assert_eq!(folder(None, &all).unwrap(), Path::new("/env"));
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn xdg_comes_before_home_unless_empty_or_relative() {
        assert_eq!(
            folder(None, &[("XDG_CACHE_HOME", "/xdg"), ("HOME", "/h")]).unwrap(),
            Path::new("/xdg/fastlearn")
        );
        for xdg in ["", "relative"] {
            let variables = [(VARIABLE, ""), ("XDG_CACHE_HOME", xdg), ("HOME", "/h")];
            assert_eq!(folder(None, &variables).unwrap(), Path::new("/h/.cache/fastlearn"));
        }
        assert!(matches!(folder(None, &[]), Err(Error::NoCacheFolder)));
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let cache = Path::new("/cache");
        let expected = Path::new("/cache/weights/quickstart.safetensors");
        assert_eq!(weights_path(cache, "quickstart").unwrap(), expected);
        assert_eq!(weights_path(cache, "quickstart.safetensors").unwrap(), expected);
        let pth = Path::new("/cache/weights/resnet18-5c106cde.pth");
        assert_eq!(weights_path(cache, "resnet18-5c106cde.pth").unwrap(), pth);
        for name in ["", "..", "../x", "a/b", "a\\b", ".hidden", "c:x"] {
            assert!(weights_path(cache, name).is_err(), "{name}");
        }
    }
}
