//! The programs `ffmpeg` and `ffprobe`, at work on one file.
//!
//! They are given the file open, as their standard input, and never its name: no name can be
//! taken for an option, an address, a pattern or a format then, and nothing but files can be
//! reached, whatever stands in the file.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use flamingo_weights::excerpt::one_line;
use serde::Deserialize;

use super::MediaError;

/// The file under the name that every system has for a program's standard input.
const INPUT: &str = "file:/dev/stdin";

/// The formats that may be read: pictures and videos in one file, told by their bytes. Playlists,
/// and what else names other files, are none of them.
const FORMATS: &str = "3dostr,4xm,amv,anm,apng,asf,av1,avi,avs2,avs3,bink,bmp_pipe,cavsvideo,\
    dds_pipe,dirac,dnxhd,dpx_pipe,dv,exr_pipe,fits,flic,flv,gem_pipe,gif,gif_pipe,gxf,h261,h263,\
    h264,hevc,hnm,ico,iff,ipmovie,ivf,ivr,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,kux,lvf,m4v,\
    matroska,mgsts,mj2,mjpeg,mjpeg_2000,mov,mpeg,mpegts,mpegvideo,mtv,mv,mxf,nsv,nut,nuv,obu,ogg,\
    pam_pipe,pbm_pipe,pcx_pipe,pfm_pipe,pgm_pipe,pgmyuv_pipe,pgx_pipe,phm_pipe,pictor_pipe,\
    png_pipe,ppm_pipe,psd_pipe,pva,qdraw_pipe,qoi_pipe,r3d,rm,roq,sgi_pipe,smk,sunrast_pipe,svs,\
    swf,tiff_pipe,txd,vbn_pipe,vc1,viv,vivo,vmd,webp_pipe,wtv,xbm_pipe,xpm_pipe,xwd_pipe,\
    yuv4mpegpipe";

/// Most bytes of a program's complaints that are kept.
const MOST_COMPLAINTS: u64 = 1 << 16;

/// A file for the programs to read.
pub(super) struct Source {
    pub(super) file: File,
}

/// The answer of `ffprobe` about a file.
#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    streams: Vec<Stream>,
}

/// A file's own description of its pictures.
#[derive(Deserialize)]
pub(super) struct Stream {
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    pix_fmt: String,
    /// Width, in pixels; 0 where the file does not say.
    #[serde(default)]
    pub(super) width: u32,
    /// Height, in pixels; 0 where the file does not say.
    #[serde(default)]
    pub(super) height: u32,
    duration: Option<String>,
    nb_frames: Option<String>,
    avg_frame_rate: Option<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Default, Deserialize)]
struct Tags {
    #[serde(rename = "DURATION", alias = "duration")]
    duration: Option<String>,
    alpha_mode: Option<String>,
}

impl Stream {
    /// How long the pictures go on, in seconds, where the file says it of them.
    pub(super) fn seconds(&self) -> Option<f64> {
        let own = self.duration.as_deref().and_then(|text| text.parse().ok());
        let tagged = || self.tags.duration.as_deref().and_then(clock_time);
        own.or_else(tagged)
            .filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
    }

    /// Whether there is one picture only.
    pub(super) fn stands_still(&self) -> bool {
        self.nb_frames.as_deref() == Some("1")
    }

    /// Pictures in a second, on average.
    pub(super) fn frame_rate(&self) -> Option<f64> {
        let (frames, seconds) = self.avg_frame_rate.as_deref()?.split_once('/')?;
        let rate = frames.parse::<f64>().ok()? / seconds.parse::<f64>().ok()?;
        (rate.is_finite() && rate > 0.0).then_some(rate)
    }

    /// Whether pictures may be transparent.
    pub(super) fn has_alpha(&self) -> bool {
        const FORMATS: [&str; 9] = [
            "rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya", "ayuv", "pal8",
        ];
        self.has_alpha_layer() || FORMATS.iter().any(|name| self.pix_fmt.starts_with(name))
    }

    /// Whether transparency lies beside the pictures, as WebM has it.
    fn has_alpha_layer(&self) -> bool {
        self.tags.alpha_mode.as_deref() == Some("1")
    }

    /// The decoder to be asked for, where the usual one drops transparency.
    fn decoder(&self) -> Option<&'static str> {
        match self.codec_name.as_str() {
            "vp8" if self.has_alpha_layer() => Some("libvpx"),
            "vp9" if self.has_alpha_layer() => Some("libvpx-vp9"),
            _ => None,
        }
    }
}

/// Seconds of `00:00:03.200000000`.
fn clock_time(text: &str) -> Option<f64> {
    text.split(':').try_fold(0.0, |seconds, part| {
        Some(60.0 * seconds + part.trim().parse::<f64>().ok()?)
    })
}

