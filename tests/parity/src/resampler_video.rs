//! The resampler over several frames with frame and media embeddings, against
//! `gen_video.py`'s golden.

use burn::tensor::{Tensor, TensorData};
use flamingo::config::{
    Activation, AttentionConfig, CrossAttentionConfig, EmbeddingConfig, FeedForwardConfig,
    GateExtent, LanguageConfig, NormConfig, NormPlacement, PositionConfig, PromptConfig,
    ResamplerConfig, ResizeMode, TokensConfig, VisionConfig, VisionEncoderConfig, VitConfig,
};
use flamingo::{Flamingo, FlamingoBuilder, FlamingoConfig};
use flamingo_kernels::ComputeDevice;
use flamingo_weights::safetensors::SafetensorsReader;
use flamingo_weights::{LoadedTensor, TensorInfo, TensorType, names};

use crate::tensors::{Expected, read};
use crate::{MaxError, PLACES, ParityError};

/// Numbers of frames `gen_video.py` tries.
const FRAME_COUNTS: [usize; 3] = [1, 3, 4];

/// Compares the latents of clips of 1, 3 and 4 frames, each the first or the
/// second of its prompt. Takes the contents of `model.safetensors` and
/// `expected.safetensors`.
///
/// # Errors
/// Where a file cannot be read or the model cannot be run.
pub async fn compare_resampler_video(
    weights: &[u8],
    expected: &[u8],
    device: &ComputeDevice,
) -> Result<Vec<MaxError>, ParityError> {
    let model = build(weights, device)?;
    let expected = Expected::read(expected)?;
    let mut errors = Vec::new();
    for count in FRAME_COUNTS {
        let name = format!("latents_{count}");
        let (input, latents) = (
            expected.floats(&format!("x_{count}"))?,
            expected.floats(&name)?,
        );
        let mut error = MaxError {
            name,
            error: 0.0,
            values: 0,
        };
        for item in 0..input.dim(0) {
            for media in 0..input.dim(1) {
                let clip = input.at(item).at(media);
                let frames = (0..count)
                    .map(|index| {
                        let frame = clip.at(index);
                        let shape = [frame.dim(0), frame.dim(1)];
                        let values = TensorData::new(frame.values, shape);
                        Tensor::<2>::from_data(values, &device.burn())
                    })
                    .collect::<Vec<_>>();
                let found = read(&model.resample(&frames, media)?).await?;
                error.include(&found, &latents.at(item).at(media).values);
            }
        }
        errors.push(error);
    }
    device.check().await?;
    Ok(errors)
}

/// The golden holds a resampler alone; the rest of the model is zeros.
fn build(weights: &[u8], device: &ComputeDevice) -> Result<Flamingo, ParityError> {
    let config = config();
    let mut builder = FlamingoBuilder::new(config.clone(), device)?;
    for spec in config
        .tensors()
        .into_iter()
        .filter(|spec| !spec.name.starts_with("resampler."))
    {
        let bytes = spec.shape.iter().product::<usize>() * size_of::<f32>();
        let info = TensorInfo {
            name: spec.name,
            tensor_type: TensorType::F32,
            shape: spec.shape,
        };
        builder.insert(LoadedTensor {
            info,
            data: vec![0; bytes],
        })?;
    }
    let mut reader = SafetensorsReader::new();
    reader.push(weights)?;
    while let Some(tensor) = reader.next_tensor() {
        if let Some(tensor) = names::import(tensor.into_loaded()?, &PLACES, 1)? {
            builder.insert(tensor)?;
        }
    }
    reader.finish()?;
    Ok(builder.build()?)
}

/// Sizes of `gen_video.py`'s resampler, inside the smallest model there is.
fn config() -> FlamingoConfig {
    let width = 32;
    let tokens = TokensConfig {
        image: 0,
        end_of_chunk: 1,
    };
    FlamingoConfig {
        vision: VisionConfig {
            image_size: 1,
            resize: ResizeMode::Squash,
            mean: [0.0; 3],
            std: [1.0; 3],
            encoder: VisionEncoderConfig::Vit(VitConfig::open_flamingo_clip(1, width, 1, 1, 1)),
        },
        resampler: Some(ResamplerConfig {
            input_width: width,
            input_projection: false,
            width,
            depth: 2,
            latents: 4,
            heads: 2,
            head_dim: 8,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: FeedForwardConfig::plain(2 * width, Activation::Gelu),
            max_frames: 4,
            max_media: 3,
        }),
        language: LanguageConfig {
            width: 2,
            layers: 1,
            vocab_size: 2,
            extra_tokens: 0,
            context: 1,
            embedding: EmbeddingConfig {
                width: 2,
                tied_head: true,
                own_extra_head: false,
            },
            positions: PositionConfig::Alibi { max_bias: 8.0 },
            norm: NormConfig::rms(1e-5),
            norm_placement: NormPlacement::Before,
            final_norm: true,
            attention: AttentionConfig {
                heads: 1,
                kv_heads: 1,
                head_dim: 2,
                fused_qkv: true,
                qkv_bias: false,
                output_bias: false,
                qk_norm: None,
            },
            feed_forward: FeedForwardConfig::swiglu(1),
        },
        cross_attention: CrossAttentionConfig {
            every: 1,
            offset: 1,
            heads: 1,
            head_dim: 1,
            norm: NormConfig::BRIDGE,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: FeedForwardConfig::plain(2, Activation::Gelu),
            gate: GateExtent::Scalar,
            only_last_media: true,
        },
        tokens,
        prompt: PromptConfig::open_flamingo(tokens),
    }
}
