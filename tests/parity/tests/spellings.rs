//! The reference models of OpenFlamingo in every form in which such models are released,
//! imported: the same facts and the same bits as read from the reference dump itself.

#![allow(clippy::unwrap_used, clippy::panic)]

mod released;

use std::fs;
use std::path::Path;

use flamingo::config::TokensConfig;
use flamingo_convert::import::{Import, ImportError, ImportOptions};
use flamingo_convert::recognise::Family;
use serde_json::{Value, json};
use tempfile::TempDir;

use released::{Dump, Files, Reference, dump, mosaic, renamed, write};

/// The references that have the sizes of bridges that all released ones have.
const KINDS: [(&str, Family); 4] = [
    ("neox", Family::OpenFlamingo),
    ("mpt", Family::OpenFlamingo),
    ("mosaic", Family::OpenFlamingo),
    ("llama", Family::OpenFlamingo1),
];

fn small(name: &str, shape: &[usize]) -> (String, Vec<usize>, Vec<f32>) {
    let count = shape.iter().product();
    (name.to_owned(), shape.to_vec(), vec![0.25; count])
}

#[test]
fn released_files_hold_the_model() {
    for (kind, family) in KINDS {
        let reference = Reference::open(kind);
        let files = Files::released(&reference, kind);
        let import = files.open();
        assert_eq!(import.family(), family, "{kind}");
        // By the rule of the last rows, as there is no tokenizer.
        assert_eq!(import.config().tokens.image, 97, "{kind}");
        reference.check(kind, &import);
    }
}

#[test]
fn wrappers_and_what_is_no_weight_do_not_matter() {
    for (kind, _) in KINDS {
        let reference = Reference::open(kind);
        let with = |rename: fn(&str) -> String, form: &str| {
            let files = Files::released(&reference, kind);
            files.add(vec![
                small("lang_encoder.old_decoder_blocks.0.norm_1.weight", &[3]),
                small("lang_encoder.gpt_neox.layers.0.attention.masked_bias", &[1]),
                small(
                    "lang_encoder.model.layers.0.self_attn.rotary_emb.inv_freq",
                    &[4],
                ),
            ]);
            files.rename(rename);
            reference.check(&format!("{kind} {form}"), &files.open());
        };
        with(|name| format!("module.{name}"), "module");
        with(
            |name| format!("model_state_dict.module.{name}"),
            "model_state_dict",
        );
        with(
            |name| {
                let name = name.replace("lang_encoder.", "lang_encoder._fsdp_wrapped_module.");
                let inner = "_fsdp_wrapped_module._checkpoint_wrapped_module.";
                name.replace(
                    "gated_cross_attn_layer.",
                    &format!("{inner}gated_cross_attn_layer."),
                )
            },
            "FSDP",
        );
    }
}

#[test]
fn a_file_with_everything_needs_no_other() {
    for (kind, _) in KINDS {
        let reference = Reference::open(kind);
        let mut files = Files::released(&reference, kind);
        let all = renamed(&reference.dump, |name| match kind {
            "mosaic" if name.contains("gated_cross") || !name.starts_with("lang_") => {
                Some(name.to_owned())
            }
            "mosaic" => mosaic(name).map(|name| format!("lang_encoder.{name}")),
            _ => Some(name.to_owned()),
        });
        write(&files.options.checkpoint, &all);
        // Its settings still lie beside the parts.
        fs::remove_file(files.path("lm/model.safetensors")).unwrap();
        files.options.language = Some(files.path("lm"));
        reference.check(kind, &files.open());
    }
}

#[test]
fn version_1_spells_blocks_twice() {
    let reference = Reference::open("llama");
    let old = |name: &str| {
        let rest = name.strip_prefix("lang_encoder.model.layers.")?;
        let (layer, rest) = rest.split_once(".gated_cross_attn_layer.")?;
        Some(format!(
            "lang_encoder.gated_cross_attn_layers.{layer}.{rest}"
        ))
    };
    let alone = Files::released(&reference, "llama");
    alone.rename(|name| old(name).unwrap_or_else(|| name.to_owned()));
    reference.check("listed only", &alone.open());

    let twice = Files::released(&reference, "llama");
    twice.add(renamed(&reference.dump, old));
    reference.check("listed twice", &twice.open());

    // With different numbers, nobody knows which are right.
    let mut other = renamed(&reference.dump, old);
    let gate = other
        .iter_mut()
        .find(|(name, ..)| name.ends_with(".attn_gate"));
    gate.unwrap().2[0] += 1.0;
    let twice = Files::released(&reference, "llama");
    twice.add(other);
    let import = twice.open();
    let specs = import.config().tensors();
    let errors = specs.iter().filter_map(|spec| import.tensor(spec).err());
    let errors: Vec<ImportError> = errors.collect();
    assert!(
        matches!(errors[..], [ImportError::Contradictory { .. }]),
        "{errors:?}"
    );
}

