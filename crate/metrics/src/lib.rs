//! Scores of captions, as the field computes them.
//! Everything here is a pure function of text and numbers: no model, no file.
//! Where a published implementation defines a score, this crate gives that
//! implementation's number, its quirks included, and the tests hold it to that.
//! Scores are fractions; tables of the field print them times 100.
//!
//! * [`mod@tokenize`]: captions into words, as the Penn Treebank tokenizer would
//! * [`captions`]: a candidate caption beside its references
//! * [`mod@cider`], [`mod@bleu`]: how well candidates agree with references

pub mod bleu;
pub mod captions;
pub mod cider;
mod ngrams;
pub mod tokenize;

pub use bleu::bleu;
pub use captions::{CaptionError, CaptionedImage};
pub use cider::{CiderScores, cider};
pub use tokenize::tokenize;
