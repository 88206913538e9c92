//! The tensors of a checkpoint as text, for whoever wants to know what is in a file.

use std::io::{self, Write};

use crate::source::{Checkpoint, TensorEntry};

/// Writes the files, then type, shape and name of each tensor in the order of the
/// checkpoint, then their sum.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn write(out: &mut impl Write, checkpoint: &Checkpoint) -> io::Result<()> {
    writeln!(out, "Files")?;
    for (path, format, bytes) in checkpoint.files() {
        writeln!(out, "  {}  {format}  {bytes} bytes", path.display())?;
    }
    if let Some(metadata) = checkpoint.metadata()
        && let Ok(architecture) = metadata.string("general.architecture")
    {
        writeln!(out, "\nArchitecture  {architecture}")?;
    }
    let tensors = checkpoint.tensors();
    let shapes: Vec<String> = tensors.iter().map(shape).collect();
    let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0);
    let type_width = widest(&mut tensors.iter().map(|t| t.element.to_string().len()));
    let shape_width = widest(&mut shapes.iter().map(String::len));
    writeln!(out, "\nTensors")?;
    for (tensor, shape) in tensors.iter().zip(&shapes) {
        let element = tensor.element.to_string();
        let TensorEntry { name, .. } = tensor;
        writeln!(
            out,
            "  {element:<type_width$}  {shape:<shape_width$}  {name}"
        )?;
    }
    // Each is at most as large as its file, and there are few.
    let elements: u64 = tensors.iter().map(elements).sum();
    let bytes: u64 = tensors.iter().map(|tensor| tensor.byte_len as u64).sum();
    writeln!(
        out,
        "\n{} tensors, {elements} elements, {bytes} bytes",
        tensors.len()
    )
}

fn shape(tensor: &TensorEntry) -> String {
    let sizes: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    format!("[{}]", sizes.join(", "))
}

fn elements(tensor: &TensorEntry) -> u64 {
    let blocks = tensor.byte_len / tensor.element.block_bytes();
    blocks as u64 * tensor.element.block_len() as u64
}
