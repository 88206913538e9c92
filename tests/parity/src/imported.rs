//! Checkpoints in the formats of other projects, through the importer, against what those
//! projects' own programs compute.

use flamingo::config::Task;
use flamingo::{Flamingo, FlamingoBuilder, Media, Observation, Positions};
use flamingo_convert::import::Import;
use flamingo_kernels::ComputeDevice;
use flamingo_runtime::{PromptError, PromptFormat};

use crate::ParityError;
use crate::golden::{Errors, MaxError};
use crate::tensors::{Array, Expected, read};

/// The result of a comparison.
#[derive(Clone, Debug)]
pub struct ImportedComparison {
    /// Each activation, in order of computation.
    pub errors: Vec<MaxError>,
    /// Generated ids equal the reference's.
    pub greedy: bool,
    /// How many ids were generated.
    pub generated: usize,
}

/// Builds the model of a checkpoint with its exact numbers.
///
/// # Errors
/// If a tensor cannot be imported, or the model cannot be built.
pub fn build(import: &Import, device: &ComputeDevice) -> Result<Flamingo, ParityError> {
    let mut builder = FlamingoBuilder::new(import.config().clone(), device)?;
    for spec in import.config().tensors() {
        builder.insert(import.tensor(&spec)?)?;
    }
    Ok(builder.build()?)
}

/// A prompt of the reference.
struct Input {
    ids: Vec<u32>,
    /// Leading positions that the attention mask leaves out.
    padding: usize,
    /// From which tokens on the text sees the next image.
    places: Vec<usize>,
}

/// Reads the templates of all tasks, as a session does once it is asked for one.
///
/// # Errors
/// If one of them describes no prompt.
pub fn read_templates(import: &Import) -> Result<(), PromptError> {
    let templates = &import.config().prompt.templates;
    for task in [
        Task::Caption,
        Task::VisualQuestion,
        Task::Classification,
        Task::HatefulMemes,
    ] {
        PromptFormat::parse(templates.of(task))?;
    }
    Ok(())
}

/// Runs the inputs in `expected` (the contents of `expected.safetensors`) through the model
/// of `import` and compares all that is there: vision tokens, latents, the outputs of blocks
/// and layers, logits and greedy ids. `banned` are never generated.
///
/// # Errors
/// If the model cannot be built or run at all.
pub async fn compare_imported(
    import: &Import,
    expected: &[u8],
    banned: &[u32],
    device: &ComputeDevice,
) -> Result<ImportedComparison, ParityError> {
    let expected = Expected::read(expected)?;
    let model = build(import, device)?;
    let mut errors = Errors::default();
    let inputs = inputs(&expected, model.config().tokens.image)?;
    let media = compare_vision(&model, &expected, inputs.len(), &mut errors).await?;
    for (item, (input, media)) in inputs.iter().zip(&media).enumerate() {
        compare_layers(&model, &expected, item, input, media, &mut errors).await?;
    }
    let greedy = expected.integer_rows("greedy")?;
    let (mut equal, mut generated) = (true, 0);
    for ((input, media), expected) in inputs.iter().zip(&media).zip(&greedy) {
        let new = &expected[input.ids.len()..];
        let ids = generate(&model, input, media, new.len(), banned).await?;
        equal &= ids.iter().map(|&id| i64::from(id)).eq(new.iter().copied());
        generated += new.len();
    }
    device.check().await?;
    Ok(ImportedComparison {
        errors: errors.in_order(),
        greedy: equal,
        generated,
    })
}

fn inputs(expected: &Expected, image: u32) -> Result<Vec<Input>, ParityError> {
    let ids = expected.integer_rows("input_ids")?;
    let mask = match expected.has("attention_mask") {
        true => expected.integer_rows("attention_mask")?,
        false => ids.iter().map(|row| vec![1; row.len()]).collect(),
    };
    let locations = match expected.has("media_locations") {
        true => expected.integer_rows("media_locations")?,
        false => {
            let is_image = |&id: &i64| i64::from(id == i64::from(image));
            let rows = ids.iter().map(|row| row.iter().map(is_image).collect());
            rows.collect()
        }
    };
    let rows = ids.iter().zip(&mask).zip(&locations);
    Ok(rows
        .map(|((ids, mask), locations)| Input {
            ids: ids.iter().map(|&id| id as u32).collect(),
            padding: mask.iter().take_while(|&&valid| valid == 0).count(),
            places: (0..ids.len())
                .filter(|&place| locations[place] != 0)
                .collect(),
        })
        .collect())
}

