//! People's files and the program: pictures, videos, texts, models of every kind that
//! public reports of such programs name. What cannot be read is refused in words.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::support::fixture;
use harness::{failure, flamingo, gguf, json_lines, model, photo, stderr, stdout, success};
use serde_json::Value;

fn run_in(folder: &Path, command: &str, model: &Path, arguments: &[&str]) -> Output {
    flamingo(&[command, "--device", "cpu", "--model"])
        .arg(model)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Captions of files, as JSON.
fn captions(folder: &Path, model: &Path, arguments: &[&str]) -> Vec<Value> {
    let all = [&["--json", "--max-new-tokens=6"][..], arguments].concat();
    json_lines(&success(&run_in(folder, "caption", model, &all)))
}

fn tokens(folder: &Path, model: &Path, arguments: &[&str]) -> Value {
    captions(folder, model, arguments)[0]["token_ids"].clone()
}

/// Runs `ffmpeg`, which the tests of videos need as the program does.
fn ffmpeg(folder: &Path, arguments: &[&str]) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("ffmpeg is not installed (Debian: apt-get install ffmpeg)");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
}

/// Three seconds of pictures that change, ten a second.
const PICTURES: [&str; 4] = [
    "-f",
    "lavfi",
    "-i",
    "testsrc=size=320x240:rate=10:duration=3",
];

/// A folder with `clip.mp4`.
fn with_clip() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let encode = [
        "-pix_fmt", "yuv420p", "-c:v", "mpeg4", "-q:v", "3", "-g", "5",
    ];
    let arguments = [
        &PICTURES[..],
        &encode,
        &["-movflags", "+faststart", "clip.mp4"],
    ]
    .concat();
    ffmpeg(folder.path(), &arguments);
    folder
}

#[test]
fn a_name_is_a_name_and_bytes_say_what_a_file_is() {
    let (model, folder) = (model(), with_clip());
    let here = folder.path();
    let expected = tokens(here, model.path(), &["clip.mp4"]);
    let clip = fs::read(here.join("clip.mp4")).unwrap();
    for name in [
        "2024-05-01T12:30:00.mp4",
        "http:clip.mp4",
        "concat:clip.mp4|clip.mp4",
        "pipe:0",
        "-i.mp4",
        "-version",
        "frame%03d.png",
        "a'b \"c\" [1],2;3#4?5.mp4",
        "clip.3gp",
        "clip.jpg",
        "clip.txt",
        "clip",
        "clip\n.mp4",
    ] {
        fs::write(here.join(name), &clip).unwrap();
        let found = captions(here, model.path(), &["--", name]);
        assert_eq!(found[0]["token_ids"], expected, "{name}");
        assert_eq!(found[0].get("warnings"), None, "{name}");
    }
    // The same pictures in other containers.
    for name in [
        "clip.ts", "clip.mkv", "clip.avi", "clip.mpg", "clip.flv", "clip.ogv",
    ] {
        ffmpeg(here, &["-i", "clip.mp4", "-r", "25", name]);
        let renamed = here.join("nothing.known");
        fs::rename(here.join(name), &renamed).unwrap();
        let said = tokens(here, model.path(), &["nothing.known"]);
        assert_eq!(said.as_array().unwrap().len(), 6, "{name}");
    }
}

