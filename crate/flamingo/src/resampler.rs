//! The Perceiver Resampler (paper section 2.1, appendix A.1.1): any number of
//! vision tokens of an image or clip in, a fixed number of latents out.

use burn::tensor::Tensor;
use flamingo_kernels::{AttentionShape, Finish, Spans, add_scaled, attention, attention_weights};

use crate::builder::Weights;
use crate::config::ResamplerConfig;
use crate::error::ModelError;
use crate::layers::{BRIDGE_NORM_EPS, FeedForward, LayerNorm, Linear, split_columns};

/// Perceiver Resampler, `[frames * tokens, input_width]` → `[latents, width]`.
pub struct PerceiverResampler {
    input: Option<(LayerNorm, Linear)>,
    latents: Tensor<2>,
    frame_embeddings: Option<Tensor<2>>,
    media_embeddings: Option<Tensor<2>>,
    layers: Vec<ResamplerLayer>,
    norm: LayerNorm,
}

struct ResamplerLayer {
    norm_media: LayerNorm,
    norm_latents: LayerNorm,
    query: Linear,
    key_value: Linear,
    output: Linear,
    ffn: FeedForward,
    shape: AttentionShape,
}

impl PerceiverResampler {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &ResamplerConfig,
    ) -> Result<Self, ModelError> {
        let input = if config.input_projection {
            Some((
                LayerNorm::load(weights, "resampler.input_norm", BRIDGE_NORM_EPS)?,
                Linear::load(weights, "resampler.input_proj")?,
            ))
        } else {
            None
        };
        let frame_embeddings = match config.max_frames {
            0 => None,
            _ => Some(weights.table("resampler.frame_embd")?),
        };
        let media_embeddings = match config.max_media {
            0 => None,
            _ => Some(weights.table("resampler.media_embd")?),
        };
        let layers = (0..config.depth)
            .map(|layer| {
                let name = format!("resampler.blk.{layer}");
                let norm = |weights: &mut Weights, part: &str| {
                    LayerNorm::load(weights, &format!("{name}.{part}"), BRIDGE_NORM_EPS)
                };
                Ok(ResamplerLayer {
                    norm_media: norm(weights, "norm_media")?,
                    norm_latents: norm(weights, "norm_latents")?,
                    query: Linear::load(weights, &format!("{name}.attn_q"))?,
                    key_value: Linear::load(weights, &format!("{name}.attn_kv"))?,
                    output: Linear::load(weights, &format!("{name}.attn_out"))?,
                    ffn: {
                        let norm = norm(weights, "ffn_norm")?;
                        FeedForward::load(weights, &name, norm, config.activation.into())?
                    },
                    shape: AttentionShape {
                        heads: config.heads,
                        kv_heads: config.heads,
                        head_dim: config.head_dim,
                    },
                })
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            input,
            latents: weights.table("resampler.latents")?,
            frame_embeddings,
            media_embeddings,
            layers,
            norm: LayerNorm::load(weights, "resampler.norm", BRIDGE_NORM_EPS)?,
        })
    }

    /// Resamples the frames of one clip, or the single frame of an image.
    ///
    /// `frames` are vision tokens `[tokens, input_width]` in time order; where there
    /// are more than temporal embeddings, these are interpolated (appendix B.1.2).
    /// `media_index` counts the images and clips before this one in the prompt
    /// (it matters only to a model with media embeddings). Gives
    /// `[latents, width]`.
    ///
    /// # Errors
    /// Where there is no frame, or more media than embeddings.
    pub fn forward(
        &self,
        frames: &[Tensor<2>],
        media_index: usize,
    ) -> Result<Tensor<2>, ModelError> {
        let media = self.embed(frames, media_index)?;
        let latents = self
            .layers
            .iter()
            .fold(self.latents.clone(), |latents, layer| {
                layer.forward(&media, latents)
            });
        Ok(self.norm.forward(latents))
    }

    /// As [`Self::forward`], and how the last layer's latents share their attention
    /// among the vision tokens: `[latents, frames * tokens]`, the mean over the heads.
    /// What is missing from 1 they give to each other.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_recorded(
        &self,
        frames: &[Tensor<2>],
        media_index: usize,
    ) -> Result<(Tensor<2>, Tensor<2>), ModelError> {
        let media = self.embed(frames, media_index)?;
        let ([tokens, _], mut latents) = (media.dims(), self.latents.clone());
        // Without layers the latents look at nothing.
        let mut weights = Tensor::zeros([latents.dims()[0], tokens], &media.device());
        for (index, layer) in self.layers.iter().enumerate() {
            if index + 1 == self.layers.len() {
                weights = layer.weights(&media, &latents).narrow(1, 0, tokens);
            }
            latents = layer.forward(&media, latents);
        }
        Ok((self.norm.forward(latents), weights))
    }

    /// Frames with their places in time and in the prompt, `[frames * tokens, width]`.
    fn embed(&self, frames: &[Tensor<2>], media_index: usize) -> Result<Tensor<2>, ModelError> {
        if frames.is_empty() {
            return Err(ModelError::NoFrames);
        }
        let embedded = frames
            .iter()
            .enumerate()
            .map(|(index, frame)| self.embed_frame(frame.clone(), index, frames.len()))
            .collect::<Vec<_>>();
        let mut media = Tensor::cat(embedded, 0);
        if let Some(embeddings) = &self.media_embeddings {
            let [max, _] = embeddings.dims();
            if media_index >= max {
                return Err(ModelError::TooManyMedia {
                    index: media_index,
                    max,
                });
            }
            media = media + embeddings.clone().narrow(0, media_index, 1);
        }
        Ok(media)
    }

    fn embed_frame(&self, frame: Tensor<2>, index: usize, frames: usize) -> Tensor<2> {
        let frame = match &self.input {
            Some((norm, projection)) => projection.fused(frame, norm.before(), Finish::Sum),
            None => frame,
        };
        match &self.frame_embeddings {
            Some(embeddings) => frame + frame_embedding(embeddings, index, frames),
            None => frame,
        }
    }
}

