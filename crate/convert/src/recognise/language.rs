//! Which language model tensors are, and its facts.

use flamingo_architecture::config::{
    Activation, AttentionConfig, EmbeddingConfig, FeedForwardConfig, LanguageConfig, NormConfig,
    NormKind, NormPlacement, PositionConfig, QkNormConfig, QkNormExtent, RopeScaling, RopeStyle,
};

use super::fields::Fields;
use super::gguf::{self, GgufSettings};
use super::shapes::Shapes;
use crate::import::{ImportError, Part};
use flamingo_weights::names::{self, Blocks, Found, Place, language};

/// A kind of language model: a table of names, and how its settings are read.
#[derive(Debug)]
pub(crate) struct LanguageKind {
    /// Its name for people.
    pub(crate) name: &'static str,
    /// The names of its tensors.
    pub(crate) part: &'static names::Part,
    /// The values of `model_type` whose programs compute what is computed here. A field
    /// that is missing says nothing.
    model_types: &'static [&'static str],
    facts: fn(&Fields, &Shapes<'_>) -> Result<LanguageConfig, ImportError>,
}

pub(crate) static LLAMA: LanguageKind = LanguageKind {
    name: "a LLaMA or its kin",
    part: &language::LLAMA,
    model_types: &["llama", "mistral", "qwen2", "qwen3", "smollm", "idefics"],
    facts: llama,
};

pub(crate) static GPT_NEOX: LanguageKind = LanguageKind {
    name: "a GPT-NeoX",
    part: &language::GPT_NEOX,
    model_types: &["gpt_neox"],
    facts: gpt_neox,
};

pub(crate) static MPT: LanguageKind = LanguageKind {
    name: "an MPT",
    part: &language::MPT,
    model_types: &["mpt"],
    facts: mpt,
};

pub(crate) static MOSAIC_GPT: LanguageKind = LanguageKind {
    name: "a MosaicGPT",
    part: &language::MOSAIC_GPT,
    model_types: &["mosaic_gpt"],
    facts: mosaic_gpt,
};

pub(crate) static OPT: LanguageKind = LanguageKind {
    name: "an OPT",
    part: &language::OPT,
    model_types: &["opt"],
    facts: opt,
};

static KINDS: [&LanguageKind; 5] = [&LLAMA, &GPT_NEOX, &MPT, &MOSAIC_GPT, &OPT];

/// Their name in errors.
pub(crate) const KNOWN: &str = "\
LLaMA and its kin, GPT-NeoX, MPT, MosaicGPT and OPT, as transformers' files have them; \
LLaMA, Qwen 2 and 3, GPT-NeoX and MPT, as llama.cpp's files have them";

/// Where the facts are that no shape tells.
pub(crate) enum Settings {
    /// In a `config.json`.
    Config(Fields),
    /// In the metadata of a GGUF file.
    Gguf(GgufSettings),
}

/// Where a language model's names can stand in a file.
const PLACES: [(&str, &str); 3] = [
    ("", ""),
    ("lang_encoder.", "decoder_layer."),
    ("flamingo.", "lm_block."),
];

/// Finds the language model's layers among the names of a part, and where its names lie.
///
/// # Errors
/// If the part is a GGUF file of an architecture that is not computed here.
pub(crate) fn find(part: &Part) -> Result<Option<(&'static LanguageKind, Place)>, ImportError> {
    if let Some(architecture) = gguf::find(part)? {
        let place = Place::bare(architecture.part);
        return Ok(Some((architecture.kind(), place)));
    }
    let places = PLACES.iter().flat_map(|(prefix, wrapper)| {
        let place = move |kind: &'static LanguageKind| {
            let place = Place::wrapped(prefix, wrapper, kind.part);
            (kind, place)
        };
        KINDS.into_iter().map(place)
    });
    // Every kind has this matrix, and each calls it otherwise.
    let is_inner =
        |found: Found| matches!(found, Found::Piece(piece) if piece.ours == "blk.0.ffn_up.weight");
    let found = places.into_iter().find(|(_, place)| {
        let mut found = part
            .names()
            .filter_map(|name| place.ours(name, Blocks::NONE));
        found.any(is_inner)
    });
    Ok(found)
}

