//! The kind of a file, by its first bytes. Its name does not count.

use std::fmt::{self, Display, Formatter};

use flamingo_runtime::image::is_decoded_here;

/// Bytes from the beginning of a file that tell what it is.
pub(super) const HEAD_BYTES: usize = 4096;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing at all.
    Empty,
    /// A picture that is decoded here.
    Picture,
    /// A picture of another format, which `ffmpeg` may read.
    OtherPicture(&'static str),
    /// A video, as far as the beginning tells.
    Video,
    /// Something that shows nothing, with words for it.
    Other(&'static str),
    /// Something that is not known here; `ffmpeg` knows more.
    Unknown,
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty file"),
            Self::Picture => f.write_str("a picture"),
            Self::OtherPicture(name) => write!(f, "a picture of the format {name}"),
            Self::Video => f.write_str("a video"),
            Self::Other(name) => f.write_str(name),
            Self::Unknown => f.write_str("a file of a kind that is not known here"),
        }
    }
}

/// Beginnings of files that hold no pictures, and words for them.
const OTHERS: &[(&[u8], &str)] = &[
    (b"%PDF", "a PDF document; save its page as a picture"),
    (
        b"PK\x03\x04",
        "a ZIP archive (or an office document); unpack it",
    ),
    (b"\x1f\x8b", "compressed by gzip; unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it"),
    (b"BZh", "compressed by bzip2; unpack it"),
    (b"\xfd7zXZ\0", "compressed by xz; unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"GGUF", "a model; name it with --model"),
    (b"FLRICES", "an index; name it with --support"),
    (b"ID3", "sound without pictures"),
    (b"fLaC", "sound without pictures"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "a database"),
];

/// Brands of files in ISO's container that hold a picture.
const BRANDS: &[(&[u8], &str)] = &[
    (b"heic", "HEIC"),
    (b"heix", "HEIC"),
    (b"heim", "HEIC"),
    (b"heis", "HEIC"),
    (b"hevc", "HEIC"),
    (b"hevx", "HEIC"),
    (b"mif1", "HEIF"),
    (b"msf1", "HEIF"),
    (b"avif", "AVIF"),
    (b"avis", "AVIF"),
];

/// Beginnings of pictures that are not decoded here.
const PICTURES: &[(&[u8], &str)] = &[
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"SDPX", "DPX"),
    (b"XPDS", "DPX"),
    (b"\0\0\x01\0", "ICO"),
];

/// Beginnings of videos.
const VIDEOS: &[&[u8]] = &[
    b"\x1a\x45\xdf\xa3", // Matroska and WebM
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", // ASF, WMV
    b".RMF",
    b"\0\0\x01\xba",     // MPEG program stream
    b"\0\0\x01\xb3",     // MPEG video
    b"\x06\x0e\x2b\x34", // MXF
    b"YUV4MPEG2",
    b"DKIF",
];

/// Bytes of a packet of an MPEG transport stream, each of which begins with a `G`.
const TRANSPORT_PACKET: usize = 188;

