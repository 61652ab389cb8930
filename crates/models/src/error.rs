//! The errors of this crate: what went wrong, in which file or value, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::match_report::MatchReport;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong while describing a network or moving its weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation or a parameter's declaration failed.
    #[error(transparent)]
    Network(#[from] autograd::Error),

    /// No architecture has this name.
    #[error(
        "there is no architecture `{name}`{}; known are: {known}",
        suggestion.as_deref().map(|s| format!(" (did you mean `{s}`?)")).unwrap_or_default()
    )]
    UnknownArchitecture {
        /// The name that was asked for.
        name: String,
        /// All known names, separated by commas.
        known: String,
        /// The known name that needs the fewest edits, if one is near.
        suggestion: Option<String>,
    },

    /// The numbers of an architecture contradict each other.
    #[error("architecture `{name}` cannot be built: {problem}")]
    InvalidArchitecture {
        /// The architecture's name.
        name: String,
        /// Which field is wrong and what it must be.
        problem: String,
    },

    /// A tensor's shape and its number of values disagree, or it has the wrong rank.
    #[error("tensor `{name}` of shape {shape:?} with {values} values: {problem}")]
    TensorShape {
        /// The tensor's name, or what it was used for.
        name: String,
        /// The shape it claims.
        shape: Vec<usize>,
        /// How many values it holds.
        values: usize,
        /// What is expected instead.
        problem: String,
    },

    /// A file cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// A file or folder cannot be written; nothing half-written is left under its name.
    #[error(
        "cannot write {}: {source}; name a folder that can be written and has enough room",
        path.display()
    )]
    WriteFile {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// The file is of a format this version does not read.
    #[error(
        "{} is {found}, which cannot be read; accepted are: {accepted}. \
         In Python, `safetensors.torch.save_file(model.state_dict(), \"NAME.safetensors\")` converts it",
        path.display()
    )]
    UnsupportedFormat {
        /// The file.
        path: PathBuf,
        /// What the file seems to be.
        found: String,
        /// The accepted formats.
        accepted: &'static str,
    },

    /// The file is cut short or damaged.
    #[error(
        "{} is not a whole {format} file: {problem}; copy or download it again",
        path.display()
    )]
    CorruptWeights {
        /// The file.
        path: PathBuf,
        /// The format it should be of.
        format: &'static str,
        /// What does not add up.
        problem: String,
    },

    /// A `.pth` file with something in it that no state dict needs: it is not read, let alone executed.
    #[error(
        "{} cannot be taken: {problem}. If you trust it, \
         `torch.save(torch.load(\"FILE\", weights_only=False).state_dict(), \"NEW.pth\")` in Python keeps its \
         tensors alone",
        path.display()
    )]
    RefusedWeights {
        /// The file.
        path: PathBuf,
        /// What it holds.
        problem: String,
    },

    /// A tensor in the file has an element type that cannot become `f32`.
    #[error(
        "{}: tensor `{tensor}` has element type {dtype}; accepted are F32, F16, BF16, F64, I64 and I32. \
         Save the file again with one of these",
        path.display()
    )]
    UnsupportedElementType {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its element type as the file spells it.
        dtype: String,
    },

    /// The names or shapes in a file are not those of the network.
    #[error("the weights in {origin} do not fit:\n{report}")]
    WeightsDoNotFit {
        /// The file, or where else the weights came from.
        origin: String,
        /// All missing, unused and wrongly shaped names at once.
        report: Box<MatchReport>,
    },

    /// A tensor that the network's head needs is not among the weights.
    #[error(
        "the weights have no `{name}`; are they another network's, or a body without its head?"
    )]
    IncompleteWeights {
        /// The tensor's name.
        name: String,
    },

    /// There is no such name in the cache folder.
    #[error(
        "there are no weights named `{name}` in {}; present are: {present}. \
         Give a file with its path, or create them first (the quickstart example stores `quickstart`)",
        folder.display()
    )]
    UnknownWeights {
        /// The name that was asked for.
        name: String,
        /// The folder that was searched.
        folder: PathBuf,
        /// The names it holds, or `none`.
        present: String,
    },

    /// A name for cached weights that is not a plain file name.
    #[error(
        "`{name}` is no name for cached weights: use letters, digits, `-`, `_` and `.`, \
         beginning with a letter or digit"
    )]
    InvalidWeightsName {
        /// The name.
        name: String,
    },

    /// No weights are at hand and none can be fetched.
    #[error(
        "no weights for {architecture}: {reason}. Any of these helps:\n  \
         1. give a file you have: --weights PATH (.safetensors or .pth, torchvision's names)\n  \
         2. put that file into the cache folder under exactly this name: {}\n  \
         3. run once on a machine with network access, or choose --weights quickstart \
         (after the quickstart example) or --weights none (random start)",
        cache_file.display()
    )]
    NoWeights {
        /// The architecture's name.
        architecture: String,
        /// Why nothing could be fetched.
        reason: String,
        /// Where a file would be found next time.
        cache_file: PathBuf,
        /// The failed download, if one was tried.
        #[source]
        download: Option<Box<Error>>,
    },

    /// Neither a cache folder was named nor does the system say where caches live.
    #[error(
        "no cache folder: neither --cache-dir nor FASTLEARN_CACHE is set and the home folder is unknown; set one"
    )]
    NoCacheFolder,

    /// The server was not reached or did not answer.
    #[error(
        "cannot reach {address}: {reason}; check the network, a proxy (HTTPS_PROXY) or the address"
    )]
    Unreachable {
        /// The address.
        address: String,
        /// What the connection reported.
        reason: String,
    },

    /// The server answered, but not with the file.
    #[error("{address} answers with HTTP status {status}; the file may have moved")]
    HttpStatus {
        /// The address.
        address: String,
        /// The HTTP status code.
        status: u16,
    },

    /// The connection ended before the file was whole.
    #[error(
        "the download of {address} stopped after {received} bytes{}: {reason}; \
         what arrived is kept in {} and the next run continues from there",
        total.map(|t| format!(" of {t}")).unwrap_or_default(), part.display()
    )]
    Interrupted {
        /// The address.
        address: String,
        /// Bytes on disk so far.
        received: u64,
        /// Bytes of the whole file, if the server says.
        total: Option<u64>,
        /// What the connection reported.
        reason: String,
        /// The partial file.
        part: PathBuf,
    },

    /// The file that arrived is not the published one; it has been removed.
    #[error(
        "{address} delivered a file with sha256 {found}, but {expected} is published; \
         it was removed. Try again; if it persists, do not trust the source"
    )]
    ChecksumMismatch {
        /// The address.
        address: String,
        /// The published digits.
        expected: String,
        /// The digits of what arrived.
        found: String,
    },

    /// The server's file is not as long as the published one.
    #[error(
        "{address} offers a file of {found} bytes, but the published one has {expected}; it was not fetched"
    )]
    WrongLength {
        /// The address.
        address: String,
        /// The published length in bytes.
        expected: u64,
        /// The length the server announces.
        found: u64,
    },

    /// Another process holds the same partial file.
    #[error(
        "another process is downloading into {}; wait for it and start again",
        part.display()
    )]
    DownloadInProgress {
        /// The partial file.
        part: PathBuf,
    },
}

impl From<tensor_core::Error> for Error {
    fn from(error: tensor_core::Error) -> Self {
        Self::Network(error.into())
    }
}
