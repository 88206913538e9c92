//! Checkpoints of any kind behind one interface.
//!
//! [`Checkpoint::open`] takes a file or a folder and says which tensors are there; its
//! [`read`](Checkpoint::read) gives one of them. A file is what its bytes say, not what
//! its name says. Only the tensor in hand is in memory, every count, length and offset is
//! held against the file before memory is taken for it, and no code in a file is run.
//!
//! * `pytorch`: other zip archives and the formats before them, by the crate `pytorch-reader`
//! * `torchscript`: archives of modules with their code, and of plain state dicts
//! * `safetensors`, `gguf`: these
//! * `folder`: which files of a folder belong together, and their `index.json`

mod archive;
mod element;
mod error;
mod file;
mod folder;
mod gguf;
mod pytorch;
mod safetensors;
mod tensor;
mod torchscript;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use flamingo_weights::gguf::Metadata;

pub use element::ElementType;
pub use error::SourceError;
pub use tensor::SourceTensor;
pub use torchscript::TorchScriptError;

use crate::names;
use crate::origin::Origin;
use file::TensorFile;
use folder::Choice;

/// Most tensors of a checkpoint.
pub const MAX_TENSORS: usize = 65_536;

/// Name, type and shape of a tensor in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name in the file, wrappers included.
    pub name: String,
    /// How the elements are stored.
    pub element: ElementType,
    /// Sizes, outermost first. Empty for a scalar.
    pub shape: Vec<usize>,
    /// Bytes of the elements.
    pub byte_len: usize,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// PyTorch's `torch.save`, in any of its formats.
    Pytorch,
    /// PyTorch's `torch.jit.save`.
    TorchScript,
    /// safetensors.
    Safetensors,
    /// GGUF.
    Gguf,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pytorch => "PyTorch",
            Self::TorchScript => "TorchScript",
            Self::Safetensors => "safetensors",
            Self::Gguf => "GGUF",
        })
    }
}

/// The tensors of a file, or of all files of a folder that belong together.
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<OpenFile>,
    tensors: Vec<TensorEntry>,
    /// For each tensor its file and its number there.
    places: Vec<(usize, usize)>,
    /// Numbers of the tensors by name.
    by_name: HashMap<String, usize>,
}

struct OpenFile {
    path: PathBuf,
    format: Format,
    length: u64,
    tensors: Box<dyn TensorFile>,
    metadata: Option<Metadata>,
    origin: Origin,
}

/// The result of opening a file.
struct Opened {
    entries: Vec<TensorEntry>,
    tensors: Box<dyn TensorFile>,
    metadata: Option<Metadata>,
    origin: Origin,
}

impl Opened {
    fn new(entries: Vec<TensorEntry>, tensors: Box<dyn TensorFile>) -> Self {
        Self {
            entries,
            tensors,
            metadata: None,
            origin: Origin::default(),
        }
    }
}

