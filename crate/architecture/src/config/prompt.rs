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
    /// The tokens of an image.
    pub image: ImageSpelling,
    /// Whether the spaces around each text between images are dropped (IDEFICS).
    pub trim_texts: bool,
    /// Ids behind the answer of a shot: where a template says `<|endofchunk|>`. Dialogues say it
    /// behind the question too.
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
    /// Whether a meme is hateful; the question is the text written on the image.
    pub hateful_memes: String,
}

/// A task that every model has a template for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Captions.
    #[default]
    Caption,
    /// Questions about an image.
    VisualQuestion,
    /// Names of what an image shows.
    Classification,
    /// Whether a meme is hateful.
    HatefulMemes,
}

/// OpenFlamingo's captions.
/// Source: open_flamingo/eval/models/open_flamingo.py, `get_caption_prompt`; shots end
/// with a line break (eval/evaluate.py).
pub const CAPTION: &str = "<image>Output:{answer}<|endofchunk|>\n";

/// OpenFlamingo's questions. Source: as above, `get_vqa_prompt`.
pub const VISUAL_QUESTION: &str =
    "<image>Question:{question} Short answer:{answer}<|endofchunk|>\n";

/// OpenFlamingo's classes of ImageNet, without a separator between shots.
/// Source: as above, `get_imagenet_prompt`.
pub const CLASSIFICATION: &str = "<image>Output:{answer}<|endofchunk|>";

/// OpenFlamingo's hateful memes; the question is the text written on the image.
/// Source: as above, `get_hateful_memes_prompt`.
pub const HATEFUL_MEMES: &str = "<image>is an image with: '{question}' written on it. \
     Is it hateful? Answer:{answer}<|endofchunk|>";

impl Templates {
    /// OpenFlamingo's.
    pub fn open_flamingo() -> Self {
        Self {
            caption: CAPTION.to_owned(),
            visual_question: VISUAL_QUESTION.to_owned(),
            classification: CLASSIFICATION.to_owned(),
            hateful_memes: HATEFUL_MEMES.to_owned(),
        }
    }

    /// The template of a task.
    pub fn of(&self, task: Task) -> &str {
        match task {
            Task::Caption => &self.caption,
            Task::VisualQuestion => &self.visual_question,
            Task::Classification => &self.classification,
            Task::HatefulMemes => &self.hateful_memes,
        }
    }
}

impl PromptConfig {
    /// OpenFlamingo's prompts.
    pub fn open_flamingo(tokens: TokensConfig) -> Self {
        Self {
            begin: Vec::new(),
            image: ImageSpelling::default(),
            trim_texts: false,
            end_of_answer: vec![tokens.end_of_chunk],
            end_ids: Vec::new(),
            stop: Vec::new(),
            banned: Vec::new(),
            templates: Templates::open_flamingo(),
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
