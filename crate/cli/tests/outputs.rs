//! Files that the program writes, and files that it never writes over.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::fs;
use std::path::Path;
use std::process::Output;

use harness::support::{TinyModel, fixture};
use harness::{failure, flamingo, gguf, model, stderr, success};

fn run_in(folder: &Path, command: &str, model: &Path, arguments: &[&str]) -> Output {
    flamingo(&[command, "--device", "cpu", "--model"])
        .arg(model)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A folder with three photos, items of them and examples of them.
fn album() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let (mut items, mut images) = (String::new(), String::new());
    for (name, file) in [("a.png", "grey"), ("b.png", "rgba"), ("c.png", "palette")] {
        fs::write(here.join(name), fixture(&format!("images/{file}.png"))).unwrap();
        items += &format!("{{\"image\": \"{name}\", \"captions\": [\"a dog\", \"a cat\"]}}\n");
        images += &format!("{{\"image\": \"{name}\", \"text\": \"a dog\"}}\n");
    }
    fs::write(here.join("items.jsonl"), items).unwrap();
    fs::write(here.join("images.jsonl"), images).unwrap();
    folder
}

/// All files of a folder with their bytes.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap_or_default())
        })
        .collect();
    files.sort();
    files
}

const EVAL: [&str; 2] = ["items.jsonl", "--max-new-tokens=3"];

#[test]
fn no_input_is_written_over_in_any_spelling_or_by_force() {
    let (model, album) = (model(), album());
    let here = album.path();
    fs::hard_link(here.join("items.jsonl"), here.join("hard")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("items.jsonl", here.join("soft")).unwrap();
    let whole = here.join("items.jsonl");
    let gguf_file = here.join("model.gguf");
    fs::write(&gguf_file, gguf()).unwrap();
    let manifest = model.path().join("model.json");
    let shard = model.path().join("weights-001.bin");
    let before = (content(here), content(model.path()));
    let spellings = [
        "items.jsonl",
        "./items.jsonl",
        whole.to_str().unwrap(),
        "hard",
        "soft",
        "b.png",
        manifest.to_str().unwrap(),
        shard.to_str().unwrap(),
    ];
    for force in [&[][..], &["--force"]] {
        for option in ["--output", "--plot"] {
            for name in spellings {
                let arguments = [&EVAL[..], &[option, name], force].concat();
                let error = failure(&run_in(here, "eval", model.path(), &arguments), 2);
                assert!(
                    error.contains("which is read; name another file"),
                    "{error}"
                );
            }
        }
        for name in ["images.jsonl", "a.png", manifest.to_str().unwrap()] {
            let arguments = [&["images.jsonl", "--output", name][..], force].concat();
            let error = failure(&run_in(here, "index", model.path(), &arguments), 2);
            assert!(error.contains("which is read"), "{error}");
        }
        let arguments = [&EVAL[..], &["--output=model.gguf"], force].concat();
        let error = failure(&run_in(here, "eval", &gguf_file, &arguments), 2);
        assert!(error.contains("which is read"), "{error}");
        let arguments = [&EVAL[..], &["--support=images2.jsonl"], force].concat();
        failure(&run_in(here, "eval", model.path(), &arguments), 2);
    }
    assert_eq!((content(here), content(model.path())), before);
}

#[test]
fn somebody_elses_file_stays_unless_it_is_to_go() {
    let (model, album) = (model(), album());
    let here = album.path();
    let precious = "{\"image\": \"a.png\", \"captions\": [\"precious\"]}\n";
    for (command, arguments) in [
        ("eval", [&EVAL[..], &["--output=precious.jsonl"]].concat()),
        ("eval", [&EVAL[..], &["--plot=precious.jsonl"]].concat()),
        ("index", vec!["images.jsonl", "--output=precious.jsonl"]),
    ] {
        let path = here.join("precious.jsonl");
        fs::write(&path, precious).unwrap();
        let before = content(here);
        let error = failure(&run_in(here, command, model.path(), &arguments), 2);
        assert!(
            error.contains("precious.jsonl is there already and") && error.contains("--force"),
            "{error}"
        );
        assert_eq!(content(here), before, "{arguments:?}");
        success(&run_in(
            here,
            command,
            model.path(),
            &[&arguments[..], &["--force"]].concat(),
        ));
        assert_ne!(fs::read(&path).unwrap(), precious.as_bytes());
        // It is this run's now.
        success(&run_in(here, command, model.path(), &arguments));
    }
    // Nothing is left of what was written beside.
    assert!(
        content(here)
            .iter()
            .all(|(name, _)| !name.starts_with(".flamingo"))
    );
}

#[test]
fn results_are_those_of_their_model_options_items_and_images() {
    let (model, album) = (model(), album());
    let here = album.path();
    let mut config = TinyModel::config();
    config.language.width = 32;
    let other = here.join("other.gguf");
    fs::write(&other, TinyModel::with_config(config).gguf()).unwrap();
    let same = here.join("same.gguf");
    fs::write(&same, gguf()).unwrap();
    let eval = |model: &Path, more: &[&str]| {
        let arguments = [&EVAL[..], &["--output=out.jsonl"], more].concat();
        run_in(here, "eval", model, &arguments)
    };
    let table = success(&eval(model.path(), &[]));
    let known = fs::read(here.join("out.jsonl")).unwrap();
    // The same bytes by another name are the same model.
    assert_eq!(success(&eval(&same, &[])), table);
    assert_eq!(fs::read(here.join("out.jsonl")).unwrap(), known);
    for (model, more, differs) in [
        (other.as_path(), &[][..], "model"),
        (model.path(), &["--int8-activations"], "device"),
        (
            model.path(),
            &["--template=<image>A:{answer}<|endofchunk|>"],
            "template",
        ),
        (model.path(), &["--temperature=0.5"], "temperature"),
        (model.path(), &["--stop=x"], "stop"),
        (model.path(), &["--beams=2"], "beams"),
        (
            model.path(),
            &["--zero-shot=text-only", "--support=items.jsonl"],
            "zero_shot",
        ),
    ] {
        let error = failure(&eval(model, more), 2);
        let told = format!("results of another run, of which differs: {differs};");
        assert!(error.contains(&told), "{error}");
        assert_eq!(fs::read(here.join("out.jsonl")).unwrap(), known);
    }
    // More shots and seeds are more of the same.
    let more = ["--shots=0,1", "--seeds=42,43", "--support=items.jsonl"];
    success(&eval(model.path(), &more));
    let lines = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines(&fs::read(here.join("out.jsonl")).unwrap()), 1 + 4 * 3);

    // What an output depends on has changed: it is made anew, and that is told.
    let stale = |count: usize, of: usize| {
        let output = eval(model.path(), &more);
        success(&output);
        let told = format!("{count} of {of} results were of other items, images or examples");
        assert_eq!(
            stderr(&output).contains(&told),
            count > 0,
            "{}",
            stderr(&output)
        );
        let again = eval(model.path(), &more);
        assert_eq!(success(&again), success(&output));
        assert!(!stderr(&again).contains("made anew"), "{}", stderr(&again));
    };
    stale(0, 12);
    fs::write(here.join("a.png"), fixture("images/bilevel.png")).unwrap();
    let output = eval(model.path(), &more);
    assert!(
        stderr(&output).contains(" of 12 results were of other"),
        "{}",
        stderr(&output)
    );
    let items = fs::read_to_string(here.join("items.jsonl")).unwrap();
    let asked = items.replacen("\"captions\"", "\"question\": \"What?\", \"captions\"", 1);
    fs::write(here.join("items.jsonl"), asked).unwrap();
    let output = eval(model.path(), &more);
    assert!(
        stderr(&output).contains(" of 12 results were of other"),
        "{}",
        stderr(&output)
    );
    // Other references change scores and no output.
    let items = fs::read_to_string(here.join("items.jsonl")).unwrap();
    let (output, before) = (
        here.join("out.jsonl"),
        fs::read(here.join("out.jsonl")).unwrap(),
    );
    let limited = ["--shots=0", "--limit=2"];
    success(&eval(model.path(), &limited));
    fs::write(
        here.join("items.jsonl"),
        items.replace("a cat", "a brown cat"),
    )
    .unwrap();
    success(&eval(model.path(), &limited));
    assert_eq!(fs::read(output).unwrap(), before);
}

