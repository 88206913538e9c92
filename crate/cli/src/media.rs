//! Photos, and clips: folders of frames and video files. What a file is, its bytes say.

mod ffmpeg;
mod folder;
mod gif;
mod kind;
mod natural_order;
mod video;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use flamingo_runtime::image::{FORMATS, MAX_PIXELS};
use flamingo_runtime::{EncodedMedia, ImageError, ImagePixels, Model, RuntimeError};
use futures_lite::future::block_on;
use thiserror::Error;

use self::ffmpeg::Source;
use self::kind::{HEAD_BYTES, Kind, kind_of};
use self::video::MOST_FRAMES;

/// Most bytes of a picture's file, and of what comes through a pipe.
const MOST_BYTES: u64 = 1 << 30;

/// Why a photo or clip cannot be shown to the model.
#[derive(Debug, Error)]
pub(crate) enum MediaError {
    /// The file or folder cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is no picture, or one that cannot be decoded.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// The file is longer than a picture is.
    #[error("the file has more than {} MiB, which no picture needs; save it anew", MOST_BYTES >> 20)]
    TooLong,
    /// A frame of a folder cannot be read.
    #[error("the frame {}: {source}", path.display())]
    Frame {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: Box<MediaError>,
    },
    /// A folder without frames.
    #[error(
        "the folder holds no frames{}; frames are pictures ({FORMATS}), read in the order of their \
         numbers",
        stray.as_ref().map(|stray| format!(", but {stray}")).unwrap_or_default()
    )]
    NoFrames {
        /// The name of something that is there.
        stray: Option<String>,
    },
    /// A folder of frames has no time.
    #[error(
        "a folder of frames has no rate, so --frames-per-second says nothing of it; give a number \
         with --frames"
    )]
    NoRate,
    /// The file shows nothing.
    #[error("the file is {0}, not a picture or video")]
    Other(&'static str),
    /// `ffmpeg` is not installed.
    #[error(
        "the file is {what}, which is read by the program ffmpeg, and that cannot be started \
         ({source}); install it (Debian: apt-get install ffmpeg), or save the picture as {FORMATS} \
         and a clip as a folder of them"
    )]
    FfmpegMissing {
        /// The format that it looks like.
        what: String,
        /// Why the program does not start.
        source: io::Error,
    },
    /// `ffmpeg` cannot be started.
    #[error(
        "the program ffmpeg cannot be started ({0}); install it (Debian: apt-get install ffmpeg)"
    )]
    NoFfmpeg(io::Error),
    /// `ffmpeg` does not know the file either.
    #[error(
        "the file is no picture or video of a known format; save a picture as {FORMATS}, a clip as \
         MP4 or WebM"
    )]
    NoVideo,
    /// The video was cut before the list of its pictures.
    #[error(
        "the video ends before the list of its pictures (its \"moov\"), without which none can be \
         read; download or copy it again"
    )]
    EndsBeforeIndex,
    /// A picture that `ffmpeg` does not read here.
    #[error(
        "the file is a picture of the format {name}, which the ffmpeg that is installed cannot read \
         ({reason}); save it as {FORMATS}"
    )]
    Unreadable {
        /// The format.
        name: &'static str,
        /// The message of `ffmpeg`.
        reason: String,
    },
    /// Sound without pictures.
    #[error("the file holds no pictures that move, nor one that stands still; is it sound only?")]
    NoPictures,
    /// `ffmpeg` cannot read the file.
    #[error("ffmpeg cannot read the video: {0}; save it anew, as MP4 or WebM")]
    Ffmpeg(String),
    /// More frames than are shown to a model.
    #[error(
        "{rate} frames a second of {seconds:.1} s are {:.0} frames, more than {MOST_FRAMES}; ask \
         for at most {:.3} a second, or for a number with --frames",
        rate * seconds,
        (1000.0 * MOST_FRAMES as f64 / seconds).floor() / 1000.0
    )]
    TooManyFrames {
        /// Frames a second.
        rate: f64,
        /// Length of the video.
        seconds: f64,
    },
    /// A video that is longer than it says.
    #[error(
        "the video is longer than it says, and gives more than {MOST_FRAMES} frames; ask for fewer \
         a second, or for a number with --frames"
    )]
    MoreFrames,
}