/// A file that names other files or addresses is a text here, and reaches nothing.
#[test]
fn playlists_and_other_texts_are_no_videos() {
    let (model, folder) = (model(), with_clip());
    for (name, content) in [
        (
            "list.m3u8",
            "#EXTM3U\n#EXTINF:3,\nclip.mp4\n#EXT-X-ENDLIST\n",
        ),
        ("list.mp4", "ffconcat version 1.0\nfile clip.mp4\n"),
        (
            "list.sdp",
            "v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        ),
        ("art.nfo", "\u{2588}\u{2588} art \u{2588}\u{2588}\n"),
        ("notes.txt", "no picture at all\n"),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
        let output = run_in(folder.path(), "caption", model.path(), &[name]);
        let error = failure(&output, 1);
        assert!(
            error.contains(&format!("{name}: the file is text, not a picture")),
            "{error}"
        );
    }
    let page = "\n<!DOCTYPE html><title>Log in</title>";
    fs::write(folder.path().join("photo.jpg"), page).unwrap();
    let output = run_in(folder.path(), "caption", model.path(), &["photo.jpg"]);
    assert!(failure(&output, 1).contains("a web page; the server may have answered"));
}

/// The length of a clip is that of its pictures, also where the file does not say it.
#[test]
fn frames_are_spread_over_the_pictures() {
    let (model, folder) = (model(), with_clip());
    let here = folder.path();
    let sound = ["-f", "lavfi", "-i", "sine=duration=20"];
    let (copy, audio) = (["-c:v", "copy"], ["-c:a", "aac", "-b:a", "32k"]);
    let long = [
        &["-i", "clip.mp4"][..],
        &sound,
        &copy,
        &audio,
        &["long.mp4"],
    ]
    .concat();
    ffmpeg(here, &long);
    assert_eq!(
        tokens(here, model.path(), &["long.mp4"]),
        tokens(here, model.path(), &["clip.mp4"])
    );
    // As a browser records: no length anywhere, and sound that goes on.
    let live = ["-c:v", "libvpx", "-b:v", "1M", "-f", "webm", "-live", "1"];
    let (plain, opus) = (["-i", "clip.mp4"], ["-c:a", "libopus"]);
    ffmpeg(here, &[&plain[..], &live, &["live.webm"]].concat());
    ffmpeg(
        here,
        &[&plain[..], &sound, &opus, &live, &["loud.webm"]].concat(),
    );
    let quiet = tokens(here, model.path(), &["live.webm"]);
    assert_eq!(quiet, tokens(here, model.path(), &["loud.webm"]));
    // Sound alone, with and without a picture on its cover.
    ffmpeg(here, &[&sound[..], &["-t", "1", "sound.mp4"]].concat());
    fs::write(here.join("cover.png"), fixture("images/grey.png")).unwrap();
    let cover = ["-i", "cover.png", "-map", "0", "-map", "1", "-c:v", "copy"];
    let attached = [
        "-t",
        "1",
        "-c:a",
        "aac",
        "-disposition:v:0",
        "attached_pic",
        "cover.m4a",
    ];
    ffmpeg(here, &[&sound[..], &cover, &attached].concat());
    for name in ["sound.mp4", "cover.m4a"] {
        let error = failure(&run_in(here, "caption", model.path(), &[name]), 1);
        assert!(error.contains("is it sound only?"), "{error}");
    }
}

#[test]
fn a_video_that_was_cut_is_told() {
    let (model, folder) = (model(), with_clip());
    let here = folder.path();
    let whole = fs::read(here.join("clip.mp4")).unwrap();
    fs::write(here.join("cut.mp4"), &whole[..whole.len() / 2]).unwrap();
    let output = run_in(here, "caption", model.path(), &["--json", "cut.mp4"]);
    let line = json_lines(&success(&output))[0].clone();
    let warning = line["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with("the file ends early: of its pictures 1."),
        "{warning}"
    );
    assert!(
        warning.contains("of 3.0 s; download or copy it again"),
        "{warning}"
    );
    assert!(stderr(&output).contains(&format!("flamingo: cut.mp4: {warning}")));
    for command in ["ask", "choose"] {
        let arguments: &[&str] = match command {
            "ask" => &["cut.mp4", "What?"],
            _ => &["cut.mp4", "a", "b"],
        };
        let output = run_in(here, command, model.path(), arguments);
        success(&output);
        assert!(stderr(&output).contains("ends early"), "{command}");
    }
    // Its index comes last, and is gone.
    ffmpeg(
        here,
        &[
            "-i",
            "clip.mp4",
            "-c",
            "copy",
            "-movflags",
            "-faststart",
            "slow.mp4",
        ],
    );
    let whole = fs::read(here.join("slow.mp4")).unwrap();
    fs::write(here.join("slow.mp4"), &whole[..whole.len() / 2]).unwrap();
    let error = failure(&run_in(here, "caption", model.path(), &["slow.mp4"]), 1);
    assert!(
        error.contains("ends before the list of its pictures"),
        "{error}"
    );
    ffmpeg(here, &["-i", "clip.mp4", "-c", "copy", "clip.mkv"]);
    let whole = fs::read(here.join("clip.mkv")).unwrap();
    fs::write(here.join("cut.mkv"), &whole[..whole.len() / 2]).unwrap();
    let output = run_in(here, "caption", model.path(), &["cut.mkv"]);
    success(&output);
    assert!(
        stderr(&output).contains("the file ends early"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn frames_have_a_bound_that_is_told_before_the_work() {
    let (model, folder) = (model(), with_clip());
    let here = folder.path();
    let rated = |rate: &str| {
        let rate = format!("--frames-per-second={rate}");
        run_in(
            here,
            "caption",
            model.path(),
            &["--max-new-tokens=2", &rate, "clip.mp4"],
        )
    };
    for rate in ["0", "-1", "nan", "inf", "-inf", "many"] {
        let error = failure(&rated(rate), 2);
        assert!(error.contains("a number above 0 is expected"), "{error}");
    }
    for (rate, frames) in [("100", "300"), ("1e9", "3000000000")] {
        let error = failure(&rated(rate), 1);
        let told = format!("{rate} frames a second of 3.0 s are {frames} frames, more than 256");
        let told = told.replace("1e9", "1000000000");
        assert!(error.contains(&told), "{error}");
    }
    success(&rated("2"));
    success(&rated("0.001"));
    for frames in ["0", "-1", "257", "nan"] {
        let frames = format!("--frames={frames}");
        failure(
            &run_in(here, "caption", model.path(), &[&frames, "clip.mp4"]),
            2,
        );
    }
    fs::create_dir(here.join("frames")).unwrap();
    fs::write(here.join("frames/1.png"), fixture("images/grey.png")).unwrap();
    let arguments = ["--frames-per-second=2", "frames"];
    let error = failure(&run_in(here, "caption", model.path(), &arguments), 1);
    assert!(error.contains("a folder of frames has no rate"), "{error}");
}

/// A picture is a picture, whatever its format, its name and what it lies in.
#[test]
fn pictures_of_every_format_are_pictures() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let here = folder.path();
    let expected = |name: &str| tokens(here, model.path(), &[photo(name).to_str().unwrap()]);
    for (fixture_name, name, same_as) in [
        ("images/photo.gif", "photo.mp4", "photo.gif.expected.png"),
        ("images/photo.bmp", "photo", "photo.bmp.expected.png"),
        ("images/photo.webp", "photo.avi", "photo.webp"),
        ("images/photo.jpg", "photo.gif", "photo.jpg"),
        (
            "images/transparent.gif",
            "a.gif",
            "transparent.gif.expected.png",
        ),
        ("images/rgba.png", "rgba.mkv", "rgba.expected.png"),
        (
            "images/grey_alpha.png",
            "grey.ts",
            "grey_alpha.expected.png",
        ),
        (
            "images/photo_alpha.webp",
            "alpha.webm",
            "photo_alpha.webp.expected.png",
        ),
    ] {
        fs::write(here.join(name), fixture(fixture_name)).unwrap();
        let found = tokens(here, model.path(), &[name]);
        assert_eq!(found, expected(same_as), "{name}");
    }
    // Through ffmpeg: without loss, so that the pixels are the same.
    fs::write(here.join("in.png"), fixture("images/rgba.png")).unwrap();
    for name in ["rgba.tiff", "rgba.qoi", "rgba.jp2", "rgba.ppm"] {
        let layout = if name == "rgba.ppm" { "rgb24" } else { "rgba" };
        ffmpeg(
            here,
            &["-i", "in.png", "-pix_fmt", layout, "-frames:v", "1", name],
        );
    }
    let on_white = expected("rgba.expected.png");
    for name in ["rgba.tiff", "rgba.qoi"] {
        fs::rename(here.join(name), here.join("picture.mp4")).unwrap();
        assert_eq!(
            tokens(here, model.path(), &["picture.mp4"]),
            on_white,
            "{name}"
        );
    }
    for name in ["rgba.jp2", "rgba.ppm"] {
        tokens(here, model.path(), &[name]);
    }

    for (name, bytes, told) in [
        ("a.png", cgbi(), "CgBI"),
        ("b.png", Vec::new(), "the file is empty"),
        (
            "c.png",
            b"\x01\x02\x03".to_vec(),
            "no picture or video of a known format",
        ),
        (
            "d.heic",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(),
            "HEIC",
        ),
        (
            "e.avif",
            b"\0\0\0\x18ftypavif\0\0\0\0mif1avif".to_vec(),
            "AVIF",
        ),
        ("f.pdf", b"%PDF-1.7".to_vec(), "a PDF document"),
        (
            "g.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            "an SVG drawing",
        ),
        (
            "h.gif",
            fixture("images/photo.gif")[..900].to_vec(),
            "GIF file",
        ),
        ("i.zip", b"PK\x03\x04".to_vec(), "a ZIP archive"),
    ] {
        fs::write(here.join(name), bytes).unwrap();
        let error = failure(&run_in(here, "caption", model.path(), &[name]), 1);
        assert!(error.contains(told), "{name}: {error}");
        assert!(!error.contains("download it again"), "{name}: {error}");
    }
}

/// A PNG file as Xcode packs it.
fn cgbi() -> Vec<u8> {
    let file = fixture("images/grey.png");
    let chunk = b"\0\0\0\x04CgBI\x50\0\x20\x02\x2b\xd5\xb3\x7f";
    [&file[..8], chunk, &file[8..]].concat()
}

#[test]
fn what_moves_is_a_clip_and_what_is_transparent_in_it_is_white() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let here = folder.path();
    fs::write(here.join("moving.gif"), fixture("images/moving.gif")).unwrap();
    fs::write(here.join("still.gif"), fixture("images/photo.gif")).unwrap();
    // Only what moves has frames.
    let many = ["--frames-per-second=1e6", "still.gif", "moving.gif"];
    let output = run_in(here, "caption", model.path(), &many);
    let error = failure(&output, 1);
    assert!(
        error.contains("moving.gif: 1000000 frames a second of 0.1 s"),
        "{error}"
    );
    assert!(!error.contains("flamingo: still.gif"), "{error}");
    tokens(here, model.path(), &["moving.gif"]);
    let source = "color=black@0.0:size=64x64:rate=4:duration=1,format=yuva420p";
    let white = "color=white:size=64x64:rate=4:duration=1";
    let vp9 = [
        "-c:v",
        "libvpx-vp9",
        "-pix_fmt",
        "yuva420p",
        "-lossless",
        "1",
        "alpha.webm",
    ];
    ffmpeg(here, &[&["-f", "lavfi", "-i", source][..], &vp9].concat());
    let lossless = ["-c:v", "libvpx-vp9", "-lossless", "1", "white.webm"];
    ffmpeg(
        here,
        &[&["-f", "lavfi", "-i", white][..], &lossless].concat(),
    );
    assert_eq!(
        tokens(here, model.path(), &["alpha.webm"]),
        tokens(here, model.path(), &["white.webm"])
    );
}

#[test]
fn frames_come_in_the_order_of_their_numbers_and_strays_are_named() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let here = folder.path();
    for name in ["padded", "natural", "junk"] {
        fs::create_dir(here.join(name)).unwrap();
    }
    let pictures = [
        "photo.jpg",
        "rgba.png",
        "photo.webp",
        "photo.bmp",
        "photo.gif",
    ];
    for number in 1..=12 {
        let picture = fixture(&format!("images/{}", pictures[number % pictures.len()]));
        fs::write(here.join(format!("padded/frame{number:03}.png")), &picture).unwrap();
        fs::write(here.join(format!("natural/frame{number}.png")), &picture).unwrap();
        fs::write(here.join(format!("junk/frame{number:03}.png")), &picture).unwrap();
        fs::write(
            here.join(format!("junk/._frame{number:03}.png")),
            b"\0\x05\x16\x07",
        )
        .unwrap();
    }
    let padded = tokens(here, model.path(), &["padded"]);
    assert_eq!(tokens(here, model.path(), &["natural"]), padded);
    fs::write(here.join("junk/.DS_Store"), b"").unwrap();
    assert_eq!(
        captions(here, model.path(), &["junk"])[0].get("warnings"),
        None
    );
    fs::write(here.join("junk/Thumbs.db"), b"\0").unwrap();
    fs::create_dir(here.join("junk/more")).unwrap();
    let found = captions(here, model.path(), &["junk"]);
    assert_eq!(found[0]["token_ids"], padded);
    let told = "left out, because they are no pictures: Thumbs.db, more";
    assert_eq!(found[0]["warnings"], serde_json::json!([told]));

    fs::write(here.join("junk/frame004.png"), b"").unwrap();
    let error = failure(
        &run_in(here, "caption", model.path(), &["--frames=12", "junk"]),
        1,
    );
    assert!(
        error.contains("the frame junk/frame004.png: the file is empty"),
        "{error}"
    );
    fs::create_dir(here.join("none")).unwrap();
    fs::write(here.join("none/.a.png"), fixture("images/grey.png")).unwrap();
    fs::write(here.join("none/notes.txt"), b"notes").unwrap();
    let error = failure(&run_in(here, "caption", model.path(), &["none"]), 1);
    assert!(error.contains("holds no frames, but notes.txt"), "{error}");
}

/// Texts as editors save them.
#[test]
fn texts_are_read_as_editors_save_them_and_refused_in_words() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let here = folder.path();
    fs::write(here.join("a.png"), fixture("images/grey.png")).unwrap();
    fs::write(here.join("b.png"), fixture("images/rgba.png")).unwrap();
    let line = "{\"image\": \"a.png\", \"text\": \"A dog, é\"}";
    let item = "{\"image\": \"a.png\", \"captions\": [\"A dog, é\"]}";
    let commands = |name: &'static str| -> [(&'static str, Vec<&'static str>); 4] {
        [
            (
                "caption",
                vec!["b.png", "--max-new-tokens=4", "--shots", name],
            ),
            ("choose", vec!["b.png", "x", "y", "--shots", name]),
            ("index", vec![name, "--output=out.rices"]),
            ("eval", vec![name, "--max-new-tokens=4"]),
        ]
    };
    let write = |name: &str, text: &str, encode: &dyn Fn(&str) -> Vec<u8>| {
        fs::write(here.join(format!("shots-{name}.jsonl")), encode(text)).unwrap();
    };
    let write = |encode: &dyn Fn(&str) -> Vec<u8>, command: &str, shown: &'static str| {
        write("x", if command == "eval" { item } else { line }, encode);
        (command.to_owned(), shown)
    };
    for (command, arguments) in commands("shots-x.jsonl") {
        let said = |encode: &dyn Fn(&str) -> Vec<u8>| {
            write(encode, command, "");
            run_in(here, command, model.path(), &arguments)
        };
        let plain = success(&said(&|text| text.as_bytes().to_vec()));
        assert_eq!(
            success(&said(&|text| format!("\u{feff}{text}").into_bytes())),
            plain
        );
        assert_eq!(
            success(&said(&|text| format!("\r\n{text}\r\n").into_bytes())),
            plain
        );
        let little = |text: &str| -> Vec<u8> {
            let units = format!("\u{feff}{text}");
            units.encode_utf16().flat_map(u16::to_le_bytes).collect()
        };
        let error = failure(&said(&little), 2);
        assert!(
            error.contains("shots-x.jsonl: the file is in UTF-16; save it as UTF-8"),
            "{command}: {error}"
        );
        let latin1 = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
        let error = failure(&said(&latin1), 2);
        assert!(
            error.contains("shots-x.jsonl: line 1 is not in UTF-8"),
            "{command}: {error}"
        );
        let error = failure(
            &said(&|text| format!("\n{text}\nnot json\n").into_bytes()),
            2,
        );
        assert!(
            error.contains("shots-x.jsonl:3: column 2: "),
            "{command}: {error}"
        );
        let error = failure(&said(&|text| text.replace("a.png", "").into_bytes()), 2);
        assert!(
            error.contains("shots-x.jsonl:1: \"image\" is empty"),
            "{command}: {error}"
        );
        for nowhere in [".", "./", "..", "sub/.."] {
            fs::create_dir_all(here.join("sub")).unwrap();
            let error = failure(
                &said(&|text| text.replace("a.png", nowhere).into_bytes()),
                2,
            );
            assert!(error.contains("shots-x.jsonl:1: "), "{command}: {error}");
        }
        let error = failure(&said(&|_| b"\n\r\n".to_vec()), 2);
        assert!(
            error.contains("shots-x.jsonl holds no "),
            "{command}: {error}"
        );
        let long = |text: &str| text.replace("\"image\"", &format!("\"{}\"", "x".repeat(99_999)));
        let error = failure(&said(&|text| long(text).into_bytes()), 2);
        assert!(error.len() < 800, "{command}: {} bytes", error.len());
        let missing = |text: &str| text.replace("a.png", "nowhere.png").into_bytes();
        let error = failure(&said(&missing), 2);
        assert!(
            error.contains("shots-x.jsonl:1: ") && error.contains("nowhere.png"),
            "{command}: {error}"
        );
    }
}

