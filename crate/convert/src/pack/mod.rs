//! Models made out of pretrained parts, or of random numbers in the shape of some.
//!
//! * `default_model`, `tiny`, `open_flamingo`: the models
//! * `parts`: the files that hold the pretrained parts
//! * `language`, `bridges`, `efficientnet`: what each part gives
//! * `tokenizer`: the tokenizer as one JSON text
//! * `random`: weights of those that have none of their own

mod bridges;
pub(crate) mod default_model;
mod efficientnet;
mod error;
mod language;
pub(crate) mod open_flamingo;
mod parts;
mod random;
pub(crate) mod tiny;
mod tokenizer;

pub use error::PackError;
