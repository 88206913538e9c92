//! A model's tensors in load order, as the shards of a folder.

use std::io;
use std::path::{Path, PathBuf};

use flamingo_architecture::{ConfigError, FlamingoConfig, TensorRole, TensorSpec};
use flamingo_weights::gguf::{GgufError, GgufStream, GgufWriter, Metadata};
use flamingo_weights::manifest::{
    FolderError, FolderWriter, GpuLimits, ModelManifest, ModelPart, ModelSummary,
};
use flamingo_weights::{LoadedTensor, TensorInfo, TensorType};
use thiserror::Error;

use crate::output::{Output, OutputError};
use crate::progress::Progress;

/// Positions of the key/value cache that the estimate of memory counts: what a
/// caption with eight examples takes.
const ESTIMATED_POSITIONS: usize = 1024;

/// A matrix on a GPU takes a whole number of this many bytes.
const GPU_BUFFER_ALIGNMENT: u64 = 16;

/// A model but for its tensors.
pub struct ModelDescription {
    /// Name for people.
    pub name: String,
    /// The family of a released model, for people.
    pub family: Option<&'static str>,
    /// SPDX expression of the licence of the whole.
    pub licence: String,
    /// The parts that it is made of.
    pub parts: Vec<ModelPart>,
    /// All sizes.
    pub config: FlamingoConfig,
    /// The text of `tokenizer.json`.
    pub tokenizer: String,
}

impl ModelDescription {
    /// Writes the model to `output`, with `provide` giving each tensor in load order.
    ///
    /// # Errors
    /// Those of `provide`; where the configuration makes no model, a tensor is not of the
    /// shape that it says, or the folder cannot be written.
    pub fn write<E: From<ModelError>>(
        &self,
        output: Output,
        mut provide: impl FnMut(&TensorSpec) -> Result<LoadedTensor, E>,
    ) -> Result<ModelManifest, E> {
        self.config.validate().map_err(ModelError::from)?;
        let mut writer = GgufWriter::new(self.metadata()).map_err(ModelError::from)?;
        let mut needs = Needs::default();
        let specs = self.config.tensors();
        let mut progress = Progress::items("packing tensors", specs.len() as u64);
        for spec in specs {
            let tensor = provide(&spec)?;
            if tensor.info.shape != spec.shape {
                return Err(E::from(ModelError::Shape {
                    name: spec.name,
                    found: tensor.info.shape,
                    expected: spec.shape,
                }));
            }
            needs.count(&spec, tensor.data.len());
            writer.push(tensor).map_err(ModelError::from)?;
            progress.advance(1);
        }
        Ok(self.write_shards(&writer, &needs, output)?)
    }

    /// Writes the model to `output` tensor by tensor, each gone before the next one is asked
    /// for: `tensor_type` says how one is stored, `provide` gives it in load order.
    ///
    /// # Errors
    /// Those of `provide`; if the configuration makes no model, a tensor is not what it and
    /// `tensor_type` say, or the folder cannot be written.
    pub fn stream<E: From<ModelError>>(
        &self,
        output: Output,
        tensor_type: impl Fn(&TensorSpec) -> TensorType,
        mut provide: impl FnMut(&TensorSpec, TensorType) -> Result<LoadedTensor, E>,
    ) -> Result<ModelManifest, E> {
        self.config.validate().map_err(ModelError::from)?;
        let specs = self.config.tensors();
        let infos = specs.iter().map(|spec| TensorInfo {
            name: spec.name.clone(),
            tensor_type: tensor_type(spec),
            shape: spec.shape.clone(),
        });
        let infos: Vec<TensorInfo> = infos.collect();
        let types: Vec<TensorType> = infos.iter().map(|info| info.tensor_type).collect();
        let mut needs = Needs::default();
        let mut total = 0;
        for (spec, info) in specs.iter().zip(&infos) {
            // Where there are none, the header says so.
            let bytes = info.byte_len().ok_or_else(|| {
                E::from(ModelError::Unstorable {
                    name: spec.name.clone(),
                    tensor_type: info.tensor_type,
                })
            })?;
            needs.count(spec, bytes);
            total += bytes as u64;
        }
        let folder = output.folder();
        let mut stream = GgufStream::new(self.metadata(), infos).map_err(ModelError::from)?;
        let mut shards = FolderWriter::create(&folder).map_err(ModelError::from)?;
        stream.start(&mut shards).map_err(ModelError::io(&folder))?;
        let mut progress = Progress::bytes("packing tensors", total);
        for (spec, tensor_type) in specs.iter().zip(types) {
            let tensor = provide(spec, tensor_type)?;
            let written = stream
                .push(&tensor, &mut shards)
                .map_err(ModelError::from)?;
            written.map_err(ModelError::io(&folder))?;
            progress.advance(tensor.data.len() as u64);
        }
        Ok(self.finish(shards, &needs, output)?)
    }

