//! One state dict in every form in which checkpoints are released, written by PyTorch and
//! safetensors (`tests/parity/make_checkpoints.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flamingo_convert::source::{
    Checkpoint, ElementType, Format, SourceError, SourceTensor, TorchScriptError,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/convert");
    folder.join("checkpoints").join(name)
}

/// Shape and bits of each tensor by its name without wrappers.
fn contents(checkpoint: &Checkpoint) -> BTreeMap<String, (Vec<usize>, Vec<u32>)> {
    let names = checkpoint.plain_names().unwrap();
    let content = |(name, entry): (String, &flamingo_convert::source::TensorEntry)| {
        let tensor = checkpoint.read(&entry.name).unwrap();
        let bits = tensor.to_f32().unwrap().into_iter().map(f32::to_bits);
        (name, (tensor.entry.shape.clone(), bits.collect()))
    };
    names.into_iter().map(content).collect()
}

#[test]
fn every_form_holds_the_same_tensors() {
    let expected = contents(&Checkpoint::open(&fixture("expected.safetensors")).unwrap());
    assert_eq!(expected.len(), 20);
    for (name, format, files) in [
        ("flat.pt", Format::Pytorch, 1),
        ("a_root_of_21_letters_.pt", Format::Pytorch, 1),
        ("module.pt", Format::Pytorch, 1),
        ("wrapped.pt", Format::Pytorch, 1),
        ("legacy.pt", Format::Pytorch, 1),
        ("scripted.pt", Format::TorchScript, 1),
        ("single", Format::Safetensors, 1),
        ("single/model.safetensors", Format::Safetensors, 1),
        ("sharded", Format::Safetensors, 2),
        (
            "sharded/model.safetensors.index.json",
            Format::Safetensors,
            2,
        ),
        ("bins", Format::Pytorch, 2),
        ("bins/pytorch_model.bin.index.json", Format::Pytorch, 2),
    ] {
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        let formats: Vec<_> = checkpoint.files().map(|(_, format, _)| format).collect();
        assert_eq!(formats, vec![format; files], "{name}");
        assert_eq!(contents(&checkpoint), expected, "{name}");
    }
}

#[test]
fn types_are_told_as_they_are_stored() {
    for name in ["flat.pt", "legacy.pt", "scripted.pt", "single"] {
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        for (tensor, element) in [
            ("visual.conv1.weight", ElementType::F16),
            ("visual.ln_pre.weight", ElementType::F32),
            ("text.brain", ElementType::Bf16),
            ("text.wide", ElementType::F64),
            ("text.mask", ElementType::Bool),
            ("text.ids", ElementType::I64),
            ("text.steps", ElementType::I32),
            ("text.bytes", ElementType::U8),
        ] {
            assert_eq!(checkpoint.get(tensor).unwrap().element, element, "{name}");
        }
        let gate = checkpoint.read("text.gate").unwrap();
        assert_eq!(gate.entry.shape, [1]);
        let scale = checkpoint.read("text.scale").unwrap();
        assert_eq!((scale.entry.shape.len(), scale.data.len()), (0, 4));
    }
}

#[test]
fn sizes_that_cannot_be_counted_are_none_even_beside_a_0() {
    for element in [ElementType::F32, ElementType::Bool] {
        for shape in [
            [1 << 40, 1 << 40, 0],
            [0, 1 << 40, 1 << 40],
            [1 << 40, 0, 1 << 40],
        ] {
            assert_eq!(element.byte_len(&shape), None, "{shape:?}");
        }
    }
    assert_eq!(ElementType::F32.byte_len(&[3, 0, 5]), Some(0));
    assert_eq!(ElementType::F32.byte_len(&[3, 1, 5]), Some(60));
    assert_eq!(ElementType::F32.byte_len(&[]), Some(4));

    let mut file = tempfile::NamedTempFile::new().unwrap();
    let header = r#"{"t":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}"#;
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let error = Checkpoint::open(file.path()).err().unwrap().to_string();
    assert!(error.contains("tensor `t`"), "{error}");
}

