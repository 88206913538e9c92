//! TorchScript archives, which [`pytorch_reader`] does not read, and the plain state dicts
//! of archives without code, whose files it searches from end to end.
//!
//! A TorchScript archive is a module with its code. Its weights are the tensors among the
//! attributes of its objects, named by the path of attributes; the code is left alone.

mod pickle;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use thiserror::Error;

use super::archive::Archive;
use super::file::{RangeFile, TensorFile};
use super::pytorch::natural_order;
use super::{MAX_TENSORS, Opened, SourceError, TensorEntry};
use pickle::{Id, Pickle, Value, View};

/// Longest `data.pkl`, in bytes. CLIP's has some 0.2 MB.
const MAX_PICKLE: u64 = 16 << 20;

/// Longest name of an order of bytes.
const MAX_BYTE_ORDER: u64 = 16;

/// Most attributes that are looked at: an object can be an attribute of several others,
/// so their number is not bounded by the pickle's bytes.
const MAX_VISITS: usize = 1 << 20;

/// Longest path of a tensor, in bytes.
const MAX_PATH: usize = 1024;

/// A fault of a TorchScript archive.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TorchScriptError {
    /// A member that is read whole is longer than any that TorchScript writes.
    #[error("{name} has more than {limit} bytes")]
    MemberTooLarge {
        /// The member.
        name: &'static str,
        /// Most bytes accepted.
        limit: u64,
    },
    /// The archive lacks a member.
    #[error("{name} is missing; download the file again")]
    MissingMember {
        /// The member.
        name: &'static str,
    },
    /// Numbers in another order of bytes.
    #[error("the numbers are {found}-endian; only little-endian ones are read")]
    ByteOrder {
        /// The order in the file.
        found: String,
    },
    /// `data.pkl` is no pickle, or one that is not written so.
    #[error("data.pkl: {reason}, at byte {position}")]
    Malformed {
        /// The fault.
        reason: String,
        /// Where.
        position: usize,
    },
    /// An operation that files of weights do not need.
    #[error("data.pkl: the operation {code:#04x} at byte {position} is not supported")]
    Opcode {
        /// The operation.
        code: u8,
        /// Where.
        position: usize,
    },
    /// A class or function that is none of those that hold weights. None is ever called.
    #[error(
        "data.pkl asks for `{name}`, which is not supported; save the module's state_dict() instead"
    )]
    Global {
        /// Its full name.
        name: String,
    },
    /// More values than a module needs.
    #[error("data.pkl has more than {limit} values")]
    TooManyValues {
        /// Most values accepted.
        limit: usize,
    },
    /// The pickle's value is no module, or no plain state dict.
    #[error("data.pkl holds no module")]
    NoModule,
    /// Objects that contain each other too often.
    #[error("the module has attributes more than {MAX_VISITS} times, or without end")]
    TooDeep,
    /// A tensor reaches beyond its storage.
    #[error("a tensor of shape {shape:?} reaches beyond its storage `{key}`")]
    OutOfStorage {
        /// The storage.
        key: String,
        /// The shape.
        shape: Vec<usize>,
    },
    /// A storage that the archive lacks, compresses, or has too few bytes of.
    #[error("the storage `{key}` {reason}")]
    Storage {
        /// The storage.
        key: String,
        /// The fault.
        reason: String,
    },
    /// Bytes that do not agree with the archive's checksum.
    #[error(
        "the storage `{key}` is damaged: its CRC-32 is {found:08x}, not {expected:08x}; download the file again"
    )]
    Damaged {
        /// The storage.
        key: String,
        /// CRC-32 in the archive's directory.
        expected: u32,
        /// CRC-32 of the bytes.
        found: u32,
    },
}

/// Tensors with their names.
type Named<'a> = Vec<(String, &'a View)>;

/// Opens the archive at `path`, whose members lie below `archive.root`.
pub(super) fn open(path: &Path, archive: Archive) -> Result<Opened, SourceError> {
    read(path, archive, tensors)
}

/// Opens the archive of a state dict: dictionaries of tensors by their names, one within the
/// other. Other files have more than that, and are another reader's.
///
/// # Errors
/// If it is none, or damaged.
pub(super) fn open_state_dict(path: &Path, archive: Archive) -> Result<Opened, SourceError> {
    read(path, archive, state_dict)
}

