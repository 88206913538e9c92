//! A released checkpoint as a model of ours, tensor by tensor.
//!
//! [`Import::open`] recognises what the files are and says how the model in them is
//! described; [`Import::tensor`] and [`Import::packed`] give one tensor of it at a time.
//! [`checkpoint`] writes the whole as a model's folder.

mod error;
mod origins;
mod part;
mod released;
mod rows;
mod types;
mod write;

use std::path::{Path, PathBuf};

use flamingo_architecture::config::{
    ClassToken, LanguageConfig, PromptConfig, TokensConfig, VisionConfig, VisionEncoderConfig,
};
use flamingo_architecture::{FlamingoConfig, TensorSpec};
use flamingo_weights::manifest::ModelPart;
use flamingo_weights::{LoadedTensor, TensorType};

use crate::recognise::language::{LanguageKind, Settings};
use crate::recognise::prompt::{self, Ids};
use crate::recognise::{Family, Fields, Layout, Shapes, bridges, gguf, language, vision};
use crate::tokenizer::TokenizerJson;
use flamingo_weights::names::{self, Blocks, Place};

use origins::Sources;

pub use error::ImportError;
pub use origins::{MalformedPartFact, PartFact};
pub(crate) use part::{CONFIG, Part};
pub use types::StoredAs;
pub use write::{CheckpointOptions, Report, checkpoint};

/// Files of a model, and what their names cannot tell.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The checkpoint with the bridges: a file or a folder.
    pub checkpoint: PathBuf,
    /// The vision encoder, if it is not in the checkpoint; or a folder with its settings
    /// alone, if they are not beside the checkpoint.
    pub vision: Option<PathBuf>,
    /// The language model, likewise.
    pub language: Option<PathBuf>,
    /// The tokenizer. If there is none here, the one beside the language model, in it if it is
    /// a GGUF file, or beside the checkpoint; beside folders, that is.
    pub tokenizer: Option<PathBuf>,
    /// The family, if it is not the one that names and shapes say.
    pub family: Option<Family>,
    /// Width of a head of OpenFlamingo's bridges, if whoever trained them changed the 64 of
    /// the program; no shape tells it.
    pub bridge_head_width: Option<usize>,
    /// The ids of an image and of the end of an answer, if there is no tokenizer.
    pub tokens: Option<TokensConfig>,
}

/// A checkpoint that was recognised.
pub struct Import {
    family: Family,
    config: FlamingoConfig,
    tokenizer: Option<TokenizerJson>,
    /// In which tensors are looked for, the first that has one counts.
    parts: Vec<Part>,
    /// Where names of a checkpoint lie, for errors.
    places: Vec<Place>,
    blocks: Blocks,
    /// Rows of the head that the checkpoint lacks: zero.
    head_rows_missing: usize,
    /// Who made the parts, and on which terms.
    origins: Vec<ModelPart>,
}

