//! A tensor that was read.

use flamingo_weights::{LoadedTensor, TensorInfo, TensorType};

use super::{ElementType, SourceError, TensorEntry};

/// A tensor in memory, its bytes as the file has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTensor {
    /// Name, type and shape.
    pub entry: TensorEntry,
    /// Little-endian blocks, row after row, without gaps: `entry.byte_len` bytes.
    pub data: Vec<u8>,
}

impl SourceTensor {
    /// Elements of a row: the innermost size.
    pub fn cols(&self) -> usize {
        self.entry.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows: the product of all sizes but the innermost.
    pub fn rows(&self) -> usize {
        let (_, outer) = self.entry.shape.split_last().unwrap_or((&1, &[]));
        outer.iter().product()
    }

    /// The elements, row-major.
    ///
    /// # Errors
    /// Where GGML's type stores no weights.
    pub fn to_f32(&self) -> Result<Vec<f32>, SourceError> {
        let mut values = vec![0.0; self.rows() * self.cols()];
        self.unpack(&self.data, &mut values)?;
        Ok(values)
    }

    /// The elements of the row `row` in place of what is in `values`, so that a tensor
    /// can be packed anew without all its numbers in memory.
    ///
    /// # Errors
    /// Where there is no such row, `values` is not as long as a row, or GGML's type stores
    /// no weights.
    pub fn row_to_f32(&self, row: usize, values: &mut [f32]) -> Result<(), SourceError> {
        let (rows, cols) = (self.rows(), self.cols());
        if row >= rows || values.len() != cols {
            return Err(SourceError::Row {
                name: self.entry.name.clone(),
                row,
                elements: values.len(),
                rows,
                cols,
            });
        }
        let bytes = self.data.len() / rows;
        self.unpack(&self.data[row * bytes..][..bytes], values)
    }

    /// The same tensor for a packed model: types that the kernels multiply as they are,
    /// all others as `F32`.
    ///
    /// # Errors
    /// Where GGML's type stores no weights.
    pub fn into_loaded(self) -> Result<LoadedTensor, SourceError> {
        let kept = match self.entry.element {
            ElementType::F32 => Some(TensorType::F32),
            ElementType::F16 => Some(TensorType::F16),
            ElementType::Ggml(ggml_type) => ggml_type.packed(),
            _ => None,
        };
        let (tensor_type, data) = match kept {
            Some(tensor_type) => (tensor_type, self.data),
            None => {
                let values = self.to_f32()?;
                let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
                (TensorType::F32, bytes)
            }
        };
        Ok(LoadedTensor {
            info: TensorInfo {
                name: self.entry.name,
                tensor_type,
                shape: self.entry.shape,
            },
            data,
        })
    }

    fn unpack(&self, packed: &[u8], values: &mut [f32]) -> Result<(), SourceError> {
        let element = self.entry.element;
        element
            .to_f32(packed, values)
            .map_err(|source| SourceError::Ggml {
                name: self.entry.name.clone(),
                source,
            })
    }
}
