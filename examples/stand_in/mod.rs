//! The setting of a competition's example: the reader's own download, or a small stand-in drawn in
//! exactly its layout, with the backbone of the drawn world in place of the published weights.
//!
//! What is drawn is in the file of that competition's name; what is learned, in the example.

pub mod dog_breeds;
pub mod dogs_cats;
#[path = "../drawn/mod.rs"]
#[allow(dead_code, reason = "every example uses a part of it")]
pub mod drawn;
pub mod planet;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fastlearn::{Arch, Device, ImageData, Learner};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use models::StateDict;
use models::weights::{cache_folder, write_atomically};
use tensor_core::device::DeviceChoice;

pub use drawn::Result;
use drawn::{Table, backbone, world};

/// How many pictures a stand-in has.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// Labelled ones, in all.
    pub train: usize,
    /// Those of the test set.
    pub test: usize,
    /// The backbone's schooling.
    pub schooling: backbone::Schooling,
}

impl Amount {
    /// Enough to see the lesson work.
    pub const FULL: Amount = Amount { train: 960, test: 60, schooling: backbone::SCHOOLING };
    /// Just enough to go all the way.
    pub const QUICK: Amount = Amount {
        train: 96,
        test: 12,
        schooling: backbone::Schooling {
            size: 32,
            pictures: world::Counts { train: 4, valid: 2 },
            epochs: 1,
            seed: 42,
        },
    };
}

/// Where an example's pictures lie, and at which scale it runs.
pub struct Setting {
    /// The folder in the competition's layout.
    pub folder: PathBuf,
    /// Where submissions and plots go.
    pub out: PathBuf,
    /// The backbone's file, if the pictures are drawn.
    backbone: Option<PathBuf>,
    device: Device,
}

impl Setting {
    /// Reads `[PATH] [--out FOLDER]`. Without a path the stand-in is drawn; the first line says so.
    pub fn from_arguments(name: &str, draw: fn(&Path, Amount) -> Result<()>) -> Result<Setting> {
        let (mut path, mut out) = (None, PathBuf::from("target").join(name));
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match (argument.as_str(), &path) {
                ("--out", _) => out = arguments.next().ok_or("--out needs a folder")?.into(),
                (flag, _) if flag.starts_with('-') => {
                    return Err(format!("usage: {name} [PATH] [--out FOLDER]").into());
                }
                (_, None) => path = Some(PathBuf::from(&argument)),
                (surplus, Some(_)) => {
                    return Err(format!("one path is enough: what is {surplus}?").into());
                }
            }
        }
        match path {
            Some(folder) => Setting::real(folder, out),
            None => Setting::drawn(out, &cache_folder(None)?, Amount::FULL, draw),
        }
    }

    /// The pictures of the competition itself.
    pub fn real(folder: PathBuf, out: PathBuf) -> Result<Setting> {
        fs::create_dir_all(&out)?;
        let device = DeviceChoice::from_environment()?.open()?;
        println!("pictures of {}, results in {}", folder.display(), out.display());
        Ok(Setting { folder, out, backbone: None, device })
    }

    /// A stand-in under `out`, and a backbone from the cache folder or pre-trained now.
    pub fn drawn(
        out: PathBuf,
        cache: &Path,
        amount: Amount,
        draw: fn(&Path, Amount) -> Result<()>,
    ) -> Result<Setting> {
        let folder = out.join("stand-in");
        println!(
            "no path was given: a stand-in is drawn in the same layout, a quarter of the size, in {}",
            folder.display()
        );
        world::clear(&folder)?;
        draw(&folder, amount)?;
        let device = DeviceChoice::from_environment()?.open()?;
        let backbone = match backbone::find(cache, amount.schooling) {
            Some(file) => file,
            None => {
                println!("its backbone is pre-trained first, once:");
                backbone::pretrain(&out.join("known"), cache, amount.schooling, &device)?
            }
        };
        Ok(Setting { folder, out, backbone: Some(backbone), device })
    }

    /// The lesson's picture size, or a quarter of it for the stand-in.
    pub fn size(&self, pixels: usize) -> usize {
        if self.backbone.is_some() { pixels / 4 } else { pixels }
    }

    /// The lesson's batch size, or a quarter of it for the stand-in's few pictures.
    pub fn batch_size(&self, pictures: usize) -> usize {
        if self.backbone.is_some() { pictures / 4 } else { pictures }
    }

    /// A learner on the architecture's published weights, or on the stand-in's backbone.
    pub fn learner(&self, arch: Arch, data: ImageData) -> Result<Learner> {
        let builder = match &self.backbone {
            None => Learner::builder(arch, data),
            Some(file) => Learner::builder(backbone::architecture(), data)
                .state(StateDict::read(file)?, backbone::NAME)
                .cache_folder(self.out.join("cache")),
        };
        Ok(builder.device(&self.device).listener(Table::default()).build()?)
    }

    /// Writes a file into the folder of results, and says where.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.out.join(name);
        write_atomically(&file, |writer| writer.write_all(text.as_bytes()))?;
        println!("{}", file.display());
        Ok(())
    }
}

/// An example's last words and exit status.
pub fn ended(result: Result<f64>) -> ExitCode {
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A picture's name without folder and suffix, as submissions have it.
pub fn stem(id: &str) -> &str {
    let name = id.rsplit(['/', '\\']).next().unwrap_or(id);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

/// Writes square pictures as competitions have them.
pub fn write_jpeg(file: &Path, pixels: &[u8], size: usize) -> Result<()> {
    let mut bytes = Vec::new();
    let size = size as u32;
    JpegEncoder::new_with_quality(&mut bytes, 90).encode(
        pixels,
        size,
        size,
        ExtendedColorType::Rgb8,
    )?;
    Ok(fs::write(file, bytes)?)
}