impl Import {
    /// Recognises the model in these files.
    ///
    /// # Errors
    /// If they are of no family known here, a part is missing or belongs to another model,
    /// or a fact of the model is not computed here.
    pub fn open(options: &ImportOptions) -> Result<Self, ImportError> {
        let mut checkpoint = Part::open(&options.checkpoint)?;
        let layout = layout(&checkpoint, options.family)?;
        let fields = checkpoint.settings(CONFIG)?.filter(|fields| {
            // OpenFlamingo's have none, and lie among files of other models.
            layout != Layout::OpenFlamingo || fields.object("text_config").is_some()
        });
        let mut places = vec![Place::bare(match layout {
            Layout::OpenFlamingo => &names::bridges::OPEN_FLAMINGO,
            Layout::Idefics => &names::bridges::IDEFICS,
            Layout::FlamingoMini => &names::bridges::FLAMINGO_MINI,
        })];
        checkpoint.map(&places, Blocks::NONE);
        let blocks = bridges::blocks(layout, fields.as_ref(), &Shapes(vec![&checkpoint]))?;
        checkpoint.map(&places, blocks);
        let needs = Needs::of(&checkpoint, blocks);

        let language = find_language(options, &checkpoint, &needs)?;
        let vision = find_vision(options, &checkpoint, &needs)?;
        places.push(language.place);
        places.extend(vision.place_in_checkpoint);
        checkpoint.map(&places, blocks);

        let mut parts = vec![checkpoint];
        let language_part = language.part.map(|part| push(&mut parts, part));
        let vision_part = vision.part.map(|part| push(&mut parts, part));
        let all = Shapes(parts.iter().collect());

        let within = settings_within(layout, fields.as_ref())?;
        let settings = language_settings(within, &parts, language_part)?;
        let language_config = language.kind.facts(&settings, &all)?;
        needs.check_language(&parts, language_part, language.kind, &language_config)?;
        let vision_config = vision
            .kind
            .facts(&parts[vision_part.unwrap_or(0)], &all)
            .map(|config| as_seen(config, layout))?;
        needs.check_vision(&parts[vision_part.unwrap_or(0)], &vision_config)?;

        let head_width = options.bridge_head_width;
        let (resampler, cross_attention) =
            bridges::facts(layout, fields.as_ref(), &all, &language_config, head_width)?;
        let tokenizer_path = tokenizer_path(options, language_part.map(|part| &parts[part]));
        let mut tokenizer = tokenizer_path
            .as_deref()
            .map(TokenizerJson::open)
            .transpose()?;
        let family = options.family.unwrap_or_else(|| {
            family(
                layout,
                &parts[0],
                language.kind,
                tokenizer.as_ref(),
                &language_config,
            )
        });
        let ids = match (&mut tokenizer, options.tokens, &tokenizer_path) {
            (Some(tokenizer), _, Some(path)) => Ids::Tokenizer(path, tokenizer),
            (_, Some(tokens), _) => Ids::Given(tokens),
            _ => Ids::Rows,
        };
        let (tokens, prompt) = prompt::config(family, &language_config, ids)?;
        let head_rows = all.rows("output.weight");
        let head_rows_missing = match family {
            // Frozen and never saved: the rows were drawn anew at every load.
            Family::OpenFlamingo1 | Family::MedFlamingo if head_rows > 0 => {
                language_config.vocab_size.saturating_sub(head_rows)
            }
            _ => 0,
        };
        let origins = Sources {
            checkpoint: &parts[0],
            settings: fields.as_ref(),
            vision: vision_part.map(|part| &parts[part]),
            language: language_part.map(|part| &parts[part]),
            tokenizer: tokenizer_path.as_deref(),
        };
        let origins = origins.parts()?;
        let import = Self {
            family,
            origins,
            config: FlamingoConfig {
                vision: vision_config,
                resampler,
                language: language_config,
                cross_attention,
                tokens,
                prompt,
            },
            tokenizer,
            places,
            blocks,
            head_rows_missing,
            parts,
        };
        import.config.validate()?;
        import.check_all_used(vision.prefix)?;
        Ok(import)
    }

    /// A language model and a vision encoder without bridges between them: what bridges are
    /// trained into. `tokens` are ids that the language model spares.
    ///
    /// # Errors
    /// If a part is of no kind known here, or a fact of it is not computed here.
    pub fn bare(language: &Path, vision: &Path, tokens: TokensConfig) -> Result<Self, ImportError> {
        let (mut language_part, mut vision_part) = (Part::open(language)?, Part::open(vision)?);
        let Some((language_kind, language_place)) = language::find(&language_part)? else {
            return Err(unknown_language(&language_part));
        };
        let Some((vision_kind, vision_place)) = vision::find(&vision_part) else {
            return Err(unknown_vision(&vision_part));
        };
        language_part.map(&[language_place], Blocks::NONE);
        vision_part.map(&[vision_place], Blocks::NONE);
        let parts = vec![language_part, vision_part];
        let all = Shapes(parts.iter().collect());
        let settings = language_settings(None, &parts, Some(0))?;
        let language = language_kind.facts(&settings, &all)?;
        let vision = vision_kind.facts(&parts[1], &all)?;
        let import = Self {
            family: Family::OpenFlamingo,
            config: FlamingoConfig {
                cross_attention: bridges::none(&language),
                resampler: None,
                vision,
                language,
                tokens,
                prompt: PromptConfig::open_flamingo(tokens),
            },
            tokenizer: None,
            places: vec![language_place, vision_place],
            blocks: Blocks::NONE,
            head_rows_missing: 0,
            origins: Vec::new(),
            parts,
        };
        import.config.validate()?;
        import.check_all_used(vision_place.prefix)?;
        Ok(import)
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// All facts of the model.
    pub fn config(&self) -> &FlamingoConfig {
        &self.config
    }

    /// The tokenizer with the tokens that the family adds, if one was named.
    pub fn tokenizer(&self) -> Option<&TokenizerJson> {
        self.tokenizer.as_ref()
    }

    /// Who made the parts, and on which terms, as far as their files say it and what is known
    /// of released ones; of a model without bridges nothing.
    pub fn origins(&self) -> &[ModelPart] {
        &self.origins
    }

    /// Bytes of the files that the tensors lie in.
    pub fn byte_len(&self) -> u64 {
        self.parts.iter().map(Part::byte_len).sum()
    }

    /// Where the tensors lie: the checkpoint first.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(Part::path)
    }