impl Checkpoint {
    /// Opens the file at `path`, all files that it names where it is an `index.json`, or
    /// the checkpoint in the folder `path`.
    ///
    /// # Errors
    /// Where there is none, or it is damaged, incomplete or of an unknown format.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let mut checkpoint = Self {
            path: path.to_owned(),
            files: Vec::new(),
            tensors: Vec::new(),
            places: Vec::new(),
            by_name: HashMap::new(),
        };
        let metadata = std::fs::metadata(path).map_err(SourceError::io(path))?;
        let choice = match metadata.is_dir() {
            true => folder::choose(path)?,
            false if is_json(path)? => Choice::Index(path.to_owned()),
            false => Choice::Files(vec![path.to_owned()]),
        };
        match choice {
            Choice::Files(files) => {
                for file in files {
                    checkpoint.add(&file)?;
                }
            }
            Choice::Index(index) => {
                for (file, names) in folder::read_index(&index)?.files {
                    let before = checkpoint.tensors.len();
                    checkpoint.add(&file).map_err(folder::missing(&index))?;
                    let is_there = |name: &&String| {
                        let number = checkpoint.by_name.get(*name);
                        number.is_some_and(|&number| number >= before)
                    };
                    if let Some(name) = names.iter().filter(|name| !is_there(name)).min() {
                        return Err(SourceError::MissingTensor {
                            path: file,
                            name: name.clone(),
                        });
                    }
                }
            }
        }
        // A GGUF file may hold a vocabulary only.
        if checkpoint.tensors.is_empty() && checkpoint.metadata().is_none() {
            return Err(SourceError::NoTensors {
                path: path.to_owned(),
            });
        }
        Ok(checkpoint)
    }

    /// Where the checkpoint lies: the path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors: file by file in the order of their names; within one in the order of
    /// their data for safetensors and GGUF, of the module's attributes for TorchScript,
    /// of their names for PyTorch.
    pub fn tensors(&self) -> &[TensorEntry] {
        &self.tensors
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&TensorEntry> {
        self.by_name.get(name).map(|&number| &self.tensors[number])
    }

    /// Path, format and length in bytes of each file.
    pub fn files(&self) -> impl Iterator<Item = (&Path, Format, u64)> {
        self.files
            .iter()
            .map(|file| (file.path.as_path(), file.format, file.length))
    }

    /// The metadata of a GGUF file.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.files.iter().find_map(|file| file.metadata.as_ref())
    }

    /// Name, source and licence of the model, as far as the files themselves say them.
    pub(crate) fn origin(&self) -> Origin {
        let files = self.files.iter();
        files.fold(Origin::default(), |origin, file| origin.or(&file.origin))
    }

    /// Each tensor by its name without wrappers ([`names::plain`]), in the order of
    /// [`tensors`](Self::tensors) and without those that are no weights of a model.
    ///
    /// # Errors
    /// Where two tensors have one name then.
    pub fn plain_names(&self) -> Result<Vec<(String, &TensorEntry)>, SourceError> {
        let mut plain_names = Vec::new();
        let mut seen: HashMap<String, &TensorEntry> = HashMap::new();
        for entry in &self.tensors {
            let Some(name) = names::plain(&entry.name) else {
                continue;
            };
            if let Some(first) = seen.insert(name.clone(), entry) {
                return Err(SourceError::Ambiguous {
                    name,
                    first: first.name.clone(),
                    second: entry.name.clone(),
                });
            }
            plain_names.push((name, entry));
        }
        Ok(plain_names)
    }

    /// Reads the tensor called `name`, as it is called in the file.
    ///
    /// # Errors
    /// Where there is none, or the file is damaged.
    pub fn read(&self, name: &str) -> Result<SourceTensor, SourceError> {
        let Some(&number) = self.by_name.get(name) else {
            return Err(SourceError::UnknownTensor {
                path: self.path.clone(),
                name: name.to_owned(),
            });
        };
        let entry = &self.tensors[number];
        let (file, position) = self.places[number];
        Ok(SourceTensor {
            entry: entry.clone(),
            data: self.files[file].tensors.read(position, entry)?,
        })
    }

    /// Adds the tensors of a file.
    fn add(&mut self, path: &Path) -> Result<(), SourceError> {
        let (format, length, opened) = open_file(path)?;
        if self.tensors.len() + opened.entries.len() > MAX_TENSORS {
            return Err(SourceError::TooMany {
                path: self.path.clone(),
                limit: MAX_TENSORS,
            });
        }
        for (position, entry) in opened.entries.into_iter().enumerate() {
            let number = self.tensors.len();
            if let Some(first) = self.by_name.insert(entry.name.clone(), number) {
                let file = self.files.get(self.places[first].0);
                return Err(SourceError::Duplicate {
                    name: entry.name,
                    first: file.map_or(path, |file| &file.path).to_owned(),
                    second: path.to_owned(),
                });
            }
            self.places.push((self.files.len(), position));
            self.tensors.push(entry);
        }
        self.files.push(OpenFile {
            path: path.to_owned(),
            format,
            length,
            tensors: opened.tensors,
            metadata: opened.metadata,
            origin: opened.origin,
        });
        Ok(())
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &self.path)
            .field("tensors", &self.tensors)
            .finish_non_exhaustive()
    }
}