/// A warning about a clip that was read all the same.
#[derive(Clone, Debug, Error, PartialEq)]
pub(crate) enum Warning {
    /// Files in a folder of frames that are none.
    #[error(
        "left out, because they are no pictures: {}{}",
        named.join(", "),
        if *more > 0 { format!(" and {more} more") } else { String::new() }
    )]
    Strays {
        /// The first of them.
        named: Vec<String>,
        /// How many there are besides.
        more: usize,
    },
    /// A video that was cut.
    #[error(
        "the file ends early: of its pictures {read:.1} s could be read{}; download or copy it \
         again",
        of.map(|of| format!(" of {of:.1} s")).unwrap_or_default()
    )]
    EndsEarly {
        /// Seconds that were read.
        read: f64,
        /// Seconds that the file announces.
        of: Option<f64>,
    },
    /// A video with wrong bytes in it.
    #[error("some of its pictures are damaged, and were taken as far as they could be read")]
    Damaged,
}

/// Tells what is worth knowing of a file, on standard error.
pub(crate) fn warn(file: &str, warnings: &[Warning]) {
    for warning in warnings {
        // Where standard error is closed, nobody is left to be told.
        let _ = writeln!(io::stderr(), "flamingo: {file}: {warning}");
    }
}

/// How frames are taken from a video.
#[derive(Args)]
pub(crate) struct SamplingArgs {
    /// Frames taken from a clip, evenly spread over it
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=MOST_FRAMES as i64))]
    frames: u16,
    /// Frames taken from a second of video, instead of a fixed number of frames
    #[arg(long, value_name = "RATE", conflicts_with = "frames", value_parser = rate, allow_negative_numbers = true)]
    frames_per_second: Option<f64>,
}

/// A number of frames a second.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a number above 0 is expected, such as 2 or 0.5".to_owned()),
    }
}

/// A photo or the frames of a clip.
pub(crate) enum Media {
    Photo(Picture),
    Clip(Vec<ImagePixels>),
}

/// A picture that stands still.
pub(crate) enum Picture {
    /// A file of a format that is decoded here.
    File(Vec<u8>),
    /// The pixels of another.
    Pixels(ImagePixels),
}

impl Picture {
    /// Its pixels.
    ///
    /// # Errors
    /// Where the file gives none.
    pub(crate) fn pixels(self) -> Result<ImagePixels, ImageError> {
        match self {
            Self::File(file) => ImagePixels::decode(&file),
            Self::Pixels(pixels) => Ok(pixels),
        }
    }
}

impl Media {
    /// Reads a photo, a folder of frames or a video file, and tells what is worth knowing of it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn read(
        path: &Path,
        sampling: &SamplingArgs,
    ) -> Result<(Self, Vec<Warning>), MediaError> {
        if path.is_dir() {
            let (frames, warnings) = folder::read(path, sampling)?;
            return Ok((Self::Clip(frames), warnings));
        }
        let (mut source, kind) = open(path)?;
        let photo = |picture| Ok((Self::Photo(picture), Vec::new()));
        match kind {
            Kind::Empty => return Err(ImageError::NoBytes.into()),
            Kind::Other(what) => return Err(MediaError::Other(what)),
            Kind::OtherPicture(name) => {
                return still(&source, name).map(Picture::Pixels).and_then(photo);
            }
            Kind::Picture => {
                let file = read_whole(&mut source.file)?;
                if !gif::moves(&file) {
                    return photo(Picture::File(file));
                }
            }
            Kind::Video | Kind::Unknown => {}
        }
        let stream = source.stream().map_err(|error| missing(error, kind))?;
        if stream.stands_still() {
            return first_picture(&source, &stream)
                .map(Picture::Pixels)
                .and_then(photo);
        }
        let (frames, warnings) = video::read(&source, &stream, sampling)?;
        Ok((Self::Clip(frames), warnings))
    }

    /// Shows it to the model.
    ///
    /// # Errors
    /// As [`Model::encode`] and [`Model::encode_clip`].
    pub(crate) fn encode(&self, model: &Model) -> Result<EncodedMedia, RuntimeError> {
        match self {
            Self::Photo(Picture::File(file)) => block_on(model.encode(file)),
            Self::Photo(Picture::Pixels(pixels)) => block_on(model.encode_pixels(pixels)),
            Self::Clip(frames) => block_on(model.encode_clip(frames)),
        }
    }

    /// The mean direction of its vision features; of a clip, of its middle frame.
    ///
    /// # Errors
    /// As [`Model::embed`].
    pub(crate) fn embed(&self, model: &Model) -> Result<Vec<f32>, RuntimeError> {
        match self {
            Self::Photo(Picture::File(file)) => block_on(model.embed(&ImagePixels::decode(file)?)),
            Self::Photo(Picture::Pixels(pixels)) => block_on(model.embed(pixels)),
            Self::Clip(frames) => match frames.get(frames.len() / 2) {
                Some(frame) => block_on(model.embed(frame)),
                None => Err(flamingo::ModelError::NoFrames.into()),
            },
        }
    }
}

