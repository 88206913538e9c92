//! Where a model is put, and what is never touched.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use flamingo_convert::output::{Earlier, Output, OutputError};
use serde_json::json;
use tempfile::{TempDir, tempdir};

/// A model of one shard, as far as it is told from other folders.
fn write_model(folder: &Path, weights: &str) {
    fs::create_dir_all(folder).unwrap();
    let manifest = json!({
        "format_version": 1,
        "name": "test",
        "shards": [{"file": "weights-000.bin", "bytes": weights.len(), "sha256": ""}],
    });
    fs::write(folder.join("model.json"), manifest.to_string()).unwrap();
    fs::write(folder.join("weights-000.bin"), weights).unwrap();
}

fn weights(folder: &Path) -> String {
    fs::read_to_string(folder.join("weights-000.bin")).unwrap()
}

/// The names of what is in a folder, hidden ones included.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A folder with a model in `model`.
fn with_model() -> TempDir {
    let folder = tempdir().unwrap();
    write_model(&folder.path().join("model"), "earlier");
    folder
}

#[test]
fn a_model_is_there_when_it_is_whole_and_not_before() {
    let folder = tempdir().unwrap();
    // Folders above it are made.
    let target = folder.path().join("models/new");
    let output = Output::begin(&target, Earlier::Keep).unwrap();
    write_model(&output.folder(), "whole");
    assert!(!target.exists());
    output.finish().unwrap();
    assert_eq!(weights(&target), "whole");
    assert_eq!(names(&folder.path().join("models")), ["new"]);
    assert_eq!(names(&target), ["model.json", "weights-000.bin"]);
}

