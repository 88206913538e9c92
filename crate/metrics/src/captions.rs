//! A candidate caption beside its references.

use thiserror::Error;

use crate::tokenize;

/// A caption to be scored, and the captions that people gave the same image, as
/// words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionedImage {
    pub(crate) candidate: Vec<String>,
    pub(crate) references: Vec<Vec<String>>,
}

impl CaptionedImage {
    /// Tokenizes the captions of an image with [`tokenize()`].
    pub fn new(candidate: &str, references: &[impl AsRef<str>]) -> Self {
        Self {
            candidate: tokenize(candidate),
            references: references
                .iter()
                .map(|reference| tokenize(reference.as_ref()))
                .collect(),
        }
    }
}

/// Captions that cannot be scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CaptionError {
    /// There is nothing to score.
    #[error("no image to score the captions of")]
    NoImages,
    /// An image without references.
    #[error("image {image} has no reference captions")]
    NoReferences {
        /// Index of the image.
        image: usize,
    },
}

/// Whether there are images, and all have references.
pub(crate) fn check(images: &[CaptionedImage]) -> Result<(), CaptionError> {
    if images.is_empty() {
        return Err(CaptionError::NoImages);
    }
    images
        .iter()
        .position(|image| image.references.is_empty())
        .map_or(Ok(()), |image| Err(CaptionError::NoReferences { image }))
}
