//! What a caller of a Flamingo model holds: photos, clips and examples in, text out.
//!
//! ```text
//! bytes of a GGUF file ── ModelLoader ──▶ Model
//! bytes of a photo ── image ──▶ pixels ── preprocess, Model::encode ──▶ EncodedMedia
//! media and text ── prompt, tokenizer ──▶ tokens ── Model::generate ──▶ Generation
//! a task, its examples, its turns ── Session ──▶ prompt, generation, probabilities
//! a photo ── Model::embed, SupportSet ──▶ the examples nearest to it
//! ```
//!
//! Nothing here knows a file or a browser: bytes come in, whoever has them.
//! Only what reads back from the device is `async`.

mod attention_map;
pub mod decide;
mod error;
pub mod generate;
pub mod image;
mod latents_cache;
mod loader;
mod media;
mod model;
mod prefix;
pub mod preprocess;
pub mod prompt;
mod rehearsal;
pub mod score;
mod session;
pub mod support_set;
pub mod tokenizer;
mod tokenizer_steps;
mod vote;
mod weight_bytes;

pub use attention_map::AttentionMap;
pub use error::{LoadError, RuntimeError};
pub use generate::{
    Alternative, BeamOptions, Constraint, ConstraintError, GenerateOptions, Generation, Hypothesis,
    Pattern, StopReason, Timings, TokenPiece,
};
pub use image::{ImageError, ImagePixels};
pub use latents_cache::LATENTS_BUDGET;
pub use loader::ModelLoader;
pub use media::EncodedMedia;
pub use model::{Example, Model, ModelMemory, Segment};
pub use prefix::{PrefixCache, ReadPrompt};
pub use prompt::{PromptError, PromptFormat};
pub use rehearsal::Rehearsal;
pub use session::{Choice, ChoiceParts, ChooseOptions, Query, Session};
pub use support_set::{EncoderId, SupportEntry, SupportSet, SupportSetError};
pub use tokenizer::{Tokenizer, TokenizerError};
pub use vote::RESEMBLANCE;
pub use weight_bytes::WeightBytes;
