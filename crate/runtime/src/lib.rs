//! What a caller of a Flamingo model holds: photos and examples in, text out.
//!
//! ```text
//! bytes of a GGUF file ── ModelLoader ──▶ Model
//! bytes of a photo ── image ──▶ pixels ── preprocess, Model::encode ──▶ EncodedImage
//! images and text ── prompt, tokenizer ──▶ tokens ── Model::generate ──▶ Generation
//! ```
//!
//! Nothing here knows a file or a browser: bytes come in, whoever has them.
//! Only what reads back from the device is `async`.

mod error;
pub mod generate;
pub mod image;
mod loader;
mod model;
pub mod preprocess;
pub mod prompt;
pub mod tokenizer;

pub use error::{LoadError, RuntimeError};
pub use generate::{GenerateOptions, Generation, StopReason, Timings, TokenPiece};
pub use image::{ImageError, ImagePixels};
pub use loader::ModelLoader;
pub use model::{EncodedImage, Model, Segment, Shot};
pub use prompt::PromptError;
pub use tokenizer::{Tokenizer, TokenizerError};
