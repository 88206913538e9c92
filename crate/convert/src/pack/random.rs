//! Random weights, the same on every machine.

use flamingo_weights::TensorType;
use flamingo_weights::blocks::{self, BlockError};
use flamingo_weights::manifest::{ModelPart, PartKind};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::parts::LANGUAGE;

/// A source of weights that is the same on every machine: integers and products
/// only, no library function.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform between `-limit` and `limit`.
    pub(super) fn uniform(&mut self, limit: f32) -> f32 {
        /// 24 bits, which `f32` holds exactly, as a fraction of their range.
        const STEP: f32 = 1.0 / (1 << 23) as f32;
        let bits = self.0.next_u32() >> 8;
        (bits as f32 * STEP - 1.0) * limit
    }

    /// `count` `Q4_0` blocks drawn as they are stored, a hundred times faster than
    /// packing as many numbers: every four bits uniform, every block with the scale
    /// that gives its numbers this root mean square, of random sign, so that they have
    /// no mean.
    ///
    /// # Errors
    /// Where `f16` cannot hold the scale.
    pub(super) fn q4_0_blocks(
        &mut self,
        count: usize,
        root_mean_square: f32,
    ) -> Result<Vec<u8>, BlockError> {
        /// Root mean square of `q - 8` for `q` from 0 to 15: `sqrt(21.5)`.
        const OF_QUANTS: f32 = 4.636_809;
        /// Of the second byte of an `f16`.
        const SIGN: u8 = 0x80;
        let mut scale = Vec::with_capacity(size_of::<u16>());
        let step = root_mean_square / OF_QUANTS;
        blocks::quantize_row(TensorType::F16, &[step], &mut scale)?;
        let mut bytes = vec![0; count * TensorType::Q4_0.block_bytes()];
        self.0.fill_bytes(&mut bytes);
        for block in bytes.chunks_exact_mut(TensorType::Q4_0.block_bytes()) {
            block[0] = scale[0];
            block[1] = (block[1] & SIGN) | scale[1];
        }
        Ok(bytes)
    }
}

/// The parts in `model.json` of a model of random weights around the default model's tokenizer.
pub(super) fn model_parts(seed: u64) -> Vec<ModelPart> {
    let drawn = [PartKind::Bridges, PartKind::Vision, PartKind::Language];
    let drawn = drawn.into_iter().map(|kind| ModelPart {
        kind,
        name: format!("random weights of seed {seed}"),
        source: "drawn by this program".to_owned(),
        licence: DRAWN_LICENCE.to_owned(),
    });
    let tokenizer = LANGUAGE.model_part(PartKind::Tokenizer);
    drawn.chain([tokenizer]).collect()
}

/// Licence of what this program draws: one of its own.
const DRAWN_LICENCE: &str = "Apache-2.0";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn blocks_have_the_scale_asked_for_and_no_mean() {
        let bytes = Random::new(0).q4_0_blocks(2048, 0.02).unwrap();
        let mut values = vec![0.0; 2048 * 32];
        blocks::dequantize_row(TensorType::Q4_0, &bytes, &mut values).unwrap();
        let count = values.len() as f32;
        let mean = values.iter().sum::<f32>() / count;
        let square = values.iter().map(|x| x * x).sum::<f32>() / count;
        assert!(mean.abs() < 5e-4, "{mean}");
        assert!((square.sqrt() - 0.02).abs() < 2e-4, "{square}");
    }
}
