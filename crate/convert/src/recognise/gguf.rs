//! Language models in GGUF files, as llama.cpp writes them.
//!
//! Sources: llama.cpp's `conversion/` for what its converters write and
//! `src/llama-model.cpp` for what a key that is missing means.

use std::f32::consts::TAU;

use flamingo_architecture::config::{Activation, LanguageConfig, RopeScaling};
use flamingo_weights::names;

use super::fields::Fields;
use super::language::{self, Common, GptNeoxFacts, LanguageKind, LlamaFacts, MosaicFacts, heads};
use super::shapes::Shapes;
use crate::import::{ImportError, Part};

/// A value of `general.architecture`.
pub(crate) struct Architecture {
    /// The value; keys about the model begin with it.
    name: &'static str,
    /// The kinds of language models that are written so, the usual one first.
    kinds: &'static [&'static LanguageKind],
    /// The names of its tensors.
    pub(super) part: &'static names::Part,
    facts: fn(&GgufSettings, &Shapes<'_>) -> Result<LanguageConfig, ImportError>,
}

static ARCHITECTURES: [Architecture; 5] = [
    Architecture {
        name: "llama",
        kinds: &[&language::LLAMA],
        part: &names::language::GGUF_LLAMA,
        facts: llama,
    },
    Architecture {
        name: "qwen2",
        kinds: &[&language::LLAMA],
        part: &names::language::GGUF,
        facts: llama,
    },
    Architecture {
        name: "qwen3",
        kinds: &[&language::LLAMA],
        part: &names::language::GGUF,
        facts: llama,
    },
    Architecture {
        name: "gptneox",
        kinds: &[&language::GPT_NEOX],
        part: &names::language::GGUF,
        facts: gpt_neox,
    },
    Architecture {
        name: "mpt",
        kinds: &[&language::MPT, &language::MOSAIC_GPT],
        part: &names::language::GGUF,
        facts: mpt,
    },
];

/// The key that names the architecture, behind [`GENERAL`].
const ARCHITECTURE: &str = "architecture";

/// The beginning of keys that every GGUF file has.
const GENERAL: &str = "general.";

/// The numbers by which rotary frequencies are divided, one for each pair of coordinates.
const ROPE_FACTORS: &str = "rope_freqs.weight";

/// The base of the rotary frequencies that llama.cpp takes if none is told.
const ROPE_BASE: f32 = 10_000.0;

/// Facts of a language model in a GGUF file.
pub(crate) struct GgufSettings {
    architecture: &'static Architecture,
    /// Keys that every file has.
    general: Fields,
    /// Keys of the architecture.
    fields: Fields,
    rope_factors: Option<Vec<f32>>,
}

/// The architecture of a GGUF file; `None` if the part is none.
///
/// # Errors
/// If it is not computed here, or the file does not tell it.
pub(super) fn find(part: &Part) -> Result<Option<&'static Architecture>, ImportError> {
    let Some((path, metadata)) = part.metadata() else {
        return Ok(None);
    };
    let general = Fields::of_metadata(path, GENERAL, metadata);
    let Some(name) = general.text(ARCHITECTURE)? else {
        return Err(general.missing(ARCHITECTURE, "the kind of model"));
    };
    let mut all = ARCHITECTURES.iter();
    match all.find(|architecture| architecture.name == name) {
        Some(architecture) => Ok(Some(architecture)),
        None => {
            let known = ARCHITECTURES.iter().map(|known| known.name);
            let known: Vec<&str> = known.collect();
            Err(general.unsupported(ARCHITECTURE, known.join(", ")))
        }
    }
}

/// The settings in a GGUF file; `None` if the part is none.
///
/// # Errors
/// Those of [`find`], and if the file is damaged.
pub(crate) fn settings(part: &Part) -> Result<Option<GgufSettings>, ImportError> {
    let (Some(architecture), Some((path, metadata))) = (find(part)?, part.metadata()) else {
        return Ok(None);
    };
    Ok(Some(GgufSettings {
        architecture,
        general: Fields::of_metadata(path, GENERAL, metadata),
        fields: Fields::of_metadata(path, &format!("{}.", architecture.name), metadata),
        rope_factors: part.numbers(ROPE_FACTORS)?,
    }))
}

impl Architecture {
    /// The usual kind of language model.
    pub(super) fn kind(&self) -> &'static LanguageKind {
        self.kinds[0]
    }
}

impl GgufSettings {
    /// The facts of the language model with these shapes, whose layers are of this kind.
    pub(super) fn facts(
        &self,
        kind: &LanguageKind,
        shapes: &Shapes<'_>,
    ) -> Result<LanguageConfig, ImportError> {
        let mut kinds = self.architecture.kinds.iter();
        if !kinds.any(|own| std::ptr::eq(*own, kind)) {
            return Err(self.general.unsupported(ARCHITECTURE, kind.name));
        }
        (self.architecture.facts)(self, shapes)
    }

