//! `flamingo eval`: files of items in, tables of scores out.
//!
//! The protocol is OpenFlamingo's (FLAMINGO.md, section 2.5): demonstrations drawn at
//! random from a support file or chosen by RICES, prompts of its formats, generations
//! cut as it cuts them, answers of close-ended tasks compared by log-likelihood.

mod images;
mod items;
mod measure;
mod plot;
mod results;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use flamingo_convert::progress::Progress;
use flamingo_metrics::{BootstrapError, CaptionError, ClassificationError, VqaError};
use flamingo_runtime::prompt::{CAPTION, CLASSIFICATION, VISUAL_QUESTION};
use flamingo_runtime::{
    EncodedMedia, Example, ImagePixels, Model, PromptFormat, Query, RuntimeError, Session,
    SupportEntry, SupportSet,
};
use futures_lite::future::block_on;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use thiserror::Error;

use self::images::Images;
use self::items::{Expected, Item, Shot, TaskKind};
use self::measure::{Measure, measure};
use self::plot::{Curve, Point};
use self::results::{Output, Results, Run};
use crate::decoding_args::{Decoding, DecodingArgs};
use crate::failure::Failure;
use crate::model_args::ModelArgs;
use crate::scoring_args::ScoringArgs;
use crate::task::failed;

#[derive(Args)]
pub(crate) struct EvalArgs {
    /// Items: a line {"image": …} each, or {"frames": […]} for a clip, with "captions"
    /// (CIDEr, BLEU-4), or "answers" and a "question" (VQA accuracy; exact match where
    /// fewer than four people answered), or "label" (accuracy, ROC AUC), or "choices"
    /// and "answer", the place of the right one (accuracy), or a "pattern", a regular
    /// expression for the whole answer (accuracy). Items are counted by their "source".
    /// "shots": [{"image": …, "question": …, "text": …}] are an item's own examples.
    /// Images lie in the file's folder, or in archives there whose names begin as the
    /// file's: dev-0.tar beside dev.jsonl
    #[arg(value_name = "FILE.jsonl")]
    items: PathBuf,
    /// Further folders of images, or of archives of them
    #[arg(long, value_name = "FOLDER")]
    images: Vec<PathBuf>,
    /// Items that examples are taken from, in the same form; needed for shots. An item
    /// that has a source takes examples of that source only
    #[arg(long, value_name = "FILE.jsonl")]
    support: Option<PathBuf>,
    /// Numbers of examples, each evaluated by itself
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "0")]
    shots: Vec<usize>,
    /// How examples are chosen
    #[arg(long, value_enum, default_value_t = Selection::Random)]
    select: Selection,
    /// What stands in front of the query where there are no shots
    #[arg(long, value_enum, default_value_t = ZeroShot::Nothing)]
    zero_shot: ZeroShot,
    /// Draws of the examples, each evaluated by itself; scores are means over them
    #[arg(
        long,
        value_name = "SEED,…",
        value_delimiter = ',',
        default_value = "42"
    )]
    seeds: Vec<u64>,
    /// Evaluate the first items only
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The prompt's format [default: OpenFlamingo's for the kind of item]
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Where to keep what the model said of each item; an interrupted evaluation goes
    /// on from there
    #[arg(long, value_name = "FILE.jsonl")]
    output: Option<PathBuf>,
    /// Draw the scores against the number of shots
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// A published result that the plot draws beside: "Flamingo-3B=0:60.6,4:72.0"
    #[arg(long, value_name = "NAME=SHOTS:SCORE,…", requires = "plot")]
    beside: Vec<Curve>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    scoring: ScoringArgs,
}

/// How examples are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Selection {
    /// Drawn for each item by the seed
    Random,
    /// The nearest by the frozen vision features, most similar last
    Rices,
}

/// What a prompt without shots begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ZeroShot {
    /// The query alone
    Nothing,
    /// Two examples without their images, as the paper has it
    TextOnly,
}