impl Source {
    fn command(&self, program: &str) -> Result<Command, MediaError> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        let mut command = Command::new(program);
        command.stdin(file).args(["-v", "warning"]);
        Ok(command)
    }

    /// `ffprobe` about the pictures of the file, as JSON.
    fn probe(&self, entries: &str, form: &str) -> Result<Command, MediaError> {
        let mut command = self.command("ffprobe")?;
        command
            .args(["-protocol_whitelist", "file", "-format_whitelist", FORMATS])
            .args(["-select_streams", "V:0", "-show_entries", entries])
            .args(["-of", form, INPUT]);
        Ok(command)
    }

    /// The file's own description of its pictures.
    ///
    /// # Errors
    /// Where it holds none or cannot be read.
    pub(super) fn stream(&self) -> Result<Stream, MediaError> {
        const ENTRIES: &str = "stream=codec_name,pix_fmt,width,height,duration,nb_frames,\
                               avg_frame_rate:stream_tags=DURATION,alpha_mode";
        let output = finished(self.probe(ENTRIES, "json")?)?;
        let report: Report = serde_json::from_slice(&output.stdout)
            .map_err(|error| MediaError::Ffmpeg(one_line(&error.to_string())))?;
        report
            .streams
            .into_iter()
            .next()
            .ok_or(MediaError::NoPictures)
    }

    /// How long the pictures go on, in seconds, by reading to the end of the file; none where
    /// there is no picture or none has a time.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn measured_seconds(&self, stream: &Stream) -> Result<Option<f64>, MediaError> {
        let output = finished(self.probe("packet=pts_time,duration_time", "csv=p=0")?)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut packets = 0;
        for line in text.lines() {
            let mut numbers = line.split(',').map(|number| number.trim().parse::<f64>());
            packets += 1;
            if let Some(Ok(time)) = numbers.next() {
                let duration = numbers.next().and_then(Result::ok).unwrap_or(0.0);
                first = first.min(time);
                last = last.max(time + duration);
            }
        }
        if last > first {
            return Ok(Some(last - first));
        }
        Ok(stream.frame_rate().map(|rate| f64::from(packets) / rate))
    }

    /// `ffmpeg` on the pictures of the file.
    fn pictures(&self, stream: &Stream) -> Result<Command, MediaError> {
        let mut command = self.command("ffmpeg")?;
        command.args(["-nostdin", "-protocol_whitelist", "file"]);
        command.args(["-format_whitelist", FORMATS]);
        if let Some(decoder) = stream.decoder() {
            command.args(["-c:v", decoder]);
        }
        command.args(["-i", INPUT, "-map", "0:V:0"]);
        Ok(command)
    }

    /// The first picture, as a PNG file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn first_picture(&self, stream: &Stream) -> Result<Vec<u8>, MediaError> {
        let mut command = self.pictures(stream)?;
        command
            .args(["-frames:v", "1", "-f", "image2pipe", "-c:v", "png"])
            .args(["-pix_fmt", "rgba", "-compression_level", "1", "-"]);
        Ok(finished(command)?.stdout)
    }

    /// The pictures, `rate` a second, each scaled to a square of `side` pixels, as
    /// `[side, side, 4]` bytes one behind the other.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub(super) fn squares(
        &self,
        stream: &Stream,
        rate: f64,
        side: u32,
    ) -> Result<Squares, MediaError> {
        let mut command = self.pictures(stream)?;
        // Opaque pictures go by way of the format without alpha, so that nothing is mixed.
        let layout = if stream.has_alpha() { "rgba" } else { "rgb24" };
        command
            .args(["-vf", &format!("fps={rate},scale={side}:{side}:flags=area")])
            .args(["-f", "rawvideo", "-pix_fmt", layout, "-"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(MediaError::NoFfmpeg)?;
        let (Some(pixels), Some(mut complaints)) = (child.stdout.take(), child.stderr.take())
        else {
            return Err(MediaError::Ffmpeg("it gives nothing back".to_owned()));
        };
        let complaints = thread::spawn(move || {
            let mut kept = Vec::new();
            let read = complaints
                .by_ref()
                .take(MOST_COMPLAINTS)
                .read_to_end(&mut kept);
            // What is more is read too, or the program would wait for that.
            let rest = io::copy(&mut complaints, &mut io::sink());
            read.and(rest).map(|_| kept)
        });
        Ok(Squares {
            child,
            pixels,
            complaints: Some(complaints),
            bytes: side as usize * side as usize * if stream.has_alpha() { 4 } else { 3 },
        })
    }
}

/// Pictures that come out of a running `ffmpeg`.
pub(super) struct Squares {
    child: Child,
    pixels: ChildStdout,
    complaints: Option<JoinHandle<io::Result<Vec<u8>>>>,
    bytes: usize,
}

impl Squares {
    /// The next picture's bytes; none behind the last.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, MediaError> {
        let mut square = Vec::with_capacity(self.bytes);
        let limit = self.bytes as u64;
        self.pixels.by_ref().take(limit).read_to_end(&mut square)?;
        Ok((square.len() == self.bytes).then_some(square))
    }

    /// Waits for the end, and gives what the program complained of.
    ///
    /// # Errors
    /// Where it failed.
    pub(super) fn finish(mut self) -> Result<String, MediaError> {
        let status = self.child.wait()?;
        let complaints = match self.complaints.take().map(JoinHandle::join) {
            Some(Ok(complaints)) => complaints?,
            // The thread gave up, and with it what it read.
            _ => Vec::new(),
        };
        match status.success() {
            true => Ok(String::from_utf8_lossy(&complaints).into_owned()),
            false => Err(failure(&complaints)),
        }
    }
}