impl LanguageKind {
    /// The facts of the language model with these settings and shapes.
    pub(crate) fn facts(
        &self,
        settings: &Settings,
        shapes: &Shapes<'_>,
    ) -> Result<LanguageConfig, ImportError> {
        let fields = match settings {
            Settings::Config(fields) => fields,
            Settings::Gguf(settings) => return settings.facts(self, shapes),
        };
        if let Some(found) = fields.text("model_type")?
            && !self.model_types.contains(&found)
        {
            return Err(fields.unsupported("model_type", self.model_types.join(", ")));
        }
        (self.facts)(fields, shapes)
    }
}

/// The facts of every kind, as the shapes tell them.
pub(super) struct Common {
    pub(super) width: usize,
    pub(super) layers: usize,
    vocab_size: usize,
    extra_tokens: usize,
    embedding_width: usize,
    pub(super) ffn_width: usize,
    qkv_bias: bool,
    output_bias: bool,
    ffn_bias: bool,
    norm_bias: bool,
    final_norm: bool,
    pub(super) has_head: bool,
}

impl Common {
    pub(super) fn of(shapes: &Shapes<'_>) -> Self {
        let has = |name: &str| shapes.has(name);
        Self {
            width: shapes.rows("blk.0.attn_norm.weight"),
            layers: shapes
                .numbers("blk.", ".ffn_up.weight")
                .last()
                .map_or(0, |last| last.saturating_add(1)),
            vocab_size: shapes.rows("token_embd.weight"),
            extra_tokens: shapes.rows("token_embd_extra.weight"),
            embedding_width: shapes.cols("token_embd.weight"),
            ffn_width: shapes.rows("blk.0.ffn_up.weight"),
            qkv_bias: has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias"),
            output_bias: has("blk.0.attn_output.bias"),
            ffn_bias: has("blk.0.ffn_up.bias"),
            norm_bias: has("blk.0.attn_norm.bias"),
            final_norm: has("output_norm.weight"),
            has_head: has("output.weight"),
        }
    }

    /// Whether the head is the embedding: as the settings say, or else if there is none.
    fn tied(&self, fields: &Fields, default: Option<bool>) -> Result<bool, ImportError> {
        let said = fields.flag("tie_word_embeddings")?.or(default);
        Ok(said.unwrap_or(!self.has_head))
    }

    /// The feed-forward layer of this function.
    fn feed_forward(&self, gated: bool, activation: Activation) -> FeedForwardConfig {
        FeedForwardConfig {
            width: self.ffn_width,
            gated,
            activation,
            bias: self.ffn_bias,
        }
    }
}

/// Facts of a LLaMA or its kin that no shape tells.
pub(super) struct LlamaFacts {
    pub(super) context: usize,
    pub(super) tied_head: bool,
    pub(super) theta: f32,
    /// Leading part of a head that is rotated.
    pub(super) dims: usize,
    pub(super) scaling: RopeScaling,
    pub(super) eps: f32,
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    pub(super) activation: Activation,
}

impl LlamaFacts {
    /// Heads of keys and values.
    pub(super) fn kv_heads(head_dim: usize, shapes: &Shapes<'_>) -> usize {
        shapes.rows("blk.0.attn_k.weight") / head_dim
    }

    /// All facts.
    pub(super) fn config(self, common: &Common, shapes: &Shapes<'_>) -> LanguageConfig {
        let norm = NormConfig::rms(self.eps);
        LanguageConfig {
            width: common.width,
            layers: common.layers,
            vocab_size: common.vocab_size,
            extra_tokens: common.extra_tokens,
            context: self.context,
            embedding: EmbeddingConfig {
                width: common.embedding_width,
                tied_head: self.tied_head,
                own_extra_head: shapes.has("output_extra.weight"),
            },
            positions: PositionConfig::Rope {
                style: RopeStyle::Halves,
                theta: self.theta,
                dims: self.dims,
                scaling: self.scaling,
            },
            norm,
            norm_placement: NormPlacement::Before,
            final_norm: common.final_norm,
            attention: AttentionConfig {
                heads: self.heads,
                kv_heads: Self::kv_heads(self.head_dim, shapes),
                head_dim: self.head_dim,
                fused_qkv: false,
                qkv_bias: common.qkv_bias,
                output_bias: common.output_bias,
                qk_norm: shapes
                    .has("blk.0.attn_q_norm.weight")
                    .then_some(QkNormConfig {
                        extent: QkNormExtent::PerHead,
                        norm,
                    }),
            },
            feed_forward: common.feed_forward(true, self.activation),
        }
    }
}

