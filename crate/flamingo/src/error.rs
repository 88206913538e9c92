//! What can go wrong with a model and with what it is asked.

use flamingo_architecture::ConfigError;
use flamingo_kernels::KernelError;
use flamingo_weights::blocks::BlockError;
use thiserror::Error;

/// Why bytes are not usable as weights.
#[derive(Debug, Error)]
pub enum WeightError {
    /// A linear layer or embedding table cannot be made of them.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// They cannot be unpacked.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// One of them is infinite or no number, so every answer would be too.
    #[error(
        "element {index}, or the scale of its block, is not a finite number; \
         the file is damaged or was converted wrongly"
    )]
    NotFinite {
        /// Index of the element, row-major, or of the first one of its block.
        index: usize,
    },
}

/// Why a model could not be built or run.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The configuration describes no possible model.
    #[error("invalid model configuration: {0}")]
    Config(#[from] ConfigError),
    /// A tensor came that the configuration has no place for.
    #[error("the model has no tensor named {name:?}; was it converted for another architecture?")]
    UnexpectedTensor {
        /// Name of the tensor.
        name: String,
    },
    /// The same tensor came twice.
    #[error("tensor {name:?} appears twice")]
    DuplicateTensor {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor's shape is not what the configuration asks for.
    #[error("tensor {name:?} has shape {found:?}, the configuration asks for {expected:?}")]
    ShapeMismatch {
        /// Name of the tensor.
        name: String,
        /// Shape that came, outermost first.
        found: Vec<usize>,
        /// Shape that was expected, outermost first.
        expected: Vec<usize>,
    },
    /// Tensors the configuration asks for never came.
    #[error("{count} tensors are missing, the first is {first:?}; the file is incomplete")]
    MissingTensors {
        /// How many.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// The bytes of a tensor are not weights of its shape.
    #[error("tensor {name:?} cannot be used: {source}")]
    Weight {
        /// Name of the tensor.
        name: String,
        /// The reason.
        source: WeightError,
    },
    /// The pixels handed in are not one image of the model's size.
    #[error("an image of {expected} values was expected (size × size × 3), {found} came")]
    PixelCount {
        /// Number of values expected.
        expected: usize,
        /// Number of values that came.
        found: usize,
    },
    /// A pixel that is infinite or no number.
    #[error("value {index} of the image is {value}, which is not a finite number")]
    PixelNotFinite {
        /// Index of the value, row by row, RGB interleaved.
        index: usize,
        /// The value.
        value: f32,
    },
    /// An operand that another model made, or this one on another device.
    #[error("{what} were made by another model or on another device; make them with this model")]
    OtherModel {
        /// Which operand.
        what: &'static str,
    },
    /// A clip without frames.
    #[error("a clip needs at least one frame")]
    NoFrames,
    /// A clip of several frames for a model without a resampler.
    #[error("this model takes single images: it has no resampler to make one of {frames} frames")]
    ClipWithoutResampler {
        /// Frames of the clip.
        frames: usize,
    },
    /// The prompt holds more images than there are media embeddings.
    #[error("image {index} was given, the model takes at most {max} images in a prompt")]
    TooManyMedia {
        /// Index of the image in the prompt, from 0.
        index: usize,
        /// Media embeddings in the model.
        max: usize,
    },
    /// Nothing to run.
    #[error("a forward pass needs at least one token")]
    NoTokens,
    /// A token id outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocab}")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Size of the vocabulary, extra tokens included.
        vocab: usize,
    },
    /// A place of an image that is not one of the tokens, or not behind the one before.
    #[error("image place {place} is not one of {tokens} tokens, or not behind the place before")]
    ImagePlace {
        /// The place, from 0.
        place: usize,
        /// Number of tokens.
        tokens: usize,
    },
    /// More places of images than images. Upstream would let such text attend
    /// to all images alike (FLAMINGO.md, trap 5).
    #[error("the text has {places} places of images but only {images} images were given")]
    MorePlacesThanImages {
        /// Places of images so far.
        places: usize,
        /// Images given.
        images: usize,
    },
    /// A token of a branch follows one that does not come before it.
    #[error(
        "row {row} of a branch has row {history} in its history, which does not come before it"
    )]
    BranchHistory {
        /// The token's own row.
        row: u32,
        /// The row it names.
        history: u32,
    },
    /// The sequence does not fit.
    #[error("a sequence of {length} tokens does not fit the context of {context}")]
    ContextExceeded {
        /// Length the sequence would have.
        length: usize,
        /// The model's context.
        context: usize,
    },
}
