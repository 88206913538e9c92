//! Questions, choices, clips, support sets and evaluations, as one runs them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use harness::support::fixture;
use harness::{failure, flamingo, json_lines, model, photo, stdout, success};

const PHOTOS: [&str; 3] = [
    "2090545563_a4e66ec76b.webp",
    "3393035454_2d2370ffd4.webp",
    "3695064885_a6922f06b2.webp",
];

/// A folder with three photos.
fn album() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in PHOTOS {
        fs::write(folder.path().join(name), fixture(&format!("photos/{name}"))).unwrap();
    }
    folder
}

fn run(command: &str, model: &Path, arguments: &[&str]) -> Output {
    flamingo(&[command, "--device", "cpu", "--model"])
        .arg(model)
        .args(arguments)
        .output()
        .unwrap()
}

/// Lines of items of the album.
fn write(folder: &Path, name: &str, lines: &[String]) -> String {
    let path = folder.join(name);
    fs::write(&path, lines.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn options_of_decoding_change_what_is_said() {
    let model = model();
    let photo = photo("photo.jpg");
    let said = |options: &[&str]| {
        let mut arguments = vec![photo.to_str().unwrap(), "--max-new-tokens=6", "--json"];
        arguments.extend(options);
        json_lines(&success(&run("caption", model.path(), &arguments)))[0].clone()
    };
    let greedy = said(&[]);
    assert_ne!(
        said(&["--temperature=1", "--seed=5"])["token_ids"],
        greedy["token_ids"]
    );
    assert_eq!(
        said(&["--temperature=1", "--top-k=1"])["token_ids"],
        greedy["token_ids"]
    );
    assert_eq!(said(&["--beams=1"])["token_ids"], greedy["token_ids"]);
    assert!(
        said(&["--beams=3"])["score"].as_f64().unwrap()
            >= said(&["--beams=1"])["score"].as_f64().unwrap()
    );
    assert_eq!(said(&["--pattern=dog|cat"])["stop_reason"], "end_of_chunk");
    let output = run(
        "caption",
        model.path(),
        &[photo.to_str().unwrap(), "--pattern=("],
    );
    assert!(failure(&output, 2).contains("--pattern"));
    let output = run(
        "caption",
        model.path(),
        &[photo.to_str().unwrap(), "--top-p=7"],
    );
    assert!(failure(&output, 2).contains("top_p is 7"));
}

#[test]
fn a_dialogue_answers_every_question() {
    let model = model();
    let photo = photo("photo.jpg");
    let photo = photo.to_str().unwrap();
    let arguments = [
        "--json",
        "--max-new-tokens=4",
        photo,
        "What is this?",
        "Why?",
    ];
    let answers = json_lines(&success(&run("ask", model.path(), &arguments)));
    assert_eq!(answers.len(), 2);
    // The turns are kept: in the end they no longer fit.
    let many = [&["--max-new-tokens=8", photo][..], &["What is this?"; 6]].concat();
    let output = run("ask", model.path(), &many);
    assert!(failure(&output, 2).contains("the model takes 64"));
    assert!(stdout(&output).lines().count() >= 2);
    let output = run("ask", model.path(), &["no-such.jpg", "Why?"]);
    assert!(failure(&output, 2).contains("no-such.jpg"));
}

#[test]
fn choices_have_probabilities() {
    let model = model();
    let photo = photo("photo.jpg");
    let photo = photo.to_str().unwrap();
    let chosen = |options: &[&str]| {
        let arguments = [options, &["--json", photo, "a dog", "two cats", "snow"]].concat();
        let line = json_lines(&success(&run("choose", model.path(), &arguments)))[0].clone();
        let choices = line["choices"].as_array().unwrap().clone();
        let probability = |choice: &serde_json::Value| choice["probability"].as_f64().unwrap();
        assert_eq!(choices.len(), 3);
        assert!((choices.iter().map(probability).sum::<f64>() - 1.0).abs() < 1e-6);
        assert!(
            choices
                .windows(2)
                .all(|pair| probability(&pair[0]) >= probability(&pair[1]))
        );
        choices
    };
    let mean = chosen(&[]);
    assert_ne!(chosen(&["--reduction=sum"]), mean);
    assert_ne!(chosen(&["--calibrated"]), mean);
    assert_ne!(chosen(&["--question=What is it?"]), mean);
    let text = success(&run("choose", model.path(), &[photo, "a dog", "two cats"]));
    assert_eq!(text.lines().count(), 2);
    assert!(text.lines().all(|line| line.contains("% ")), "{text}");
    failure(&run("choose", model.path(), &[photo, "a dog"]), 2);
}

#[test]
fn examples_vote_unless_they_are_told_not_to() {
    let model = model();
    let album = album();
    let lines: Vec<String> = PHOTOS[..2]
        .iter()
        .zip(["blick", "snorf"])
        .map(|(name, word)| serde_json::json!({"image": name, "text": word}).to_string())
        .collect();
    let shots = write(album.path(), "shots.jsonl", &lines);
    let photo = album.path().join(PHOTOS[1]);
    let choose = |options: &[&str]| {
        let shown = ["--shots", &shots, photo.to_str().unwrap(), "blick", "snorf"];
        success(&run("choose", model.path(), &[options, &shown].concat()))
    };
    let line = &json_lines(&choose(&["--json"]))[0];
    let choices = line["choices"].as_array().unwrap();
    let vote = |answer: &str| {
        let choice = choices.iter().find(|choice| choice["answer"] == answer);
        choice.unwrap()["parts"]["vote"].as_f64().unwrap()
    };
    // The photo is the second example's.
    assert!(vote("snorf") > 0.99 && vote("blick") < 0.01, "{line}");
    assert!(choose(&[]).contains("% snorf (likelihood "));
    let alone = choose(&["--json", "--resemblance=0"]);
    assert!(!alone.contains("parts"), "{alone}");
    let output = run(
        "choose",
        model.path(),
        &["--resemblance=-1", "x.jpg", "a", "b"],
    );
    assert!(failure(&output, 2).contains("resemblance"));
}

#[test]
fn a_folder_of_frames_is_one_clip() {
    let model = model();
    let (album, other) = (album(), tempfile::tempdir().unwrap());
    for (place, name) in PHOTOS.iter().rev().enumerate() {
        let frame = other.path().join(format!("{place}.webp"));
        fs::copy(album.path().join(name), frame).unwrap();
    }
    let captions = run(
        "caption",
        model.path(),
        &[
            "--json",
            album.path().to_str().unwrap(),
            other.path().to_str().unwrap(),
        ],
    );
    assert_eq!(json_lines(&success(&captions)).len(), 2);
    let empty = tempfile::tempdir().unwrap();
    let output = run("caption", model.path(), &[empty.path().to_str().unwrap()]);
    assert!(failure(&output, 1).contains("holds no frames"));
}

#[test]
fn a_video_that_is_none_is_refused_in_words() {
    let model = model();
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("clip.mp4");
    fs::write(&video, b"no video").unwrap();
    let output = run("caption", model.path(), &[video.to_str().unwrap()]);
    let error = failure(&output, 1);
    assert!(
        error.contains("clip.mp4: the file is text, not a picture or video"),
        "{error}"
    );
}

#[test]
fn examples_are_chosen_from_a_support_set() {
    let model = model();
    let album = album();
    let lines: Vec<String> = PHOTOS
        .iter()
        .zip(["a dog", "a cat", "snow"])
        .map(|(name, text)| format!("{{\"image\": \"{name}\", \"text\": \"{text}\"}}"))
        .collect();
    let images = write(album.path(), "images.jsonl", &lines);
    let index = album.path().join("support.index");
    let index = index.to_str().unwrap();
    let text = success(&run("index", model.path(), &[&images, "--output", index]));
    assert!(text.contains("3 images"), "{text}");

    let query = album.path().join(PHOTOS[1]);
    let query = query.to_str().unwrap();
    let said = |options: &[&str]| {
        let arguments = [options, &["--json", "--max-new-tokens=6", query]].concat();
        json_lines(&success(&run("caption", model.path(), &arguments)))[0]["token_ids"].clone()
    };
    // The nearest to a photo is itself: one example of it, found or given by hand.
    let by_hand = write(album.path(), "shots.jsonl", &lines[1..2]);
    let found = said(&["--support", index, "--nearest", "1"]);
    assert_eq!(found, said(&["--shots", &by_hand]));
    assert_ne!(found, said(&[]));
    assert_ne!(said(&["--shots", &by_hand, "--text-only"]), found);

    fs::write(index, b"nonsense").unwrap();
    let output = run("caption", model.path(), &[query, "--support", index]);
    assert!(failure(&output, 2).contains("FLRICES1"));
}

#[test]
fn an_evaluation_gives_a_table_goes_on_and_repeats_itself() {
    let model = model();
    let album = album();
    let lines: Vec<String> = PHOTOS
        .iter()
        .map(|name| {
            format!("{{\"image\": \"{name}\", \"captions\": [\"a dog runs\", \"a brown dog\"]}}")
        })
        .collect();
    let items = write(album.path(), "items.jsonl", &lines);
    let (output, plot) = (
        album.path().join("out.jsonl"),
        album.path().join("plot.svg"),
    );
    let arguments = [
        &items,
        "--support",
        &items,
        "--shots=0,1",
        "--seeds=1,2",
        "--max-new-tokens=4",
        "--output",
        output.to_str().unwrap(),
        "--plot",
        plot.to_str().unwrap(),
        "--beside",
        "as published=0:60.6,4:72",
    ];
    let table = success(&run("eval", model.path(), &arguments));
    for row in ["|  | CIDEr | 0 |", "|  | CIDEr | 1 |", "|  | BLEU-4 | 1 |"] {
        assert!(table.contains(row), "{table}");
    }
    assert!(
        table.lines().last().unwrap().ends_with("| 3 | 2 |"),
        "{table}"
    );
    let drawn = fs::read_to_string(&plot).unwrap();
    assert!(drawn.contains("<svg") && drawn.contains("as published"));
    let known = fs::read_to_string(&output).unwrap();
    // What they depend on, and the results.
    assert_eq!(known.lines().count(), 1 + 12);

    // Cut off in the middle of its work, it does the rest and no more.
    let half: String = known.split_inclusive('\n').take(8).collect();
    fs::write(&output, half).unwrap();
    assert_eq!(success(&run("eval", model.path(), &arguments)), table);
    assert_eq!(fs::read_to_string(&output).unwrap(), known);

    // An example is never the item's own image; RICES, too, has two others to take.
    let output = run(
        "eval",
        model.path(),
        &[
            &items,
            "--support",
            &items,
            "--shots=2",
            "--select=rices",
            "--max-new-tokens=2",
        ],
    );
    success(&output);
    let output = run(
        "eval",
        model.path(),
        &[&items, "--support", &items, "--shots=3"],
    );
    assert!(failure(&output, 2).contains("3 shots need"));
    let output = run("eval", model.path(), &[&items, "--shots=1"]);
    assert!(failure(&output, 2).contains("--support"));
}

#[test]
fn questions_classes_and_choices_are_evaluated() {
    let model = model();
    let album = album();
    for (kind, item, row) in [
        (
            "questions",
            "\"question\": \"What?\", \"answers\": [\"dog\"], \"source\": \"coco-qa\"",
            "| coco-qa | accuracy | 0 |",
        ),
        (
            "choices",
            "\"choices\": [\"a dog\", \"a cat\"], \"answer\": 1",
            "|  | accuracy | 0 |",
        ),
    ] {
        let lines: Vec<String> = PHOTOS
            .iter()
            .map(|name| format!("{{\"image\": \"{name}\", {item}}}"))
            .collect();
        let items = write(album.path(), &format!("{kind}.jsonl"), &lines);
        let table = success(&run(
            "eval",
            model.path(),
            &[&items, "--max-new-tokens=2", "--limit=2"],
        ));
        assert!(table.contains(row), "{table}");
        assert!(
            table.lines().last().unwrap().ends_with("| 2 | 1 |"),
            "{table}"
        );
    }
    let lines: Vec<String> = PHOTOS
        .iter()
        .zip(["no", "yes", "yes"])
        .map(|(name, label)| format!("{{\"image\": \"{name}\", \"label\": \"{label}\"}}"))
        .collect();
    let items = write(album.path(), "classes.jsonl", &lines);
    let table = success(&run("eval", model.path(), &[&items]));
    assert!(table.contains("|  | ROC AUC | 0 |"), "{table}");

    let mixed = write(
        album.path(),
        "mixed.jsonl",
        &[
            lines[0].clone(),
            format!("{{\"image\": \"{}\", \"captions\": [\"a\"]}}", PHOTOS[1]),
        ],
    );
    let error = failure(&run("eval", model.path(), &[&mixed]), 2);
    assert!(
        error.contains("mixed.jsonl:2: ") && error.contains("another kind"),
        "{error}"
    );
    assert!(stdout(&run("eval", model.path(), &[&mixed])).is_empty());
}

/// The items of a file that bring their own examples: other examples give other
/// answers, and a pattern is held against the whole of one.
#[test]
fn items_bring_their_examples_clips_and_patterns() {
    let model = model();
    let (album, elsewhere) = (album(), album());
    let evaluated = |name: &str, lines: &[String], options: &[&str]| {
        let items = write(album.path(), &format!("{name}.jsonl"), lines);
        let output = album.path().join(format!("{name}.out"));
        let mut arguments = vec![
            &*items,
            "--max-new-tokens=4",
            "--output",
            output.to_str().unwrap(),
        ];
        arguments.extend(options);
        let table = success(&run("eval", model.path(), &arguments));
        let said = fs::read_to_string(output).unwrap();
        let (_, said) = said.split_once('\n').unwrap();
        (table, said.to_owned())
    };
    let item = |shots: &str, pattern: &str| {
        let frames = PHOTOS.map(|name| format!("\"{name}\"")).join(", ");
        format!(
            "{{\"frames\": [{frames}], \"source\": \"styles\", \"shots\": [{shots}], \
             \"pattern\": \"{pattern}\"}}"
        )
    };
    let shot = |text: &str| format!("{{\"image\": \"{}\", \"text\": \"{text}\"}}", PHOTOS[0]);
    let (anything, nothing) = ("(?s).*", "a dog that no model ever said");
    let (table, said) = evaluated(
        "own",
        &[
            item("", anything),
            item(&shot("A DOG"), anything),
            item(&shot("snow, snow, snow"), nothing),
            item("{\"text\": \"a dog\"}", nothing),
        ],
        &[],
    );
    assert!(
        table.contains("| styles | accuracy | own | 50.00 |"),
        "{table}"
    );
    let answers: HashSet<String> = said
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["frames"].as_array().unwrap().len(), 3);
            line["text"].to_string()
        })
        .collect();
    assert_eq!(answers.len(), 4, "{said}");

    // An image that lies elsewhere is found there, and nowhere without being told.
    fs::rename(
        elsewhere.path().join(PHOTOS[0]),
        elsewhere.path().join("far.jpg"),
    )
    .unwrap();
    let far = [String::from(
        "{\"image\": \"far.jpg\", \"choices\": [\"a\", \"b\"], \"answer\": 0}",
    )];
    let folder = elsewhere.path().to_str().unwrap();
    let of = |name: &str, options: &[&str]| {
        let (_, said) = evaluated(name, &far, &[&["--images", folder], options].concat());
        let line: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
        line["scores"].to_string()
    };
    let mean = of("mean", &[]);
    assert_ne!(of("calibrated", &["--calibrated"]), mean);
    // Examples that are drawn lie there too.
    let items = write(
        album.path(),
        "near.jsonl",
        &[far[0].replace("far.jpg", PHOTOS[1])],
    );
    let support = write(album.path(), "support.jsonl", &far);
    let arguments = [
        &*items,
        "--support",
        &support,
        "--shots=1",
        "--images",
        folder,
    ];
    success(&run("eval", model.path(), &arguments));
    let items = write(album.path(), "far.jsonl", &far);
    assert!(failure(&run("eval", model.path(), &[&items]), 2).contains("far.jpg"));

    for (lines, refused) in [
        (vec![item("", "(")], "pattern"),
        (
            vec![item("", "a"), item("", "a").replace("\"shots\": [], ", "")],
            "refused.jsonl:2: ",
        ),
        (
            vec![item("", "a").replace("\"frames\"", "\"photos\"")],
            "frames",
        ),
    ] {
        let items = write(album.path(), "refused.jsonl", &lines);
        let error = failure(&run("eval", model.path(), &[&items]), 2);
        assert!(error.contains(refused), "{error}");
    }
}