#[test]
fn wrappers_stay_in_the_listed_names_and_so_does_the_optimizer() {
    let checkpoint = Checkpoint::open(&fixture("wrapped.pt")).unwrap();
    let names: Vec<&str> = checkpoint
        .tensors()
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    assert!(names.contains(&"model_state_dict.module.text.embedding"));
    assert!(names.contains(&"optimizer_state_dict.state.0.exp_avg"));
    // Block 9 stands before block 10.
    let place = |block: &str| names.iter().position(|name| name.contains(block)).unwrap();
    assert!(place("resblocks.9.") < place("resblocks.10."));
    assert_eq!(checkpoint.plain_names().unwrap().len(), 20);
}

#[test]
fn a_tensor_is_read_row_by_row_too() {
    let checkpoint = Checkpoint::open(&fixture("flat.pt")).unwrap();
    let tensor = checkpoint.read("text.columns").unwrap();
    assert_eq!((tensor.rows(), tensor.cols()), (6, 3));
    let whole = tensor.to_f32().unwrap();
    let mut row = [0.0; 3];
    for number in 0..tensor.rows() {
        tensor.row_to_f32(number, &mut row).unwrap();
        assert_eq!(row, whole[3 * number..][..3]);
    }
    for (number, elements) in [(6, 3), (0, 2)] {
        let mut row = vec![0.0; elements];
        let error = tensor.row_to_f32(number, &mut row).unwrap_err();
        assert!(
            matches!(
                error,
                SourceError::Row {
                    rows: 6,
                    cols: 3,
                    ..
                }
            ),
            "{error}"
        );
    }
    let loaded = tensor.into_loaded().unwrap();
    assert_eq!(loaded.to_f32().unwrap(), whole);
}

#[test]
fn a_tensor_that_is_not_there_is_named() {
    let checkpoint = Checkpoint::open(&fixture("flat.pt")).unwrap();
    let error = checkpoint.read("no.such").unwrap_err();
    assert!(matches!(error, SourceError::UnknownTensor { name, .. } if name == "no.such"));
}

#[test]
fn gguf_of_any_type_is_a_checkpoint_with_metadata() {
    let path = fixture("../ggml.gguf");
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(
        checkpoint
            .metadata()
            .unwrap()
            .string("general.architecture"),
        Ok("ggml")
    );
    let SourceTensor { entry, .. } = checkpoint.read("Q4_K").unwrap();
    assert_eq!(
        (entry.element.to_string().as_str(), entry.shape.as_slice()),
        ("Q4_K", &[2, 512][..])
    );
    let read = |name: &str| checkpoint.read(name).unwrap().to_f32().unwrap();
    assert_eq!(read("Q4_K"), read("Q4_K.values"));
    assert_eq!(read("BF16"), read("BF16.values"));
    let as_f32 = checkpoint.read("IQ3_S").unwrap().into_loaded().unwrap();
    assert_eq!(as_f32.to_f32().unwrap(), read("IQ3_S.values"));
}

