//! Checks a shard while it arrives.

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::Shard;

/// Checks a shard's length and SHA-256 while its bytes arrive.
pub struct ShardVerifier {
    shard: Shard,
    received: u64,
    hash: Sha256,
}

impl ShardVerifier {
    /// A verifier of `shard` that has seen no byte.
    pub fn new(shard: &Shard) -> Self {
        Self {
            shard: shard.clone(),
            received: 0,
            hash: Sha256::new(),
        }
    }

    /// Takes the next bytes of the shard.
    ///
    /// # Errors
    /// Where there are more bytes than the manifest says.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), ShardError> {
        self.received += bytes.len() as u64;
        if self.received > self.shard.bytes {
            return Err(self.wrong_length());
        }
        self.hash.update(bytes);
        Ok(())
    }

    /// Says that the shard ends here.
    ///
    /// # Errors
    /// Where its length or hash is not the manifest's.
    pub fn finish(self) -> Result<(), ShardError> {
        if self.received != self.shard.bytes {
            return Err(self.wrong_length());
        }
        let found = hex(self.hash);
        if found != self.shard.sha256 {
            return Err(ShardError::Hash {
                file: self.shard.file,
                expected: self.shard.sha256,
                found,
            });
        }
        Ok(())
    }

    fn wrong_length(&self) -> ShardError {
        ShardError::Length {
            file: self.shard.file.clone(),
            expected: self.shard.bytes,
            found: self.received,
        }
    }
}

/// A finished hash in lower-case hexadecimal.
pub(super) fn hex(hash: Sha256) -> String {
    format!("{:x}", hash.finalize())
}

/// A shard that is not the one in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShardError {
    /// Another length.
    #[error("shard `{file}` has {found} bytes or more, {expected} by model.json")]
    Length {
        /// The shard's file.
        file: String,
        /// Length by the manifest.
        expected: u64,
        /// Bytes that arrived so far.
        found: u64,
    },
    /// Another hash.
    #[error("shard `{file}` is damaged: its SHA-256 is {found}, {expected} by model.json")]
    Hash {
        /// The shard's file.
        file: String,
        /// Hash by the manifest.
        expected: String,
        /// Hash of the bytes.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `printf abc | sha256sum`
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn verify(bytes: u64, pieces: &[&[u8]]) -> Result<(), ShardError> {
        let mut verifier = ShardVerifier::new(&Shard {
            file: "weights-000.bin".to_owned(),
            bytes,
            sha256: ABC.to_owned(),
        });
        for piece in pieces {
            verifier.update(piece)?;
        }
        verifier.finish()
    }

    #[test]
    fn takes_the_right_bytes_in_any_pieces() {
        assert_eq!(verify(3, &[b"abc"]), Ok(()));
        assert_eq!(verify(3, &[b"", b"a", b"bc"]), Ok(()));
    }

    #[test]
    fn refuses_any_other_bytes() {
        assert!(matches!(verify(3, &[b"abd"]), Err(ShardError::Hash { .. })));
        assert!(matches!(
            verify(3, &[b"ab"]),
            Err(ShardError::Length { found: 2, .. })
        ));
        assert!(matches!(
            verify(2, &[b"abc"]),
            Err(ShardError::Length { found: 3, .. })
        ));
    }
}
