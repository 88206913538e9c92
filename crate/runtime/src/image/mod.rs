//! Photos as files hold them, turned into upright RGB pixels.
//!
//! A browser and the command line must see the same pixels, so JPEG, PNG and
//! WebP are decoded here on both; GIF and BMP where the feature `gif-bmp` is on.
//! Files are untrusted: their size is checked before memory is taken, and a file
//! that breaks off is an error, not a picture that is grey below. What is
//! transparent lies on white, as people see it.

mod jpeg;
mod png;
mod webp;

use std::io::Cursor;

use flamingo_weights::excerpt::one_line;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use thiserror::Error;

use self::png::FirstChunk;

/// Most pixels a photo may have: 50 megapixels.
pub const MAX_PIXELS: u64 = 50_000_000;

/// Longest side a photo may have, JPEG's own limit. It bounds what a
/// resampling filter over a strip of one pixel's height would need.
pub const MAX_SIDE: u32 = 65_535;

/// Bytes a decoder may take for itself and its output: 8 a pixel, which is
/// RGBA of 16 bits each, the widest format there is.
const MAX_DECODER_BYTES: u64 = 8 * MAX_PIXELS;

/// The formats that are decoded here, for people.
#[cfg(feature = "gif-bmp")]
pub const FORMATS: &str = "JPEG, PNG, WebP, GIF or BMP";

/// The formats that are decoded here, for people.
#[cfg(not(feature = "gif-bmp"))]
pub const FORMATS: &str = "JPEG, PNG or WebP";

/// Why a file gave no pixels.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file without bytes.
    #[error("the file is empty; download or copy it again")]
    NoBytes,
    /// A PNG file of an iOS app.
    #[error(
        "the file is a PNG as Xcode packs it into apps for iOS (CgBI), which only Apple's programs \
         read; take the picture from before it was packed, or open the file on a Mac and export it"
    )]
    ApplePng,
    /// None of the formats that are decoded here.
    #[error(
        "{}; save the picture as JPEG, PNG or WebP",
        match found {
            Some(name) => format!("{name} images are not read here"),
            None => "the file is not a picture of a known format".to_owned(),
        }
    )]
    UnsupportedFormat {
        /// The format, where its first bytes tell.
        found: Option<&'static str>,
    },
    /// More pixels than are decoded here.
    #[error(
        "the picture has {width}×{height} pixels, more than {} megapixels or {MAX_SIDE} on a side; \
         scale it down first",
        MAX_PIXELS / 1_000_000
    )]
    TooLarge {
        /// Width the file claims, in pixels.
        width: u32,
        /// Height the file claims, in pixels.
        height: u32,
    },
    /// A picture without pixels.
    #[error("the picture has no pixels ({width}×{height})")]
    Empty {
        /// Width, in pixels.
        width: u32,
        /// Height, in pixels.
        height: u32,
    },
    /// The file ends before the picture does.
    #[error("the {format} file ends before its picture does; download or copy it again")]
    Truncated {
        /// Name of the format.
        format: &'static str,
    },
    /// The picture itself is small enough, its decoding is not.
    #[error(
        "the {format} file takes more than {} MB of memory to decode; save the picture anew",
        MAX_DECODER_BYTES / 1_000_000
    )]
    Memory {
        /// Name of the format.
        format: &'static str,
    },
    /// The file breaks the rules of its format.
    #[error("the {format} file cannot be decoded ({reason}); save the picture anew")]
    Malformed {
        /// Name of the format.
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// Raw pixels of another number than width and height say.
    #[error("{found} bytes of pixels came for {width}×{height}")]
    PixelBytes {
        /// Width, in pixels.
        width: u32,
        /// Height, in pixels.
        height: u32,
        /// Bytes that came.
        found: usize,
    },
    /// The resampler refused the picture.
    #[error("the picture cannot be resized: {0}")]
    Resize(String),
}

