//! How the prompts of a family are spelled, and the ids of its tokens.

use std::path::Path;

use flamingo_architecture::config::{
    ImageSpelling, LanguageConfig, PromptConfig, Templates, TokensConfig,
};

use super::family::Family;
use crate::import::ImportError;
use crate::tokenizer::{AddedToken, TokenizerJson};

/// Where the ids of special tokens come from.
pub(crate) enum Ids<'a> {
    /// The tokenizer in this file, which gains the tokens that it lacks.
    Tokenizer(&'a Path, &'a mut TokenizerJson),
    /// Whoever asks knows them.
    Given(TokensConfig),
    /// The rows of the embedding, if the family's rule tells them.
    Rows,
}

/// The beginning of a text in LLaMA's vocabulary, and its end.
const LLAMA_BOS: u32 = 1;
const LLAMA_EOS: u32 = 2;

/// Begins and ends every text in OPT's vocabulary.
const OPT_EOS: u32 = 2;

/// The prompts of this family, around this language model.
pub(crate) fn config(
    family: Family,
    language: &LanguageConfig,
    mut ids: Ids<'_>,
) -> Result<(TokensConfig, PromptConfig), ImportError> {
    match family {
        Family::OpenFlamingo => open_flamingo(family, language, &mut ids),
        Family::OpenFlamingo1 | Family::MedFlamingo => open_flamingo_1(family, language, &mut ids),
        Family::Otter => otter(language, &mut ids),
        Family::Idefics | Family::IdeficsInstruct => idefics(family, language, &mut ids),
        Family::FlamingoMini => flamingo_mini(&mut ids),
    }
}

impl Ids<'_> {
    /// The ids of `tokens`, which were added to the vocabulary in this order, special all.
    fn added<const N: usize>(
        &mut self,
        family: Family,
        tokens: [&'static str; N],
    ) -> Result<Option<[u32; N]>, ImportError> {
        let Self::Tokenizer(path, tokenizer) = self else {
            return Ok(None);
        };
        let mut next = tokenizer.vocab_size();
        let mut added = [0; N];
        for (id, token) in added.iter_mut().zip(tokens) {
            *id = match tokenizer.id_of(token) {
                Some(id) => id,
                None => {
                    let id = u32::try_from(next).map_err(|_| ImportError::MissingToken {
                        path: path.to_path_buf(),
                        token,
                        family: family.title(),
                    })?;
                    next += 1;
                    id
                }
            };
        }
        let list = added
            .into_iter()
            .zip(tokens)
            .map(|(id, content)| AddedToken {
                content,
                id,
                special: true,
            });
        tokenizer.add(&list.collect::<Vec<_>>())?;
        Ok(Some(added))
    }

    /// The id of a token that the tokenizer must have.
    fn own(&self, family: Family, token: &'static str) -> Result<Option<u32>, ImportError> {
        let Self::Tokenizer(path, tokenizer) = self else {
            return Ok(None);
        };
        let id = tokenizer.id_of(token);
        id.map(Some).ok_or_else(|| ImportError::MissingToken {
            path: path.to_path_buf(),
            token,
            family: family.title(),
        })
    }
}

/// Ids of OpenFlamingo's three tokens (`src/factory.py`): they follow the tokenizer's own and
/// are the last rows of the embedding.
fn open_flamingo_ids(
    family: Family,
    language: &LanguageConfig,
    ids: &mut Ids<'_>,
) -> Result<[u32; 3], ImportError> {
    let rows = u32::try_from(language.vocab_size).unwrap_or(u32::MAX);
    let by_rows = [3, 2, 1].map(|from_end| rows.saturating_sub(from_end));
    if let Ids::Given(tokens) = ids {
        let [_, _, pad] = by_rows;
        return Ok([tokens.end_of_chunk, tokens.image, pad]);
    }
    let Some(found) = ids.added(family, [END_OF_CHUNK, IMAGE, "<PAD>"])? else {
        return Ok(by_rows);
    };
    match ids {
        Ids::Tokenizer(path, _) if found != by_rows => Err(ImportError::UnfittingTokenizer {
            path: path.to_path_buf(),
            found: found[0] as usize,
            expected: by_rows[0] as usize,
        }),
        _ => Ok(found),
    }
}

