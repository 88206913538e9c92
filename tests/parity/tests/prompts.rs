//! Prompts of every family of Flamingos, imported with a tokenizer, against the ids that their
//! own programs give (`make_prompts.py`).

#![allow(clippy::unwrap_used, clippy::panic)]

mod released;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flamingo::config::Task;
use flamingo_convert::import::{Import, ImportOptions};
use flamingo_convert::recognise::Family;
use flamingo_runtime::Tokenizer;
use flamingo_runtime::prompt::{Example, Prompt, PromptFormat, Segment, answer_tokens};
use serde::Deserialize;
use tempfile::TempDir;

use released::{Dump, Files, Reference, dump, write};

/// Longer than every prompt.
const CONTEXT: usize = 2048;

#[derive(Deserialize)]
struct References {
    /// Files of each tokenizer by their names.
    tokenizers: BTreeMap<String, BTreeMap<String, String>>,
    families: BTreeMap<String, FamilyReference>,
}

#[derive(Deserialize)]
struct FamilyReference {
    tokenizer: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Texts and images, if it is no task.
    #[serde(default)]
    parts: Vec<PartOfPrompt>,
    task: Option<Task>,
    #[serde(default)]
    shots: Vec<Shot>,
    #[serde(default)]
    question: String,
    ids: Vec<u32>,
    #[serde(default)]
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartOfPrompt {
    Text(String),
    Image,
}

#[derive(Deserialize)]
struct Shot {
    question: String,
    answer: String,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    ids: Vec<u32>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// Tensors whose rows are those of the vocabulary, of which there become so many.
fn with_rows(mut dump: Dump, count: usize) -> Dump {
    for (name, shape, values) in &mut dump {
        let tables = [
            "embed_tokens.weight",
            "lm_head.weight",
            "embed_in.weight",
            "embed_out.weight",
        ];
        if tables.iter().any(|table| name.ends_with(table)) {
            values.resize(count * shape[1], 0.0);
            shape[0] = count;
        }
    }
    dump
}

/// The reference model of a family, with an embedding for its tokenizer.
struct Model {
    import: Import,
    tokenizer: Tokenizer,
    /// Of the model's files.
    _folders: (TempDir, Option<Files>),
}

impl Model {
    /// `own` tokens are the tokenizer's, in files in `folder`.
    fn open(family: Family, folder: TempDir, own: usize) -> Self {
        let path = |name: &str| folder.path().join(name);
        let golden = |name: &str| fixtures().join("golden").join(name);
        let mut released = None;
        let mut options = match family {
            Family::OpenFlamingo | Family::OpenFlamingo1 => {
                let kind = match family {
                    Family::OpenFlamingo => "neox",
                    _ => "llama",
                };
                let files = Files::released(&Reference::open(kind), kind);
                let language = files.options.language.clone().unwrap();
                for file in [&files.options.checkpoint, &language] {
                    // Behind the tokenizer's own are three that are added.
                    write(file, &with_rows(dump(file), own + 3));
                }
                let options = files.options.clone();
                released = Some(files);
                options
            }
            Family::Idefics | Family::IdeficsInstruct => {
                let tensors = dump(&golden("idefics/model.safetensors"));
                let checkpoint = write(&path("model/model.safetensors"), &with_rows(tensors, own));
                fs::copy(golden("idefics/config.json"), path("model/config.json")).unwrap();
                ImportOptions {
                    checkpoint,
                    ..ImportOptions::default()
                }
            }
            Family::FlamingoMini => {
                let golden = golden("flamingo_mini_opt125");
                fs::create_dir(path("mini")).unwrap();
                fs::copy(golden.join("config.json"), path("mini/config.json")).unwrap();
                let tensors = dump(&golden.join("pytorch_model.bin"));
                let parts = fs::read_to_string(golden.join("parts.json")).unwrap();
                let parts: serde_json::Value = serde_json::from_str(&parts).unwrap();
                let part = |name: &str| {
                    fs::create_dir(path(name)).unwrap();
                    fs::write(path(name).join("config.json"), parts[name].to_string()).unwrap();
                    Some(path(name))
                };
                ImportOptions {
                    // One that is added ends captions.
                    checkpoint: write(
                        &path("mini/model.safetensors"),
                        &with_rows(tensors, own + 1),
                    ),
                    language: part("opt"),
                    vision: part("clip"),
                    ..ImportOptions::default()
                }
            }
            Family::MedFlamingo | Family::Otter => panic!("no reference"),
        };
        options.tokenizer = Some(folder.path().to_owned());
        options.family = Some(family);
        let import = Import::open(&options).unwrap_or_else(|error| panic!("{family}: {error}"));
        let json = import.tokenizer().unwrap().to_text();
        let tokenizer = Tokenizer::for_model(&json, import.config()).unwrap();
        Self {
            import,
            tokenizer,
            _folders: (folder, released),
        }
    }

