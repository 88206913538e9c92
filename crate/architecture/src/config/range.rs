//! The ranges that sizes of a configuration must lie in.

use crate::error::ConfigError;

/// Largest value of a size. It keeps every product of sizes far from overflow.
pub(super) const MAX_SIZE: usize = 1 << 20;

/// Largest count of layers, heads or blocks.
pub(super) const MAX_COUNT: usize = 1 << 10;

pub(super) fn size(field: &'static str, value: usize, max: usize) -> Result<(), ConfigError> {
    if value == 0 || value > max {
        return Err(ConfigError::OutOfRange { field, value, max });
    }
    Ok(())
}

pub(super) fn positive(field: &'static str, value: f32) -> Result<(), ConfigError> {
    if !(value.is_finite() && value > 0.0) {
        return Err(ConfigError::NotPositive { field, value });
    }
    Ok(())
}
