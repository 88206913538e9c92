//! What a command puts to the model: the prompt's format, its examples, its support
//! set.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use flamingo_convert::progress::Progress;
use flamingo_runtime::prompt;
use flamingo_runtime::{
    EncodedMedia, Example, Model, PromptFormat, Query, RuntimeError, Session, SupportSet,
};
use serde::Deserialize;

use crate::failure::Failure;
use crate::media::{Media, MediaError, SamplingArgs, warn};
use crate::model_args::ModelArgs;
use crate::text_file::{Line, LineError, TextFile, check_file_name};

/// The examples and how they are put.
#[derive(Args)]
pub(crate) struct TaskArgs {
    /// Examples: a line {"image": "photo.jpg", "text": "its caption"} each, with a
    /// "question" where the task has one; paths are relative to this file, and an
    /// example without "image" is of text only
    #[arg(long, value_name = "FILE.jsonl")]
    shots: Option<PathBuf>,
    /// Take the examples' texts without their images: two such are the paper's
    /// zero-shot prompt
    #[arg(long, requires = "shots")]
    text_only: bool,
    /// Choose the examples for each photo from a support set (`flamingo index`): the
    /// nearest, most similar last
    #[arg(long, value_name = "FILE", conflicts_with = "shots")]
    support: Option<PathBuf>,
    /// How many examples to take from the support set
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        requires = "support",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    nearest: u16,
    /// The prompt's format: text with <image>, {question}, {answer} and
    /// <|endofchunk|> in their places [default: OpenFlamingo's for the task]
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

/// An example whose image has not been shown to the model yet.
pub(crate) struct ExampleFile {
    path: Option<PathBuf>,
    media: Option<Media>,
    question: String,
    answer: String,
}

/// A line of the file of examples.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleLine {
    image: Option<String>,
    #[serde(default)]
    question: String,
    #[serde(alias = "answer")]
    text: String,
}

/// A task whose files have been read.
pub(crate) struct TaskFiles {
    /// The one that the options name, if they do.
    template: Option<PromptFormat>,
    /// Whose format of the model it is otherwise.
    kind: prompt::Task,
    examples: Vec<ExampleFile>,
    support: Option<Support>,
}

/// A support set and the file it comes from, which its paths are relative to.
struct Support {
    set: SupportSet,
    file: PathBuf,
}

impl TaskArgs {
    /// Reads the photo or clip that is asked about.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn read_media(&self, path: &Path) -> Result<Media, Failure> {
        let (media, warnings) =
            Media::read(path, &self.sampling).map_err(|source| Failure::Media {
                path: path.to_owned(),
                source,
            })?;
        warn(&path.to_string_lossy(), &warnings);
        Ok(media)
    }

    /// Reads what the options name, before a model is loaded.
    ///
    /// # Errors
    /// Where a file cannot be read or holds something else.
    pub(crate) fn read(&self, kind: prompt::Task) -> Result<TaskFiles, Failure> {
        let template = read_template(self.template.as_deref())?;
        let mut examples = match &self.shots {
            None => Vec::new(),
            Some(path) => read_examples(path, &self.sampling)?,
        };
        if self.text_only {
            for example in &mut examples {
                example.media = None;
            }
        }
        let support = self.support.as_deref().map(read_support_set).transpose()?;
        Ok(TaskFiles {
            template,
            kind,
            examples,
            support,
        })
    }
}

/// Reads the template that an option names.
pub(crate) fn read_template(template: Option<&str>) -> Result<Option<PromptFormat>, Failure> {
    let parsed = template.map(PromptFormat::parse).transpose();
    parsed.map_err(|error| Failure::Prompt {
        what: "reading --template".to_owned(),
        source: error.into(),
    })
}

/// The format that a model was trained with for a task.
pub(crate) fn format_of(model: &Model, kind: prompt::Task) -> Result<PromptFormat, Failure> {
    model
        .format(kind)
        .map_err(|source| failed("reading the model's template".to_owned(), source))
}

/// Reads a support set.
fn read_support_set(path: &Path) -> Result<Support, Failure> {
    let unreadable = |reason: String| Failure::Support {
        path: path.to_owned(),
        reason,
    };
    let bytes = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let set = SupportSet::from_bytes(&bytes).map_err(|error| unreadable(error.to_string()))?;
    for entry in set.entries() {
        check_file_name("image", &entry.image).map_err(unreadable)?;
    }
    Ok(Support {
        set,
        file: path.to_owned(),
    })
}

/// Reads the file of examples and their images; empty lines are skipped.
fn read_examples(path: &Path, sampling: &SamplingArgs) -> Result<Vec<ExampleFile>, Failure> {
    let file = TextFile::read(path)?;
    let lines = file.lines("examples")?;
    let examples = lines
        .into_iter()
        .map(|line| read_example(&file, line, sampling));
    Ok(examples.collect::<Result<_, _>>()?)
}

fn read_example(
    file: &TextFile,
    line: Line<'_>,
    sampling: &SamplingArgs,
) -> Result<ExampleFile, LineError> {
    let ExampleLine {
        image,
        question,
        text,
    } = line.json().map_err(|error: LineError| LineError {
        reason: format!(
            "{}; an example is {{\"image\": \"photo.jpg\", \"text\": \"its caption\"}}, the path \
             relative to this file's folder",
            error.reason
        ),
        ..error
    })?;
    let path = image
        .map(|image| file.path_of("image", &image))
        .transpose()
        .map_err(|reason| line.refused(reason))?;
    let read = |path: &PathBuf| {
        let (media, warnings) = Media::read(path, sampling)
            .map_err(|error| line.refused(format!("{}: {error}", path.display())))?;
        warn(&path.to_string_lossy(), &warnings);
        Ok(media)
    };
    Ok(ExampleFile {
        media: path.as_ref().map(read).transpose()?,
        path,
        question,
        answer: text,
    })
}

