//! Which vision encoder tensors are, and its facts.

use flamingo_architecture::config::{
    Activation, ClassToken, FeedForwardConfig, ResizeMode, VisionConfig, VisionEncoderConfig,
    VitConfig,
};

use super::language::activation;
use super::shapes::Shapes;
use crate::import::{CONFIG, ImportError, Part};
use flamingo_weights::names::{Blocks, Found, Place, vision};

/// A kind of vision encoder: a table of names, and how its settings are read.
#[derive(Debug)]
pub(crate) struct VisionKind {
    /// Where its names can stand in a file. OpenAI's text tower has the names that a bare
    /// visual tower has, so that comes last.
    prefixes: &'static [&'static str],
    part: &'static flamingo_weights::names::Part,
    settings: fn(&Part, usize) -> Result<Settings, ImportError>,
}

/// The facts that no shape tells.
struct Settings {
    heads: usize,
    activation: Activation,
    norm_eps: f32,
    pixels: Pixels,
}

/// How pixels are made.
#[derive(Clone, Copy)]
struct Pixels {
    resize: ResizeMode,
    mean: [f32; 3],
    std: [f32; 3],
}

/// CLIP's (`open_clip/constants.py`).
const CLIP_PIXELS: Pixels = Pixels {
    resize: ResizeMode::Crop,
    mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
};

static OPEN_CLIP: VisionKind = VisionKind {
    prefixes: &["visual.", "vision_encoder.", ""],
    part: &vision::OPEN_CLIP,
    settings: open_clip,
};

static TRANSFORMERS: VisionKind = VisionKind {
    prefixes: &[
        "vision_model.",
        "model.vision_model.",
        "vision_encoder.vision_model.",
        "flamingo.vision_encoder.vision_model.",
        "",
    ],
    part: &vision::TRANSFORMERS_VIT,
    settings: transformers,
};

/// Their name in errors.
pub(crate) const KNOWN: &str =
    "CLIP as OpenAI's, open_clip's or transformers' files have it, and transformers' SigLIP";

/// Finds the vision encoder's layers among the names of a part.
pub(crate) fn find(part: &Part) -> Option<(&'static VisionKind, Place)> {
    let places = [&OPEN_CLIP, &TRANSFORMERS].into_iter().flat_map(|kind| {
        let place = move |prefix: &&'static str| (kind, Place::behind(prefix, kind.part));
        kind.prefixes.iter().map(place)
    });
    let is_inner = |found: Found| matches!(found, Found::Piece(piece) if piece.ours == "v.blk.0.ffn_up.weight");
    places.into_iter().find(|(_, place)| {
        let mut found = part
            .names()
            .filter_map(|name| place.ours(name, Blocks::NONE));
        found.any(is_inner)
    })
}

impl VisionKind {
    /// The facts of the encoder whose settings lie beside `settings` and whose tensors have
    /// these shapes, with every norm and token that it has.
    pub(crate) fn facts(
        &self,
        settings: &Part,
        shapes: &Shapes<'_>,
    ) -> Result<VisionConfig, ImportError> {
        let width = shapes.cols("v.position_embd.weight");
        let Settings {
            heads,
            activation,
            norm_eps,
            pixels,
        } = (self.settings)(settings, width)?;
        let patches = shapes.of("v.patch_embd.weight").unwrap_or_default();
        let patch_size = match patches[..] {
            [_, 3, height, side] if height == side => side,
            // As our own files have it.
            [_, columns] => (columns / 3).isqrt(),
            _ => 0,
        };
        let has_class = shapes.has("v.class_embd");
        let tokens = shapes.rows("v.position_embd.weight");
        let grid = tokens.saturating_sub(usize::from(has_class)).isqrt();
        let layers = shapes.numbers("v.blk.", ".ffn_up.weight");
        Ok(VisionConfig {
            image_size: grid.saturating_mul(patch_size),
            resize: pixels.resize,
            mean: pixels.mean,
            std: pixels.std,
            encoder: VisionEncoderConfig::Vit(VitConfig {
                patch_size,
                patch_bias: shapes.has("v.patch_embd.bias"),
                width,
                layers: layers.last().map_or(0, |last| last.saturating_add(1)),
                heads,
                feed_forward: FeedForwardConfig {
                    width: shapes.rows("v.blk.0.ffn_up.weight"),
                    gated: false,
                    activation,
                    bias: shapes.has("v.blk.0.ffn_up.bias"),
                },
                norm_eps,
                class_token: match has_class {
                    true => ClassToken::Kept,
                    false => ClassToken::Absent,
                },
                norm_before: shapes.has("v.pre_ln.weight"),
                norm_after: shapes.has("v.post_ln.weight"),
            }),
        })
    }
}

