//! A loaded model and what one asks of it.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use flamingo::{Flamingo, FlamingoConfig, KvCache, Media, Positions};
use flamingo_kernels::{ComputeDevice, read};
use web_time::Instant;

use crate::error::RuntimeError;
use crate::generate::{
    GenerateOptions, Generation, StopReason, Timings, TokenPiece, most_probable,
};
use crate::image::ImagePixels;
use crate::preprocess::preprocess;
use crate::prompt::{self, Example, Prompt};
use crate::tokenizer::Tokenizer;

/// A piece of a prompt: text, an encoded image, or the end of an example.
pub type Segment = prompt::Segment<EncodedImage>;

/// An image as the language model sees it. Cloning is cheap: clones share
/// what lies on the device.
#[derive(Clone, Debug)]
pub struct EncodedImage {
    /// `[latents, width]`, as the first image of a prompt.
    latents: Tensor<2>,
    /// `[tokens, width]`, kept only for models whose latents depend on the
    /// image's place in the prompt (media embeddings).
    vision_tokens: Option<Tensor<2>>,
    encode_ms: f64,
}

impl EncodedImage {
    /// How long encoding took, in milliseconds.
    pub fn encode_ms(&self) -> f64 {
        self.encode_ms
    }
}

/// An example of what a caption should be like.
#[derive(Clone, Debug)]
pub struct Shot {
    /// The image.
    pub image: EncodedImage,
    /// Its caption.
    pub text: String,
}

/// A Flamingo model with its tokenizer. See [`crate::ModelLoader`].
pub struct Model {
    flamingo: Flamingo,
    tokenizer: Tokenizer,
}

impl Model {
    /// Puts a model and its tokenizer together.
    pub fn from_parts(flamingo: Flamingo, tokenizer: Tokenizer) -> Self {
        Self {
            flamingo,
            tokenizer,
        }
    }

    /// The model's sizes.
    pub fn config(&self) -> &FlamingoConfig {
        self.flamingo.config()
    }

    /// The device the model runs on.
    pub fn device(&self) -> &ComputeDevice {
        self.flamingo.device()
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Encodes a JPEG, PNG or WebP file.
    ///
    /// It waits for the device, so that what fails is reported here, with the
    /// image that made it fail.
    ///
    /// # Errors
    /// Where the file gives no pixels or the device fails.
    pub async fn encode(&self, file: &[u8]) -> Result<EncodedImage, RuntimeError> {
        let started = Instant::now();
        let pixels = ImagePixels::decode(file)?;
        self.encode_since(started, &pixels).await
    }

    /// Encodes pixels that are decoded already, such as a camera's frame.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn encode_pixels(&self, pixels: &ImagePixels) -> Result<EncodedImage, RuntimeError> {
        self.encode_since(Instant::now(), pixels).await
    }

