//! `flamingo bench`: how long each step of a caption takes, as a table.
//!
//! Pictures are drawn by a fixed sequence of numbers and captions are of a fixed length,
//! so that every run does the same work. Times are medians.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use clap::Args;
use flamingo_convert::progress::Progress;
use flamingo_runtime::prompt::Task;
use flamingo_runtime::{
    EncodedMedia, Example, GenerateOptions, Generation, ImagePixels, Model, Query, Session,
};
use futures_lite::future::block_on;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

use crate::failure::Failure;
use crate::model_args::ModelArgs;
use crate::task::{failed, format_of};

/// Captions of the examples: about as long as those that people write.
const EXAMPLE: &str = "A brown dog runs through the grass with a red ball";
const SIDE: u32 = 256;

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Numbers of examples, each measured by itself
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        default_values_t = [0, 1, 4, 8, 16, 32],
        value_parser = clap::value_parser!(u16).range(..=4096)
    )]
    shots: Vec<u16>,
    /// Tokens of a caption
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..=512))]
    new_tokens: u16,
    /// Repetitions, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeats: u16,
    /// Print a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// What was measured.
#[derive(Serialize)]
struct Report {
    device: String,
    load_ms: f64,
    weight_bytes: u64,
    encode_ms: f64,
    /// Bytes read and written a second where memory is copied.
    copy_bandwidth: f64,
    bytes_per_token: u64,
    shots: Vec<Shots>,
}

/// A caption behind so many examples.
#[derive(Serialize)]
struct Shots {
    shots: usize,
    prompt_tokens: usize,
    /// The examples are new.
    cold_first_token_ms: f64,
    /// The examples were read for the caption before; the image is new.
    warm_first_token_ms: f64,
    /// The whole caption, its image's encoding included.
    warm_caption_ms: f64,
    decode_tokens_per_second: f64,
    /// Of this project's own programs; 0 on the CPU.
    dispatches_per_token: f64,
    /// Bytes of weights a second, as a share of the copy bandwidth.
    bandwidth_share: f64,
}

/// Measures and prints.
///
/// # Errors
/// Where the model or the device fails.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let model = args.model.load()?;
    let load_ms = milliseconds(started);
    // What is measured is work, not its memory.
    model.keep_latents(0);
    let report = measure(args, &model, load_ms)?;
    let mut out = io::stdout().lock();
    if args.json {
        return serde_json::to_writer(&mut out, &report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
            .map_err(Failure::Output);
    }
    print(&mut out, &report).map_err(Failure::Output)
}

fn measure(args: &BenchArgs, model: &Model, load_ms: f64) -> Result<Report, Failure> {
    let most = args.shots.iter().copied().max().map_or(0, usize::from);
    let repeats = usize::from(args.repeats);
    let mut progress = Progress::items(
        "Measuring",
        (most + repeats * (1 + 2 * args.shots.len())) as u64,
    );
    let mut pictures = Pictures::new();
    let mut examples = Vec::with_capacity(most);
    for _ in 0..most {
        let (media, _) = encode(model, &pictures.next())?;
        examples.push(Example {
            media: Some(media),
            question: String::new(),
            answer: EXAMPLE.to_owned(),
        });
        progress.advance(1);
    }
    let mut encodings = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        encodings.push(encode(model, &pictures.next())?.1);
        progress.advance(1);
    }
    let copy_bandwidth = block_on(model.device().copy_bandwidth())
        .map_err(|source| failed("measuring the copy bandwidth".to_owned(), source.into()))?;
    let bytes_per_token = model.weight_bytes().read_per_token();
    let mut shots = Vec::with_capacity(args.shots.len());
    for count in args.shots.iter().copied().map(usize::from) {
        let mut bench = Captions {
            model,
            pictures: &mut pictures,
            examples: &examples[..count],
            new_tokens: args.new_tokens.into(),
        };
        let cold = (0..repeats)
            .map(|_| bench.cold())
            .collect::<Result<Vec<_>, _>>()?;
        progress.advance(repeats as u64);
        let (warm, dispatches) = bench.warm(repeats)?;
        progress.advance(repeats as u64);
        let decode_ms = median(warm.iter().map(|(it, _)| it.timings.decode_ms_per_token));
        let per_second = 1000.0 / decode_ms;
        shots.push(Shots {
            shots: count,
            prompt_tokens: bench.prompt_tokens()?,
            cold_first_token_ms: median(cold.iter().map(|it| it.timings.first_token_ms)),
            warm_first_token_ms: median(warm.iter().map(|(it, _)| it.timings.first_token_ms)),
            warm_caption_ms: median(warm.iter().map(|(_, total)| *total)),
            decode_tokens_per_second: per_second,
            dispatches_per_token: dispatches,
            bandwidth_share: bytes_per_token as f64 * per_second / copy_bandwidth,
        });
    }
    Ok(Report {
        device: format!("{:?}", model.device().kind()).to_lowercase(),
        load_ms,
        weight_bytes: model.weight_bytes().total(),
        encode_ms: median(encodings.into_iter()),
        copy_bandwidth,
        bytes_per_token,
        shots,
    })
}

/// Captions behind some examples.
struct Captions<'a> {
    model: &'a Model,
    pictures: &'a mut Pictures,
    examples: &'a [Example],
    new_tokens: usize,
}