    /// A size that must be told.
    fn size(&self, key: &str, expected: &'static str) -> Result<usize, ImportError> {
        let size = self.fields.size(key)?;
        size.ok_or_else(|| self.fields.missing(key, expected))
    }

    /// The small number in a norm, which must be told.
    fn eps(&self, key: &str) -> Result<f32, ImportError> {
        let eps = self.fields.number(key)?;
        eps.ok_or_else(|| self.fields.missing(key, "a number"))
    }

    /// The longest sequence.
    fn context(&self) -> Result<usize, ImportError> {
        self.size("context_length", "the most tokens of a sequence")
    }

    /// Sizes by shapes, of which the metadata must tell the same.
    fn common(&self, shapes: &Shapes<'_>) -> Result<Common, ImportError> {
        let common = Common::of(shapes);
        for (key, expected) in [
            ("embedding_length", common.width),
            ("block_count", common.layers),
        ] {
            self.size(key, "a whole number")?;
            self.fields.agrees(key, expected)?;
        }
        // Old converters left it out.
        self.fields
            .agrees("feed_forward_length", common.ffn_width)?;
        Ok(common)
    }

    fn theta(&self) -> Result<f32, ImportError> {
        Ok(self.fields.number("rope.freq_base")?.unwrap_or(ROPE_BASE))
    }

    /// How rotary frequencies of this base over so many coordinates are stretched.
    fn scaling(&self, theta: f32, dims: usize) -> Result<RopeScaling, ImportError> {
        let number = |key| {
            let number = self.fields.number(key)?;
            number.ok_or_else(|| self.fields.missing(key, "a number"))
        };
        match self.fields.text("rope.scaling.type")? {
            None | Some("none") => {}
            Some("linear") if self.rope_factors.is_none() => {
                let factor = number("rope.scaling.factor")?;
                return Ok(RopeScaling::Linear { factor });
            }
            Some(_) => return Err(self.fields.unsupported("rope.scaling.type", "none, linear")),
        }
        if self.fields.has("rope.scale_linear") {
            let factor = number("rope.scale_linear")?;
            return Ok(RopeScaling::Linear { factor });
        }
        match &self.rope_factors {
            None => Ok(RopeScaling::None),
            Some(factors) => {
                let scaling = llama3(factors, theta, dims);
                scaling.ok_or_else(|| ImportError::Unsupported {
                    path: self.general.path().to_owned(),
                    field: ROPE_FACTORS.to_owned(),
                    found: format!(
                        "{} factors that end with {:?}",
                        factors.len(),
                        factors.last()
                    ),
                    known: "the factors of Llama 3.1 and 3.2".to_owned(),
                })
            }
        }
    }
}

/// Facts of LLaMA, Mistral and Qwen.
fn llama(settings: &GgufSettings, shapes: &Shapes<'_>) -> Result<LanguageConfig, ImportError> {
    let fields = &settings.fields;
    let common = settings.common(shapes)?;
    if fields.size("expert_count")?.unwrap_or(0) > 0 {
        return Err(fields.unsupported("expert_count", "0"));
    }
    let heads = heads(fields, "attention.head_count")?;
    let told = fields.size("attention.key_length")?;
    let head_dim = told.unwrap_or(common.width / heads);
    if head_dim == 0 {
        let key = told.map_or("attention.head_count", |_| "attention.key_length");
        return Err(fields.unsupported(key, "heads with a width"));
    }
    fields.agrees("attention.value_length", head_dim)?;
    fields.agrees(
        "attention.head_count_kv",
        LlamaFacts::kv_heads(head_dim, shapes),
    )?;
    let dims = fields.size("rope.dimension_count")?.unwrap_or(head_dim);
    let is_turned = std::ptr::eq(settings.architecture.part, &names::language::GGUF_LLAMA);
    if is_turned && dims != head_dim {
        // Halves of heads lie side by side, so no other part of a head is a half.
        return Err(fields.unsupported("rope.dimension_count", head_dim.to_string()));
    }
    let theta = settings.theta()?;
    let context = settings.context()?;
    let window = fields.size("attention.sliding_window")?;
    let window = window.filter(|&window| window > 0);
    let facts = LlamaFacts {
        // A window of attention hides what lies farther back; within it there is none.
        context: window.map_or(context, |window| window.min(context)),
        tied_head: !common.has_head,
        theta,
        dims,
        scaling: settings.scaling(theta, dims)?,
        eps: settings.eps("attention.layer_norm_rms_epsilon")?,
        heads,
        head_dim,
        activation: Activation::Silu,
    };
    Ok(facts.config(&common, shapes))
}

