//! Where in an image a token looked.
//!
//! Text attends latents, and latents attend the vision encoder's grid. A token's map
//! is the one taken through the other: cross-attention of its forward pass, the mean
//! over heads and blocks, times the attention of the resampler's last layer. It says
//! what was read, not what caused the word.

use crate::error::RuntimeError;
use crate::media::EncodedMedia;
use crate::model::Model;
use crate::prompt::Prompt;

/// How much a token looked at each cell of an image's grid, or of those of a clip's
/// frames.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMap {
    /// Number of frames; 1 of an image.
    pub frames: usize,
    /// Rows, and columns, of the grid, which covers the whole preprocessed image.
    pub side: usize,
    /// `[frames, side, side]` row-major. They sum to 1, less what latents gave each
    /// other.
    pub weights: Vec<f32>,
}

/// Which cells each latent of a prompt's last image looks at.
pub(crate) struct Views {
    side: usize,
    /// `[latents, frames * side * side]`.
    cells: Vec<f32>,
    latents: usize,
}

impl Views {
    /// Reads them back; none where the prompt has no image.
    pub(crate) async fn of(
        model: &Model,
        prompt: &Prompt<EncodedMedia>,
    ) -> Result<Option<Self>, RuntimeError> {
        let Some(media) = prompt.media.last() else {
            return Ok(None);
        };
        let looks = media.looks();
        let [latents, _] = looks.dims();
        Ok(Some(Self {
            side: model.config().vision_tokens().isqrt(),
            cells: model.read(looks).await?,
            latents,
        }))
    }

    /// The map of a token that shares its attention among the latents so, `[latents]`;
    /// none where it saw no image.
    pub(crate) fn map(&self, look: &[f32]) -> Option<AttentionMap> {
        let cells = self.cells.len() / self.latents.max(1);
        if look.is_empty() || cells == 0 {
            return None;
        }
        let mut weights = vec![0.0; cells];
        for (share, row) in look.iter().zip(self.cells.chunks_exact(cells)) {
            for (weight, cell) in weights.iter_mut().zip(row) {
                *weight += share * cell;
            }
        }
        Some(AttentionMap {
            frames: cells / (self.side * self.side).max(1),
            side: self.side,
            weights,
        })
    }
}
