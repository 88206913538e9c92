//! `flamingo check` on the default model, whole and broken as conversions break models.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flamingo::FlamingoConfig;
use flamingo::config::{PositionConfig, RopeStyle};
use flamingo_weights::LoadedTensor;
use flamingo_weights::gguf::{GgufReader, GgufWriter, Metadata};
use flamingo_weights::manifest::ModelFolder;

/// The default model as `./x pack` leaves it.
fn default_model() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/flamingo-smollm2-135m");
    assert!(
        folder.join("model.json").is_file(),
        "{} is missing: run ./x pack first",
        folder.display()
    );
    folder
}

/// The default model's configuration, tokenizer and tensors.
struct Model {
    config: FlamingoConfig,
    tokenizer: String,
    tensors: Vec<LoadedTensor>,
}

impl Model {
    fn read() -> Self {
        let mut reader = GgufReader::new();
        let mut tensors = Vec::new();
        for shard in ModelFolder::open(&default_model()).unwrap().shards() {
            reader.push(&shard.unwrap()).unwrap();
            tensors.extend(std::iter::from_fn(|| reader.next_tensor()));
        }
        reader.finish().unwrap();
        let metadata = &reader.header().unwrap().metadata;
        let text = |key: &str| metadata.string(key).unwrap().to_owned();
        Self {
            config: FlamingoConfig::from_json(&text("flamingo.config")).unwrap(),
            tokenizer: text("tokenizer.huggingface.json"),
            tensors,
        }
    }

    /// The tensors whose names end so.
    fn ending<'a>(&'a mut self, end: &'a str) -> impl Iterator<Item = &'a mut LoadedTensor> {
        let tensors = self.tensors.iter_mut();
        tensors.filter(move |tensor| tensor.info.name.ends_with(end))
    }

    /// Writes the model and checks it.
    fn check(self) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let mut metadata = Metadata::new();
        metadata.set_string("general.architecture", "flamingo");
        metadata.set_string("general.name", "broken");
        metadata.set_string("general.license", "none");
        metadata.set_string("flamingo.config", self.config.to_json());
        metadata.set_string("tokenizer.huggingface.json", &self.tokenizer);
        let mut writer = GgufWriter::new(metadata).unwrap();
        for tensor in self.tensors {
            writer.push(tensor).unwrap();
        }
        writer.write(&mut File::create(&path).unwrap()).unwrap();
        check(&path)
    }
}

fn check(model: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flamingo"))
        .arg("check")
        .arg(model)
        .args(["--device", "cpu"])
        .output()
        .unwrap()
}

/// The message of a check that fails.
fn complaint(output: &Output) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    error
}

/// Puts the rows of a tensor, packed or not, into another order.
fn reorder(tensor: &mut LoadedTensor, source_of: impl Fn(usize) -> usize) {
    let rows = tensor.info.shape[0];
    let bytes = tensor.data.len() / rows;
    let from = tensor.data.clone();
    for (row, place) in tensor.data.chunks_exact_mut(bytes).enumerate() {
        place.copy_from_slice(&from[source_of(row) * bytes..][..bytes]);
    }
}

#[test]
fn the_default_model_computes_what_it_should() {
    let output = check(&default_model());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("The model computes what it should."),
        "{said}"
    );
}

/// Rows of queries and keys as transformers has them, where the model turns neighbours.
#[test]
fn rows_in_another_order_are_told() {
    let mut model = Model::read();
    let head = model.config.language.attention.head_dim;
    for part in [".attn_q.weight", ".attn_k.weight"] {
        for tensor in model.ending(part) {
            if tensor.info.name.starts_with("blk.") {
                reorder(tensor, |row| {
                    let (start, within) = (row / head * head, row % head);
                    start + 2 * (within % (head / 2)) + within / (head / 2)
                });
            }
        }
    }
    let error = complaint(&model.check());
    assert!(error.contains("perplexity on plain English"), "{error}");
}

#[test]
fn a_wrong_style_of_the_rotary_embedding_is_told() {
    let mut model = Model::read();
    match &mut model.config.language.positions {
        PositionConfig::Rope { style, .. } => *style = RopeStyle::Halves,
        other => panic!("{other:?}"),
    }
    let error = complaint(&model.check());
    assert!(error.contains("rotary embedding's style"), "{error}");
}

#[test]
fn gates_at_zero_are_told() {
    let mut model = Model::read();
    for tensor in model.ending(".attn_gate") {
        tensor.data.fill(0);
    }
    let error = complaint(&model.check());
    assert!(error.contains("gates of the cross-attention"), "{error}");
}

#[test]
fn shuffled_features_are_told() {
    let mut model = Model::read();
    for end in ["v.head.weight", "v.head.bias"] {
        for tensor in model.ending(end) {
            // A step that shares no factor with the number of rows reaches each once.
            let rows = tensor.info.shape[0];
            reorder(tensor, |row| row * 717 % rows);
        }
    }
    let error = complaint(&model.check());
    assert!(error.contains("told apart by their captions"), "{error}");
}
