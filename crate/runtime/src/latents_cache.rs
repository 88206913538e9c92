//! Images that were encoded before.
//!
//! Encoding an image costs more than reading a few tokens, and the same photo comes
//! again: as an example of many queries, in a prompt that was edited, in a clip that
//! stands still. What decides is the preprocessed pixels, not the file.

use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::image::ImagePixels;
use crate::media::EncodedMedia;

/// SHA-256 of the preprocessed pixels of an image, or of all frames of a clip.
pub(crate) type PixelHash = [u8; 32];

/// Bytes of latents that a model keeps unless told otherwise: some thousand images of
/// the default model.
pub const LATENTS_BUDGET: usize = 64 << 20;

/// Encoded images and clips by their pixels. Where they take more than the budget,
/// those that were not asked for the longest go first.
pub(crate) struct LatentsCache {
    budget: usize,
    held: usize,
    entries: LruCache<PixelHash, EncodedMedia>,
}

impl LatentsCache {
    /// An empty cache that holds at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            budget,
            held: 0,
            entries: LruCache::unbounded(),
        }
    }

    /// Holds at most `budget` bytes from now on.
    pub(crate) fn set_budget(&mut self, budget: usize) {
        self.budget = budget;
        self.make_room();
    }

    /// Bytes held on the device.
    pub(crate) fn byte_len(&self) -> usize {
        self.held
    }

    /// The encoding of these pixels, where it is still held.
    pub(crate) fn get(&mut self, pixels: &PixelHash) -> Option<EncodedMedia> {
        self.entries.get(pixels).cloned()
    }

    /// Keeps an encoding, if it is not larger than the budget alone.
    pub(crate) fn put(&mut self, pixels: PixelHash, media: EncodedMedia) {
        self.held += media.byte_len();
        if let Some(replaced) = self.entries.put(pixels, media) {
            self.held -= replaced.byte_len();
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.held > self.budget
            && let Some((_, oldest)) = self.entries.pop_lru()
        {
            self.held -= oldest.byte_len();
        }
    }
}

/// Hashes the squares of an image's or a clip's frames.
pub(crate) fn hash_frames(frames: &[ImagePixels]) -> PixelHash {
    let mut hash = Sha256::new();
    for frame in frames {
        hash.update((frame.data().len() as u64).to_le_bytes());
        hash.update(frame.data());
    }
    hash.finalize().into()
}
