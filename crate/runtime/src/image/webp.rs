//! WebP files that the decoder refuses and browsers show.

use std::borrow::Cow;

/// Where the flags of an extended file stand: behind the RIFF header, the name `WEBP`, and the
/// header of the chunk `VP8X`.
const FLAGS: usize = 20;

/// Flags of an extended file and the chunks that they promise.
const PROMISES: [(u8, &[u8; 4]); 3] = [(0x20, b"ICCP"), (0x08, b"EXIF"), (0x04, b"XMP ")];

/// Whether a file has as many bytes as its RIFF header and its Exif record say.
///
/// The decoder takes the end of the data for a corrupt bitstream.
pub(super) fn has_its_length(file: &[u8]) -> bool {
    let length = file.get(4..).and_then(<[u8]>::first_chunk::<4>);
    length.is_some_and(|&length| u64::from(u32::from_le_bytes(length)) + 8 <= file.len() as u64)
        && !chunks(file).any(|(name, content)| name == b"EXIF" && content.is_none())
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

/// The Exif record of an extended file that [has its length](has_its_length).
///
/// The decoder takes memory for the length that the chunk claims, up to 4 GiB, before it looks
/// whether so much is there.
pub(super) fn exif(file: &[u8]) -> Option<&[u8]> {
    chunks(file).next().filter(|(name, _)| *name == b"VP8X")?;
    chunks(file).find(|(name, _)| *name == b"EXIF")?.1
}

/// Whether one of the file's chunks has this name.
fn has_chunk(file: &[u8], name: &[u8; 4]) -> bool {
    chunks(file).any(|(found, _)| found == name)
}

/// The name of each of the file's chunks, and its content, if that does not pass the file's end.
fn chunks(file: &[u8]) -> impl Iterator<Item = (&[u8; 4], Option<&[u8]>)> {
    let mut rest = file.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, behind) = rest.split_first_chunk::<4>()?;
        let (length, content) = behind.split_first_chunk::<4>()?;
        // Chunks are padded to even lengths.
        let length = u32::from_le_bytes(*length) as usize;
        rest = content
            .get(length.saturating_add(length % 2)..)
            .unwrap_or_default();
        Some((name, content.get(..length)))
    })
}
