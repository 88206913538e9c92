//! The frames of a clip, as a video file.

use flamingo_runtime::ImagePixels;

use super::ffmpeg::{Source, Stream, sorted};
use super::{MediaError, SamplingArgs, Warning, evenly};

/// Most frames of a clip: each is looked at like a photo.
pub(super) const MOST_FRAMES: usize = 256;

/// Side of the squares that `ffmpeg` scales frames to: more than any model here looks at.
const SIDE: u32 = 512;

/// Shortest clip that frames are spread over, in seconds; shorter ones have one frame.
const SHORTEST: f64 = 0.1;

/// Reads frames of a video as they come, scaled, so that memory holds those alone that are
/// taken.
pub(super) fn read(
    source: &Source,
    stream: &Stream,
    sampling: &SamplingArgs,
) -> Result<(Vec<ImagePixels>, Vec<Warning>), MediaError> {
    let told = stream.seconds();
    let seconds = match told {
        Some(seconds) => seconds,
        None => source
            .measured_seconds(stream)?
            .ok_or(MediaError::NoPictures)?,
    }
    .max(SHORTEST);
    let (rate, count) = plan(sampling, seconds)?;
    let (mut frames, mut found, mut complaints) = take(source, stream, rate, &taken(&count))?;
    if let Count::Spread { of, .. } = count
        && found != of
        && found > 0
    {
        // The file's own word of its length was not quite right: spread over what is there.
        let again = Count::Spread {
            of: found,
            frames: count.frames(),
        };
        (frames, found, complaints) = take(source, stream, rate, &taken(&again))?;
    }
    if frames.is_empty() {
        return Err(MediaError::NoPictures);
    }
    let (read, expected) = (found as f64 / rate, told.unwrap_or(seconds));
    // Rounding may cost a frame and more than that is missing.
    let falls_short = found as f64 + 1.5 < expected * rate && read < 0.95 * expected;
    let what = sorted(&complaints);
    let warning = if what.ends_early || falls_short {
        Some(Warning::EndsEarly {
            read,
            of: falls_short.then_some(expected),
        })
    } else if what.damaged {
        Some(Warning::Damaged)
    } else {
        None
    };
    Ok((frames, warning.into_iter().collect()))
}

/// Which of the frames that come are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Count {
    /// All.
    All,
    /// So many, spread evenly over so many that come.
    Spread { of: usize, frames: usize },
}

impl Count {
    fn frames(&self) -> usize {
        match *self {
            Self::All => MOST_FRAMES,
            Self::Spread { frames, .. } => frames,
        }
    }
}

/// Frames a second that are asked for, and which of them are taken.
///
/// # Errors
/// Where they would be too many.
fn plan(sampling: &SamplingArgs, seconds: f64) -> Result<(f64, Count), MediaError> {
    // Enough to choose evenly from, however short the clip is.
    let spread = |frames: usize| {
        let of = 2 * frames;
        (of as f64 / seconds, Count::Spread { of, frames })
    };
    let Some(rate) = sampling.frames_per_second else {
        return Ok(spread(sampling.frames.into()));
    };
    let frames = rate * seconds;
    if frames > MOST_FRAMES as f64 + 0.5 {
        return Err(MediaError::TooManyFrames { rate, seconds });
    }
    // Less than one in the whole clip is the one in its middle.
    Ok(match frames < 1.0 {
        true => spread(1),
        false => (rate, Count::All),
    })
}

/// The places of the frames to be taken, ascending; none where all are.
fn taken(count: &Count) -> Option<Vec<usize>> {
    match *count {
        Count::All => None,
        Count::Spread { of, frames } => Some(evenly(of, frames).collect()),
    }
}

/// The frames at these places, how many came in all, and what `ffmpeg` complained of.
fn take(
    source: &Source,
    stream: &Stream,
    rate: f64,
    places: &Option<Vec<usize>>,
) -> Result<(Vec<ImagePixels>, usize, String), MediaError> {
    let mut squares = source.squares(stream, rate, SIDE)?;
    let mut frames = Vec::new();
    let mut found = 0;
    while let Some(square) = squares.next()? {
        let wanted = match places {
            None => true,
            Some(places) => places.get(frames.len()) == Some(&found),
        };
        if wanted {
            if frames.len() == MOST_FRAMES {
                return Err(MediaError::MoreFrames);
            }
            frames.push(match stream.has_alpha() {
                true => ImagePixels::from_rgba8(SIDE, SIDE, &square)?,
                false => ImagePixels::from_rgb8(SIDE, SIDE, square)?,
            });
        }
        found += 1;
    }
    Ok((frames, found, squares.finish()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(frames: u16, frames_per_second: Option<f64>) -> SamplingArgs {
        SamplingArgs {
            frames,
            frames_per_second,
        }
    }

    #[test]
    fn frames_are_counted_before_any_is_read() {
        let spread = |of, frames| Count::Spread { of, frames };
        let planned = |sampling: &SamplingArgs, seconds| plan(sampling, seconds).ok();
        assert_eq!(planned(&sampling(8, None), 4.0), Some((4.0, spread(16, 8))));
        assert_eq!(
            planned(&sampling(8, Some(2.0)), 4.0),
            Some((2.0, Count::All))
        );
        assert_eq!(
            planned(&sampling(8, Some(0.1)), 4.0),
            Some((0.5, spread(2, 1)))
        );
        let error = plan(&sampling(8, Some(25.0)), 600.0).err();
        let error = error.map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "25 frames a second of 600.0 s are 15000 frames, more than 256; ask for at most \
                 0.426 a second, or for a number with --frames"
            )
        );
        assert_eq!(planned(&sampling(8, Some(1e9)), 3.0), None);
    }
}
