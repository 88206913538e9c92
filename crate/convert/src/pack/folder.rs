//! A model's tensors in load order, as the shards of a folder.

use std::path::Path;

use flamingo_architecture::{FlamingoConfig, TensorRole, TensorSpec};
use flamingo_weights::gguf::{GgufError, GgufStream, GgufWriter, Metadata};
use flamingo_weights::manifest::{FolderWriter, GpuLimits, ModelManifest, ModelSummary};
use flamingo_weights::{LoadedTensor, TensorInfo, TensorType};

use super::ConvertError;
use crate::progress::Progress;

/// Positions of the key/value cache that the estimate of memory counts: what a
/// caption with eight examples takes.
const ESTIMATED_POSITIONS: usize = 1024;

/// A matrix on a GPU takes a whole number of this many bytes.
const GPU_BUFFER_ALIGNMENT: u64 = 16;

/// A model but for its tensors.
pub(crate) struct ModelDescription {
    /// Name for people.
    pub(crate) name: String,
    /// SPDX expression of the licence.
    pub(crate) licence: String,
    /// All sizes.
    pub(crate) config: FlamingoConfig,
    /// The text of `tokenizer.json`.
    pub(crate) tokenizer: String,
}

impl ModelDescription {
    /// Writes the model to `folder`, with `provide` giving each tensor in load order.
    pub(super) fn write(
        &self,
        folder: &Path,
        mut provide: impl FnMut(&TensorSpec) -> Result<LoadedTensor, ConvertError>,
    ) -> Result<ModelManifest, ConvertError> {
        self.config.validate()?;
        let mut writer = GgufWriter::new(self.metadata()?)?;
        let mut needs = Needs::default();
        let specs = self.config.tensors();
        let mut progress = Progress::items("packing tensors", specs.len() as u64);
        for spec in specs {
            let tensor = provide(&spec)?;
            if tensor.info.shape != spec.shape {
                return Err(ConvertError::Shape {
                    name: spec.name,
                    found: tensor.info.shape,
                    expected: spec.shape,
                });
            }
            needs.count(&spec, tensor.data.len());
            writer.push(tensor)?;
            progress.advance(1);
        }
        let mut shards = FolderWriter::create(folder)?;
        writer
            .write(&mut shards)
            .map_err(ConvertError::io(folder))?;
        Ok(shards.finish(self.summary(&needs)?)?)
    }

    /// Writes the model to `folder` tensor by tensor, each gone before the next one is asked
    /// for: `tensor_type` says how one is stored, `provide` gives it in load order.
    pub(crate) fn stream<E>(
        &self,
        folder: &Path,
        tensor_type: impl Fn(&TensorSpec) -> TensorType,
        mut provide: impl FnMut(&TensorSpec, TensorType) -> Result<LoadedTensor, E>,
    ) -> Result<ModelManifest, E>
    where
        E: From<ConvertError>,
    {
        self.config.validate().map_err(ConvertError::from)?;
        let specs = self.config.tensors();
        let infos: Vec<TensorInfo> = specs
            .iter()
            .map(|spec| TensorInfo {
                name: spec.name.clone(),
                tensor_type: tensor_type(spec),
                shape: spec.shape.clone(),
            })
            .collect();
        let mut needs = Needs::default();
        let mut total = 0;
        for (spec, info) in specs.iter().zip(&infos) {
            let bytes = info.byte_len().unwrap_or_default();
            needs.count(spec, bytes);
            total += bytes as u64;
        }
        let types: Vec<TensorType> = infos.iter().map(|info| info.tensor_type).collect();
        let write = |error: std::io::Error| ConvertError::io(folder)(error);
        let gguf = |error: GgufError| ConvertError::from(error);
        let mut stream = GgufStream::new(self.metadata()?, infos).map_err(gguf)?;
        let mut shards = FolderWriter::create(folder).map_err(ConvertError::from)?;
        stream.start(&mut shards).map_err(write)?;
        let mut progress = Progress::bytes("packing", total);
        for (spec, tensor_type) in specs.iter().zip(types) {
            let tensor = provide(spec, tensor_type)?;
            let written = stream.push(&tensor, &mut shards).map_err(gguf)?;
            written.map_err(write)?;
            progress.advance(tensor.data.len() as u64);
        }
        let summary = self.summary(&needs)?;
        Ok(shards.finish(summary).map_err(ConvertError::from)?)
    }

