//! One golden: a tiny model, its inputs and what it must compute.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use flamingo::{Flamingo, FlamingoBuilder, FlamingoConfig, KvCache, Media, Observation, Positions};
use flamingo_kernels::ComputeDevice;
use flamingo_runtime::generate::beam;
use flamingo_runtime::score::{self, Reduction};
use flamingo_runtime::{BeamOptions, Hypothesis, ReadPrompt};
use flamingo_weights::safetensors::SafetensorsReader;
use flamingo_weights::{LoadedTensor, names};
use serde::Serialize;

use crate::config;
use crate::tensors::{Array, Expected, read};
use crate::{PLACES, ParityError};

/// Tokens `gen_ref.py` lets the model generate.
const NEW_TOKENS: usize = 8;

/// The answers whose scores `gen_ref.py` computes.
const RANKED_ANSWERS: [&[u32]; 3] = [&[30], &[31, 32], &[33, 34, 35]];

/// The files of a golden.
pub struct Golden {
    config: FlamingoConfig,
    weights: Vec<LoadedTensor>,
    expected: Expected,
}

/// Largest absolute error of one activation over all its values.
#[derive(Clone, Debug, Serialize)]
pub struct MaxError {
    /// Name of the activation in `expected.safetensors`.
    pub name: String,
    /// Largest absolute error.
    pub error: f32,
    /// Number of values compared.
    pub values: usize,
}

/// The result of a comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Each activation, in order of computation.
    pub errors: Vec<MaxError>,
    /// Generated ids equal the reference's with a KV cache.
    pub greedy_cached: bool,
    /// Generated ids equal the reference's when every step reads all anew.
    pub greedy_uncached: bool,
    /// Ids of the best of three beams equal the reference's, whatever the length
    /// penalty.
    pub beams: bool,
    /// Cross-attention output of text before the first image is exactly zero.
    pub zero_before_image: bool,
    /// With all gates at zero, the logits equal the bare language model's bit for bit.
    pub zero_gates_identity: bool,
    /// More `<image>` tokens than images is refused.
    pub surplus_image_refused: bool,
}

impl MaxError {
    /// Takes in more values; a difference in length counts as NaN.
    pub(crate) fn include(&mut self, found: &[f32], expected: &[f32]) {
        if found.len() != expected.len() {
            self.error = f32::NAN;
        }
        for (found, expected) in found.iter().zip(expected) {
            let error = (found - expected).abs();
            if error > self.error || error.is_nan() {
                self.error = error;
            }
        }
        self.values += expected.len();
    }
}

impl Comparison {
    /// The largest error of all.
    pub fn max_error(&self) -> f32 {
        // `f32::max` would drop a NaN, which is the worst error there is.
        self.errors.iter().fold(0.0, |max, item| {
            if item.error > max || item.error.is_nan() {
                item.error
            } else {
                max
            }
        })
    }
}

impl Golden {
    /// Takes the contents of `config.json`, `model_full.safetensors` and
    /// `expected.safetensors`.
    ///
    /// # Errors
    /// Where one of them cannot be read.
    pub fn read(config: &str, weights: &[u8], expected: &[u8]) -> Result<Self, ParityError> {
        let config = config::read(config)?;
        Ok(Self {
            weights: read_weights(&config, weights)?,
            config,
            expected: Expected::read(expected)?,
        })
    }

    /// As [`Self::read`], of a model whose facts and tensors are at hand.
    ///
    /// # Errors
    /// If `expected` cannot be read.
    pub fn of(
        config: FlamingoConfig,
        weights: Vec<LoadedTensor>,
        expected: &[u8],
    ) -> Result<Self, ParityError> {
        Ok(Self {
            config,
            weights,
            expected: Expected::read(expected)?,
        })
    }

    /// The facts of the model.
    pub fn config(&self) -> &FlamingoConfig {
        &self.config
    }

    /// The tensors of the model.
    pub fn weights(&self) -> &[LoadedTensor] {
        &self.weights
    }

