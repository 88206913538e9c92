//! How prompts of a model are spelled.

use serde::{Deserialize, Serialize};

use super::{MAX_COUNT, TokensConfig};
use crate::error::ConfigError;

/// How a model's prompts are spelled: what it was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptConfig {
    /// Ids before every prompt, such as `<s>`.
    pub begin: Vec<u32>,
    /// What stands where an image stands.
    pub image: ImageSpelling,
    /// Whether the spaces around each text between images are dropped (IDEFICS).
    pub trim_texts: bool,
    /// Ids behind the answer of a shot: where a template says `<|endofchunk|>`.
    pub end_of_answer: Vec<u32>,
    /// Ids beside `tokens.end_of_chunk` that end generation.
    pub end_ids: Vec<u32>,
    /// Texts that end generation and do not belong to the answer.
    pub stop: Vec<String>,
    /// Ids that are never generated, beside special tokens.
    pub banned: Vec<u32>,
    /// The texts of the tasks.
    pub templates: Templates,
}

/// Ids that stand where an image stands, around `tokens.image`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpelling {
    /// Before it.
    pub before: Vec<u32>,
    /// Behind it.
    pub behind: Vec<u32>,
    /// Whether neighbouring images share what stands between them: `behind` of the first
    /// is written, `before` of the second is not (IDEFICS).
    pub shared: bool,
}

/// The text of one shot of each task, with `<image>`, `{question}`, `{answer}` and
/// `<|endofchunk|>` in their places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Templates {
    /// Captions.
    pub caption: String,
    /// Questions about an image.
    pub visual_question: String,
    /// Names of what an image shows.
    pub classification: String,
}

impl PromptConfig {
    /// OpenFlamingo's prompts. Source: open_flamingo/eval/models/open_flamingo.py,
    /// `get_caption_prompt`, `get_vqa_prompt`, `get_imagenet_prompt`; shots of the first two
    /// end with a line break (eval/evaluate.py).
    pub fn open_flamingo(tokens: TokensConfig) -> Self {
        Self {
            begin: Vec::new(),
            image: ImageSpelling::default(),
            trim_texts: false,
            end_of_answer: vec![tokens.end_of_chunk],
            end_ids: Vec::new(),
            stop: Vec::new(),
            banned: Vec::new(),
            templates: Templates {
                caption: "<image>Output:{answer}<|endofchunk|>\n".to_owned(),
                visual_question: "<image>Question:{question} Short answer:{answer}<|endofchunk|>\n"
                    .to_owned(),
                classification: "<image>Output:{answer}<|endofchunk|>".to_owned(),
            },
        }
    }

    pub(super) fn validate(&self, vocab: usize) -> Result<(), ConfigError> {
        let ids = [
            &self.begin,
            &self.image.before,
            &self.image.behind,
            &self.end_of_answer,
            &self.end_ids,
            &self.banned,
        ];
        for ids in ids {
            if ids.len() > MAX_COUNT {
                return Err(ConfigError::OutOfRange {
                    field: "prompt ids",
                    value: ids.len(),
                    max: MAX_COUNT,
                });
            }
            if ids.iter().any(|&id| id as usize >= vocab) {
                return Err(ConfigError::Contradiction(
                    "an id of the prompt's spelling lies outside the vocabulary",
                ));
            }
        }
        if self.stop.len() > MAX_COUNT || self.stop.iter().any(String::is_empty) {
            return Err(ConfigError::Contradiction(
                "prompt.stop needs texts that are not empty, at most 1024",
            ));
        }
        Ok(())
    }
}