    fn metadata(&self) -> Result<Metadata, ConvertError> {
        let mut metadata = Metadata::new();
        metadata.set_string("general.architecture", "flamingo");
        metadata.set_string("general.name", &self.name);
        metadata.set_string("general.license", &self.licence);
        metadata.set_string("flamingo.config", self.config.to_json());
        metadata.set_string("tokenizer.huggingface.json", &self.tokenizer);
        Ok(metadata)
    }

    fn summary(&self, needs: &Needs) -> Result<ModelSummary, ConvertError> {
        let language = &self.config.language;
        let row = language.attention.key_width();
        let cache_values = 2 * language.layers * row * ESTIMATED_POSITIONS.min(language.context);
        Ok(ModelSummary {
            name: self.name.clone(),
            licence: self.licence.clone(),
            // By way of its text: as a value, 1e-5 would have the digits of its f32.
            config: serde_json::from_str(&self.config.to_json()).map_err(json)?,
            required_gpu_limits: GpuLimits {
                max_buffer_size: needs.largest_buffer,
                max_storage_buffer_binding_size: needs.largest_buffer,
            },
            estimated_memory_bytes: needs.bytes + (cache_values * size_of::<f32>()) as u64,
        })
    }
}

/// What the tensors take once they are loaded.
#[derive(Default)]
struct Needs {
    bytes: u64,
    largest_buffer: u64,
}

impl Needs {
    fn count(&mut self, spec: &TensorSpec, bytes: usize) {
        let loaded = match spec.role {
            TensorRole::Matrix => bytes,
            // Held as f32, whatever it is stored as.
            TensorRole::Dense | TensorRole::Gate => {
                spec.shape.iter().product::<usize>() * size_of::<f32>()
            }
        } as u64;
        self.bytes += loaded;
        self.largest_buffer = self
            .largest_buffer
            .max(loaded.next_multiple_of(GPU_BUFFER_ALIGNMENT));
    }
}

/// How a tensor that is quantized here is stored: matrices as `Q8_0`, or as `F16`
/// where a row is no whole number of blocks; convolution kernels as `F16`; norms,
/// biases and gates as they are.
pub(super) fn storage_type(spec: &TensorSpec) -> TensorType {
    match (spec.role, spec.shape.as_slice()) {
        (TensorRole::Matrix, &[_, cols]) if TensorType::Q8_0.row_bytes(cols).is_some() => {
            TensorType::Q8_0
        }
        (TensorRole::Matrix | TensorRole::Dense, &[_, _]) => TensorType::F16,
        _ => TensorType::F32,
    }
}

fn json(source: serde_json::Error) -> ConvertError {
    ConvertError::Json {
        what: "configuration",
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_no_whole_number_of_blocks_stay_f16() {
        let stored = |role, shape: &[usize]| {
            let name = "t".to_owned();
            storage_type(&TensorSpec {
                name,
                shape: shape.to_vec(),
                role,
                stack: None,
            })
        };
        assert_eq!(stored(TensorRole::Matrix, &[7, 64]), TensorType::Q8_0);
        assert_eq!(stored(TensorRole::Matrix, &[7, 88]), TensorType::F16);
        assert_eq!(stored(TensorRole::Dense, &[32, 9]), TensorType::F16);
        assert_eq!(stored(TensorRole::Dense, &[64]), TensorType::F32);
        assert_eq!(stored(TensorRole::Gate, &[1]), TensorType::F32);
    }
}