impl Drop for Squares {
    fn drop(&mut self) {
        // Nobody reads on: a program that has ended by itself is not there to be stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn finished(mut command: Command) -> Result<Output, MediaError> {
    let output = command.output().map_err(MediaError::NoFfmpeg)?;
    match output.status.success() {
        true => Ok(output),
        false => Err(failure(&output.stderr)),
    }
}

/// Why a program gave up, by what it complained of.
fn failure(complaints: &[u8]) -> MediaError {
    let text = String::from_utf8_lossy(complaints);
    if text.contains("moov atom not found") {
        return MediaError::EndsBeforeIndex;
    }
    if text.contains("Format not on whitelist") {
        return MediaError::NoVideo;
    }
    // The last line says which file it was, and why.
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    let Some(last) = last else {
        return MediaError::Ffmpeg("it does not say why".to_owned());
    };
    let reason = last.trim_start_matches(INPUT).trim_start_matches(": ");
    if reason == "Invalid data found when processing input" && text.lines().count() == 1 {
        return MediaError::NoVideo;
    }
    MediaError::Ffmpeg(one_line(reason))
}

/// The warning that a program's complaints amount to if it went on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Complaints {
    /// The file ends before its pictures do.
    pub(super) ends_early: bool,
    /// Pictures are damaged.
    pub(super) damaged: bool,
}

/// Sorts what `ffmpeg` complained of.
pub(super) fn sorted(complaints: &str) -> Complaints {
    const EARLY: [&str; 4] = [
        "partial file",
        "ended prematurely",
        "truncated",
        "Truncated",
    ];
    const DAMAGED: [&str; 9] = [
        "orrupt",
        "Error while decoding",
        "error while decoding",
        "Invalid NAL unit",
        "concealing",
        "missing picture",
        "nvalid data found",
        "Error submitting",
        "Missing reference picture",
    ];
    let has = |marks: &[&str]| marks.iter().any(|mark| complaints.contains(mark));
    Complaints {
        ends_early: has(&EARLY),
        damaged: has(&DAMAGED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_containers_write_them() {
        assert_eq!(clock_time("00:01:03.500000000"), Some(63.5));
        assert_eq!(clock_time("N/A"), None);
        let stream = |json: &str| serde_json::from_str::<Stream>(json).map(|it| it.seconds());
        assert!(matches!(stream(r#"{"duration": "3.0"}"#), Ok(Some(3.0))));
        assert!(matches!(stream(r#"{"duration": "nan"}"#), Ok(None)));
        assert!(matches!(stream(r#"{"duration": "-1"}"#), Ok(None)));
        assert!(matches!(stream(r#"{"duration": "0.0"}"#), Ok(None)));
        let tagged = r#"{"tags": {"DURATION": "00:00:02.000000000"}}"#;
        assert!(matches!(stream(tagged), Ok(Some(2.0))));
        assert!(matches!(stream("{}"), Ok(None)));
    }

    #[test]
    fn complaints_are_sorted() {
        let early = sorted("[mov @ 0x1] stream 0, offset 0x2: partial file\nPacket corrupt");
        assert!(early.ends_early && early.damaged);
        let fine = sorted("deprecated pixel format used, make sure you did set range correctly");
        assert_eq!(fine, Complaints::default());
        assert!(matches!(failure(b""), MediaError::Ffmpeg(_)));
        let cut = b"[mov @ 0x1] moov atom not found\nfile:/dev/stdin: Invalid data found";
        assert!(matches!(failure(cut), MediaError::EndsBeforeIndex));
        let other = b"file:/dev/stdin: Invalid data found when processing input";
        assert!(matches!(failure(other), MediaError::NoVideo));
    }
}