    /// Runs the golden's inputs on `device` and compares everything.
    ///
    /// # Errors
    /// Where the model cannot be built or run at all.
    pub async fn compare(&self, device: &ComputeDevice) -> Result<Comparison, ParityError> {
        let model = self.build(device, Gates::Trained)?;
        let inputs = self.inputs()?;
        let mut errors = Errors::default();
        let media = self.compare_vision(&model, &mut errors).await?;
        let mut zero_before_image = true;
        for (item, input) in inputs.iter().enumerate() {
            zero_before_image &= self
                .compare_layers(&model, &media[item], item, input, &mut errors)
                .await?;
        }
        let mut greedy = [true; 2];
        for (cached, equal) in [true, false].into_iter().zip(&mut greedy) {
            let name = if cached { "greedy" } else { "greedy_nocache" };
            let expected = self.expected.integer_rows(name)?;
            for (item, input) in inputs.iter().enumerate() {
                let ids = generate(&model, &media[item], input, cached).await?;
                *equal &= same_until_image(&ids, &expected[item][input.ids.len()..], &self.config);
            }
        }
        let mut beams = true;
        for (item, input) in inputs.iter().enumerate() {
            beams &= self
                .compare_beams(&model, &media[item], item, input, &mut errors)
                .await?;
            self.compare_ranks(&model, &media[item], item, input, &mut errors)
                .await?;
        }
        device.check().await?;
        Ok(Comparison {
            errors: errors.in_order(),
            greedy_cached: greedy[0],
            greedy_uncached: greedy[1],
            beams,
            zero_before_image,
            zero_gates_identity: self.compare_zero_gates(device, &inputs).await?,
            surplus_image_refused: self.surplus_image_refused(&model, &media)?,
        })
    }

    fn build(&self, device: &ComputeDevice, gates: Gates) -> Result<Flamingo, ParityError> {
        let mut config = self.config.clone();
        if gates == Gates::NoBlocks {
            config.cross_attention.offset = config.language.layers;
        }
        let mut builder = FlamingoBuilder::new(config, device)?;
        for tensor in &self.weights {
            let name = &tensor.info.name;
            let is_block = name.starts_with("xattn.");
            if is_block && gates == Gates::NoBlocks {
                continue;
            }
            let mut tensor = tensor.clone();
            if gates == Gates::Zero
                && (tensor.info.name.ends_with("attn_gate")
                    || tensor.info.name.ends_with("ffn_gate_scale"))
            {
                tensor.data.fill(0);
            }
            builder.insert(tensor)?;
        }
        Ok(builder.build()?)
    }

    fn inputs(&self) -> Result<Vec<Input>, ParityError> {
        let ids = self.expected.integer_rows("input_ids")?;
        let mask = self.expected.integer_rows("attention_mask")?;
        Ok(ids
            .iter()
            .zip(&mask)
            .map(|(ids, mask)| Input {
                ids: ids.iter().map(|&id| id as u32).collect(),
                padding: mask.iter().take_while(|&&valid| valid == 0).count(),
            })
            .collect())
    }

    /// Places of the images among a prompt's tokens.
    fn places(&self, ids: &[u32]) -> Vec<usize> {
        image_places(ids, &self.config)
    }

    /// Vision tokens and latents of every image; the images of each prompt.
    async fn compare_vision(
        &self,
        model: &Flamingo,
        errors: &mut Errors,
    ) -> Result<Vec<Media>, ParityError> {
        let pixels = self.expected.floats("pixel_values")?;
        let tokens = self.expected.floats("vision_patch_tokens")?;
        let latents = self.expected.floats("perceiver_out")?;
        let (items, images) = (pixels.dim(0), pixels.dim(1));
        let mut media = Vec::with_capacity(items);
        for item in 0..items {
            let mut prompt = Vec::with_capacity(images);
            for image in 0..images {
                let frame = pixels.at(item).at(image).at(0);
                let encoded = model.encode_image(&frame.channels_last())?;
                let expected = tokens.at(item * images + image);
                errors.add(
                    "vision_patch_tokens",
                    &read(&encoded).await?,
                    &expected.values,
                );
                let resampled = model.resample(&[encoded], image)?;
                let expected = latents.at(item).at(image);
                errors.add("perceiver_out", &read(&resampled).await?, &expected.values);
                prompt.push(resampled);
            }
            media.push(model.media(&prompt)?);
        }
        Ok(media)
    }