/// `LlamaConfig`, `MistralConfig`, `Qwen2Config`, `Qwen3Config`.
fn llama(fields: &Fields, shapes: &Shapes<'_>) -> Result<LanguageConfig, ImportError> {
    let common = Common::of(shapes);
    fields.agrees("hidden_size", common.width)?;
    fields.agrees("num_hidden_layers", common.layers)?;
    fields.agrees("intermediate_size", common.ffn_width)?;
    let heads = heads(fields, "num_attention_heads")?;
    let queries = shapes.rows("blk.0.attn_q.weight");
    let head_dim = match fields.size("head_dim")? {
        Some(head_dim) => head_dim.max(1),
        None => (queries / heads).max(1),
    };
    fields.agrees(
        "num_key_value_heads",
        LlamaFacts::kv_heads(head_dim, shapes),
    )?;
    let context = fields.size("max_position_embeddings")?.unwrap_or(2048);
    // A window of attention hides what lies farther back; within it there is none.
    let windowed = fields.flag("use_sliding_window")?.unwrap_or(true);
    let window = fields.size("sliding_window")?.filter(|_| windowed);
    let rotary = fields.number("partial_rotary_factor")?.unwrap_or(1.0);
    let facts = LlamaFacts {
        context: window.map_or(context, |window| window.min(context)),
        tied_head: common.tied(fields, None)?,
        theta: rope_theta(fields, 10_000.0)?,
        dims: (rotary * head_dim as f32) as usize,
        scaling: rope_scaling(fields)?,
        eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
        heads,
        head_dim,
        activation: activation(fields, "hidden_act", "silu")?,
    };
    Ok(facts.config(&common, shapes))
}

/// Facts of a GPT-NeoX that no shape tells.
pub(super) struct GptNeoxFacts {
    pub(super) context: usize,
    pub(super) tied_head: bool,
    pub(super) theta: f32,
    /// Leading part of a head that is rotated.
    pub(super) dims: usize,
    pub(super) scaling: RopeScaling,
    pub(super) eps: f32,
    pub(super) heads: usize,
    pub(super) activation: Activation,
}

impl GptNeoxFacts {
    /// All facts.
    pub(super) fn config(self, common: &Common) -> LanguageConfig {
        LanguageConfig {
            width: common.width,
            layers: common.layers,
            vocab_size: common.vocab_size,
            extra_tokens: common.extra_tokens,
            context: self.context,
            embedding: EmbeddingConfig {
                width: common.embedding_width,
                tied_head: self.tied_head,
                own_extra_head: false,
            },
            positions: PositionConfig::Rope {
                style: RopeStyle::Halves,
                theta: self.theta,
                dims: self.dims,
                scaling: self.scaling,
            },
            norm: NormConfig::layer(self.eps, common.norm_bias),
            norm_placement: NormPlacement::Before,
            final_norm: common.final_norm,
            attention: AttentionConfig {
                heads: self.heads,
                kv_heads: self.heads,
                head_dim: common.width / self.heads,
                fused_qkv: true,
                qkv_bias: common.qkv_bias,
                output_bias: common.output_bias,
                qk_norm: None,
            },
            feed_forward: common.feed_forward(false, self.activation),
        }
    }
}

