//! WebP files that the decoder refuses and browsers show.

use std::borrow::Cow;

/// Where the flags of an extended file stand: behind the RIFF header, the name `WEBP`, and the
/// header of the chunk `VP8X`.
const FLAGS: usize = 20;

/// Flags of an extended file and the chunks that they promise.
const PROMISES: [(u8, &[u8; 4]); 3] = [(0x20, b"ICCP"), (0x08, b"EXIF"), (0x04, b"XMP ")];

/// Whether a file has as many bytes as its RIFF header says.
///
/// The decoder takes the end of the data for a corrupt bitstream.
pub(super) fn has_its_length(file: &[u8]) -> bool {
    let length = file.get(4..).and_then(<[u8]>::first_chunk::<4>);
    length.is_some_and(|&length| u64::from(u32::from_le_bytes(length)) + 8 <= file.len() as u64)
}

/// The file without the promise of metadata that it does not hold, which the decoder refuses and
/// browsers do not miss.
pub(super) fn without_empty_promises(file: &[u8]) -> Cow<'_, [u8]> {
    let Some((&flags, b"VP8X")) = file
        .get(FLAGS)
        .zip(file.get(12..16).and_then(<[u8]>::first_chunk))
    else {
        return Cow::Borrowed(file);
    };
    let kept = PROMISES
        .iter()
        .filter(|(flag, chunk)| flags & flag != 0 && !has_chunk(file, chunk))
        .fold(flags, |flags, (flag, _)| flags & !flag);
    if kept == flags {
        return Cow::Borrowed(file);
    }
    let mut file = file.to_vec();
    file[FLAGS] = kept;
    Cow::Owned(file)
}

/// Whether one of the file's chunks has this name.
fn has_chunk(file: &[u8], name: &[u8; 4]) -> bool {
    let mut rest = file.get(12..).unwrap_or_default();
    while let Some((kind, behind)) = rest.split_first_chunk::<4>() {
        if kind == name {
            return true;
        }
        let Some((length, content)) = behind.split_first_chunk::<4>() else {
            return false;
        };
        // Chunks are padded to even lengths.
        let length = u32::from_le_bytes(*length) as usize;
        rest = content
            .get(length.saturating_add(length % 2)..)
            .unwrap_or_default();
    }
    false
}