/// Why an evaluation gives no scores.
#[derive(Debug, Error)]
pub(crate) enum EvalError {
    /// Shots need a support file.
    #[error("examples are taken from --support FILE.jsonl, which was not given")]
    NoSupport,
    /// There are fewer examples than shots.
    #[error(
        "{shots} shots need as many examples besides the item's own image, and there are {found}"
    )]
    TooFewExamples {
        /// Examples that were asked for.
        shots: usize,
        /// Examples that there are.
        found: usize,
    },
    /// An image cannot be read.
    #[error("the image {image}: {reason}")]
    Image {
        /// Its name.
        image: String,
        /// Why.
        reason: String,
    },
    /// The file of results cannot be read or written.
    #[error("the results cannot be kept: {0}")]
    Results(#[from] io::Error),
    /// Captions cannot be scored.
    #[error(transparent)]
    Caption(#[from] CaptionError),
    /// Answers cannot be scored.
    #[error(transparent)]
    Vqa(#[from] VqaError),
    /// Classes cannot be scored.
    #[error(transparent)]
    Classification(#[from] ClassificationError),
    /// No interval can be given.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The plot cannot be drawn.
    #[error("the plot {}: {reason}", path.display())]
    Plot {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Evaluates and prints the table.
///
/// # Errors
/// Where a file cannot be used, or the model or the device fails.
pub(crate) fn run(args: &EvalArgs) -> Result<(), Failure> {
    let mut items = items::read(&args.items)?;
    items.truncate(args.limit.unwrap_or(usize::MAX));
    let support = args.support.as_deref().map(items::read).transpose()?;
    let support = support.unwrap_or_default();
    let classes = items::classes(&[&items[..], &support].concat());
    let results = Results::open(args.output.as_deref()).map_err(EvalError::from)?;
    let images = |items: &Path| -> Result<Images, EvalError> {
        let mut images = Images::beside(items)?;
        for folder in &args.images {
            images.add(folder, "")?;
        }
        Ok(images)
    };
    let item_images = images(&args.items)?;
    let support_images = args.support.as_deref().map(images).transpose()?;
    let formats = Formats::new(args.template.as_deref())?;
    let model = args.model.load()?;
    let decoding = args.decoding.decoding(&model)?;
    let mut evaluation = Evaluation {
        args,
        model,
        formats,
        decoding,
        items,
        item_images,
        classes,
        support,
        support_images,
        results,
        encoded: HashMap::new(),
        nearest: None,
    };
    evaluation.run()?;
    evaluation.report()
}

/// The prompt's format for each kind of item.
struct Formats {
    caption: PromptFormat,
    question: PromptFormat,
    classification: PromptFormat,
}

impl Formats {
    /// OpenFlamingo's, or one template for all.
    fn new(template: Option<&str>) -> Result<Self, Failure> {
        let parse = |own| {
            PromptFormat::parse(template.unwrap_or(own)).map_err(|error| Failure::Prompt {
                what: "reading --template".to_owned(),
                source: error.into(),
            })
        };
        Ok(Self {
            caption: parse(CAPTION)?,
            question: parse(VISUAL_QUESTION)?,
            classification: parse(CLASSIFICATION)?,
        })
    }

    fn of(&self, item: &Item) -> &PromptFormat {
        match item.expected.kind() {
            TaskKind::Classification => &self.classification,
            _ if item.question.is_empty() => &self.caption,
            _ => &self.question,
        }
    }
}

struct Evaluation<'a> {
    args: &'a EvalArgs,
    model: Model,
    formats: Formats,
    decoding: Decoding,
    items: Vec<Item>,
    item_images: Images,
    classes: Vec<String>,
    support: Vec<Item>,
    support_images: Option<Images>,
    results: Results,
    /// Images and clips of examples that were encoded before, by their files.
    encoded: HashMap<Vec<String>, EncodedMedia>,
    /// The support file's images by what they look like.
    nearest: Option<SupportSet>,
}

impl Evaluation<'_> {
    /// Every run that is not known yet.
    fn run(&mut self) -> Result<(), Failure> {
        let runs: Vec<Run> = self.runs().collect();
        let mut progress = Progress::items("Evaluating", runs.len() as u64);
        for run in runs {
            if self.results.get(run).is_none() {
                let output = self.output(run)?;
                let frames = &self.items[run.item].frames;
                self.results
                    .put(run, frames, output)
                    .map_err(EvalError::from)?;
            }
            progress.advance(1);
        }
        Ok(())
    }

    fn runs(&self) -> impl Iterator<Item = Run> + use<> {
        let (shots, seeds) = (self.args.shots.clone(), self.args.seeds.clone());
        let items = self.items.len();
        shots.into_iter().flat_map(move |shots| {
            let seeds = seeds.clone();
            seeds
                .into_iter()
                .flat_map(move |seed| (0..items).map(move |item| Run { shots, seed, item }))
        })
    }

    /// What the model says.
    fn output(&mut self, run: Run) -> Result<Output, Failure> {
        let item = self.items[run.item].clone();
        let pixels = decode(&self.item_images, &item.frames)?;
        let examples = self.examples(run, &item, &pixels)?;
        let what = || format!("item {} ({})", run.item + 1, item.frames.join(", "));
        let query = Query {
            media: Some(self.encode(&pixels, what)?),
            question: item.question.clone(),
        };
        let mut session = Session::new(&self.model, self.formats.of(&item).clone(), examples);
        self.answer(&mut session, &query, &item)
            .map_err(|source| failed(what(), source))
    }

    fn answer(
        &self,
        session: &mut Session,
        query: &Query,
        item: &Item,
    ) -> Result<Output, RuntimeError> {
        let choices = match &item.expected {
            Expected::Captions(_) | Expected::Answers(_) | Expected::Pattern(_) => {
                return Ok(Output::Text(match &self.decoding {
                    Decoding::Tokens(options) => {
                        let go_on = async |_: &_| ControlFlow::Continue(());
                        block_on(session.answer(&self.model, query, options, go_on))?.text
                    }
                    Decoding::Beams(options) => {
                        let found = block_on(session.beam_search(&self.model, query, options))?;
                        found
                            .into_iter()
                            .next()
                            .map(|best| best.0)
                            .unwrap_or_default()
                    }
                }));
            }
            Expected::Label(_) => &self.classes,
            Expected::Choice { choices, .. } => choices,
        };
        let options = self.args.scoring.options();
        block_on(session.weigh(&self.model, query, choices, &options)).map(Output::Scores)
    }

    /// The examples of a run, ready for the prompt.
    fn examples(
        &mut self,
        run: Run,
        item: &Item,
        pixels: &[ImagePixels],
    ) -> Result<Vec<Example>, Failure> {
        if let Some(shots) = &item.shots {
            return shots.iter().map(|shot| self.own_example(shot)).collect();
        }
        let text_only = run.shots == 0 && self.args.zero_shot == ZeroShot::TextOnly;
        let count = if text_only { 2 } else { run.shots };
        if count == 0 {
            return Ok(Vec::new());
        }
        let chosen = match self.args.select {
            Selection::Random => self.draw(run, item, count)?,
            Selection::Rices => self.nearest(item, pixels, count)?,
        };
        chosen
            .into_iter()
            .map(|place| {
                let media = match text_only {
                    true => None,
                    false => Some(self.encode_support(place)?),
                };
                let example = &self.support[place];
                Ok(Example {
                    media,
                    question: example.question.clone(),
                    answer: example.expected.example_text().to_owned(),
                })
            })
            .collect()
    }

    fn own_example(&mut self, shot: &Shot) -> Result<Example, Failure> {
        let media = match (shot.frames.is_empty(), self.encoded.get(&shot.frames)) {
            (true, _) => None,
            (false, Some(known)) => Some(known.clone()),
            (false, None) => {
                let pixels = decode(&self.item_images, &shot.frames)?;
                let what = || format!("encoding the example {}", shot.frames.join(", "));
                let encoded = self.encode(&pixels, what)?;
                self.encoded.insert(shot.frames.clone(), encoded.clone());
                Some(encoded)
            }
        };
        Ok(Example {
            media,
            question: shot.question.clone(),
            answer: shot.text.clone(),
        })
    }

    fn encode(
        &self,
        frames: &[ImagePixels],
        what: impl Fn() -> String,
    ) -> Result<EncodedMedia, Failure> {
        block_on(self.model.encode_clip(frames)).map_err(|source| failed(what(), source))
    }

    /// Whether an item may be an example of another: not of its own image, and of the
    /// same source.
    fn serves(&self, place: usize, item: &Item) -> bool {
        let example = &self.support[place];
        example.frames != item.frames && (item.group.is_empty() || example.group == item.group)
    }

    /// Places of `count` different examples, drawn by the run's seed and item.
    fn draw(&self, run: Run, item: &Item, count: usize) -> Result<Vec<usize>, EvalError> {
        let mut places: Vec<usize> = (0..self.support.len())
            .filter(|&place| self.serves(place, item))
            .collect();
        self.enough(count, places.len())?;
        // Another draw for every item, the same whichever items are evaluated.
        let seed = run.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ run.item as u64;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for place in 0..count {
            let left = (places.len() - place) as u64;
            places.swap(place, place + (random.next_u64() % left) as usize);
        }
        places.truncate(count);
        Ok(places)
    }

    /// Places of the `count` examples nearest to the item, most similar last.
    fn nearest(
        &mut self,
        item: &Item,
        pixels: &[ImagePixels],
        count: usize,
    ) -> Result<Vec<usize>, Failure> {
        if self.nearest.is_none() {
            self.nearest = Some(self.embed_support()?);
        }
        let embedding = self.embed(pixels, &item.frames)?;
        let ranked = match &self.nearest {
            Some(set) => set
                .nearest(&embedding, self.support.len())
                .unwrap_or_default(),
            None => Vec::new(),
        };
        let mut places: Vec<usize> = ranked
            .into_iter()
            .filter(|&place| self.serves(place, item))
            .collect();
        self.enough(count, places.len())?;
        Ok(places.split_off(places.len() - count))
    }

    /// Of a clip, its middle frame.
    fn embed(&self, frames: &[ImagePixels], files: &[String]) -> Result<Vec<f32>, Failure> {
        let middle = frames.len() / 2;
        block_on(self.model.embed(&frames[middle]))
            .map_err(|source| failed(format!("embedding {}", files[middle]), source))
    }

    fn enough(&self, shots: usize, found: usize) -> Result<(), EvalError> {
        match found >= shots {
            true => Ok(()),
            false if self.support_images.is_none() => Err(EvalError::NoSupport),
            false => Err(EvalError::TooFewExamples { shots, found }),
        }
    }

    fn embed_support(&self) -> Result<SupportSet, Failure> {
        let mut progress = Progress::items("Embedding examples", self.support.len() as u64);
        let mut set: Option<SupportSet> = None;
        for item in &self.support {
            let embedding = self.embed(&self.support_pixels(item)?, &item.frames)?;
            let entry = SupportEntry {
                image: item.frames.join(", "),
                question: item.question.clone(),
                answer: item.expected.example_text().to_owned(),
            };
            let set = set.get_or_insert_with(|| SupportSet::new(embedding.len()));
            set.add(&embedding, entry)
                .map_err(|error| EvalError::Image {
                    image: item.frames.join(", "),
                    reason: error.to_string(),
                })?;
            progress.advance(1);
        }
        set.ok_or_else(|| EvalError::NoSupport.into())
    }

    /// An example's image, encoded once for all runs.
    fn encode_support(&mut self, place: usize) -> Result<EncodedMedia, Failure> {
        let item = &self.support[place];
        if let Some(known) = self.encoded.get(&item.frames) {
            return Ok(known.clone());
        }
        let what = || format!("encoding the example {}", item.frames.join(", "));
        let encoded = self.encode(&self.support_pixels(item)?, what)?;
        self.encoded.insert(item.frames.clone(), encoded.clone());
        Ok(encoded)
    }

    fn support_pixels(&self, item: &Item) -> Result<Vec<ImagePixels>, EvalError> {
        let images = self.support_images.as_ref().ok_or(EvalError::NoSupport)?;
        decode(images, &item.frames)
    }

    /// Prints the table and draws the plot.
    fn report(&self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "| task | measure | shots | score | 95% interval | items | draws |"
        )?;
        writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |")?;
        let mut curves: BTreeMap<String, Curve> = BTreeMap::new();
        for (group, places) in self.groups() {
            for &shots in &self.args.shots {
                for found in self.measure(&places, shots)? {
                    let Measure {
                        name,
                        score,
                        interval,
                    } = found;
                    let bounds = interval.map(|it| (100.0 * it.low, 100.0 * it.high));
                    let shown = bounds
                        .map_or_else(String::new, |(low, high)| format!("{low:.1} to {high:.1}"));
                    let (items, draws) = (places.len(), self.args.seeds.len());
                    let own = places
                        .iter()
                        .any(|&place| self.items[place].shots.is_some());
                    let given = if own {
                        "own".to_owned()
                    } else {
                        shots.to_string()
                    };
                    writeln!(
                        out,
                        "| {group} | {name} | {given} | {score:.2} | {shown} | {items} | {draws} |"
                    )?;
                    let curve = format!("{group} {name}").trim().to_owned();
                    curves
                        .entry(curve.clone())
                        .or_insert(Curve {
                            name: curve,
                            points: Vec::new(),
                        })
                        .points
                        .push(Point {
                            shots,
                            score,
                            interval: bounds,
                        });
                }
            }
        }
        if let Some(path) = &self.args.plot {
            let measured = curves.into_values();
            let curves: Vec<Curve> = measured.chain(self.args.beside.iter().cloned()).collect();
            plot::draw(path, &curves)?;
        }
        Ok(())
    }

    /// Places of the items by what they are counted under.
    fn groups(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, item) in self.items.iter().enumerate() {
            groups.entry(&item.group).or_default().push(place);
        }
        groups
    }

    fn measure(&self, places: &[usize], shots: usize) -> Result<Vec<Measure>, EvalError> {
        let items: Vec<&Item> = places.iter().map(|&place| &self.items[place]).collect();
        let outputs: Vec<Vec<&Output>> = self
            .args
            .seeds
            .iter()
            .map(|&seed| {
                let run = |&item: &usize| Run { shots, seed, item };
                places
                    .iter()
                    .filter_map(|place| self.results.get(run(place)))
                    .collect()
            })
            .collect();
        measure(&items, &self.classes, &outputs)
    }
}

/// The pixels of an image or of a clip's frames.
fn decode(images: &Images, frames: &[String]) -> Result<Vec<ImagePixels>, EvalError> {
    let decode = |name: &String| {
        let refused = |reason| EvalError::Image {
            image: name.clone(),
            reason,
        };
        let file = images
            .read(name)
            .map_err(|error| refused(error.to_string()))?;
        ImagePixels::decode(&file).map_err(|error| refused(error.to_string()))
    };
    frames.iter().map(decode).collect()
}
