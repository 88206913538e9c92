//! The header of a PNG file, read before it is decoded.

/// The first chunk of a file.
pub(super) enum FirstChunk {
    /// The size of the picture, in pixels.
    Size(u32, u32),
    /// Apple's own chunk: Xcode makes such files for apps, whose pixels no other decoder reads.
    Apple,
    /// Something else than the header, which must come first.
    Other,
    /// The file ends before it.
    Nothing,
}

/// Reads a file's first chunk.
///
/// Where addresses have 32 bits the decoder refuses what they cannot count before it tells how
/// much that is.
pub(super) fn first_chunk(file: &[u8]) -> FirstChunk {
    let number = |at: usize| {
        let bytes = file.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    };
    match (file.get(12..16), number(16), number(20)) {
        (Some(b"CgBI"), ..) => FirstChunk::Apple,
        (Some(b"IHDR"), Some(width), Some(height)) => FirstChunk::Size(width, height),
        (Some(kind), ..) if kind != b"IHDR" => FirstChunk::Other,
        _ => FirstChunk::Nothing,
    }
}