#[test]
fn a_damaged_line_costs_its_own_item_only() {
    let (model, album) = (model(), album());
    let here = album.path();
    let arguments = [&EVAL[..], &["--output=out.jsonl"]].concat();
    let table = success(&run_in(here, "eval", model.path(), &arguments));
    let path = here.join("out.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    // Another text stands behind the damaged line, to see that it is taken up.
    let told = lines[3].replacen("\"text\":\"", "\"text\":\"kept ", 1);
    let damaged = [lines[0], lines[1], "{\"shots\":0,\"se\n", &told].concat();
    fs::write(&path, damaged).unwrap();
    let output = run_in(here, "eval", model.path(), &arguments);
    success(&output);
    let error = stderr(&output);
    assert!(
        error.contains("out.jsonl: line 3 could not be read"),
        "{error}"
    );
    let repaired = fs::read_to_string(&path).unwrap();
    assert_eq!(repaired, [lines[0], lines[1], &told, lines[2]].concat());
    assert!(!table.is_empty());
}

#[test]
fn an_index_is_replaced_by_one_of_the_same_images() {
    let (model, album) = (model(), album());
    let here = album.path();
    let index = |more: &[&str]| {
        let arguments = [&["images.jsonl", "--output=album.rices"][..], more].concat();
        run_in(here, "index", model.path(), &arguments)
    };
    success(&index(&[]));
    let first = fs::read(here.join("album.rices")).unwrap();
    success(&index(&[]));
    assert_eq!(fs::read(here.join("album.rices")).unwrap(), first);
    let images = fs::read_to_string(here.join("images.jsonl")).unwrap();
    fs::write(here.join("images.jsonl"), images.replace("a dog", "a cat")).unwrap();
    assert!(failure(&index(&[]), 2).contains("is an index of other images or texts"));
    assert_eq!(fs::read(here.join("album.rices")).unwrap(), first);
    success(&index(&["--force"]));
    assert_ne!(fs::read(here.join("album.rices")).unwrap(), first);
    // One that another model made is of no use, though its embeddings are as wide.
    let mut other = TinyModel::with_config(TinyModel::config());
    let vision = other
        .tensors
        .iter_mut()
        .find(|it| it.info.name.starts_with("v."));
    vision.unwrap().data[3] ^= 1;
    let file = here.join("other.gguf");
    fs::write(&file, other.gguf()).unwrap();
    let support = ["a.png", "--support=album.rices", "--max-new-tokens=2"];
    success(&run_in(here, "caption", model.path(), &support));
    for (command, more) in [
        ("caption", &[][..]),
        ("ask", &["x"]),
        ("choose", &["x", "y"]),
    ] {
        let arguments = [&support[..1], more, &support[1..2]].concat();
        let error = failure(&run_in(here, command, &file, &arguments), 2);
        assert!(
            error.contains("made with a model that sees otherwise"),
            "{error}"
        );
    }
    // A picture that cannot be embedded leaves what there was.
    let second = fs::read(here.join("album.rices")).unwrap();
    fs::write(here.join("c.png"), &fixture("images/palette.png")[..60]).unwrap();
    let error = failure(&index(&[]), 2);
    assert!(error.contains("images.jsonl:3"), "{error}");
    assert_eq!(fs::read(here.join("album.rices")).unwrap(), second);
}

#[test]
fn a_plot_is_replaced_by_that_of_the_same_run() {
    let (model, album) = (model(), album());
    let here = album.path();
    let plot = |more: &[&str]| {
        let arguments = [&EVAL[..], &["--plot=scores.svg"], more].concat();
        run_in(here, "eval", model.path(), &arguments)
    };
    success(&plot(&[]));
    let first = fs::read_to_string(here.join("scores.svg")).unwrap();
    assert!(
        first.starts_with("<svg") && first.contains("</svg>"),
        "{first}"
    );
    success(&plot(&[]));
    assert_eq!(fs::read_to_string(here.join("scores.svg")).unwrap(), first);
    for more in [
        &["--limit=2"][..],
        &["--seeds=7"],
        &["--beside=a=0:1"],
        &["--min-p=0.5"],
    ] {
        assert!(
            failure(&plot(more), 2).contains("is the plot of another run"),
            "{more:?}"
        );
    }
    assert_eq!(fs::read_to_string(here.join("scores.svg")).unwrap(), first);
    success(&plot(&["--limit=2", "--force"]));
    assert_ne!(fs::read_to_string(here.join("scores.svg")).unwrap(), first);
}

#[test]
fn archives_are_told_apart_by_their_whole_names() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let here = folder.path();
    let archive = |name: &str, picture: &str| {
        let mut builder = tar::Builder::new(fs::File::create(here.join(name)).unwrap());
        let bytes = fixture(&format!("images/{picture}"));
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, "x.png", &bytes[..])
            .unwrap();
        builder.finish().unwrap();
    };
    archive("dev-0.tar", "rgba.png");
    archive("dev2-0.tar", "palette.png");
    for (name, picture) in [("dev", "rgba.png"), ("dev2", "palette.png")] {
        let item = "{\"image\": \"x.png\", \"captions\": [\"a\"]}";
        fs::write(here.join(format!("{name}.jsonl")), item).unwrap();
        let alone = here.join(format!("alone-{name}"));
        fs::create_dir(&alone).unwrap();
        fs::write(alone.join("items.jsonl"), item).unwrap();
        fs::write(alone.join("x.png"), fixture(&format!("images/{picture}"))).unwrap();
    }
    let said = |items: &str, output: &str| {
        let output = format!("--output={output}");
        success(&run_in(
            here,
            "eval",
            model.path(),
            &[items, "--max-new-tokens=4", &output],
        ));
        let lines = fs::read_to_string(here.join(&output["--output=".len()..])).unwrap();
        lines.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(said("dev.jsonl", "1"), said("alone-dev/items.jsonl", "2"));
    assert_eq!(said("dev2.jsonl", "3"), said("alone-dev2/items.jsonl", "4"));
    assert_ne!(said("dev.jsonl", "1"), said("dev2.jsonl", "3"));

    archive("dev-1.tar", "grey.png");
    let output = run_in(
        here,
        "eval",
        model.path(),
        &["dev.jsonl", "--max-new-tokens=4"],
    );
    let error = failure(&output, 2);
    assert!(
        error.contains("dev.jsonl:1: the image \"x.png\" is in") && error.contains("dev-1.tar"),
        "{error}"
    );
}