/// A task in front of a model.
pub(crate) struct Task {
    pub(crate) session: Session,
    support: Option<Support>,
    nearest: usize,
    /// Images of the support set that were encoded before.
    encoded: HashMap<usize, EncodedMedia>,
}

impl TaskFiles {
    /// Loads the model for the task.
    ///
    /// # Errors
    /// Where there is no such model or device, or the support set was made with another model,
    /// whose embeddings cannot be compared with this one's.
    pub(crate) fn load(&self, args: &ModelArgs) -> Result<Model, Failure> {
        let model = args.open()?;
        if let Some(Support { set, file }) = &self.support
            && let Some(encoder) = set.encoder()
            && *encoder != model.encoder()?
        {
            return Err(Failure::Support {
                path: file.clone(),
                reason:
                    "it was made with a model that sees otherwise; make it anew with `flamingo \
                         index`"
                        .to_owned(),
            });
        }
        model.load()
    }

    /// Reads a photo or clip, loads the model, and shows it the examples and the photo: all
    /// that a question about it needs.
    ///
    /// # Errors
    /// If the photo cannot be read, or the model or the device refuses something.
    pub(crate) fn put(
        self,
        args: &TaskArgs,
        model: &ModelArgs,
        photo: &Path,
        question: String,
    ) -> Result<(Model, Task, Query), Failure> {
        let media = args.read_media(photo)?;
        let model = self.load(model)?;
        let mut task = self.begin(&model, args)?;
        let what = || format!("encoding {}", photo.display());
        let encoded = media
            .encode(&model)
            .map_err(|source| failed(what(), source))?;
        task.choose_examples(&model, &media, &args.sampling)?;
        let query = Query {
            media: Some(encoded),
            question,
        };
        Ok((model, task, query))
    }

    /// Shows the examples to the model, each once.
    ///
    /// # Errors
    /// Where the model refuses one or the device fails.
    pub(crate) fn begin(self, model: &Model, args: &TaskArgs) -> Result<Task, Failure> {
        let mut progress = Progress::items("Reading examples", self.examples.len() as u64);
        let examples = self
            .examples
            .into_iter()
            .map(|example| {
                let path = example.path.unwrap_or_default();
                let encode = |media: Media| {
                    let what = || format!("encoding the example {}", path.display());
                    media.encode(model).map_err(|source| failed(what(), source))
                };
                let media = example.media.map(encode).transpose()?;
                progress.advance(1);
                Ok(Example {
                    media,
                    question: example.question,
                    answer: example.answer,
                })
            })
            .collect::<Result<_, Failure>>()?;
        let format = match self.template {
            Some(template) => template,
            None => format_of(model, self.kind)?,
        };
        Ok(Task {
            session: Session::new(model, format, examples),
            support: self.support,
            nearest: args.nearest.into(),
            encoded: HashMap::new(),
        })
    }
}

impl Task {
    /// Takes the examples nearest to a photo, where there is a support set.
    ///
    /// # Errors
    /// Where one of them cannot be read, or the set is another model's.
    pub(crate) fn choose_examples(
        &mut self,
        model: &Model,
        media: &Media,
        sampling: &SamplingArgs,
    ) -> Result<(), Failure> {
        let Some(Support { set, file }) = &self.support else {
            return Ok(());
        };
        let embedding = media
            .embed(model)
            .map_err(|source| failed("embedding the query".to_owned(), source))?;
        let nearest = set
            .nearest(&embedding, self.nearest)
            .map_err(|error| Failure::Support {
                path: file.clone(),
                reason: error.to_string(),
            })?;
        let mut examples = Vec::with_capacity(nearest.len());
        for index in nearest {
            let entry = &set.entries()[index];
            let encoded = match self.encoded.entry(index) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(place) => {
                    let folder = file.parent().unwrap_or(Path::new(""));
                    let path = folder.join(&entry.image);
                    let unreadable = |error: MediaError| Failure::Support {
                        path: path.clone(),
                        reason: error.to_string(),
                    };
                    let (media, warnings) = Media::read(&path, sampling).map_err(unreadable)?;
                    warn(&path.to_string_lossy(), &warnings);
                    let what = || format!("encoding the example {}", path.display());
                    let media = media
                        .encode(model)
                        .map_err(|source| failed(what(), source))?;
                    place.insert(media).clone()
                }
            };
            examples.push(Example {
                media: Some(encoded),
                question: entry.question.clone(),
                answer: entry.answer.clone(),
            });
        }
        self.session.set_examples(examples);
        Ok(())
    }
}

/// A failure at work: the caller's, where it is the prompt's or an image's.
pub(crate) fn failed(what: String, source: RuntimeError) -> Failure {
    match source {
        RuntimeError::Image(_)
        | RuntimeError::Prompt(_)
        | RuntimeError::Option { .. }
        | RuntimeError::EmptyStop
        | RuntimeError::EmptyAnswer { .. }
        | RuntimeError::Schema(_)
        | RuntimeError::ShotValue { .. }
        | RuntimeError::Constraint(_) => Failure::Prompt { what, source },
        _ => Failure::Run { what, source },
    }
}
