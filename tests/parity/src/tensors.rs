//! The expected activations of a golden, and the model's own, side by side.

use std::collections::HashMap;

use burn::tensor::Tensor;
use flamingo_weights::safetensors::{SafetensorsReader, SafetensorsTensor};

use crate::ParityError;

/// `expected.safetensors`.
pub(crate) struct Expected(HashMap<String, SafetensorsTensor>);

/// A tensor of floats with its shape, outermost first.
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Expected {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ParityError> {
        let mut reader = SafetensorsReader::new();
        reader.push(bytes)?;
        reader.finish()?;
        let mut tensors = HashMap::new();
        while let Some(tensor) = reader.next_tensor() {
            tensors.insert(tensor.entry.name.clone(), tensor);
        }
        Ok(Self(tensors))
    }

    fn tensor(&self, name: &str) -> Result<&SafetensorsTensor, ParityError> {
        self.0
            .get(name)
            .ok_or_else(|| ParityError::Expected(format!("{name} is missing")))
    }

    /// Whether a tensor is there.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A tensor of floats.
    pub(crate) fn floats(&self, name: &str) -> Result<Array, ParityError> {
        let tensor = self.tensor(name)?;
        Ok(Array {
            shape: tensor.entry.shape.clone(),
            values: tensor.to_f32()?,
        })
    }

    /// Rows of a rank-2 tensor of i64.
    pub(crate) fn integer_rows(&self, name: &str) -> Result<Vec<Vec<i64>>, ParityError> {
        let tensor = self.tensor(name)?;
        let &[_, columns] = tensor.entry.shape.as_slice() else {
            return Err(ParityError::Expected(format!("{name} is not of rank 2")));
        };
        Ok(tensor
            .to_i64()?
            .chunks(columns)
            .map(<[i64]>::to_vec)
            .collect())
    }
}

impl Array {
    /// Size of a dimension; 0 where there is no such dimension.
    pub(crate) fn dim(&self, index: usize) -> usize {
        self.shape.get(index).copied().unwrap_or_default()
    }

    /// The part at `index` of the outermost dimension.
    pub(crate) fn at(&self, index: usize) -> Array {
        let length = self.values.len() / self.dim(0).max(1);
        Array {
            shape: self.shape.get(1..).unwrap_or_default().to_vec(),
            values: self.values[index * length..(index + 1) * length].to_vec(),
        }
    }

    /// `[3, side, side]` to `side * side * 3` with the channels innermost.
    pub(crate) fn channels_last(&self) -> Vec<f32> {
        let pixels = self.values.len() / 3;
        (0..pixels)
            .flat_map(|pixel| (0..3).map(move |channel| channel * pixels + pixel))
            .map(|index| self.values[index])
            .collect()
    }
}

/// Reads a tensor `[rows, columns]` back from its device.
pub(crate) async fn read(tensor: &Tensor<2>) -> Result<Vec<f32>, ParityError> {
    Ok(flamingo_kernels::read(tensor.clone()).await?)
}
