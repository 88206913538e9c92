//! The frames of a clip, as a folder of pictures.

use std::fs;
use std::path::{Path, PathBuf};

use flamingo_runtime::ImagePixels;

use super::kind::Kind;
use super::{
    MediaError, SamplingArgs, Warning, evenly, kind_of_file, natural_order, still_picture,
};

/// Ends of names that promise a picture: a file called so is a frame, and what is wrong with it
/// is said.
const PICTURE_EXTENSIONS: &[&str] = &[
    "avif", "bmp", "gif", "heic", "heif", "jpeg", "jpg", "jxl", "png", "tif", "tiff", "webp",
];

/// Most names that are told of what is no frame.
const MOST_NAMED: usize = 3;

/// Reads the frames of a folder, in the order of their numbers. What is hidden is passed over,
/// and what else is no picture is named.
pub(super) fn read(
    path: &Path,
    sampling: &SamplingArgs,
) -> Result<(Vec<ImagePixels>, Vec<Warning>), MediaError> {
    if sampling.frames_per_second.is_some() {
        return Err(MediaError::NoRate);
    }
    let (frames, strays) = entries(path)?;
    if frames.is_empty() {
        return Err(MediaError::NoFrames {
            stray: strays.first().cloned(),
        });
    }
    let pictures = evenly(frames.len(), sampling.frames.into()).map(|index| {
        let frame = &frames[index];
        let at = |source: MediaError| MediaError::Frame {
            path: frame.clone(),
            source: Box::new(source),
        };
        let picture = still_picture(frame).map_err(at)?;
        picture.pixels().map_err(|source| at(source.into()))
    });
    let pictures = pictures.collect::<Result<_, _>>()?;
    let warnings = match strays.len() {
        0 => Vec::new(),
        count => vec![Warning::Strays {
            named: strays.into_iter().take(MOST_NAMED).collect(),
            more: count.saturating_sub(MOST_NAMED),
        }],
    };
    Ok((pictures, warnings))
}

/// The pictures of a folder in order, and the names of what else is there.
fn entries(path: &Path) -> Result<(Vec<PathBuf>, Vec<String>), MediaError> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.sort_by(|a, b| natural_order::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    let (mut frames, mut strays) = (Vec::new(), Vec::new());
    for name in names {
        let file = path.join(&name);
        let name = name.to_string_lossy();
        // Systems leave such files, `._a.jpg` beside `a.jpg` among them.
        if name.starts_with('.') {
            continue;
        }
        match is_frame(&file)? {
            true => frames.push(file),
            false => strays.push(name.into_owned()),
        }
    }
    Ok((frames, strays))
}

fn is_frame(file: &Path) -> Result<bool, MediaError> {
    if file.is_dir() {
        return Ok(false);
    }
    let extension = file.extension().and_then(|extension| extension.to_str());
    let promised = extension
        .is_some_and(|extension| PICTURE_EXTENSIONS.contains(&extension.to_lowercase().as_str()));
    if promised {
        return Ok(true);
    }
    let kind = kind_of_file(file)?;
    Ok(matches!(kind, Kind::Picture | Kind::OtherPicture(_)))
}
