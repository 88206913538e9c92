//! Decoding held against Pillow (tests/parity/images.py) and against files
//! that mean harm.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use flamingo_runtime::{ImageError, ImagePixels};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/images")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decode(name: &str) -> ImagePixels {
    ImagePixels::decode(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Largest difference between a file's pixels and those Pillow makes of it.
fn difference(name: &str, expected: &str) -> u8 {
    let (found, expected) = (decode(name), decode(&format!("{expected}.expected.png")));
    assert_eq!(
        (found.width(), found.height()),
        (expected.width(), expected.height()),
        "size of {name}"
    );
    let pairs = found.data().iter().zip(expected.data());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn every_orientation_comes_out_upright() {
    for value in 1..=8 {
        let name = format!("orientation_{value}.jpg");
        assert!(difference(&name, "orientation") <= 4, "{name}");
    }
}

#[test]
fn png_and_webp_carry_orientation_too() {
    assert_eq!(difference("orientation_6.png", "orientation"), 0);
    assert_eq!(difference("orientation_6.webp", "orientation"), 0);
}

#[test]
fn orientation_is_found_behind_the_prefix_some_webp_writers_keep() {
    // RIFF chunks are padded to even lengths; so are the prefix and the record.
    let file = fixture("orientation_6.webp");
    let at = file.windows(4).position(|kind| kind == b"EXIF").unwrap();
    let length = u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap());
    let mut prefixed = file[..at + 4].to_vec();
    prefixed.extend((length + 6).to_le_bytes());
    prefixed.extend(b"Exif\0\0");
    prefixed.extend(&file[at + 8..]);
    let riff = u32::try_from(prefixed.len() - 8).unwrap();
    prefixed[4..8].copy_from_slice(&riff.to_le_bytes());

    assert_eq!(
        ImagePixels::decode(&prefixed).unwrap(),
        decode("orientation.expected.png")
    );
}

#[test]
fn an_orientation_that_breaks_off_is_not_passed_over() {
    let mut file = fixture("orientation_6.webp");
    let at = file.windows(4).position(|kind| kind == b"EXIF").unwrap();
    file[at + 4..at + 8].copy_from_slice(&(32_u32 << 20).to_le_bytes());
    let error = ImagePixels::decode(&file).unwrap_err();
    assert!(
        matches!(error, ImageError::Truncated { format: "WebP" }),
        "{error:?}"
    );
}

#[test]
fn every_pixel_format_becomes_rgb() {
    for name in [
        "grey",
        "bilevel",
        "palette",
        "palette_transparent",
        "rgba",
        "grey_alpha",
        "rgb16",
        "grey16",
    ] {
        assert_eq!(difference(&format!("{name}.png"), name), 0, "{name}");
    }
}

#[test]
fn lossless_files_decode_exactly_and_lossy_ones_closely() {
    for (name, tolerance) in [
        ("photo_lossless.webp", 0),
        ("photo_alpha.webp", 0),
        ("photo.webp", 0),
        // Decoders may round the inverse cosine transform and the chroma
        // upsampling differently.
        ("photo.jpg", 3),
        ("photo_progressive.jpg", 3),
        ("photo_grey.jpg", 1),
    ] {
        let difference = difference(name, name);
        assert!(difference <= tolerance, "{name}: {difference}");
    }
}

#[test]
fn an_animation_is_its_first_frame() {
    assert_eq!(difference("animated.webp", "animated.webp"), 0);
    assert_eq!(difference("animated.png", "animated.png"), 0);
}

#[test]
fn a_file_that_breaks_off_says_so() {
    for (name, format) in [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WebP")] {
        let error = ImagePixels::decode(&fixture(&format!("truncated.{name}"))).unwrap_err();
        assert!(
            matches!(error, ImageError::Truncated { format: found } if found == format),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn no_prefix_of_a_file_is_taken_for_the_whole() {
    for name in [
        "photo.jpg",
        "photo_progressive.jpg",
        "photo.webp",
        "rgba.png",
        "orientation_6.webp",
    ] {
        let file = fixture(name);
        for length in 0..file.len() - 16 {
            assert!(
                ImagePixels::decode(&file[..length]).is_err(),
                "{name} cut to {length} bytes"
            );
        }
    }
}

#[test]
fn damaged_bytes_never_panic() {
    // A deterministic walk (xorshift) over files with a few bytes changed.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for name in [
        "photo.jpg",
        "photo_progressive.jpg",
        "photo.webp",
        "photo_alpha.webp",
        "palette.png",
        "orientation_6.webp",
    ] {
        let file = fixture(name);
        for _ in 0..400 {
            let mut damaged = file.clone();
            for _ in 0..1 + random() % 4 {
                let at = random() % damaged.len();
                damaged[at] = random() as u8;
            }
            // Either is fine; a panic is not.
            let _ = ImagePixels::decode(&damaged);
        }
    }
}

#[test]
fn a_picture_too_large_is_refused_by_its_header() {
    let error = ImagePixels::decode(&fixture("huge.png")).unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::TooLarge {
                width: 100_000,
                height: 100_000
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("50 megapixels"), "{error}");
}

#[test]
fn other_formats_are_named() {
    #[cfg(not(feature = "gif-bmp"))]
    {
        let gif = ImagePixels::decode(&fixture("photo.gif")).unwrap_err();
        assert!(
            gif.to_string().contains("GIF images are not read here"),
            "{gif}"
        );
    }
    let heic = ImagePixels::decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap_err();
    assert!(
        heic.to_string().contains("HEIC images are not read here"),
        "{heic}"
    );
    let text = ImagePixels::decode(b"<!doctype html>").unwrap_err();
    assert!(
        matches!(text, ImageError::UnsupportedFormat { found: None }),
        "{text:?}"
    );
    let nothing = ImagePixels::decode(b"").unwrap_err();
    assert!(matches!(nothing, ImageError::NoBytes), "{nothing:?}");
}

#[cfg(feature = "gif-bmp")]
#[test]
fn gif_and_bmp_are_read_and_their_beginnings_are_not() {
    for name in ["photo.gif", "photo.bmp", "transparent.gif"] {
        assert_eq!(difference(name, name), 0, "{name}");
        let file = fixture(name);
        // Behind the pixels of a GIF stands its end only.
        for length in 0..file.len() - 8 {
            assert!(
                ImagePixels::decode(&file[..length]).is_err(),
                "{name} cut to {length} bytes"
            );
        }
    }
    assert_eq!(
        ImagePixels::decode(&fixture("moving.gif")).unwrap(),
        decode("photo.gif")
    );
}

/// Black on nothing is what black on white is, whatever stands in the pixels that are not seen.
#[test]
fn what_is_transparent_lies_on_white() {
    let rgba = [
        [0, 0, 0, 255],
        [0, 0, 0, 0],
        [200, 100, 50, 0],
        [200, 100, 50, 255],
        [200, 100, 50, 128],
        [0, 0, 0, 1],
    ];
    let expected = [
        [0, 0, 0],
        [255, 255, 255],
        [255, 255, 255],
        [200, 100, 50],
        [227, 177, 152],
        [254, 254, 254],
    ];
    let pixels = ImagePixels::from_rgba8(3, 2, rgba.as_flattened()).unwrap();
    assert_eq!(pixels.data(), expected.as_flattened());
    for found in [23, 25] {
        let error = ImagePixels::from_rgba8(3, 2, &vec![0; found]).unwrap_err();
        assert!(matches!(error, ImageError::PixelBytes { found: it, .. } if it == found));
    }
}

/// A JPEG segment of Exif data.
fn exif_segment(record: &[u8]) -> Vec<u8> {
    let content = [b"Exif\0\0", record].concat();
    let length = u16::try_from(content.len() + 2).unwrap();
    [&[0xff, 0xe1][..], &length.to_be_bytes(), &content].concat()
}

/// The first record counts, whether the next ones go on with it or are others.
#[test]
fn of_several_exif_segments_the_first_counts() {
    let file = fixture("orientation_6.jpg");
    let upright = decode("orientation_6.jpg");
    let at = file.windows(6).position(|it| it == b"Exif\0\0").unwrap();
    let length = usize::from(u16::from_be_bytes([file[at - 2], file[at - 1]]));
    let end = at - 2 + length;
    let mut three = file[at + 6..end].to_vec();
    // The orientation is the only value that is 6 in the record's first bytes.
    let place = three
        .windows(2)
        .rposition(|it| it == [0x01, 0x12] || it == [0x12, 0x01])
        .unwrap();
    let value = three[place..].iter().position(|&byte| byte == 6).unwrap() + place;
    three[value] = 3;
    for more in [
        vec![b'm'; 4000],
        three,
        vec![],
        b"http://ns.adobe.com/xap".to_vec(),
    ] {
        let more = exif_segment(&more);
        let behind = [&file[..end], &more, &file[end..]].concat();
        assert_eq!(ImagePixels::decode(&behind).unwrap(), upright);
    }
}

/// The flags of an extended WebP file may promise what is not there: browsers show it.
#[test]
fn a_webp_file_may_lack_the_metadata_that_it_promises() {
    let plain = fixture("photo_lossless.webp");
    let picture = decode("photo_lossless.webp");
    assert_eq!(&plain[12..16], b"VP8L");
    let side = |length: u32| (length - 1).to_le_bytes()[..3].to_vec();
    for flags in [0x08, 0x04, 0x20, 0x2c] {
        let header = [
            &[flags, 0, 0, 0][..],
            &side(picture.width()),
            &side(picture.height()),
        ]
        .concat();
        let chunks = [
            &b"WEBPVP8X"[..],
            &10u32.to_le_bytes(),
            &header,
            &plain[12..],
        ]
        .concat();
        let length = u32::try_from(chunks.len()).unwrap();
        let file = [&b"RIFF"[..], &length.to_le_bytes(), &chunks].concat();
        assert_eq!(ImagePixels::decode(&file).unwrap(), picture, "{flags:#x}");
        for cut in 0..file.len() - 8 {
            assert!(ImagePixels::decode(&file[..cut]).is_err(), "{cut}");
        }
    }
}

#[test]
fn a_png_of_an_ios_app_is_told_by_its_name() {
    let file = fixture("grey.png");
    let chunk =
        |kind: &[u8; 4]| [&[0, 0, 0, 4][..], kind, &[0x50, 0, 0x20, 2, 0, 0, 0, 0]].concat();
    let with = |kind| [&file[..8], &chunk(kind), &file[8..]].concat();
    let error = ImagePixels::decode(&with(b"CgBI")).unwrap_err();
    assert!(matches!(error, ImageError::ApplePng), "{error:?}");
    assert!(error.to_string().contains("iOS"), "{error}");
    let error = ImagePixels::decode(&with(b"tEXt")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("its first chunk is not its header"),
        "{error}"
    );
}

#[test]
fn raw_pixels_are_checked() {
    assert!(ImagePixels::from_rgb8(2, 3, vec![0; 18]).is_ok());
    assert!(matches!(
        ImagePixels::from_rgb8(2, 3, vec![0; 17]),
        Err(ImageError::PixelBytes {
            width: 2,
            height: 3,
            found: 17
        })
    ));
    assert!(matches!(
        ImagePixels::from_rgb8(0, 3, vec![]),
        Err(ImageError::Empty { .. })
    ));
    assert!(matches!(
        ImagePixels::from_rgb8(70_000, 1, vec![0; 210_000]),
        Err(ImageError::TooLarge { .. })
    ));
}
