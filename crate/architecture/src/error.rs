//! Configurations that no model can have.

use thiserror::Error;

/// A configuration that no model can have.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ConfigError {
    /// The JSON text does not have the fields of a configuration.
    #[error("the model's configuration cannot be read: {0}")]
    Json(String),
    /// The configuration was written by a newer version.
    #[error(
        "the model's configuration has format {found}, this version reads up to {newest}; \
         update the program, or convert the model with this version"
    )]
    NewerFormat {
        /// Format of the configuration.
        found: u64,
        /// Newest format that can be read.
        newest: u64,
    },
    /// A size is zero or absurdly large.
    #[error("{field} is {value}, expected 1 to {max}")]
    OutOfRange {
        /// Path of the field, such as `resampler.width`.
        field: &'static str,
        /// Its value.
        value: usize,
        /// The largest value accepted.
        max: usize,
    },
    /// A number is not finite or not positive where it must be.
    #[error("{field} is {value}, expected a finite number above zero")]
    NotPositive {
        /// Path of the field.
        field: &'static str,
        /// Its value.
        value: f32,
    },
    /// Two fields contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
}
