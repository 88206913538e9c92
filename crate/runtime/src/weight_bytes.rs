//! What the weights of a model take.

use serde::Serialize;

/// Packed bytes of a model's weights, by the part they belong to. On a GPU they may be more
/// than a browser's module can address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WeightBytes {
    /// The vision encoder.
    pub vision: u64,
    /// The Perceiver Resampler.
    pub resampler: u64,
    /// What makes keys and values of an image, once an image.
    pub media_key_values: u64,
    /// The rest of the cross-attention blocks.
    pub cross_attention: u64,
    /// The layers of the language model.
    pub language: u64,
    /// Its embedding, which is its head too where it is tied.
    pub embedding: u64,
    /// A head of its own.
    pub head: u64,
}

impl WeightBytes {
    /// Counts a tensor by its name in the GGUF container.
    pub(crate) fn add(&mut self, name: &str, bytes: usize) {
        let part = match name.split('.').next() {
            Some("v") => &mut self.vision,
            Some("resampler") => &mut self.resampler,
            Some("xattn") if name.ends_with("attn_kv.weight") => &mut self.media_key_values,
            Some("xattn") => &mut self.cross_attention,
            Some("token_embd" | "token_embd_extra") => &mut self.embedding,
            Some("output") => &mut self.head,
            _ => &mut self.language,
        };
        *part += bytes as u64;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.vision
            + self.resampler
            + self.media_key_values
            + self.cross_attention
            + self.language
            + self.embedding
            + self.head
    }

    /// Those that are read to decode one token.
    pub fn read_per_token(&self) -> u64 {
        let head = match self.head {
            0 => self.embedding,
            own => own,
        };
        self.cross_attention + self.language + head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_counted_where_they_belong() {
        let mut bytes = WeightBytes::default();
        for (name, count) in [
            ("v.blk.0.expand.weight", 1),
            ("resampler.latents", 10),
            ("xattn.2.attn_kv.weight", 100),
            ("xattn.2.attn_q.weight", 1000),
            ("blk.2.attn_q.weight", 10_000),
            ("output_norm.weight", 20_000),
            ("token_embd.weight", 100_000),
            ("token_embd_extra.weight", 200_000),
        ] {
            bytes.add(name, count);
        }
        assert_eq!(bytes.total(), 331_111);
        assert_eq!(bytes.read_per_token(), 331_000);
        bytes.add("output.weight", 1_000_000);
        assert_eq!(bytes.read_per_token(), 1_031_000);
        // More than 32 bits count, as IDEFICS-9B has on a GPU.
        for _ in 0..2 {
            bytes.add("blk.3.ffn_up.weight", u32::MAX as usize);
        }
        assert_eq!(bytes.total(), 1_331_111 + 2 * u64::from(u32::MAX));
    }
}
