//! A loaded model and what one asks of it.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;
use flamingo::{Flamingo, FlamingoConfig};
use flamingo_kernels::{ComputeDevice, DeviceMemory, read};
use web_time::Instant;

use crate::attention_map::Views;
use crate::error::RuntimeError;
use crate::generate::beam;
use crate::generate::{
    BeamOptions, Decoded, Decoding, GenerateOptions, Generation, Hypothesis, Step, StopReason,
    Timings, TokenPiece,
};
use crate::latents_cache::{LATENTS_BUDGET, LatentsCache};
use crate::media::EncodedMedia;
use crate::prefix::{PrefixCache, Recorded};
use crate::prompt::{self, Prompt, PromptFormat, Task, answer_tokens};
use crate::score::{self, AnswerScore};
use crate::tokenizer::Tokenizer;
use crate::weight_bytes::WeightBytes;

/// A piece of a prompt: text, an encoded image or clip, or the end of an example.
pub type Segment = prompt::Segment<EncodedMedia>;

/// An example in a prompt.
pub type Example = prompt::Example<EncodedMedia>;

/// A Flamingo model with its tokenizer. See [`crate::ModelLoader`].
pub struct Model {
    flamingo: Flamingo,
    tokenizer: Tokenizer,
    weight_bytes: WeightBytes,
    latents: Mutex<LatentsCache>,
}

/// Memory a model takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelMemory {
    /// Its packed weights, wherever they lie.
    pub weights: u64,
    /// Latents of images that were encoded before.
    pub latents: usize,
    /// All that its device holds; none on the CPU, where everything is on the heap.
    pub device: Option<DeviceMemory>,
}

impl Model {
    /// Puts a model and its tokenizer together.
    pub fn from_parts(flamingo: Flamingo, tokenizer: Tokenizer, weight_bytes: WeightBytes) -> Self {
        Self {
            flamingo,
            tokenizer,
            weight_bytes,
            latents: Mutex::new(LatentsCache::new(LATENTS_BUDGET)),
        }
    }

    /// Keeps the latents of images that were encoded, up to so many bytes
    /// ([`LATENTS_BUDGET`] unless told otherwise): the same pixels are not encoded
    /// twice then. 0 keeps none.
    pub fn keep_latents(&self, bytes: usize) {
        self.latents_cache().set_budget(bytes);
    }

    pub(crate) fn latents_cache(&self) -> MutexGuard<'_, LatentsCache> {
        // An entry is whole whatever panicked while the lock was held.
        self.latents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The memory it takes now.
    pub fn memory(&self) -> ModelMemory {
        ModelMemory {
            weights: self.weight_bytes.total(),
            latents: self.latents_cache().byte_len(),
            device: self.device().memory(),
        }
    }

    /// What its weights take.
    pub fn weight_bytes(&self) -> &WeightBytes {
        &self.weight_bytes
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

    /// How the model was trained to do a task.
    ///
    /// # Errors
    /// If the template in the model's file describes no prompt.
    pub fn format(&self, task: Task) -> Result<PromptFormat, RuntimeError> {
        let template = self.config().prompt.templates.of(task);
        Ok(PromptFormat::parse(template)?)
    }

    pub(crate) fn flamingo(&self) -> &Flamingo {
        &self.flamingo
    }

    /// Number of tokens that a prompt has, one for each image or clip among them.
    ///
    /// # Errors
    /// Where it is empty, longer than the context, or cannot be tokenized.
    pub fn count_tokens(&self, segments: &[Segment]) -> Result<usize, RuntimeError> {
        Ok(self.prompt(segments)?.tokens.len())
    }

    /// Continues a prompt until `<|endofchunk|>`. No other special token is ever
    /// generated. The prompt may hold any number of images, clips and texts in any
    /// order.
    ///
    /// `on_token` sees each token as it comes; where it breaks, decoding stops
    /// and what there is so far is returned. It is asynchronous so that a
    /// caller on one thread can look for a wish to stop in between. A character that
    /// is still incomplete at the end is neither in the generation's text nor came out
    /// before.
    ///
    /// # Errors
    /// Before any work starts, where an option makes no sense or the prompt is empty,
    /// too long, or holds another model's media; later, where the device fails or
    /// nothing is allowed to come next.
    pub async fn generate(
        &self,
        segments: &[Segment],
        options: &GenerateOptions,
        on_token: impl AsyncFnMut(&TokenPiece) -> ControlFlow<()>,
    ) -> Result<Generation, RuntimeError> {
        let mut prefix = PrefixCache::new(self);
        self.generate_behind(&mut prefix, segments, options, on_token)
            .await
    }

    /// As [`Self::generate`], reading only what `prefix` does not hold yet.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub async fn generate_behind(
        &self,
        prefix: &mut PrefixCache,
        segments: &[Segment],
        options: &GenerateOptions,
        mut on_token: impl AsyncFnMut(&TokenPiece) -> ControlFlow<()>,
    ) -> Result<Generation, RuntimeError> {
        let started = Instant::now();
        options.check()?;
        let prompt = self.prompt(segments)?;
        let mut timings = Timings {
            encode_ms: prompt.media.last().map_or(0.0, EncodedMedia::encode_ms),
            ..Timings::default()
        };
        let stop = [&options.stop[..], &self.config().prompt.stop].concat();
        let mut decoding = Decoding::new(&self.tokenizer, options, &stop);
        let (mut stop_reason, mut reused_tokens, mut steps) = (StopReason::MaxNewTokens, 0, 0);
        if options.max_new_tokens > 0 {
            let views = match options.attention {
                true => Views::of(self, &prompt).await?,
                false => None,
            };
            let recorded = match views {
                Some(_) => Recorded::Look,
                None => Recorded::Nothing,
            };
            let (mut behind, shared) = prefix.read(self, &prompt, recorded).await?;
            reused_tokens = shared;
            timings.prefill_ms = milliseconds_since(started);
            let mut first = Instant::now();
            stop_reason = loop {
                let (mut piece, reason) = match decoding.step(&behind.logits)? {
                    Step::End(reason) => break reason,
                    Step::Token(piece, reason) => (piece, reason),
                };
                piece.attention = views.as_ref().and_then(|views| views.map(&behind.look));
                if steps == 0 {
                    timings.first_token_ms = milliseconds_since(started);
                    first = Instant::now();
                }
                if on_token(&piece).await.is_break() {
                    break StopReason::Aborted;
                }
                if let Some(reason) = reason {
                    break reason;
                }
                if prefix.len() == self.config().language.context {
                    break StopReason::ContextFull;
                }
                behind = prefix.push(self, piece.id, recorded).await?;
                steps += 1;
            };
            if steps > 0 {
                timings.decode_ms_per_token = milliseconds_since(first) / f64::from(steps);
            }
        }
        let Decoded {
            text,
            token_ids,
            meets_constraint,
        } = decoding.finish();
        Ok(Generation {
            text,
            token_ids,
            reused_tokens,
            timings,
            stop_reason,
            meets_constraint,
        })
    }