/// The question about a meme, in the words of OpenFlamingo.
const MEME: &str = "is an image with: '{question}' written on it. Is it hateful?";

const END_OF_CHUNK: &str = "<|endofchunk|>";
const IMAGE: &str = "<image>";

fn open_flamingo(
    family: Family,
    language: &LanguageConfig,
    ids: &mut Ids<'_>,
) -> Result<(TokensConfig, PromptConfig), ImportError> {
    let [end_of_chunk, image, pad] = open_flamingo_ids(family, language, ids)?;
    let tokens = TokensConfig {
        image,
        end_of_chunk,
    };
    let prompt = PromptConfig {
        // What upstream's evaluation cuts answers at.
        stop: vec!["Output".to_owned(), "Question".to_owned()],
        banned: vec![pad],
        ..PromptConfig::open_flamingo(tokens)
    };
    Ok((tokens, prompt))
}

/// The head of version 1 has no rows for the added tokens that anyone trained: they were
/// drawn anew at every load. So they are never written, and texts and `</s>` end an answer.
fn open_flamingo_1(
    family: Family,
    language: &LanguageConfig,
    ids: &mut Ids<'_>,
) -> Result<(TokensConfig, PromptConfig), ImportError> {
    let [end_of_chunk, image, pad] = open_flamingo_ids(family, language, ids)?;
    let tokens = TokensConfig {
        image,
        end_of_chunk: LLAMA_EOS,
    };
    let upstream = PromptConfig::open_flamingo(tokens);
    let templates = match family {
        Family::MedFlamingo => Templates {
            visual_question: "<image>Question: {question} Answer: {answer}<|endofchunk|>"
                .to_owned(),
            ..upstream.templates
        },
        _ => upstream.templates,
    };
    let prompt = PromptConfig {
        begin: vec![LLAMA_BOS],
        end_of_answer: vec![end_of_chunk],
        stop: vec!["Output".to_owned(), "Question".to_owned()],
        banned: vec![end_of_chunk, image, pad],
        templates,
        ..upstream
    };
    Ok((tokens, prompt))
}

/// `<image>User: {question} GPT:<answer> {answer}<|endofchunk|>`, the token `<answer>`
/// between OpenFlamingo's and the padding.
fn otter(
    language: &LanguageConfig,
    ids: &mut Ids<'_>,
) -> Result<(TokensConfig, PromptConfig), ImportError> {
    let family = Family::Otter;
    let [end_of_chunk, image] = match ids {
        Ids::Given(tokens) => [tokens.end_of_chunk, tokens.image],
        _ => {
            let tokens = [END_OF_CHUNK, IMAGE, "<answer>", "<PAD>"];
            let Some([end_of_chunk, image, ..]) = ids.added(family, tokens)? else {
                return Err(ImportError::NoTokenizer {
                    family: family.title(),
                    tokenizer: "in the checkpoint's own repository",
                });
            };
            [end_of_chunk, image]
        }
    };
    let tokens = TokensConfig {
        image,
        end_of_chunk,
    };
    let ask =
        |question: &str| format!("<image>User: {question} GPT:<answer> {{answer}}<|endofchunk|>");
    // ALiBi is MPT's: its tokenizer puts nothing before a text, LLaMA's does.
    let is_llama = language.feed_forward.gated;
    let prompt = PromptConfig {
        begin: if is_llama {
            vec![LLAMA_BOS]
        } else {
            Vec::new()
        },
        templates: Templates {
            caption: ask("What does the image describe?"),
            visual_question: ask("{question}"),
            classification: ask("What is in the image?"),
            hateful_memes: ask(MEME),
        },
        ..PromptConfig::open_flamingo(tokens)
    };
    Ok((tokens, prompt))
}

