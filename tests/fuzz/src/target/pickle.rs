//! The pickles within PyTorch's and TorchScript's archives, whose checksums keep a changed
//! archive from reaching them.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use flamingo_convert::source::Checkpoint;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Target, in_folder};
use crate::peak_during;

/// The target of pickles.
pub const TARGET: Target = Target {
    name: "pickle",
    words: &[
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch._utils\n_rebuild_parameter\n",
        b"ctorch.jit._pickle\nbuild_intlist\n",
        b"ctorch\nHalfStorage\n",
        b"c__torch__\nM\n",
        b"ccollections\nOrderedDict\n)R",
        b"cposix\nsystem\n",
        b"X\x07\0\0\0storage",
        b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"K\x18tQ",
        b"q\x00h\x00",
        b"\x81}",
        b"\x86R",
        b"sb.",
    ],
    check,
};

/// Most bytes allocated for each byte of input: a value of a pickle can take one byte.
const BYTES_PER_BYTE: usize = 512;

/// Most bytes allocated for an input of no bytes: the readers of archives; and for
/// PyTorch's, what its crate lets a pickle copy.
const BYTES_AT_LEAST: [usize; 2] = [1 << 20, 256 << 20];

/// An archive of two storages of 96 bytes with `pickle`.
fn write(path: &Path, pickle: &[u8], is_torchscript: bool) {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(File::create(path).unwrap());
    let mut member = |name: &str, bytes: &[u8]| {
        writer.start_file(name, options).unwrap();
        writer.write_all(bytes).unwrap();
    };
    member("a/data.pkl", pickle);
    member("a/data/0", &[1; 96]);
    member("a/data/1", &[2; 96]);
    member("a/version", b"3\n");
    if is_torchscript {
        member("a/constants.pkl", b"\x80\x02).");
    }
    writer.finish().unwrap();
}

fn read(path: &Path) -> String {
    let checkpoint = match Checkpoint::open(path) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return error.to_string(),
    };
    let length = fs::metadata(path).unwrap().len();
    let mut fate = String::new();
    for entry in checkpoint.tensors() {
        assert!(entry.byte_len as u64 <= length);
        match checkpoint.read(&entry.name) {
            Ok(tensor) => assert_eq!(tensor.data.len(), entry.byte_len),
            // PyTorch's storages are looked for when they are read.
            Err(error) => fate = error.to_string(),
        }
    }
    format!("read {} {fate}", checkpoint.tensors().len())
}

fn check(input: &[u8]) -> String {
    in_folder(|folder| {
        let mut fates = Vec::new();
        for (is_torchscript, at_least) in [true, false].into_iter().zip(BYTES_AT_LEAST) {
            let path = folder.join("archive");
            write(&path, input, is_torchscript);
            let (fate, peak) = peak_during(|| read(&path));
            let limit = at_least + BYTES_PER_BYTE * input.len();
            assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
            fates.push(fate);
        }
        fates.concat()
    })
}