    async fn encode_since(
        &self,
        started: Instant,
        pixels: &ImagePixels,
    ) -> Result<EncodedImage, RuntimeError> {
        let config = self.config();
        let vision_tokens = self
            .flamingo
            .encode_image(&preprocess(pixels, &config.vision)?)?;
        let latents = self
            .flamingo
            .resample(std::slice::from_ref(&vision_tokens), 0)?;
        let values = self.read(latents.clone()).await?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(RuntimeError::NotFinite {
                what: "image latents",
            });
        }
        let keeps_vision_tokens = config.resampler.max_media > 0;
        Ok(EncodedImage {
            latents,
            vision_tokens: keeps_vision_tokens.then_some(vision_tokens),
            encode_ms: milliseconds_since(started),
        })
    }

    /// Captions an image in the manner of the examples.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub async fn caption(
        &self,
        shots: &[Shot],
        image: &EncodedImage,
        options: &GenerateOptions,
        on_token: impl AsyncFnMut(&TokenPiece) -> ControlFlow<()>,
    ) -> Result<Generation, RuntimeError> {
        let examples = shots.iter().map(|shot| Example {
            image: shot.image.clone(),
            question: String::new(),
            answer: shot.text.clone(),
        });
        let segments = prompt::CAPTION.few_shot(examples, image.clone(), "");
        self.generate(&segments, options, on_token).await
    }

    /// Continues a prompt, always with the most probable token, until
    /// `<|endofchunk|>`. No other special token is ever generated.
    ///
    /// `on_token` sees each token as it comes; where it breaks, decoding stops
    /// and what there is so far is returned. It is asynchronous so that a
    /// caller on one thread can look for a wish to stop in between. A character that is still
    /// incomplete at the end is U+FFFD in the generation's text and never came
    /// out before.
    ///
    /// # Errors
    /// Before any work starts, where the prompt is empty, too long, or holds
    /// another model's images; later, where the device fails.
    pub async fn generate(
        &self,
        segments: &[Segment],
        options: &GenerateOptions,
        mut on_token: impl AsyncFnMut(&TokenPiece) -> ControlFlow<()>,
    ) -> Result<Generation, RuntimeError> {
        let started = Instant::now();
        let context = self.config().language.context;
        let prompt = Prompt::new(segments, &self.tokenizer, context)?;
        let latents = self.latents(&prompt.images)?;

        let mut timings = Timings {
            encode_ms: prompt.images.last().map_or(0.0, EncodedImage::encode_ms),
            ..Timings::default()
        };
        let mut token_ids = Vec::new();
        if options.max_new_tokens == 0 {
            return self.generation(token_ids, timings, StopReason::MaxNewTokens);
        }

        let media = self.flamingo.media(&latents);
        let mut cache = self.flamingo.new_cache();
        let mut logits = self.last_logits(&prompt.tokens, &media, &mut cache).await?;
        timings.prefill_ms = milliseconds_since(started);

        let mut text = self.tokenizer.text_stream();
        let mut decoding = Instant::now();
        let stop_reason = loop {
            let (id, log_probability) = most_probable(&logits, self.tokenizer.banned())?;
            if id == self.tokenizer.tokens().end_of_chunk {
                break StopReason::EndOfChunk;
            }
            token_ids.push(id);
            let piece = TokenPiece {
                id,
                text: text.push(id)?,
                log_probability,
            };
            if token_ids.len() == 1 {
                timings.first_token_ms = milliseconds_since(started);
                decoding = Instant::now();
            }
            if on_token(&piece).await.is_break() {
                break StopReason::Aborted;
            }
            if token_ids.len() == options.max_new_tokens {
                break StopReason::MaxNewTokens;
            }
            if cache.len() == context {
                break StopReason::ContextFull;
            }
            logits = self.last_logits(&[id], &media, &mut cache).await?;
        };
        let steps = cache.len() - prompt.tokens.len();
        if steps > 0 {
            timings.decode_ms_per_token = milliseconds_since(decoding) / steps as f64;
        }
        self.generation(token_ids, timings, stop_reason)
    }

    fn generation(
        &self,
        token_ids: Vec<u32>,
        timings: Timings,
        stop_reason: StopReason,
    ) -> Result<Generation, RuntimeError> {
        let text = self.tokenizer.decode(&token_ids)?.trim().to_owned();
        Ok(Generation {
            text,
            token_ids,
            timings,
            stop_reason,
        })
    }

    /// Latents of each image at its place in the prompt.
    fn latents(&self, images: &[EncodedImage]) -> Result<Vec<Tensor<2>>, RuntimeError> {
        let resampler = &self.config().resampler;
        let expected = [resampler.latents, resampler.width];
        images
            .iter()
            .enumerate()
            .map(|(index, image)| {
                let found = image.latents.dims();
                if found != expected {
                    return Err(RuntimeError::ForeignImage { found, expected });
                }
                match &image.vision_tokens {
                    Some(tokens) if index > 0 => Ok(self
                        .flamingo
                        .resample(std::slice::from_ref(tokens), index)?),
                    _ => Ok(image.latents.clone()),
                }
            })
            .collect()
    }

    /// Logits `[vocab]` after the last of `tokens`.
    async fn last_logits(
        &self,
        tokens: &[u32],
        media: &Media,
        cache: &mut KvCache,
    ) -> Result<Vec<f32>, RuntimeError> {
        let logits = self
            .flamingo
            .forward(tokens, media, cache, Positions::Last)?;
        self.read(logits).await
    }

    /// Values of a tensor, row by row, once the device has not complained:
    /// WebGPU drops work that fails validation and gives stale memory back.
    async fn read(&self, tensor: Tensor<2>) -> Result<Vec<f32>, RuntimeError> {
        let values = read(tensor).await?;
        self.device().check().await?;
        Ok(values)
    }
}

fn milliseconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
