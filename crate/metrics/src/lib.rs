//! Scores of captions, answers and classifications, as the field computes them.
//!
//! Everything here is a pure function of text and numbers: no model, no file.
//! Where a published implementation defines a score, this crate gives that
//! implementation's number, its quirks included, and the tests hold it to that.
//! Scores are fractions; tables of the field print them times 100.
//!
//! * [`mod@tokenize`]: captions into words, as the Penn Treebank tokenizer would
//! * [`captions`]: a candidate caption beside its references
//! * [`mod@cider`], [`mod@bleu`]: how well candidates agree with references
//! * [`vqa`]: answers to questions against those of ten people
//! * [`mod@exact_match`]: answers to questions with one right answer
//! * [`classification`]: accuracy, and area under the ROC curve
//! * [`postprocess`]: generations into captions and answers, as OpenFlamingo does
//! * [`bootstrap`]: how far a mean over items may be trusted

pub mod bleu;
pub mod bootstrap;
pub mod captions;
pub mod cider;
pub mod classification;
pub mod exact_match;
mod ngrams;
pub mod postprocess;
pub mod tokenize;
pub mod vqa;

pub use bleu::bleu;
pub use bootstrap::{Bootstrap, BootstrapError, ConfidenceInterval};
pub use captions::{CaptionError, CaptionedImage};
pub use cider::{CiderScores, cider};
pub use classification::{ClassificationError, accuracy, roc_auc};
pub use exact_match::exact_match;
pub use tokenize::tokenize;
pub use vqa::{VqaError, normalize_answer, simple_vqa_accuracy, vqa_accuracy};
