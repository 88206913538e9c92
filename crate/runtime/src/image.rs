//! Photos as files hold them, turned into upright RGB pixels.
//!
//! A browser and the command line must see the same pixels, so JPEG, PNG and
//! WebP are decoded here on both. Files are untrusted: their size is checked
//! before memory is taken, and a file that breaks off is an error, not a
//! picture that is grey below.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use thiserror::Error;

/// Most pixels a photo may have: 50 megapixels.
pub const MAX_PIXELS: u64 = 50_000_000;

/// Longest side a photo may have, JPEG's own limit. It bounds what a
/// resampling filter over a strip of one pixel's height would need.
pub const MAX_SIDE: u32 = 65_535;

/// Bytes a decoder may take for itself and its output: 8 a pixel, which is
/// RGBA of 16 bits each, the widest format there is.
const MAX_DECODER_BYTES: u64 = 8 * MAX_PIXELS;

/// Why a file gave no pixels.
#[derive(Debug, Error)]
pub enum ImageError {
    /// Not a JPEG, PNG or WebP file.
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
    #[error("{found} bytes of RGB pixels came for {width}×{height}")]
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
    /// Decodes a JPEG, PNG or WebP file, told apart by their first bytes.
    ///
    /// The pixels are those of Pillow's `ImageOps.exif_transpose` and
    /// `convert("RGB")`, which training uses: Exif orientation is applied,
    /// palettes and grey become RGB, an alpha channel is dropped (not
    /// composited), colour profiles are ignored. Unlike Pillow's, 16-bit
    /// values are scaled and rounded to 8 bits. Of an animation it is the
    /// first frame.
    ///
    /// # Errors
    /// Where the file is of another format, too large, broken off or broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        let format = supported_format(bytes)?;
        let name = format_name(format);
        let fail = |error| decoder_error(name, error);
        if let (ImageFormat::Png, Some((width, height))) = (format, png_size(bytes)) {
            check_size(width, height)?;
        }

        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::default();
        limits.max_alloc = Some(MAX_DECODER_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(fail)?;
        let (width, height) = decoder.dimensions();
        check_size(width, height)?;
        let is_whole = match format {
            ImageFormat::Jpeg => jpeg_reaches_end(bytes),
            ImageFormat::WebP => webp_has_its_length(bytes),
            // The PNG decoder asks for the end chunk itself.
            _ => true,
        };
        if !is_whole {
            return Err(ImageError::Truncated { format: name });
        }

        let orientation = orientation(&mut decoder).map_err(fail)?;
        let decoded = DynamicImage::from_decoder(decoder).map_err(fail)?;
        let mut upright = DynamicImage::ImageRgb8(decoded.into_rgb8());
        upright.apply_orientation(orientation);
        let (width, height) = (upright.width(), upright.height());
        Self::from_rgb8(width, height, upright.into_bytes())
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

fn supported_format(bytes: &[u8]) -> Result<ImageFormat, ImageError> {
    match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => Ok(format),
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
            reason: error.to_string(),
        },
    }
}

/// The orientation of the Exif record, upright where there is none.
///
/// Some WebP writers keep the prefix that only JPEG needs before the record,
/// and [`Orientation::from_exif_chunk`] does not skip it.
fn orientation(decoder: &mut impl ImageDecoder) -> image::ImageResult<Orientation> {
    let exif = decoder.exif_metadata()?;
    let record = exif
        .as_deref()
        .map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    Ok(record
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms))
}

/// The size that a PNG file claims in its first chunk, which is its header.
///
/// Where addresses have 32 bits the decoder refuses what they cannot count before it tells how
/// much that is.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    };
    Some((number(16)?, number(20)?))
}

/// Whether a JPEG file goes on to its end-of-image marker.
///
/// The decoder fills what is missing with grey and reports success.
fn jpeg_reaches_end(bytes: &[u8]) -> bool {
    /// Markers without a length: restarts, start of image, reserved for arithmetic coding.
    const BARE: [std::ops::RangeInclusive<u8>; 2] = [0xd0..=0xd8, 0x01..=0x01];
    const END_OF_IMAGE: u8 = 0xd9;
    let mut at = 0;
    loop {
        let Some(&[first, marker]) = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>) else {
            return false;
        };
        // Between segments lies entropy-coded data, where 0xff is followed by 0.
        if first != 0xff || marker == 0 || marker == 0xff {
            at += 1;
        } else if marker == END_OF_IMAGE {
            return true;
        } else if BARE.iter().any(|range| range.contains(&marker)) {
            at += 2;
        } else {
            let Some(&length) = bytes.get(at + 2..).and_then(<[u8]>::first_chunk::<2>) else {
                return false;
            };
            at += 2 + usize::from(u16::from_be_bytes(length));
        }
    }
}

/// Whether a WebP file has as many bytes as its RIFF header says.
///
/// The decoder takes the end of the data for a corrupt bitstream.
fn webp_has_its_length(bytes: &[u8]) -> bool {
    let length = bytes.get(4..).and_then(<[u8]>::first_chunk::<4>);
    length.is_some_and(|&length| u64::from(u32::from_le_bytes(length)) + 8 <= bytes.len() as u64)
}
