//! Whether a GIF file moves.

/// Whether a file holds more than one frame. One that breaks off is taken to stand still: its
/// decoder says what is wrong with it.
pub(super) fn moves(file: &[u8]) -> bool {
    frames(file, 2) == Some(2)
}

/// Number of frames, counted up to `most`; none where the file is no GIF or breaks off.
fn frames(file: &[u8], most: usize) -> Option<usize> {
    const IMAGE: u8 = 0x2c;
    const EXTENSION: u8 = 0x21;
    const END: u8 = 0x3b;
    let rest = file.strip_prefix(b"GIF")?;
    // Version, width, height, flags, background, aspect.
    let (header, rest) = rest.split_at_checked(10)?;
    let mut rest = rest.get(table_bytes(header[7])..)?;
    let mut count = 0;
    while count < most {
        let (&kind, behind) = rest.split_first()?;
        rest = match kind {
            IMAGE => {
                count += 1;
                let (descriptor, behind) = behind.split_at_checked(9)?;
                // The width of the codes stands before the blocks.
                blocks(behind.get(table_bytes(descriptor[8]) + 1..)?)?
            }
            EXTENSION => blocks(behind.get(1..)?)?,
            END => break,
            _ => return None,
        };
    }
    Some(count)
}

/// Bytes of the table of colours that these flags announce.
fn table_bytes(flags: u8) -> usize {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    }
}

/// The bytes behind blocks, each behind its length, the last of which is empty.
fn blocks(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, behind) = rest.split_first()?;
        rest = behind.get(usize::from(length)..)?;
        if length == 0 {
            return Some(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_and_a_broken_file_has_none() {
        let header = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
        let control = b"\x21\xf9\x04\0\x0a\0\0\0";
        let image = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
        let still = [&header[..], control, image, b"\x3b"].concat();
        let moving = [&header[..], control, image, control, image, b"\x3b"].concat();
        assert!(!moves(&still));
        assert!(moves(&moving));
        assert_eq!(frames(&moving, 9), Some(2));
        for end in 0..still.len() - 1 {
            assert!(!moves(&still[..end]), "{end}");
        }
        assert!(!moves(b"JFIF"));
    }
}
