//! Errors as JavaScript gets them: `{code, message}`. The codes are those of
//! `web/src/errors.ts`, which makes a class of each.

use std::error::Error;

use flamingo::ModelError;
use flamingo_kernels::DeviceError;
use flamingo_runtime::{ImageError, LoadError, PromptError, RuntimeError, SupportSetError};
use flamingo_weights::gguf::GgufError;
use serde::Serialize;
use wasm_bindgen::prelude::JsValue;

/// An error whose cause has a code.
pub(crate) trait Coded: Error {
    /// The cause, as `web/src/errors.ts` names it.
    fn code(&self) -> &'static str;

    /// What it says, with the names that JavaScript has for things.
    fn message(&self) -> String {
        self.to_string()
    }
}

impl Coded for DeviceError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoAdapter { .. }
            | Self::NotOpened { .. }
            | Self::LimitTooSmall { .. }
            | Self::SelfTestFailed { .. } => "no-webgpu",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::Lost { .. } => "device-lost",
            Self::Validation { .. } | Self::Read { .. } => "device",
        }
    }
}

impl Coded for LoadError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Gguf(GgufError::Memory { .. }) => "out-of-memory",
            _ => "invalid-model",
        }
    }
}

impl Coded for ImageError {
    fn code(&self) -> &'static str {
        "image"
    }
}

impl Coded for SupportSetError {
    fn code(&self) -> &'static str {
        "support-set"
    }
}

impl Coded for RuntimeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Device(error) => error.code(),
            Self::NotFinite { .. } => "device",
            Self::Prompt(PromptError::Template { .. })
            | Self::Option { .. }
            | Self::EmptyStop
            | Self::Constraint(_)
            | Self::Schema(_)
            | Self::ShotValue { .. } => "invalid-option",
            Self::Prompt(PromptError::TooLong { .. } | PromptError::TextTooLong { .. })
            | Self::Model(ModelError::ContextExceeded { .. } | ModelError::TooManyMedia { .. }) => {
                "prompt-too-long"
            }
            Self::Prompt(_)
            | Self::NothingAllowed
            | Self::EmptyAnswer { .. }
            | Self::ForeignImage { .. } => "prompt",
            Self::Tokenizer(_) | Self::Model(_) => "invalid-model",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Option { option, .. } => {
                self.to_string().replacen(option, &camel_case(option), 1)
            }
            Self::EmptyStop => format!("stop: {self}"),
            Self::Constraint(_) => format!("constraint: {self}"),
            _ => self.to_string(),
        }
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words
        .next()
        .expect("invariant: a split has one part at least");
    let first = first.to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        name + &initial.to_ascii_uppercase() + rest
    })
}

/// What is thrown.
#[derive(Serialize)]
pub(crate) struct Thrown {
    code: &'static str,
    message: String,
}

impl Thrown {
    /// A fault of the caller's, which is `web/`.
    pub(crate) fn internal(message: String) -> JsValue {
        to_js(&Self {
            code: "internal",
            message,
        })
    }

    /// An option that does not exist or has a value of another type.
    pub(crate) fn invalid_option(message: String) -> JsValue {
        to_js(&Self {
            code: "invalid-option",
            message,
        })
    }
}

/// An error in the form JavaScript gets it.
pub(crate) fn thrown(error: impl Coded) -> JsValue {
    to_js(&Thrown {
        code: error.code(),
        message: error.message(),
    })
}

/// A plain object of strings, numbers and lists.
pub(crate) fn to_js(value: &impl Serialize) -> JsValue {
    serde_wasm_bindgen::to_value(value)
        .expect("invariant: derived `Serialize` implementations do not fail")
}
