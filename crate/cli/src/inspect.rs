//! `flamingo inspect`: what a model holds, and whether its bytes are right; or the tensors
//! of a checkpoint in another format.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use flamingo::FlamingoConfig;
use flamingo_convert::listing;
use flamingo_convert::progress::Progress;
use flamingo_convert::source::{Checkpoint, SourceError};
use flamingo_kernels::DeviceReport;
use flamingo_runtime::LoadError;
use flamingo_weights::gguf::{GgufHeader, GgufReader};
use flamingo_weights::manifest::{MANIFEST_FILE, ModelFolder, ModelManifest, ModelPart, Shard};

use crate::device::DeviceChoice;
use crate::failure::Failure;
use crate::model_source::{ModelError, ModelSource};

/// Metadata key of a model's configuration.
const CONFIG_KEY: &str = "flamingo.config";

#[derive(Args)]
pub(crate) struct InspectArgs {
    /// Folder with a model.json and its shards, that model.json, or a single GGUF file; or a
    /// checkpoint: a PyTorch, TorchScript, safetensors or GGUF file, an index.json, a folder
    /// of these
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Also open this device, test it and describe it
    #[arg(long, value_enum)]
    device: Option<DeviceChoice>,
}

/// Prints a description of the model, every byte of which is read, or the tensors of a
/// checkpoint.
///
/// # Errors
/// Where the model is damaged; what can be said about it has been printed.
pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    if is_packed(&args.model) {
        print_model(args)?;
    } else {
        let checkpoint = Checkpoint::open(&args.model)?;
        listing::write(&mut io::stdout().lock(), &checkpoint).map_err(Failure::Output)?;
    }
    if let Some(choice) = args.device {
        let (_, report) = choice.open()?;
        print_device(&mut io::stdout().lock(), &report).map_err(Failure::Output)?;
    }
    Ok(())
}

/// Whether `path` is a model for this program, or can be told about as one: a published
/// folder, a GGUF file with a configuration, something damaged, or nothing at all.
fn is_packed(path: &Path) -> bool {
    if path.is_dir() {
        return path.join(MANIFEST_FILE).exists();
    }
    match Checkpoint::open(path) {
        Ok(checkpoint) => checkpoint
            .metadata()
            .is_some_and(|metadata| metadata.get(CONFIG_KEY).is_some()),
        Err(SourceError::Io { .. } | SourceError::Gguf { .. }) => true,
        // A model.json by itself.
        Err(_) => ModelFolder::of_manifest(path).is_ok(),
    }
}

fn print_model(args: &InspectArgs) -> Result<(), Failure> {
    let source = ModelSource::open(&args.model)?;
    let mut out = io::stdout().lock();
    if let Some(folder) = source.folder() {
        print_manifest(&mut out, folder.manifest()).map_err(Failure::Output)?;
    }

    let mut progress = Progress::bytes("Reading", source.total_bytes());
    let mut reader = GgufReader::new();
    let mut damage: Option<ModelError> = None;
    let mut shards = source
        .folder()
        .map(|folder| folder.manifest().shards.iter());
    for piece in source.pieces() {
        let shard = shards.as_mut().and_then(Iterator::next);
        progress.advance(piece.as_ref().map_or(0, Vec::len) as u64);
        progress
            .aside(|| print_shard(&mut out, shard, piece.is_ok()))
            .map_err(Failure::Output)?;
        match piece {
            Err(error) => damage = damage.or(Some(error)),
            // Behind a hole the bytes mean nothing.
            Ok(bytes) if damage.is_none() => {
                damage = read(&mut reader, &bytes)
                    .err()
                    .map(|error| no_model(args, error));
            }
            Ok(_) => {}
        }
    }
    drop(progress);
    let whole = match damage {
        Some(damage) => Err(damage),
        None => reader
            .finish()
            .map_err(|error| no_model(args, error.into())),
    };
    if let Some(header) = reader.header() {
        print_tensors(&mut out, header).map_err(Failure::Output)?;
        print_config(&mut out, header, args)?;
    }
    whole?;
    Ok(())
}

fn no_model(args: &InspectArgs, source: LoadError) -> ModelError {
    ModelError::Load {
        path: args.model.clone(),
        source,
    }
}

/// Reads on and forgets the tensors, which have been checked by then.
fn read(reader: &mut GgufReader, bytes: &[u8]) -> Result<(), LoadError> {
    reader.push(bytes)?;
    while reader.next_tensor().is_some() {}
    Ok(())
}

fn print_manifest(out: &mut impl Write, manifest: &ModelManifest) -> io::Result<()> {
    let summary = &manifest.summary;
    let limits = &summary.required_gpu_limits;
    writeln!(out, "Name     {}", summary.name)?;
    writeln!(out, "Licence  {}", summary.licence)?;
    writeln!(
        out,
        "Size     {} bytes in {} shards",
        manifest.total_bytes,
        manifest.shards.len()
    )?;
    writeln!(
        out,
        "Memory   about {} bytes once loaded",
        summary.estimated_memory_bytes
    )?;
    writeln!(
        out,
        "GPU      buffers of {} bytes, bindings of {} bytes",
        limits.max_buffer_size, limits.max_storage_buffer_binding_size
    )?;
    if !summary.parts.is_empty() {
        writeln!(out, "\nParts")?;
    }
    for ModelPart {
        kind,
        name,
        source,
        licence,
    } in &summary.parts
    {
        writeln!(out, "  {:<10}  {name}", kind.name())?;
        writeln!(out, "  {:<10}  {licence}, {source}", "")?;
    }
    writeln!(out, "\nShards")
}

fn print_shard(out: &mut impl Write, shard: Option<&Shard>, is_right: bool) -> io::Result<()> {
    let Some(Shard {
        file,
        bytes,
        sha256,
    }) = shard
    else {
        return Ok(());
    };
    let verdict = if is_right { "ok     " } else { "DAMAGED" };
    writeln!(
        out,
        "  {verdict}  {file}  {bytes:>9} bytes  sha256 {sha256}"
    )
}

/// Number and bytes of the tensors of each type.
fn print_tensors(out: &mut impl Write, header: &GgufHeader) -> io::Result<()> {
    let mut types: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for entry in &header.tensors {
        let (count, bytes) = types.entry(entry.info.tensor_type.to_string()).or_default();
        *count += 1;
        *bytes += entry
            .info
            .byte_len()
            .expect("invariant: a header is refused if it has a tensor without a length");
    }
    writeln!(out, "\nTensors")?;
    for (tensor_type, (count, bytes)) in types {
        writeln!(
            out,
            "  {tensor_type:<5} {count:>4} tensors  {bytes:>10} bytes"
        )?;
    }
    Ok(())
}

/// The configuration, as far as it is one.
fn print_config(
    out: &mut impl Write,
    header: &GgufHeader,
    args: &InspectArgs,
) -> Result<(), Failure> {
    let text = header
        .metadata
        .string(CONFIG_KEY)
        .map_err(|error| no_model(args, error.into()))?;
    let config = FlamingoConfig::from_json(text).map_err(|error| no_model(args, error.into()))?;
    writeln!(out, "\nConfiguration")
        .and_then(|()| Ok(serde_json::to_writer_pretty(&mut *out, &config)?))
        .and_then(|()| writeln!(out))
        .map_err(Failure::Output)
}

fn print_device(out: &mut impl Write, report: &DeviceReport) -> io::Result<()> {
    writeln!(out, "\nDevice")?;
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}
