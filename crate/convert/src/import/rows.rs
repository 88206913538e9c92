//! The rows of one tensor, in our order and type.

use std::thread;

use flamingo_architecture::TensorSpec;
use flamingo_weights::blocks::{BlockError, quantize_row_best};
use flamingo_weights::{LoadedTensor, TensorInfo, TensorType};

use super::part::matrix_shape;
use super::{ImportError, Part};
use crate::source::{ElementType, SourceError, SourceTensor};

/// Fewer elements are packed sooner than a thread is started.
const ELEMENTS_OF_A_THREAD: usize = 1 << 18;

/// Our tensor from `part`, as `tensor_type`; exact if that is `None`. `missing_rows` at the
/// bottom may be missing and are zero then.
pub(super) fn gather(
    part: &Part,
    spec: &TensorSpec,
    tensor_type: Option<TensorType>,
    missing_rows: usize,
    head_width: usize,
) -> Result<LoadedTensor, ImportError> {
    let (expected_rows, cols) = matrix_shape(&spec.shape);
    let mut packed: Option<TensorType> = None;
    let (mut data, mut rows) = (Vec::new(), 0);
    part.pieces(spec, missing_rows, &mut |tensor, order| {
        let exact = match tensor.entry.element {
            ElementType::F16 if cols > 1 => TensorType::F16,
            _ => TensorType::F32,
        };
        // Pieces of one tensor are stored alike, and go on as the first does.
        let target = *packed.get_or_insert(tensor_type.unwrap_or(exact));
        let count = tensor.rows();
        let sources = (0..count).map(|row| order.source_row(row, count, head_width));
        let Some(sources) = sources.collect::<Option<Vec<usize>>>() else {
            return Err(ImportError::Shape {
                path: part.path().to_owned(),
                name: tensor.entry.name.clone(),
                found: tensor.entry.shape.clone(),
                expected: spec.shape.clone(),
            });
        };
        rows += count;
        append(&tensor, &sources, target, &mut data).map_err(|error| error.of(&spec.name))
    })?;
    let tensor_type = packed.or(tensor_type).unwrap_or(TensorType::F32);
    let zero = vec![0.0; cols];
    for _ in rows..expected_rows {
        pack_row(tensor_type, &zero, &mut data)
            .map_err(|error| RowError::from(error).of(&spec.name))?;
    }
    Ok(LoadedTensor {
        info: TensorInfo {
            name: spec.name.clone(),
            tensor_type,
            shape: spec.shape.clone(),
        },
        data,
    })
}

/// A row that cannot be read or packed.
enum RowError {
    Source(SourceError),
    Block(BlockError),
}

impl From<BlockError> for RowError {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

impl RowError {
    fn of(self, name: &str) -> ImportError {
        match self {
            Self::Source(error) => error.into(),
            Self::Block(source) => ImportError::Block {
                name: name.to_owned(),
                source,
            },
        }
    }
}

fn pack_row(tensor_type: TensorType, row: &[f32], out: &mut Vec<u8>) -> Result<(), BlockError> {
    match tensor_type {
        // Every number is kept as it is.
        TensorType::F32 => out.extend(row.iter().flat_map(|value| value.to_le_bytes())),
        packed => quantize_row_best(packed, row, out)?,
    }
    Ok(())
}

/// Appends these rows of a piece.
fn append(
    tensor: &SourceTensor,
    sources: &[usize],
    target: TensorType,
    out: &mut Vec<u8>,
) -> Result<(), RowError> {
    let (rows, cols) = (tensor.rows(), tensor.cols());
    if cols == 1 {
        let values = tensor.to_f32().map_err(RowError::Source)?;
        let values = sources.iter().map(|&row| values[row]);
        return Ok(pack_row(target, &values.collect::<Vec<_>>(), out)?);
    }
    if is_stored_as(tensor.entry.element, target) {
        let row_bytes = tensor.data.len() / rows.max(1);
        out.reserve_exact(tensor.data.len());
        for row in sources {
            out.extend_from_slice(&tensor.data[row * row_bytes..][..row_bytes]);
        }
        return Ok(());
    }
    let pack = |rows: &[usize]| {
        let mut packed =
            Vec::with_capacity(target.row_bytes(cols).unwrap_or_default() * rows.len());
        let mut values = vec![0.0; cols];
        for &row in rows {
            tensor
                .row_to_f32(row, &mut values)
                .map_err(RowError::Source)?;
            pack_row(target, &values, &mut packed)?;
        }
        Ok(packed)
    };
    let most = (rows * cols).div_ceil(ELEMENTS_OF_A_THREAD).max(1);
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(most);
    let shares = sources.chunks(rows.div_ceil(threads).max(1));
    let packed: Vec<Result<Vec<u8>, RowError>> = thread::scope(|scope| {
        let pack = &pack;
        let handles: Vec<_> = shares.map(|rows| scope.spawn(move || pack(rows))).collect();
        let join = |handle: thread::ScopedJoinHandle<'_, _>| match handle.join() {
            Ok(packed) => packed,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        handles.into_iter().map(join).collect()
    });
    for packed in packed {
        out.extend(packed?);
    }
    Ok(())
}

/// Whether a file has the very bytes that a model of ours would.
fn is_stored_as(element: ElementType, tensor_type: TensorType) -> bool {
    match element {
        ElementType::F32 => tensor_type == TensorType::F32,
        ElementType::F16 => tensor_type == TensorType::F16,
        ElementType::Ggml(ggml_type) => ggml_type.packed() == Some(tensor_type),
        _ => false,
    }
}