    /// Every layer and the logits of one prompt; whether text before its first
    /// image read exactly zero.
    async fn compare_layers(
        &self,
        model: &Flamingo,
        media: &Media,
        item: usize,
        input: &Input,
        errors: &mut Errors,
    ) -> Result<bool, ParityError> {
        let mut seen = Vec::new();
        let mut cache = model.new_padded_cache(input.padding);
        let logits = model.forward_observed(
            &input.ids,
            &self.places(&input.ids),
            media,
            &mut cache,
            Positions::All,
            &mut |observation, value| seen.push((observation, value.clone())),
        )?;
        let first_image = input
            .ids
            .iter()
            .position(|&id| id == self.config.tokens.image);
        let mut zero_before_image = true;
        for (observation, value) in seen {
            let name = match observation {
                Observation::CrossAttention { layer } => format!("layer{layer}.xattn_attn_pregate"),
                Observation::CrossAttentionOutput { layer } => format!("layer{layer}.xattn_out"),
                Observation::LayerOutput { layer } => format!("layer{layer}.out"),
            };
            let value = read(&value).await?;
            let expected = self.expected.floats(&name)?.at(item);
            errors.add_valid(&name, &value, &expected, input.padding);
            if matches!(observation, Observation::CrossAttention { .. }) {
                let before = first_image.unwrap_or(input.ids.len()) * expected.dim(1);
                zero_before_image &= value[..before].iter().all(|&value| value == 0.0);
            }
        }
        let expected = self.expected.floats("logits")?.at(item);
        errors.add_valid("logits", &read(&logits).await?, &expected, input.padding);

        // The same prompt without its padding: positions shift, answers must not.
        let bare = &input.ids[input.padding..];
        let logits = model.forward(
            bare,
            &self.places(bare),
            media,
            &mut model.new_cache(),
            Positions::All,
        )?;
        let valid = &expected.values[input.padding * expected.dim(1)..];
        errors.add("logits without padding", &read(&logits).await?, valid);

        // And in two pieces, the second reading the first from the cache.
        let mut cache: KvCache = model.new_cache();
        let (head, tail) = bare.split_at(bare.len() / 2);
        let first = model.forward(head, &self.places(head), media, &mut cache, Positions::All)?;
        let second = model.forward(tail, &self.places(tail), media, &mut cache, Positions::All)?;
        let logits = read(&Tensor::cat(vec![first, second], 0)).await?;
        errors.add("logits in two pieces", &logits, valid);
        Ok(zero_before_image)
    }

    async fn compare_zero_gates(
        &self,
        device: &ComputeDevice,
        inputs: &[Input],
    ) -> Result<bool, ParityError> {
        let gated = self.build(device, Gates::Zero)?;
        let bare = self.build(device, Gates::NoBlocks)?;
        let media = self.compare_vision(&gated, &mut Errors::default()).await?;
        let unused = self.compare_vision(&bare, &mut Errors::default()).await?;
        let mut equal = true;
        for (item, input) in inputs.iter().enumerate() {
            let run = |model: &Flamingo, media: &[Media]| {
                let mut cache = model.new_padded_cache(input.padding);
                let (ids, places) = (&input.ids, self.places(&input.ids));
                model.forward(ids, &places, &media[item], &mut cache, Positions::All)
            };
            let (gated, bare) = (
                read(&run(&gated, &media)?).await?,
                read(&run(&bare, &unused)?).await?,
            );
            equal &= gated
                .iter()
                .zip(&bare)
                .all(|(a, b)| a.to_bits() == b.to_bits());
        }
        Ok(equal)
    }

