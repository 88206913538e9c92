//! Why a checkpoint cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use flamingo_weights::gguf::GgufError;
use flamingo_weights::safetensors::SafetensorsError;
use pytorch_reader::PytorchError;
use thiserror::Error;
use zip::result::ZipError;

use super::torchscript::TorchScriptError;
use crate::ggml::GgmlError;

/// Why a checkpoint cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file or folder cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a format that is not read here.
    #[error(
        "{} is no checkpoint of a format known here ({found}); known are PyTorch files, TorchScript \
         archives, safetensors, GGUF, and folders of these",
        path.display()
    )]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// The format that its first bytes look like.
        found: String,
    },
    /// A tensor whose sizes no memory could count.
    #[error(
        "tensor `{name}` of {} has the shape {shape:?}, which is of no such number of bytes as the \
         file says, or of more than can be counted; download the file again, or save it anew",
        path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Its shape, outermost first.
        shape: Vec<usize>,
    },
    /// A pointer to a file in place of the file.
    #[error(
        "{} is not the file itself but a pointer to it, as git leaves it without Git LFS; run \
         `git lfs pull`, or download the file",
        path.display()
    )]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A folder without a checkpoint.
    #[error(
        "{} holds no checkpoint: no *.safetensors, *.bin, *.pt, *.pth, *.ckpt or *.gguf, nor an \
         index of such files",
        path.display()
    )]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with several checkpoints.
    #[error("{} holds more than one checkpoint; name one of {}", path.display(), found.join(", "))]
    SeveralFiles {
        /// The folder.
        path: PathBuf,
        /// The names of the files.
        found: Vec<String>,
    },
    /// A file that lists the files of a checkpoint is not what it should be.
    #[error("{}: {reason}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A file of a checkpoint is missing.
    #[error(
        "{} is missing, which {} names; download it into the same folder",
        path.display(),
        index.display()
    )]
    MissingShard {
        /// The missing file.
        path: PathBuf,
        /// The file that names it.
        index: PathBuf,
    },
    /// A tensor is not in the file that should have it.
    #[error("{} lacks tensor `{name}`, which its index puts there", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// Two tensors have one name.
    #[error("tensor `{name}` is there twice: in {} and in {}", first.display(), second.display())]
    Duplicate {
        /// The name.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other file; the same one where the file has both.
        second: PathBuf,
    },
    /// Two names are the same once wrappers are taken off.
    #[error("the tensors `{first}` and `{second}` are both `{name}` without their wrappers")]
    Ambiguous {
        /// The name without wrappers.
        name: String,
        /// One name.
        first: String,
        /// The other name.
        second: String,
    },
    /// A file of a known format without a tensor.
    #[error(
        "{} holds no tensors, or only inside of objects that are not read; save a state_dict() \
         instead",
        path.display()
    )]
    NoTensors {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A name that no tensor has.
    #[error("{} has no tensor `{name}`", path.display())]
    UnknownTensor {
        /// The checkpoint.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A row that a tensor does not have.
    #[error(
        "tensor `{name}` has {rows} rows of {cols} elements; row {row} of {elements} elements was \
         asked for"
    )]
    Row {
        /// The tensor.
        name: String,
        /// The row that was asked for, from 0.
        row: usize,
        /// Elements that were asked for.
        elements: usize,
        /// Rows of the tensor.
        rows: usize,
        /// Elements of each.
        cols: usize,
    },
    /// A tensor larger than the file it is in.
    #[error(
        "{}: tensor `{name}` has {bytes} bytes by its shape, more than the whole file",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Bytes by shape and type.
        bytes: usize,
    },
    /// More tensors than any model has.
    #[error("{} has more than {limit} tensors", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// Most tensors accepted.
        limit: usize,
    },
    /// A PyTorch file is malformed, or holds something that is no tensor.
    #[error("{}: {source}", path.display())]
    Pytorch {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PytorchError,
    },
    /// The members of a zip archive contradict each other.
    #[error("{}: {reason}; download the file again", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A zip archive is malformed, or does not begin where its file does.
    #[error(
        "{}: {source}; PyTorch's files are zip archives from their first byte to their last: \
         download the file again",
        path.display()
    )]
    Zip {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ZipError,
    },
    /// A TorchScript archive is malformed, or needs what is not read here.
    #[error("{}: {source}", path.display())]
    TorchScript {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TorchScriptError,
    },
    /// A safetensors file is malformed.
    #[error("{}: {source}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SafetensorsError,
    },
    /// A GGUF file is malformed.
    #[error("{}: {source}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GgufError,
    },
    /// A tensor's elements cannot be turned into numbers.
    #[error("tensor `{name}`: {source}")]
    Ggml {
        /// The tensor.
        name: String,
        /// Why.
        source: GgmlError,
    },
}

impl SourceError {
    /// For `map_err`: an [`io::Error`] at `path`.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path: path.clone(),
            source,
        }
    }
}