/// `GPTNeoXConfig`.
fn gpt_neox(fields: &Fields, shapes: &Shapes<'_>) -> Result<LanguageConfig, ImportError> {
    let common = Common::of(shapes);
    fields.agrees("hidden_size", common.width)?;
    fields.agrees("num_hidden_layers", common.layers)?;
    if fields.flag("use_parallel_residual")?.unwrap_or(true) {
        return Err(fields.unsupported("use_parallel_residual", "false"));
    }
    let heads = heads(fields, "num_attention_heads")?;
    let head_dim = common.width / heads;
    let rotary = fields.number("rotary_pct")?.unwrap_or(0.25);
    let facts = GptNeoxFacts {
        context: fields.size("max_position_embeddings")?.unwrap_or(2048),
        tied_head: common.tied(fields, Some(false))?,
        theta: match fields.number("rotary_emb_base")? {
            Some(theta) => theta,
            None => rope_theta(fields, 10_000.0)?,
        },
        dims: (rotary * head_dim as f32) as usize,
        scaling: rope_scaling(fields)?,
        eps: fields.number("layer_norm_eps")?.unwrap_or(1e-5),
        heads,
        activation: activation(fields, "hidden_act", "gelu")?,
    };
    Ok(facts.config(&common))
}

/// `MptConfig`: what concerns the attention has an object of its own.
fn mpt(fields: &Fields, shapes: &Shapes<'_>) -> Result<LanguageConfig, ImportError> {
    let attention = fields
        .object("attn_config")
        .ok_or_else(|| fields.missing("attn_config", "an object"))?;
    for key in ["clip_qkv", "softmax_scale"] {
        if attention.has(key) {
            return Err(attention.unsupported(key, "null"));
        }
    }
    mosaic(fields, &attention, shapes)
}

/// `MosaicGPTConfig`: all in one object, of which some names begin with `attn_`.
fn mosaic_gpt(fields: &Fields, shapes: &Shapes<'_>) -> Result<LanguageConfig, ImportError> {
    for key in ["attn_clip_qkv", "softmax_scale"] {
        if fields.has(key) {
            return Err(fields.unsupported(key, "null"));
        }
    }
    mosaic(fields, fields, shapes)
}

/// The facts of both programs of MosaicML.
fn mosaic(
    fields: &Fields,
    attention: &Fields,
    shapes: &Shapes<'_>,
) -> Result<LanguageConfig, ImportError> {
    let common = Common::of(shapes);
    fields.agrees("d_model", common.width)?;
    fields.agrees("n_layers", common.layers)?;
    if fields.has("logit_scale") {
        return Err(fields.unsupported("logit_scale", "null"));
    }
    if !attention.flag("alibi")?.unwrap_or(false) {
        return Err(attention.unsupported("alibi", "true"));
    }
    let facts = MosaicFacts {
        heads: heads(fields, "n_heads")?,
        max_bias: attention.number("alibi_bias_max")?.unwrap_or(8.0),
        eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5),
        context: fields.size("max_seq_len")?.unwrap_or(2048),
    };
    Ok(facts.config(&common, shapes))
}

/// Facts of an MPT or a MosaicGPT that no shape tells.
pub(super) struct MosaicFacts {
    pub(super) heads: usize,
    /// Largest exponent of a head's slope.
    pub(super) max_bias: f32,
    pub(super) eps: f32,
    pub(super) context: usize,
}

impl MosaicFacts {
    /// All facts.
    pub(super) fn config(self, common: &Common, shapes: &Shapes<'_>) -> LanguageConfig {
        let norm = NormConfig::layer(self.eps, common.norm_bias);
        LanguageConfig {
            width: common.width,
            layers: common.layers,
            vocab_size: common.vocab_size,
            extra_tokens: common.extra_tokens,
            context: self.context,
            embedding: EmbeddingConfig {
                width: common.embedding_width,
                tied_head: true,
                own_extra_head: false,
            },
            positions: PositionConfig::Alibi {
                max_bias: self.max_bias,
            },
            norm,
            norm_placement: NormPlacement::Before,
            final_norm: common.final_norm,
            attention: AttentionConfig {
                heads: self.heads,
                kv_heads: self.heads,
                head_dim: common.width / self.heads,
                fused_qkv: true,
                qkv_bias: common.qkv_bias,
                output_bias: common.output_bias,
                qk_norm: shapes
                    .has("blk.0.attn_q_norm.weight")
                    .then_some(QkNormConfig {
                        extent: QkNormExtent::FullWidth,
                        norm,
                    }),
            },
            feed_forward: common.feed_forward(false, Activation::Gelu),
        }
    }
}