    /// The best continuations of a prompt by beam search, best first, each with its
    /// text.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub async fn beam_search(
        &self,
        prefix: &mut PrefixCache,
        segments: &[Segment],
        options: &BeamOptions,
    ) -> Result<Vec<(String, Hypothesis)>, RuntimeError> {
        options.check()?;
        let prompt = self.prompt(segments)?;
        let (behind, _) = prefix.read(self, &prompt, Recorded::Nothing).await?;
        let read = prefix.lend(self, behind.logits);
        let (ends, banned) = (self.tokenizer.ends(), self.tokenizer.banned());
        let (hypotheses, cache) = beam::search(read, ends, banned, options).await?;
        prefix.take_back(cache);
        hypotheses
            .into_iter()
            .map(|hypothesis| {
                let text = self.tokenizer.decode_whole(&hypothesis.token_ids)?;
                Ok((text.trim().to_owned(), hypothesis))
            })
            .collect()
    }

    /// How likely each of several answers is behind a prompt: a task is close-ended
    /// where one of them must be right. The prompt is read once for all.
    ///
    /// # Errors
    /// As [`Self::generate`]; and where an answer is empty.
    pub async fn score(
        &self,
        prefix: &mut PrefixCache,
        segments: &[Segment],
        answers: &[String],
    ) -> Result<Vec<AnswerScore>, RuntimeError> {
        let prompt = self.prompt(segments)?;
        let spelling = &self.config().prompt;
        let answers = answers
            .iter()
            .enumerate()
            .map(|(index, answer)| {
                let ids = answer_tokens(segments, answer, &self.tokenizer, spelling)?;
                match ids.is_empty() {
                    true => Err(RuntimeError::EmptyAnswer { index }),
                    false => Ok(ids),
                }
            })
            .collect::<Result<Vec<_>, RuntimeError>>()?;
        let (behind, _) = prefix.read(self, &prompt, Recorded::Nothing).await?;
        let read = prefix.lend(self, behind.logits);
        let (scores, cache) = score::score(read, &answers).await?;
        prefix.take_back(cache);
        Ok(scores)
    }

    /// How surprised the model is by a text without images: the exponential of the mean
    /// negative log-probability of its tokens, each behind those before it. 1 is certainty,
    /// the size of the vocabulary is knowing nothing.
    ///
    /// # Errors
    /// If the text has fewer than two tokens or more than the context, or the device fails.
    pub async fn perplexity(&self, text: &str) -> Result<f64, RuntimeError> {
        let prompt = self.prompt(&[Segment::Text(text.to_owned())])?;
        score::perplexity(&self.flamingo, &prompt.tokens).await
    }

    fn prompt(&self, segments: &[Segment]) -> Result<Prompt<EncodedMedia>, RuntimeError> {
        let FlamingoConfig {
            language, prompt, ..
        } = self.config();
        let tokenizer = &self.tokenizer;
        Ok(Prompt::new(segments, tokenizer, prompt, language.context)?)
    }

    /// Values of a tensor, row by row.
    pub(crate) async fn read(&self, tensor: Tensor<2>) -> Result<Vec<f32>, RuntimeError> {
        read_checked(self.device(), tensor).await
    }
}

/// Values of a tensor, row by row, once the device has not complained:
/// WebGPU drops work that fails validation and gives stale memory back.
pub(crate) async fn read_checked(
    device: &ComputeDevice,
    tensor: Tensor<2>,
) -> Result<Vec<f32>, RuntimeError> {
    let values = read(tensor).await?;
    device.check().await?;
    Ok(values)
}

pub(crate) fn milliseconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