/// The temporal embedding `[1, width]` of frame `index` of `frames`, from
/// `embeddings` `[max_frames, width]`.
///
/// A clip as long as those trained on, or shorter, takes the first embeddings. A
/// longer one spreads them over its length, first on first and last on last, and
/// takes the points between linearly.
fn frame_embedding(embeddings: &Tensor<2>, index: usize, frames: usize) -> Tensor<2> {
    let [max, _] = embeddings.dims();
    let embedding = |place: usize| embeddings.clone().narrow(0, place, 1);
    if frames <= max {
        return embedding(index);
    }
    let (numerator, denominator) = (index * (max - 1), frames - 1);
    let before = numerator / denominator;
    let share = (numerator % denominator) as f32 / denominator as f32;
    let after = (before + 1).min(max - 1);
    let start = add_scaled(embedding(before), embedding(before), -share);
    add_scaled(start, embedding(after), share)
}

impl ResamplerLayer {
    /// Latents `[latents, width]` look at the media `[tokens, width]` and at
    /// themselves, then pass through the feed-forward layer.
    fn forward(&self, media: &Tensor<2>, latents: Tensor<2>) -> Tensor<2> {
        let [query, key, value] = self.look(media, &latents);
        let spans = Spans::full(query.dims()[0], key.dims()[0] as u32);
        let seen = attention(query, key, value, &self.shape, &spans, None);
        self.ffn
            .forward(self.output.add_to(&latents, seen, 1.0), 1.0)
    }

    /// How the latents share their attention among the media and themselves:
    /// `[latents, tokens + latents]`, the mean over the heads.
    fn weights(&self, media: &Tensor<2>, latents: &Tensor<2>) -> Tensor<2> {
        let [query, key, _] = self.look(media, latents);
        attention_weights(query, key, &self.shape)
    }

    /// Queries of the latents, keys and values of the media and the latents.
    fn look(&self, media: &Tensor<2>, latents: &Tensor<2>) -> [Tensor<2>; 3] {
        let media = self.norm_media.forward(media.clone());
        let normed = self.norm_latents.forward(latents.clone());
        let query = self.query.forward(normed.clone());
        let [key, value] =
            split_columns(self.key_value.forward(Tensor::cat(vec![media, normed], 0)));
        [query, key, value]
    }
}
