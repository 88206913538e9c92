//! PyTorch's own files: zip archives, the format before them, and tar archives.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use pytorch_reader::{PytorchError, PytorchReader, Tensor};

use super::file::TensorFile;
use super::{MAX_TENSORS, Opened, SourceError, TensorEntry};

/// Opens the file at `path`. Dictionaries within dictionaries become
/// names with dots; what is no tensor is passed over.
pub(super) fn open(path: &Path) -> Result<Opened, SourceError> {
    let reader = PytorchReader::new(path).map_err(|source| SourceError::Pytorch {
        path: path.to_owned(),
        source,
    })?;
    if reader.len() > MAX_TENSORS {
        return Err(SourceError::TooMany {
            path: path.to_owned(),
            limit: MAX_TENSORS,
        });
    }
    let mut tensors: Vec<(String, Tensor)> = reader.into_tensors().into_iter().collect();
    // The library does not keep the file's order.
    tensors.sort_by(|(a, _), (b, _)| natural_order(a, b).then_with(|| a.cmp(b)));
    let mut entries = Vec::with_capacity(tensors.len());
    for (name, tensor) in &tensors {
        entries.push(TensorEntry {
            name: name.clone(),
            element: tensor.dtype().into(),
            shape: tensor.shape().to_vec(),
            byte_len: tensor.byte_len(),
        });
    }
    let file = PytorchFile {
        path: path.to_owned(),
        tensors: tensors.into_iter().map(|(_, tensor)| tensor).collect(),
    };
    Ok(Opened::new(entries, Box::new(file)))
}

/// Whether a file of neither zip nor safetensors may be one of PyTorch by its first
/// bytes: a tar archive, or a pickle of any protocol.
pub(super) fn is_pickle(start: &[u8]) -> bool {
    let is_tar = start.get(257..262) == Some(b"ustar");
    is_tar || matches!(start.first(), Some(0x80 | b'(' | b'}' | b']' | b'c' | b'L'))
}

struct PytorchFile {
    path: PathBuf,
    tensors: Vec<Tensor>,
}

impl TensorFile for PytorchFile {
    fn read(&self, position: usize, _: &TensorEntry) -> Result<Vec<u8>, SourceError> {
        let bytes = self.tensors[position].read();
        bytes.map_err(|source| SourceError::Pytorch {
            path: self.path.clone(),
            source: PytorchError::Io(source),
        })
    }
}

/// Compares names with numbers in them by the numbers, so that block 10 comes behind
/// block 9.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else {
            return a.len().cmp(&b.len());
        };
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (m, n) = (digits(a), digits(b));
        let (order, m, n) = if m > 0 && n > 0 {
            let number = |text: &str| text.trim_start_matches('0').to_owned();
            let (x, y) = (number(&a[..m]), number(&b[..n]));
            (x.len().cmp(&y.len()).then_with(|| x.cmp(&y)), m, n)
        } else {
            (x.cmp(&y), x.len_utf8(), y.len_utf8())
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (&a[m..], &b[n..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_by_the_numbers_in_them() {
        let mut names = vec!["h.10.b", "h.9.a", "h.10.a", "h", "h.09.b", "g.11", "h.1x"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            ["g.11", "h", "h.1x", "h.9.a", "h.09.b", "h.10.a", "h.10.b"]
        );
    }
}
