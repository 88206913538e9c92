//! The reference models of OpenFlamingo as released files: bridges, language model and vision
//! encoder in files of their own.

#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use flamingo::FlamingoConfig;
use flamingo_convert::import::{Import, ImportOptions};
use flamingo_convert::source::Checkpoint;
use flamingo_parity::{Golden, read_templates};
use flamingo_weights::LoadedTensor;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Name, shape and numbers of each tensor of a file.
pub(crate) type Dump = Vec<(String, Vec<usize>, Vec<f32>)>;

pub(crate) struct Reference {
    pub(crate) dump: Dump,
    pub(crate) lm: Value,
    pub(crate) config: FlamingoConfig,
    pub(crate) weights: HashMap<String, LoadedTensor>,
}

impl Reference {
    pub(crate) fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden");
        let folder = folder.join(name);
        let config = fs::read_to_string(folder.join("config.json")).unwrap();
        let full = folder.join("model_full.safetensors");
        let expected = fs::read(folder.join("expected.safetensors")).unwrap();
        let golden = Golden::read(&config, &fs::read(&full).unwrap(), &expected).unwrap();
        let json: Value = serde_json::from_str(&config).unwrap();
        let weights = golden.weights().iter();
        Self {
            dump: dump(&full),
            lm: json["lm"].clone(),
            config: golden.config().clone(),
            weights: weights
                .map(|tensor| (tensor.info.name.clone(), tensor.clone()))
                .collect(),
        }
    }

    /// Checks that an imported model is this one, but for how its prompts are spelled and its
    /// pixels made, of which the reference knows nothing.
    pub(crate) fn check(&self, form: &str, import: &Import) {
        let found = import.config();
        let mut expected = self.config.clone();
        expected.prompt = found.prompt.clone();
        expected.tokens = found.tokens;
        expected.vision.mean = found.vision.mean;
        expected.vision.std = found.vision.std;
        assert_eq!(*found, expected, "{form}");
        read_templates(import).unwrap();
        let specs = found.tensors();
        assert_eq!(specs.len(), self.weights.len(), "{form}");
        for spec in specs {
            let tensor = import.tensor(&spec).unwrap();
            assert!(tensor == self.weights[&spec.name], "{form}: {}", spec.name);
        }
    }
}

pub(crate) fn dump(path: &Path) -> Dump {
    let checkpoint = Checkpoint::open(path).unwrap();
    let tensors = checkpoint.tensors().iter();
    tensors
        .map(|entry| {
            let values = checkpoint.read(&entry.name).unwrap().to_f32().unwrap();
            (entry.name.clone(), entry.shape.clone(), values)
        })
        .collect()
}

/// Writes a safetensors file.
pub(crate) fn write(path: &Path, dump: &Dump) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape, values) in dump {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        assert!(header.insert(name.clone(), entry).is_none(), "{name} twice");
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend(data);
    fs::write(path, file).unwrap();
    path.to_owned()
}

/// The tensors that `rename` gives a name.
pub(crate) fn renamed(dump: &Dump, rename: impl Fn(&str) -> Option<String>) -> Dump {
    let tensors = dump
        .iter()
        .filter_map(|(name, shape, values)| Some((rename(name)?, shape.clone(), values.clone())));
    tensors.collect()
}

/// The tensors that `filter_state_dict_to_trainable` leaves: bridges and embeddings.
pub(crate) fn is_trained(name: &str) -> bool {
    let lies_in = |part: &str| name.contains(part);
    name.starts_with("perceiver.")
        || lies_in("gated_cross_attn_layer")
        || lies_in("embed_tokens")
        || lies_in("embed_in")
        || lies_in("embed_out")
        || lies_in("wte")
}

/// A language model's name in its own repository.
pub(crate) fn in_own_repository(name: &str) -> Option<String> {
    let own = name.strip_prefix("lang_encoder.")?;
    (!name.contains("gated_cross_attn_layer")).then(|| own.replace(".decoder_layer.", "."))
}

/// MPT-1B's names in its own repository, of those of the reference.
pub(crate) fn mosaic(name: &str) -> Option<String> {
    let name = in_own_repository(name).filter(|name| name != "lm_head.weight")?;
    let pairs = [
        ("Wqkv.lin.", "Wqkv."),
        ("Wqkv.q_ln.", "q_ln."),
        ("Wqkv.k_ln.", "k_ln."),
        ("norm_1", "ln_1"),
        ("norm_2", "ln_2"),
        ("norm_f", "ln_f"),
        ("ffn.up_proj", "mlp.mlp_up"),
        ("ffn.down_proj", "mlp.mlp_down"),
    ];
    Some(
        pairs
            .iter()
            .fold(name, |name, (from, to)| name.replace(from, to)),
    )
}

/// The files of a released model, in a folder of their own.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    pub(crate) options: ImportOptions,
}

impl Files {
    /// Three files: bridges, language model with its settings, encoder with its settings.
    pub(crate) fn released(reference: &Reference, kind: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        let trained = renamed(&reference.dump, |name| {
            is_trained(name).then(|| name.to_owned())
        });
        let (mut language, settings) = match kind {
            "mosaic" => {
                let lm = &reference.lm;
                let settings = json!({
                    "model_type": "mosaic_gpt",
                    "d_model": lm["d_model"],
                    "n_heads": lm["n_heads"],
                    "n_layers": lm["n_layers"],
                    "max_seq_len": lm["max_seq_len"],
                    "alibi": true,
                    "alibi_bias_max": 8,
                    "attn_qk_ln": true,
                    "attn_clip_qkv": null,
                    "softmax_scale": null,
                    "logit_scale": null,
                });
                (renamed(&reference.dump, mosaic), settings)
            }
            _ => (
                renamed(&reference.dump, in_own_repository),
                reference.lm.clone(),
            ),
        };
        // The language model's own embeddings are others, and none of them is to be used.
        for (_, _, values) in language
            .iter_mut()
            .filter(|(name, ..)| is_trained(name) && name != "lm_head.weight")
        {
            values.fill(0.5);
        }
        let visual = renamed(&reference.dump, |name| {
            Some(format!("visual.{}", name.strip_prefix("vision_encoder.")?))
        });
        let text_tower = renamed(&reference.dump, |name| {
            name.strip_prefix("vision_encoder.").map(str::to_owned)
        });
        let options = ImportOptions {
            checkpoint: write(&path("checkpoint.pt"), &trained),
            language: Some(write(&path("lm/model.safetensors"), &language)),
            vision: Some(write(
                &path("clip/open_clip_model.safetensors"),
                &visual.into_iter().chain(text_tower).collect(),
            )),
            ..ImportOptions::default()
        };
        fs::write(path("lm/config.json"), settings.to_string()).unwrap();
        let clip = json!({
            "model_cfg": {
                "quick_gelu": true,
                "vision_cfg": {"width": 32, "head_width": 8, "layers": 2, "patch_size": 7},
            },
            "preprocess_cfg": {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]},
        });
        fs::write(path("clip/open_clip_config.json"), clip.to_string()).unwrap();
        Self { folder, options }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn open(&self) -> Import {
        Import::open(&self.options).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The checkpoint with other names.
    pub(crate) fn rename(&self, rename: impl Fn(&str) -> String) {
        let trained = dump(&self.options.checkpoint);
        let renamed = renamed(&trained, |name| Some(rename(name)));
        write(&self.options.checkpoint, &renamed);
    }

    /// Adds tensors to the checkpoint.
    pub(crate) fn add(&self, more: Dump) {
        let mut trained = dump(&self.options.checkpoint);
        trained.extend(more);
        write(&self.options.checkpoint, &trained);
    }
}
