//! The whole model: pixels and text in, logits out.

use burn::tensor::{Tensor, TensorData};
use flamingo_architecture::FlamingoConfig;
use flamingo_kernels::{ComputeDevice, RowPositions, Spans};

use crate::builder::Weights;
use crate::cross_attention::{GatedCrossAttention, Media};
use crate::error::ModelError;
use crate::language::{BranchToken, Branches, KvCache, LanguageModel, Placement};
use crate::resampler::PerceiverResampler;
use crate::vision::{self, VisionEncoder};

/// A Flamingo model on a device.
pub struct Flamingo {
    config: FlamingoConfig,
    device: ComputeDevice,
    vision: Box<dyn VisionEncoder>,
    /// `None` if the cross-attention attends the vision tokens themselves.
    resampler: Option<PerceiverResampler>,
    language: LanguageModel,
    /// One entry a decoder layer: the block that stands before it, if any.
    cross_attention: Vec<Option<GatedCrossAttention>>,
}

/// Which positions of a forward pass are turned into logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// Every token's.
    All,
    /// The last token's only, which is all that decoding needs.
    Last,
}

/// A place inside the forward pass whose activations `[tokens, width]` can be
/// looked at. Named after the hooks of the reference activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// What the block before this layer read from the images, before its gate.
    CrossAttention {
        /// The decoder layer.
        layer: usize,
    },
    /// Output of the block before this layer.
    CrossAttentionOutput {
        /// The decoder layer.
        layer: usize,
    },
    /// Output of this decoder layer.
    LayerOutput {
        /// The decoder layer.
        layer: usize,
    },
}

/// Whoever looks at activations.
type Observer<'a> = &'a mut dyn FnMut(Observation, &Tensor<2>);

