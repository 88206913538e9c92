//! Putting together what arrives in pieces.

/// Moves bytes from the front of `piece` to `buffer` until it holds `length`.
///
/// The capacity at most doubles, so it follows the bytes that arrived, not the
/// `length` that a file claims; it ends at `length` exactly.
pub(crate) fn fill(buffer: &mut Vec<u8>, piece: &mut &[u8], length: usize) {
    let (more, after) = piece.split_at(piece.len().min(length - buffer.len()));
    *piece = after;
    let needed = buffer.len() + more.len();
    if needed > buffer.capacity() {
        let capacity = needed.max(buffer.len().saturating_mul(2)).min(length);
        buffer.reserve_exact(capacity - buffer.len());
    }
    buffer.extend_from_slice(more);
}
