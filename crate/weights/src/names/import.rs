//! A tensor under its other name.

use thiserror::Error;

use super::{Blocks, Found, Piece, Place};
use crate::{LoadedTensor, TensorInfo};

/// A checkpoint's tensor as it lies in a model's file: named, its rows in order, and with at
/// most two dimensions (`[out, in, k, k]` becomes `[out, in * k * k]`, `[media, 1, width]`
/// becomes `[media, width]`). `None` if no model needs it. `head_width` is that of the
/// language model's self-attention.
///
/// # Errors
/// If the name is in none of the tables, is one piece of several that make up a tensor, or
/// the rows cannot be split into heads.
pub fn import(
    tensor: LoadedTensor,
    places: &[Place],
    head_width: usize,
) -> Result<Option<LoadedTensor>, NameError> {
    let name = &tensor.info.name;
    let mut found = places.iter();
    let found = found.find_map(|place| place.ours(name, Blocks::NONE));
    let Piece {
        ours,
        pieces,
        order,
        ..
    } = match found {
        None => return Err(NameError::Unknown { name: name.clone() }),
        Some(Found::Unused) => return Ok(None),
        Some(Found::Piece(piece)) => piece,
    };
    if pieces > 1 {
        return Err(NameError::Piece {
            name: name.clone(),
            ours,
        });
    }
    let rows = tensor.info.shape.first().copied().unwrap_or(1);
    let sources: Option<Vec<usize>> = (0..rows)
        .map(|row| order.source_row(row, rows, head_width))
        .collect();
    let Some(sources) = sources.filter(|_| tensor.data.len().is_multiple_of(rows.max(1))) else {
        return Err(NameError::Rows {
            name: name.clone(),
            rows,
            head_width,
        });
    };
    let row_bytes = tensor.data.len() / rows.max(1);
    let rows = sources
        .iter()
        .map(|row| &tensor.data[row * row_bytes..][..row_bytes]);
    let data = rows.flatten().copied().collect();
    let mut shape = tensor.info.shape;
    if shape.len() > 2 {
        shape = vec![shape[0], shape[1..].iter().product()];
    }
    Ok(Some(LoadedTensor {
        info: TensorInfo {
            name: ours,
            tensor_type: tensor.info.tensor_type,
            shape,
        },
        data,
    }))
}

/// A tensor that has no other name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// A name that is in none of the tables.
    #[error("tensor `{name}` belongs to no model known here")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A tensor that is part of a larger one.
    #[error("tensor `{name}` is one piece of several that make up `{ours}`")]
    Piece {
        /// The name.
        name: String,
        /// The larger one.
        ours: String,
    },
    /// Rows that cannot be split into heads.
    #[error("the {rows} rows of tensor `{name}` are no whole number of heads of {head_width}")]
    Rows {
        /// The name.
        name: String,
        /// Number of rows.
        rows: usize,
        /// Rows of a head's queries, keys or values.
        head_width: usize,
    },
}