    /// Beam search with three beams, without and with a length penalty.
    async fn compare_beams(
        &self,
        model: &Flamingo,
        media: &Media,
        item: usize,
        input: &Input,
        errors: &mut Errors,
    ) -> Result<bool, ParityError> {
        let tokens = self.config.tokens;
        let mut equal = true;
        for (name, length_penalty) in [("beam3_lp0", 0.0), ("beam3_lp1", 1.0)] {
            let options = BeamOptions {
                beams: 3,
                length_penalty,
                max_new_tokens: NEW_TOKENS,
            };
            let prompt = read_prompt(model, media, input).await?;
            let banned = [tokens.image];
            let (found, _) =
                beam::search(prompt, &[tokens.end_of_chunk], &banned, &options).await?;
            let Some(Hypothesis {
                mut token_ids,
                score,
                ended,
            }) = found.into_iter().next()
            else {
                return Ok(false);
            };
            if ended {
                token_ids.push(tokens.end_of_chunk);
            }
            let expected = self.expected.integer_rows(name)?;
            equal &= same_until_image(&token_ids, &expected[item][input.ids.len()..], &self.config);
            if length_penalty == 0.0 {
                let expected = self.expected.floats("beam3_lp0_scores")?;
                errors.add(
                    "beam3_lp0_scores",
                    &[score as f32],
                    &expected.values[item..=item],
                );
            }
        }
        Ok(equal)
    }

    /// Mean log-probabilities of answers of one, two and three tokens.
    async fn compare_ranks(
        &self,
        model: &Flamingo,
        media: &Media,
        item: usize,
        input: &Input,
        errors: &mut Errors,
    ) -> Result<(), ParityError> {
        let prompt = read_prompt(model, media, input).await?;
        let answers = RANKED_ANSWERS.map(<[u32]>::to_vec);
        let (scores, _) = score::score(prompt, &answers).await?;
        let found: Vec<f32> = scores
            .iter()
            .map(|score| score.reduce(Reduction::Mean) as f32)
            .collect();
        let expected = self.expected.floats("rank_scores")?.at(item);
        errors.add("rank_scores", &found, &expected.values);
        Ok(())
    }

    fn surplus_image_refused(
        &self,
        model: &Flamingo,
        media: &[Media],
    ) -> Result<bool, ParityError> {
        let ids = self.expected.integer_rows("quirk_ids")?;
        let ids = ids[0].iter().map(|&id| id as u32).collect::<Vec<_>>();
        let mut cache = model.new_cache();
        let places = self.places(&ids);
        let result = model.forward(&ids, &places, &media[0], &mut cache, Positions::Last);
        Ok(matches!(
            result,
            Err(flamingo::ModelError::MorePlacesThanImages { .. })
        ))
    }
}

/// The tensors of `model_full.safetensors` through the table of names, as a converter takes
/// them.
fn read_weights(config: &FlamingoConfig, bytes: &[u8]) -> Result<Vec<LoadedTensor>, ParityError> {
    let wanted = config.tensors();
    let head_width = config.language.attention.head_dim;
    let mut weights = Vec::new();
    let mut reader = SafetensorsReader::new();
    reader.push(bytes)?;
    while let Some(tensor) = reader.next_tensor() {
        let mut tensor = tensor.into_loaded()?;
        let name = &mut tensor.info.name;
        if name.ends_with(".rotary_emb.inv_freq") {
            continue;
        }
        // `gen_ref.py` puts MPT-1B's norms of queries and keys into the module before them.
        *name = name.replace(".Wqkv.lin.", ".Wqkv.");
        *name = name.replace(".Wqkv.q_ln.", ".q_ln.");
        *name = name.replace(".Wqkv.k_ln.", ".k_ln.");
        let Some(tensor) = names::import(tensor, &PLACES, head_width)? else {
            continue;
        };
        // A tied head is stored twice by PyTorch, and the encoder's last norm is not used.
        if wanted.iter().any(|spec| spec.name == tensor.info.name) {
            weights.push(tensor);
        }
    }
    reader.finish()?;
    Ok(weights)
}

