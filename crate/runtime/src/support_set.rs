//! Choosing examples for a query: the nearest of a support set (RICES, Yang et al.
//! 2022; paper, appendix A.2).

use thiserror::Error;

/// Why a support set cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SupportSetError {
    /// An embedding of another model.
    #[error(
        "an embedding has {found} numbers, those of this support set have {expected}; \
         was it made with another model?"
    )]
    Width {
        /// Numbers of the embedding.
        found: usize,
        /// Numbers of the others.
        expected: usize,
    },
    /// The bytes are no support set.
    #[error("the index of the support set cannot be read: {0}")]
    Malformed(&'static str),
}

/// Images with texts, found again by what they look like.
#[derive(Clone, Debug, PartialEq)]
pub struct SupportSet {
    width: usize,
    /// The vision encoder's identity, if whoever made the set told it.
    encoder: Option<EncoderId>,
    /// `[entries, width]`, each row of length 1.
    embeddings: Vec<f32>,
    entries: Vec<SupportEntry>,
}

/// One image of a support set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportEntry {
    /// Whatever finds the image again: a path, an address.
    pub image: String,
    /// The question about it; empty where the task asks none.
    pub question: String,
    /// What should be said about it.
    pub answer: String,
}

/// The identity of a vision encoder: embeddings of two can be compared only where they
/// are of the same.
pub type EncoderId = [u8; 32];

/// First bytes of a saved support set: a name and a version.
const MAGIC: &[u8; 8] = b"FLRICES1";

/// First bytes of one that says which vision encoder it was made with.
const MAGIC_WITH_ENCODER: &[u8; 8] = b"FLRICES2";

impl SupportSet {
    /// An empty set for embeddings of `width` numbers.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            encoder: None,
            embeddings: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Notes the vision encoder that embeds its images.
    pub fn set_encoder(&mut self, encoder: EncoderId) {
        self.encoder = Some(encoder);
    }

    /// The vision encoder that embedded its images, where it is known.
    pub fn encoder(&self) -> Option<&EncoderId> {
        self.encoder.as_ref()
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The images, in the order they came.
    pub fn entries(&self) -> &[SupportEntry] {
        &self.entries
    }

    /// Adds an image by its embedding, as [`crate::Model::embed`] makes it.
    ///
    /// # Errors
    /// Where it has another width.
    pub fn add(&mut self, embedding: &[f32], entry: SupportEntry) -> Result<(), SupportSetError> {
        self.check(embedding)?;
        self.embeddings.extend_from_slice(embedding);
        self.entries.push(entry);
        Ok(())
    }

    /// The `count` entries nearest to a query by cosine, the most similar last, next
    /// to the query, as the paper has them. Of equals the earlier entry is nearer.
    ///
    /// # Errors
    /// Where the query's embedding has another width.
    pub fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<usize>, SupportSetError> {
        self.check(query)?;
        let similarity = |index: usize| {
            let row = &self.embeddings[index * self.width..][..self.width];
            row.iter().zip(query).map(|(a, b)| a * b).sum()
        };
        let mut similarities: Vec<(usize, f32)> = (0..self.len())
            .map(|index| (index, similarity(index)))
            .collect();
        similarities.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        similarities.truncate(count);
        Ok(similarities
            .into_iter()
            .rev()
            .map(|(index, _)| index)
            .collect())
    }

    fn check(&self, embedding: &[f32]) -> Result<(), SupportSetError> {
        match embedding.len() == self.width {
            true => Ok(()),
            false => Err(SupportSetError::Width {
                found: embedding.len(),
                expected: self.width,
            }),
        }
    }

    /// The set as bytes, little-endian: a name and version of 8 bytes, behind which the
    /// vision encoder stands if it is known, width and number of entries as `u32`, the
    /// embeddings, and for each entry its three texts, each behind its length in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = match &self.encoder {
            None => MAGIC.to_vec(),
            Some(encoder) => [&MAGIC_WITH_ENCODER[..], encoder].concat(),
        };
        let number = |bytes: &mut Vec<u8>, number: usize| {
            bytes.extend_from_slice(&(number as u32).to_le_bytes());
        };
        number(&mut bytes, self.width);
        number(&mut bytes, self.entries.len());
        for value in &self.embeddings {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        for entry in &self.entries {
            for text in [&entry.image, &entry.question, &entry.answer] {
                number(&mut bytes, text.len());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; the bytes may come from anywhere.
    ///
    /// # Errors
    /// [`SupportSetError::Malformed`] where a length does not fit or a number is not
    /// finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SupportSetError> {
        let (mut rest, encoder) = if let Some(rest) = bytes.strip_prefix(MAGIC) {
            (rest, None)
        } else if let Some(rest) = bytes.strip_prefix(MAGIC_WITH_ENCODER) {
            let (encoder, rest) = rest
                .split_first_chunk()
                .ok_or(SupportSetError::Malformed("it ends too early"))?;
            (rest, Some(*encoder))
        } else {
            return Err(SupportSetError::Malformed(
                "it does not begin with FLRICES1 or FLRICES2",
            ));
        };
        let width = take_number(&mut rest)?;
        let count = take_number(&mut rest)?;
        let length = width
            .checked_mul(count)
            .and_then(|numbers| numbers.checked_mul(size_of::<f32>()))
            .ok_or(SupportSetError::Malformed(
                "it is larger than memory can be",
            ))?;
        let (values, _) = take(&mut rest, length)?.as_chunks::<4>();
        let embeddings: Vec<f32> = values.iter().copied().map(f32::from_le_bytes).collect();
        if embeddings.iter().any(|value| !value.is_finite()) {
            return Err(SupportSetError::Malformed("an embedding is not finite"));
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(SupportEntry {
                image: take_text(&mut rest)?,
                question: take_text(&mut rest)?,
                answer: take_text(&mut rest)?,
            });
        }
        match rest.is_empty() {
            true => Ok(Self {
                width,
                encoder,
                embeddings,
                entries,
            }),
            false => Err(SupportSetError::Malformed("bytes follow its end")),
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], SupportSetError> {
    let (taken, left) = rest
        .split_at_checked(count)
        .ok_or(SupportSetError::Malformed("it ends too early"))?;
    *rest = left;
    Ok(taken)
}

fn take_number(rest: &mut &[u8]) -> Result<usize, SupportSetError> {
    let bytes = take(rest, 4)?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | usize::from(byte)))
}

fn take_text(rest: &mut &[u8]) -> Result<String, SupportSetError> {
    let length = take_number(rest)?;
    String::from_utf8(take(rest, length)?.to_vec())
        .map_err(|_| SupportSetError::Malformed("a text is no UTF-8"))
}
