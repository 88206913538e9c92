//! Options, as plain objects that JavaScript gives.
//!
//! A field that is missing or undefined has the runtime's default; one that does not
//! exist, or has a value of another type, is refused by name.

use std::vec;

use flamingo_runtime::decide::{DecideOptions, Schema};
use flamingo_runtime::score::Reduction;
use flamingo_runtime::{
    BeamOptions, ChooseOptions, Constraint, GenerateOptions, Model, PromptFormat, RuntimeError,
    Tokenizer,
};
use js_sys::{Array, Object};
use serde::Deserialize;
use serde::de::value::{Error, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess};
use wasm_bindgen::prelude::{JsCast, JsValue};

use crate::error::Thrown;

/// [`GenerateOptions`] as JavaScript gives them.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Generate {
    max_new_tokens: usize,
    temperature: f32,
    top_k: usize,
    top_p: f32,
    min_p: f32,
    repetition_penalty: f32,
    seed: u64,
    stop: Vec<String>,
    banned: Vec<u32>,
    constraint: Option<Pattern>,
    alternatives: usize,
    attention: bool,
}

/// What a text must be like.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Pattern {
    Choices(Vec<String>),
    Regex(String),
    /// JSON of a schema, whose values' JSON is the text.
    Schema(String),
}

impl Default for Generate {
    fn default() -> Self {
        let GenerateOptions {
            max_new_tokens,
            temperature,
            top_k,
            top_p,
            min_p,
            repetition_penalty,
            seed,
            stop,
            banned,
            constraint: _,
            alternatives,
            attention,
        } = GenerateOptions::default();
        Self {
            max_new_tokens,
            temperature,
            top_k,
            top_p,
            min_p,
            repetition_penalty,
            seed,
            stop,
            banned,
            constraint: None,
            alternatives,
            attention,
        }
    }
}

impl Generate {
    /// The runtime's options; a constraint is over one model's tokens.
    pub(crate) fn over(self, tokenizer: &Tokenizer) -> Result<GenerateOptions, RuntimeError> {
        let constraint = match self.constraint {
            None => None,
            Some(Pattern::Choices(choices)) => Some(Constraint::choices(&choices, tokenizer)?),
            Some(Pattern::Regex(pattern)) => Some(Constraint::regex(&pattern, tokenizer)?),
            Some(Pattern::Schema(schema)) => {
                Some(Schema::parse(&schema)?.pattern()?.over(tokenizer)?)
            }
        };
        Ok(GenerateOptions {
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            stop: self.stop,
            banned: self.banned,
            constraint,
            alternatives: self.alternatives,
            attention: self.attention,
        })
    }
}

/// [`BeamOptions`] as JavaScript gives them.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Beams {
    beams: usize,
    length_penalty: f32,
    max_new_tokens: usize,
}

impl Default for Beams {
    fn default() -> Self {
        let BeamOptions {
            beams,
            length_penalty,
            max_new_tokens,
        } = BeamOptions::default();
        Self {
            beams,
            length_penalty,
            max_new_tokens,
        }
    }
}

impl From<Beams> for BeamOptions {
    fn from(options: Beams) -> Self {
        Self {
            beams: options.beams,
            length_penalty: options.length_penalty,
            max_new_tokens: options.max_new_tokens,
        }
    }
}

/// [`ChooseOptions`] as JavaScript gives them.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Choose {
    reduction: ReductionName,
    calibrated: bool,
    orders: usize,
    resemblance: f32,
}

impl Default for Choose {
    fn default() -> Self {
        let ChooseOptions {
            reduction: _,
            calibrated,
            orders,
            resemblance,
        } = ChooseOptions::default();
        Self {
            reduction: ReductionName::default(),
            calibrated,
            orders,
            resemblance,
        }
    }
}

/// [`Reduction`] by name.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ReductionName {
    Sum,
    #[default]
    Mean,
}

