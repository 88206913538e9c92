//! Pixels as the vision encoder was trained to see them.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use flamingo::config::{ResizeMode, VisionConfig};

use crate::image::{ImageError, ImagePixels};

/// Resizes a picture and normalizes it: `[size, size, 3]` row-major, each
/// channel `(v / 255 - mean) / std`.
///
/// # Errors
/// Where the resampler refuses the picture.
pub fn preprocess(image: &ImagePixels, vision: &VisionConfig) -> Result<Vec<f32>, ImageError> {
    Ok(normalize(&square(image, vision)?, vision))
}

/// The square that the vision encoder sees of a picture, in bytes still: a quarter of what
/// its numbers take, where pictures are told apart. The square of a square is itself.
pub(crate) fn square(
    image: &ImagePixels,
    vision: &VisionConfig,
) -> Result<ImagePixels, ImageError> {
    let mean = vision.mean.map(|mean| (255.0 * mean).round() as u8);
    resize(image, vision.resize, vision.image_size, mean)
}

/// Bytes as numbers, `[size, size, 3]`.
pub(crate) fn normalize(square: &ImagePixels, vision: &VisionConfig) -> Vec<f32> {
    let numbers: [[f32; 256]; 3] = std::array::from_fn(|channel| {
        let (mean, std) = (vision.mean[channel], vision.std[channel]);
        std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std)
    });
    let (pixels, _) = square.data().as_chunks::<3>();
    let mut values = Vec::with_capacity(square.data().len());
    for pixel in pixels {
        for (&byte, numbers) in pixel.iter().zip(&numbers) {
            values.push(numbers[usize::from(byte)]);
        }
    }
    values
}

/// Makes a picture a square of `size` pixels, antialiased bicubic.
///
/// Equal to Pillow's `resize(…, BICUBIC)` within one level of 255. Columns are
/// resampled before rows, each pass rounded to 8 bits, as Pillow does; the
/// other order clips overshoots at hard edges elsewhere. [`ResizeMode::Crop`]
/// is torchvision's `Resize` and `CenterCrop`: only the part that is kept is
/// resampled. [`ResizeMode::Pad`] is `ImageOps.pad`, with `padding` as the colour of
/// what lies around the picture.
///
/// # Errors
/// Where the resampler refuses the picture.
pub fn resize(
    image: &ImagePixels,
    mode: ResizeMode,
    size: usize,
    padding: [u8; 3],
) -> Result<ImagePixels, ImageError> {
    let refused = |reason: &dyn ToString| ImageError::Resize(reason.to_string());
    let side = u32::try_from(size).map_err(|error| refused(&error))?;
    let columns = visible(image.width(), image.height(), mode, side);
    let rows = visible(image.height(), image.width(), mode, side);
    let (width, height) = match mode {
        ResizeMode::Squash | ResizeMode::Crop => (side, side),
        ResizeMode::Pad => contained(image.width(), image.height(), side),
    };
    let bicubic = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    let mut resizer = Resizer::new();

    let source = ImageRef::new(image.width(), image.height(), image.data(), PixelType::U8x3)
        .map_err(|error| refused(&error))?;
    let mut narrowed = Image::new(width, image.height(), PixelType::U8x3);
    let options = bicubic.crop(
        columns.start,
        0.0,
        columns.length,
        f64::from(image.height()),
    );
    resizer
        .resize(&source, &mut narrowed, &options)
        .map_err(|error| refused(&error))?;

    let mut resized = Image::new(width, height, PixelType::U8x3);
    let options = bicubic.crop(0.0, rows.start, f64::from(width), rows.length);
    resizer
        .resize(&narrowed, &mut resized, &options)
        .map_err(|error| refused(&error))?;
    let pixels = resized.into_vec();
    if (width, height) == (side, side) {
        return ImagePixels::from_rgb8(side, side, pixels);
    }
    let row_bytes = 3 * size;
    let middle = |length: u32| (f64::from(side - length) / 2.0).round_ties_even() as usize;
    let (left, top) = (3 * middle(width), middle(height));
    let mut square = padding.repeat(size * size);
    let rows = pixels.chunks_exact(3 * width as usize);
    for (row, square) in rows.zip(square.chunks_exact_mut(row_bytes).skip(top)) {
        square[left..][..row.len()].copy_from_slice(row);
    }
    ImagePixels::from_rgb8(side, side, square)
}

/// Width and height of a picture that is scaled until its long side is `side`.
fn contained(width: u32, height: u32, side: u32) -> (u32, u32) {
    let scaled = |short: u32, long: u32| {
        let length = f64::from(short) / f64::from(long) * f64::from(side);
        // A strip keeps at least a line.
        (length.round_ties_even() as u32).max(1)
    };
    match width >= height {
        true => (side, scaled(height, width)),
        false => (scaled(width, height), side),
    }
}

/// A stretch of a side, in source pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    start: f64,
    length: f64,
}

/// The stretch of a side of `length` pixels that becomes the square's side,
/// where the picture's other side has `across` pixels.
fn visible(length: u32, across: u32, mode: ResizeMode, side: u32) -> Stretch {
    let whole = Stretch {
        start: 0.0,
        length: f64::from(length),
    };
    if mode != ResizeMode::Crop || length <= across {
        return whole;
    }
    // torchvision scales the short side to `side` and this one to a whole
    // number of pixels, rounded down, then cuts `side` of them from the
    // middle, rounded half to even.
    let scaled = u64::from(side) * u64::from(length) / u64::from(across);
    let first = ((scaled - u64::from(side)) as f64 / 2.0).round_ties_even();
    let step = f64::from(length) / scaled as f64;
    let start = first * step;
    // Rounding must not carry the end past the picture.
    Stretch {
        start,
        length: (f64::from(side) * step).min(f64::from(length) - start),
    }
}
