//! `flamingo check`: whether a model computes what it should, as far as a page of text and
//! a few photos can tell.
//!
//! A conversion can go wrong without an error: rows in another order, a wrong rotary
//! embedding, gates that stayed shut. What comes out is fluent noise, or fluent captions of
//! no photo. Two measurements tell both: how surprised the language model is by plain
//! English, and whether captions that people wrote fit their own photos best.

mod photos;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use flamingo_convert::progress::Progress;
use flamingo_runtime::prompt::Task;
use flamingo_runtime::{ChooseOptions, ImagePixels, Model, Query, RuntimeError, Session};
use futures_lite::future::block_on;
use thiserror::Error;

use crate::device::DeviceChoice;
use crate::failure::Failure;
use crate::model_args::ModelArgs;
use photos::PHOTOS;

/// Plain English that no model was trained on.
const ENGLISH: &str = include_str!("english.txt");

/// Perplexity that no sound language model exceeds on the text. SmolLM2-135M has 33; a
/// model whose queries and keys are in a wrong order has hundreds and more.
const MOST_PERPLEXITY: f64 = 60.0;

/// Photos, of [`PHOTOS`], that a model must find among all by chance no more than once in
/// 600 models.
const LEAST_PHOTOS: usize = 5;

/// Difference of two photos' log-probabilities up to which they are the same photo to a model.
const SAME_WEIGHT: f64 = 1e-9;

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Folder with a model.json and its shards, that model.json, or a single GGUF file
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Where to compute
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
}

/// A model that does not compute what it should.
#[derive(Debug, Error)]
pub(crate) enum CheckError {
    /// The language model is surprised by plain English.
    #[error(
        "the language model's perplexity on plain English is {perplexity:.0}, expected at most \
         {MOST_PERPLEXITY}; likely causes: rows of queries and keys in another order than the \
         rotary embedding's style, a wrong kind of positions or norms, the tokenizer of another \
         model, or damaged weights"
    )]
    Language {
        /// Its perplexity.
        perplexity: f64,
    },
    /// Photos change nothing about the captions' likelihoods.
    #[error(
        "no photo reaches the text: each caption is as likely with one as with any other; likely \
         causes: gates of the cross-attention that are 0, or blocks that were not loaded"
    )]
    Blind,
    /// Captions do not fit their photos.
    #[error(
        "{found} of {total} photos are told apart by their captions, expected {LEAST_PHOTOS} or \
         more; likely causes: features of the vision encoder in another order, a class token or \
         final norm that the model was not trained with, or a resampler of another model"
    )]
    Photos {
        /// Photos whose own caption fits best.
        found: usize,
        /// Photos in all.
        total: usize,
    },
}

/// Measures a model and says what was expected.
///
/// # Errors
/// If the model cannot be loaded or does not compute what it should.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let model = ModelArgs {
        model: args.model.clone(),
        device: args.device,
        int8_activations: false,
    }
    .load()?;
    let mut out = io::stdout().lock();
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| Failure::Run { what, source }
    };

    let perplexity =
        block_on(model.perplexity(ENGLISH)).map_err(failed("reading plain English"))?;
    writeln!(
        out,
        "Language  perplexity {perplexity:.1} on plain English, expected at most {MOST_PERPLEXITY}"
    )
    .map_err(Failure::Output)?;
    let fits = block_on(weigh_photos(&model)).map_err(failed("captioning the photos"))?;
    let found = own_caption_is_best(&fits);
    let total = fits.len();
    writeln!(
        out,
        "Photos    {found} of {total} told apart by their captions, expected {LEAST_PHOTOS} or \
         more; by chance 1"
    )
    .map_err(Failure::Output)?;
    if perplexity.is_nan() || perplexity > MOST_PERPLEXITY {
        return Err(CheckError::Language { perplexity }.into());
    }
    if all_alike(&fits) {
        return Err(CheckError::Blind.into());
    }
    if found < LEAST_PHOTOS {
        return Err(CheckError::Photos { found, total }.into());
    }
    writeln!(out, "The model computes what it should.").map_err(Failure::Output)
}

/// How much likelier each photo makes each of the captions, `[photo][caption]`.
async fn weigh_photos(model: &Model) -> Result<Vec<Vec<f64>>, RuntimeError> {
    let captions: Vec<String> = PHOTOS
        .iter()
        .map(|photo| photo.caption.to_owned())
        .collect();
    let mut session = Session::new(model, model.format(Task::Caption)?, Vec::new());
    let options = ChooseOptions {
        calibrated: true,
        ..ChooseOptions::default()
    };
    let mut progress = Progress::items("captioning photos", PHOTOS.len() as u64);
    let mut fits = Vec::with_capacity(PHOTOS.len());
    for photo in PHOTOS {
        let pixels = ImagePixels::decode(photo.file)?;
        let query = Query {
            media: Some(model.encode_pixels(&pixels).await?),
            question: String::new(),
        };
        fits.push(session.weigh(model, &query, &captions, &options).await?);
        progress.advance(1);
    }
    Ok(fits)
}

/// Whether every photo makes the captions as likely as the first one does.
fn all_alike(fits: &[Vec<f64>]) -> bool {
    fits.windows(2).all(|pair| {
        let both = pair[0].iter().zip(&pair[1]);
        both.into_iter().all(|(a, b)| (a - b).abs() < SAME_WEIGHT)
    })
}

/// How many photos make their own caption likelier than any other photo's, where each
/// caption is compared with its mean over the photos: some gain from any photo.
fn own_caption_is_best(fits: &[Vec<f64>]) -> usize {
    let mean =
        |caption: usize| fits.iter().map(|photo| photo[caption]).sum::<f64>() / fits.len() as f64;
    let means: Vec<f64> = (0..fits.len()).map(mean).collect();
    let gain = |photo: usize, caption: usize| fits[photo][caption] - means[caption];
    (0..fits.len())
        .filter(|&photo| {
            (0..fits.len())
                .filter(|&caption| caption != photo)
                .all(|caption| gain(photo, photo) > gain(photo, caption))
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_that_every_photo_likes_does_not_win() {
        let fits = vec![
            vec![1.0, 5.0, 0.0],
            vec![0.0, 6.0, 0.0],
            vec![0.0, 5.0, 1.0],
        ];
        assert_eq!(own_caption_is_best(&fits), 3);
    }

    #[test]
    fn photos_that_change_nothing_are_told_apart_by_none() {
        let fits = vec![vec![0.5, 0.25, 0.0]; 3];
        assert!(all_alike(&fits));
        assert_eq!(own_caption_is_best(&fits), 0);
    }
}