#[test]
fn heads_of_version_1_lack_the_rows_that_nobody_trained() {
    /// Rows of the vocabulary without the three added tokens.
    const OWN: usize = 96;
    let reference = Reference::open("llama");
    let files = Files::released(&reference, "llama");
    let language = files.options.language.clone().unwrap();
    let mut dump = dump(&language);
    for (_, shape, values) in &mut dump {
        if shape[0] == OWN + 3 {
            shape[0] = OWN;
            values.truncate(OWN * shape[1]);
        }
    }
    write(&language, &dump);
    let import = files.open();
    let prompt = &import.config().prompt;
    assert_eq!(prompt.begin, [1]);
    assert_eq!(prompt.banned, [96, 97, 98]);
    assert_eq!(import.config().language, reference.config.language);
    for spec in import.config().tensors() {
        let found = import.tensor(&spec).unwrap();
        let expected = &reference.weights[&spec.name];
        if spec.name != "output.weight" {
            assert!(found == *expected, "{}", spec.name);
            continue;
        }
        let (own, added) = found.data.split_at(OWN * 64 * size_of::<f32>());
        assert!(own == &expected.data[..own.len()]);
        assert_eq!(added.len(), 3 * 64 * size_of::<f32>());
        assert!(added.iter().all(|&byte| byte == 0));
    }
    // Its tokens are spelled by hand in Med-Flamingo too.
    let options = ImportOptions {
        family: Some(Family::MedFlamingo),
        ..files.options.clone()
    };
    let import = Import::open(&options).unwrap();
    let question = &import.config().prompt.templates.visual_question;
    assert!(question.contains("Answer: {answer}"), "{question}");
}

/// open_clip's encoder as transformers spells it.
fn as_transformers(dump: &Dump) -> Dump {
    let mut tensors = Vec::new();
    for (name, shape, values) in dump {
        let Some(name) = name.strip_prefix("vision_encoder.") else {
            continue;
        };
        let pairs = [
            ("transformer.resblocks.", "encoder.layers."),
            (".ln_1.", ".layer_norm1."),
            (".ln_2.", ".layer_norm2."),
            (".attn.out_proj.", ".self_attn.out_proj."),
            (".mlp.c_fc.", ".mlp.fc1."),
            (".mlp.c_proj.", ".mlp.fc2."),
            ("ln_pre.", "pre_layrnorm."),
            ("ln_post.", "post_layernorm."),
            ("class_embedding", "embeddings.class_embedding"),
            (
                "positional_embedding",
                "embeddings.position_embedding.weight",
            ),
            ("conv1.", "embeddings.patch_embedding."),
        ];
        let name = pairs
            .iter()
            .fold(name.to_owned(), |name, (from, to)| name.replace(from, to));
        if name == "proj" {
            continue;
        }
        let Some((before, end)) = name.split_once(".attn.in_proj_") else {
            tensors.push((name, shape.clone(), values.clone()));
            continue;
        };
        let third = values.len() / 3;
        for (part, values) in ["q", "k", "v"].into_iter().zip(values.chunks(third)) {
            let name = format!("{before}.self_attn.{part}_proj.{end}");
            let shape = [&[shape[0] / 3][..], &shape[1..]].concat();
            tensors.push((name, shape, values.to_vec()));
        }
    }
    tensors
}

fn clip_settings() -> Value {
    json!({
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "patch_size": 7,
        "image_size": 28,
        "hidden_act": "quick_gelu",
    })
}

#[test]
fn clip_may_be_spelled_as_transformers_does() {
    let reference = Reference::open("mpt");
    let mut files = Files::released(&reference, "mpt");
    let clip = renamed(&as_transformers(&reference.dump), |name| {
        Some(format!("vision_model.{name}"))
    });
    let mut both = clip;
    both.push(small(
        "text_model.embeddings.token_embedding.weight",
        &[4, 2],
    ));
    both.push(small("logit_scale", &[1]));
    both.push(small("visual_projection.weight", &[2, 32]));
    let path = write(&files.path("hf/model.safetensors"), &both);
    let settings = json!({"model_type": "clip", "vision_config": clip_settings()});
    fs::write(files.path("hf/config.json"), settings.to_string()).unwrap();
    files.options.vision = path.parent().map(Path::to_owned);
    reference.check("transformers' CLIP", &files.open());

    // And the tower alone, as fine-tuned ones are published, has no settings: 64 is no width
    // of a head here.
    let bare = renamed(&reference.dump, |name| {
        name.strip_prefix("vision_encoder.").map(str::to_owned)
    });
    files.options.vision = Some(write(&files.path("fare_eps_2.pt"), &bare));
    let error = Import::open(&files.options).err().unwrap();
    assert!(matches!(error, ImportError::Config(_)), "{error}");
    let settings = files.path("clip/open_clip_config.json");
    fs::copy(settings, files.path("open_clip_config.json")).unwrap();
    reference.check("a bare tower", &files.open());
}