/// An upright picture of 8-bit RGB pixels, `[height, width, 3]` row-major,
/// with at least one pixel and at most [`MAX_PIXELS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePixels {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl ImagePixels {
    /// Decodes a JPEG, PNG or WebP file, or one of the other [`FORMATS`], told apart by
    /// their first bytes.
    ///
    /// The pixels are those of Pillow's `ImageOps.exif_transpose`, laid on white and
    /// converted by `convert("RGB")`: Exif orientation is applied, palettes and grey
    /// become RGB, what is transparent shows the white behind it, as on a page; colour
    /// profiles are ignored. Unlike Pillow's, 16-bit values are scaled and rounded to 8
    /// bits. Of an animation it is the first frame.
    ///
    /// # Errors
    /// Where the file is of another format, too large, broken off or broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        let format = supported_format(bytes)?;
        let name = format_name(format);
        let fail = |error| decoder_error(name, error);
        if format == ImageFormat::Png {
            match png::first_chunk(bytes) {
                FirstChunk::Size(width, height) => check_size(width, height)?,
                FirstChunk::Apple => return Err(ImageError::ApplePng),
                FirstChunk::Other => {
                    return Err(ImageError::Malformed {
                        format: name,
                        reason: "its first chunk is not its header".to_owned(),
                    });
                }
                FirstChunk::Nothing => return Err(ImageError::Truncated { format: name }),
            }
        }
        let whole = match format {
            ImageFormat::WebP => webp::without_empty_promises(bytes),
            _ => bytes.into(),
        };

        let mut reader = ImageReader::with_format(Cursor::new(&whole), format);
        let mut limits = Limits::default();
        limits.max_alloc = Some(MAX_DECODER_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(fail)?;
        let (width, height) = decoder.dimensions();
        check_size(width, height)?;
        let is_whole = match format {
            ImageFormat::Jpeg => jpeg::reaches_end(bytes),
            ImageFormat::WebP => webp::has_its_length(bytes),
            // The other decoders ask for the end themselves.
            _ => true,
        };
        if !is_whole {
            return Err(ImageError::Truncated { format: name });
        }

        let orientation = match format {
            ImageFormat::Jpeg => orientation(jpeg::exif(bytes)),
            ImageFormat::WebP => orientation(webp::exif(bytes)),
            _ => orientation(decoder.exif_metadata().map_err(fail)?.as_deref()),
        };
        let decoded = DynamicImage::from_decoder(decoder).map_err(fail)?;
        let mut upright = DynamicImage::ImageRgb8(on_white(decoded));
        upright.apply_orientation(orientation);
        let (width, height) = (upright.width(), upright.height());
        Self::from_rgb8(width, height, upright.into_bytes())
    }

    /// Takes pixels with an alpha channel, not premultiplied, `[height, width, 4]`, 8 bits
    /// each, row-major, and lays them on white.
    ///
    /// # Errors
    /// Where the size is out of bounds or `data` is of another size.
    pub fn from_rgba8(width: u32, height: u32, data: &[u8]) -> Result<Self, ImageError> {
        check_size(width, height)?;
        let (pixels, rest) = data.as_chunks::<4>();
        if !rest.is_empty() || pixels.len() as u64 != u64::from(width) * u64::from(height) {
            return Err(ImageError::PixelBytes {
                width,
                height,
                found: data.len(),
            });
        }
        let data = pixels.iter().flat_map(|&pixel| pixel_on_white(pixel));
        Self::from_rgb8(width, height, data.collect())
    }

    /// Takes pixels that are decoded already, such as a camera's frame:
    /// `[height, width, 3]`, 8 bits each, row-major.
    ///
    /// # Errors
    /// Where the size is out of bounds or `data` is of another size.
    pub fn from_rgb8(width: u32, height: u32, data: Vec<u8>) -> Result<Self, ImageError> {
        check_size(width, height)?;
        if data.len() as u64 != 3 * u64::from(width) * u64::from(height) {
            return Err(ImageError::PixelBytes {
                width,
                height,
                found: data.len(),
            });
        }
        Ok(Self {
            width,
            height,
            data,
        })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, `[height, width, 3]` row-major.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

fn check_size(width: u32, height: u32) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::Empty { width, height });
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || width > MAX_SIDE || height > MAX_SIDE {
        return Err(ImageError::TooLarge { width, height });
    }
    Ok(())
}

/// A picture of 8 bits a channel, on white where it is transparent.
fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    let mut opaque = RgbImage::new(picture.width(), picture.height());
    for (opaque, pixel) in opaque.pixels_mut().zip(picture.pixels()) {
        opaque.0 = pixel_on_white(pixel.0);
    }
    opaque
}

/// Red, green and blue of a pixel that lies on white, rounded.
fn pixel_on_white([red, green, blue, alpha]: [u8; 4]) -> [u8; 3] {
    const WHOLE: u16 = u8::MAX as u16;
    let (alpha, through) = (u16::from(alpha), WHOLE - u16::from(alpha));
    // At most 255 * 255 + 127, so that the quotient fits a byte.
    let mixed = |channel: u8| (u16::from(channel) * alpha + WHOLE * through + WHOLE / 2) / WHOLE;
    [red, green, blue].map(|channel| mixed(channel) as u8)
}

/// Whether [`ImagePixels::decode`] takes files that begin so, by what their bytes say they are.
pub fn is_decoded_here(beginning: &[u8]) -> bool {
    supported_format(beginning).is_ok()
}

fn supported_format(bytes: &[u8]) -> Result<ImageFormat, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::NoBytes);
    }
    match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => Ok(format),
        #[cfg(feature = "gif-bmp")]
        Ok(format @ (ImageFormat::Gif | ImageFormat::Bmp)) => Ok(format),
        Ok(other) => Err(ImageError::UnsupportedFormat {
            found: Some(format_name(other)),
        }),
        // What an iPhone writes unless told otherwise, so worth a name.
        Err(_) if bytes.get(4..10) == Some(b"ftyphe".as_slice()) => {
            Err(ImageError::UnsupportedFormat {
                found: Some("HEIC"),
            })
        }
        Err(_) => Err(ImageError::UnsupportedFormat { found: None }),
    }
}

fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Avif => "AVIF",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        other => other.extensions_str().first().copied().unwrap_or("such"),
    }
}

fn decoder_error(format: &'static str, error: image::ImageError) -> ImageError {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::Truncated { format }
        }
        image::ImageError::Limits(_) => ImageError::Memory { format },
        error => ImageError::Malformed {
            format,
            reason: one_line(&error.to_string()),
        },
    }
}

/// The orientation that an Exif record tells, upright where there is none.
///
/// Some WebP writers keep the prefix that only JPEG needs before the record,
/// and [`Orientation::from_exif_chunk`] does not skip it.
fn orientation(exif: Option<&[u8]>) -> Orientation {
    exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}
