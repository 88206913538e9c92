//! Pictures.

use std::io::Cursor;

use ::image::ImageReader;
use flamingo_runtime::ImagePixels;
use flamingo_runtime::image;

use super::Target;
use crate::peak_during;

/// The target of pictures.
pub const TARGET: Target = Target {
    name: "picture",
    words: &[
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
        b"CgBI",
        b"IDAT",
        b"PLTE",
        b"tRNS",
        b"acTL",
        b"fcTL",
        b"eXIf",
        b"\0\0\0\0IEND\xae\x42\x60\x82",
        b"\xff\xd8\xff\xe0",
        b"\xff\xda",
        b"\xff\xc0",
        b"\xff\xc2",
        b"\xff\xc4",
        b"\xff\xdb",
        b"\xff\xdd",
        b"\xff\xd9",
        b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0",
        b"\x12\x01\x03\0\x01\0\0\0\x06\0",
        b"RIFF",
        b"WEBPVP8X\x0a\0\0\0",
        b"VP8 ",
        b"VP8L",
        b"\x41LPH",
        b"ANIM",
        b"ANMF",
        b"ICCP",
        b"EXIF",
        b"GIF89a",
        b"\x21\xf9\x04",
        b"BM",
        b"\x28\0\0\0",
    ],
    check,
};

/// Most pixels of a picture that is decoded here: larger ones are as good, and slower.
const MAX_PIXELS: u64 = 1 << 16;

/// Most bytes allocated for each pixel: 16 bits of four channels, what a decoder keeps of them,
/// and the same upright in 8 bits.
const BYTES_PER_PIXEL: u64 = 40;

/// Most bytes allocated besides: windows and tables of decoders, and a part of a WebP file, for
/// whose length of 24 bits its decoder takes memory before it is read.
const BYTES_AT_LEAST: u64 = 20 << 20;

/// Most bytes allocated for each byte of input: copies of it.
const BYTES_PER_BYTE: u64 = 16;

/// Pixels that the file claims, if it is not malformed.
fn pixels(input: &[u8]) -> Option<u64> {
    let reader = ImageReader::new(Cursor::new(input)).with_guessed_format();
    let (width, height) = reader.ok()?.into_dimensions().ok()?;
    Some(u64::from(width) * u64::from(height))
}

fn check(input: &[u8]) -> String {
    let claimed = pixels(input);
    if claimed.is_some_and(|pixels| pixels > MAX_PIXELS) {
        return "large".to_owned();
    }
    // A decoder may be told of a malformed file's size where its dimensions were refused.
    let pixels = claimed.unwrap_or(image::MAX_PIXELS);
    let (result, peak) = peak_during(|| ImagePixels::decode(input));
    let limit = BYTES_AT_LEAST + BYTES_PER_PIXEL * pixels + BYTES_PER_BYTE * input.len() as u64;
    assert!(
        peak as u64 <= limit,
        "{peak} bytes allocated for {pixels} pixels and {} bytes",
        input.len()
    );
    match result {
        Ok(picture) => {
            let (width, height) = (picture.width() as usize, picture.height() as usize);
            assert_eq!(picture.data().len(), 3 * width * height);
            assert!(claimed.is_none_or(|pixels| pixels == (width * height) as u64));
            "whole".to_owned()
        }
        Err(error) => error.to_string(),
    }
}
