//! Text files that people wrote: UTF-8, with or without the mark that some editors put first.

use thiserror::Error;

/// The byte order mark that editors put before UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why bytes are no text that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodingError {
    /// Two bytes a character.
    #[error("the file is in UTF-16; save it as UTF-8")]
    Utf16,
    /// Four bytes a character.
    #[error("the file is in UTF-32; save it as UTF-8")]
    Utf32,
    /// A byte above 127 that begins or goes on with no character.
    #[error(
        "line {line} is not in UTF-8 (its byte 0x{byte:02x} is no character of it; is the file in \
         Latin-1 or Windows-1252?); save the file as UTF-8"
    )]
    NotUtf8 {
        /// The line, from 1.
        line: usize,
        /// The byte.
        byte: u8,
    },
    /// Bytes that no text has.
    #[error("line {line} holds a zero byte; the file is no text")]
    Binary {
        /// The line, from 1.
        line: usize,
    },
}

/// The text that bytes are, without a byte order mark.
///
/// ```
/// use flamingo_weights::text::{EncodingError, text_of};
///
/// assert_eq!(text_of(b"\xef\xbb\xbf{}"), Ok("{}"));
/// assert_eq!(text_of(b"\xff\xfe{\0}\0"), Err(EncodingError::Utf16));
/// let latin1 = EncodingError::NotUtf8 { line: 2, byte: 0xe9 };
/// assert_eq!(text_of(b"a\nCaf\xe9"), Err(latin1));
/// ```
///
/// # Errors
/// Where they are in another encoding or are no text.
pub fn text_of(bytes: &[u8]) -> Result<&str, EncodingError> {
    if let Some(encoding) = wide_encoding(bytes) {
        return Err(encoding);
    }
    let line = |at: usize| 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
    let text = str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        EncodingError::NotUtf8 {
            line: line(at),
            byte: bytes[at],
        }
    })?;
    match text.find('\0') {
        Some(at) => Err(EncodingError::Binary { line: line(at) }),
        None => Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)),
    }
}

/// An encoding of several bytes a character, by its mark or by the zeros that Latin letters have
/// in it.
fn wide_encoding(bytes: &[u8]) -> Option<EncodingError> {
    let starts = |mark: &[u8]| bytes.starts_with(mark);
    if starts(&[0xff, 0xfe, 0, 0]) || starts(&[0, 0, 0xfe, 0xff]) {
        return Some(EncodingError::Utf32);
    }
    if starts(&[0xff, 0xfe]) || starts(&[0xfe, 0xff]) {
        return Some(EncodingError::Utf16);
    }
    match bytes {
        [0, 0, 0, 1..=255, ..] | [1..=255, 0, 0, 0, ..] => Some(EncodingError::Utf32),
        [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..] => Some(EncodingError::Utf16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_apart_with_and_without_a_mark() {
        let wide = |text: &str, mark: bool| -> Vec<u8> {
            let mark = mark.then_some(0xfeff);
            let units = mark.into_iter().chain(text.encode_utf16());
            units.flat_map(u16::to_le_bytes).collect()
        };
        let big = |bytes: Vec<u8>| -> Vec<u8> {
            let (pairs, _) = bytes.as_chunks::<2>();
            pairs.iter().flat_map(|&[a, b]| [b, a]).collect()
        };
        for mark in [false, true] {
            let little = wide("{\"image\": \"a.png\"}", mark);
            assert_eq!(text_of(&little), Err(EncodingError::Utf16));
            assert_eq!(text_of(&big(little)), Err(EncodingError::Utf16));
        }
        let four: Vec<u8> = "{}"
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        assert_eq!(text_of(&four), Err(EncodingError::Utf32));
        assert_eq!(text_of(b"ab\ncd\0"), Err(EncodingError::Binary { line: 2 }));
        assert_eq!(text_of(b""), Ok(""));
        assert_eq!(
            text_of("Café, 一杯咖啡☕".as_bytes()),
            Ok("Café, 一杯咖啡☕")
        );
        // What is no file's beginning is a character like others.
        assert_eq!(text_of("a\u{feff}b".as_bytes()), Ok("a\u{feff}b"));
    }
}
