//! The things that an output depends on besides the model and the options: the item, its
//! images, and the examples that stand before it.

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::images::Images;
use super::items::{Expected, Item};
use super::results::Run;
use super::{Data, EvalArgs, EvalError, Selection};
use crate::model_source::hexadecimal;

/// Hashes of what outputs depend on. Those of images are made once.
#[derive(Default)]
pub(super) struct Traces {
    /// By the name of an image, and whether it is one of the support file's.
    images: HashMap<(bool, String), String>,
    /// Of all of the support file.
    support: Option<String>,
}

/// The things that an output depends on.
#[derive(Serialize)]
struct Depends<'a> {
    /// Which format of a prompt: that of a kind of item, with a question or without.
    kind: String,
    query: Shown<'a>,
    /// The texts whose probabilities are compared.
    choices: &'a [String],
    examples: Examples<'a>,
}

/// An image with texts, by what is in it.
#[derive(Serialize)]
struct Shown<'a> {
    /// SHA-256 of each file; none of an example of text only.
    images: Vec<String>,
    question: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
enum Examples<'a> {
    /// These, in this order.
    Given(Vec<Shown<'a>>),
    /// The nearest of the whole support file.
    Nearest {
        support: String,
        count: usize,
        group: &'a str,
        besides: &'a [String],
    },
}

impl Traces {
    /// SHA-256 of what an output depends on, in hexadecimal.
    ///
    /// # Errors
    /// Where an image cannot be read or there are too few examples.
    pub(super) fn of(
        &mut self,
        args: &EvalArgs,
        data: &Data,
        run: Run,
    ) -> Result<String, EvalError> {
        let item = &data.items[run.item];
        let depends = Depends {
            kind: format!("{:?}, {}", item.expected.kind(), item.question.is_empty()),
            query: Shown {
                images: self.images(&data.item_images, false, &item.frames)?,
                question: &item.question,
                text: "",
            },
            choices: match &item.expected {
                Expected::Choice { choices, .. } => choices,
                Expected::Label(_) => &data.classes,
                Expected::Captions(_) | Expected::Answers(_) | Expected::Pattern(_) => &[],
            },
            examples: self.examples(args, data, run, item)?,
        };
        hash(&depends)
    }

    fn examples<'a>(
        &mut self,
        args: &EvalArgs,
        data: &'a Data,
        run: Run,
        item: &'a Item,
    ) -> Result<Examples<'a>, EvalError> {
        if let Some(shots) = &item.shots {
            let shown = shots.iter().map(|shot| {
                Ok(Shown {
                    images: self.images(&data.item_images, false, &shot.frames)?,
                    question: &shot.question,
                    text: &shot.text,
                })
            });
            return shown.collect::<Result<_, EvalError>>().map(Examples::Given);
        }
        let count = args.examples(run.shots);
        if count == 0 {
            return Ok(Examples::Given(Vec::new()));
        }
        match args.select {
            Selection::Random => {
                let places = data.draw(run, item, count)?;
                let with_images = run.shots > 0;
                let shown = places
                    .into_iter()
                    .map(|place| self.example(data, place, with_images));
                shown.collect::<Result<_, EvalError>>().map(Examples::Given)
            }
            Selection::Rices => Ok(Examples::Nearest {
                support: self.support(data)?,
                count,
                group: &item.group,
                besides: &item.frames,
            }),
        }
    }

    fn example<'a>(
        &mut self,
        data: &'a Data,
        place: usize,
        with_images: bool,
    ) -> Result<Shown<'a>, EvalError> {
        let item = &data.support[place];
        let images = match with_images {
            true => self.images(data.images_of_support()?, true, &item.frames)?,
            false => Vec::new(),
        };
        Ok(Shown {
            images,
            question: &item.question,
            text: item.expected.example_text(),
        })
    }

    /// Of the whole support file, in its order.
    fn support(&mut self, data: &Data) -> Result<String, EvalError> {
        if let Some(known) = &self.support {
            return Ok(known.clone());
        }
        let mut shown = Vec::with_capacity(data.support.len());
        for (place, item) in data.support.iter().enumerate() {
            shown.push((&item.frames, &item.group, self.example(data, place, true)?));
        }
        let support = hash(&shown)?;
        self.support = Some(support.clone());
        Ok(support)
    }

    fn images(
        &mut self,
        images: &Images,
        of_support: bool,
        names: &[String],
    ) -> Result<Vec<String>, EvalError> {
        let hash = |name: &String| {
            let key = (of_support, name.clone());
            if let Some(known) = self.images.get(&key) {
                return Ok(known.clone());
            }
            let hash = images.sha256(name)?;
            self.images.insert(key, hash.clone());
            Ok(hash)
        };
        names.iter().map(hash).collect()
    }
}

fn hash(value: &impl Serialize) -> Result<String, EvalError> {
    let json = serde_json::to_vec(value).map_err(EvalError::Trace)?;
    Ok(hexadecimal(&Sha256::digest(json)))
}