/// A folder with copies of fixtures under other names.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in files {
        fs::copy(fixture(source), folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn a_file_is_what_its_bytes_say() {
    let folder = folder(&[
        ("legacy.safetensors", "legacy.pt"),
        ("zip.gguf", "flat.pt"),
        ("script.bin", "scripted.pt"),
        ("tensors.pt", "single/model.safetensors"),
    ]);
    for (name, format) in [
        ("legacy.safetensors", Format::Pytorch),
        ("zip.gguf", Format::Pytorch),
        ("script.bin", Format::TorchScript),
        ("tensors.pt", Format::Safetensors),
    ] {
        let checkpoint = Checkpoint::open(&folder.path().join(name)).unwrap();
        assert_eq!(checkpoint.files().next().unwrap().1, format);
    }
}

#[test]
fn in_a_folder_the_preferred_file_is_the_checkpoint() {
    let files = [
        ("pytorch_model.bin", "flat.pt"),
        ("training_args.bin", "legacy.pt"),
        ("model.safetensors", "single/model.safetensors"),
    ];
    let both = folder(&files);
    let checkpoint = Checkpoint::open(both.path()).unwrap();
    assert_eq!(checkpoint.files().next().unwrap().1, Format::Safetensors);
    let bin = folder(&files[..2]);
    let checkpoint = Checkpoint::open(bin.path()).unwrap();
    assert_eq!(
        checkpoint.files().next().unwrap().0,
        bin.path().join("pytorch_model.bin")
    );

    let two = folder(&[("a.pt", "flat.pt"), ("b.pt", "flat.pt")]);
    let error = Checkpoint::open(two.path()).unwrap_err();
    assert!(
        matches!(&error, SourceError::SeveralFiles { found, .. } if found == &["a.pt", "b.pt"]),
        "{error}"
    );
    let none = folder(&[("training_args.bin", "flat.pt")]);
    let error = Checkpoint::open(none.path()).unwrap_err();
    assert!(matches!(error, SourceError::EmptyFolder { .. }), "{error}");
}

#[test]
fn the_cache_of_the_hub_leads_to_its_only_version() {
    let cache = tempfile::tempdir().unwrap();
    let version = cache.path().join("snapshots/0123abcd");
    fs::create_dir_all(&version).unwrap();
    fs::copy(fixture("flat.pt"), version.join("pytorch_model.bin")).unwrap();
    assert_eq!(Checkpoint::open(cache.path()).unwrap().tensors().len(), 20);
}

#[test]
fn parts_of_a_checkpoint_are_missed() {
    let first = "model-00001-of-00002.safetensors";
    let second = "model-00002-of-00002.safetensors";
    let sources = [
        "sharded/model-00001-of-00002.safetensors",
        "sharded/model-00002-of-00002.safetensors",
    ];
    let index = (
        "model.safetensors.index.json",
        "sharded/model.safetensors.index.json",
    );

    let without_second = folder(&[(first, sources[0]), index]);
    let error = Checkpoint::open(without_second.path()).unwrap_err();
    assert!(
        matches!(&error, SourceError::MissingShard { path, .. } if path.ends_with(second)),
        "{error}"
    );
    // Without an index the numbers in the names tell it.
    for files in [&[(first, sources[0])][..], &[(second, sources[1])]] {
        let error = Checkpoint::open(folder(files).path()).unwrap_err();
        assert!(matches!(error, SourceError::MissingShard { .. }), "{error}");
    }
    let both = folder(&[(first, sources[0]), (second, sources[1])]);
    assert_eq!(Checkpoint::open(both.path()).unwrap().tensors().len(), 20);

    // A part in the place of the other lacks what it should have.
    let swapped = folder(&[(first, sources[1]), (second, sources[0]), index]);
    let error = Checkpoint::open(swapped.path()).unwrap_err();
    assert!(
        matches!(error, SourceError::MissingTensor { .. }),
        "{error}"
    );
    let twice = folder(&[(first, sources[0]), (second, sources[0])]);
    let error = Checkpoint::open(twice.path()).unwrap_err();
    assert!(matches!(error, SourceError::Duplicate { .. }), "{error}");
}

#[test]
fn an_index_names_files_of_its_own_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    for file in [
        "../flat.pt",
        "/etc/passwd",
        "a/b.safetensors",
        "a\\b",
        "..",
        "",
    ] {
        let map = serde_json::json!({ "weight_map": { "a": file } });
        fs::write(&index, map.to_string()).unwrap();
        let error = Checkpoint::open(&index).unwrap_err();
        assert!(
            matches!(error, SourceError::Index { .. }),
            "{file}: {error}"
        );
    }
    fs::write(&index, "{\"weight_map\": 3}").unwrap();
    let error = Checkpoint::open(&index).unwrap_err();
    assert!(matches!(error, SourceError::Index { .. }), "{error}");
}

#[test]
fn files_of_no_known_format_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    for (bytes, told) in [
        (&b""[..], "it is empty"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"\x89PNG\r\n\x1a\n", "[89, 50, 4e, 47"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = Checkpoint::open(&path).unwrap_err();
        assert!(matches!(error, SourceError::Unrecognised { .. }));
        assert!(error.to_string().contains(told), "{error}");
    }
    fs::write(
        &path,
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    )
    .unwrap();
    let error = Checkpoint::open(&path).unwrap_err();
    assert!(matches!(error, SourceError::LfsPointer { .. }), "{error}");
}

