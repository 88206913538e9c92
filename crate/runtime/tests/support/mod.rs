//! A model of the default architecture, small enough to build in a test: the
//! real tokenizer, every size tiny, weights from a fixed sequence of numbers.
#![allow(clippy::unwrap_used, clippy::panic)]
// Several test programs share this module and each uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::path::PathBuf;

use flamingo::FlamingoConfig;
use flamingo::config::LanguageConfig;
use flamingo_kernels::ComputeDevice;
use flamingo_runtime::{EncodedMedia, ImagePixels, Model, ModelLoader};
use flamingo_weights::gguf::{GgufWriter, Metadata};
use flamingo_weights::{LoadedTensor, TensorType};
use futures_lite::future::block_on;

/// Id of `<image>` in the real tokenizer.
pub const IMAGE: usize = 49153;
/// Id of `<|endofchunk|>` in the real tokenizer.
pub const END_OF_CHUNK: usize = 49152;

/// A file below tests/fixtures.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A picture in stripes, another for each number.
pub fn picture(number: u8) -> ImagePixels {
    let pixel = |i: u32| {
        [
            (i * 7) as u8,
            number * 50,
            (i % (3 + u32::from(number))) as u8 * 60,
        ]
    };
    ImagePixels::from_rgb8(40, 40, (0..1600).flat_map(pixel).collect()).unwrap()
}

/// That picture, seen by a model.
pub fn encode(model: &Model, number: u8) -> EncodedMedia {
    block_on(model.encode_pixels(&picture(number))).unwrap()
}

/// What a test may change before the file is written.
pub struct TinyModel {
    pub config: FlamingoConfig,
    pub tensors: Vec<LoadedTensor>,
    pub tokenizer: String,
}

impl TinyModel {
    pub fn new() -> Self {
        Self::with_config(Self::config())
    }

    /// A model whose weights are drawn for this configuration.
    pub fn with_config(config: FlamingoConfig) -> Self {
        let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
        let tensors = config
            .tensors()
            .into_iter()
            .map(|spec| {
                let count = spec.shape.iter().product();
                let (centre, spread) = match spec.name.as_str() {
                    // Wide open, so that the image is seen.
                    name if name.ends_with("gate") || name.ends_with("gate_scale") => (1.5, 0.0),
                    name if name.ends_with("norm.weight") => (1.0, 0.1),
                    name if name.ends_with("bias") => (0.0, 0.1),
                    // Loud, and another table than the output's: each token leads to
                    // another, where a model of noise would repeat one for ever.
                    "token_embd.weight" => (0.0, 1.0),
                    // Variance 1 / inputs keeps activations of the size of their inputs.
                    _ => (0.0, (3.0 / spec.shape[spec.shape.len() - 1] as f32).sqrt()),
                };
                let values: Vec<f32> = (0..count)
                    .map(|_| centre + spread * numbers.next())
                    .collect();
                LoadedTensor::from_f32(spec.name, TensorType::F32, &spec.shape, &values).unwrap()
            })
            .collect();
        let tokenizer = String::from_utf8(fixture("smollm2/tokenizer.json")).unwrap();
        Self {
            config,
            tensors,
            tokenizer,
        }
    }

    pub fn config() -> FlamingoConfig {
        FlamingoConfig::from_json(
            r#"{
                "vision": {
                    "image_size": 32, "resize": "squash",
                    "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
                    "encoder": {
                        "kind": "efficient_net_lite", "stem_channels": 8,
                        "blocks": [
                            {"input": 8, "output": 8, "kernel": 3, "stride": 1, "expand": 1},
                            {"input": 8, "output": 16, "kernel": 5, "stride": 2, "expand": 2}
                        ],
                        "head_channels": 24
                    }
                },
                "resampler": {
                    "input_width": 24, "input_projection": true, "width": 32, "depth": 1,
                    "latents": 4, "heads": 2, "head_dim": 16, "ffn_mult": 2,
                    "max_frames": 0, "max_media": 0
                },
                "language": {
                    "kind": {"family": "llama", "rope_theta": 10000.0},
                    "width": 32, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 8,
                    "ffn_width": 64, "vocab_size": 49152, "extra_tokens": 2, "context": 64,
                    "norm_eps": 1e-5, "tied_head": false
                },
                "cross_attention": {
                    "every": 1, "offset": 0, "heads": 2, "head_dim": 16, "ffn_mult": 2,
                    "only_last_media": true
                },
                "tokens": {"image": 49153, "end_of_chunk": 49152}
            }"#,
        )
        .unwrap()
    }

    /// Changes a tensor's values in place, `[rows, cols]` row-major.
    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut [f32])) {
        let tensor = self.tensor(name);
        let mut values = tensor.to_f32().unwrap();
        change(&mut values);
        // Byte by byte, since a test may want numbers that no file should hold.
        tensor.data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
    }

    /// Makes the output row of an extra token `scale` times that of `id`, which
    /// makes its logit `scale` times as large.
    pub fn shadow(&mut self, extra: usize, id: u32, scale: f32) {
        let LanguageConfig {
            width, vocab_size, ..
        } = self.config.language;
        let output = self.tensor("output.weight").to_f32().unwrap();
        let row = &output[id as usize * width..][..width];
        let first = (extra - vocab_size) * width;
        self.edit("token_embd_extra.weight", |values| {
            for (value, shadowed) in values[first..].iter_mut().zip(row) {
                *value = shadowed * scale;
            }
        });
    }

    pub fn tensor(&mut self, name: &str) -> &mut LoadedTensor {
        self.tensors
            .iter_mut()
            .find(|tensor| tensor.info.name == name)
            .unwrap()
    }

    /// The model itself, on a device.
    pub fn load(&self, device: ComputeDevice) -> Model {
        let file = self.gguf();
        let mut loader = ModelLoader::new(device, file.len() as u64);
        loader.push(&file).unwrap();
        loader.finish().unwrap()
    }

    /// The model as a GGUF file.
    pub fn gguf(&self) -> Vec<u8> {
        let mut metadata = Metadata::new();
        metadata.set_string("general.architecture", "flamingo");
        metadata.set_string("general.name", "test");
        metadata.set_string("general.license", "none");
        metadata.set_string("flamingo.config", self.config.to_json());
        metadata.set_string("tokenizer.huggingface.json", &self.tokenizer);
        let mut writer = GgufWriter::new(metadata).unwrap();
        for tensor in &self.tensors {
            writer.push(tensor.clone()).unwrap();
        }
        let mut file = Vec::new();
        writer.write(&mut file).unwrap();
        file
    }
}

/// Uniform numbers from -1 to 1, always the same (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}