/// An example is of the item's own source.
#[test]
fn examples_are_of_the_same_source() {
    let model = model();
    let album = album();
    let line = |name: &str, source: &str| {
        format!(
            "{{\"image\": \"{name}\", \"question\": \"What?\", \"answers\": [\"dog\"], \
             \"source\": \"{source}\"}}"
        )
    };
    let items = write(album.path(), "items.jsonl", &[line(PHOTOS[0], "a")]);
    let support = [line(PHOTOS[1], "a"), line(PHOTOS[2], "b")];
    let support = write(album.path(), "support.jsonl", &support);
    for select in ["random", "rices"] {
        let select = format!("--select={select}");
        let arguments = |shots| [&*items, "--support", &support, &select, shots];
        let one = run(
            "eval",
            model.path(),
            &[&arguments("--shots=1")[..], &["--max-new-tokens=2"]].concat(),
        );
        success(&one);
        let two = run("eval", model.path(), &arguments("--shots=2"));
        assert!(failure(&two, 2).contains("there are 1"));
    }
}

#[test]
fn a_schema_is_answered_with_a_value_of_it() {
    let model = model();
    let photo = photo("photo.jpg");
    let folder = tempfile::tempdir().unwrap();
    let schema = write(
        folder.path(),
        "schema.json",
        &[r#"{"type": "object", "properties": {
            "wet": {"type": "boolean"}, "kind": {"enum": ["a dog", "a cat"]},
            "count": {"type": "integer", "minimum": 100, "maximum": 999}}}"#
            .to_owned()],
    );
    let decide = |options: &[&str]| {
        let mut arguments = vec![photo.to_str().unwrap(), &schema];
        arguments.extend(options);
        run("decide", model.path(), &arguments)
    };
    let line = &json_lines(&success(&decide(&["--json"])))[0];
    let value: serde_json::Value = serde_json::from_str(&stdout(&decide(&[]))).unwrap();
    assert_eq!(line["value"], value);
    assert!(value["wet"].is_boolean());
    assert!((100..=999).contains(&value["count"].as_i64().unwrap()));
    assert_eq!(line["leaves"][1]["path"], "/kind");
    let shown = stdout(&decide(&[]));
    let order = ["wet", "kind", "count"].map(|name| shown.find(name).unwrap());
    assert!(order.is_sorted(), "{shown}");

    // What is wrong with a schema is told before a model is loaded.
    let wrong = write(folder.path(), "wrong.json", &[r#"{"not": {}}"#.to_owned()]);
    let no_model = folder.path().join("none");
    let output = run("decide", &no_model, &[photo.to_str().unwrap(), &wrong]);
    let message = failure(&output, 2);
    assert!(
        message.contains("wrong.json") && message.contains("\"not\""),
        "{message}"
    );
}
