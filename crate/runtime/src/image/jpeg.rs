//! Facts of a JPEG file that its decoder does not tell.

/// Markers without a length: restarts, start of image, reserved for arithmetic coding.
const BARE: [std::ops::RangeInclusive<u8>; 2] = [0xd0..=0xd8, 0x01..=0x01];
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const APPLICATION_1: u8 = 0xe1;

/// A marker and what its segment holds.
struct Segment<'a> {
    marker: u8,
    content: &'a [u8],
}

/// The segments of a file, passing over the entropy-coded data between them. They end at the end
/// of the picture, of which nothing is given, or where the file breaks off.
struct Segments<'a> {
    rest: &'a [u8],
    reached_end: bool,
}

impl<'a> Segments<'a> {
    fn new(file: &'a [u8]) -> Self {
        Self {
            rest: file,
            reached_end: false,
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let &[first, marker] = self.rest.first_chunk::<2>()?;
            // Between segments lies entropy-coded data, where 0xff is followed by 0.
            if first != 0xff || marker == 0 || marker == 0xff {
                self.rest = self.rest.get(1..)?;
            } else if marker == END_OF_IMAGE {
                self.reached_end = true;
                return None;
            } else if BARE.iter().any(|range| range.contains(&marker)) {
                self.rest = self.rest.get(2..)?;
            } else {
                let &length = self.rest.get(2..)?.first_chunk::<2>()?;
                let end = 2 + usize::from(u16::from_be_bytes(length));
                // Of a segment that breaks off there is no content, and nothing behind it.
                let content = self.rest.get(4..end).unwrap_or_default();
                self.rest = self.rest.get(end..).unwrap_or_default();
                return Some(Segment { marker, content });
            }
        }
    }
}

/// Whether a file goes on to its end-of-image marker.
///
/// The decoder fills what is missing with grey and reports success.
pub(super) fn reaches_end(file: &[u8]) -> bool {
    let mut segments = Segments::new(file);
    segments.by_ref().for_each(drop);
    segments.reached_end
}

/// The first Exif record of a file, which is the one that counts: a record longer than a segment
/// goes on in others that begin like it, and the decoder gives the last of them.
pub(super) fn exif(file: &[u8]) -> Option<&[u8]> {
    Segments::new(file)
        .take_while(|segment| segment.marker != START_OF_SCAN)
        .filter(|segment| segment.marker == APPLICATION_1)
        .find_map(|segment| segment.content.strip_prefix(b"Exif\0\0"))
}