#[test]
fn a_message_is_a_line_that_says_how_long_a_text_may_be() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let here = folder.path();
    let photo = photo("photo.jpg");
    let photo = photo.to_str().unwrap();
    let long = "word ".repeat(25_000);
    for (arguments, told) in [
        (vec!["ask", photo, &long], "question 1: the text has 25"),
        (
            vec!["choose", photo, "a", "b", "--question", &long],
            "the text has 25",
        ),
    ] {
        let error = failure(
            &run_in(here, arguments[0], model.path(), &arguments[1..]),
            2,
        );
        let error = error.lines().last().unwrap();
        assert!(
            error.contains(told) && error.contains("and may have 63"),
            "{error}"
        );
        assert!(error.len() < 300, "{} bytes", error.len());
    }
    let template = format!("--template={long}");
    let pattern = format!("--pattern={}", "(".repeat(30_000));
    let frames = format!("--frames={long}");
    for option in [&template, &pattern, &frames] {
        let error = failure(&run_in(here, "caption", model.path(), &[photo, option]), 2);
        assert!(
            error.len() < 1200,
            "{} bytes of {}",
            error.len(),
            &option[..12]
        );
    }
}

#[test]
fn a_text_that_does_not_match_its_pattern_is_told() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let here = folder.path();
    let photo = photo("photo.jpg");
    let photo = photo.to_str().unwrap();
    let never = ["--pattern=[ab]{60}c", "--max-new-tokens=5"];
    let told = "the text does not match --pattern, because it ends after 5 tokens";
    let output = run_in(
        here,
        "caption",
        model.path(),
        &[&[photo][..], &never].concat(),
    );
    assert!(failure(&output, 1).contains(told));
    assert_eq!(stdout(&output), "");
    let output = run_in(
        here,
        "caption",
        model.path(),
        &[&[photo, "--json"][..], &never].concat(),
    );
    assert!(failure(&output, 1).contains(told));
    let line = &json_lines(&stdout(&output))[0];
    assert_eq!(line["matches_pattern"], false);
    assert!(!line["text"].as_str().unwrap().is_empty());
    let asked = [&[photo, "What?", "Why?"][..], &never].concat();
    let output = run_in(here, "ask", model.path(), &asked);
    assert!(failure(&output, 1).contains(&format!("question 1: {told}")));
    assert_eq!(stdout(&output), "");
    let met = captions(here, model.path(), &[photo, "--pattern=dog|cat"]);
    assert_eq!(met[0]["matches_pattern"], true);
    let items = "{\"image\": \"a.jpg\", \"captions\": [\"a\"]}";
    fs::write(here.join("items.jsonl"), items).unwrap();
    fs::copy(photo, here.join("a.jpg")).unwrap();
    let arguments = [&["items.jsonl", "--output=out.jsonl"][..], &never].concat();
    let output = run_in(here, "eval", model.path(), &arguments);
    success(&output);
    assert!(stderr(&output).contains("1 of 1 texts do not match --pattern"));
    let kept = fs::read_to_string(here.join("out.jsonl")).unwrap();
    assert!(kept.contains("\"unmet\":true"), "{kept}");
    // Taken up again, it is told again.
    let output = run_in(here, "eval", model.path(), &arguments);
    assert!(stderr(&output).contains("1 of 1 texts do not match --pattern"));
}

