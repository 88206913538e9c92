//! What can go wrong between a photo and its caption, and while loading.

use flamingo::{ConfigError, ModelError};
use flamingo_kernels::DeviceError;
use flamingo_weights::gguf::{GgufError, MetadataError};
use thiserror::Error;

use crate::decide::SchemaError;
use crate::generate::ConstraintError;
use crate::image::ImageError;
use crate::prompt::PromptError;
use crate::tokenizer::TokenizerError;

/// Why an image could not be encoded or a prompt not be answered.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The file gave no pixels.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The prompt cannot be run.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// Tokens could not be turned into text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The model refused what it was asked.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The device computed something that is no number.
    #[error(
        "the device returned {what} that are not finite numbers; \
         its driver is broken or the model's file is, try the CPU"
    )]
    NotFinite {
        /// What was computed.
        what: &'static str,
    },
    /// An option of decoding that makes no sense.
    #[error("{option} is {value}, expected a number from {least} to {most}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        value: f32,
        /// The least it may be.
        least: f32,
        /// The most it may be.
        most: f32,
    },
    /// A stop text that would stop everything.
    #[error("a stop text is empty; leave it out to stop at the model's own end only")]
    EmptyStop,
    /// No token may come next.
    #[error(
        "no token is allowed to come next; the banned tokens and the constraint \
         exclude all"
    )]
    NothingAllowed,
    /// An answer to be scored has no tokens.
    #[error("answer {index} is empty; every answer needs at least one character")]
    EmptyAnswer {
        /// Its place in the list.
        index: usize,
    },
    /// A schema by which nothing can be decided.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The answer of an example that is no value of the schema.
    #[error("example {index}: its answer cannot be used with the schema: {reason}")]
    ShotValue {
        /// Its place among the examples, from 0.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// A text cannot be constrained as asked.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// An image that another model encoded.
    #[error(
        "an encoded image has shape {found:?}, this model's have {expected:?}; encode it again"
    )]
    ForeignImage {
        /// Shape of the image's latents or features, `[rows, width]`.
        found: [usize; 2],
        /// Shape this model makes.
        expected: [usize; 2],
    },
}

/// Why a file gave no model.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The bytes are not a whole GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// Not even the file's header arrived.
    #[error("the model's file is empty or ends in its header")]
    NoHeader,
    /// Weights that memory cannot hold, by the file's header.
    #[error(
        "the weights take {needed} bytes, and {available} can be addressed here; load the model \
         with WebGPU, pack it in a smaller type, or run it with the native program"
    )]
    TooLarge {
        /// Bytes of all tensors.
        needed: u64,
        /// Bytes that can be addressed.
        available: u64,
    },
    /// The file lacks an entry every Flamingo model has.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A GGUF file of something else.
    #[error("the file holds a model of architecture {found:?}, expected \"flamingo\"")]
    Architecture {
        /// The architecture the file names.
        found: String,
    },
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The tokenizer cannot be read or is another model's.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The tensors do not make the model that the configuration describes.
    #[error(transparent)]
    Model(#[from] ModelError),
}