/// Whether the cross-attention blocks are as trained, gated shut, or absent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gates {
    Trained,
    Zero,
    NoBlocks,
}

struct Input {
    ids: Vec<u32>,
    /// Leading positions the attention mask leaves out.
    padding: usize,
}

/// Reads an input's prompt.
async fn read_prompt<'a>(
    model: &'a Flamingo,
    media: &'a Media,
    input: &Input,
) -> Result<ReadPrompt<'a>, ParityError> {
    let mut cache = model.new_padded_cache(input.padding);
    let places = image_places(&input.ids, model.config());
    let logits = model.forward(&input.ids, &places, media, &mut cache, Positions::Last)?;
    Ok(ReadPrompt {
        flamingo: model,
        media,
        cache,
        logits: read(&logits).await?,
    })
}

/// Greedy decoding as the reference does it: no token banned, stops behind
/// `<|endofchunk|>`.
async fn generate(
    model: &Flamingo,
    media: &Media,
    input: &Input,
    cached: bool,
) -> Result<Vec<u32>, ParityError> {
    let mut cache = model.new_padded_cache(input.padding);
    let mut unread = input.ids.clone();
    let mut all = input.ids.clone();
    for _ in 0..NEW_TOKENS {
        let logits = if cached {
            let places = image_places(&unread, model.config());
            model.forward(&unread, &places, media, &mut cache, Positions::Last)?
        } else {
            let mut cache = model.new_padded_cache(input.padding);
            let places = image_places(&all, model.config());
            model.forward(&all, &places, media, &mut cache, Positions::Last)?
        };
        let logits = read(&logits).await?;
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let id = best.unwrap_or_default() as u32;
        all.push(id);
        unread = vec![id];
        if id == model.config().tokens.end_of_chunk || id == model.config().tokens.image {
            break;
        }
    }
    Ok(all.split_off(input.ids.len()))
}

/// Whether ids agree up to the end of the generated text. Behind a generated
/// `<image>` upstream attends the first image by accident; this runtime never
/// generates one, so the comparison ends there.
fn same_until_image(ids: &[u32], expected: &[i64], config: &FlamingoConfig) -> bool {
    let tokens = config.tokens;
    let ends = |id: u32| id == tokens.end_of_chunk || id == tokens.image;
    let length = match expected.iter().position(|&id| ends(id as u32)) {
        Some(end) => end + 1,
        None => expected.len(),
    };
    ids.len() == length && ids.iter().zip(expected).all(|(&a, &b)| i64::from(a) == b)
}

/// Places of the `<image>` tokens.
fn image_places(ids: &[u32], config: &FlamingoConfig) -> Vec<usize> {
    let places = ids.iter().enumerate();
    places
        .filter(|(_, id)| **id == config.tokens.image)
        .map(|(place, _)| place)
        .collect()
}

/// Errors by activation, remembering the order they came in.
#[derive(Default)]
pub(crate) struct Errors {
    order: Vec<String>,
    by_name: BTreeMap<String, MaxError>,
}

impl Errors {
    pub(crate) fn add(&mut self, name: &str, found: &[f32], expected: &[f32]) {
        let entry = self.by_name.entry(name.to_owned()).or_insert_with(|| {
            self.order.push(name.to_owned());
            MaxError {
                name: name.to_owned(),
                error: 0.0,
                values: 0,
            }
        });
        entry.include(found, expected);
    }

    /// As [`Self::add`], leaving out the leading rows that are padding.
    pub(crate) fn add_valid(
        &mut self,
        name: &str,
        found: &[f32],
        expected: &Array,
        padding: usize,
    ) {
        let skipped = padding * expected.dim(1);
        self.add(
            name,
            found.get(skipped..).unwrap_or_default(),
            &expected.values[skipped..],
        );
    }

    pub(crate) fn in_order(mut self) -> Vec<MaxError> {
        self.order
            .iter()
            .filter_map(|name| self.by_name.remove(name))
            .collect()
    }
}