#[test]
fn every_form_cut_short_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "flat.pt",
        "legacy.pt",
        "scripted.pt",
        "single/model.safetensors",
        "../ggml.gguf",
    ] {
        let whole = fs::read(fixture(name)).unwrap();
        let path = folder.path().join("cut");
        for part in [1, whole.len() / 3, whole.len() / 2, whole.len() - 200] {
            fs::write(&path, &whole[..part]).unwrap();
            let result = Checkpoint::open(&path);
            assert!(result.is_err(), "{name}, {part} bytes: {result:?}");
        }
    }
}

/// Copies an archive, each member as `change` leaves it.
fn rewritten(
    name: &str,
    change: impl Fn(&str, &mut Vec<u8>, &mut SimpleFileOptions),
) -> tempfile::NamedTempFile {
    let mut source = ZipArchive::new(File::open(fixture(name)).unwrap()).unwrap();
    let copy = tempfile::NamedTempFile::new().unwrap();
    let mut writer = ZipWriter::new(copy.as_file());
    for index in 0..source.len() {
        let mut member = source.by_index(index).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        let mut options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        change(&name, &mut bytes, &mut options);
        writer.start_file(name, options).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap();
    copy
}

fn torchscript_error(file: &tempfile::NamedTempFile) -> TorchScriptError {
    match Checkpoint::open(file.path()).unwrap_err() {
        SourceError::TorchScript { source, .. } => source,
        other => panic!("{other}"),
    }
}

#[test]
fn archives_whose_storages_do_not_fit_are_refused() {
    let same = rewritten("scripted.pt", |_, _, _| {});
    assert_eq!(Checkpoint::open(same.path()).unwrap().tensors().len(), 20);

    let short = rewritten("scripted.pt", |name, bytes, _| {
        if name.ends_with("data/0") {
            bytes.pop();
        }
    });
    let compressed = rewritten("scripted.pt", |name, _, options| {
        if name.ends_with("data/0") {
            *options = options.compression_method(CompressionMethod::Deflated);
        }
    });
    for (file, told) in [(short, "is not as long"), (compressed, "is compressed")] {
        match torchscript_error(&file) {
            TorchScriptError::Storage { key, reason } => {
                assert_eq!(key, "0");
                assert!(reason.starts_with(told), "{reason}");
            }
            other => panic!("{other}"),
        }
    }
    let big_endian = rewritten("scripted.pt", |name, bytes, _| {
        if name.ends_with("/byteorder") {
            *bytes = b"big".to_vec();
        }
    });
    assert!(matches!(
        torchscript_error(&big_endian),
        TorchScriptError::ByteOrder { .. }
    ));
    // A compressed pickle that is much longer than the whole archive.
    let bomb = rewritten("scripted.pt", |name, bytes, options| {
        if name.ends_with("/data.pkl") {
            *bytes = vec![b'N'; 17 << 20];
            *options = options.compression_method(CompressionMethod::Deflated);
        }
    });
    assert!(bomb.as_file().metadata().unwrap().len() < 100_000);
    assert!(matches!(
        torchscript_error(&bomb),
        TorchScriptError::MemberTooLarge {
            name: "data.pkl",
            ..
        }
    ));
}

/// The pickle of a module whose one tensor is of a storage of 24 floats.
fn module_with(sizes: &[u8], strides: &[u8]) -> Vec<u8> {
    let tensor = [
        &b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"[..],
        b"X\x01\0\0\x000X\x03\0\0\0cpuK\x18tQK\0",
        sizes,
        strides,
        b"\x89ccollections\nOrderedDict\n)RtR",
    ];
    [
        &b"\x80\x02c__torch__\nM\n)\x81}X\x01\0\0\0w"[..],
        &tensor.concat(),
        b"sb.",
    ]
    .concat()
}

#[test]
fn a_view_that_repeats_an_element_takes_no_memory() {
    let with = |sizes: &[u8], strides: &[u8]| {
        let pickle = module_with(sizes, strides);
        rewritten("scripted.pt", move |name, bytes, _| {
            if name.ends_with("/data.pkl") {
                bytes.clone_from(&pickle);
            }
        })
    };
    let fits = with(b"K\x04K\x06\x86", b"K\x06K\x01\x86");
    let checkpoint = Checkpoint::open(fits.path()).unwrap();
    assert_eq!(checkpoint.tensors()[0].name, "w");
    assert_eq!(checkpoint.read("w").unwrap().data.len(), 96);

    // A thousand million times the first element.
    let repeated = with(b"J\0\xca\x9a\x3b\x85", b"K\0\x85");
    let error = Checkpoint::open(repeated.path()).unwrap_err();
    assert!(
        matches!(
            error,
            SourceError::TooLarge {
                bytes: 4_000_000_000,
                ..
            }
        ),
        "{error}"
    );
    // More than a usize counts.
    let huge = with(b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", b"K\0\x85");
    assert!(matches!(
        torchscript_error(&huge),
        TorchScriptError::OutOfStorage { .. }
    ));
}

#[test]
fn damaged_weights_are_noticed_when_they_are_read() {
    for name in ["flat.pt", "scripted.pt"] {
        let mut bytes = fs::read(fixture(name)).unwrap();
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        let right = checkpoint.read("visual.conv1.weight").unwrap().data;
        let at = bytes.windows(right.len()).position(|part| part == right);
        bytes[at.unwrap() + 5] ^= 1;
        let damaged = tempfile::NamedTempFile::new().unwrap();
        fs::write(damaged.path(), bytes).unwrap();
        let checkpoint = Checkpoint::open(damaged.path()).unwrap();
        let error = checkpoint.read("visual.conv1.weight").unwrap_err();
        assert!(
            error.to_string().contains("checksum")
                || matches!(
                    &error,
                    SourceError::TorchScript {
                        source: TorchScriptError::Damaged { .. },
                        ..
                    }
                ),
            "{error}"
        );
        checkpoint.read("visual.ln_pre.weight").unwrap();
    }
}

#[test]
fn members_that_overlap_are_refused() {
    let mut bytes = fs::read(fixture("flat.pt")).unwrap();
    // In the directory at the end, the second member's place becomes the first one's.
    let entries: Vec<usize> = (0..bytes.len() - 4)
        .filter(|&at| bytes[at..at + 4] == *b"PK\x01\x02")
        .collect();
    let place = |entry: usize| entries[entry] + 42..entries[entry] + 46;
    bytes.copy_within(place(0), place(1).start);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let error = Checkpoint::open(file.path()).unwrap_err();
    assert!(
        matches!(&error, SourceError::Archive { reason, .. } if reason.contains("overlap")),
        "{error}"
    );
}

#[test]
fn code_in_a_pickle_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let command = format!("touch {}", trace.display());
    let length = u8::try_from(command.len()).unwrap();
    // {"w": os.system(command)}
    let pickle = [
        &b"\x80\x02}X\x01\0\0\0wcposix\nsystem\nX"[..],
        &[length, 0, 0, 0],
        command.as_bytes(),
        b"\x85Rs.",
    ]
    .concat();
    for name in ["flat.pt", "scripted.pt"] {
        let file = rewritten(name, |name, bytes, _| {
            if name.ends_with("/data.pkl") {
                bytes.clone_from(&pickle);
            }
        });
        let error = Checkpoint::open(file.path()).unwrap_err();
        match name {
            // Its reader passes over what is no tensor.
            "flat.pt" => assert!(matches!(error, SourceError::NoTensors { .. }), "{error}"),
            _ => assert!(error.to_string().contains("`posix.system`"), "{error}"),
        }
        assert!(!trace.exists());
    }
}

#[test]
fn the_listing_has_every_tensor_with_type_and_shape() {
    let checkpoint = Checkpoint::open(&fixture("bins")).unwrap();
    let mut text = Vec::new();
    flamingo_convert::listing::write(&mut text, &checkpoint).unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        "  F16   [4, 3, 2, 2]  visual.conv1.weight",
        "  BF16  [3, 5]        text.brain",
        "  BOOL  [1, 1, 4, 4]  text.mask",
        "  F32   []            text.scale",
        "20 tensors, 349 elements, 1133 bytes",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert_eq!(text.matches("  PyTorch  ").count(), 2);
}

#[test]
fn an_archive_that_begins_later_than_its_file_is_refused() {
    let archive = fs::read(fixture("flat.pt")).unwrap();
    for (before, expected) in [
        (
            &b"PK\x03\x04 and some more"[..],
            "from their first byte to their last",
        ),
        (b"#!/bin/sh\n", "it starts with the bytes"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [before, &archive].concat()).unwrap();
        let error = Checkpoint::open(file.path()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
