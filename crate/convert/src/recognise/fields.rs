//! Typed access to the settings of a model: `config.json` and its kin, and GGUF's metadata.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flamingo_weights::gguf::{Metadata, MetadataValue};
use serde_json::{Map, Value};

use crate::import::ImportError;

/// Longest file of settings, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The fields of a JSON object, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    path: PathBuf,
    /// Names of the objects around it, each with a dot behind it.
    at: String,
    value: Value,
}

impl Fields {
    /// Reads the object in a file; `None` if there is no such file.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, ImportError> {
        if !path.is_file() {
            return Ok(None);
        }
        let mut text = Vec::new();
        let file = File::open(path).map_err(ImportError::io(path))?;
        file.take(MAX_FILE + 1)
            .read_to_end(&mut text)
            .map_err(ImportError::io(path))?;
        if text.len() as u64 > MAX_FILE {
            return Err(ImportError::TooLong {
                path: path.to_owned(),
                limit: MAX_FILE,
            });
        }
        let value = serde_json::from_slice(&text).map_err(|source| ImportError::Json {
            path: path.to_owned(),
            source,
        })?;
        Ok(Some(Self {
            path: path.to_owned(),
            at: String::new(),
            value,
        }))
    }

    /// Settings that are known without a file, under the name of the model that has them.
    pub(crate) fn known(name: &str, text: &str) -> Self {
        let value = serde_json::from_str(text).expect("invariant: known settings are JSON");
        Self {
            path: PathBuf::from(name),
            at: String::new(),
            value,
        }
    }

    /// The metadata of a GGUF file, of which keys begin with `prefix`. A list is none of the
    /// values that are asked for here, and a number that is none is no number.
    pub(crate) fn of_metadata(path: &Path, prefix: &str, metadata: &Metadata) -> Self {
        let values = metadata.iter().filter_map(|(key, value)| {
            let key = key.strip_prefix(prefix)?.to_owned();
            Some((key, metadata_value(value)))
        });
        Self {
            path: path.to_owned(),
            at: prefix.to_owned(),
            value: Value::Object(values.collect::<Map<_, _>>()),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A nested object; `None` if it is missing or null.
    pub(crate) fn object(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| value.is_object())?;
        Some(Self {
            path: self.path.clone(),
            at: format!("{}{key}.", self.at),
            value: value.clone(),
        })
    }

    /// The value of a field; `None` if it is missing or null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    /// Whether a field is there and not null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A whole number; `None` if the field is missing.
    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>, ImportError> {
        let number = |value: &Value| value.as_u64().and_then(|value| usize::try_from(value).ok());
        self.typed(key, "a whole number", number)
    }

    /// A number; `None` if the field is missing.
    pub(crate) fn number(&self, key: &str) -> Result<Option<f32>, ImportError> {
        self.typed(key, "a number", |value| {
            value.as_f64().map(|value| value as f32)
        })
    }

    /// A truth value; `None` if the field is missing.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ImportError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A text; `None` if the field is missing.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, ImportError> {
        self.typed(key, "a text", Value::as_str)
    }

    /// Three numbers; `None` if the field is missing.
    pub(crate) fn triple(&self, key: &str) -> Result<Option<[f32; 3]>, ImportError> {
        self.typed(key, "three numbers", |value| {
            let numbers = value.as_array()?.iter().map(Value::as_f64);
            let numbers: Vec<f64> = numbers.collect::<Option<_>>()?;
            let numbers: [f64; 3] = numbers.try_into().ok()?;
            Some(numbers.map(|number| number as f32))
        })
    }

    /// For `ok_or_else`: a field that must be there.
    pub(crate) fn missing(&self, key: &str, expected: &'static str) -> ImportError {
        ImportError::Field {
            path: self.path.clone(),
            field: format!("{}{key}", self.at),
            expected,
        }
    }

    /// A field's value is not computed here; `known` are.
    pub(crate) fn unsupported(&self, key: &str, known: impl Into<String>) -> ImportError {
        ImportError::Unsupported {
            path: self.path.clone(),
            field: format!("{}{key}", self.at),
            found: self.value.get(key).unwrap_or(&Value::Null).to_string(),
            known: known.into(),
        }
    }

    /// Checks that a field, if it is there, says what the tensors say.
    pub(crate) fn agrees(&self, key: &str, expected: usize) -> Result<(), ImportError> {
        match self.size(key)? {
            Some(found) if found != expected => Err(ImportError::Contradiction {
                path: self.path.clone(),
                field: format!("{}{key}", self.at),
                found,
                expected,
            }),
            _ => Ok(()),
        }
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ImportError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| self.missing(key, expected))
    }
}

/// A value of a GGUF file's metadata, each as its kind.
fn metadata_value(value: &MetadataValue) -> Value {
    let number = |value: f64| match serde_json::Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None => Value::String(value.to_string()),
    };
    match value {
        MetadataValue::U8(value) => Value::from(*value),
        MetadataValue::I8(value) => Value::from(*value),
        MetadataValue::U16(value) => Value::from(*value),
        MetadataValue::I16(value) => Value::from(*value),
        MetadataValue::U32(value) => Value::from(*value),
        MetadataValue::I32(value) => Value::from(*value),
        MetadataValue::U64(value) => Value::from(*value),
        MetadataValue::I64(value) => Value::from(*value),
        MetadataValue::F32(value) => number(f64::from(*value)),
        MetadataValue::F64(value) => number(*value),
        MetadataValue::Bool(value) => Value::from(*value),
        MetadataValue::String(value) => Value::from(value.as_str()),
        MetadataValue::Array(values) => Value::Array(vec![Value::from(values.len())]),
    }
}
