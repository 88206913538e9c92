//! Images and clips as the language model sees them.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{Tensor, TensorData};
use flamingo_kernels::lasting;
use web_time::Instant;

use crate::error::RuntimeError;
use crate::image::ImagePixels;
use crate::latents_cache::hash_frames;
use crate::model::{Model, milliseconds_since};
use crate::preprocess::{normalize, preprocess, square};

/// An image or a clip as the language model sees it. Cloning is cheap: clones share
/// what lies on the device.
#[derive(Clone, Debug)]
pub struct EncodedMedia {
    /// The same for clones, another for every encoding.
    id: u64,
    /// `[latents, width]`, as the first image of a prompt.
    latents: Tensor<2>,
    /// `[tokens, width]` of each frame, kept only for models whose latents depend on
    /// the image's place in the prompt (media embeddings).
    vision_tokens: Vec<Tensor<2>>,
    /// `[latents, frames * tokens]`: which vision tokens each latent looks at.
    looks: Tensor<2>,
    /// `[1, width]`: the sum of the vision tokens of all frames.
    features: Tensor<2>,
    encode_ms: f64,
}

impl EncodedMedia {
    /// How long encoding took, in milliseconds.
    pub fn encode_ms(&self) -> f64 {
        self.encode_ms
    }

    /// Bytes held on the device.
    pub(crate) fn byte_len(&self) -> usize {
        let tokens = self.vision_tokens.iter();
        let numbers = tokens
            .chain([&self.latents, &self.looks, &self.features])
            .map(|tensor| tensor.dims());
        numbers.map(|[rows, width]| rows * width).sum::<usize>() * size_of::<f32>()
    }

    /// Whether two are of one encoding.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Which vision tokens each latent looks at: `[latents, frames * tokens]`.
    pub(crate) fn looks(&self) -> Tensor<2> {
        self.looks.clone()
    }

    /// Latents `[latents, width]` of media number `index` of a prompt.
    pub(crate) fn latents(&self, model: &Model, index: usize) -> Result<Tensor<2>, RuntimeError> {
        let expected = [model.config().media_rows(), model.config().media_width()];
        let found = self.latents.dims();
        if found != expected {
            return Err(RuntimeError::ForeignImage { found, expected });
        }
        match self.vision_tokens.is_empty() || index == 0 {
            true => Ok(self.latents.clone()),
            false => Ok(model.flamingo().resample(&self.vision_tokens, index)?),
        }
    }
}

impl Model {
    /// Encodes a JPEG, PNG or WebP file.
    ///
    /// It waits for the device, so that what fails is reported here, with the
    /// image that made it fail. What was encoded before is not encoded again; see
    /// [`Model::keep_latents`].
    ///
    /// # Errors
    /// Where the file gives no pixels or the device fails.
    pub async fn encode(&self, file: &[u8]) -> Result<EncodedMedia, RuntimeError> {
        let started = Instant::now();
        let pixels = ImagePixels::decode(file)?;
        self.encode_since(started, &[pixels]).await
    }

    /// Encodes pixels that are decoded already, such as a camera's frame.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn encode_pixels(&self, pixels: &ImagePixels) -> Result<EncodedMedia, RuntimeError> {
        self.encode_since(Instant::now(), std::slice::from_ref(pixels))
            .await
    }

    /// The square that the model sees of a picture: what is kept of the frames of a clip
    /// until all of them are there. It is encoded as the picture would be.
    ///
    /// # Errors
    /// If the resampler refuses the picture.
    pub fn scaled(&self, pixels: &ImagePixels) -> Result<ImagePixels, RuntimeError> {
        Ok(square(pixels, &self.config().vision)?)
    }

    /// Encodes the frames of a clip, in the order of time, as one media: each by
    /// itself, then all together into as many latents as an image has (paper, section
    /// 2.1). Frames should be evenly spaced; the paper trains on one a second.
    ///
    /// # Errors
    /// Where there is no frame or the device fails.
    pub async fn encode_clip(&self, frames: &[ImagePixels]) -> Result<EncodedMedia, RuntimeError> {
        self.encode_since(Instant::now(), frames).await
    }

    async fn encode_since(
        &self,
        started: Instant,
        frames: &[ImagePixels],
    ) -> Result<EncodedMedia, RuntimeError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let frames = frames
            .iter()
            .map(|pixels| square(pixels, &self.config().vision))
            .collect::<Result<Vec<_>, _>>()?;
        let hash = hash_frames(&frames);
        if let Some(known) = self.latents_cache().get(&hash) {
            return Ok(EncodedMedia {
                encode_ms: milliseconds_since(started),
                ..known
            });
        }
        let vision_tokens = frames
            .iter()
            .map(|square| {
                let pixels = normalize(square, &self.config().vision);
                Ok(self.flamingo().encode_image(&pixels)?)
            })
            .collect::<Result<Vec<_>, RuntimeError>>()?;
        let (latents, looks) = self.flamingo().resample_recorded(&vision_tokens, 0)?;
        let features = self.flamingo().features(&vision_tokens)?;
        let values = self.read(latents.clone()).await?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(RuntimeError::NotFinite {
                what: "image latents",
            });
        }
        // Only now: what is kept must not hold one of the large buffers that the encoder
        // leaves for the next image.
        let latents = lasting(TensorData::new(values, latents.dims()), &latents.device());
        let resampler = self.config().resampler.as_ref();
        let depends_on_place = resampler.is_some_and(|resampler| resampler.max_media > 0);
        let media = EncodedMedia {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            latents,
            vision_tokens: if depends_on_place {
                vision_tokens
            } else {
                Vec::new()
            },
            looks,
            features,
            encode_ms: milliseconds_since(started),
        };
        self.latents_cache().put(hash, media.clone());
        Ok(media)
    }

    /// The sum of the vision tokens of each image or clip, `[width]`, read from the device all
    /// at once.
    ///
    /// # Errors
    /// If one is another model's, or the device fails.
    pub(crate) async fn features(
        &self,
        media: &[&EncodedMedia],
    ) -> Result<Vec<Vec<f32>>, RuntimeError> {
        let width = self.config().vision.encoder.width();
        for medium in media {
            let (found, expected) = (medium.features.dims(), [1, width]);
            if found != expected {
                return Err(RuntimeError::ForeignImage { found, expected });
            }
        }
        let rows = media.iter().map(|medium| medium.features.clone()).collect();
        let values = self.read(Tensor::cat(rows, 0)).await?;
        check_features(&values)?;
        Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }

    /// The mean of an image's vision tokens, `[width]`, with length 1: near for images
    /// that are alike, by the frozen vision encoder alone.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn embed(&self, pixels: &ImagePixels) -> Result<Vec<f32>, RuntimeError> {
        let pixels = preprocess(pixels, &self.config().vision)?;
        let tokens = self.flamingo().encode_image(&pixels)?;
        let sum = self.read(self.flamingo().features(&[tokens])?).await?;
        check_features(&sum)?;
        let direction = direction(sum.into_iter().map(f64::from).collect());
        Ok(direction.into_iter().map(|value| value as f32).collect())
    }
}

fn check_features(values: &[f32]) -> Result<(), RuntimeError> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(RuntimeError::NotFinite {
            what: "image features",
        }),
    }
}

/// The same direction with length 1. Nothing at all has none: it stays as it is, near to no
/// other.
pub(crate) fn direction(mut values: Vec<f64>) -> Vec<f64> {
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        for value in &mut values {
            *value /= length;
        }
    }
    values
}