    fn format(&self, task: Task) -> PromptFormat {
        let templates = &self.import.config().prompt.templates;
        PromptFormat::parse(templates.of(task)).unwrap()
    }

    fn ids(&self, segments: &[Segment<()>]) -> Vec<u32> {
        let spelling = &self.import.config().prompt;
        let prompt = Prompt::new(segments, &self.tokenizer, spelling, CONTEXT).unwrap();
        for place in &prompt.places {
            assert_eq!(prompt.tokens[*place], self.import.config().tokens.image);
        }
        prompt.tokens
    }

    fn check(&self, family: &str, case: &Case) {
        let name = format!("{family}: {}", case.name);
        let found = self.ids(&self.segments(case));
        assert_eq!(found, case.ids, "{name}: {}", self.text(&found, &case.ids));
        if let Some(task) = case.task {
            let talk = self.talk(task, case);
            assert_eq!(self.ids(&talk), case.ids, "{name} as a talk");
        }
        for Answer { text, ids } in &case.answers {
            let segments = self.segments(case);
            let spelling = &self.import.config().prompt;
            let found = answer_tokens(&segments, text, &self.tokenizer, spelling).unwrap();
            assert_eq!(found, *ids, "{name}, {text:?}: {}", self.text(&found, ids));
        }
    }

    fn text(&self, found: &[u32], expected: &[u32]) -> String {
        let text = |ids| self.tokenizer.decode_whole(ids).unwrap();
        format!("{:?} for {:?}", text(found), text(expected))
    }

    /// The prompt as a session with examples has it.
    fn segments(&self, case: &Case) -> Vec<Segment<()>> {
        let Some(task) = case.task else {
            let parts = case.parts.iter().map(|part| match part {
                PartOfPrompt::Text(text) => Segment::Text(text.clone()),
                PartOfPrompt::Image => Segment::Media(()),
            });
            return parts.collect();
        };
        let format = self.format(task);
        let examples = case.shots.iter().map(|shot| Example {
            media: Some(()),
            question: shot.question.clone(),
            answer: shot.answer.clone(),
        });
        let mut segments = format.examples(examples);
        segments.extend(format.query(Some(()), &case.question));
        segments
    }

    /// The same in which each example was asked and answered before.
    fn talk(&self, task: Task, case: &Case) -> Vec<Segment<()>> {
        let format = self.format(task);
        let mut segments = Vec::new();
        for shot in &case.shots {
            segments.extend(format.query(Some(()), &shot.question));
            segments.push(Segment::Text(shot.answer.clone()));
            segments.extend(format.after_answer());
        }
        segments.extend(format.query(Some(()), &case.question));
        segments
    }
}

#[test]
fn prompts_have_the_ids_of_the_families_own_programs() {
    let text = fs::read_to_string(fixtures().join("convert/prompts.json")).unwrap();
    let references: References = serde_json::from_str(&text).unwrap();
    assert_eq!(references.families.len(), 5);
    let (mut cases, mut answers) = (0, 0);
    for (name, reference) in &references.families {
        let folder = TempDir::new().unwrap();
        for (file, text) in &references.tokenizers[&reference.tokenizer] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let tokenizer = flamingo_convert::tokenizer::TokenizerJson::open(folder.path()).unwrap();
        let own = tokenizer.vocab_size();
        let model = Model::open(name.parse().unwrap(), folder, own);
        for case in &reference.cases {
            model.check(name, case);
            cases += 1;
            answers += case.answers.len();
        }
    }
    assert_eq!((cases, answers), (36, 36));
}
