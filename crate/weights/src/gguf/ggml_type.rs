//! Every type that a tensor of a GGUF file can have.

use std::fmt;

use crate::TensorType;

/// Declares the types from one table, so that no list of them can lack one.
macro_rules! ggml_types {
    ($($name:ident = $id:literal, $text:literal, $elements:literal in $bytes:literal;)*) => {
        /// How the elements of a row are stored, by GGML's names. A superset of
        /// [`TensorType`], which holds those that the kernels multiply.
        ///
        /// Source: `ggml.h`, `enum ggml_type`, and the package `gguf`, `GGML_QUANT_SIZES`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(non_camel_case_types, reason = "GGML's own names")]
        pub enum GgmlType {
            $(
                #[doc = concat!("`", $text, "`: ", $elements, " elements in ", $bytes, " bytes.")]
                $name,
            )*
        }

        impl GgmlType {
            /// Every type, by its number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// GGML's number of this type, as stored in a GGUF file.
            pub const fn id(self) -> u32 {
                match self { $(Self::$name => $id),* }
            }

            /// The type with GGML's number `id`; `None` for numbers without a type.
            pub const fn from_id(id: u32) -> Option<Self> {
                match id { $($id => Some(Self::$name),)* _ => None }
            }

            /// GGML's name of this type.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Elements in a block: 1 where the type is plain.
            pub const fn block_len(self) -> usize {
                match self { $(Self::$name => $elements),* }
            }

            /// Bytes of a block.
            pub const fn block_bytes(self) -> usize {
                match self { $(Self::$name => $bytes),* }
            }
        }
    };
}

ggml_types! {
    F32 = 0, "F32", 1 in 4;
    F16 = 1, "F16", 1 in 2;
    Q4_0 = 2, "Q4_0", 32 in 18;
    Q4_1 = 3, "Q4_1", 32 in 20;
    Q5_0 = 6, "Q5_0", 32 in 22;
    Q5_1 = 7, "Q5_1", 32 in 24;
    Q8_0 = 8, "Q8_0", 32 in 34;
    Q8_1 = 9, "Q8_1", 32 in 40;
    Q2_K = 10, "Q2_K", 256 in 84;
    Q3_K = 11, "Q3_K", 256 in 110;
    Q4_K = 12, "Q4_K", 256 in 144;
    Q5_K = 13, "Q5_K", 256 in 176;
    Q6_K = 14, "Q6_K", 256 in 210;
    Q8_K = 15, "Q8_K", 256 in 292;
    IQ2_XXS = 16, "IQ2_XXS", 256 in 66;
    IQ2_XS = 17, "IQ2_XS", 256 in 74;
    IQ3_XXS = 18, "IQ3_XXS", 256 in 98;
    IQ1_S = 19, "IQ1_S", 256 in 50;
    IQ4_NL = 20, "IQ4_NL", 32 in 18;
    IQ3_S = 21, "IQ3_S", 256 in 110;
    IQ2_S = 22, "IQ2_S", 256 in 82;
    IQ4_XS = 23, "IQ4_XS", 256 in 136;
    I8 = 24, "I8", 1 in 1;
    I16 = 25, "I16", 1 in 2;
    I32 = 26, "I32", 1 in 4;
    I64 = 27, "I64", 1 in 8;
    F64 = 28, "F64", 1 in 8;
    IQ1_M = 29, "IQ1_M", 256 in 56;
    BF16 = 30, "BF16", 1 in 2;
    TQ1_0 = 34, "TQ1_0", 256 in 54;
    TQ2_0 = 35, "TQ2_0", 256 in 66;
    MXFP4 = 39, "MXFP4", 32 in 17;
    NVFP4 = 40, "NVFP4", 64 in 36;
    Q1_0 = 41, "Q1_0", 128 in 18;
}

impl GgmlType {
    /// The same type where the kernels multiply it; `None` where tensors of it must
    /// be converted first.
    pub const fn packed(self) -> Option<TensorType> {
        TensorType::from_ggml_id(self.id())
    }

    /// Bytes of a tensor of this shape, outermost size first; `None` where a row is no
    /// whole number of blocks or the bytes do not fit a `usize`.
    pub fn byte_len(self, shape: &[usize]) -> Option<usize> {
        let (&cols, outer) = shape.split_last().unwrap_or((&1, &[]));
        if !cols.is_multiple_of(self.block_len()) {
            return None;
        }
        let row = (cols / self.block_len()).checked_mul(self.block_bytes())?;
        outer
            .iter()
            .try_fold(row, |bytes, &size| bytes.checked_mul(size))
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn numbers_lead_back_to_their_types() {
        for &ggml_type in GgmlType::ALL {
            assert_eq!(GgmlType::from_id(ggml_type.id()), Some(ggml_type));
        }
        for unused in [4, 5, 31, 32, 33, 36, 42, u32::MAX] {
            assert_eq!(GgmlType::from_id(unused), None);
        }
    }

    #[test]
    fn types_that_kernels_multiply_agree_with_tensor_type() {
        for tensor_type in TensorType::ALL {
            let ggml_type = GgmlType::from_id(tensor_type.ggml_id()).unwrap();
            assert_eq!(ggml_type.packed(), Some(tensor_type));
            assert_eq!(ggml_type.name(), tensor_type.name());
            assert_eq!(ggml_type.block_len(), tensor_type.block_len());
            assert_eq!(ggml_type.block_bytes(), tensor_type.block_bytes());
        }
        assert_eq!(GgmlType::Q6_K.packed(), None);
    }

    #[test]
    fn bytes_follow_from_the_shape() {
        assert_eq!(GgmlType::Q6_K.byte_len(&[3, 512]), Some(3 * 2 * 210));
        assert_eq!(GgmlType::Q6_K.byte_len(&[3, 500]), None);
        assert_eq!(GgmlType::F64.byte_len(&[]), Some(8));
        assert_eq!(GgmlType::F32.byte_len(&[usize::MAX, 2, 4]), None);
    }
}