    /// A tensor with its exact numbers: `F16` if it is stored so, `F32` otherwise.
    ///
    /// # Errors
    /// If it is missing, damaged or of another shape.
    pub fn tensor(&self, spec: &TensorSpec) -> Result<LoadedTensor, ImportError> {
        self.gather(spec, None)
    }

    /// A tensor packed as `tensor_type`, each block with the scale that loses least.
    ///
    /// # Errors
    /// Those of [`Self::tensor`], and if a number cannot be stored in the type.
    pub fn packed(
        &self,
        spec: &TensorSpec,
        tensor_type: TensorType,
    ) -> Result<LoadedTensor, ImportError> {
        self.gather(spec, Some(tensor_type))
    }

    fn gather(
        &self,
        spec: &TensorSpec,
        tensor_type: Option<TensorType>,
    ) -> Result<LoadedTensor, ImportError> {
        let Some(part) = self.parts.iter().find(|part| part.holds(&spec.name)) else {
            return Err(ImportError::MissingTensor {
                name: spec.name.clone(),
                theirs: released::theirs(&self.places, self.blocks, &spec.name),
                parts: self.paths().map(Path::to_owned).collect(),
            });
        };
        let missing_rows = match spec.name.as_str() {
            "output.weight" => self.head_rows_missing,
            _ => 0,
        };
        let head_width = self.config.language.attention.head_dim;
        rows::gather(part, spec, tensor_type, missing_rows, head_width)
    }

