//! Sequences that begin alike and then differ, read together: the beams of a search,
//! the choices of a question.
//!
//! Keys and values of the common beginning are there once. Behind them each token of
//! any branch has a row of its own, and a branch is a list of such rows: to fork one
//! copies its list and nothing on the device.

use super::KvCache;

/// A token of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchToken {
    /// Its id; `<image>` cannot be one.
    pub id: u32,
    /// Rows of the tokens before it in its branch, oldest first. Rows count from 0,
    /// the first token that [`Branches`] took, in the order in which they came.
    pub history: Vec<u32>,
}

/// A KV cache whose sequence branches.
pub struct Branches {
    pub(crate) cache: KvCache,
    pub(crate) rows: usize,
}

impl Branches {
    /// Branches that all begin with what the cache holds.
    pub fn new(cache: KvCache) -> Self {
        Self { cache, rows: 0 }
    }

    /// Number of rows taken so far: the next token's row.
    pub fn rows(&self) -> u32 {
        self.rows as u32
    }

    /// Forgets the branches and keeps what they began with.
    pub fn clear(&mut self) {
        self.cache.truncate_rows(self.cache.len);
        self.rows = 0;
    }

    /// The cache as it was before it branched.
    pub fn into_shared(mut self) -> KvCache {
        self.clear();
        self.cache
    }
}