#[test]
fn otter_is_open_flamingo_with_other_names() {
    for kind in ["mpt", "llama"] {
        let reference = Reference::open(kind);
        let folder = TempDir::new().unwrap();
        let mut all = renamed(&reference.dump, |name| {
            if name.starts_with("vision_encoder.") {
                return None;
            }
            let name = name.replace(
                ".gated_cross_attn_layer.ff.",
                ".gated_cross_attn_layer.feed_forward.",
            );
            let Some(rest) = name.strip_prefix("perceiver.layers.") else {
                return Some(name);
            };
            let (layer, rest) = rest.split_once('.').unwrap();
            let rest = match rest.strip_prefix("0.") {
                Some(attention) => attention.to_owned(),
                None => format!("feed_forward.{}", rest.strip_prefix("1.").unwrap()),
            };
            Some(format!("perceiver.layers.{layer}.{rest}"))
        });
        all.extend(renamed(&as_transformers(&reference.dump), |name| {
            Some(format!("vision_encoder.vision_model.{name}"))
        }));
        write(&folder.path().join("model.safetensors"), &all);
        let settings = json!({
            "model_type": "otter",
            "text_config": reference.lm,
            "vision_config": clip_settings(),
        });
        fs::write(folder.path().join("config.json"), settings.to_string()).unwrap();
        let mut options = ImportOptions {
            checkpoint: folder.path().to_owned(),
            ..ImportOptions::default()
        };
        // Its embedding has more rows than its tokenizer has tokens.
        let error = Import::open(&options).err().unwrap();
        assert!(matches!(error, ImportError::NoTokenizer { .. }), "{error}");
        options.tokens = Some(TokensConfig {
            image: 97,
            end_of_chunk: 96,
        });
        let import = Import::open(&options).unwrap();
        assert_eq!(import.family(), Family::Otter);
        reference.check(kind, &import);
    }
}

#[test]
fn sizes_of_bridges_that_nobody_released_can_be_told() {
    let reference = Reference::open("llama_gqa");
    let files = Files::released(&reference, "llama_gqa");
    // Heads of 64 do not fit.
    let error = Import::open(&files.options).err().unwrap();
    assert!(matches!(error, ImportError::Config(_)), "{error}");
    let mut options = files.options.clone();
    options.bridge_head_width = Some(8);
    reference.check("heads of 8", &Import::open(&options).unwrap());
}

#[test]
fn a_part_that_is_missing_or_of_another_model_is_named() {
    let reference = Reference::open("mpt");
    let files = Files::released(&reference, "mpt");
    let error = |change: &dyn Fn(&mut ImportOptions)| {
        let mut options = files.options.clone();
        change(&mut options);
        Import::open(&options).err().unwrap().to_string()
    };
    let text = error(&|options| options.language = None);
    assert!(text.contains("--language"), "{text}");
    assert!(text.contains("at least 4 layers of width 64"), "{text}");
    let text = error(&|options| options.vision = None);
    assert!(
        text.contains("--vision") && text.contains("width 32"),
        "{text}"
    );
    let text = error(&|options| options.checkpoint = files.path("lm"));
    assert!(text.contains("is no Flamingo known here"), "{text}");
    let text = error(&|options| options.language = files.options.vision.clone());
    assert!(text.contains("is no language model known here"), "{text}");
    let text = error(&|options| options.family = Some(Family::Idefics));
    assert!(
        text.contains("OpenFlamingo or Otter, not of IDEFICS"),
        "{text}"
    );

    // Another depth, another width, another kind.
    let neox = Files::released(&Reference::open("neox"), "neox");
    let text = error(&|options| options.language = neox.options.language.clone());
    assert!(
        text.contains("this checkpoint needs the language model"),
        "{text}"
    );
    assert!(
        text.contains("has a GPT-NeoX, 4 layers of width 64"),
        "{text}"
    );
    let shallow: Dump = dump(files.options.language.as_deref().unwrap());
    let shallow = renamed(&shallow, |name| {
        (!name.contains("blocks.3.")).then(|| name.to_owned())
    });
    let path = write(&files.path("shallow/model.safetensors"), &shallow);
    let mut settings = reference.lm.clone();
    settings["n_layers"] = json!(3);
    fs::write(files.path("shallow/config.json"), settings.to_string()).unwrap();
    let text = error(&|options| options.language = Some(path.clone()));
    assert!(text.contains("has an MPT, 3 layers of width 64"), "{text}");

    // Settings of another model, or none.
    settings["n_layers"] = json!(4);
    fs::write(files.path("shallow/config.json"), settings.to_string()).unwrap();
    let text = error(&|options| options.language = Some(path.clone()));
    assert!(text.contains("`n_layers` is 4"), "{text}");
    fs::remove_file(files.path("shallow/config.json")).unwrap();
    let text = error(&|options| options.language = Some(path.clone()));
    assert!(text.contains("needs its config.json"), "{text}");

    // A weight without a place.
    files.add(vec![small("perceiver.layers.0.0.to_q.bias", &[512])]);
    let text = error(&|_| {});
    assert!(text.contains("`perceiver.layers.0.0.to_q.bias`"), "{text}");
}
