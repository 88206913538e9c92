//! How each tensor is stored, by what it is for.

use std::fmt;
use std::str::FromStr;

use flamingo_architecture::{TensorRole, TensorSpec};
use flamingo_weights::TensorType;
use thiserror::Error;

/// How the bulk of a model is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredAs {
    /// 4 bits and a scale for each block of 32.
    #[default]
    Q4_0,
    /// 4 bits, a scale and a minimum for each block of 32.
    Q4_1,
    /// 8 bits and a scale for each block of 32.
    Q8_0,
    /// IEEE 754 binary16.
    F16,
    /// IEEE 754 binary32: every number as it is.
    F32,
}

/// The purpose of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A layer of the language model.
    Decoder,
    /// A gated cross-attention block.
    CrossAttention,
    /// A layer of the vision encoder.
    Vision,
    /// A layer of the resampler.
    Resampler,
    /// Embeddings of tokens and positions.
    Embedding,
    /// The output head.
    Head,
}

/// By the beginnings of names; the first that fits counts.
const PURPOSES: [(&str, Purpose); 9] = [
    ("blk.", Purpose::Decoder),
    ("xattn.", Purpose::CrossAttention),
    ("v.", Purpose::Vision),
    ("resampler.", Purpose::Resampler),
    ("token_embd_proj.", Purpose::Head),
    ("token_embd", Purpose::Embedding),
    ("position_embd", Purpose::Embedding),
    ("output_proj.", Purpose::Head),
    ("output", Purpose::Head),
];

/// The types of matrices: a row for each way, a column for each purpose. What every token and
/// every image passes through loses more by coarse blocks than one layer of many does, and is
/// little beside the layers.
const TYPES: [(StoredAs, [TensorType; 6]); 5] = {
    use TensorType::{F16, F32, Q4_0, Q4_1, Q8_0};
    [
        // decoder, cross-attention, vision, resampler, embedding, head
        (StoredAs::Q4_0, [Q4_0, Q4_0, Q4_0, Q8_0, Q8_0, Q8_0]),
        (StoredAs::Q4_1, [Q4_1, Q4_1, Q4_1, Q8_0, Q8_0, Q8_0]),
        (StoredAs::Q8_0, [Q8_0; 6]),
        (StoredAs::F16, [F16; 6]),
        (StoredAs::F32, [F32; 6]),
    ]
};

impl StoredAs {
    /// Every way, the smallest first.
    pub const ALL: [Self; 5] = [Self::Q4_0, Self::Q4_1, Self::Q8_0, Self::F16, Self::F32];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q8_0 => "q8_0",
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }

    /// How a tensor is stored: matrices by purpose, or as `F16` if a row is no whole number
    /// of blocks; the kernel that makes patches as `F16`; gates, norms, biases, latents and
    /// places as `F32`.
    pub fn type_of(self, spec: &TensorSpec) -> TensorType {
        let is_kernel = spec.name == "v.patch_embd.weight";
        let (TensorRole::Matrix, &[_, cols]) = (spec.role, spec.shape.as_slice()) else {
            return match is_kernel && self != Self::F32 {
                true => TensorType::F16,
                false => TensorType::F32,
            };
        };
        let mut purposes = PURPOSES.iter();
        let purpose = purposes.find(|(start, _)| spec.name.starts_with(start));
        let (_, types) = TYPES[self as usize];
        let tensor_type = match purpose {
            Some((_, purpose)) => types[*purpose as usize],
            // A matrix that nobody thought of loses nothing.
            None => TensorType::F16,
        };
        match tensor_type.row_bytes(cols) {
            Some(_) => tensor_type,
            None => TensorType::F16,
        }
    }
}

impl fmt::Display for StoredAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no way of storing has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no type; there are q4_0, q4_1, q8_0, f16 and f32")]
pub struct UnknownType(String);

impl FromStr for StoredAs {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|stored_as| stored_as.name() == name)
            .ok_or_else(|| UnknownType(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, role: TensorRole, shape: &[usize]) -> TensorSpec {
        TensorSpec {
            name: name.to_owned(),
            shape: shape.to_vec(),
            role,
            stack: None,
        }
    }

    #[test]
    fn the_table_is_in_the_order_of_its_rows() {
        for (way, (row, _)) in StoredAs::ALL.into_iter().zip(TYPES) {
            assert_eq!(way, row);
            assert_eq!(way.name().parse(), Ok(way));
        }
        assert!("q5_0".parse::<StoredAs>().is_err());
    }

    #[test]
    fn what_everything_passes_through_is_stored_finer() {
        let matrix = |name: &str| spec(name, TensorRole::Matrix, &[64, 64]);
        for (name, tensor_type) in [
            ("blk.3.attn_q.weight", TensorType::Q4_0),
            ("xattn.3.ffn_up.weight", TensorType::Q4_0),
            ("v.blk.0.attn_qkv.weight", TensorType::Q4_0),
            ("resampler.blk.0.attn_q.weight", TensorType::Q8_0),
            ("token_embd.weight", TensorType::Q8_0),
            ("token_embd_proj.weight", TensorType::Q8_0),
            ("position_embd.weight", TensorType::Q8_0),
            ("output.weight", TensorType::Q8_0),
            ("output_extra.weight", TensorType::Q8_0),
        ] {
            assert_eq!(StoredAs::Q4_0.type_of(&matrix(name)), tensor_type, "{name}");
            assert_eq!(StoredAs::F16.type_of(&matrix(name)), TensorType::F16);
        }
    }

    #[test]
    fn rows_that_are_no_whole_number_of_blocks_are_f16() {
        let odd = spec("blk.0.ffn_down.weight", TensorRole::Matrix, &[64, 88]);
        assert_eq!(StoredAs::Q4_0.type_of(&odd), TensorType::F16);
        assert_eq!(StoredAs::F32.type_of(&odd), TensorType::F32);
    }

    #[test]
    fn small_parameters_keep_their_numbers() {
        for (name, role, shape) in [
            ("blk.0.attn_norm.weight", TensorRole::Dense, &[64][..]),
            ("xattn.0.attn_gate", TensorRole::Gate, &[1]),
            ("resampler.latents", TensorRole::Dense, &[8, 64]),
            ("v.position_embd.weight", TensorRole::Dense, &[17, 64]),
        ] {
            assert_eq!(
                StoredAs::Q4_0.type_of(&spec(name, role, shape)),
                TensorType::F32
            );
        }
        let kernel = spec("v.patch_embd.weight", TensorRole::Dense, &[64, 588]);
        assert_eq!(StoredAs::Q4_0.type_of(&kernel), TensorType::F16);
        assert_eq!(StoredAs::F32.type_of(&kernel), TensorType::F32);
    }
}
