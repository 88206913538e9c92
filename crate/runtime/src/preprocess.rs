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
    let square = resize(image, vision.resize, vision.image_size)?;
    let mut values = Vec::with_capacity(square.data().len());
    for pixel in square.data().chunks_exact(3) {
        for ((&value, mean), std) in pixel.iter().zip(vision.mean).zip(vision.std) {
            values.push((f32::from(value) / 255.0 - mean) / std);
        }
    }
    Ok(values)
}

/// Makes a picture a square of `size` pixels, antialiased bicubic.
///
/// Equal to Pillow's `resize(…, BICUBIC)` within one level of 255. Columns are
/// resampled before rows, each pass rounded to 8 bits, as Pillow does; the
/// other order clips overshoots at hard edges elsewhere. [`ResizeMode::Crop`]
/// is torchvision's `Resize` and `CenterCrop`: only the part that is kept is
/// resampled.
///
/// # Errors
/// Where the resampler refuses the picture.
pub fn resize(
    image: &ImagePixels,
    mode: ResizeMode,
    size: usize,
) -> Result<ImagePixels, ImageError> {
    let refused = |reason: &dyn ToString| ImageError::Resize(reason.to_string());
    let side = u32::try_from(size).map_err(|error| refused(&error))?;
    let columns = visible(image.width(), image.height(), mode, side);
    let rows = visible(image.height(), image.width(), mode, side);
    let bicubic = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    let mut resizer = Resizer::new();

    let source = ImageRef::new(image.width(), image.height(), image.data(), PixelType::U8x3)
        .map_err(|error| refused(&error))?;
    let mut narrowed = Image::new(side, image.height(), PixelType::U8x3);
    let options = bicubic.crop(
        columns.start,
        0.0,
        columns.length,
        f64::from(image.height()),
    );
    resizer
        .resize(&source, &mut narrowed, &options)
        .map_err(|error| refused(&error))?;

    let mut square = Image::new(side, side, PixelType::U8x3);
    let options = bicubic.crop(0.0, rows.start, f64::from(side), rows.length);
    resizer
        .resize(&narrowed, &mut square, &options)
        .map_err(|error| refused(&error))?;
    ImagePixels::from_rgb8(side, side, square.into_vec())
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
    if mode == ResizeMode::Squash || length <= across {
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