/// `IdeficsProcessor`: `<s>`, texts without the spaces around them, and each image between
/// two tokens, of which neighbours share one. Dialogues end each turn, that of the question
/// too, with `<end_of_utterance>`: `<|endofchunk|>` stands for it in both places.
fn idefics(
    family: Family,
    language: &LanguageConfig,
    ids: &mut Ids<'_>,
) -> Result<(TokensConfig, PromptConfig), ImportError> {
    const FAKE: &str = "<fake_token_around_image>";
    const UTTERANCE: &str = "<end_of_utterance>";
    // The added rows follow the vocabulary in this order.
    let rows = u32::try_from(language.vocab_size).unwrap_or(u32::MAX);
    let by_rows = [0, 1, 2].map(|behind| rows.saturating_add(behind));
    let [fake, image, utterance] = match family {
        Family::IdeficsInstruct => ids.added(family, [FAKE, IMAGE, UTTERANCE])?,
        _ => ids
            .added(family, [FAKE, IMAGE])?
            .map(|[fake, image]| [fake, image, LLAMA_EOS]),
    }
    .unwrap_or(by_rows);
    let (end, templates) = match family {
        Family::IdeficsInstruct => {
            let ask = |question: &str| {
                let turn = format!("User:<image>{question}<|endofchunk|>");
                format!("{turn}\nAssistant: {{answer}}<|endofchunk|>\n")
            };
            let templates = Templates {
                caption: ask("Describe this image."),
                visual_question: ask("{question}"),
                classification: ask("What is in this image?"),
                hateful_memes: ask(MEME),
            };
            (utterance, templates)
        }
        _ => {
            let shot = |text: &str| format!("<image>{text} {{answer}}<|endofchunk|>\n\n");
            let templates = Templates {
                caption: shot("Caption:"),
                visual_question: shot("Question: {question} Answer:"),
                classification: shot("Output:"),
                hateful_memes: shot(&format!("{MEME} Answer:")),
            };
            (LLAMA_EOS, templates)
        }
    };
    let tokens = TokensConfig {
        image,
        end_of_chunk: end,
    };
    let is_base = family == Family::Idefics;
    let prompt = PromptConfig {
        begin: vec![LLAMA_BOS],
        image: ImageSpelling {
            before: vec![fake],
            behind: vec![fake],
            shared: true,
        },
        trim_texts: true,
        // A shot of the base model ends with an empty line and no token.
        end_of_answer: if is_base { Vec::new() } else { vec![end] },
        end_ids: vec![LLAMA_EOS],
        stop: if is_base {
            vec!["\n".to_owned()]
        } else {
            Vec::new()
        },
        banned: vec![fake, image],
        templates,
    };
    Ok((tokens, prompt))
}

/// `</s><image>`, the image spelled with OPT's ordinary tokens, and the caption up to
/// `<EOC></s>`.
fn flamingo_mini(ids: &mut Ids<'_>) -> Result<(TokensConfig, PromptConfig), ImportError> {
    let family = Family::FlamingoMini;
    let (tokens, behind) = match ids {
        Ids::Given(tokens) => (*tokens, Vec::new()),
        _ => {
            let mut spelled = Vec::new();
            for token in ["<", "image", ">"] {
                spelled.extend(ids.own(family, token)?);
            }
            let end_of_chunk = ids.added(family, ["<EOC>"])?;
            let (Some([end_of_chunk]), Some((&image, behind))) =
                (end_of_chunk, spelled.split_first())
            else {
                return Err(ImportError::NoTokenizer {
                    family: family.title(),
                    tokenizer: "facebook/opt-30b: vocab.json and merges.txt",
                });
            };
            let tokens = TokensConfig {
                image,
                end_of_chunk,
            };
            (tokens, behind.to_vec())
        }
    };
    let prompt = PromptConfig {
        begin: vec![OPT_EOS],
        image: ImageSpelling {
            before: Vec::new(),
            behind,
            shared: false,
        },
        trim_texts: false,
        end_of_answer: vec![tokens.end_of_chunk, OPT_EOS],
        end_ids: vec![OPT_EOS],
        stop: Vec::new(),
        banned: Vec::new(),
        // Trained on captions only; questions are asked as OpenFlamingo asks them.
        templates: Templates {
            caption: "<image>{answer}<|endofchunk|>".to_owned(),
            visual_question: "<image>Question: {question} Answer:{answer}<|endofchunk|>".to_owned(),
            classification: "<image>{answer}<|endofchunk|>".to_owned(),
            hateful_memes: format!("<image>{MEME} Answer:{{answer}}<|endofchunk|>"),
        },
    };
    Ok((tokens, prompt))
}
