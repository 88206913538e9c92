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
mod traces;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use flamingo_convert::progress::Progress;
use flamingo_metrics::{BootstrapError, CaptionError, ClassificationError, VqaError};
use flamingo_runtime::prompt::Task;
use flamingo_runtime::{
    ChooseOptions, EncodedMedia, Example, ImagePixels, Model, PromptFormat, Query, RuntimeError,
    Session, SupportEntry, SupportSet,
};
use flamingo_weights::excerpt::Excerpt;
use futures_lite::future::block_on;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use thiserror::Error;

use self::images::{Images, ImagesError};
use self::items::{Expected, Item, Shot, TaskKind};
use self::measure::{Measure, measure};
use self::plot::{Curve, Point};
use self::results::{Line, Output, Results, ResultsError, Run, Settings};
use self::traces::Traces;
use crate::answer::Answer;
use crate::decoding_args::{Decoding, DecodingArgs};
use crate::failure::Failure;
use crate::media::pixels_of;
use crate::model_args::{ModelArgs, ModelIdentity};
use crate::model_source::hexadecimal;
use crate::output_file::OutputFile;
use crate::scoring_args::ScoringArgs;
use crate::task::{failed, format_of, read_template};
use crate::text_file::{LineError, TextFileError};

#[derive(Args)]
pub(crate) struct EvalArgs {
    /// Items: a line {"image": …} each, or {"frames": […]} for a clip, with "captions"
    /// (CIDEr, BLEU-4), or "answers" and a "question" (VQA accuracy; exact match where
    /// fewer than four people answered), or "label" (accuracy, ROC AUC), or "choices"
    /// and "answer", the place of the right one (accuracy), or a "pattern", a regular
    /// expression for the whole answer (accuracy). Items are counted by their "source".
    /// "shots": [{"image": …, "question": …, "text": …}] are an item's own examples.
    /// Images lie in the file's folder, or in archives there that have the file's name and
    /// perhaps a number: dev.tar, dev-0.tar beside dev.jsonl
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
    limit: Option<NonZeroUsize>,
    /// The prompt's format [default: OpenFlamingo's for the kind of item]
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Where to keep what the model said of each item; an interrupted evaluation goes
    /// on from there, one with another model or other options is refused
    #[arg(long, value_name = "FILE.jsonl")]
    output: Option<PathBuf>,
    /// Draw the scores against the number of shots
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Replace what is at --output and --plot, whatever it is, but never a file that is read
    #[arg(long)]
    force: bool,
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
    /// An image cannot be decoded.
    #[error("the image {}: {reason}", Excerpt(image))]
    Image {
        /// Its name.
        image: String,
        /// Why.
        reason: String,
    },
    /// An image is not found.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// The things that an output depends on cannot be written down.
    #[error("what a result depends on cannot be written as JSON: {0}")]
    Trace(serde_json::Error),
    /// Results cannot be kept.
    #[error(transparent)]
    Results(#[from] ResultsError),
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
    #[error("the plot cannot be drawn: {0}")]
    Plot(String),
}

/// Evaluates and prints the table.
///
/// # Errors
/// Where a file cannot be used, or the model or the device fails.
pub(crate) fn run(args: &EvalArgs) -> Result<(), Failure> {
    // What is cheap to find wrong comes before the model is loaded.
    let decoding = args.decoding.check()?;
    let scoring = args.scoring.check()?;
    let template = read_template(args.template.as_deref())?;
    let mut items = items::read(&args.items)?;
    items.truncate(args.limit.map_or(usize::MAX, NonZeroUsize::get));
    let support = args.support.as_deref().map(items::read).transpose()?;
    let support = support.unwrap_or_default();
    let classes = items::classes(&[&items[..], &support].concat());
    let images = |items: &Path| -> Result<Images, EvalError> {
        let mut images = Images::beside(items)?;
        for folder in &args.images {
            images.add(folder)?;
        }
        Ok(images)
    };
    let data = Data {
        item_images: images(&args.items)?,
        support_images: args.support.as_deref().map(images).transpose()?,
        items,
        classes,
        support,
    };
    data.check(args)?;
    let (output, plot) = outputs(args, &data)?;

    let model = args.model.open()?;
    let settings = match output.is_some() || plot.is_some() {
        true => settings(args, &model.identity()?),
        false => Settings::new(),
    };
    let plot = plot
        .map(|file| {
            let name = plot_name(args, &settings)?;
            if !args.force {
                plot::check_earlier(&file, &name)?;
            }
            Ok::<_, Failure>((file, name))
        })
        .transpose()?;
    let results = match output {
        None => Results::nowhere(),
        Some(file) => Results::open(file, settings, args.force).map_err(EvalError::from)?,
    };
    if let Some(damage) = results.damage() {
        tell(&damage);
    }
    let model = model.load()?;
    let decoding = decoding.over(&model)?;
    let formats = Formats::new(template, &model)?;
    let mut evaluation = Evaluation {
        args,
        model,
        formats,
        decoding,
        scoring,
        data: &data,
        traces: Traces::default(),
        results,
        outputs: HashMap::new(),
        encoded: HashMap::new(),
        nearest: None,
    };
    evaluation.run()?;
    evaluation.report(plot)
}

/// Tells what is worth knowing, on standard error.
fn tell(what: &str) {
    // Where standard error is closed, nobody is left to be told.
    let _ = writeln!(io::stderr(), "flamingo: {what}");
}

/// The files to be written, none of which is read or somebody else's.
fn outputs(
    args: &EvalArgs,
    data: &Data,
) -> Result<(Option<OutputFile>, Option<OutputFile>), Failure> {
    let new = |option, path: &Option<PathBuf>| {
        path.as_deref()
            .map(|path| OutputFile::new(option, path))
            .transpose()
    };
    let output = new("--output", &args.output)?;
    let plot = new("--plot", &args.plot)?;
    if let (Some(output), Some(plot)) = (&output, &plot) {
        plot.is_another_than(output)?;
    }
    let files = [&output, &plot];
    if files.into_iter().flatten().any(OutputFile::is_there) {
        let mut inputs = args.model.files()?;
        inputs.push(args.items.clone());
        inputs.extend(args.support.clone());
        inputs.extend(data.files());
        for file in files.into_iter().flatten() {
            file.is_none_of(&inputs)?;
        }
    }
    Ok((output, plot))
}

/// The settings that all outputs of the model depend on.
fn settings(args: &EvalArgs, identity: &ModelIdentity) -> Settings {
    let mut settings = Settings::from([
        ("program".to_owned(), env!("CARGO_PKG_VERSION").into()),
        ("model".to_owned(), identity.model.as_str().into()),
        ("device".to_owned(), identity.device.into()),
        ("template".to_owned(), args.template.as_deref().into()),
        ("select".to_owned(), format!("{:?}", args.select).into()),
        (
            "zero_shot".to_owned(),
            format!("{:?}", args.zero_shot).into(),
        ),
    ]);
    for part in [args.decoding.settings(), args.scoring.settings()] {
        if let serde_json::Value::Object(part) = part {
            settings.extend(part);
        }
    }
    settings
}

/// The name of a run, which is the same for the same files and options.
fn plot_name(args: &EvalArgs, settings: &Settings) -> Result<String, Failure> {
    let hash = |path: &PathBuf| -> Result<String, Failure> {
        let bytes = std::fs::read(path).map_err(|source| TextFileError::Io {
            path: path.clone(),
            source,
        })?;
        Ok(hexadecimal(&Sha256::digest(bytes)))
    };
    let beside: Vec<String> = args
        .beside
        .iter()
        .map(|curve| format!("{curve:?}"))
        .collect();
    let run = serde_json::json!({
        "settings": settings,
        "items": hash(&args.items)?,
        "support": args.support.as_ref().map(hash).transpose()?,
        "shots": args.shots,
        "seeds": args.seeds,
        "limit": args.limit,
        "beside": beside,
    });
    Ok(hexadecimal(&Sha256::digest(run.to_string())))
}

/// Items, where their examples come from, and the images of both.
struct Data {
    items: Vec<Item>,
    item_images: Images,
    classes: Vec<String>,
    support: Vec<Item>,
    support_images: Option<Images>,
}

impl Data {
    /// Checks that every image is there and every item has examples enough.
    fn check(&self, args: &EvalArgs) -> Result<(), Failure> {
        let shots = args.shots.iter().map(|&shots| args.examples(shots)).max();
        let most = shots.unwrap_or(0);
        for item in &self.items {
            let own = item.shots.iter().flatten().flat_map(|shot| &shot.frames);
            for name in item.frames.iter().chain(own) {
                let missing = |error: ImagesError| at_line(&args.items, item, &error);
                self.item_images.check(name).map_err(missing)?;
            }
            if item.shots.is_none() && most > 0 {
                let found = (0..self.support.len()).filter(|&place| self.serves(place, item));
                self.enough(most, found.count())?;
            }
        }
        // Texts alone need no images, unless they are chosen by what these look like.
        let are_seen = args.shots.iter().any(|&shots| shots > 0)
            || most > 0 && args.select == Selection::Rices;
        if let (Some(images), Some(path), true) = (&self.support_images, &args.support, are_seen) {
            for item in &self.support {
                for name in &item.frames {
                    images
                        .check(name)
                        .map_err(|error| at_line(path, item, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Whether an example may stand before an item: not of its own image, and of the same
    /// source.
    fn serves(&self, place: usize, item: &Item) -> bool {
        let example = &self.support[place];
        example.frames != item.frames && (item.group.is_empty() || example.group == item.group)
    }

    fn enough(&self, shots: usize, found: usize) -> Result<(), EvalError> {
        match found >= shots {
            true => Ok(()),
            false if self.support_images.is_none() => Err(EvalError::NoSupport),
            false => Err(EvalError::TooFewExamples { shots, found }),
        }
    }

    /// Archives, and image files in folders.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let of = |images: &Images, items: &[Item]| {
            let mut files = images.archives().to_vec();
            for item in items {
                let own = item.shots.iter().flatten().flat_map(|shot| &shot.frames);
                for name in item.frames.iter().chain(own) {
                    files.extend(images.files(name));
                }
            }
            files
        };
        let support = self.support_images.as_ref();
        let support = support.map(|images| of(images, &self.support));
        of(&self.item_images, &self.items)
            .into_iter()
            .chain(support.into_iter().flatten())
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

    fn images_of_support(&self) -> Result<&Images, EvalError> {
        self.support_images.as_ref().ok_or(EvalError::NoSupport)
    }
}

/// A fault of an item, with its place.
fn at_line(path: &Path, item: &Item, reason: &dyn ToString) -> LineError {
    LineError {
        path: path.to_owned(),
        line: item.line,
        reason: reason.to_string(),
    }
}

impl EvalArgs {
    /// Examples that stand before a query where so many shots are asked for.
    fn examples(&self, shots: usize) -> usize {
        match shots == 0 && self.zero_shot == ZeroShot::TextOnly {
            true => 2,
            false => shots,
        }
    }
}

/// The prompt's format for each kind of item.
struct Formats {
    caption: PromptFormat,
    question: PromptFormat,
    classification: PromptFormat,
}

impl Formats {
    /// The model's own, or one template for all.
    fn new(template: Option<PromptFormat>, model: &Model) -> Result<Self, Failure> {
        let of = |task| match &template {
            Some(template) => Ok(template.clone()),
            None => format_of(model, task),
        };
        Ok(Self {
            caption: of(Task::Caption)?,
            question: of(Task::VisualQuestion)?,
            classification: of(Task::Classification)?,
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
    scoring: ChooseOptions,
    data: &'a Data,
    traces: Traces,
    results: Results,
    /// The model's output in every run.
    outputs: HashMap<Run, Output>,
    /// Images and clips of examples that were encoded before, by their files.
    encoded: HashMap<Vec<String>, EncodedMedia>,
    /// The support file's images by what they look like.
    nearest: Option<SupportSet>,
}

/// The model's output, and whether a text that had to match a pattern was cut off before it
/// did.
struct Said {
    output: Output,
    unmet: bool,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            output,
            unmet: false,
        }
    }
}

impl Evaluation<'_> {
    /// Every run, by the model or as it is known from before.
    fn run(&mut self) -> Result<(), Failure> {
        let runs: Vec<Run> = self.runs().collect();
        let mut progress = Progress::items("Evaluating", runs.len() as u64);
        let (mut stale, mut unmet) = (0, 0);
        for &run in &runs {
            let of = match self.results.are_kept() {
                true => self.traces.of(self.args, self.data, run)?,
                false => String::new(),
            };
            stale += usize::from(self.results.is_stale(run, &of));
            let known = self.results.get(run, &of).cloned();
            let line = match known {
                Some(line) => line,
                None => {
                    let Said { output, unmet } = self.output(run)?;
                    let line = Line {
                        run,
                        frames: self.data.items[run.item].frames.clone(),
                        of,
                        unmet,
                        output,
                    };
                    self.results.put(&line)?;
                    line
                }
            };
            unmet += usize::from(line.unmet);
            self.outputs.insert(run, line.output);
            progress.advance(1);
        }
        drop(progress);
        if stale > 0 {
            tell(&format!(
                "{stale} of {} results were of other items, images or examples, and were made anew",
                runs.len()
            ));
        }
        if unmet > 0 {
            tell(&format!(
                "{unmet} of {} texts do not match --pattern, because they were cut off before they \
                 did; allow more with --max-new-tokens",
                runs.len()
            ));
        }
        Ok(())
    }

    fn runs(&self) -> impl Iterator<Item = Run> + use<> {
        let (shots, seeds) = (self.args.shots.clone(), self.args.seeds.clone());
        let items = self.data.items.len();
        shots.into_iter().flat_map(move |shots| {
            let seeds = seeds.clone();
            seeds
                .into_iter()
                .flat_map(move |seed| (0..items).map(move |item| Run { shots, seed, item }))
        })
    }

    /// What the model says.
    fn output(&mut self, run: Run) -> Result<Said, Failure> {
        let item = &self.data.items[run.item];
        let pixels = decode(&self.data.item_images, &item.frames)
            .map_err(|error| at_line(&self.args.items, item, &error))?;
        let examples = self.examples(run, item, &pixels)?;
        let place = format!("{}:{}", self.args.items.display(), item.line);
        let query = Query {
            media: Some(self.encode(&pixels, || place.clone())?),
            question: item.question.clone(),
        };
        let mut session = Session::new(&self.model, self.formats.of(item).clone(), examples);
        self.answer(&mut session, &query, item)
            .map_err(|source| failed(place, source))
    }

    fn answer(
        &self,
        session: &mut Session,
        query: &Query,
        item: &Item,
    ) -> Result<Said, RuntimeError> {
        let choices = match &item.expected {
            Expected::Captions(_) | Expected::Answers(_) | Expected::Pattern(_) => {
                return Ok(match &self.decoding {
                    Decoding::Tokens(options) => {
                        let go_on = async |_: &_| ControlFlow::Continue(());
                        let said = block_on(session.answer(&self.model, query, options, go_on))?;
                        Said {
                            output: Output::Text(said.text),
                            unmet: said.meets_constraint == Some(false),
                        }
                    }
                    Decoding::Beams(options) => {
                        let found = block_on(session.beam_search(&self.model, query, options))?;
                        Output::Text(Answer::best(found).text).into()
                    }
                });
            }
            Expected::Label(_) => &self.data.classes,
            Expected::Choice { choices, .. } => choices,
        };
        let scores = block_on(session.weigh(&self.model, query, choices, &self.scoring))?;
        Ok(Output::Scores(scores).into())
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
        let count = self.args.examples(run.shots);
        let text_only = run.shots == 0;
        if count == 0 {
            return Ok(Vec::new());
        }
        let chosen = match self.args.select {
            Selection::Random => self.data.draw(run, item, count)?,
            Selection::Rices => self.nearest(item, pixels, count)?,
        };
        chosen
            .into_iter()
            .map(|place| {
                let media = match text_only {
                    true => None,
                    false => Some(self.encode_support(place)?),
                };
                let example = &self.data.support[place];
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
                let pixels = decode(&self.data.item_images, &shot.frames)?;
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

    /// Places of the `count` examples nearest to the item, most similar last.
    fn nearest(
        &mut self,
        item: &Item,
        pixels: &[ImagePixels],
        count: usize,
    ) -> Result<Vec<usize>, Failure> {
        let embedding = self.embed(pixels, &item.frames)?;
        let set = match &self.nearest {
            Some(set) => set,
            None => self.nearest.insert(self.embed_support()?),
        };
        let ranked = set
            .nearest(&embedding, self.data.support.len())
            .map_err(|error| EvalError::Image {
                image: item.frames.join(", "),
                reason: error.to_string(),
            })?;
        let mut places: Vec<usize> = ranked
            .into_iter()
            .filter(|&place| self.data.serves(place, item))
            .collect();
        self.data.enough(count, places.len())?;
        Ok(places.split_off(places.len() - count))
    }

    /// Of a clip, its middle frame.
    fn embed(&self, frames: &[ImagePixels], files: &[String]) -> Result<Vec<f32>, Failure> {
        let middle = frames.len() / 2;
        block_on(self.model.embed(&frames[middle]))
            .map_err(|source| failed(format!("embedding {}", files[middle]), source))
    }

    fn embed_support(&self) -> Result<SupportSet, Failure> {
        let support = &self.data.support;
        let mut progress = Progress::items("Embedding examples", support.len() as u64);
        let mut set: Option<SupportSet> = None;
        for item in support {
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
        let item = &self.data.support[place];
        if let Some(known) = self.encoded.get(&item.frames) {
            return Ok(known.clone());
        }
        let what = || format!("encoding the example {}", item.frames.join(", "));
        let encoded = self.encode(&self.support_pixels(item)?, what)?;
        self.encoded.insert(item.frames.clone(), encoded.clone());
        Ok(encoded)
    }

    fn support_pixels(&self, item: &Item) -> Result<Vec<ImagePixels>, EvalError> {
        decode(self.data.images_of_support()?, &item.frames)
    }

    /// Prints the table and draws the plot.
    fn report(&self, plot: Option<(OutputFile, String)>) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let head = "| task | measure | shots | score | 95% interval | items | draws |\n\
                    | --- | --- | --- | --- | --- | --- | --- |";
        writeln!(out, "{head}").map_err(Failure::Output)?;
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
                        .any(|&place| self.data.items[place].shots.is_some());
                    let given = if own {
                        "own".to_owned()
                    } else {
                        shots.to_string()
                    };
                    writeln!(
                        out,
                        "| {group} | {name} | {given} | {score:.2} | {shown} | {items} | {draws} |"
                    )
                    .map_err(Failure::Output)?;
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
        if let Some((mut file, run)) = plot {
            let measured = curves.into_values();
            let curves: Vec<Curve> = measured.chain(self.args.beside.iter().cloned()).collect();
            file.write(plot::draw(&curves, &run)?.as_bytes())?;
        }
        Ok(())
    }

    /// Places of the items by what they are counted under.
    fn groups(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, item) in self.data.items.iter().enumerate() {
            groups.entry(&item.group).or_default().push(place);
        }
        groups
    }

    fn measure(&self, places: &[usize], shots: usize) -> Result<Vec<Measure>, EvalError> {
        let items: Vec<&Item> = places
            .iter()
            .map(|&place| &self.data.items[place])
            .collect();
        let outputs: Vec<Vec<&Output>> = self
            .args
            .seeds
            .iter()
            .map(|&seed| {
                let run = |&item: &usize| Run { shots, seed, item };
                places
                    .iter()
                    .filter_map(|place| self.outputs.get(&run(place)))
                    .collect()
            })
            .collect();
        measure(&items, &self.data.classes, &outputs)
    }
}

/// The pixels of an image or of a clip's frames.
fn decode(images: &Images, frames: &[String]) -> Result<Vec<ImagePixels>, EvalError> {
    let decode = |name: &String| {
        let file = images.read(name)?;
        pixels_of(&file).map_err(|error| EvalError::Image {
            image: name.clone(),
            reason: error.to_string(),
        })
    };
    frames.iter().map(decode).collect()
}