/// The kind of a file by its beginning: its first [`HEAD_BYTES`], or all of it.
pub(super) fn kind_of(head: &[u8]) -> Kind {
    let find = |beginnings: &[(&[u8], &'static str)]| {
        let found = beginnings.iter().find(|(start, _)| head.starts_with(start));
        found.map(|&(_, name)| name)
    };
    if head.is_empty() {
        return Kind::Empty;
    }
    if is_decoded_here(head) {
        return Kind::Picture;
    }
    if let Some(name) = picture_brand(head)
        .or_else(|| find(PICTURES))
        .or_else(|| netpbm(head))
    {
        return Kind::OtherPicture(name);
    }
    if let Some(name) = find(OTHERS) {
        return Kind::Other(name);
    }
    let riff = head.starts_with(b"RIFF").then(|| head.get(8..12)).flatten();
    match riff {
        Some(b"WAVE") => return Kind::Other("sound without pictures"),
        Some(b"AVI ") => return Kind::Video,
        _ => {}
    }
    let is_video = VIDEOS.iter().any(|start| head.starts_with(start))
        || matches!(
            head.get(4..8),
            Some(b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip")
        )
        || is_transport_stream(head);
    match is_video {
        true => Kind::Video,
        false => text(head).map_or(Kind::Unknown, Kind::Other),
    }
}

fn picture_brand(head: &[u8]) -> Option<&'static str> {
    if head.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let brand = head.get(8..12)?;
    let found = BRANDS.iter().find(|(name, _)| *name == brand);
    found.map(|&(_, name)| name)
}

/// The formats whose first bytes are a `P`, a digit, and white space.
fn netpbm(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'P', b'1'..=b'6', space, ..] if space.is_ascii_whitespace() => Some("Netpbm"),
        _ => None,
    }
}

fn is_transport_stream(head: &[u8]) -> bool {
    // With or without four bytes of time before each packet.
    [(0, TRANSPORT_PACKET), (4, TRANSPORT_PACKET + 4)]
        .into_iter()
        .any(|(first, step)| {
            let starts = || head.iter().skip(first).step_by(step);
            starts().count() >= 3 && starts().all(|&byte| byte == b'G')
        })
}

/// Words for a text; none for anything else.
fn text(head: &[u8]) -> Option<&'static str> {
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        // The head may end within a character.
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c'))
    {
        return None;
    }
    let lower = text
        .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .to_lowercase();
    Some(match lower {
        lower if lower.contains("<svg") => "an SVG drawing; save it as PNG",
        lower if lower.starts_with("<!doctype html") || lower.starts_with("<html") => {
            "a web page; the server may have answered with its start page, or ask for a login"
        }
        lower if lower.starts_with("version https://git-lfs") => {
            "a placeholder of Git LFS; fetch the file itself with `git lfs pull`"
        }
        lower if lower.starts_with('{') => {
            "JSON; name a file of examples with --shots, a model with --model"
        }
        _ => "text",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_what_a_file_is() {
        let transport: Vec<u8> = [b'G'; 4]
            .map(|start| [&[start][..], &[7; 187]].concat())
            .concat();
        for (head, expected) in [
            (&b""[..], Kind::Empty),
            (b"\xff\xd8\xff\xe0", Kind::Picture),
            (b"\x89PNG\r\n\x1a\n", Kind::Picture),
            (b"GIF89a", Kind::Picture),
            (b"BM\0\0", Kind::Picture),
            (b"\0\0\0\x18ftypheic", Kind::OtherPicture("HEIC")),
            (b"\0\0\0\x18ftypavif", Kind::OtherPicture("AVIF")),
            (b"II*\0\x08", Kind::OtherPicture("TIFF")),
            (b"P6\n2 2\n255\n", Kind::OtherPicture("Netpbm")),
            (b"\0\0\0\x18ftypmp42", Kind::Video),
            (b"\0\0\0\x183gp5", Kind::Unknown),
            (b"\x1a\x45\xdf\xa3", Kind::Video),
            (b"RIFF\0\0\0\0AVI LIST", Kind::Video),
            (&transport, Kind::Video),
            (
                b"PK\x03\x04rest",
                Kind::Other("a ZIP archive (or an office document); unpack it"),
            ),
            (b"#EXTM3U\nhttp://example.org/a.ts", Kind::Other("text")),
            (
                b"ffconcat version 1.0\nfile /etc/passwd",
                Kind::Other("text"),
            ),
            (
                "\u{feff}<?xml?>\n<SVG>".as_bytes(),
                Kind::Other("an SVG drawing; save it as PNG"),
            ),
            (b"\x01\x02\x03", Kind::Unknown),
        ] {
            assert_eq!(kind_of(head), expected, "{head:?}");
        }
    }
}