/// Opens an archive whose tensors `list` finds.
fn read(
    path: &Path,
    mut archive: Archive,
    list: fn(&Pickle) -> Result<Named<'_>, TorchScriptError>,
) -> Result<Opened, SourceError> {
    let torchscript = |source| SourceError::TorchScript {
        path: path.to_owned(),
        source,
    };
    if let Some(order) = read_member(path, &mut archive, "byteorder", MAX_BYTE_ORDER)?
        && order != b"little"
    {
        return Err(torchscript(TorchScriptError::ByteOrder {
            found: String::from_utf8_lossy(&order).into_owned(),
        }));
    }
    let name = "data.pkl";
    let pickle = read_member(path, &mut archive, name, MAX_PICKLE)?
        .ok_or_else(|| torchscript(TorchScriptError::MissingMember { name }))?;
    let pickle = Pickle::parse(&pickle).map_err(torchscript)?;
    let mut entries = Vec::new();
    let mut places = Vec::new();
    for (name, view) in list(&pickle).map_err(torchscript)? {
        let element = view.storage.element;
        let Some(byte_len) = element.byte_len(&view.shape) else {
            return Err(torchscript(TorchScriptError::OutOfStorage {
                key: view.storage.key.clone(),
                shape: view.shape.clone(),
            }));
        };
        places.push(archive_place(&archive, view).map_err(torchscript)?);
        entries.push(TensorEntry {
            name,
            element,
            shape: view.shape.clone(),
            byte_len,
        });
    }
    let file = RangeFile::new(path, archive.zip.into_inner().into_inner());
    Ok(Opened::new(
        entries,
        Box::new(TorchScriptFile { file, places }),
    ))
}

/// A whole member of the archive, where it has it; at most `limit` bytes.
fn read_member(
    path: &Path,
    archive: &mut Archive,
    name: &'static str,
    limit: u64,
) -> Result<Option<Vec<u8>>, SourceError> {
    let full_name = format!("{}{name}", archive.root);
    let Some(index) = archive.zip.index_for_name(&full_name) else {
        return Ok(None);
    };
    let member = archive.zip.by_index(index);
    let member = member.map_err(|source| SourceError::Zip {
        path: path.to_owned(),
        source,
    })?;
    // A compressed member can be longer than the archive says.
    let mut bytes = Vec::new();
    let mut limited = member.take(limit + 1);
    limited
        .read_to_end(&mut bytes)
        .map_err(SourceError::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(SourceError::TorchScript {
            path: path.to_owned(),
            source: TorchScriptError::MemberTooLarge { name, limit },
        });
    }
    Ok(Some(bytes))
}