fn gpt_neox(settings: &GgufSettings, shapes: &Shapes<'_>) -> Result<LanguageConfig, ImportError> {
    let fields = &settings.fields;
    let common = settings.common(shapes)?;
    if fields.flag("use_parallel_residual")?.unwrap_or(true) {
        return Err(fields.unsupported("use_parallel_residual", "false"));
    }
    let theta = settings.theta()?;
    let dims = settings.size("rope.dimension_count", "a whole number")?;
    let facts = GptNeoxFacts {
        context: settings.context()?,
        tied_head: !common.has_head,
        theta,
        dims,
        scaling: settings.scaling(theta, dims)?,
        eps: settings.eps("attention.layer_norm_epsilon")?,
        heads: heads(fields, "attention.head_count")?,
        // The files do not tell it; all released ones compute this.
        activation: Activation::Gelu,
    };
    Ok(facts.config(&common))
}

fn mpt(settings: &GgufSettings, shapes: &Shapes<'_>) -> Result<LanguageConfig, ImportError> {
    const MAX_BIAS: &str = "attention.max_alibi_bias";
    let fields = &settings.fields;
    let common = settings.common(shapes)?;
    if fields.number("attention.clamp_kqv")?.unwrap_or(0.0) > 0.0 {
        return Err(fields.unsupported("attention.clamp_kqv", "0"));
    }
    let heads = heads(fields, "attention.head_count")?;
    fields.agrees("attention.head_count_kv", heads)?;
    // Without it positions are learned.
    let max_bias = fields.number(MAX_BIAS)?;
    let max_bias = max_bias.ok_or_else(|| fields.missing(MAX_BIAS, "a number"))?;
    if max_bias <= 0.0 {
        return Err(fields.unsupported(MAX_BIAS, "numbers above 0"));
    }
    let facts = MosaicFacts {
        heads,
        max_bias,
        eps: settings.eps("attention.layer_norm_epsilon")?,
        context: settings.context()?,
    };
    Ok(facts.config(&common, shapes))
}

/// The stretching that llama.cpp wrote as these factors: none, or that of Llama 3.1 and 3.2,
/// whose limits between fast and slow pairs are the same. `None` if it is another one.
fn llama3(factors: &[f32], theta: f32, dims: usize) -> Option<RopeScaling> {
    /// Between factors that were computed in another order.
    const TOLERANCE: f32 = 1e-4;
    const LOW: f32 = 1.0;
    const HIGH: f32 = 4.0;
    const ORIGINAL: f32 = 8192.0;
    if factors.len() != dims / 2 {
        return None;
    }
    // The slowest pair comes last.
    let factor = *factors.last()?;
    let expected = |pair: usize| {
        let turns = ORIGINAL * theta.powf(-2.0 * pair as f32 / dims as f32) / TAU;
        let smooth = ((turns - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        1.0 / ((1.0 - smooth) / factor + smooth)
    };
    let mut pairs = factors.iter().enumerate();
    let fits = pairs.all(|(pair, &found)| (found - expected(pair)).abs() <= TOLERANCE * found);
    fits.then_some(match factor == 1.0 {
        true => RopeScaling::None,
        false => RopeScaling::Llama3 {
            factor,
            low_frequency_factor: LOW,
            high_frequency_factor: HIGH,
            original_positions: ORIGINAL,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As llama.cpp's converter computes them.
    fn factors(factor: f64, theta: f64, dims: usize) -> Vec<f32> {
        let (low, high, original) = (1.0, 4.0, 8192.0);
        let pairs = (0..dims).step_by(2);
        let factors = pairs.map(|dim| {
            let wavelength = f64::from(TAU) * theta.powf(dim as f64 / dims as f64);
            if wavelength < original / high {
                1.0
            } else if wavelength > original / low {
                factor
            } else {
                let smooth = (original / wavelength - low) / (high - low);
                1.0 / ((1.0 - smooth) / factor + smooth)
            }
        });
        factors.map(|factor| factor as f32).collect()
    }

    #[test]
    fn the_factors_of_llama_3_are_told_from_others() {
        let theta = 500_000.0;
        for (factor, dims) in [(8.0, 128), (32.0, 64)] {
            let mut factors = factors(f64::from(factor), f64::from(theta), dims);
            let expected = RopeScaling::Llama3 {
                factor,
                low_frequency_factor: 1.0,
                high_frequency_factor: 4.0,
                original_positions: 8192.0,
            };
            assert_eq!(llama3(&factors, theta, dims), Some(expected));
            assert_eq!(llama3(&factors, theta, dims + 2), None);
            assert_eq!(llama3(&factors, 10_000.0, dims), None);
            factors[dims / 4] *= 1.01;
            assert_eq!(llama3(&factors, theta, dims), None);
        }
        assert_eq!(llama3(&[1.0; 32], theta, 64), Some(RopeScaling::None));
        assert_eq!(llama3(&[f32::NAN; 32], theta, 64), None);
        assert_eq!(llama3(&[], theta, 0), None);
    }
}
