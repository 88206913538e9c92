//! The default model: SmolLM2-135M-Instruct with its own blocks, EfficientNet-Lite2
//! quantized here but for its last blocks, and the trained bridges, to which these
//! belong, as they were exported.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use flamingo_architecture::config::{PromptConfig, ResizeMode, VisionConfig, VisionEncoderConfig};
use flamingo_architecture::{FlamingoConfig, TensorSpec};
use flamingo_weights::manifest::{ModelManifest, PartKind, licence_of_all};
use flamingo_weights::{LoadedTensor, TensorType};

use super::bridges;
use super::language::{self, Language};
use super::parts::{LANGUAGE, Tensors, VISION};
use super::{PackError, efficientnet};
use crate::model::{ModelDescription, storage_type};
use crate::output::Output;

/// Side of the square input of EfficientNet-Lite2, in pixels.
const IMAGE_SIZE: usize = 260;

/// Mean and deviation of a channel's 8-bit values in EfficientNet-Lite's training.
const PIXEL_MEAN: f32 = 127.0;
const PIXEL_STD: f32 = 128.0;

/// Makes the default model in `output` from the wheels in `parts` and `bridges`,
/// what is untrained of its vision encoder quantized unless `f32_vision`.
pub(crate) fn make(
    parts: &Path,
    (bridges, f32_bridges): (&Path, Option<&Path>),
    f32_vision: bool,
    output: Output,
) -> Result<ModelManifest, PackError> {
    // Whoever made it is to hear first of what is wrong with it.
    let bridges = bridges::open(bridges)?;
    let Language {
        part,
        config: language,
        tokenizer,
        tokens,
    } = language::read(parts)?;
    let bridges = bridges::read(bridges, f32_bridges, language.width)?;
    bridges.check_language(&language, tokens)?;
    let encoder = efficientnet::lite2();
    let mut vision = efficientnet::read(&VISION.open(parts)?, &encoder)?;
    let model_parts = vec![
        VISION.model_part(PartKind::Vision),
        LANGUAGE.model_part(PartKind::Language),
        LANGUAGE.model_part(PartKind::Tokenizer),
        bridges.model_part(),
    ];
    let description = ModelDescription {
        name: "Flamingo SmolLM2-135M-Instruct EfficientNet-Lite2".to_owned(),
        family: None,
        licence: licence_of_all(model_parts.iter().map(|part| part.licence.as_str())),
        parts: model_parts,
        config: FlamingoConfig {
            vision: VisionConfig {
                image_size: IMAGE_SIZE,
                resize: ResizeMode::Squash,
                mean: [PIXEL_MEAN / 255.0; 3],
                std: [PIXEL_STD / 255.0; 3],
                encoder: VisionEncoderConfig::EfficientNetLite(encoder),
            },
            resampler: Some(bridges.resampler),
            language,
            cross_attention: bridges.cross_attention,
            tokens: tokens.config(),
            prompt: PromptConfig::open_flamingo(tokens.config()),
        },
        tokenizer,
    };
    let mut packed = [
        (part.path.clone(), part.tensors()?),
        (bridges.path, bridges.tensors),
    ];
    check_all_used(&packed, &description.config)?;
    description.write(output, |spec| {
        let name = spec.name.as_str();
        if let Some(tensor) = packed
            .iter_mut()
            .find_map(|(_, tensors)| tensors.remove(name))
        {
            return Ok(tensor);
        }
        let Some(values) = vision.remove(name) else {
            return Err(PackError::MissingTensor {
                name: name.to_owned(),
            });
        };
        let tensor_type = match f32_vision {
            true => TensorType::F32,
            false => vision_storage_type(spec),
        };
        Ok(LoadedTensor::from_f32(
            name,
            tensor_type,
            &spec.shape,
            &values,
        )?)
    })
}

/// How a tensor of the vision encoder is stored: as any other, but for the
/// projections at the end of its blocks. They write the narrow residual stream,
/// and as `Q8_0` they alone take the cosine between quantized and exact features
/// from 0.9999 down to 0.994.
fn vision_storage_type(spec: &TensorSpec) -> TensorType {
    match spec.name.ends_with(".project.weight") {
        true => TensorType::F16,
        false => storage_type(spec),
    }
}

/// Checks that the model has a place for every tensor: weights that were trained
/// and then left out would make another model.
fn check_all_used(packed: &[(PathBuf, Tensors)], config: &FlamingoConfig) -> Result<(), PackError> {
    let places: HashSet<String> = config.tensors().into_iter().map(|spec| spec.name).collect();
    for (path, tensors) in packed {
        if let Some(name) = tensors.keys().filter(|&name| !places.contains(name)).min() {
            return Err(PackError::UnusedTensor {
                path: path.clone(),
                name: name.clone(),
            });
        }
    }
    Ok(())
}