/// Bytes at the start of a file by which its format is told.
const START: u64 = 512;

/// Longest header of a safetensors file, by which one is told from a pickle.
const MAX_SAFETENSORS_HEADER: u64 = flamingo_weights::safetensors::MAX_HEADER_BYTES;

fn start_of(path: &Path, file: &mut File) -> Result<Vec<u8>, SourceError> {
    let mut start = Vec::new();
    let mut limited = file.take(START);
    limited
        .read_to_end(&mut start)
        .map_err(SourceError::io(path))?;
    file.rewind().map_err(SourceError::io(path))?;
    Ok(start)
}

/// Whether a file is the text of a JSON object.
fn is_json(path: &Path) -> Result<bool, SourceError> {
    let mut file = File::open(path).map_err(SourceError::io(path))?;
    let start = start_of(path, &mut file)?;
    Ok(start.trim_ascii_start().first() == Some(&b'{'))
}

/// Opens a file by what its first bytes say.
fn open_file(path: &Path) -> Result<(Format, u64, Opened), SourceError> {
    let mut file = File::open(path).map_err(SourceError::io(path))?;
    let length = file.metadata().map_err(SourceError::io(path))?.len();
    let start = start_of(path, &mut file)?;
    let header = start.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let (format, opened) = if start.starts_with(b"GGUF") {
        (Format::Gguf, gguf::open(path, file, length)?)
    } else if header.is_some_and(|length| length <= MAX_SAFETENSORS_HEADER)
        && start.get(8) == Some(&b'{')
    {
        (Format::Safetensors, safetensors::open(path, file, length)?)
    } else if start.starts_with(b"PK") {
        let archive = archive::open(path, file, length)?;
        if archive.is_torchscript() {
            (Format::TorchScript, torchscript::open(path, archive)?)
        } else {
            // What is no plain state dict, or damaged, the library reads or has words for.
            let opened = torchscript::open_state_dict(path, archive);
            let opened = opened.or_else(|_| pytorch::open(path))?;
            (Format::Pytorch, opened)
        }
    } else if start.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err(SourceError::LfsPointer {
            path: path.to_owned(),
        });
    } else if pytorch::is_pickle(&start) {
        (Format::Pytorch, pytorch::open(path)?)
    } else {
        return Err(SourceError::Unrecognised {
            path: path.to_owned(),
            found: describe(&start),
        });
    };
    // A view can repeat an element without end, and only so can a tensor be larger.
    let is_too_large = |entry: &&TensorEntry| entry.byte_len as u64 > length;
    if let Some(entry) = opened.entries.iter().find(is_too_large) {
        return Err(SourceError::TooLarge {
            path: path.to_owned(),
            name: entry.name.clone(),
            bytes: entry.byte_len,
        });
    }
    for entry in &opened.entries {
        if entry.element.byte_len(&entry.shape) != Some(entry.byte_len) {
            return Err(SourceError::Shape {
                path: path.to_owned(),
                name: entry.name.clone(),
                shape: entry.shape.clone(),
            });
        }
    }
    Ok((format, length, opened))
}

/// A file's first bytes in words.
fn describe(start: &[u8]) -> String {
    let text = start.trim_ascii_start();
    let begins = |with: &[u8]| {
        let head = text.get(..with.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(with))
    };
    if start.is_empty() {
        "it is empty".to_owned()
    } else if begins(b"<!doctype") || begins(b"<html") {
        "it is a web page: what was downloaded is not the file".to_owned()
    } else {
        format!(
            "it starts with the bytes {:02x?}",
            &start[..start.len().min(8)]
        )
    }
}