impl From<Choose> for ChooseOptions {
    fn from(options: Choose) -> Self {
        Self {
            reduction: match options.reduction {
                ReductionName::Sum => Reduction::Sum,
                ReductionName::Mean => Reduction::Mean,
            },
            calibrated: options.calibrated,
            orders: options.orders,
            resemblance: options.resemblance,
        }
    }
}

/// [`DecideOptions`] as JavaScript gives them.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Decide {
    reduction: ReductionName,
    calibrated: bool,
    orders: usize,
    resemblance: f32,
    max_new_tokens: usize,
}

impl Default for Decide {
    fn default() -> Self {
        let Choose {
            reduction,
            calibrated,
            orders,
            resemblance,
        } = Choose::default();
        Self {
            reduction,
            calibrated,
            orders,
            resemblance,
            max_new_tokens: DecideOptions::default().max_new_tokens,
        }
    }
}

impl From<Decide> for DecideOptions {
    fn from(options: Decide) -> Self {
        let choose = Choose {
            reduction: options.reduction,
            calibrated: options.calibrated,
            orders: options.orders,
            resemblance: options.resemblance,
        };
        Self {
            choose: choose.into(),
            max_new_tokens: options.max_new_tokens,
        }
    }
}

/// The task of a session: by name, in the model's own format, or a template.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    #[default]
    Caption,
    VisualQuestion,
    Classification,
    HatefulMemes,
    Template(String),
}

impl Task {
    /// A task's name or template; captions where it is undefined.
    pub(crate) fn read(task: JsValue) -> Result<Self, JsValue> {
        if task.is_undefined() {
            return Ok(Self::default());
        }
        serde_wasm_bindgen::from_value(task)
            .map_err(|error| Thrown::invalid_option(format!("task: {error}")))
    }

    /// Its format for this model.
    pub(crate) fn format(&self, model: &Model) -> Result<PromptFormat, RuntimeError> {
        use flamingo_runtime::prompt::Task as Known;
        model.format(match self {
            Self::Caption => Known::Caption,
            Self::VisualQuestion => Known::VisualQuestion,
            Self::Classification => Known::Classification,
            Self::HatefulMemes => Known::HatefulMemes,
            Self::Template(template) => return Ok(PromptFormat::parse(template)?),
        })
    }
}

/// Reads an object of options; undefined is one without fields.
pub(crate) fn read<'de, T: Deserialize<'de> + Default>(options: JsValue) -> Result<T, JsValue> {
    if options.is_undefined() {
        return Ok(T::default());
    }
    let Some(object) = options.dyn_ref::<Object>() else {
        return Err(Thrown::invalid_option("the options are no object".into()));
    };
    let fields: Vec<(String, JsValue)> = Object::entries(object)
        .iter()
        .filter_map(|entry| {
            let entry: Array = entry.unchecked_into();
            Some((entry.get(0).as_string()?, entry.get(1)))
        })
        .filter(|(_, value)| !value.is_undefined())
        .collect();
    let fields = Fields {
        rest: fields.into_iter(),
        value: None,
    };
    T::deserialize(MapAccessDeserializer::new(fields))
        .map_err(|error| Thrown::invalid_option(error.to_string()))
}

/// The fields of an object. `serde_wasm_bindgen` by itself looks only for fields that
/// it expects, so that misspelt ones would pass, and does not say which was wrong.
struct Fields {
    rest: vec::IntoIter<(String, JsValue)>,
    /// The value that belongs to the key given last, and that key.
    value: Option<(String, JsValue)>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.value = self.rest.next();
        match &self.value {
            None => Ok(None),
            Some((name, _)) => seed
                .deserialize(name.as_str().into_deserializer())
                .map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, value) = self
            .value
            .take()
            .ok_or_else(|| Error::custom("a value was asked for before its key"))?;
        seed.deserialize(serde_wasm_bindgen::Deserializer::from(value))
            .map_err(|error| Error::custom(format!("{name}: {error}")))
    }
}
