//! Where GGUF stores the rows of a matrix in another order than a checkpoint.

use thiserror::Error;

use crate::LoadedTensor;

/// Order of the rows in GGUF, relative to the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// The same.
    AsIs,
    /// Rotary embedding turns elements `j` and `j + head_dim / 2` of a head
    /// together. llama.cpp stores such a pair as neighbours: rows
    /// `[heads, 2, head_dim / 2]` become `[heads, head_dim / 2, 2]`
    /// (`LlamaModel.permute` in llama.cpp's `convert_hf_to_gguf.py`).
    RopePairs {
        /// Heads of this matrix.
        heads: usize,
    },
    /// GPT-NeoX interleaves queries, keys and values head by head: rows
    /// `[heads, 3, head_dim]` become `[3, heads, head_dim]`.
    StackedQkv {
        /// Heads of each of the three.
        heads: usize,
    },
}

impl RowOrder {
    /// The data of a checkpoint's tensor with its rows in GGUF's order. The rows
    /// of a bias are its elements.
    ///
    /// # Errors
    /// Where the rows cannot be split into heads, or the data into rows.
    pub fn to_gguf(self, tensor: &LoadedTensor) -> Result<Vec<u8>, RowOrderError> {
        self.reorder(tensor, |rows, gguf, checkpoint| rows[gguf] = checkpoint)
    }

    /// The inverse of [`to_gguf`](Self::to_gguf).
    ///
    /// # Errors
    /// Where the rows cannot be split into heads, or the data into rows.
    pub fn to_checkpoint(self, tensor: &LoadedTensor) -> Result<Vec<u8>, RowOrderError> {
        self.reorder(tensor, |rows, gguf, checkpoint| rows[checkpoint] = gguf)
    }

    /// `place(rows, gguf, checkpoint)` is told for each row where it lies in GGUF
    /// and in the checkpoint, and sets `rows[to] = from`.
    fn reorder(
        self,
        tensor: &LoadedTensor,
        place: impl Fn(&mut [usize], usize, usize),
    ) -> Result<Vec<u8>, RowOrderError> {
        // Splitting rows of each head, in the checkpoint's nesting [heads, outer, inner].
        let (heads, outer) = match self {
            Self::AsIs => return Ok(tensor.data.clone()),
            Self::RopePairs { heads } => (heads, 2),
            Self::StackedQkv { heads } => (heads, 3),
        };
        let rows = tensor.info.shape.first().copied().unwrap_or(1);
        let error = RowOrderError { rows, order: self };
        let parts = heads.checked_mul(outer).ok_or(error)?;
        if parts == 0 || rows == 0 || !rows.is_multiple_of(parts) {
            return Err(error);
        }
        if !tensor.data.len().is_multiple_of(rows) {
            return Err(error);
        }
        let inner = rows / parts;
        let mut sources = vec![0; rows];
        for head in 0..heads {
            for i in 0..outer {
                for j in 0..inner {
                    let checkpoint = (head * outer + i) * inner + j;
                    let gguf = match self {
                        Self::StackedQkv { .. } => (i * heads + head) * inner + j,
                        _ => (head * inner + j) * outer + i,
                    };
                    place(&mut sources, gguf, checkpoint);
                }
            }
        }
        let row_bytes = tensor.data.len() / rows;
        Ok(sources
            .into_iter()
            .flat_map(|row| &tensor.data[row * row_bytes..][..row_bytes])
            .copied()
            .collect())
    }
}

/// Rows that cannot be split into heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{rows} rows cannot be put in the order {order:?}")]
pub struct RowOrderError {
    /// Number of rows.
    pub rows: usize,
    /// The order asked for.
    pub order: RowOrder,
}
