//! Photos, and clips: folders of frames and video files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use flamingo_runtime::{EncodedMedia, ImageError, ImagePixels, Model, RuntimeError};
use futures_lite::future::block_on;
use thiserror::Error;

/// Names of files that `ffmpeg` is asked to read.
const VIDEO_EXTENSIONS: &[&str] = &[
    "avi", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "webm",
];

/// Why a photo or clip cannot be shown to the model.
#[derive(Debug, Error)]
pub(crate) enum MediaError {
    /// The file or folder cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is no picture.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// A frame of a folder is no picture.
    #[error("the frame {}: {source}", path.display())]
    Frame {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
    /// A folder without frames.
    #[error(
        "the folder holds no frames (JPEG, PNG or WebP files, read in the order of their names)"
    )]
    NoFrames,
    /// `ffmpeg` is not installed.
    #[error(
        "a video file is read by the program ffmpeg, which cannot be started ({0}); \
         install it (Debian: apt-get install ffmpeg) or give a folder of frames"
    )]
    NoFfmpeg(io::Error),
    /// `ffmpeg` cannot read the file.
    #[error("ffmpeg cannot read the video: {0}")]
    Ffmpeg(String),
}

/// How frames are taken from a video.
#[derive(Args)]
pub(crate) struct SamplingArgs {
    /// Frames taken from a clip, evenly spread over it
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    frames: u16,
    /// Frames taken from a second of video, instead of a fixed number of frames
    #[arg(long, value_name = "RATE", conflicts_with = "frames")]
    frames_per_second: Option<f32>,
}

/// A photo or the frames of a clip.
pub(crate) enum Media {
    Photo(Vec<u8>),
    Clip(Vec<ImagePixels>),
}

impl Media {
    /// Reads a photo, a folder of frames or a video file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn read(path: &Path, sampling: &SamplingArgs) -> Result<Self, MediaError> {
        if path.is_dir() {
            return read_folder(path, sampling).map(Self::Clip);
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_video = extension
            .is_some_and(|extension| VIDEO_EXTENSIONS.contains(&extension.to_lowercase().as_str()));
        match is_video {
            true => read_video(path, sampling).map(Self::Clip),
            false => Ok(Self::Photo(fs::read(path)?)),
        }
    }

    /// Shows it to the model.
    ///
    /// # Errors
    /// As [`Model::encode`] and [`Model::encode_clip`].
    pub(crate) fn encode(&self, model: &Model) -> Result<EncodedMedia, RuntimeError> {
        match self {
            Self::Photo(file) => block_on(model.encode(file)),
            Self::Clip(frames) => block_on(model.encode_clip(frames)),
        }
    }
}

impl Media {
    /// The mean direction of its vision features; of a clip, of its middle frame.
    ///
    /// # Errors
    /// As [`Model::embed`].
    pub(crate) fn embed(&self, model: &Model) -> Result<Vec<f32>, RuntimeError> {
        match self {
            Self::Photo(file) => block_on(model.embed(&ImagePixels::decode(file)?)),
            Self::Clip(frames) => match frames.get(frames.len() / 2) {
                Some(frame) => block_on(model.embed(frame)),
                None => Err(flamingo::ModelError::NoFrames.into()),
            },
        }
    }
}

fn read_folder(path: &Path, sampling: &SamplingArgs) -> Result<Vec<ImagePixels>, MediaError> {
    let mut files = fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| {
        let extension = file.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| {
            ["jpeg", "jpg", "png", "webp"].contains(&extension.to_lowercase().as_str())
        })
    });
    if files.is_empty() {
        return Err(MediaError::NoFrames);
    }
    files.sort();
    evenly(files.len(), sampling.frames.into())
        .map(|index| {
            let path = files[index].clone();
            let file = fs::read(&path)?;
            ImagePixels::decode(&file).map_err(|source| MediaError::Frame { path, source })
        })
        .collect()
}

/// Places of `count` things, evenly spread, each in the middle of its share; all where
/// there are fewer.
fn evenly(things: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(things);
    (0..count).map(move |place| (2 * place + 1) * things / (2 * count))
}

/// Frames of a video through `ffmpeg`, which scales them to a square of 512 pixels:
/// more than any model here looks at.
fn read_video(path: &Path, sampling: &SamplingArgs) -> Result<Vec<ImagePixels>, MediaError> {
    const SIDE: u32 = 512;
    let rate = match sampling.frames_per_second {
        Some(rate) => rate,
        // Enough to choose evenly from, however short the clip is.
        None => 2.0 * f32::from(sampling.frames) / duration(path)?.max(0.1),
    };
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-vf", &format!("fps={rate},scale={SIDE}:{SIDE}:flags=area")])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdin(Stdio::null())
        .output()
        .map_err(MediaError::NoFfmpeg)?;
    if !output.status.success() {
        return Err(MediaError::Ffmpeg(message(&output.stderr)));
    }
    let frames: Vec<&[u8]> = output
        .stdout
        .chunks_exact((SIDE * SIDE * 3) as usize)
        .collect();
    if frames.is_empty() {
        return Err(MediaError::Ffmpeg("it holds no frames".to_owned()));
    }
    let count = match sampling.frames_per_second {
        Some(_) => frames.len(),
        None => sampling.frames.into(),
    };
    evenly(frames.len(), count)
        .map(|index| Ok(ImagePixels::from_rgb8(SIDE, SIDE, frames[index].to_vec())?))
        .collect()
}

/// Length of a video in seconds.
fn duration(path: &Path) -> Result<f32, MediaError> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "format=duration",
            "-of",
            "csv=p=0",
        ])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(MediaError::NoFfmpeg)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().parse() {
        Ok(seconds) if output.status.success() => Ok(seconds),
        _ => Err(MediaError::Ffmpeg(message(&output.stderr))),
    }
}

/// What `ffmpeg` said, on one line.
fn message(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.is_empty() {
        true => "it does not say why".to_owned(),
        false => lines.join("; "),
    }
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