/// `OPTConfig`.
fn opt(fields: &Fields, shapes: &Shapes<'_>) -> Result<LanguageConfig, ImportError> {
    /// Rows before that of the first position.
    const OFFSET: usize = 2;
    let common = Common::of(shapes);
    fields.agrees("hidden_size", common.width)?;
    fields.agrees("num_hidden_layers", common.layers)?;
    fields.agrees("ffn_dim", common.ffn_width)?;
    let heads = heads(fields, "num_attention_heads")?;
    let before = fields.flag("do_layer_norm_before")?.unwrap_or(true);
    Ok(LanguageConfig {
        width: common.width,
        layers: common.layers,
        vocab_size: common.vocab_size,
        extra_tokens: common.extra_tokens,
        context: shapes.rows("position_embd.weight").saturating_sub(OFFSET),
        embedding: EmbeddingConfig {
            width: common.embedding_width,
            tied_head: common.tied(fields, Some(true))?,
            own_extra_head: false,
        },
        positions: PositionConfig::Learned { offset: OFFSET },
        norm: NormConfig {
            kind: NormKind::Layer,
            bias: common.norm_bias,
            eps: 1e-5,
        },
        norm_placement: match before {
            true => NormPlacement::Before,
            false => NormPlacement::After,
        },
        final_norm: common.final_norm,
        attention: AttentionConfig {
            heads,
            kv_heads: heads,
            head_dim: common.width / heads,
            fused_qkv: false,
            qkv_bias: common.qkv_bias,
            output_bias: common.output_bias,
            qk_norm: None,
        },
        feed_forward: common
            .feed_forward(false, activation(fields, "activation_function", "relu")?),
    })
}

/// The number of heads, which no shape tells.
pub(super) fn heads(fields: &Fields, key: &str) -> Result<usize, ImportError> {
    let heads = fields.size(key)?.filter(|&heads| heads > 0);
    heads.ok_or_else(|| fields.missing(key, "the number of heads"))
}

/// The base of the rotary frequencies; transformers 5 has it in `rope_parameters`.
fn rope_theta(fields: &Fields, default: f32) -> Result<f32, ImportError> {
    let nested = fields.object("rope_parameters");
    let nested = nested
        .map(|fields| fields.number("rope_theta"))
        .transpose()?;
    let theta = fields.number("rope_theta")?.or(nested.flatten());
    Ok(theta.unwrap_or(default))
}

/// How the rotary frequencies are stretched.
fn rope_scaling(fields: &Fields) -> Result<RopeScaling, ImportError> {
    let scaling = fields.object("rope_scaling");
    let Some(scaling) = scaling.or_else(|| fields.object("rope_parameters")) else {
        return Ok(RopeScaling::None);
    };
    let key = match scaling.has("rope_type") {
        true => "rope_type",
        false => "type",
    };
    let number = |key: &str| {
        let number = scaling.number(key)?;
        number.ok_or_else(|| scaling.missing(key, "a number"))
    };
    Ok(match scaling.text(key)? {
        None | Some("default") => RopeScaling::None,
        Some("linear") => RopeScaling::Linear {
            factor: number("factor")?,
        },
        Some("llama3") => RopeScaling::Llama3 {
            factor: number("factor")?,
            low_frequency_factor: number("low_freq_factor")?,
            high_frequency_factor: number("high_freq_factor")?,
            original_positions: number("original_max_position_embeddings")?,
        },
        Some(_) => return Err(scaling.unsupported(key, "default, linear, llama3")),
    })
}

/// A function by the name that transformers gives it.
pub(crate) fn activation(
    fields: &Fields,
    key: &str,
    default: &str,
) -> Result<Activation, ImportError> {
    Ok(match fields.text(key)?.unwrap_or(default) {
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
        "quick_gelu" => Activation::QuickGelu,
        "silu" | "swish" => Activation::Silu,
        "relu" => Activation::Relu,
        "sqrelu" => Activation::SquaredRelu,
        _ => {
            let known = "gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, silu, swish, relu, sqrelu";
            return Err(fields.unsupported(key, known));
        }
    })
}