/// OpenAI's archives say nothing of heads, which are 64 wide in all of them; open_clip's
/// files have a config beside them.
fn open_clip(part: &Part, width: usize) -> Result<Settings, ImportError> {
    let open_ai = Settings {
        heads: width / 64,
        activation: Activation::QuickGelu,
        norm_eps: 1e-5,
        pixels: CLIP_PIXELS,
    };
    if part.is_torchscript() {
        return Ok(open_ai);
    }
    let Some(fields) = part.settings("open_clip_config.json")? else {
        // The tower alone, as fine-tuned ones are published: a drop-in for OpenAI's.
        return Ok(open_ai);
    };
    let model = fields
        .object("model_cfg")
        .ok_or_else(|| fields.missing("model_cfg", "an object"))?;
    let tower = model
        .object("vision_cfg")
        .ok_or_else(|| model.missing("vision_cfg", "an object"))?;
    tower.agrees("width", width)?;
    let head_width = tower.size("head_width")?.unwrap_or(64);
    let quick = model.flag("quick_gelu")?.unwrap_or(false);
    let preprocess = fields.object("preprocess_cfg");
    let triple = |key: &str| match &preprocess {
        Some(fields) => fields.triple(key),
        None => Ok(None),
    };
    Ok(Settings {
        heads: width.checked_div(head_width).unwrap_or_default(),
        activation: match quick {
            true => Activation::QuickGelu,
            false => Activation::Gelu,
        },
        norm_eps: 1e-5,
        pixels: Pixels {
            resize: ResizeMode::Crop,
            mean: triple("mean")?.unwrap_or(CLIP_PIXELS.mean),
            std: triple("std")?.unwrap_or(CLIP_PIXELS.std),
        },
    })
}

/// `CLIPVisionConfig`, `SiglipVisionConfig` or `IdeficsVisionConfig`, alone or within the
/// config of the whole model.
fn transformers(part: &Part, width: usize) -> Result<Settings, ImportError> {
    /// The values that a class of configs leaves out of a file.
    struct Defaults {
        heads: usize,
        activation: &'static str,
        norm_eps: f32,
        pixels: Pixels,
    }
    const CLIP: Defaults = Defaults {
        heads: 12,
        activation: "quick_gelu",
        norm_eps: 1e-5,
        pixels: CLIP_PIXELS,
    };
    const SIGLIP: Defaults = Defaults {
        heads: 12,
        activation: "gelu_pytorch_tanh",
        norm_eps: 1e-6,
        pixels: Pixels {
            resize: ResizeMode::Squash,
            mean: [0.5; 3],
            std: [0.5; 3],
        },
    };
    const IDEFICS: Defaults = Defaults {
        heads: 16,
        activation: "gelu",
        norm_eps: 1e-5,
        pixels: Pixels {
            resize: ResizeMode::Squash,
            ..CLIP_PIXELS
        },
    };
    let Some(root) = part.settings(CONFIG)? else {
        return Err(ImportError::NoConfig {
            path: part.path().to_owned(),
            needed: "the number of heads, the function and the epsilon of the vision encoder",
        });
    };
    if let Some(name) = root.text("clip_model_type")? {
        // flamingo-mini names its encoder. Heads are 64 wide in all of OpenAI's.
        return match name.starts_with("openai/clip-vit-") {
            true => Ok(Settings {
                heads: width / 64,
                activation: Activation::QuickGelu,
                norm_eps: 1e-5,
                pixels: CLIP_PIXELS,
            }),
            false => Err(root.unsupported("clip_model_type", "openai/clip-vit-…")),
        };
    }
    let fields = root.object("vision_config").unwrap_or_else(|| root.clone());
    let model_type = match fields.text("model_type")? {
        Some(model_type) => Some(model_type),
        None => root.text("model_type")?,
    };
    let defaults = match model_type {
        None | Some("clip" | "clip_vision_model" | "flamingo" | "otter") => CLIP,
        Some("siglip" | "siglip_vision_model") => SIGLIP,
        Some("idefics" | "idefics_vision") => IDEFICS,
        Some(_) => {
            return Err(fields.unsupported("model_type", "clip, siglip, idefics"));
        }
    };
    fields.agrees("hidden_size", width)?;
    fields.agrees("embed_dim", width)?;
    let preprocess = part.settings("preprocessor_config.json")?;
    let triple = |key: &str| match &preprocess {
        Some(fields) => fields.triple(key),
        None => Ok(None),
    };
    let heads = fields.size("num_attention_heads")?;
    let norm_eps = fields.number("layer_norm_eps")?;
    Ok(Settings {
        heads: heads.unwrap_or(defaults.heads),
        activation: activation(&fields, "hidden_act", defaults.activation)?,
        norm_eps: norm_eps.unwrap_or(defaults.norm_eps),
        pixels: Pixels {
            resize: defaults.pixels.resize,
            mean: triple("image_mean")?.unwrap_or(defaults.pixels.mean),
            std: triple("image_std")?.unwrap_or(defaults.pixels.std),
        },
    })
}