impl Captions<'_> {
    /// A session whose examples nobody has read yet.
    fn session(&self) -> Result<Session, Failure> {
        let format = format_of(self.model, Task::Caption)?;
        Ok(Session::new(self.model, format, self.examples.to_vec()))
    }

    /// Tokens of the whole prompt.
    fn prompt_tokens(&mut self) -> Result<usize, Failure> {
        let (media, _) = encode(self.model, &self.pictures.next())?;
        let query = Query {
            media: Some(media),
            question: String::new(),
        };
        let prompt = self.session()?.prompt(&query);
        self.model
            .count_tokens(&prompt)
            .map_err(|source| failed("counting tokens".to_owned(), source))
    }

    fn cold(&mut self) -> Result<Generation, Failure> {
        let mut session = self.session()?;
        Ok(self.caption(&mut session, 1)?.0)
    }

    /// Captions of new pictures in one session, each with its milliseconds, and the
    /// dispatches of a token.
    fn warm(&mut self, repeats: usize) -> Result<(Vec<(Generation, f64)>, f64), Failure> {
        let mut session = self.session()?;
        self.caption(&mut session, 1)?;
        let timed = (0..repeats)
            .map(|_| self.caption(&mut session, self.new_tokens))
            .collect::<Result<Vec<_>, _>>()?;
        // What a longer caption launches more than a shorter one.
        let device = self.model.device();
        let mut launched = [0; 2];
        for (launched, tokens) in launched.iter_mut().zip([1, self.new_tokens]) {
            let before = device.dispatches();
            self.caption(&mut session, tokens)?;
            *launched = device.dispatches() - before;
        }
        let more = launched[1].saturating_sub(launched[0]) as f64;
        Ok((timed, more / (self.new_tokens - 1) as f64))
    }

    /// A caption of exactly so many tokens, of a new picture; its milliseconds include
    /// encoding that.
    fn caption(
        &mut self,
        session: &mut Session,
        tokens: usize,
    ) -> Result<(Generation, f64), Failure> {
        let picture = self.pictures.next();
        let started = Instant::now();
        let (media, _) = encode(self.model, &picture)?;
        let query = Query {
            media: Some(media),
            question: String::new(),
        };
        let options = GenerateOptions {
            max_new_tokens: tokens,
            banned: vec![self.model.config().tokens.end_of_chunk],
            ..GenerateOptions::default()
        };
        let go_on = async |_: &_| ControlFlow::Continue(());
        let generation = block_on(session.answer(self.model, &query, &options, go_on))
            .map_err(|source| failed("captioning".to_owned(), source))?;
        Ok((generation, milliseconds(started)))
    }
}

fn encode(model: &Model, picture: &ImagePixels) -> Result<(EncodedMedia, f64), Failure> {
    let media = block_on(model.encode_pixels(picture))
        .map_err(|source| failed("encoding a picture".to_owned(), source))?;
    let milliseconds = media.encode_ms();
    Ok((media, milliseconds))
}

/// Pictures of noise, each another.
struct Pictures(ChaCha8Rng);

impl Pictures {
    fn new() -> Self {
        Self(ChaCha8Rng::seed_from_u64(1))
    }

    fn next(&mut self) -> ImagePixels {
        let mut bytes = vec![0; (SIDE * SIDE * 3) as usize];
        self.0.fill_bytes(&mut bytes);
        ImagePixels::from_rgb8(SIDE, SIDE, bytes)
            .expect("invariant: there are as many bytes as a picture takes")
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The middle one, the lower of two; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count => values[(count - 1) / 2],
    }
}

fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    writeln!(out, "| measure | value |\n| --- | --- |")?;
    writeln!(out, "| device | {} |", report.device)?;
    writeln!(out, "| load | {:.0} ms |", report.load_ms)?;
    writeln!(
        out,
        "| weights | {:.1} MB |",
        megabytes(report.weight_bytes)
    )?;
    writeln!(out, "| encode an image | {:.1} ms |", report.encode_ms)?;
    writeln!(
        out,
        "| copy bandwidth, read and written | {:.1} GB/s |",
        report.copy_bandwidth / 1e9
    )?;
    writeln!(
        out,
        "| weights read per token | {:.1} MB |\n",
        megabytes(report.bytes_per_token)
    )?;
    writeln!(
        out,
        "| shots | prompt tokens | first token, new shots | first token, known shots | \
         caption, known shots | tokens/s | dispatches per token | of the copy bandwidth |"
    )?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
    for row in &report.shots {
        writeln!(
            out,
            "| {} | {} | {:.0} ms | {:.0} ms | {:.0} ms | {:.1} | {:.0} | {:.0}% |",
            row.shots,
            row.prompt_tokens,
            row.cold_first_token_ms,
            row.warm_first_token_ms,
            row.warm_caption_ms,
            row.decode_tokens_per_second,
            row.dispatches_per_token,
            100.0 * row.bandwidth_share,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_value_of_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.0);
        assert_eq!(median(std::iter::empty()), 0.0);
    }

    #[test]
    fn pictures_differ_and_come_again() {
        let mut pictures = Pictures::new();
        let first = pictures.next();
        assert_ne!(pictures.next().data(), first.data());
        assert_eq!(Pictures::new().next().data(), first.data());
    }
}
