//! The parsers of `flamingo-runtime`: the same files, without those that compute.

#[path = "../../../../../crate/runtime/src/generate/constraint.rs"]
#[expect(dead_code, reason = "the decoding follows a constraint")]
mod constraint;
#[path = "../../../../../crate/runtime/src/image/mod.rs"]
pub mod image;
#[path = "../../../../../crate/runtime/src/prompt.rs"]
pub mod prompt;
#[path = "../../../../../crate/runtime/src/support_set.rs"]
pub mod support_set;
#[path = "../../../../../crate/runtime/src/tokenizer.rs"]
pub mod tokenizer;
#[path = "../../../../../crate/runtime/src/tokenizer_steps/mod.rs"]
mod tokenizer_steps;

pub use constraint::{Constraint, ConstraintError, Pattern};
pub use image::{ImageError, ImagePixels};
pub use prompt::{PromptError, PromptFormat};
pub use support_set::{SupportSet, SupportSetError};
pub use tokenizer::{Tokenizer, TokenizerError};