/// What is noted of a forward pass on its way.
enum Notes<'a> {
    Nothing,
    Activations(Observer<'a>),
    /// How the last token looks at the last image before it, block by block.
    Looks(&'a mut Vec<Tensor<2>>),
}

impl Flamingo {
    pub(crate) fn from_weights(
        config: FlamingoConfig,
        device: ComputeDevice,
        weights: &mut Weights,
    ) -> Result<Self, ModelError> {
        let vision = vision::load(weights, &config.vision)?;
        let resampler = config.resampler.as_ref();
        let resampler = resampler
            .map(|config| PerceiverResampler::load(weights, config))
            .transpose()?;
        let language = LanguageModel::load(weights, &config.language)?;
        let cross_attention = (0..config.language.layers)
            .map(|layer| match config.cross_attention.stands_before(layer) {
                true => GatedCrossAttention::load(weights, &config, layer).map(Some),
                false => Ok(None),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            config,
            device,
            vision,
            resampler,
            language,
            cross_attention,
        })
    }

    /// The model's sizes.
    pub fn config(&self) -> &FlamingoConfig {
        &self.config
    }

    /// The device the model runs on.
    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    /// One image or frame to vision tokens `[tokens, width]`.
    ///
    /// `pixels` are `size * size * 3` normalised values, row by row, RGB
    /// interleaved.
    ///
    /// # Errors
    /// If their number is another, or one is no finite number.
    pub fn encode_image(&self, pixels: &[f32]) -> Result<Tensor<2>, ModelError> {
        let count = self.config.vision.image_size.pow(2);
        if pixels.len() != count * 3 {
            return Err(ModelError::PixelCount {
                expected: count * 3,
                found: pixels.len(),
            });
        }
        if let Some(index) = pixels.iter().position(|value| !value.is_finite()) {
            return Err(ModelError::PixelNotFinite {
                index,
                value: pixels[index],
            });
        }
        let pixels = TensorData::new(pixels.to_vec(), [count, 3]);
        Ok(self
            .vision
            .forward(Tensor::from_data(pixels, &self.device.burn())))
    }

    /// The sum `[1, width]` of the vision tokens of all frames of one clip, or of one image,
    /// which has the direction of their mean: what it looks like as a whole.
    ///
    /// # Errors
    /// If there is no frame.
    pub fn features(&self, frames: &[Tensor<2>]) -> Result<Tensor<2>, ModelError> {
        self.check_frames(frames)?;
        let mut rows = match frames {
            [] => return Err(ModelError::NoFrames),
            [frame] => frame.clone(),
            _ => Tensor::cat(frames.to_vec(), 0),
        };
        // Halves are added, so that the order, and with it the last bit, is one on all
        // devices.
        while let count @ 2.. = rows.dims()[0] {
            let half = count / 2;
            let sum = rows.clone().narrow(0, 0, half) + rows.clone().narrow(0, half, half);
            rows = match count % 2 {
                0 => sum,
                _ => Tensor::cat(vec![sum, rows.narrow(0, count - 1, 1)], 0),
            };
        }
        Ok(rows)
    }

    /// Vision tokens of the frames of one clip, or of one image, to latents
    /// `[latents, width]`. `media_index` counts the images before this one. Without a
    /// resampler the vision tokens of a single image are its latents.
    ///
    /// # Errors
    /// If there is no frame, or there are more frames or images than the model takes.
    pub fn resample(
        &self,
        frames: &[Tensor<2>],
        media_index: usize,
    ) -> Result<Tensor<2>, ModelError> {
        self.check_frames(frames)?;
        match &self.resampler {
            Some(resampler) => resampler.forward(frames, media_index),
            None => only_frame(frames),
        }
    }

    /// As [`Self::resample`], and which vision tokens the latents look at,
    /// `[latents, frames * tokens]`: see [`PerceiverResampler::forward_recorded`].
    ///
    /// # Errors
    /// As [`Self::resample`].
    pub fn resample_recorded(
        &self,
        frames: &[Tensor<2>],
        media_index: usize,
    ) -> Result<(Tensor<2>, Tensor<2>), ModelError> {
        self.check_frames(frames)?;
        match &self.resampler {
            Some(resampler) => resampler.forward_recorded(frames, media_index),
            None => {
                let tokens = only_frame(frames)?;
                let [count, _] = tokens.dims();
                // Each latent is one vision token.
                let looks = Tensor::eye(count, &tokens.device());
                Ok((tokens, looks))
            }
        }
    }

    /// Latents `[latents, width]` of each image of a prompt, in order, made
    /// ready for the cross-attention blocks.
    ///
    /// # Errors
    /// [`ModelError::OtherModel`] if their shape or device is not this model's.
    pub fn media(&self, latents: &[Tensor<2>]) -> Result<Media, ModelError> {
        if latents.is_empty() {
            return Ok(Media::none());
        }
        let shape = [self.config.media_rows(), self.config.media_width()];
        let device = self.device.burn();
        let fits = |latents: &Tensor<2>| latents.dims() == shape && latents.device() == device;
        if !latents.iter().all(fits) {
            return Err(ModelError::OtherModel {
                what: "the latents",
            });
        }
        let all = Tensor::cat(latents.to_vec(), 0);
        let blocks = self
            .cross_attention
            .iter()
            .flatten()
            .map(|block| block.media_key_values(all.clone()))
            .collect();
        Ok(Media {
            blocks,
            count: latents.len(),
        })
    }

    /// An empty KV cache for a new sequence.
    pub fn new_cache(&self) -> KvCache {
        self.new_padded_cache(0)
    }

    /// An empty KV cache for a sequence that starts with `padding` tokens
    /// which no other token attends (left padding).
    pub fn new_padded_cache(&self, padding: usize) -> KvCache {
        KvCache::new(&self.config.language, padding, &self.device)
    }

    /// Reads `tokens` behind what `cache` holds and returns logits
    /// `[tokens or 1, vocab]`. `images` are the places among the tokens, rising, from
    /// which on the text attends the next image: an id alone does not say so, since some
    /// models spell an image with ordinary tokens.
    ///
    /// # Errors
    /// Before any work starts: if there are more places than media, a place is no
    /// token's, an id is outside the vocabulary, or the context is exceeded.
    pub fn forward(
        &self,
        tokens: &[u32],
        images: &[usize],
        media: &Media,
        cache: &mut KvCache,
        positions: Positions,
    ) -> Result<Tensor<2>, ModelError> {
        self.forward_as(tokens, images, media, cache, positions, Notes::Nothing)
    }

    /// As [`Self::forward`] of the last position, and how its token shares its
    /// attention among the latents of the last image before it: `[1, latents]`, the mean over
    /// the heads and the blocks; none where no image came before it. The logits are
    /// the same bit for bit.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_recorded(
        &self,
        tokens: &[u32],
        images: &[usize],
        media: &Media,
        cache: &mut KvCache,
    ) -> Result<(Tensor<2>, Option<Tensor<2>>), ModelError> {
        let mut looks = Vec::new();
        let notes = Notes::Looks(&mut looks);
        let logits = self.forward_as(tokens, images, media, cache, Positions::Last, notes)?;
        let share = 1.0 / looks.len() as f32;
        let mean = looks
            .into_iter()
            .map(|look| look * share)
            .reduce(|a, b| a + b);
        Ok((logits, mean))
    }

    /// As [`Self::forward`], showing `observe` the activations on the way. What is
    /// shown is not fused away, so this takes a few steps more.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_observed(
        &self,
        tokens: &[u32],
        images: &[usize],
        media: &Media,
        cache: &mut KvCache,
        positions: Positions,
        observe: Observer<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        let notes = Notes::Activations(observe);
        self.forward_as(tokens, images, media, cache, positions, notes)
    }

    fn forward_as(
        &self,
        tokens: &[u32],
        images: &[usize],
        media: &Media,
        cache: &mut KvCache,
        positions: Positions,
        notes: Notes<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        let first = cache.len;
        self.check(tokens, images, media, cache)?;
        cache
            .image_positions
            .extend(images.iter().map(|place| first + place));
        cache.len += tokens.len();

        let placement = Placement {
            positions: RowPositions::From(first as u32),
            spans: Spans::causal(tokens.len(), first as u32, cache.padding as u32),
            padding: cache.padding,
        };
        let media_spans = self.media_spans(first..cache.len, cache);
        let mut x = self.read(tokens, &placement, media, &media_spans, cache, notes);
        if positions == Positions::Last {
            x = x.narrow(0, tokens.len() - 1, 1);
        }
        Ok(self.language.logits(x))
    }

    /// Reads tokens of any number of branches and gives the logits `[tokens, vocab]`
    /// after each. Every token sees what the branches share, its own history, and the
    /// last image of what is shared.
    ///
    /// # Errors
    /// Before any work starts: where an id is outside the vocabulary, a
    /// history names a row that does not come before the token's own, or the context
    /// is exceeded.
    pub fn forward_branches(
        &self,
        tokens: &[BranchToken],
        media: &Media,
        branches: &mut Branches,
    ) -> Result<Tensor<2>, ModelError> {
        self.check_made_here(media, &branches.cache)?;
        self.check_branches(tokens, branches)?;
        let shared = branches.cache.len;
        let rows_before = branches.rows;
        branches.rows += tokens.len();

        let first_row = shared + rows_before;
        let seen: Vec<Vec<u32>> = tokens
            .iter()
            .enumerate()
            .map(|(index, token)| {
                let own = (first_row + index) as u32;
                let history = token.history.iter().map(|&row| row + shared as u32);
                history.chain([own]).collect()
            })
            .collect();
        let seen: Vec<&[u32]> = seen.iter().map(Vec::as_slice).collect();
        let positions = tokens
            .iter()
            .map(|token| (shared + token.history.len()) as u32)
            .collect();
        let padding = branches.cache.padding as u32;
        let placement = Placement {
            positions: RowPositions::Each(positions),
            spans: Spans::branching(padding, shared as u32, &seen),
            padding: branches.cache.padding,
        };
        let positions = tokens.iter().map(|_| shared);
        let media_spans = self.media_spans(positions, &branches.cache);
        let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        let cache = &mut branches.cache;
        let x = self.read(&ids, &placement, media, &media_spans, cache, Notes::Nothing);
        Ok(self.language.logits(x))
    }

    /// Tokens through all layers, `[tokens, width]`; their keys and values are
    /// appended to the cache.
    fn read(
        &self,
        tokens: &[u32],
        placement: &Placement,
        media: &Media,
        media_spans: &Spans,
        cache: &mut KvCache,
        mut notes: Notes<'_>,
    ) -> Tensor<2> {
        let seen = cache.image_positions.len();
        let mut blocks = media.blocks.iter();
        let mut x = self.language.embed(tokens, placement);
        let layers = self
            .language
            .layers
            .iter()
            .zip(&self.cross_attention)
            .zip(&mut cache.layers);
        for (layer, ((decoder, cross_attention), layer_cache)) in layers.enumerate() {
            if let Some(block) = cross_attention {
                let media = blocks.next();
                match (&mut notes, media) {
                    (Notes::Activations(observe), _) => {
                        let (y, read) = block.forward_observed(x, media, media_spans);
                        observe(Observation::CrossAttention { layer }, &read);
                        observe(Observation::CrossAttentionOutput { layer }, &y);
                        x = y;
                    }
                    (Notes::Looks(looks), Some(media)) if seen > 0 => {
                        let last = x.clone().narrow(0, tokens.len() - 1, 1);
                        let latents = self.config.media_rows();
                        let image = (seen - 1) * latents..seen * latents;
                        looks.push(block.weights(last, media, image));
                        x = block.forward(x, Some(media), media_spans);
                    }
                    _ => x = block.forward(x, media, media_spans),
                }
            }
            x = decoder.forward(x, placement, layer_cache);
            if let Notes::Activations(observe) = &mut notes {
                observe(Observation::LayerOutput { layer }, &x);
            }
        }
        x
    }

    fn check_branches(
        &self,
        tokens: &[BranchToken],
        branches: &Branches,
    ) -> Result<(), ModelError> {
        if tokens.is_empty() {
            return Err(ModelError::NoTokens);
        }
        let context = self.config.language.context;
        for (row, token) in (branches.rows()..).zip(tokens) {
            self.check_id(token.id)?;
            if let Some(&history) = token.history.iter().find(|&&history| history >= row) {
                return Err(ModelError::BranchHistory { row, history });
            }
            let length = branches.cache.len + token.history.len() + 1;
            if length > context {
                return Err(ModelError::ContextExceeded { length, context });
            }
        }
        Ok(())
    }

    /// Refuses vision tokens of another width, or on another device.
    fn check_frames(&self, frames: &[Tensor<2>]) -> Result<(), ModelError> {
        let (width, device) = (self.config.vision.encoder.width(), self.device.burn());
        // A resampler takes frames of any number of tokens.
        let fits = |frame: &Tensor<2>| frame.dims()[1] == width && frame.device() == device;
        match frames.iter().all(fits) {
            true => Ok(()),
            false => Err(ModelError::OtherModel {
                what: "the vision tokens",
            }),
        }
    }

    /// Refuses images and caches that another model made.
    fn check_made_here(&self, media: &Media, cache: &KvCache) -> Result<(), ModelError> {
        if !cache.fits(&self.config.language, &self.device) {
            return Err(ModelError::OtherModel {
                what: "the keys and values of the KV cache",
            });
        }
        let blocks = self.cross_attention.iter().flatten().count();
        let width = self.config.cross_attention.heads * self.config.cross_attention.head_dim;
        let latents = self.config.media_rows();
        match media.fits(blocks, latents, width, &self.device.burn()) {
            true => Ok(()),
            false => Err(ModelError::OtherModel { what: "the images" }),
        }
    }

    fn check_id(&self, id: u32) -> Result<(), ModelError> {
        let vocab = self.config.vocab();
        match (id as usize) < vocab {
            true => Ok(()),
            false => Err(ModelError::TokenOutOfRange { id, vocab }),
        }
    }

    fn check(
        &self,
        tokens: &[u32],
        images: &[usize],
        media: &Media,
        cache: &KvCache,
    ) -> Result<(), ModelError> {
        self.check_made_here(media, cache)?;
        if tokens.is_empty() {
            return Err(ModelError::NoTokens);
        }
        for &id in tokens {
            self.check_id(id)?;
        }
        let length = cache.len + tokens.len();
        if length > self.config.language.context {
            return Err(ModelError::ContextExceeded {
                length,
                context: self.config.language.context,
            });
        }
        let mut free = 0..tokens.len();
        for &place in images {
            if !free.contains(&place) {
                return Err(ModelError::ImagePlace {
                    place,
                    tokens: tokens.len(),
                });
            }
            free.start = place + 1;
        }
        let places = cache.image_positions.len() + images.len();
        if places > media.count {
            return Err(ModelError::MorePlacesThanImages {
                places,
                images: media.count,
            });
        }
        Ok(())
    }

    /// The latents that the token at each position may attend: those of the last
    /// image at or before it, none where there is none (paper section 2.3).
    fn media_spans(&self, positions: impl Iterator<Item = usize>, cache: &KvCache) -> Spans {
        let latents = self.config.media_rows() as u32;
        let only_last = self.config.cross_attention.only_last_media;
        let span = |position: usize| {
            let seen = cache
                .image_positions
                .partition_point(|&image| image <= position);
            let end = seen as u32 * latents;
            match only_last {
                true => (end.saturating_sub(latents), end),
                false => (0, end),
            }
        };
        Spans::from_pairs(&positions.map(span).collect::<Vec<_>>())
    }
}

/// The vision tokens of a single image.
fn only_frame(frames: &[Tensor<2>]) -> Result<Tensor<2>, ModelError> {
    match frames {
        [] => Err(ModelError::NoFrames),
        [frame] => Ok(frame.clone()),
        _ => Err(ModelError::ClipWithoutResampler {
            frames: frames.len(),
        }),
    }
}
