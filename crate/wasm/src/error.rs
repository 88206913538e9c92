//! Errors as JavaScript gets them: `{code, message}`. The codes are those of
//! `web/src/errors.ts`, which makes a class of each.

use std::error::Error;

use flamingo::ModelError;
use flamingo_kernels::DeviceError;
use flamingo_runtime::{LoadError, RuntimeError};
use serde::Serialize;
use wasm_bindgen::prelude::JsValue;

/// An error whose cause has a code.
pub(crate) trait Coded: Error {
    /// The cause, as `web/src/errors.ts` names it.
    fn code(&self) -> &'static str;
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
        "invalid-model"
    }
}

impl Coded for RuntimeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Device(error) => error.code(),
            Self::NotFinite { .. } => "device",
            Self::Prompt(_)
            | Self::Option { .. }
            | Self::EmptyStop
            | Self::NothingAllowed
            | Self::EmptyAnswer { .. }
            | Self::Constraint(_)
            | Self::ForeignImage { .. }
            | Self::Model(ModelError::ContextExceeded { .. } | ModelError::TooManyMedia { .. }) => {
                "prompt"
            }
            Self::Tokenizer(_) | Self::Model(_) => "invalid-model",
        }
    }
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
}

/// An error in the form JavaScript gets it.
pub(crate) fn thrown(error: impl Coded) -> JsValue {
    to_js(&Thrown {
        code: error.code(),
        message: error.to_string(),
    })
}

/// A plain object of strings, numbers and lists.
pub(crate) fn to_js(value: &impl Serialize) -> JsValue {
    // The serializer fails only where a `Serialize` implementation does, and
    // the derived ones do not.
    serde_wasm_bindgen::to_value(value).unwrap_or(JsValue::UNDEFINED)
}