    /// Checks that no weight is left out.
    fn check_all_used(&self, vision_prefix: &str) -> Result<(), ImportError> {
        let specs = self.config.tensors();
        let is_spec = |name: &str| specs.iter().any(|spec| spec.name == name);
        // A tied head may be written twice; no Flamingo norms what its bridges see.
        let is_spare = |name: &str| {
            name.starts_with("v.post_ln.")
                || (name == "output.weight" && self.config.language.embedding.tied_head)
        };
        let vision_alone = self.parts.len() - 1;
        for (number, part) in self.parts.iter().enumerate() {
            // A file of CLIP has a text tower too.
            let of_tower = number > 0 && number == vision_alone && part.holds("v.blk.0.ln1.weight");
            let unknown = part.unknown().iter();
            let unknown = unknown.filter(|name| !of_tower || name.starts_with(vision_prefix));
            let spare = part.ours().filter(|name| !is_spec(name) && !is_spare(name));
            let mut left: Vec<&str> = unknown.map(String::as_str).chain(spare).collect();
            left.sort_unstable();
            if let Some(first) = left.first() {
                return Err(ImportError::UnknownTensors {
                    path: part.path().to_owned(),
                    count: left.len(),
                    first: (*first).to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Where the tokenizer is: named, beside the language model, in it, or beside the checkpoint.
fn tokenizer_path(options: &ImportOptions, language: Option<&Part>) -> Option<PathBuf> {
    let beside = |folder: &PathBuf| TokenizerJson::is_in(folder).then(|| folder.clone());
    let within = || language.and_then(Part::own_tokenizer).map(Path::to_owned);
    let named = options.tokenizer.clone();
    named
        .or_else(|| options.language.as_ref().and_then(beside))
        .or_else(within)
        .or_else(|| beside(&options.checkpoint))
}

fn push(parts: &mut Vec<Part>, part: Part) -> usize {
    parts.push(part);
    parts.len() - 1
}

fn layout(checkpoint: &Part, asked: Option<Family>) -> Result<Layout, ImportError> {
    let Some(layout) = Layout::of(checkpoint) else {
        let mut names = checkpoint.names();
        return Err(ImportError::UnknownFamily {
            path: checkpoint.path().to_owned(),
            first: names.next().unwrap_or("none").to_owned(),
            tensors: checkpoint.names().count(),
        });
    };
    match asked {
        Some(asked) if asked.layout() != layout => Err(ImportError::OtherFamily {
            path: checkpoint.path().to_owned(),
            asked: asked.title(),
            found: match layout {
                Layout::OpenFlamingo => "OpenFlamingo or Otter",
                Layout::Idefics => "IDEFICS",
                Layout::FlamingoMini => "flamingo-mini",
            },
        }),
        _ => Ok(layout),
    }
}

/// The family that names, the language model and the tokenizer say.
fn family(
    layout: Layout,
    checkpoint: &Part,
    kind: &LanguageKind,
    tokenizer: Option<&TokenizerJson>,
    language: &LanguageConfig,
) -> Family {
    match layout {
        Layout::OpenFlamingo if checkpoint.has("perceiver.layers.0.norm_media.weight") => {
            Family::Otter
        }
        Layout::OpenFlamingo if std::ptr::eq(kind, &language::LLAMA) => Family::OpenFlamingo1,
        Layout::OpenFlamingo => Family::OpenFlamingo,
        Layout::Idefics => {
            // A third added token ends the turns of dialogues.
            let has_turns = match tokenizer {
                Some(tokenizer) => tokenizer.id_of("<end_of_utterance>").is_some(),
                None => language.extra_tokens > 2,
            };
            match has_turns {
                true => Family::IdeficsInstruct,
                false => Family::Idefics,
            }
        }
        Layout::FlamingoMini => Family::FlamingoMini,
    }
}

/// The parts that the bridges need around them.
struct Needs {
    /// The language model in words, and its width.
    language: String,
    width: usize,
    every: usize,
    last_block: usize,
    /// The vision encoder in words, and its width.
    vision: String,
    vision_width: usize,
}

impl Needs {
    fn of(checkpoint: &Part, blocks: Blocks) -> Self {
        let shapes = Shapes(vec![checkpoint]);
        let layers = shapes.numbers("xattn.", ".attn_q.weight");
        let first = format!("xattn.{}.", blocks.offset);
        let width = shapes.rows(&format!("{first}attn_norm.weight"));
        let last_block = layers.last().copied().unwrap_or_default();
        let media_width = |name: &str| shapes.cols(&format!("{first}{name}.weight"));
        let vision_width = match shapes.has("resampler.latents") {
            true if shapes.has("resampler.input_proj.weight") => {
                shapes.cols("resampler.input_proj.weight")
            }
            true => shapes.cols("resampler.latents"),
            false => media_width("attn_kv").max(media_width("attn_k")),
        };
        Self {
            language: released::language(checkpoint.names(), width, blocks.every, last_block),
            width,
            every: blocks.every,
            last_block,
            vision: released::vision(vision_width),
            vision_width,
        }
    }

    fn check_language(
        &self,
        parts: &[Part],
        part: Option<usize>,
        kind: &LanguageKind,
        found: &LanguageConfig,
    ) -> Result<(), ImportError> {
        // Every n-th layer has a block, so the last block tells how deep the model is.
        let deep = self.last_block < found.layers
            && self.last_block.saturating_add(self.every) >= found.layers;
        // What lies in the checkpoint belongs to another kind of language model.
        let foreign = parts[0].unknown().iter();
        let foreign = foreign.filter(|name| name.starts_with("lang_encoder."));
        let is_foreign = part.is_some() && foreign.count() > 0;
        if found.width == self.width && deep && !is_foreign {
            return Ok(());
        }
        Err(ImportError::UnfittingPart {
            needed: self.language.clone(),
            path: parts[part.unwrap_or(0)].path().to_owned(),
            found: released::describe(kind, found),
        })
    }

    fn check_vision(&self, part: &Part, found: &VisionConfig) -> Result<(), ImportError> {
        let width = found.encoder.width();
        if width == self.vision_width {
            return Ok(());
        }
        Err(ImportError::UnfittingPart {
            needed: self.vision.clone(),
            path: part.path().to_owned(),
            found: format!("one of width {width}"),
        })
    }
}

/// The language model among the files.
struct FoundLanguage {
    kind: &'static LanguageKind,
    /// Where its names lie in the checkpoint, which has some of its tensors or all.
    place: Place,
    part: Option<Part>,
}

fn find_language(
    options: &ImportOptions,
    checkpoint: &Part,
    needs: &Needs,
) -> Result<FoundLanguage, ImportError> {
    let part = options.language.as_deref().map(Part::open).transpose()?;
    let found = language::find(checkpoint)?;
    let Some(mut part) = part else {
        let Some((kind, place)) = found else {
            return Err(ImportError::MissingPart {
                needed: needs.language.clone(),
                option: "--language",
            });
        };
        return Ok(FoundLanguage {
            kind,
            place,
            part: None,
        });
    };
    let own = language::find(&part)?;
    if let Some((_, place)) = own {
        part.map(&[place], Blocks::NONE);
    }
    let (kind, place) = match (found, own) {
        (Some(found), _) => found,
        (None, Some((kind, _))) => {
            let place = Place::wrapped("lang_encoder.", "decoder_layer.", kind.part);
            (kind, place)
        }
        (None, None) => {
            return Err(unknown_language(&part));
        }
    };
    Ok(FoundLanguage {
        kind,
        place,
        part: Some(part),
    })
}

/// The vision encoder among the files.
struct FoundVision {
    kind: &'static vision::VisionKind,
    /// Where its names lie in the checkpoint, if it is there.
    place_in_checkpoint: Option<Place>,
    /// Before its names in the file that it is in.
    prefix: &'static str,
    part: Option<Part>,
}

fn find_vision(
    options: &ImportOptions,
    checkpoint: &Part,
    needs: &Needs,
) -> Result<FoundVision, ImportError> {
    let part = options.vision.as_deref().map(Part::open).transpose()?;
    let found = vision::find(checkpoint);
    let Some(mut part) = part else {
        let Some((kind, place)) = found else {
            return Err(ImportError::MissingPart {
                needed: needs.vision.clone(),
                option: "--vision",
            });
        };
        return Ok(FoundVision {
            kind,
            place_in_checkpoint: Some(place),
            prefix: place.prefix,
            part: None,
        });
    };
    let own = vision::find(&part);
    if let Some((_, place)) = own {
        part.map(&[place], Blocks::NONE);
    }
    // One that is named stands in for one in the checkpoint: a fine-tuned tower, say.
    let Some((kind, place)) = own.or(found) else {
        return Err(unknown_vision(&part));
    };
    Ok(FoundVision {
        kind,
        place_in_checkpoint: found.map(|(_, place)| place),
        prefix: place.prefix,
        part: Some(part),
    })
}

/// The settings of the language model: in it, beside it, or those that the checkpoint tells.
fn language_settings(
    within: Option<Fields>,
    parts: &[Part],
    part: Option<usize>,
) -> Result<Settings, ImportError> {
    let part = part.map(|part| &parts[part]);
    if let Some(settings) = part.map(gguf::settings).transpose()?.flatten() {
        return Ok(Settings::Gguf(settings));
    }
    let beside = match part {
        Some(part) => part.settings(CONFIG)?,
        None => None,
    };
    let fields = beside.or(within).ok_or_else(|| ImportError::NoConfig {
        path: part.unwrap_or(&parts[0]).path().to_owned(),
        needed: "the number of heads of the language model, its positions and its functions",
    })?;
    Ok(Settings::Config(fields))
}

/// The settings of the language model that the checkpoint's own tell.
fn settings_within(layout: Layout, fields: Option<&Fields>) -> Result<Option<Fields>, ImportError> {
    let Some(fields) = fields else {
        return Ok(None);
    };
    Ok(match layout {
        Layout::Idefics => Some(fields.clone()),
        Layout::OpenFlamingo => fields.object("text_config"),
        Layout::FlamingoMini => {
            let name = fields.text("lm")?.unwrap_or_default();
            released::opt_settings(name).map(|text| Fields::known(name, text))
        }
    })
}

fn unknown_language(part: &Part) -> ImportError {
    ImportError::UnknownPart {
        path: part.path().to_owned(),
        part: "language model",
        known: language::KNOWN,
    }
}

fn unknown_vision(part: &Part) -> ImportError {
    ImportError::UnknownPart {
        path: part.path().to_owned(),
        part: "vision encoder",
        known: vision::KNOWN,
    }
}

/// An encoder as the bridges of this layout see it: the tokens of the last block without a
/// norm behind it, and without the class token in OpenFlamingo's.
fn as_seen(mut config: VisionConfig, layout: Layout) -> VisionConfig {
    if let VisionEncoderConfig::Vit(vit) = &mut config.encoder {
        vit.norm_after = false;
        if layout == Layout::OpenFlamingo && vit.class_token == ClassToken::Kept {
            vit.class_token = ClassToken::Dropped;
        }
    }
    config
}
