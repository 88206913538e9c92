//! The photos of `flamingo check`: Flickr8k's, described in `tests/fixtures/photos`.

/// A photo and what a person wrote about it.
pub(super) struct Photo {
    /// A WebP file.
    pub(super) file: &'static [u8],
    /// A caption.
    pub(super) caption: &'static str,
}

/// Puts a photo into the program.
macro_rules! photo {
    ($name:literal, $caption:literal) => {
        Photo {
            file: include_bytes!(concat!("../../../../tests/fixtures/photos/", $name)),
            caption: $caption,
        }
    };
}

/// Photos of different things.
pub(super) const PHOTOS: &[Photo] = &[
    photo!(
        "2090545563_a4e66ec76b.webp",
        "Two small children in red shirts playing on a skateboard"
    ),
    photo!(
        "3393035454_2d2370ffd4.webp",
        "A young boy jumps off a rock in the forest"
    ),
    photo!(
        "3695064885_a6922f06b2.webp",
        "A small tan and white dog and trainer running an obstacle course"
    ),
    photo!(
        "1679557684_50a206e4a9.webp",
        "A dog looks at another dog catching a ball in the air"
    ),
    photo!(
        "3582685410_05315a15b8.webp",
        "Two women climb on top of rocks in front of the ocean"
    ),
    photo!(
        "1579798212_d30844b4c5.webp",
        "The child is surrounded by bubbles while in the bathtub"
    ),
    photo!(
        "269650644_059a84ece5.webp",
        "A group of people are ice skating in a big city"
    ),
    photo!(
        "2596619849_7b635dd310.webp",
        "Four children are playing together outside"
    ),
    photo!(
        "2635164923_2a774f7854.webp",
        "a little baby skateboarding on a small concrete wall"
    ),
    photo!(
        "3583321426_f373c52161.webp",
        "A middle Eastern woman wearing green is sitting on a stone step holding a box of cigarettes"
    ),
];