    fn write_shards(
        &self,
        writer: &GgufWriter,
        needs: &Needs,
        output: Output,
    ) -> Result<ModelManifest, ModelError> {
        let folder = output.folder();
        let mut shards = FolderWriter::create(&folder)?;
        writer.write(&mut shards).map_err(ModelError::io(&folder))?;
        self.finish(shards, needs, output)
    }

    /// Ends the shards and puts the model in its place.
    fn finish(
        &self,
        shards: FolderWriter,
        needs: &Needs,
        output: Output,
    ) -> Result<ModelManifest, ModelError> {
        let manifest = shards.finish(self.summary(needs)?)?;
        output.finish()?;
        Ok(manifest)
    }

    fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.set_string("general.architecture", "flamingo");
        metadata.set_string("general.name", &self.name);
        metadata.set_string("general.license", &self.licence);
        metadata.set_string("flamingo.config", self.config.to_json());
        metadata.set_string("tokenizer.huggingface.json", &self.tokenizer);
        metadata
    }

    fn summary(&self, needs: &Needs) -> Result<ModelSummary, ModelError> {
        let language = &self.config.language;
        let row = language.attention.key_width();
        let cache_values = 2 * language.layers * row * ESTIMATED_POSITIONS.min(language.context);
        Ok(ModelSummary {
            name: self.name.clone(),
            family: self.family.map(str::to_owned),
            licence: self.licence.clone(),
            parts: self.parts.clone(),
            // By way of its text: as a value, 1e-5 would have the digits of its f32.
            config: serde_json::from_str(&self.config.to_json()).map_err(ModelError::Json)?,
            required_gpu_limits: GpuLimits {
                max_buffer_size: needs.largest_buffer,
                max_storage_buffer_binding_size: needs.largest_buffer,
            },
            estimated_memory_bytes: needs.bytes + (cache_values * size_of::<f32>()) as u64,
        })
    }
}

/// The memory that tensors take once they are loaded.
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
pub fn storage_type(spec: &TensorSpec) -> TensorType {
    match (spec.role, spec.shape.as_slice()) {
        (TensorRole::Matrix, &[_, cols]) if TensorType::Q8_0.row_bytes(cols).is_some() => {
            TensorType::Q8_0
        }
        (TensorRole::Matrix | TensorRole::Dense, &[_, _]) => TensorType::F16,
        _ => TensorType::F32,
    }
}

/// Why a model cannot be written.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The parts' sizes do not make a model.
    #[error("the parts do not fit each other: {0}")]
    Config(#[from] ConfigError),
    /// A tensor has not the shape that the model needs.
    #[error("tensor `{name}` has the shape {found:?}, the model needs {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The model's.
        expected: Vec<usize>,
    },
    /// A tensor's rows are no whole number of the type's blocks.
    #[error("tensor `{name}` cannot be stored as {tensor_type:?}")]
    Unstorable {
        /// The tensor.
        name: String,
        /// The type.
        tensor_type: TensorType,
    },
    /// The collected file cannot be stored.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The configuration cannot be written as JSON.
    #[error("the configuration cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    /// A shard cannot be written.
    #[error("{}: {source}", folder.display())]
    Io {
        /// The folder of the shards.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The shards or their list cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The model cannot be put where it is to be.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl ModelError {
    fn io(folder: &Path) -> impl FnOnce(io::Error) -> Self {
        let folder = folder.to_owned();
        move |source| Self::Io { folder, source }
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