#[test]
fn whole_characters_come_out_of_every_command() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let photo = photo("photo.jpg");
    let photo = photo.to_str().unwrap();
    for count in 1..8 {
        let limit = format!("--max-new-tokens={count}");
        let options = ["--json", &limit, "--pattern=一杯咖啡☕🚀"];
        for (command, more) in [("caption", &[photo][..]), ("ask", &[photo, "What?"])] {
            let arguments = [more, &options].concat();
            let said = stdout(&run_in(folder.path(), command, model.path(), &arguments));
            assert!(
                said.contains("\"text\"") && !said.contains('\u{fffd}'),
                "{said}"
            );
        }
    }
}

#[test]
fn a_model_is_taken_by_every_name_it_has() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let here = folder.path();
    let photo = photo("photo.jpg");
    let photo = photo.to_str().unwrap();
    let expected = tokens(here, model.path(), &[photo]);
    let manifest = model.path().join("model.json");
    assert_eq!(tokens(here, &manifest, &[photo]), expected);
    let text = fs::read(&manifest).unwrap();
    let marked = [b"\xef\xbb\xbf", &text[..]].concat();
    fs::write(&manifest, marked).unwrap();
    assert_eq!(tokens(here, &manifest, &[photo]), expected);
    assert_eq!(tokens(here, model.path(), &[photo]), expected);
    let other = model.path().join("other.json");
    fs::write(&other, &text).unwrap();
    assert_eq!(tokens(here, &other, &[photo]), expected);
    success(&flamingo(&["inspect"]).arg(&manifest).output().unwrap());
    let named = here.join("model.bin");
    fs::write(&named, gguf()).unwrap();
    assert_eq!(tokens(here, &named, &[photo]), expected);

    let refused = |path: PathBuf| failure(&run_in(here, "caption", &path, &[photo]), 3);
    for shard in ["weights-000.bin", "weights-001.bin"] {
        let error = refused(model.path().join(shard));
        assert!(
            error.contains("is a part of the model that lies in"),
            "{error}"
        );
    }
    let wide: Vec<u8> = String::from_utf8(text)
        .unwrap()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(&manifest, wide).unwrap();
    let error = refused(manifest);
    assert!(
        error.contains("model.json: the file is in UTF-16"),
        "{error}"
    );
    for (bytes, told) in [
        (&b"PK\x03\x04 and so on"[..], "a ZIP archive"),
        (b"\x40\0\0\0\0\0\0\0{\"a\": 1}", "a safetensors file"),
        (b"", "too early"),
        (b"anything", "not a GGUF file"),
    ] {
        fs::write(here.join("other.bin"), bytes).unwrap();
        let error = refused(here.join("other.bin"));
        assert!(
            error.contains(told) && error.contains("other.bin"),
            "{error}"
        );
    }
}

