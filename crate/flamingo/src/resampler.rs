//! The Perceiver Resampler (paper section 2.1, appendix A.1.1): any number of
//! vision tokens of an image or clip in, a fixed number of latents out.

use burn::tensor::Tensor;
use flamingo_architecture::config::ResamplerConfig;
use flamingo_architecture::spec::{ResamplerLayerSpec, ResamplerSpec};
use flamingo_kernels::{AttentionShape, Finish, Spans, add_scaled, attention, attention_weights};

use crate::builder::Weights;
use crate::error::ModelError;
use crate::layers::{FeedForward, Gate, Linear, NormLayer, QkNorm, split_columns};

/// Perceiver Resampler, `[frames * tokens, input_width]` → `[latents, width]`.
pub struct PerceiverResampler {
    input_norm: Option<NormLayer>,
    input_projection: Option<Linear>,
    latents: Tensor<2>,
    frame_embeddings: Option<Tensor<2>>,
    media_embeddings: Option<Tensor<2>>,
    layers: Vec<ResamplerLayer>,
    norm: NormLayer,
}

struct ResamplerLayer {
    media_norm: NormLayer,
    latents_norm: NormLayer,
    query: Linear,
    key_value: Linear,
    qk_norm: Option<QkNorm>,
    output: Linear,
    ffn_norm: NormLayer,
    feed_forward: FeedForward,
    shape: AttentionShape,
}

impl PerceiverResampler {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &ResamplerConfig,
    ) -> Result<Self, ModelError> {
        let spec = ResamplerSpec::of(config);
        let input_projection = spec.input_projection.as_ref();
        let frame_embeddings = spec.frame_embeddings.as_ref();
        let media_embeddings = spec.media_embeddings.as_ref();
        let layers = spec.layers.iter();
        Ok(Self {
            input_norm: NormLayer::load_optional(weights, spec.input_norm.as_ref())?,
            input_projection: input_projection
                .map(|spec| Linear::load(weights, spec))
                .transpose()?,
            latents: weights.table(&spec.latents)?,
            frame_embeddings: frame_embeddings
                .map(|spec| weights.table(spec))
                .transpose()?,
            media_embeddings: media_embeddings
                .map(|spec| weights.table(spec))
                .transpose()?,
            layers: layers
                .map(|layer| ResamplerLayer::load(weights, config, layer))
                .collect::<Result<_, _>>()?,
            norm: NormLayer::load(weights, &spec.norm)?,
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
        let frame = match &self.input_projection {
            Some(projection) => projection.fused(frame, self.input_norm.as_ref(), Finish::Sum),
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
    fn load(
        weights: &mut Weights,
        config: &ResamplerConfig,
        spec: &ResamplerLayerSpec,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            media_norm: NormLayer::load(weights, &spec.media_norm)?,
            latents_norm: NormLayer::load(weights, &spec.latents_norm)?,
            query: Linear::load(weights, &spec.query)?,
            key_value: Linear::load(weights, &spec.key_value)?,
            qk_norm: QkNorm::load(weights, spec.qk_norm.as_ref(), config.head_dim)?,
            output: Linear::load(weights, &spec.output)?,
            ffn_norm: NormLayer::load(weights, &spec.ffn_norm)?,
            feed_forward: FeedForward::load(weights, &spec.feed_forward)?,
            shape: AttentionShape {
                heads: config.heads,
                kv_heads: config.heads,
                head_dim: config.head_dim,
            },
        })
    }

    /// Latents `[latents, width]` look at the media `[tokens, width]` and at
    /// themselves, then pass through the feed-forward layer.
    fn forward(&self, media: &Tensor<2>, latents: Tensor<2>) -> Tensor<2> {
        let [query, key, value] = self.look(media, &latents);
        let spans = Spans::full(query.dims()[0], key.dims()[0] as u32);
        let seen = attention(query, key, value, &self.shape, &spans, None);
        let latents = self.output.add_to(&latents, seen, &Gate::OPEN);
        self.feed_forward
            .add_to(&latents, Some(&self.ffn_norm), &Gate::OPEN)
    }

    /// How the latents share their attention among the media and themselves:
    /// `[latents, tokens + latents]`, the mean over the heads.
    fn weights(&self, media: &Tensor<2>, latents: &Tensor<2>) -> Tensor<2> {
        let [query, key, _] = self.look(media, latents);
        attention_weights(query, key, &self.shape)
    }

    /// Queries of the latents, keys and values of the media and the latents.
    fn look(&self, media: &Tensor<2>, latents: &Tensor<2>) -> [Tensor<2>; 3] {
        let media = self.media_norm.forward(media.clone());
        let normed = self.latents_norm.forward(latents.clone());
        let query = self.query.forward(normed.clone());
        let rows = self.key_value.forward(Tensor::cat(vec![media, normed], 0));
        let width = self.shape.kv_heads * self.shape.head_dim;
        let [key, value] = split_columns(&rows, [width; 2]);
        match &self.qk_norm {
            Some(norm) => [norm.query(query), norm.key(key), value],
            None => [query, key, value],
        }
    }
}