/// Vision tokens and latents of every image or clip; the images of each prompt.
async fn compare_vision(
    model: &Flamingo,
    expected: &Expected,
    prompts: usize,
    errors: &mut Errors,
) -> Result<Vec<Media>, ParityError> {
    if !expected.has("pixel_values") {
        return Ok((0..prompts).map(|_| Media::none()).collect());
    }
    let pixels = expected.floats("pixel_values")?;
    let tokens = expected.floats("vision_tokens")?;
    let resampled = ["perceiver_out", "resampler_out"];
    let resampled = resampled.into_iter().find(|name| expected.has(name));
    let latents = resampled.map(|name| expected.floats(name)).transpose()?;
    // `[items, images, 3, side, side]`, or with frames before the channels.
    let (images, is_clip) = (pixels.dim(1), pixels.shape.len() == 6);
    let frames = if is_clip { pixels.dim(2) } else { 1 };
    let mut media = Vec::new();
    for item in 0..pixels.dim(0) {
        let mut prompt = Vec::new();
        for image in 0..images {
            let clip = pixels.at(item).at(image);
            let number = item * images + image;
            let mut encoded = Vec::new();
            for frame in 0..frames {
                let found = match is_clip {
                    true => model.encode_image(&clip.at(frame).channels_last())?,
                    false => model.encode_image(&clip.channels_last())?,
                };
                let expected = tokens.at(number * frames + frame);
                errors.add("vision_tokens", &read(&found).await?, &expected.values);
                encoded.push(found);
            }
            let found = model.resample(&encoded, image)?;
            if let (Some(name), Some(latents)) = (resampled, &latents) {
                errors.add(name, &read(&found).await?, &latents.at(number).values);
            }
            prompt.push(found);
        }
        media.push(model.media(&prompt)?);
    }
    Ok(media)
}

async fn compare_layers(
    model: &Flamingo,
    expected: &Expected,
    item: usize,
    input: &Input,
    media: &Media,
    errors: &mut Errors,
) -> Result<(), ParityError> {
    let Input {
        ids,
        padding,
        places,
    } = input;
    let mut seen = Vec::new();
    let mut cache = model.new_padded_cache(*padding);
    let logits = model.forward_observed(
        ids,
        places,
        media,
        &mut cache,
        Positions::All,
        &mut |observation, value| seen.push((observation, value.clone())),
    )?;
    let every = model.config().cross_attention.every;
    for (observation, value) in seen {
        let names = match observation {
            Observation::CrossAttention { .. } => continue,
            // By the block's number in IDEFICS, by the layer's in flamingo-mini.
            Observation::CrossAttentionOutput { layer } => [
                format!("xattn{}.out", layer / every),
                format!("layer{layer}.xattn_out"),
            ],
            Observation::LayerOutput { layer } => {
                let name = format!("layer{layer}.out");
                [name.clone(), name]
            }
        };
        let Some(name) = names.iter().find(|name| expected.has(name)) else {
            return Err(ParityError::Expected(format!("{} is missing", names[0])));
        };
        let expected = expected.floats(name)?.at(item);
        errors.add_valid(name, &read(&value).await?, &expected, *padding);
    }
    let expected = expected.floats("logits")?.at(item);
    errors.add_valid("logits", &read(&logits).await?, &expected, *padding);

    // In two pieces, the second reading the first from the cache.
    let mut cache = model.new_padded_cache(*padding);
    let middle = ids.len() / 2;
    let (head, tail) = ids.split_at(middle);
    let (before, behind): (Vec<usize>, Vec<usize>) =
        places.iter().partition(|&&place| place < middle);
    let behind: Vec<usize> = behind.iter().map(|place| place - middle).collect();
    model.forward(head, &before, media, &mut cache, Positions::Last)?;
    let logits = model.forward(tail, &behind, media, &mut cache, Positions::All)?;
    let behind = Array {
        shape: vec![tail.len(), expected.dim(1)],
        values: expected.values[middle * expected.dim(1)..].to_vec(),
    };
    let padding = padding.saturating_sub(middle);
    errors.add_valid(
        "logits in two pieces",
        &read(&logits).await?,
        &behind,
        padding,
    );
    Ok(())
}

/// Greedy decoding with a KV cache, to the end: nothing stops it.
async fn generate(
    model: &Flamingo,
    input: &Input,
    media: &Media,
    count: usize,
    banned: &[u32],
) -> Result<Vec<u32>, ParityError> {
    let mut cache = model.new_padded_cache(input.padding);
    let (mut unread, mut places) = (input.ids.clone(), &input.places[..]);
    let mut ids = Vec::new();
    for _ in 0..count {
        let logits = model.forward(&unread, places, media, &mut cache, Positions::Last)?;
        let logits = read(&logits).await?;
        let allowed = (0..logits.len()).filter(|&id| !banned.contains(&(id as u32)));
        let best = allowed.max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let id = best.ok_or_else(|| ParityError::Expected("no logits".to_owned()))? as u32;
        ids.push(id);
        (unread, places) = (vec![id], &[]);
    }
    Ok(ids)
}

/// A language model and a vision encoder without bridges between them, against activations
/// of each by itself.
pub struct Bare<'a> {
    /// The two.
    pub import: &'a Import,
    /// `input_ids`, `layer{i}.out`, `logits` and `greedy` of the language model.
    pub language: &'a [u8],
    /// `pixel_values` and `tokens` of the encoder.
    pub vision: &'a [u8],
}

impl Bare<'_> {
    /// Compares both.
    ///
    /// # Errors
    /// If the model cannot be built or run at all.
    pub async fn compare(&self, device: &ComputeDevice) -> Result<ImportedComparison, ParityError> {
        let mut found = compare_imported(self.import, self.language, &[], device).await?;
        let expected = Expected::read(self.vision)?;
        let model = build(self.import, device)?;
        let pixels = expected.floats("pixel_values")?;
        let tokens = expected.floats("tokens")?;
        let mut errors = Errors::default();
        for item in 0..pixels.dim(0) {
            let encoded = model.encode_image(&pixels.at(item).channels_last())?;
            errors.add("tokens", &read(&encoded).await?, &tokens.at(item).values);
        }
        device.check().await?;
        found.errors.extend(errors.in_order());
        Ok(found)
    }
}
