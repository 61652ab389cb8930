//! Packs the committed PTX, so that programs carry a tenth of its text, and makes the table of it that
//! `src/cuda/modules.rs` chooses from. Nothing is compiled here: `cargo xtask ptx` did that.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Half the time of the best level, for one per cent more bytes.
const LEVEL: u8 = 6;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=ptx");
    let source = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("ptx");
    let target = PathBuf::from(env::var("OUT_DIR")?);
    let mut rows = String::new();
    for folder in sorted(&source)?.iter().filter(|path| path.is_dir()) {
        for file in sorted(folder)?.iter().filter(|path| path.extension() == Some("ptx".as_ref())) {
            let (chip, stem) = (text(folder.file_name())?, text(file.file_stem())?);
            let packed = target.join(format!("{chip}-{stem}.packed"));
            fs::write(&packed, miniz_oxide::deflate::compress_to_vec(&fs::read(file)?, LEVEL))?;
            rows += &format!("    ({stem:?}, {chip:?}, include_bytes!({packed:?})),\n");
        }
    }
    fs::write(target.join("ptx.rs"), format!("&[\n{rows}]\n"))?;
    Ok(())
}

/// What lies in a folder, by name.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    paths.sort();
    Ok(paths)
}

fn text(name: Option<&std::ffi::OsStr>) -> Result<&str, Box<dyn Error>> {
    name.and_then(std::ffi::OsStr::to_str).ok_or_else(|| "a PTX file has no plain name".into())
}