/// With a model that is not there: what is said is about the option.
#[test]
fn options_are_checked_before_a_model_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("a.png"), fixture("images/grey.png")).unwrap();
    let items = "{\"image\": \"a.png\", \"captions\": [\"a\"]}";
    fs::write(here.join("items.jsonl"), items).unwrap();
    fs::write(
        here.join("shots.jsonl"),
        "{\"image\": \"a.png\", \"text\": \"a\"}",
    )
    .unwrap();
    let nowhere = Path::new("no/model");
    let decoding = [
        "--temperature=-1",
        "--temperature=nan",
        "--temperature=inf",
        "--top-p=1.5",
        "--min-p=-0.1",
        "--repetition-penalty=0",
        "--stop=",
        "--pattern=(",
        "--max-new-tokens=0",
        "--beams=0",
        "--frames=0",
        "--template=x",
    ];
    for option in decoding {
        for command in [
            &["caption", "a.png"][..],
            &["ask", "a.png", "x"],
            &["eval", "items.jsonl"],
        ] {
            if command[0] == "eval" && option == "--frames=0" {
                continue;
            }
            let arguments = [&command[1..], &[option]].concat();
            let error = failure(&run_in(here, command[0], nowhere, &arguments), 2);
            assert!(!error.contains("no/model"), "{command:?} {option}: {error}");
        }
    }
    for (command, arguments) in [
        (
            "caption",
            &["a.png", "--beams=2", "--length-penalty=nan"][..],
        ),
        ("choose", &["a.png", "a", "b", "--orders=100000"]),
        ("choose", &["a.png", "a", ""]),
        ("eval", &["items.jsonl", "--orders=100000"]),
        ("eval", &["items.jsonl", "--limit=0"]),
        ("eval", &["items.jsonl", "--shots=4"]),
        (
            "eval",
            &["items.jsonl", "--shots=1", "--support=items.jsonl"],
        ),
        ("eval", &["items.jsonl", "--images=/nope"]),
        ("eval", &["items.jsonl", "--output=no/folder/out.jsonl"]),
        ("eval", &["items.jsonl", "--output=a.svg", "--plot=./a.svg"]),
        ("eval", &["items.jsonl", "--plot=."]),
        ("index", &["shots.jsonl", "--output=no/folder/out"]),
        ("index", &["shots.jsonl", "--output=out", "--frames=0"]),
        ("bench", &["--shots=1000000000"]),
        ("bench", &["--repeats=0"]),
        (
            "caption",
            &["a.png", "--support=shots.jsonl", "--nearest=0"],
        ),
    ] {
        let error = failure(&run_in(here, command, nowhere, arguments), 2);
        assert!(
            !error.contains("no/model"),
            "{command} {arguments:?}: {error}"
        );
    }
    let output = run_in(here, "eval", nowhere, &["items.jsonl", "--images", "/nope"]);
    assert!(failure(&output, 2).contains("/nope: No such file"));
}