/// The tensors among the attributes, in the order of the attributes.
fn tensors(pickle: &Pickle) -> Result<Named<'_>, TorchScriptError> {
    let Value::Object(_) = pickle.get(pickle.root) else {
        return Err(TorchScriptError::NoModule);
    };
    let mut found = Vec::new();
    let mut visits = 0;
    // The last one is looked at next.
    let mut waiting: Vec<(String, Id)> = vec![(String::new(), pickle.root)];
    while let Some((path, id)) = waiting.pop() {
        visits += 1;
        if visits > MAX_VISITS || path.len() > MAX_PATH || found.len() > MAX_TENSORS {
            return Err(TorchScriptError::TooDeep);
        }
        match pickle.get(id) {
            Value::Tensor(view) => found.push((path, view)),
            Value::Object(Some(attributes)) => {
                let Value::Dict(attributes) = pickle.get(*attributes) else {
                    continue;
                };
                if waiting.len() + attributes.len() > MAX_VISITS {
                    return Err(TorchScriptError::TooDeep);
                }
                for &(key, value) in attributes.iter().rev() {
                    let Value::Text(key) = pickle.get(key) else {
                        continue;
                    };
                    if matches!(pickle.get(value), Value::Tensor(_) | Value::Object(_)) {
                        let dot = if path.is_empty() { "" } else { "." };
                        waiting.push((format!("{path}{dot}{key}"), value));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The tensors of a state dict, by the numbers in their names. A dictionary within is a part of
/// names; so would be a list, which state dicts have none of.
fn state_dict(pickle: &Pickle) -> Result<Named<'_>, TorchScriptError> {
    let mut found = BTreeMap::new();
    let mut visits = 0;
    let mut waiting = vec![(String::new(), pickle.root)];
    while let Some((path, id)) = waiting.pop() {
        let Value::Dict(items) = pickle.get(id) else {
            return Err(TorchScriptError::NoModule);
        };
        visits += items.len();
        if visits > MAX_VISITS {
            return Err(TorchScriptError::TooDeep);
        }
        for &(key, value) in items {
            let Value::Text(key) = pickle.get(key) else {
                return Err(TorchScriptError::NoModule);
            };
            let dot = if path.is_empty() { "" } else { "." };
            let name = format!("{path}{dot}{key}");
            if name.len() > MAX_PATH || found.len().max(waiting.len()) > MAX_TENSORS {
                return Err(TorchScriptError::TooDeep);
            }
            match pickle.get(value) {
                Value::Tensor(view) => {
                    // Which of two counts, and under which name, is the other reader's.
                    if found.insert(name, view).is_some() {
                        return Err(TorchScriptError::NoModule);
                    }
                }
                Value::Dict(_) => waiting.push((name, value)),
                Value::Other | Value::Int(_) | Value::Text(_) => {}
                _ => return Err(TorchScriptError::NoModule),
            }
        }
    }
    if found.is_empty() {
        return Err(TorchScriptError::NoModule);
    }
    let mut found: Named<'_> = found.into_iter().collect();
    found.sort_by(|(a, _), (b, _)| natural_order(a, b));
    Ok(found)
}

/// Where a tensor's elements lie.
struct Place {
    key: String,
    /// First byte of the window in the file.
    start: u64,
    /// Bytes of the window.
    length: usize,
    /// CRC-32 of the window, where it is known.
    crc32: Option<u32>,
    /// Steps between the elements, in bytes, where they do not lie in order.
    strides: Option<Vec<usize>>,
}

fn archive_place(archive: &Archive, view: &View) -> Result<Place, TorchScriptError> {
    let storage = &view.storage;
    let error = |reason: &str| TorchScriptError::Storage {
        key: storage.key.clone(),
        reason: reason.to_owned(),
    };
    let name = format!("{}data/{}", archive.root, storage.key);
    let member = archive
        .members
        .get(&name)
        .ok_or_else(|| error("is missing"))?;
    if !member.is_stored {
        return Err(error("is compressed, which PyTorch does not do"));
    }
    let size = storage.element.block_bytes();
    let bytes = storage.len.checked_mul(size);
    if bytes.is_none_or(|bytes| bytes as u64 != member.length) {
        return Err(error("is not as long as the module says"));
    }
    // Within the storage, so none of these overflows.
    let length = view.window * size;
    let start = member.start + (view.offset * size) as u64;
    Ok(Place {
        key: storage.key.clone(),
        start,
        length,
        crc32: (length as u64 == member.length && member.crc32 != 0).then_some(member.crc32),
        strides: (!is_contiguous(view)).then(|| view.strides.iter().map(|s| s * size).collect()),
    })
}

/// Whether the elements lie one behind the other, row-major.
fn is_contiguous(view: &View) -> bool {
    let mut step = 1;
    for (&size, &stride) in view.shape.iter().zip(&view.strides).rev() {
        if size != 1 && stride != step {
            return false;
        }
        step *= size;
    }
    true
}

struct TorchScriptFile {
    file: RangeFile,
    places: Vec<Place>,
}

impl TensorFile for TorchScriptFile {
    fn read(&self, position: usize, entry: &TensorEntry) -> Result<Vec<u8>, SourceError> {
        let place = &self.places[position];
        let bytes = self.file.read(place.start, place.length)?;
        if let Some(expected) = place.crc32 {
            let found = crc32fast::hash(&bytes);
            if found != expected {
                return Err(SourceError::TorchScript {
                    path: self.file.path().to_owned(),
                    source: TorchScriptError::Damaged {
                        key: place.key.clone(),
                        expected,
                        found,
                    },
                });
            }
        }
        Ok(match &place.strides {
            None => bytes,
            Some(strides) => gather(&bytes, entry, strides),
        })
    }
}

/// Puts elements in order that lie `strides` bytes apart.
fn gather(bytes: &[u8], entry: &TensorEntry, strides: &[usize]) -> Vec<u8> {
    let size = entry.element.block_bytes();
    let mut gathered = Vec::with_capacity(entry.byte_len);
    let mut index = vec![0; entry.shape.len()];
    while gathered.len() < entry.byte_len {
        let at: usize = index
            .iter()
            .zip(strides)
            .map(|(i, stride)| i * stride)
            .sum();
        gathered.extend_from_slice(&bytes[at..at + size]);
        for (i, &size) in index.iter_mut().zip(&entry.shape).rev() {
            *i += 1;
            if *i < size {
                break;
            }
            *i = 0;
        }
    }
    gathered
}