#[test]
fn what_fails_leaves_nothing_and_the_earlier_model_as_it_was() {
    let folder = with_model();
    let target = folder.path().join("model");
    let output = Output::begin(&target, Earlier::Replace).unwrap();
    write_model(&output.folder(), "half");
    drop(output);
    assert_eq!(weights(&target), "earlier");
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn a_model_is_replaced_only_by_request() {
    let folder = with_model();
    let target = folder.path().join("model");
    // A larger one: nothing is left of it.
    let manifest = json!({
        "format_version": 7,
        "shards": [{"file": "weights-000.bin"}, {"file": "weights-001.bin"}],
    });
    fs::write(target.join("model.json"), manifest.to_string()).unwrap();
    fs::write(target.join("weights-001.bin"), "more").unwrap();
    let error = Output::begin(&target, Earlier::Keep).unwrap_err();
    assert!(matches!(error, OutputError::Exists { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(target.to_str().unwrap()), "{message}");
    assert!(message.contains("--force"), "{message}");
    assert_eq!(weights(&target), "earlier");
    assert_eq!(names(folder.path()), ["model"]);

    let output = Output::begin(&target, Earlier::Replace).unwrap();
    write_model(&output.folder(), "new");
    assert_eq!(weights(&target), "earlier");
    output.finish().unwrap();
    assert_eq!(weights(&target), "new");
    assert_eq!(names(&target), ["model.json", "weights-000.bin"]);
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn an_empty_folder_is_as_good_as_none() {
    let folder = tempdir().unwrap();
    let output = Output::begin(folder.path(), Earlier::Keep).unwrap();
    write_model(&output.folder(), "new");
    output.finish().unwrap();
    assert_eq!(weights(folder.path()), "new");
}

#[test]
fn what_is_no_model_is_never_touched() {
    let other = json!({"name": "a game", "version": 1}).to_string();
    let outside = json!({"format_version": 1, "shards": [{"file": "../x"}]}).to_string();
    // Beside what is in the folder: by what it is told.
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("photo.jpg", "")], "model.json"),
        (&[("weights-000.bin", "")], "model.json"),
        (&[("model.json", &other)], "model.json"),
        (&[("model.json", "{")], "model.json"),
        (&[("model.json", &outside)], "model.json"),
        (&[("model.json", "["), ("x", "")], "model.json"),
    ];
    for (files, told) in cases {
        let folder = tempdir().unwrap();
        let target = folder.path().join("model");
        fs::create_dir(&target).unwrap();
        for (name, content) in files {
            fs::write(target.join(name), content).unwrap();
        }
        is_refused(&target, told);
        for (name, content) in files {
            assert_eq!(fs::read_to_string(target.join(name)).unwrap(), *content);
        }
        assert_eq!(names(folder.path()), ["model"]);
    }
}

/// Checks that nothing is put at `target`, asked to replace or not.
fn is_refused(target: &Path, told: &str) {
    for earlier in [Earlier::Keep, Earlier::Replace] {
        let error = Output::begin(target, earlier).unwrap_err();
        assert!(matches!(error, OutputError::Foreign { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(target.to_str().unwrap()), "{message}");
        assert!(message.contains(told), "{message}");
        assert!(message.contains("move it away"), "{message}");
    }
}

#[test]
fn what_lies_in_a_model_beside_it_is_never_touched() {
    let folder = with_model();
    let target = folder.path().join("model");
    fs::write(target.join("notes.txt"), "mine").unwrap();
    is_refused(&target, "notes.txt");
    assert_eq!(
        names(&target),
        ["model.json", "notes.txt", "weights-000.bin"]
    );
}

#[test]
fn a_file_is_never_touched() {
    let folder = tempdir().unwrap();
    let target = folder.path().join("model.gguf");
    fs::write(&target, "mine").unwrap();
    is_refused(&target, "it is a file");
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
}

#[test]
fn what_comes_in_the_meantime_is_not_touched_either() {
    let folder = tempdir().unwrap();
    let target = folder.path().join("model");
    let output = Output::begin(&target, Earlier::Keep).unwrap();
    write_model(&output.folder(), "new");
    write_model(&target, "of another program");
    let error = output.finish().unwrap_err();
    assert!(matches!(error, OutputError::Exists { .. }), "{error}");
    assert_eq!(weights(&target), "of another program");
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn two_runs_do_not_write_to_one_place() {
    let folder = tempdir().unwrap();
    let target = folder.path().join("model");
    let first = Output::begin(&target, Earlier::Keep).unwrap();
    write_model(&first.folder(), "first");
    let error = Output::begin(&target, Earlier::Replace).unwrap_err();
    assert!(matches!(error, OutputError::Busy { .. }), "{error}");
    first.finish().unwrap();
    assert_eq!(weights(&target), "first");
    drop(Output::begin(&target, Earlier::Replace).unwrap());
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn what_an_interrupted_run_left_goes_with_the_next_one() {
    let folder = tempdir().unwrap();
    let target = folder.path().join("model");
    // As a run leaves it that was killed while it wrote.
    let partial = folder.path().join(".model.partial");
    write_model(&partial.join("new"), "half");
    fs::write(partial.join("new/weights-001.bin"), "half").unwrap();
    fs::write(partial.join("lock"), "").unwrap();
    let output = Output::begin(&target, Earlier::Keep).unwrap();
    write_model(&output.folder(), "whole");
    output.finish().unwrap();
    assert_eq!(names(&target), ["model.json", "weights-000.bin"]);
    assert_eq!(weights(&target), "whole");
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn a_model_that_was_moved_aside_by_an_interrupted_run_comes_back() {
    let folder = tempdir().unwrap();
    let target = folder.path().join("model");
    for is_replaced in [false, true] {
        // As a run leaves it that was killed between its two renames.
        let partial = folder.path().join(".model.partial");
        fs::create_dir(&partial).unwrap();
        write_model(&partial.join("new"), "new");
        fs::write(partial.join("lock"), "").unwrap();
        if target.exists() {
            fs::rename(&target, partial.join("earlier")).unwrap();
        } else {
            write_model(&partial.join("earlier"), "earlier");
        }
        if is_replaced {
            drop(Output::begin(&target, Earlier::Replace).unwrap());
        } else {
            let error = Output::begin(&target, Earlier::Keep).unwrap_err();
            assert!(matches!(error, OutputError::Exists { .. }), "{error}");
        }
        assert_eq!(weights(&target), "earlier");
        assert_eq!(names(folder.path()), ["model"]);
    }
}

#[test]
fn a_hidden_folder_of_another_program_is_never_touched() {
    let folder = tempdir().unwrap();
    let target = folder.path().join("model");
    let partial = folder.path().join(".model.partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("mine"), "mine").unwrap();
    let error = Output::begin(&target, Earlier::Replace).unwrap_err();
    assert!(matches!(error, OutputError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains(".model.partial"), "{error}");
    assert_eq!(names(&partial), ["mine"]);
}

#[test]
fn a_link_to_a_model_stays_a_link() {
    let folder = with_model();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("model", &link).unwrap();
    let output = Output::begin(&link, Earlier::Replace).unwrap();
    write_model(&output.folder(), "new");
    output.finish().unwrap();
    assert!(link.is_symlink());
    assert_eq!(weights(&folder.path().join("model")), "new");
    assert_eq!(names(folder.path()), ["link", "model"]);
}

#[test]
fn a_path_without_a_name_is_refused() {
    let error = Output::begin(Path::new("/nowhere/at/all/.."), Earlier::Keep).unwrap_err();
    assert!(matches!(error, OutputError::NoName { .. }), "{error}");
    assert!(!Path::new("/nowhere").exists());
}