/// The pixels of a picture's file, which may lie in an archive; of what moves, of its first
/// frame.
///
/// # Errors
/// Where it is no picture.
pub(crate) fn pixels_of(file: &[u8]) -> Result<ImagePixels, MediaError> {
    match kind_of(&file[..file.len().min(HEAD_BYTES)]) {
        Kind::OtherPicture(name) => {
            let mut copy = tempfile::tempfile()?;
            copy.write_all(file)?;
            still(&Source { file: copy }, name)
        }
        Kind::Other(what) => Err(MediaError::Other(what)),
        _ => Ok(ImagePixels::decode(file)?),
    }
}

/// Reads a picture that stands still; of what moves, its first frame.
fn still_picture(path: &Path) -> Result<Picture, MediaError> {
    let (mut source, kind) = open(path)?;
    match kind {
        Kind::Empty => Err(ImageError::NoBytes.into()),
        Kind::Picture => read_whole(&mut source.file).map(Picture::File),
        Kind::OtherPicture(name) => still(&source, name).map(Picture::Pixels),
        Kind::Other(what) => Err(MediaError::Other(what)),
        Kind::Video | Kind::Unknown => Err(ImageError::UnsupportedFormat { found: None }.into()),
    }
}

/// Tells the kind of the file at `path`.
fn kind_of_file(path: &Path) -> Result<Kind, MediaError> {
    let mut head = Vec::new();
    File::open(path)?
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    Ok(kind_of(&head))
}

/// Opens a file and looks at its beginning. What cannot be read twice, such as a pipe, is copied.
fn open(path: &Path) -> Result<(Source, Kind), MediaError> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        let mut copy = tempfile::tempfile()?;
        let copied = io::copy(&mut file.take(MOST_BYTES + 1), &mut copy)?;
        if copied > MOST_BYTES {
            return Err(MediaError::TooLong);
        }
        file = copy;
        file.rewind()?;
    }
    let mut head = Vec::new();
    Read::by_ref(&mut file)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    let kind = kind_of(&head);
    Ok((Source { file }, kind))
}

fn read_whole(file: &mut File) -> Result<Vec<u8>, MediaError> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_BYTES {
        true => Err(MediaError::TooLong),
        false => Ok(bytes),
    }
}

/// A picture of a format that `ffmpeg` may read.
fn still(source: &Source, name: &'static str) -> Result<ImagePixels, MediaError> {
    let unreadable = |error| match error {
        MediaError::Ffmpeg(reason) => MediaError::Unreadable { name, reason },
        MediaError::NoVideo | MediaError::NoPictures | MediaError::EndsBeforeIndex => {
            MediaError::Unreadable {
                name,
                reason: "it does not know its kind".to_owned(),
            }
        }
        error => missing(error, Kind::OtherPicture(name)),
    };
    let stream = source.stream().map_err(unreadable)?;
    first_picture(source, &stream).map_err(unreadable)
}

fn first_picture(source: &Source, stream: &ffmpeg::Stream) -> Result<ImagePixels, MediaError> {
    let (width, height) = (stream.width, stream.height);
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooLarge { width, height }.into());
    }
    match source.first_picture(stream)? {
        png if png.is_empty() => Err(MediaError::NoPictures),
        png => Ok(ImagePixels::decode(&png)?),
    }
}

/// Says of what kind the file is for which `ffmpeg` is missing.
fn missing(error: MediaError, kind: Kind) -> MediaError {
    match error {
        MediaError::NoFfmpeg(source) => MediaError::FfmpegMissing {
            what: kind.to_string(),
            source,
        },
        error => error,
    }
}

/// Places of `count` things, evenly spread, each in the middle of its share; all where
/// there are fewer.
fn evenly(things: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(things);
    (0..count).map(move |place| (2 * place + 1) * things / (2 * count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spread_over_the_whole_clip() {
        let places = |things, count| evenly(things, count).collect::<Vec<_>>();
        assert_eq!(places(8, 4), [1, 3, 5, 7]);
        assert_eq!(places(10, 1), [5]);
        assert_eq!(places(3, 8), [0, 1, 2]);
        assert_eq!(places(100, 3), [16, 50, 83]);
        assert_eq!(places(0, 3), [0usize; 0]);
    }
}
