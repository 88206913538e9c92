//! The ranges that sizes of a configuration must lie in.

use crate::error::ConfigError;

/// Largest value of a size. It keeps every product of sizes far from overflow.
pub(super) const MAX_SIZE: usize = 1 << 20;

/// Largest count of layers, heads or blocks.
pub(super) const MAX_COUNT: usize = 1 << 10;

/// Most values that one step of a model makes of a picture: 256 MiB of `f32`, a hundred times what
/// known models need. A file of a few kilobytes can ask for any number of them.
pub(super) const MAX_ACTIVATION: usize = 1 << 26;

/// Most tokens of a picture, each of which is held against each.
pub(super) const MAX_VISION_TOKENS: usize = 1 << 14;

/// The product of a shape, or the largest number there is.
pub(super) fn product(shape: &[usize]) -> usize {
    shape
        .iter()
        .fold(1, |product: usize, &size| product.saturating_mul(size))
}

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
