//! A model from the bytes of its file, as they arrive.

use flamingo::{FlamingoBuilder, FlamingoConfig};
use flamingo_kernels::{ComputeDevice, DeviceKind};
use flamingo_weights::TensorInfo;
use flamingo_weights::gguf::{GgufReader, Metadata, TensorEntry};

use crate::error::LoadError;
use crate::model::Model;
use crate::rehearsal::Rehearsal;
use crate::tokenizer::Tokenizer;
use crate::weight_bytes::WeightBytes;

/// Builds a [`Model`] from a GGUF file whose bytes arrive in pieces.
///
/// Each tensor goes to the device as soon as it is whole, so the heap holds at
/// most one of them, however large the model.
pub struct ModelLoader {
    device: ComputeDevice,
    reader: GgufReader,
    /// There once the file's header has arrived.
    parts: Option<(FlamingoBuilder, Tokenizer)>,
    weight_bytes: WeightBytes,
    /// Bytes of the largest tensor that has arrived.
    largest_arrived: usize,
}

impl ModelLoader {
    /// Starts to load a model whose file has `length` bytes onto a device.
    pub fn new(device: ComputeDevice, length: u64) -> Self {
        Self {
            device,
            reader: GgufReader::of_length(length),
            parts: None,
            weight_bytes: WeightBytes::default(),
            largest_arrived: 0,
        }
    }

    /// Takes the next bytes of the file, of any number.
    ///
    /// # Errors
    /// If the file is malformed, holds something else than a Flamingo model or weights that
    /// memory cannot hold, or the device refuses a tensor. The loader is of no use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        self.reader.push(bytes)?;
        if self.parts.is_none() {
            let Some(header) = self.reader.header() else {
                return Ok(());
            };
            if self.device.kind() == DeviceKind::Cpu {
                check_addressable(&header.tensors, usize::MAX as u64)?;
            }
            self.parts = Some(start(&header.metadata, &self.device)?);
        }
        if let Some((builder, _)) = &mut self.parts {
            while let Some(tensor) = self.reader.next_tensor() {
                self.weight_bytes.add(&tensor.info.name, tensor.data.len());
                self.largest_arrived = self.largest_arrived.max(tensor.data.len());
                builder.insert(tensor)?;
            }
        }
        Ok(())
    }

    /// A rehearsal of a caption, for as long as the rest arrives; none on the CPU, which
    /// compiles nothing, and none before the file's largest tensor has arrived: what a
    /// rehearsal needs then fits where that tensor was, instead of on top of it.
    ///
    /// # Errors
    /// Where the device refuses a tensor.
    pub fn rehearsal(&self) -> Result<Option<Rehearsal>, LoadError> {
        let (Some((builder, _)), Some(header)) = (&self.parts, self.reader.header()) else {
            return Ok(None);
        };
        if self.device.kind() == DeviceKind::Cpu {
            return Ok(None);
        }
        let bytes = |info: &TensorInfo| {
            info.byte_len()
                .expect("invariant: the reader has counted each tensor's bytes")
        };
        let largest = header.tensors.iter().map(|entry| bytes(&entry.info)).max();
        if largest.is_none_or(|largest| self.largest_arrived < largest) {
            return Ok(None);
        }
        let whole = header
            .tensors
            .iter()
            .map(|entry| (entry.info.name.as_str(), &entry.info))
            .collect();
        Rehearsal::new(builder, &whole, &self.device).map(Some)
    }

    /// Puts the model together when all bytes have been pushed.
    ///
    /// # Errors
    /// Where bytes or tensors are missing.
    pub fn finish(self) -> Result<Model, LoadError> {
        self.reader.finish()?;
        // None if a push failed and its error was passed over.
        let Some((builder, tokenizer)) = self.parts else {
            return Err(LoadError::NoHeader);
        };
        let flamingo = builder.build()?;
        Ok(Model::from_parts(flamingo, tokenizer, self.weight_bytes))
    }
}

/// Checks that the CPU, which keeps every tensor in memory, can address `available` bytes
/// of them: 4 GiB in a browser's module, which has pointers of 32 bits.
fn check_addressable(tensors: &[TensorEntry], available: u64) -> Result<(), LoadError> {
    let mut needed = 0_u64;
    for entry in tensors {
        // A length that no 64 bits hold is none of a tensor that arrives.
        let bytes = entry.info.byte_len().map_or(u64::MAX, |bytes| bytes as u64);
        needed = needed.saturating_add(bytes);
    }
    match needed <= available {
        true => Ok(()),
        false => Err(LoadError::TooLarge { needed, available }),
    }
}

/// Reads what the header says and prepares for the tensors.
fn start(
    metadata: &Metadata,
    device: &ComputeDevice,
) -> Result<(FlamingoBuilder, Tokenizer), LoadError> {
    let architecture = metadata.string("general.architecture")?;
    if architecture != "flamingo" {
        return Err(LoadError::Architecture {
            found: architecture.to_owned(),
        });
    }
    let config = FlamingoConfig::from_json(metadata.string("flamingo.config")?)?;
    let json = metadata.string("tokenizer.huggingface.json")?;
    let tokenizer = Tokenizer::for_model(json, &config)?;
    Ok((FlamingoBuilder::new(config, device)?, tokenizer))
}

#[cfg(test)]
mod tests {
    use flamingo_weights::TensorType;

    use super::*;

    fn matrix(rows: usize) -> TensorEntry {
        TensorEntry {
            info: TensorInfo {
                name: format!("blk.{rows}.ffn_up.weight"),
                tensor_type: TensorType::F16,
                shape: vec![rows, 1 << 20],
            },
            offset: 0,
        }
    }

    #[test]
    fn weights_that_cannot_be_addressed_are_refused_by_the_header() {
        // 2 GiB and 2 GiB, as a browser's module counts.
        let available = u64::from(u32::MAX);
        let tensors = [matrix(1024), matrix(1024)];
        assert!(check_addressable(&tensors[..1], available).is_ok());
        let error = check_addressable(&tensors, available);
        assert!(
            matches!(error, Err(LoadError::TooLarge { needed, .. }) if needed == 1 << 32),
            "{error:?}"
        );
        assert!(check_addressable(&tensors, 1 << 32).is_ok());
    }
}
