//! The one table between OpenFlamingo's tensor names and those in a GGUF file.
//!
//! OpenFlamingo's names (checkpoints, training exports, reference dumps) are
//! the paths of PyTorch modules. GGUF allows 63 bytes, so there the language
//! model bears llama.cpp's names and the rest is named in their manner:
//! `resampler.…`, `xattn.{layer}.…`, `v.…`. The table itself is
//! `table.rs`, used in both directions; EfficientNet's folded convolutions have no
//! counterpart in a checkpoint and are named where they are folded.
//!
//! Two families also store rows in another order than Hugging Face does, see
//! [`RowOrder`].

mod row_order;
mod table;

use thiserror::Error;

pub use row_order::{RowOrder, RowOrderError};

use crate::{LoadedTensor, TensorInfo};
use table::{GROUPS, Group, Order, Row};

/// Heads of a language model's self-attention, which the row orders need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadCounts {
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
}

/// How the tensors of a language model are spelled in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `LlamaForCausalLM`.
    Llama,
    /// `GPTNeoXForCausalLM`.
    GptNeox,
    /// `MptForCausalLM`.
    Mpt,
    /// `MosaicGPT`, the remote code of MPT-1B.
    MosaicGpt,
    /// `MptForCausalLM` with the norms of queries and keys wrapped around the
    /// fused projection (`Wqkv.{lin,q_ln,k_ln}`), as the reference dump of
    /// MPT-1B has it.
    MptWrappedNorms,
}

/// A name, and how the rows of its tensor are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedName {
    /// Name on the other side.
    pub name: String,
    /// Order of the rows in GGUF, relative to the checkpoint.
    pub row_order: RowOrder,
}

/// The GGUF name of a checkpoint's tensor; `None` for tensors that are known and
/// not used (CLIP's pooled head, buffers that are recomputed).
///
/// Checkpoints come in four spellings: bare, wrapped in `model_state_dict`, with
/// the prefix `module.` of distributed training, and version 1, which lists the
/// cross-attention blocks under `lang_encoder.gated_cross_attn_layers.{layer}`.
/// Decoder layers are accepted with OpenFlamingo's `decoder_layer.` and without,
/// as in the language model's own repository.
///
/// # Errors
/// Where the name is not in the table.
pub fn to_gguf(name: &str, heads: HeadCounts) -> Result<Option<MappedName>, NameError> {
    let bare = name.strip_prefix("model_state_dict.").unwrap_or(name);
    let bare = bare.strip_prefix("module.").unwrap_or(bare);
    for group in GROUPS {
        let Some((index, suffix)) = split(group.checkpoint, bare) else {
            continue;
        };
        if group.unused.contains(&suffix) {
            return Ok(None);
        }
        if let Some(row) = group.rows.iter().find(|row| row.checkpoint == suffix) {
            return Ok(Some(MappedName {
                name: join(group.gguf, index, row.gguf),
                row_order: row.row_order(heads),
            }));
        }
    }
    Err(NameError::Unknown {
        name: name.to_owned(),
    })
}

/// The checkpoint name of a GGUF tensor, with the language model spelled as
/// `spelling`.
///
/// # Errors
/// Where the name is not in the table for that spelling.
pub fn to_checkpoint(
    name: &str,
    spelling: Spelling,
    heads: HeadCounts,
) -> Result<MappedName, NameError> {
    for group in GROUPS.iter().filter(|group| group.is_spelled(spelling)) {
        let Some((index, suffix)) = split(group.gguf, name) else {
            continue;
        };
        if let Some(row) = group.rows.iter().find(|row| row.gguf == suffix) {
            return Ok(MappedName {
                name: join(group.checkpoint, index, row.checkpoint),
                row_order: row.row_order(heads),
            });
        }
    }
    Err(NameError::UnknownGguf {
        name: name.to_owned(),
        spelling,
    })
}

/// A checkpoint's tensor as it lies in a GGUF file: named, its rows in order,
/// and with at most two dimensions (`[out, in, k, k]` becomes `[out, in * k * k]`,
/// `[media, 1, width]` becomes `[media, width]`). `None` where it is not used.
///
/// # Errors
/// Where the name is not in the table, or the rows cannot be split into heads.
pub fn import(tensor: LoadedTensor, heads: HeadCounts) -> Result<Option<LoadedTensor>, NameError> {
    let Some(mapped) = to_gguf(&tensor.info.name, heads)? else {
        return Ok(None);
    };
    let data = mapped
        .row_order
        .to_gguf(&tensor)
        .map_err(|source| NameError::RowOrder {
            name: tensor.info.name.clone(),
            source,
        })?;
    let mut shape = tensor.info.shape;
    if shape.len() > 2 {
        shape = vec![shape[0], shape[1..].iter().product()];
    }
    Ok(Some(LoadedTensor {
        info: TensorInfo {
            name: mapped.name,
            tensor_type: tensor.info.tensor_type,
            shape,
        },
        data,
    }))
}

impl Group {
    fn is_spelled(&self, spelling: Spelling) -> bool {
        match self.spellings {
            table::Spellings::Every => true,
            table::Spellings::Only(spellings) => spellings.contains(&spelling),
            table::Spellings::ReadOnly => false,
        }
    }
}

impl Row {
    fn row_order(&self, heads: HeadCounts) -> RowOrder {
        match self.order {
            Order::AsIs => RowOrder::AsIs,
            Order::RopeQueries => RowOrder::RopePairs { heads: heads.heads },
            Order::RopeKeys => RowOrder::RopePairs {
                heads: heads.kv_heads,
            },
            Order::FusedQkv => RowOrder::StackedQkv { heads: heads.heads },
        }
    }
}

/// Splits `name` at `prefix`, in which `{}` stands for a number: the number, if
/// there is one, and what follows the prefix.
fn split<'a>(prefix: &str, name: &'a str) -> Option<(Option<u16>, &'a str)> {
    let Some((before, after)) = prefix.split_once("{}") else {
        return Some((None, name.strip_prefix(prefix)?));
    };
    let rest = name.strip_prefix(before)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = rest.split_at(digits);
    // Only the shortest form of a number, so that names map one to one.
    if number.len() > 1 && number.starts_with('0') {
        return None;
    }
    Some((Some(number.parse().ok()?), rest.strip_prefix(after)?))
}

/// The inverse of [`split`].
fn join(prefix: &str, index: Option<u16>, suffix: &str) -> String {
    match index {
        None => format!("{prefix}{suffix}"),
        Some(index) => format!("{}{suffix}", prefix.replace("{}", &index.to_string())),
    }
}

/// A tensor that cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// A checkpoint name that is not in the table.
    #[error("tensor `{name}` belongs to no model known here")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A GGUF name that is not in the table.
    #[error("tensor `{name}` has no name in a checkpoint of a {spelling:?} language model")]
    UnknownGguf {
        /// The name.
        name: String,
        /// How the language model is spelled.
        spelling: Spelling,
    },
    /// Rows that cannot be put in order.
    #[error("tensor `{name}`: {source}")]
    RowOrder {
        /// The name.
        name: String,
        /// What is wrong.
        source: RowOrderError,
    },
}
