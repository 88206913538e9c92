//! The zip archives that PyTorch writes.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use super::SourceError;

/// The member that every archive of PyTorch has, below a folder of any name.
const PICKLE: &str = "/data.pkl";

/// PyTorch's archives begin where their files do. Any other beginning would be searched for in
/// the whole file, weights and all.
const AT_THE_START: Config = Config {
    archive_offset: ArchiveOffset::Known(0),
};

/// An open archive.
pub(super) struct Archive {
    pub(super) zip: ZipArchive<BufReader<File>>,
    /// The folder of the members with a slash behind it.
    pub(super) root: String,
    /// By name.
    pub(super) members: HashMap<String, Member>,
}

/// A member's place.
pub(super) struct Member {
    /// First byte of the data.
    pub(super) start: u64,
    /// Bytes of the data, where it is not compressed.
    pub(super) length: u64,
    pub(super) crc32: u32,
    pub(super) is_stored: bool,
}

impl Archive {
    /// Whether `torch.jit.save` wrote it: it keeps the constants of the code apart.
    pub(super) fn is_torchscript(&self) -> bool {
        self.members
            .contains_key(&format!("{}constants.pkl", self.root))
    }
}

/// Opens the archive `file` of `length` bytes.
///
/// # Errors
/// Where it is malformed, is not of PyTorch, or its members overlap or lie outside of it.
pub(super) fn open(path: &Path, file: File, length: u64) -> Result<Archive, SourceError> {
    let zip_error = |source| SourceError::Zip {
        path: path.to_owned(),
        source,
    };
    let file = BufReader::new(file);
    let mut zip = ZipArchive::with_config(AT_THE_START, file).map_err(zip_error)?;
    let mut root = None;
    let mut members = HashMap::new();
    let mut ranges = Vec::new();
    for index in 0..zip.len() {
        let member = zip.by_index_raw(index).map_err(zip_error)?;
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        if let Some(folder) = name.strip_suffix(PICKLE)
            && !folder.contains('/')
        {
            root = root.or(Some(format!("{folder}/")));
        }
        let start = member.data_start();
        let end = start.and_then(|start| start.checked_add(member.compressed_size()));
        let (Some(start), Some(end)) = (start, end.filter(|&end| end <= length)) else {
            return Err(SourceError::Archive {
                path: path.to_owned(),
                reason: format!("the member `{name}` ends behind the file"),
            });
        };
        ranges.push((start, end, name.clone()));
        members.insert(
            name,
            Member {
                start,
                length: member.size(),
                crc32: member.crc32(),
                is_stored: member.compression() == CompressionMethod::Stored
                    && member.size() == member.compressed_size(),
            },
        );
    }
    ranges.sort();
    if let Some(pair) = ranges.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        return Err(SourceError::Archive {
            path: path.to_owned(),
            reason: format!("the members `{}` and `{}` overlap", pair[0].2, pair[1].2),
        });
    }
    let Some(root) = root else {
        return Err(SourceError::Unrecognised {
            path: path.to_owned(),
            found: "a zip archive without a FOLDER/data.pkl".to_owned(),
        });
    };
    Ok(Archive { zip, root, members })
}
