//! The tables of characters in SentencePiece's normalizers ("precompiled_charsmap").
//!
//! Such a table is a double-array trie over the bytes of what is replaced, and behind it the
//! texts that come in its place. The library follows the trie's offsets without a check.

use serde_json::Value;

/// Most bytes that one character or grapheme is replaced by. SentencePiece's own tables, which
/// are those of NFKC, need 33.
pub(super) const MAX_REPLACED: usize = 64;

const FIELD: &str = "precompiled_charsmap";

/// Checks all tables within a value.
pub(super) fn check_all(value: &Value) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter().try_for_each(check_all),
        Value::Object(fields) => {
            let is_charsmap = fields.get("type").is_some_and(|kind| kind == "Precompiled");
            match fields.get(FIELD) {
                Some(Value::String(text)) => check(text)?,
                None if !is_charsmap => {}
                _ => return Err(format!("{FIELD} is no text")),
            }
            fields.values().try_for_each(check_all)
        }
        _ => Ok(()),
    }
}

fn check(text: &str) -> Result<(), String> {
    let table = decode_base64(text).ok_or_else(|| format!("{FIELD} is no base64"))?;
    is_safe(&table)
        .ok_or_else(|| format!("{FIELD} holds no table of characters, or one that leads nowhere"))
}

/// Follows every way through the trie; `None` where one leads outside, or to a text that is none.
fn is_safe(table: &[u8]) -> Option<()> {
    let (size, rest) = table.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size) as usize / size_of::<u32>();
    let (trie, texts) = rest.split_at_checked(size.checked_mul(size_of::<u32>())?)?;
    let (units, _) = trie.as_chunks::<4>();
    let unit = |at: usize| units.get(at).copied().map(u32::from_le_bytes);
    let texts = str::from_utf8(texts).ok()?;

    let mut seen = vec![false; units.len()];
    let mut ahead = vec![offset(unit(0)?)];
    while let Some(node) = ahead.pop() {
        // Each byte may come next, so each of its places must be there.
        if std::mem::replace(seen.get_mut(node)?, true) {
            continue;
        }
        for byte in 1..=u8::MAX {
            let place = node ^ usize::from(byte);
            let unit_of_byte = unit(place)?;
            if label(unit_of_byte) != u32::from(byte) {
                continue;
            }
            let next = place ^ offset(unit_of_byte);
            if has_leaf(unit_of_byte) {
                let text = texts.get(value(unit(next)?)..)?;
                let length = text.find('\0').unwrap_or(text.len());
                (length <= MAX_REPLACED).then_some(())?;
            }
            ahead.push(next);
        }
    }
    Some(())
}

fn has_leaf(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

fn value(unit: u32) -> usize {
    (unit & ((1 << 31) - 1)) as usize
}

fn label(unit: u32) -> u32 {
    unit & (1 << 31 | 0xff)
}

fn offset(unit: u32) -> usize {
    // As the library has it, whose numbers have 64 bits natively and 32 in a tab: 22 bits moved
    // by 8 fit both.
    (unit as usize >> 10) << ((unit & 1 << 9) >> 6)
}

/// Bytes of a text in the usual alphabet, filled up to a multiple of four characters.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(3 * groups.len());
    for (index, group) in groups.iter().enumerate() {
        let filled = group.iter().rev().take_while(|&&byte| byte == b'=').count();
        if filled > 2 || (filled > 0 && index + 1 < groups.len()) {
            return None;
        }
        let bits = group[..4 - filled]
            .iter()
            .try_fold(0, |bits, &byte| Some(bits << 6 | sextet(byte)?))?
            << (6 * filled);
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (taken, left) = decoded.split_at(3 - filled);
        // Bits that belong to no byte must be 0.
        if left.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(taken);
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;
    use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};

    use super::*;

    /// A table that replaces "A" by the text at `value`, of `units` places.
    fn table(units: usize, value: u32, texts: &str) -> Vec<u8> {
        let mut trie = vec![0_u32; units];
        // The root's node is at 0, so that "A" stands at its own number; its node is at 0x80.
        trie[0x41] = 0x41 | 1 << 8 | (0x41 ^ 0x80) << 10;
        trie[0x80] = value;
        let size = 4 * u32::try_from(units).unwrap();
        let words = std::iter::once(size).chain(trie);
        let mut table: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        table.extend(texts.as_bytes());
        table
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for group in bytes.chunks(3) {
            let bits = (0..3).fold(0, |bits, at| {
                bits << 8 | usize::from(group.get(at).copied().unwrap_or(0))
            });
            for digit in 0..=group.len() {
                text.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63]));
            }
            text.extend(std::iter::repeat_n('=', 3 - group.len()));
        }
        text
    }

    #[test]
    fn a_table_that_the_library_reads_is_let_through() {
        let normalizer = json!({
            "type": "Precompiled", FIELD: base64(&table(256, 2, "x\0ab\0")),
        });
        assert_eq!(check_all(&normalizer), Ok(()));
        let library: NormalizerWrapper = serde_json::from_value(normalizer).unwrap();
        let mut text = NormalizedString::from("cAc");
        library.normalize(&mut text).unwrap();
        assert_eq!(text.get(), "cabc");
    }

    #[test]
    fn tables_that_lead_outside_are_refused() {
        for (table, cause) in [
            (table(255, 2, "x\0ab\0"), "a byte has no place"),
            (table(256, 6, "x\0ab\0"), "the text is behind the last"),
            (
                table(256, 1, "\u{e9}"),
                "the text begins within a character",
            ),
            (table(256, 0, &"x".repeat(65)), "the text is long"),
            (table(256, 0, "x")[..1000].to_vec(), "the trie is cut off"),
            (vec![0; 4], "no trie"),
            (Vec::new(), "nothing"),
        ] {
            assert!(check(&base64(&table)).is_err(), "{cause}");
        }
        let mut circle = table(256, 0, "x");
        // "A" again behind "A".
        circle[4 + 4 * 0x41..][..4].copy_from_slice(&(0x41_u32 | 0x41 << 10).to_le_bytes());
        assert_eq!(check(&base64(&circle)), Ok(()));
    }

    #[test]
    fn base64_is_decoded_as_strictly_as_the_library_does() {
        for bytes in [&b""[..], b"\0", b"\xff\xfe", b"abc", b"abcd\xff"] {
            assert_eq!(decode_base64(&base64(bytes)).as_deref(), Some(bytes));
        }
        for text in [
            "A", "AA", "AAA", "A===", "AA==AAAA", "AB==", "AAB=", "AA A", "A\u{e9}A",
        ] {
            assert_eq!(decode_base64(text), None, "{text}");
        }
    }
}
